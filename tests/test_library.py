"""`from notifier import alert, resolve`: the same road as an alert that comes by HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import notifier
from notifier.core.alert import Severity
from notifier.core.incident import DeliveryState, IncidentState
from notifier.settings import NAMES, SettingsError
from notifier.sources import Unreadable
from notifier.wiring import app_from_environment


@pytest.fixture(autouse=True)
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings of a simulation with its state in a file, and a network that must not be used."""
    for name in (*NAMES, "K_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMULATE", "1")
    monkeypatch.setenv("STATE", f"sqlite:{tmp_path / 'state.sqlite'}")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was used"))
    app_from_environment.cache_clear()
    yield
    app_from_environment.cache_clear()


def test_an_alert_is_stored_and_told() -> None:
    incident = notifier.alert(
        "Database unreachable", "critical", id="db", url="https://example.com/", labels={"host": "db-1"}
    )
    assert (incident.state, incident.effective) == (IncidentState.OPEN, Severity.CRITICAL)
    assert (incident.title, incident.url) == ("Database unreachable", "https://example.com/")
    assert {key: delivery.state for key, delivery in incident.deliveries.items()} == {
        "opened/slack": DeliveryState.SENT,
        "opened/discord": DeliveryState.SENT,
        "opened/email": DeliveryState.SENT,
        "opened/sms/0/1": DeliveryState.SENT,
    }


def test_a_title_stands_above_the_text() -> None:
    incident = notifier.alert("The disk is full.", title="Backup failed")
    assert (incident.title, incident.text, incident.one_off) == ("Backup failed", "The disk is full.", True)


def test_resolving_ends_the_incident_of_that_id() -> None:
    opened = notifier.alert("Database unreachable", "error", id="db")
    ended = notifier.resolve("db")
    assert (ended.key, ended.state) == (opened.key, IncidentState.RESOLVED)


def test_a_repeat_is_the_same_incident() -> None:
    first = notifier.alert("Database unreachable", id="db")
    assert notifier.alert("Database unreachable", id="db") == first


def test_an_incident_outlives_the_process(tmp_path: Path) -> None:
    first = notifier.alert("Database unreachable", id="db")
    app_from_environment.cache_clear()
    assert notifier.alert("Database unreachable", id="db") == first


def test_words_are_cleaned_and_never_break_it() -> None:
    assert notifier.alert("a\x00b\ud800 " + "x" * 2_000_000, labels={"\udfff": "\x00"}).title.startswith("ab x")


@pytest.mark.parametrize("say", [lambda: notifier.alert(""), lambda: notifier.resolve("")], ids=["alert", "resolve"])
def test_nothing_said_is_unreadable(say: object) -> None:
    assert callable(say)
    with pytest.raises(Unreadable, match="expected"):
        say()


def test_a_bad_severity_is_taken_as_the_policy_says() -> None:
    assert notifier.alert("Disk full", "catastrophic").effective is Severity.ERROR


def test_settings_that_would_not_do_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATE", "perhaps")
    with pytest.raises(SettingsError, match="SIMULATE must be 1 or 0"):
        notifier.alert("Disk full")
