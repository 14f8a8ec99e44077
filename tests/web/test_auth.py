"""Who may call: the shared token in three places, or a Google identity we know."""

from __future__ import annotations

import hmac
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from notifier import auth
from notifier.auth import (
    CERTIFICATES_URL,
    LINK_CHANNELS,
    AcknowledgeLinks,
    Callers,
    Forged,
    Link,
    Refused,
    Unverifiable,
)
from tests.web.identities import AUDIENCE, CALLER, SigningKey, unsigned_token
from tests.web.pager import TOKEN, Pager, VirtualClock, basic, content

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def callers(clock: VirtualClock) -> Callers:
    return Callers(webhook_token=TOKEN, oidc_emails=(CALLER,), audience=AUDIENCE, clock=clock)


def serve(google: responses.RequestsMock, *keys: SigningKey, **headers: str) -> responses.BaseResponse:
    """Google serves the certificates of `keys` from now on."""
    google.remove(responses.GET, CERTIFICATES_URL)
    certificates = {key.key_id: key.certificate for key in keys}
    return google.add(responses.GET, CERTIFICATES_URL, json=certificates, headers=headers)


# The shared token


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": basic("cloud-monitoring", TOKEN)}, ""),
        ({"Authorization": basic("", TOKEN)}, ""),
        ({"Authorization": f"Bearer {TOKEN}"}, ""),
        ({"Authorization": f"bearer {TOKEN}"}, ""),
        ({}, f"auth_token={TOKEN}"),
        ({"Authorization": "Bearer other"}, f"auth_token={TOKEN}"),
    ],
    ids=["basic", "basic without user", "bearer", "bearer in small letters", "query", "query beside another"],
)
def test_the_token_lets_a_caller_in(pager: Pager, headers: dict[str, str], query: str) -> None:
    assert pager.post({}, token=None, headers=headers, query_string=query).status_code == 200


@pytest.mark.parametrize("token", ["abcd=efgh0123456789", "abcdefgh01234567==", 'a=b,c="d e"', "=abcdefgh01234567"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_may_hold_any_sign(tmp_path: Path, clock: VirtualClock, scheme: str, token: str) -> None:
    callers = Callers(webhook_token=token, oidc_emails=(), audience="", clock=clock)
    pager = Pager(tmp_path / "state.sqlite", callers=callers)
    assert pager.post({}, token=None, headers={"Authorization": f"{scheme} {token}"}).status_code == 200


REFUSED_TOKENS: list[tuple[str, dict[str, str], str]] = [
    ("missing", {}, ""),
    ("wrong basic", {"Authorization": basic("u", "wrong")}, ""),
    ("token as the user", {"Authorization": basic(TOKEN, "")}, ""),
    ("wrong bearer", {"Authorization": "Bearer wrong"}, ""),
    ("bearer without a token", {"Authorization": "Bearer"}, ""),
    ("token as a bearer's parameter", {"Authorization": f"Bearer password={TOKEN}"}, ""),
    ("part of it", {"Authorization": f"Bearer {TOKEN[:-1]}"}, ""),
    ("more than it", {"Authorization": f"Bearer {TOKEN}x"}, ""),
    ("wrong query", {}, "auth_token=wrong"),
    ("empty query", {}, "auth_token="),
    ("another scheme", {"Authorization": f"Token {TOKEN}=x"}, ""),
    ("no base64", {"Authorization": "Basic %%%"}, ""),
    ("no ASCII", {"Authorization": "Basic \x80"}, ""),
    ("no colon", {"Authorization": "Basic bWFkZS11cA=="}, ""),
    ("letters of another alphabet", {}, "auth_token=%F0%9F%94%A5%ff"),
    ("identities are not taken", {"Authorization": "Bearer a.b.c"}, ""),
    ("the second of two", {}, f"auth_token=wrong&auth_token={TOKEN}"),
    ("after an empty one", {}, f"auth_token=&auth_token={TOKEN}"),
    ("after more fields than anybody sends", {}, "a=b&" * 100 + f"auth_token={TOKEN}"),
    ("in capitals", {}, f"AUTH_TOKEN={TOKEN}"),
]


@pytest.mark.parametrize(("_", "headers", "query"), REFUSED_TOKENS, ids=[case[0] for case in REFUSED_TOKENS])
def test_a_wrong_or_missing_token_is_401_and_says_how(
    pager: Pager, _: str, headers: dict[str, str], query: str
) -> None:
    answer = pager.post({}, token=None, headers=headers, query_string=query)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="notifier"'
    assert content(answer)["error"].startswith("expected WEBHOOK_TOKEN as the basic-auth password")
    assert TOKEN not in str(pager.log)


@pytest.mark.parametrize(
    ("query", "status"),
    [("\xff", 401), ("auth_token=\xff", 401), ("\xed\xa0\x80=a", 401), (f"\xff&auth_token={TOKEN}", 200)],
    ids=["no UTF-8", "a token of no UTF-8", "a surrogate", "beside the token"],
)
def test_a_query_of_any_bytes_is_not_our_mistake(pager: Pager, query: str, status: int) -> None:
    """As gunicorn hands it over: each byte as one character."""
    assert pager.post({}, token=None, environ_overrides={"QUERY_STRING": query}).status_code == status
    assert "our own mistake" not in str(pager.log)


def test_a_refused_caller_is_logged_without_what_was_presented(pager: Pager) -> None:
    pager.post({}, token="a-wrong-token-of-somebody")
    assert "a caller was refused (401)" in str(pager.log)
    assert "a-wrong-token-of-somebody" not in str(pager.log)


def test_the_token_is_compared_in_constant_time(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compare)
    with pytest.raises(Refused):
        callers.admit("wrong", None)
    assert compared == [(TOKEN.encode(), b"wrong")]


def test_without_token_and_identities_everybody_may_call(clock: VirtualClock) -> None:
    Callers(webhook_token="", oidc_emails=(), audience="", clock=clock).admit(None, None)


def test_an_empty_token_is_no_token(clock: VirtualClock) -> None:
    identities_only = Callers(webhook_token="", oidc_emails=(CALLER,), audience=AUDIENCE, clock=clock)
    with pytest.raises(Refused) as caught:
        identities_only.admit("", "")
    assert caught.value.status == 401


# Google's identities


@pytest.mark.parametrize(
    "claims",
    [{}, {"iss": "accounts.google.com"}, {"aud": f"{AUDIENCE}/"}, {"email": CALLER.upper()}],
    ids=["as Google makes it", "the short issuer", "with a slash", "in capitals"],
)
def test_an_identity_we_know_is_let_in(
    callers: Callers, google: responses.RequestsMock, google_key: SigningKey, claims: dict[str, Any]
) -> None:
    serve(google, google_key)
    callers.admit(google_key.token(**claims), None)


FORGED_CLAIMS: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "https://other.example.com"},
    "no audience": {"aud": None},
    "another address": {"email": "somebody@example.iam.gserviceaccount.com"},
    "no address": {"email": None},
    "address not verified": {"email_verified": False},
    "verified in words": {"email_verified": "true"},
    "verified missing": {"email_verified": None},
    "expired": {"iat": int(time.time()) - 7_200, "exp": int(time.time()) - 3_600},
    "not yet valid": {"iat": int(time.time()) + 3_600, "exp": int(time.time()) + 7_200},
    "no expiry": {"exp": None},
    "expiry of another type": {"exp": [1]},
    "another issuer": {"iss": "https://accounts.example.com"},
    "no issuer": {"iss": None},
    "issuer of another type": {"iss": ["accounts.google.com"]},
}


@pytest.mark.parametrize("claims", FORGED_CLAIMS.values(), ids=FORGED_CLAIMS.keys())
def test_another_identity_is_refused(
    callers: Callers, google: responses.RequestsMock, google_key: SigningKey, claims: dict[str, Any]
) -> None:
    serve(google, google_key)
    with pytest.raises(Forged):
        callers.admit(google_key.token(**claims), None)


NESTED = b'{"alg": "RS256", "kid": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
FORGED: dict[str, str] = {
    "alg none": unsigned_token({"alg": "none", "kid": "key-1"}, signature=b""),
    "alg none, no key": unsigned_token({"alg": "none"}, signature=b""),
    "no alg": unsigned_token({"kid": "key-1"}),
    "alg of another type": unsigned_token({"alg": ["RS256"], "kid": "key-1"}),
    "key of another type": unsigned_token({"alg": "RS256", "kid": ["key-1"]}),
    "key of surrogates": unsigned_token({"alg": "RS256", "kid": "\ud800"}),
    "no key": unsigned_token({"alg": "RS256"}),
    "no signature": unsigned_token({"alg": "RS256", "kid": "key-1"}, signature=b""),
    "header no object": unsigned_token([]),
    "payload no object": unsigned_token({"alg": "RS256", "kid": "key-1"}, []),
    "header no JSON": unsigned_token(b"{"),
    "header no UTF-8": unsigned_token(b"\xff"),
    "header deeply nested": unsigned_token(NESTED),
    "no base64": "a.b.c",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_a_forged_identity_is_refused(
    callers: Callers, google: responses.RequestsMock, google_key: SigningKey, token: str
) -> None:
    serve(google, google_key)
    with pytest.raises(Forged):
        callers.admit(token, None)


def test_a_token_hashed_with_the_public_certificate_is_refused(
    callers: Callers, google: responses.RequestsMock, google_key: SigningKey
) -> None:
    serve(google, google_key)
    with pytest.raises(Forged):
        callers.admit(google_key.token_hashed_with_the_certificate(), None)


def test_a_token_signed_by_somebody_else_in_the_name_of_googles_key_is_refused(
    callers: Callers, google: responses.RequestsMock, google_key: SigningKey, other_key: SigningKey
) -> None:
    serve(google, google_key)
    with pytest.raises(Forged):
        callers.admit(other_key.token({"kid": google_key.key_id}), None)


ELSEWHERE = ("jku", "x5u", "jwk", "x5c", "kid", "iss")


@pytest.mark.parametrize("where", ELSEWHERE)
def test_no_address_in_a_token_is_asked_for_a_key(
    callers: Callers, google: responses.RequestsMock, google_key: SigningKey, other_key: SigningKey, where: str
) -> None:
    """Whoever forges a token would serve the key to it, too. Only Google's own address is asked, by its constant."""
    serve(google, google_key)
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        address = f"http://127.0.0.1:{theirs.getsockname()[1]}/keys"
        given: Any = {"jwk": {"kty": "RSA", "url": address}, "x5c": [address]}.get(where, address)
        header = {"kid": google_key.key_id} | ({where: given} if where != "iss" else {})
        claims = {"iss": given} if where == "iss" else {}
        with pytest.raises(Forged):
            callers.admit(other_key.token(header, **claims), None)
        theirs.settimeout(0)
        with pytest.raises(BlockingIOError):
            theirs.accept()
    assert {call.request.url for call in google.calls} == {CERTIFICATES_URL}


def test_a_forged_identity_is_answered_403(
    tmp_path: Path, callers: Callers, google: responses.RequestsMock, google_key: SigningKey
) -> None:
    serve(google, google_key)
    pager = Pager(tmp_path / "state.sqlite", callers=callers)
    answer = pager.post({}, token=None, headers={"Authorization": f"Bearer {google_key.token(aud='other')}"})
    assert answer.status_code == 403
    assert "WWW-Authenticate" not in answer.headers
    assert content(answer) == {"error": "this is no Google identity token for PUBLIC_URL, or it has expired"}


def test_an_identity_is_not_asked_of_google_when_the_token_is_right(
    callers: Callers, google: responses.RequestsMock
) -> None:
    callers.admit(TOKEN, None)
    assert len(google.calls) == 0


# Google's certificates


def test_certificates_are_fetched_once_for_many_checks(
    callers: Callers, google: responses.RequestsMock, google_key: SigningKey
) -> None:
    served = serve(google, google_key)
    for _ in range(5):
        callers.admit(google_key.token(), None)
    assert served.call_count == 1


@pytest.mark.parametrize(
    ("headers", "fresh", "stale"),
    [
        ({}, HOUR - timedelta(seconds=1), HOUR),
        ({"Cache-Control": "public, max-age=7200, must-revalidate"}, 2 * HOUR - timedelta(seconds=1), 2 * HOUR),
        ({"Cache-Control": "max-age=0"}, timedelta(seconds=59), timedelta(seconds=60)),
    ],
    ids=["an hour", "as long as it says", "a minute at least"],
)
def test_certificates_are_kept(
    callers: Callers,
    clock: VirtualClock,
    google: responses.RequestsMock,
    google_key: SigningKey,
    headers: dict[str, str],
    fresh: timedelta,
    stale: timedelta,
) -> None:
    served = serve(google, google_key, **headers)
    callers.admit(google_key.token(), None)
    clock.turn(fresh)
    callers.admit(google_key.token(), None)
    assert served.call_count == 1
    clock.turn(stale - fresh)
    callers.admit(google_key.token(), None)
    assert served.call_count == 2


def test_a_new_key_of_google_is_fetched_when_it_is_first_used(
    callers: Callers,
    clock: VirtualClock,
    google: responses.RequestsMock,
    google_key: SigningKey,
    other_key: SigningKey,
) -> None:
    serve(google, google_key)
    callers.admit(google_key.token(), None)
    clock.turn(timedelta(minutes=2))
    rotated = serve(google, google_key, other_key)
    callers.admit(other_key.token(), None)
    callers.admit(google_key.token(), None)
    assert rotated.call_count == 1


def test_invented_keys_make_google_asked_once_a_minute_at_most(
    callers: Callers, clock: VirtualClock, google: responses.RequestsMock, google_key: SigningKey
) -> None:
    served = serve(google, google_key)
    for number in range(180):
        with pytest.raises(Forged):
            callers.admit(google_key.token({"kid": f"invented {number}"}), None)
        clock.turn(timedelta(seconds=1))
    assert served.call_count == 3


GARBAGE = {
    "no JSON": {"body": "<html>"},
    "no object": {"json": ["a"]},
    "no certificates": {"json": {}},
    "no PEM": {"json": {"key-1": "made up"}},
    "keys of another kind": {"json": {"keys": [{"kid": "key-1"}]}},
    "a failure": {"status": 500, "json": {}},
    "a redirect": {"status": 302, "headers": {"Location": "https://example.com/"}},
    "no connection": {"body": requests.ConnectionError("refused")},
    "no answer": {"body": requests.ReadTimeout("timed out")},
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
def test_without_certificates_an_identity_is_answered_503_and_may_try_again(
    tmp_path: Path,
    callers: Callers,
    google: responses.RequestsMock,
    google_key: SigningKey,
    answer: dict[str, Any],
) -> None:
    google.add(responses.GET, CERTIFICATES_URL, **answer)
    pager = Pager(tmp_path / "state.sqlite", callers=callers)
    got = pager.post({}, token=None, headers={"Authorization": f"Bearer {google_key.token()}"})
    assert (got.status_code, got.headers["Retry-After"]) == (503, "10")
    assert content(got) == {"error": "Google's certificates cannot be fetched; try again"}


def test_after_a_failure_certificates_are_fetched_again(
    callers: Callers, google: responses.RequestsMock, google_key: SigningKey
) -> None:
    google.add(responses.GET, CERTIFICATES_URL, status=500)
    with pytest.raises(Unverifiable):
        callers.admit(google_key.token(), None)
    serve(google, google_key)
    callers.admit(google_key.token(), None)


class _Dripping(http.server.BaseHTTPRequestHandler):
    """Answers at once, and then a byte at a time until it is told to end."""

    ended = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        while not self.ended.wait(0.2):
            self.wfile.write(b" ")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def dripping_google(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    _Dripping.ended = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Dripping) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        monkeypatch.setattr(auth, "CERTIFICATES_URL", f"http://127.0.0.1:{server.server_port}/")
        yield
        _Dripping.ended.set()
        server.shutdown()
        serving.join()


@pytest.mark.usefixtures("dripping_google")
def test_authorisation_takes_no_longer_than_its_share_while_google_drips(
    callers: Callers, google_key: SigningKey
) -> None:
    begun = time.monotonic()
    with pytest.raises(Unverifiable):
        callers.admit(google_key.token(), None)
    assert time.monotonic() - begun < 2


def test_requests_at_once_share_one_fetch_and_wait_no_longer_than_one(
    callers: Callers, google_key: SigningKey, dripping_google: None
) -> None:
    outcomes: list[BaseException] = []

    def call() -> None:
        try:
            callers.admit(google_key.token(), None)
        except Unverifiable as refusal:
            outcomes.append(refusal)

    begun = time.monotonic()
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert time.monotonic() - begun < 2.5


def test_a_fetch_that_hangs_is_given_up_after_a_while(
    callers: Callers,
    clock: VirtualClock,
    google: responses.RequestsMock,
    google_key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auth, "FETCH_SECONDS", 0.05)
    let_go = threading.Event()

    def hang(_: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        let_go.wait()
        return 500, {}, ""

    google.add_callback(responses.GET, CERTIFICATES_URL, hang)
    with pytest.raises(Unverifiable):
        callers.admit(google_key.token(), None)
    serve(google, google_key)
    with pytest.raises(Unverifiable):
        callers.admit(google_key.token(), None)
    clock.turn(timedelta(seconds=10))
    monkeypatch.setattr(auth, "FETCH_SECONDS", 5)
    callers.admit(google_key.token(), None)
    let_go.set()


# Whatever is presented

credentials = st.one_of(
    st.text(alphabet=st.characters(codec="latin-1", exclude_characters="\r\n\0")),
    st.sampled_from(["Basic", "Bearer", "basic", "Digest", "bearer"]).flatmap(
        lambda scheme: st.text(alphabet=st.characters(codec="latin-1", exclude_characters="\r\n\0")).map(
            lambda rest: f"{scheme} {rest}"
        )
    ),
    st.builds(basic, st.text(), st.text()),
    st.text(alphabet="abcdefgh123-_.=", max_size=40).map(lambda token: f"Bearer {token}"),
    st.dictionaries(st.sampled_from(["alg", "kid", "typ"]), st.text() | st.none() | st.integers()).map(
        lambda header: f"Bearer {unsigned_token(header)}"
    ),
)


@given(credentials, st.text())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_presented_the_answer_is_200_401_or_403(
    tmp_path_factory: pytest.TempPathFactory, google_key: SigningKey, authorization: str, query: str
) -> None:
    callers = Callers(webhook_token=TOKEN, oidc_emails=(CALLER,), audience=AUDIENCE, clock=VirtualClock())
    pager = Pager(tmp_path_factory.getbasetemp() / "never-made.sqlite", callers=callers)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as google:
        serve(google, google_key)
        answer = pager.post(
            {}, token=None, headers={"Authorization": authorization}, query_string={"auth_token": query}
        )
    assert answer.status_code in {200, 401, 403}


# Acknowledge links

PUBLIC_URL = "https://pager.example.com"
LINKS = AcknowledgeLinks(webhook_token=TOKEN, public_url=PUBLIC_URL)
KEY = "00112233445566778899aabbccddeeff"
links = st.builds(
    Link,
    key=st.binary(min_size=16, max_size=16).map(bytes.hex),
    generation=st.integers(1, 2**32 - 1),
    channel=st.sampled_from(LINK_CHANNELS),
)


def token_of(link: Link, made_by: AcknowledgeLinks = LINKS) -> str:
    return made_by.url(link.key, link.generation, link.channel).removeprefix(f"{PUBLIC_URL}/a/")


@given(links)
def test_a_link_is_read_as_what_it_was_made_for(link: Link) -> None:
    assert LINKS.read(token_of(link)) == link


@given(links, st.integers(0, 49), st.sampled_from("ABCDEFabcdef0189-_"))
def test_a_link_with_any_sign_changed_is_refused(link: Link, place: int, sign: str) -> None:
    token = token_of(link)
    changed = token[:place] + sign + token[place + 1 :]
    assert (LINKS.read(changed) is None) == (changed != token)


@given(links)
def test_every_other_spelling_of_the_last_sign_is_refused(link: Link) -> None:
    """Four of its bits are not used."""
    token = token_of(link)
    read = [
        LINKS.read(token[:-1] + sign) for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    ]
    assert [one for one in read if one] == [link]


@given(st.text(max_size=60))
def test_no_other_text_is_a_link(text: str) -> None:
    assert LINKS.read(text) is None


@given(links)
def test_another_token_makes_other_links_and_reads_none_of_ours(link: Link) -> None:
    others = AcknowledgeLinks(webhook_token=f"{TOKEN}x", public_url=PUBLIC_URL)
    assert token_of(link, others) != token_of(link)
    assert others.read(token_of(link)) is None


@pytest.mark.parametrize(("token", "url"), [("", PUBLIC_URL), (TOKEN, ""), ("", "")])
def test_without_token_or_public_url_there_are_no_links(token: str, url: str) -> None:
    none = AcknowledgeLinks(webhook_token=token, public_url=url)
    assert none.url(KEY, 1, "slack") == ""
    assert none.read(token_of(Link(KEY, 1, "slack"))) is None


@pytest.mark.parametrize("channel", ["sms", "log", ""])
def test_a_channel_without_links_gets_none(channel: str) -> None:
    assert LINKS.url(KEY, 1, channel) == ""


def test_a_link_does_not_hold_the_token_and_fits_into_a_line() -> None:
    url = LINKS.url(KEY, 1, "slack")
    assert TOKEN not in url
    assert len(url) == len(PUBLIC_URL) + 53


def test_a_signature_for_a_channel_we_do_not_know_is_no_link() -> None:
    """Made by a newer notifier with the same token, say."""
    said = bytes.fromhex(KEY) + bytes([len(LINK_CHANNELS)]) + (1).to_bytes(4)
    assert LINKS.read(LINKS._signed(said)) is None
