"""The state can be written and read, the tick comes, and the address answers."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.channels.wire import Wire
from notifier.probes import state
from notifier.probes.probe import Shown, Verdict
from notifier.stores.sqlite import SqliteStore
from tests.end_to_end.serving import Answer, Reaction, Request, serving
from tests.instances import VirtualClock


def soon() -> float:
    return time.monotonic() + 10


def test_a_state_that_takes_a_document_is_proven(tmp_path: Path) -> None:
    shown = state.state(SqliteStore(tmp_path / "state")).run(soon())
    assert shown == Shown(Verdict.PROVEN, "a document of its own was written, read and deleted")


def test_a_state_that_is_none_fails_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a database")
    shown = state.state(SqliteStore(tmp_path / "state")).run(soon())
    assert shown.verdict is Verdict.FAILED
    assert "is no SQLite database: name another file in STATE" in shown.words


def test_a_tick_that_never_was_here_fails(tmp_path: Path) -> None:
    shown = state.tick(SqliteStore(tmp_path / "state"), VirtualClock()).run(soon())
    assert shown.verdict is Verdict.FAILED
    assert "it has never been here" in shown.words


@pytest.mark.parametrize(
    ("seconds", "verdict", "words"),
    [
        (179, Verdict.PROVEN, "last through at 2026-01-31 12:00 UTC, 2 min ago"),
        (180, Verdict.FAILED, "3 min ago, and it should come every minute: see the job in Cloud Scheduler"),
    ],
)
def test_a_tick_is_late_after_three_minutes(tmp_path: Path, seconds: int, verdict: Verdict, words: str) -> None:
    store, clock = SqliteStore(tmp_path / "state"), VirtualClock()
    store.ticked(clock.now(), soon())
    clock._passed = timedelta(seconds=seconds)
    shown = state.tick(store, clock).run(soon())
    assert shown.verdict is verdict
    assert words in shown.words


def test_a_tick_of_a_state_that_is_down_fails(tmp_path: Path) -> None:
    shown = state.tick(SqliteStore(tmp_path / "none" / "state"), VirtualClock()).run(soon())
    assert shown.verdict is Verdict.FAILED
    assert "is not there: make it, or correct STATE" in shown.words


@pytest.mark.parametrize(("status", "verdict"), [(200, Verdict.PROVEN), (404, Verdict.FAILED), (302, Verdict.FAILED)])
def test_an_address_must_answer_health(status: int, verdict: Verdict) -> None:
    asked: list[str] = []

    def react(request: Request) -> Reaction:
        asked.append(f"{request.method} {request.target}")
        return Reaction(Answer(status))

    with serving(react) as server:
        shown = state.address(Wire(), f"{server.url}/notify").run(soon())
        server.refuse()
        gone = state.address(Wire(), server.url).run(soon())
    assert asked == ["GET /notify/health"]
    assert shown.verdict is verdict
    assert gone.verdict is Verdict.FAILED
    assert "connection refused; check the network here, and PUBLIC_URL" in gone.words
