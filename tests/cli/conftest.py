"""The command line in a folder of its own, under settings of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.settings import NAMES
from notifier.wiring import app_from_environment

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that everything is run in; nothing is set there."""
    for name in (*NAMES, "K_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    app_from_environment.cache_clear()
    yield tmp_path
    app_from_environment.cache_clear()


@pytest.fixture
def simulated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a simulation's state; no network is to be used."""
    monkeypatch.setenv("SIMULATE", "1")
    monkeypatch.setenv("STATE", f"sqlite:{folder / 'state.sqlite'}")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was used"))
    return folder / "state.sqlite"


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs a command: `run("send", "hello")`. What it says is in stdout and stderr, how it ended in exit_code."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        done = CliRunner().invoke(cli, arguments, input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run
