"""POST /tick: who may, what it answers; and what an alert does when no tick comes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import responses
from flask import Response

from notifier.auth import CERTIFICATES_URL, Callers
from notifier.core.incident import incident_key
from notifier.ports import StoreDown
from tests.web.identities import AUDIENCE, CALLER, SigningKey
from tests.web.pager import TOKEN, Pager, TurnableClock, basic, content

NOTHING = {"incidents": 0, "sends": {}, "unreadable": 0, "failed": 0, "left": 0}
WARNING = {"id": "disk", "title": "Disk almost full", "severity": "warning"}


def tick(pager: Pager, minutes: float = 0, *, token: str | None = TOKEN) -> Response:
    """A tick, so many minutes later."""
    pager.clock.turn(timedelta(minutes=minutes))
    pager.sent.clear()
    return pager.call("POST", "/tick", token=token)


# Who may


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": basic("any", TOKEN)}, ""),
        ({"Authorization": f"Bearer {TOKEN}"}, ""),
        ({}, f"auth_token={TOKEN}"),
    ],
    ids=["basic", "bearer", "query"],
)
def test_the_token_lets_the_tick_in(pager: Pager, headers: dict[str, str], query: str) -> None:
    assert pager.call("POST", "/tick", token=None, headers=headers, query_string=query).status_code == 200


@pytest.mark.parametrize("token", [None, "wrong-token-of-somebody", ""])
def test_a_stranger_is_401_and_does_nothing(pager: Pager, token: str | None) -> None:
    pager.post(WARNING)
    answer = tick(pager, 30, token=token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="notifier"'
    assert pager.told == []


@pytest.fixture
def with_identities(tmp_path: Path, google: responses.RequestsMock, google_key: SigningKey) -> Pager:
    """A pager that Cloud Scheduler may call."""
    google.add(responses.GET, CERTIFICATES_URL, json={google_key.key_id: google_key.certificate})
    callers = Callers(webhook_token=TOKEN, oidc_emails=(CALLER,), audience=AUDIENCE, clock=TurnableClock())
    return Pager(tmp_path / "state.sqlite", callers=callers)


def test_the_schedulers_identity_lets_it_in(with_identities: Pager, google_key: SigningKey) -> None:
    headers = {"Authorization": f"Bearer {google_key.token()}"}
    assert with_identities.call("POST", "/tick", token=None, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "claims", [{"email": "other@example.iam.gserviceaccount.com"}, {"aud": "https://other.example.com"}, {"exp": 1}]
)
def test_another_identity_is_403_and_does_nothing(
    with_identities: Pager, google_key: SigningKey, claims: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {google_key.token(**claims)}"}
    assert with_identities.call("POST", "/tick", token=None, headers=headers).status_code == 403
    assert not with_identities.file.exists()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_another_method_is_405(pager: Pager, method: str) -> None:
    answer = pager.call(method, "/tick")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


# What it answers


def test_with_nothing_due_it_says_so(pager: Pager) -> None:
    pager.post(WARNING)
    answer = tick(pager)
    assert (answer.status_code, content(answer)) == (200, NOTHING)
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_says_how_many_incidents_it_took_and_how_the_sends_ended(pager: Pager) -> None:
    pager.post(WARNING)
    pager.post({**WARNING, "id": "other"})
    assert content(tick(pager, 10)) == {**NOTHING, "incidents": 2, "sends": {"sent": 2}}
    assert pager.told == ["email", "email"]


def test_a_body_is_not_asked_for(pager: Pager) -> None:
    assert pager.call("POST", "/tick", data=b"\xff not JSON").status_code == 200


def test_while_the_store_is_down_it_is_503_and_the_scheduler_may_try_again(
    broken: Callable[[Exception], Pager],
) -> None:
    answer = tick(broken(StoreDown("inner words")))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert content(answer) == {"error": "the store could not be searched; the next tick does it", **NOTHING}


# Climbing and answering, as callers see it


def test_a_warning_nobody_answers_is_mailed_and_then_texted(pager: Pager) -> None:
    pager.post(WARNING)
    told = {}
    for minute in range(1, 23):
        tick(pager, 1)
        if pager.told:
            told[minute] = pager.told
    assert told == {10: ["email"], 20: ["sms"]}


def test_a_late_tick_catches_up_in_one_go(pager: Pager) -> None:
    pager.post(WARNING)
    tick(pager, 25)
    assert pager.told == ["email", "sms"]
    assert {message.headline for _, message in pager.sent} == {"WARNING unanswered 25 min: Disk almost full"}


def test_what_was_acknowledged_by_its_link_climbs_no_further(pager: Pager) -> None:
    pager.post(WARNING)
    tick(pager, 10)
    ((_, mail),) = pager.sent
    pager.call("POST", mail.acknowledge_url.removeprefix("https://pager.example.com"), token=None)
    assert content(tick(pager, 60)) == NOTHING
    assert pager.told == []


# When no tick comes


def test_an_alert_does_what_is_due_when_no_tick_was_here_for_over_three_minutes(pager: Pager) -> None:
    pager.post(WARNING)
    tick(pager)
    pager.clock.turn(timedelta(minutes=10))
    pager.post({"id": "new", "title": "Deployed", "severity": "info"})
    assert pager.told == ["discord", "email", "slack"]
    assert "the minute tick has not been here since 2026-07-01 12:00 UTC: this request did" in str(pager.log)


def test_an_alert_does_what_is_due_when_no_tick_was_ever_here(pager: Pager) -> None:
    pager.post(WARNING)
    pager.sent.clear()
    pager.clock.turn(timedelta(minutes=10))
    pager.post({"id": "new", "title": "Deployed", "severity": "info"})
    assert "email" in pager.told
    assert "the minute tick has never been here" in str(pager.log)


def test_an_alert_leaves_what_is_due_to_a_tick_that_was_here(pager: Pager) -> None:
    pager.post(WARNING)
    tick(pager, 9)
    pager.clock.turn(timedelta(minutes=3))
    pager.post({"id": "new", "title": "Deployed", "severity": "info"})
    assert pager.told == ["discord", "slack"]


def test_an_alert_does_a_few_and_not_all(pager: Pager) -> None:
    for number in range(5):
        pager.post({**WARNING, "id": f"disk {number}"})
    tick(pager)
    pager.clock.turn(timedelta(minutes=10))
    pager.post({"id": "new", "title": "Deployed", "severity": "info"})
    assert pager.told.count("email") == 3


def test_what_an_alert_caught_up_with_is_not_done_again_by_the_tick(pager: Pager) -> None:
    pager.post(WARNING)
    pager.clock.turn(timedelta(minutes=10))
    pager.post({"id": "new", "title": "Deployed", "severity": "info"})
    tick(pager)
    assert pager.told == []


def test_a_tick_that_failed_counts_as_no_tick(broken: Callable[[Exception], Pager]) -> None:
    pager = broken(StoreDown("no store"))
    tick(pager)
    last = pager.sqlite.gather(incident_key("plain", "disk"), pager.clock.monotonic() + 5).last_tick
    assert last is None
