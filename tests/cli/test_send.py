"""send: an alert from a terminal takes the road of every alert, and is told of in plain lines."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from notifier.core.alert import Severity
from notifier.core.incident import IncidentState, incident_key
from notifier.stores.sqlite import SqliteStore
from tests.cli.conftest import Run
from tests.end_to_end.courses import Course
from tests.end_to_end.providers import Providers, providers
from tests.end_to_end.serving import Lost
from tests.end_to_end.twilio_api import error


@pytest.fixture
def real(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Providers]:
    """Slack, Discord and Twilio are there; the state is a file, and the tick has just been through."""
    with providers() as taken:
        for name, value in taken.settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("STATE", f"sqlite:{folder / 'state.sqlite'}")
        store = SqliteStore(folder / "state.sqlite")
        store.ticked(datetime.now(UTC), time.monotonic() + 10)
        store.close()
        yield taken


def test_a_critical_alert_is_told_everywhere_and_how_it_is_answered_is_said(
    run: Run, real: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://pager.example.com")
    monkeypatch.setenv("WEBHOOK_TOKEN", "made-up-token-of-the-tests")
    done = run("send", "Database unreachable", "-s", "critical", "--id", "db")
    (text,) = real.texts
    ref = text.body.rpartition("#")[2].split()[0]
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"#{ref}  critical: Database unreachable"
    assert sorted(lines[1:4]) == ["  discord: told", "  phone 1 (+1555*****01): texted", "  slack: told"]
    assert f"To answer it: python -m notifier ack {ref}, or the Acknowledge link where it was told." in lines
    assert f"What comes next: python -m notifier explain {ref}" in lines
    assert "Nobody does what comes next" not in done.stdout


@pytest.mark.parametrize("name", ["PUBLIC_URL", "WEBHOOK_TOKEN"])
def test_without_a_link_in_the_messages_none_is_offered(
    run: Run, simulated: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://pager.example.com")
    monkeypatch.setenv("WEBHOOK_TOKEN", "made-up-token-of-the-tests")
    monkeypatch.delenv(name)
    done = run("send", "x", "-s", "error", "--id", "db")
    assert "ack " in done.stdout
    assert "link" not in done.stdout


def test_the_log_does_not_bury_the_answer_unless_it_is_asked_for(run: Run, real: Providers) -> None:
    assert run("send", "one", "-s", "critical").stderr == ""
    assert "opened as critical: two" in run("send", "two", "-s", "critical", "-v").stderr


def test_a_simulation_shows_what_would_be_sent(run: Run, simulated: Path) -> None:
    done = run("send", "Database unreachable", "-s", "critical")
    assert done.exit_code == 0
    for channel in ("slack", "discord", "email", "sms"):
        assert f"SIMULATE=1: {channel} would send this" in done.stderr
    assert "opened as" not in done.stderr
    assert "  phone 1: texted (simulated: nothing was sent)" in done.stdout


def test_the_text_is_read_from_standard_input(run: Run, real: Providers) -> None:
    run("send", "-", "-s", "info", stdin="Disk full\non db-1\n")
    (post,) = real.slack
    assert post["text"].startswith("INFO: Disk full #")
    assert "on db-1" in str(post)


@pytest.mark.parametrize("severity", [severity.value for severity in Severity])
def test_the_severity_is_kept(run: Run, simulated: Path, severity: str) -> None:
    assert json.loads(run("send", "x", "-s", severity, "--json").stdout)["severity"] == severity


def test_without_a_severity_the_policy_decides(run: Run, simulated: Path) -> None:
    assert json.loads(run("send", "x", "--json").stdout)["severity"] == "warning"


def test_for_machines_each_delivery_of_this_call_is_told(run: Run, real: Providers) -> None:
    run("send", "x", "-s", "info", "--id", "db")
    shown = json.loads(run("send", "x", "-s", "critical", "--id", "db", "--json").stdout)
    assert (shown["id"], shown["state"], shown["effective"]) == ("db", "open", "critical")
    assert shown["sent"] == [
        {"delivery": "escalated/sms/0/1", "to": "phone 1", "kind": "escalated", "state": "sent", "detail": ""}
    ]
    assert shown["key"] == incident_key("plain", "db")
    assert shown["resolved_at"] is None
    assert datetime.fromisoformat(shown["opened_at"]).tzinfo is not None


def test_what_twilio_refused_exits_with_1_in_its_words(run: Run, real: Providers) -> None:
    real.twilio.plan(Course(refused=error(21606)))
    done = run("send", "x", "-s", "critical")
    assert done.exit_code == 1
    assert (
        "  phone 1 (+1555*****01): NOT told (21606: TWILIO_FROM is not a number of this Twilio account" in done.stdout
    )
    assert "  slack: told what went wrong" in done.stdout
    assert "  phone 2 (+1555*****02): texted" in done.stdout


def test_an_answer_that_was_lost_exits_with_1(run: Run, real: Providers) -> None:
    real.twilio.plan(Course(answered=Lost.RESET))
    done = run("send", "x", "-s", "critical")
    assert done.exit_code == 1
    assert "  phone 1 (+1555*****01): may have been told" in done.stdout


def test_a_page_that_the_cap_holds_back_exits_with_1(run: Run, real: Providers) -> None:
    for number in range(5):
        assert run("send", f"x {number}", "-s", "critical").exit_code == 0
    done = run("send", "one more", "-s", "critical")
    assert done.exit_code == 1
    assert "  phone 1 (+1555*****01): NOT texted yet, the cap is reached (cap of 5 per hour reached)" in done.stdout


def test_nobody_to_tell_exits_with_1(run: Run, folder: Path) -> None:
    done = run("send", "x", "-s", "critical")
    assert done.exit_code == 1
    assert "  NOBODY WAS TOLD: no channel of critical is configured; `check` shows which are" in done.stdout


def test_a_repeat_is_told_nobody_again_and_exits_with_0(run: Run, real: Providers) -> None:
    run("send", "x", "-s", "error", "--id", "db")
    posts = len(real.slack)
    done = run("send", "x", "-s", "error", "--id", "db")
    assert done.exit_code == 0
    assert "  nobody was told again: it is open since 20" in done.stdout
    assert len(real.slack) == posts


def test_an_incident_is_resolved_and_those_who_heard_of_it_are_told(run: Run, real: Providers) -> None:
    run("send", "x", "-s", "error", "--id", "db")
    done = run("send", "--resolve", "db")
    assert done.exit_code == 0
    assert "  slack: told that it is over" in done.stdout
    assert "To answer it" not in done.stdout
    assert real.slack[-1]["text"].startswith("RESOLVED after ")


def test_what_was_not_open_cannot_be_resolved(run: Run, real: Providers) -> None:
    done = run("send", "--resolve", "no such")
    assert done.exit_code == 1
    assert "nobody was told: nothing of that name was open" in done.stdout


def test_a_state_without_a_tick_is_told(run: Run, simulated: Path) -> None:
    words = "Nobody does what comes next: the minute tick has never been here, in the state that these settings name."
    assert words in run("send", "x", "-s", "error").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected a TEXT, or - to read it from standard input"),
        (["-"], "expected a TEXT, or - to read it from standard input"),
        (["x", "-s", "loud"], "'loud' is not one of"),
        (["--resolve", "db", "-s", "error"], "it goes with neither --severity nor --id"),
        (["--resolve", "db", "--id", "db"], "it goes with neither --severity nor --id"),
    ],
)
def test_a_mistake_in_the_call_exits_with_2_and_sends_nothing(
    run: Run, simulated: Path, arguments: list[str], words: str
) -> None:
    done = run("send", *arguments, stdin=" \n")
    assert done.exit_code == 2
    assert words in done.stderr
    assert not simulated.exists()


def test_a_state_that_is_out_of_reach_exits_with_2(run: Run, simulated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("send", "x", "-s", "info")
    monkeypatch.setattr("notifier.sending.CLAIM_SECONDS", 0.2)
    monkeypatch.setattr("notifier.relay.LOOK_AGAIN_SECONDS", 0.2)
    with closing(sqlite3.connect(simulated)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = run("send", "Database unreachable", "-s", "error")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "it is not certain that it was stored" in done.stderr


def test_wrong_settings_exit_with_2(run: Run, simulated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCALL_PHONE", "0123")
    done = run("send", "x")
    assert done.exit_code == 2
    assert "ONCALL_PHONE" in done.stderr


def test_an_answered_incident_is_not_offered_to_be_answered(run: Run, simulated: Path) -> None:
    run("send", "x", "-s", "error", "--id", "db")
    run("ack", "db")
    done = run("send", "x", "-s", "error", "--id", "db")
    assert done.exit_code == 0
    assert "nobody was told again: it is acknowledged since" in done.stdout
    assert "To answer it" not in done.stdout
    store = SqliteStore(simulated)
    known = store.gather(incident_key("plain", "db"), time.monotonic() + 10).incident
    store.close()
    assert known is not None
    assert known.state is IncidentState.ACKNOWLEDGED
