"""`/status`: who may see it, and that nobody else learns anything."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Response

from notifier.admin import SESSION, Admin
from notifier.body import BODY_BYTES
from notifier.core.incident import IncidentState, incident_key
from notifier.core.status import ENDED_AT_MOST
from notifier.pages.frame import SECURITY_HEADERS
from notifier.ports import DocumentUnreadable, StoreDown, StoreError, StoreRefused
from tests.instances import CountingStore
from tests.web.pager import ADMIN_TOKEN, NOON, TOKEN, Pager, basic, content

ALERT = {"id": "db", "title": "Database unreachable", "severity": "critical"}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
JSON = {"Accept": "application/json"}
COOKIE = "__Secure-notifier"


def ask(pager: Pager, *, headers: dict[str, str] | None = None, **environ: Any) -> Response:
    """As a stranger with a browser, unless `headers` say otherwise."""
    method = environ.pop("method", "GET")
    return pager.call(method, "/status", token=None, headers={**HTML, **(headers or {})}, **environ)


def with_token(pager: Pager, token: str = ADMIN_TOKEN, **headers: str) -> Response:
    return ask(pager, headers={"Authorization": basic("anybody", token), **headers})


def sign_in(pager: Pager, token: str = ADMIN_TOKEN, **headers: str) -> Response:
    return ask(pager, method="POST", data={"token": token}, headers=headers)


def cookie_of(answer: Response) -> str:
    """What a browser sends back."""
    return answer.headers["Set-Cookie"].partition(";")[0]


def words(answer: Response) -> str:
    return answer.get_data(as_text=True)


# Who may not


def test_a_stranger_with_a_browser_gets_the_form_and_no_dialog(pager: Pager) -> None:
    pager.post(ALERT)
    answer = ask(pager)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Form realm="notifier"'
    assert '<input type="password" name="token"' in words(answer)
    assert "Database unreachable" not in words(answer)


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_a_stranger_with_anything_else_is_asked_for_basic(pager: Pager, accept: str | None) -> None:
    answer = pager.call("GET", "/status", token=None, headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="notifier"')


def test_a_machine_is_refused_in_json(pager: Pager) -> None:
    answer = ask(pager, headers=JSON)
    assert content(answer) == {"error": "expected ADMIN_TOKEN as the basic-auth password or as a bearer token"}


@pytest.mark.parametrize("token", [TOKEN, ADMIN_TOKEN[:-1], f"{ADMIN_TOKEN}x", ADMIN_TOKEN.upper(), "ü", ""])
def test_another_token_is_refused(pager: Pager, token: str) -> None:
    assert with_token(pager, token).status_code == 401
    answer = sign_in(pager, token)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert "That is not ADMIN_TOKEN" in words(answer)


@pytest.mark.parametrize("name", ["token", "auth_token", "admin_token", "password", "ADMIN_TOKEN"])
def test_no_token_is_taken_from_the_address(pager: Pager, name: str) -> None:
    assert ask(pager, query_string={name: ADMIN_TOKEN}).status_code == 401
    assert ask(pager, method="POST", query_string={name: ADMIN_TOKEN}).status_code == 401


@pytest.mark.parametrize("token", [ADMIN_TOKEN, "", "x"])
def test_without_an_admin_token_nobody_may(tmp_path: Path, token: str) -> None:
    pager = Pager(tmp_path / "state.sqlite", admin_token="")
    for answer in (ask(pager), with_token(pager, token), sign_in(pager, token)):
        assert answer.status_code == 404
        assert "no ADMIN_TOKEN" in words(answer)
        assert "Set-Cookie" not in answer.headers
    assert content(ask(pager, headers=JSON)) == {"error": "there is no status page: set ADMIN_TOKEN, and deploy again"}
    pager.sqlite.close()


def test_an_empty_token_makes_no_cookie_true() -> None:
    nobody = Admin(admin_token="", public_url="")
    cookie = nobody.signed_in(NOON).partition(";")[0].partition("=")[2]
    assert not nobody.is_signed_in(cookie, NOON)
    assert not nobody.is_token("")


@pytest.mark.parametrize("wrong", ["header", "form"])
def test_a_wrong_token_is_in_the_log_and_its_words_are_not(pager: Pager, wrong: str) -> None:
    guess = "a-guess-of-somebody"
    with_token(pager, guess) if wrong == "header" else sign_in(pager, guess)
    assert "WARNING a wrong ADMIN_TOKEN" in str(pager.log)
    assert guess not in str(pager.log)


def test_a_stranger_costs_the_store_nothing(broken: Callable[[Exception], Pager]) -> None:
    assert ask(broken(AssertionError())).status_code == 401


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_405(pager: Pager, method: str) -> None:
    assert ask(pager, method=method).status_code == 405


# Signing in


@pytest.mark.parametrize("pasted", [f" {ADMIN_TOKEN}", f"{ADMIN_TOKEN}\r\n"])
def test_what_pasting_adds_around_the_token_does_no_harm(pager: Pager, pasted: str) -> None:
    assert sign_in(pager, pasted).status_code == 303


def test_the_form_leads_to_the_page_by_a_cookie(pager: Pager) -> None:
    pager.post(ALERT)
    answer = sign_in(pager)
    assert (answer.status_code, answer.headers["Location"]) == (303, "status")
    page = ask(pager, headers={"Cookie": cookie_of(answer)})
    assert page.status_code == 200
    assert "Database unreachable" in words(page)


def test_the_cookie_is_safe_and_is_not_the_token(pager: Pager) -> None:
    cookie = sign_in(pager).headers["Set-Cookie"]
    value, *attributes = cookie.split("; ")
    assert value.startswith(f"{COOKIE}=")
    assert sorted(attributes) == ["HttpOnly", "Max-Age=43200", "Path=/status", "SameSite=Lax", "Secure"]
    assert ADMIN_TOKEN not in cookie


@pytest.mark.parametrize(
    ("public_url", "begins", "ends"),
    [
        ("https://pager.example.com", "__Secure-notifier=", "Path=/status; HttpOnly; SameSite=Lax; Secure"),
        (
            "https://region-project.example/notify",
            "__Secure-notifier=",
            "Path=/notify/status; HttpOnly; SameSite=Lax; Secure",
        ),
        ("http://127.0.0.1:8080", "notifier=", "Path=/status; HttpOnly; SameSite=Lax"),
        ("", "notifier=", "Path=/status; HttpOnly; SameSite=Lax"),
    ],
)
def test_the_cookie_goes_where_the_page_is_and_over_https_where_there_is_any(
    public_url: str, begins: str, ends: str
) -> None:
    admin = Admin(admin_token=ADMIN_TOKEN, public_url=public_url)
    for cookie in (admin.signed_in(NOON), admin.signed_out()):
        assert cookie.startswith(begins)
        assert cookie.endswith(ends)


def test_the_session_ends_after_twelve_hours(pager: Pager) -> None:
    cookie = cookie_of(sign_in(pager))
    pager.clock.turn(SESSION - timedelta(seconds=1))
    assert ask(pager, headers={"Cookie": cookie}).status_code == 200
    pager.clock.turn(timedelta(seconds=1))
    assert ask(pager, headers={"Cookie": cookie}).status_code == 401


def signed(admin_token: str = ADMIN_TOKEN, later: timedelta = timedelta(0)) -> str:
    header = Admin(admin_token=admin_token, public_url="https://x.example").signed_in(NOON + later)
    return header.partition(";")[0].partition("=")[2]


def made_with(purpose: bytes) -> str:
    """A cookie that is signed with a key for something else, derived from the same token."""
    said = int((NOON + SESSION).timestamp()).to_bytes(8)
    key = hmac.digest(ADMIN_TOKEN.encode(), purpose, "sha256")
    return base64.urlsafe_b64encode(said + hmac.digest(key, said, "sha256")[:16]).decode()


def test_what_is_made_so_with_our_own_purpose_is_true() -> None:
    assert made_with(b"notifier status session") == signed()


def test_an_instance_whose_clock_is_behind_takes_the_cookie_of_another(pager: Pager) -> None:
    assert ask(pager, headers={"Cookie": f"{COOKIE}={signed(later=timedelta(seconds=30))}"}).status_code == 200


FORGED = {
    "empty": "",
    "the token": ADMIN_TOKEN,
    "of another token": signed("another-token-of-the-tests"),
    "of no token": signed(""),
    "cut": signed()[:-1],
    "longer": signed() + "A",
    "another end": "A" * 7 + "f" + signed()[8:],
    "another signature": signed()[:-1] + ("A" if signed()[-1] != "A" else "B"),
    "no signature": signed()[:11] + "A" * 21,
    "of another purpose": made_with(b"notifier acknowledge link"),
    "of no purpose": made_with(b""),
    "another alphabet": "é" * 32,
}


@pytest.mark.parametrize("value", FORGED.values(), ids=FORGED.keys())
def test_a_forged_cookie_is_none(pager: Pager, value: str) -> None:
    admin = Admin(admin_token=ADMIN_TOKEN, public_url="https://x.example")
    assert admin.is_signed_in(signed(), NOON)
    assert not admin.is_signed_in(value, NOON)
    assert ask(pager, headers={"Cookie": f"{COOKIE}={value.encode().decode('latin-1')}"}).status_code == 401


def test_of_several_cookies_the_first_counts(pager: Pager) -> None:
    true, forged = f"{COOKIE}={signed()}", f"{COOKIE}=x"
    assert ask(pager, headers={"Cookie": f"{true}; {forged}"}).status_code == 200
    assert ask(pager, headers={"Cookie": f"{forged}; {true}"}).status_code == 401


def test_signing_out_takes_the_cookie_away(pager: Pager) -> None:
    cookie = cookie_of(sign_in(pager))
    answer = ask(pager, method="POST", data={"sign-out": "1"}, headers={"Cookie": cookie})
    assert answer.status_code == 303
    assert answer.headers["Set-Cookie"] == f"{COOKIE}=; Max-Age=0; Path=/status; HttpOnly; SameSite=Lax; Secure"


def test_only_who_came_by_the_form_is_offered_to_sign_out(pager: Pager) -> None:
    assert "Sign out" not in words(with_token(pager))
    assert "Sign out" in words(ask(pager, headers={"Cookie": cookie_of(sign_in(pager))}))


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_other_site_can_have_a_browser_sign_in(pager: Pager, site: str) -> None:
    answer = sign_in(pager, **{"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_form_may(pager: Pager, site: str) -> None:
    assert sign_in(pager, **{"Sec-Fetch-Site": site}).status_code == 303


@pytest.mark.parametrize("origin", ["null", "https://pager.example.com"])
def test_our_own_form_may_where_a_browser_does_not_name_the_site(pager: Pager, origin: str) -> None:
    """Our pages are sent with no-referrer, so browsers give no origin with their form."""
    assert sign_in(pager, Origin=origin).status_code == 303


@pytest.mark.parametrize(
    "form", [b"token=" + b"x" * BODY_BYTES, b"&".join([b"x=1"] * 50)], ids=["too large", "many fields"]
)
def test_a_form_that_is_none_of_ours_is_400(pager: Pager, form: bytes) -> None:
    answer = ask(pager, method="POST", data=form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


# What it shows


def test_a_password_or_a_bearer_token_shows_it_as_well(pager: Pager) -> None:
    pager.post(ALERT)
    assert "Database unreachable" in words(with_token(pager))
    assert ask(pager, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}).status_code == 200
    assert pager.call("GET", "/status", token=ADMIN_TOKEN).content_type == "text/html; charset=utf-8"


def test_the_page_names_each_incident_who_was_told_and_how_many_texts_are_left(pager: Pager) -> None:
    pager.post(ALERT)
    pager.clock.turn(timedelta(minutes=5))
    page = words(with_token(pager))
    for part in (
        "1 open",
        "CRITICAL #",
        "Database unreachable",
        "since 12:00 UTC, 5 min",
        "text to phone 1: sent",
        "Slack told",
        "1 of 5 texts in the last hour; the next slot frees at 13:00 UTC.",
        "1 text, 1 segment, about $0.00",
        "+1555*****01",
        "log, Slack, Discord, email, SMS",
        "The tick has never come",
    ):
        assert part in page, part


def test_a_machine_gets_the_same_facts(pager: Pager) -> None:
    pager.post(ALERT)
    pager.clock.turn(timedelta(minutes=5))
    facts = content(with_token(pager, **JSON))
    (one,) = facts["unresolved"]
    assert (one["title"], one["state"], one["effective"]) == ("Database unreachable", "open", "critical")
    assert one["timeline"][0]["words"] == "opened"
    assert one["timeline"][-1] == {
        "at": "2026-07-01T12:00:00Z",
        "lane": "sms",
        "mark": "sms",
        "words": "text to phone 1: sent",
    }
    assert facts["window"]["words"].startswith("1 of 5 texts")
    assert (facts["window"]["cap"], facts["window"]["reserved"]) == (5, 2)
    assert facts["months"] == [{"month": "2026-07", "texts": 1, "segments": 1, "usd": 0.0}]
    assert (facts["tick_is_overdue"], facts["last_tick"]) == (True, None)
    assert facts["phones"] == [{"number": "+1555*****01", "opted_out": False}]


def test_a_tick_that_is_in_time_is_no_alarm(pager: Pager) -> None:
    pager.call("POST", "/tick")
    pager.clock.turn(timedelta(minutes=2))
    page = words(with_token(pager))
    assert "The last tick was 2 min ago." in page
    assert 'class="alarm"' not in page
    pager.clock.turn(timedelta(minutes=2))
    assert '<p class="note critical alarm">The last tick was 4 min ago' in words(with_token(pager))


def test_it_shows_what_ended_within_a_day_and_nothing_older(pager: Pager) -> None:
    pager.post(ALERT)
    pager.post({"id": "db", "state": "closed"})
    pager.clock.turn(timedelta(hours=23))
    assert "CRITICAL resolved" in words(with_token(pager))
    pager.clock.turn(timedelta(hours=2))
    assert "Nothing has ended." in words(with_token(pager))


def test_of_what_ended_the_latest_are_shown_and_the_cut_is_said(pager: Pager) -> None:
    for number in range(ENDED_AT_MOST + 1):
        pager.post({"id": f"{number}", "title": f"Number {number:02}", "severity": "info"})
        pager.post({"id": f"{number}", "state": "closed"})
        pager.clock.turn(timedelta(minutes=1))
        if number == ENDED_AT_MOST - 1:
            assert "More has ended than is shown here" not in words(with_token(pager))
    page = words(with_token(pager))
    assert "More has ended than is shown here" in page
    assert "Number 00" not in page
    assert "Number 01" in page


def test_what_ends_between_two_reads_is_shown_as_over(tmp_path: Path, pager: Pager) -> None:
    pager.post(ALERT)
    store = CountingStore(pager.sqlite)

    def close(call: str) -> None:
        if call == "ended_since":
            pager.post({"id": "db", "state": "closed"})

    store.before = close
    late = Pager(tmp_path / "state.sqlite", store=store)
    facts = content(with_token(late, **JSON))
    assert (len(facts["unresolved"]), len(facts["ended"])) == (0, 1)
    late.sqlite.close()


def test_a_document_that_cannot_be_read_is_named(pager: Pager) -> None:
    pager.post(ALERT)
    with pager.sqlite._database(pager.clock.monotonic() + 5) as database:
        database.execute("UPDATE documents SET body = '{}' WHERE state = 'open'")
    page = words(with_token(pager))
    assert f"The document {incident_key('plain', 'db')} in the store cannot be read: " in page


def test_looking_changes_nothing(pager: Pager) -> None:
    pager.post(ALERT)
    pager.sent.clear()
    before = pager.sqlite.gather(incident_key("plain", "db"), pager.clock.monotonic() + 5)
    for _ in range(3):
        with_token(pager)
    assert pager.sqlite.gather(incident_key("plain", "db"), pager.clock.monotonic() + 5) == before
    assert before.incident is not None
    assert before.incident.state is IncidentState.OPEN
    assert pager.told == []


def test_it_takes_three_reads(tmp_path: Path) -> None:
    pager = Pager(tmp_path / "state.sqlite")
    counting = CountingStore(pager.sqlite)
    counted = Pager(tmp_path / "state.sqlite", store=counting)
    assert with_token(counted).status_code == 200
    assert counting.calls == ["unresolved", "ended_since", "gather"]
    counted.sqlite.close()
    pager.sqlite.close()


@pytest.mark.parametrize(
    "error",
    [StoreDown("Firestore does not answer"), StoreRefused("refused"), DocumentUnreadable("ledger/sms: schema 99")],
    ids=["down", "refuses", "ledger"],
)
def test_while_the_store_is_down_the_page_says_so(broken: Callable[[Exception], Pager], error: StoreError) -> None:
    answer = with_token(broken(error))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert f"The pager cannot read its store: {error}" in words(answer)
    assert content(with_token(broken(error), **JSON)) == {"error": f"no status: {error}"}


@pytest.mark.parametrize("case", ["form", "shown", "signed in", "no token"])
def test_no_answer_is_kept_framed_or_loads_anything(pager: Pager, case: str) -> None:
    answers = {
        "form": lambda: ask(pager),
        "shown": lambda: with_token(pager),
        "signed in": lambda: sign_in(pager),
        "no token": lambda: ask(Pager(pager.file, admin_token="")),
    }
    headers = answers[case]().headers
    assert headers["Cache-Control"] == "no-store"
    if case != "signed in":
        assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


MARKUP = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title></svg><form action=//evil.example>"]


@pytest.mark.parametrize("hostile", MARKUP)
def test_no_word_of_an_alert_is_markup(pager: Pager, hostile: str) -> None:
    pager.post({**ALERT, "title": hostile, "url": "javascript:alert(1)"})
    page = words(with_token(pager))
    assert hostile not in page
    assert "javascript" not in page


def test_the_token_is_on_no_page_and_in_no_log(pager: Pager) -> None:
    cookie = cookie_of(sign_in(pager))
    for answer in (with_token(pager), sign_in(pager, "wrong"), ask(pager, headers={"Cookie": cookie})):
        assert ADMIN_TOKEN not in words(answer)
        assert cookie.partition("=")[2] not in words(answer)
    assert ADMIN_TOKEN not in str(pager.log)
    assert cookie.partition("=")[2] not in str(pager.log)
