"""What holds at every path: the headers of an answer, the methods it has, and how secrets are compared.

docs/security.md is the table of threats, and names the test of each.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Response

from notifier import auth
from notifier.admin import Admin
from notifier.auth import AcknowledgeLinks, Callers, TwilioSignatures, twilio_signature
from notifier.core.incident import incident_key
from notifier.ports import StoreDown
from tests.any_request.places import PLACES
from tests.web.pager import ADMIN_TOKEN, NOON, TOKEN, BrokenStore, Pager, TurnableClock
from tests.web.twilio_posts import AUTH_TOKEN, PUBLIC_URL, reported, texted

ALERT = b'{"id": "db", "title": "Database unreachable", "severity": "critical"}'
LINK = AcknowledgeLinks(webhook_token=TOKEN, public_url=PUBLIC_URL).url(incident_key("plain", "db"), 1, "slack")
FORGED = f"/a/{'A' * 50}"


def of_twilio(path: str, fields: list[tuple[str, str]]) -> dict[str, Any]:
    signed = twilio_signature(AUTH_TOKEN, PUBLIC_URL + path, fields)
    return {
        "data": urlencode(fields),
        "content_type": "application/x-www-form-urlencoded",
        "headers": {"X-Twilio-Signature": signed},
    }


ANSWERS: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "an alert": (200, "POST", "/", {"data": ALERT}),
    "unreadable": (400, "POST", "/", {"data": b"?"}),
    "a stranger's alert": (401, "POST", "/", {"data": ALERT, "token": "wrong-token-of-somebody"}),
    "too large": (413, "POST", "/", {"data": b" " * 1_048_577}),
    "a tick": (200, "POST", "/tick", {}),
    "a page": (200, "GET", LINK.removeprefix(PUBLIC_URL), {}),
    "a pressed button": (200, "POST", LINK.removeprefix(PUBLIC_URL), {}),
    "a forged link": (404, "GET", FORGED, {}),
    "a report": (204, "POST", "/twilio/status", of_twilio("/twilio/status", list(reported()))),
    "a stranger's report": (403, "POST", "/twilio/status", {}),
    "a text": (200, "POST", "/twilio/sms", of_twilio("/twilio/sms", list(texted(Body="status")))),
    "the status page": (200, "GET", "/status", {"token": ADMIN_TOKEN}),
    "the status page for a machine": (
        200,
        "GET",
        "/status",
        {"token": ADMIN_TOKEN, "headers": {"Accept": "application/json"}},
    ),
    "the sign-in form": (401, "GET", "/status", {}),
    "signed in": (303, "POST", "/status", {"data": {"token": ADMIN_TOKEN}}),
    "signed out": (303, "POST", "/status", {"data": {"sign-out": "1"}}),
    "a form of another site": (403, "POST", "/status", {"headers": {"Sec-Fetch-Site": "cross-site"}}),
    "health": (200, "GET", "/health", {}),
    "no path": (404, "GET", "/none", {}),
    "another method": (405, "GET", "/", {}),
}


@pytest.mark.parametrize(("status", "method", "path", "options"), ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_is_kept_by_nobody_and_taken_for_nothing_else(
    tmp_path: Path, status: int, method: str, path: str, options: dict[str, Any]
) -> None:
    pager = Pager(tmp_path / "state.sqlite", phones=2)
    pager.post(ALERT)
    answer = pager.call(method, path, **options)
    assert answer.status_code == status
    assert_has_its_headers(answer)


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/", 503), ("POST", "/tick", 503)])
def test_so_is_an_answer_without_the_store(tmp_path: Path, method: str, path: str, status: int) -> None:
    pager = Pager(tmp_path / "state.sqlite", store=BrokenStore(StoreDown("no store")))
    answer = pager.call(method, path, data=ALERT)
    assert answer.status_code == status
    assert_has_its_headers(answer)


def test_so_is_an_answer_of_our_own_mistake(tmp_path: Path) -> None:
    pager = Pager(tmp_path / "state.sqlite", store=BrokenStore(ZeroDivisionError()))
    answer = pager.post(ALERT)
    assert answer.status_code == 500
    assert_has_its_headers(answer)


def assert_has_its_headers(answer: Response) -> None:
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert ("Content-Type" in answer.headers) is (answer.status_code != 204)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_no_other_method_does_anything(pager: Pager, place: Any, method: str) -> None:
    path = LINK.removeprefix(PUBLIC_URL) if place.below else place.path
    pager.post(ALERT)
    pager.sent.clear()
    pager.sqlite.close()
    before = pager.file.read_bytes()
    answer = pager.call(method, path, data=ALERT, headers={"X-Mine": "echoed"})
    assert answer.status_code == 405
    assert b"echoed" not in answer.get_data()
    pager.sqlite.close()
    assert pager.file.read_bytes() == before
    assert pager.sent == []


# Secrets are compared in constant time. That is shown by what happens when that comparison, and nothing else, lies:
# if any other decided as well, or decided alone, it would have the last word.


@pytest.fixture(params=[True, False], ids=["says yes", "says no"])
def lie(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """`hmac.compare_digest` gives one answer to everything."""
    asked: list[int] = []

    def compare(_a: object, _b: object) -> bool:
        asked.append(1)
        return bool(request.param)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    yield request.param
    assert asked, "nothing was compared"


def admits(check: Callable[[], object]) -> bool:
    try:
        check()
    except auth.Refused:
        return False
    return True


PRESENTED = {
    "the true one": TOKEN,
    "another": "x",
    "a part of it": TOKEN[:-1],
    "more than it": f"{TOKEN}x",
    "another of its length": TOKEN[::-1],
}


@pytest.mark.parametrize("presented", PRESENTED.values(), ids=PRESENTED.keys())
@pytest.mark.parametrize("where", ["authorization", "query"])
def test_only_a_comparison_in_constant_time_judges_the_token(lie: bool, presented: str, where: str) -> None:  # noqa: FBT001
    callers = Callers(webhook_token=TOKEN, oidc_emails=(), audience="", clock=TurnableClock())
    shown = (presented, None) if where == "authorization" else (None, presented)
    assert admits(lambda: callers.admit(*shown)) is lie


@pytest.mark.parametrize("presented", PRESENTED.values(), ids=PRESENTED.keys())
def test_only_a_comparison_in_constant_time_judges_the_token_of_the_status_page(lie: bool, presented: str) -> None:  # noqa: FBT001
    assert Admin(admin_token=TOKEN, public_url=PUBLIC_URL).is_token(presented) is lie


@pytest.mark.parametrize("change", [str, lambda value: value[:-1] + "A", lambda value: value[:11] + "A" * 21])
def test_only_a_comparison_in_constant_time_judges_a_cookie(lie: bool, change: Callable[[str], str]) -> None:  # noqa: FBT001
    admin = Admin(admin_token=TOKEN, public_url=PUBLIC_URL)
    value = admin.signed_in(NOON).partition(";")[0].partition("=")[2]
    assert admin.is_signed_in(change(value), NOON) is lie


@pytest.mark.parametrize("change", [lambda link: link, lambda link: link[:-1] + "A", lambda link: "A" + link[1:]])
def test_only_a_comparison_in_constant_time_judges_a_link(lie: bool, change: Callable[[str], str]) -> None:  # noqa: FBT001
    links = AcknowledgeLinks(webhook_token=TOKEN, public_url=PUBLIC_URL)
    assert (links.read(change(LINK.rpartition("/")[2])) is not None) is lie


@pytest.mark.parametrize("change", [str, lambda mac: mac[:-1], lambda mac: f"{mac}x", lambda _: "x"])
def test_only_a_comparison_in_constant_time_judges_twilios_signature(
    lie: bool,  # noqa: FBT001
    change: Callable[[str], str],
) -> None:
    signatures = TwilioSignatures(auth_tokens=(AUTH_TOKEN,), public_url=PUBLIC_URL)
    fields = list(texted())
    shown = change(twilio_signature(AUTH_TOKEN, f"{PUBLIC_URL}/twilio/sms", fields))
    assert admits(lambda: signatures.check("/twilio/sms", "", fields, shown)) is lie
