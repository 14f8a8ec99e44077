"""./dev run, as somebody runs it who has just cloned the repository."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import ClassVar, NamedTuple

import pytest
import requests

from tests.builders import ROOT
from tests.end_to_end.processes import free_port

NOT_COPIED = shutil.ignore_patterns(
    ".venv", ".git", ".dev", ".cache", ".env.yaml", "__pycache__", ".*_cache", "*.sqlite"
)


class Run(NamedTuple):
    """What ./dev run printed until it stayed up, and where it listens."""

    output: str
    url: str


def start(folder: Path, *arguments: str, **environment: str) -> tuple[subprocess.Popen[str], int]:
    port = free_port()
    plain = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    process = subprocess.Popen(
        [sys.executable, "dev", "run", *arguments],
        cwd=folder,
        env={**plain, "PORT": str(port), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process, port


def printed_until_up(process: subprocess.Popen[str]) -> str:
    """What it prints, to the curl that it ends with; all of it when it does not stay up."""
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if "curl -u" in line:
            break
    return output


def stop(process: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> None:
    """End it as Ctrl-C does, or `kill`."""
    process.send_signal(how)
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it is, with the installed environment."""
    folder = tmp_path_factory.mktemp("clone") / "notifier"
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.fixture(scope="module")
def run(clone: Path) -> Iterator[Run]:
    process, port = start(clone)
    yield Run(printed_until_up(process), f"http://127.0.0.1:{port}")
    stop(process)


@pytest.mark.parametrize("channel", ["slack", "discord", "email", "sms"])
def test_it_shows_what_each_channel_would_get(run: Run, channel: str) -> None:
    assert f"SIMULATE=1: {channel} would send this" in run.output


def test_it_shows_the_log_and_the_answer(run: Run) -> None:
    assert "CRITICAL opened as critical: Database unreachable" in run.output
    assert '"opened/sms/0/1": "sent"' in run.output


def test_it_stays_up_and_the_curl_it_prints_works(run: Run) -> None:
    (line,) = [line for line in run.output.splitlines() if "curl -u" in line]
    answer = subprocess.run(["bash", "-c", line.replace("curl", "curl -s")], capture_output=True, text=True, check=True)
    assert '"severity":"error"' in answer.stdout


@pytest.mark.parametrize("channel", ["slack", "discord", "email"])
def test_the_acknowledge_link_that_a_channel_would_get_works(clone: Path, run: Run, channel: str) -> None:
    shown = run.output.split(f"SIMULATE=1: {channel} would send this")[1].split("SIMULATE=1")[0]
    (link,) = re.findall(rf"{run.url}/a/[\w-]+", shown)
    assert requests.get(link, timeout=10).ok
    answered = requests.post(link, data={"name": "Ada"}, timeout=10)
    assert answered.ok
    assert re.search("<h1>(Acknowledged|Already acknowledged) #", answered.text)


def test_it_ticks_as_soon_as_it_is_up(clone: Path, run: Run) -> None:
    until = time.monotonic() + 10
    found: list[tuple[str]] = []
    while not found and time.monotonic() < until:
        with closing(sqlite3.connect(clone / ".dev" / "state.sqlite")) as database:
            found = database.execute("SELECT body FROM documents WHERE name = 'ticks/last'").fetchall()
    ((last,),) = found
    assert (datetime.now(UTC) - datetime.fromisoformat(last)).total_seconds() < 600
    assert "The minute tick comes from here" in run.output


class Scheduled(BaseHTTPRequestHandler):
    """Remembers what it was asked, and fails every time."""

    asked: ClassVar[list[tuple[str | None, ...]]] = []

    def do_POST(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        """Said to nobody."""


def test_it_goes_on_ticking_whatever_is_answered_until_the_function_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = SourceFileLoader("dev", str(ROOT / "dev"))
    spec = importlib.util.spec_from_loader("dev", loader)
    assert spec
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    dev = importlib.util.module_from_spec(spec)
    loader.exec_module(dev)
    monkeypatch.setattr(dev, "TICK_SECONDS", 0.2)
    with HTTPServer(("127.0.0.1", 0), Scheduled) as server:
        threading.Thread(target=server.serve_forever).start()
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1); raise SystemExit(7)"]) as function:
            ended = dev.tick_until_it_ends(function, str(server.server_port), "a-token")
        server.shutdown()
    assert ended == 7
    assert len(Scheduled.asked) > 2
    assert set(Scheduled.asked) == {("/tick", "Bearer a-token")}


def test_the_status_page_it_names_opens_with_the_password_it_names(run: Run) -> None:
    ((password, url),) = re.findall(r"The status page \(password: (\S+)\): (http://\S+/status)\n", run.output)
    seen = requests.get(url, auth=("any", password), headers={"Accept": "application/json"}, timeout=10)
    assert seen.status_code == 200


def test_the_line_for_another_terminal_shows_what_is_open(clone: Path, run: Run) -> None:
    (line,) = re.findall(r"In another terminal:\n  (STATE=.*)\n", run.output)
    shown = subprocess.run(["bash", "-c", line], cwd=clone, capture_output=True, text=True, check=True)
    assert "Database unreachable" in shown.stdout


def test_a_password_of_ones_own_is_not_shown(clone: Path) -> None:
    process, _ = start(clone, ADMIN_TOKEN="one-of-my-own-making")
    output = printed_until_up(process)
    stop(process)
    assert "The status page (password: ADMIN_TOKEN): " in output
    assert "one-of-my-own-making" not in output


def test_it_shows_no_phone_number_in_full(run: Run) -> None:
    assert "To: +1555*****" in run.output


def test_a_port_in_use_is_said_with_what_to_do(clone: Path, run: Run) -> None:
    process, _ = start(clone, PORT=run.url.rpartition(":")[2])
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "takes another" in output


def test_a_port_that_is_no_number_is_said(clone: Path) -> None:
    process, _ = start(clone, PORT="abc")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "PORT must be a number" in output


def test_with_real_channels_it_sends_nothing_by_itself(clone: Path, tmp_path: Path) -> None:
    """A text costs money: only a person sends it."""
    own = tmp_path / "real"
    shutil.copytree(clone, own, symlinks=True, ignore=shutil.ignore_patterns(".dev"))
    (own / ".env.yaml").write_text('WEBHOOK_TOKEN: "a-token-of-no-worth"\nSLACK_WEBHOOK_URL: "http://127.0.0.1:9/x"\n')
    process, _ = start(own)
    output = printed_until_up(process)
    stop(process)
    assert "channels real" in output
    assert "no sample alert is sent" in output
    assert "opened as" not in output
    assert "a-token-of-no-worth" not in output
    assert "/status" not in output
    assert "STATE=" not in output


def test_bad_settings_are_told_at_once_and_nothing_stays_up(clone: Path) -> None:
    process, _ = start(clone, ONCALL_PHONE="0123", SLACK_WEBHOOK_URL="ftp://x")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ONCALL_PHONE" in output
    assert "SLACK_WEBHOOK_URL" in output


@pytest.mark.emulator
def test_it_runs_on_firestores_emulator(clone: Path, firestore_emulator: str) -> None:
    process, _ = start(clone, "--firestore", FIRESTORE_EMULATOR_HOST=firestore_emulator)
    output = printed_until_up(process)
    stop(process)
    assert "state in Firestore" in output
    assert '"opened/sms/0/1": "sent"' in output


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_what_it_started_ends_with_it(clone: Path, how: signal.Signals) -> None:
    """Also when its terminal is closed: a pager with real channels must not go on unseen."""
    process, port = start(clone)
    printed_until_up(process)
    stop(process, how)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/health", timeout=5)


def test_an_unknown_command_shows_the_help() -> None:
    shown = subprocess.run([sys.executable, ROOT / "dev", "fly"], capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert "./dev test" in shown.stdout
