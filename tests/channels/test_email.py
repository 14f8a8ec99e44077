from __future__ import annotations

import email
import re
import socket
import ssl
import time
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from notifier.channels.email import ANSWER_BYTES, Email
from notifier.channels.email_html import html_of
from notifier.core.outcome import Outcome, Result
from tests.channels.support import Server, make_message, reset, soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from notifier.core.message import Message

USER = "pager@example.com"
PASSWORD = "not-a-real-password"
SENDER = "Pager <pager@example.com>"
RECIPIENTS = ("one@example.com", "Two <two@example.org>")


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 31, 3, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Not asked of it."""


def make_email(port: int = 25, **changes: Any) -> Email:
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "sender": SENDER,
        "recipients": RECIPIENTS,
        "clock": StoppedClock(),
        "security": "none",
    }
    return Email(**{**settings, **changes})


def parsed(raw: bytes | str) -> EmailMessage:
    data = raw.encode() if isinstance(raw, str) else raw
    found = email.message_from_bytes(data, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def text(found: EmailMessage, kind: str = "plain") -> str:
    """One of the two parts of a mail."""
    part = found.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


def mail(**changes: Any) -> EmailMessage:
    return parsed(make_email().raw(make_message(**changes)))


# A real server


class Inbox:
    """aiosmtpd's handler: keeps what it takes, and lets only USER in."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.encrypted: list[bool] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.taken.append(envelope)
        assert server.transport
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def started(controller: Controller) -> Iterator[int]:
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture
def starttls_port(inbox: Inbox, context: ssl.SSLContext) -> Iterator[int]:
    options: dict[str, Any] = {"tls_context": context, "require_starttls": True, "auth_required": True}
    yield from started(Controller(inbox, "127.0.0.1", free_port(), authenticator=inbox.authenticate, **options))


@pytest.fixture
def tls_port(inbox: Inbox, context: ssl.SSLContext) -> Iterator[int]:
    yield from started(Controller(inbox, "127.0.0.1", free_port(), ssl_context=context))


@pytest.fixture
def plain_port(inbox: Inbox) -> Iterator[int]:
    yield from started(Controller(inbox, "127.0.0.1", free_port()))


def test_a_mail_goes_out_over_starttls_with_a_login(inbox: Inbox, starttls_port: int, ca_file: str) -> None:
    channel = make_email(starttls_port, security="starttls", user=USER, password=PASSWORD, ca_file=ca_file)
    assert channel.send(make_message(), soon(10)) == Outcome(Result.SENT)
    assert inbox.logins == [(USER.encode(), PASSWORD.encode())]
    assert inbox.encrypted == [True]
    (envelope,) = inbox.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("pager@example.com", ["one@example.com", "two@example.org"])
    assert isinstance(envelope.content, bytes)
    assert text(parsed(envelope.content)) == text(mail())


def test_a_mail_goes_out_over_tls_from_the_start(inbox: Inbox, tls_port: int, ca_file: str) -> None:
    channel = make_email(tls_port, security="tls", ca_file=ca_file)
    assert channel.send(make_message(), soon(10)) == Outcome(Result.SENT)
    assert inbox.encrypted == [True]


def test_a_mail_goes_out_in_clear_when_told_to(inbox: Inbox, plain_port: int) -> None:
    body = "line\n.\n..dots\nGröße 😀\n" + "x" * 2_000
    assert make_email(plain_port).send(make_message(body=body), soon(10)) == Outcome(Result.SENT)
    (envelope,) = inbox.taken
    assert isinstance(envelope.content, bytes)
    assert body in text(parsed(envelope.content))
    assert envelope.content.isascii()
    assert max(len(line) for line in envelope.content.splitlines()) <= 998


def test_a_wrong_password_is_rejected_and_not_shown(inbox: Inbox, starttls_port: int, ca_file: str) -> None:
    channel = make_email(starttls_port, security="starttls", user=USER, password="wrong-secret", ca_file=ca_file)
    outcome = channel.send(make_message(), soon(10))
    assert outcome.result is Result.REJECTED
    assert "127.0.0.1 refused the login (SMTP_USER, SMTP_PASSWORD): 535" in outcome.detail
    assert "wrong-secret" not in outcome.detail
    assert inbox.taken == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_unknown_authority_gets_neither_password_nor_mail(
    inbox: Inbox, starttls_port: int, tls_port: int, security: str
) -> None:
    port = starttls_port if security == "starttls" else tls_port
    outcome = make_email(port, security=security, user=USER, password=PASSWORD).send(make_message(), soon(10))
    assert outcome == Outcome(Result.RETRY, "could not hand it to 127.0.0.1: its certificate was not accepted")
    assert (inbox.logins, inbox.taken) == ([], [])


def test_without_starttls_nothing_is_sent_in_clear(inbox: Inbox, plain_port: int) -> None:
    channel = make_email(plain_port, security="starttls", user=USER, password=PASSWORD)
    assert channel.send(make_message(), soon(10)) == Outcome(
        Result.REJECTED, "127.0.0.1 offers no STARTTLS: nothing was sent. Check SMTP_SECURITY"
    )
    assert (inbox.logins, inbox.taken) == ([], [])


def test_a_server_that_knows_no_login_is_rejected(inbox: Inbox, plain_port: int) -> None:
    outcome = make_email(plain_port, user=USER, password=PASSWORD).send(make_message(), soon(10))
    assert outcome.result is Result.REJECTED
    assert "offers no login we know" in outcome.detail
    assert inbox.taken == []


def test_a_password_smtp_cannot_carry_is_rejected(inbox: Inbox, starttls_port: int, ca_file: str) -> None:
    channel = make_email(starttls_port, security="starttls", user=USER, password="pässword", ca_file=ca_file)
    outcome = channel.send(make_message(), soon(10))
    assert outcome == Outcome(Result.REJECTED, "SMTP_USER and SMTP_PASSWORD must be ASCII")


# A server that plays a script


class Script:
    """Answers each command's verb as told, or 250; keeps what it heard. None: hangs up; "reset": resets."""

    def __init__(self, **answers: str | None) -> None:
        self.heard: list[str] = []
        self._answers = {"greeting": "220 hello", "DATA": "354 go ahead", **answers}

    def __call__(self, server: Server, connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        in_mail = False
        try:
            going = self._answer(connection, "greeting")
            while going:
                raw = lines.readline()
                if not raw:
                    return
                line = raw.decode().strip()
                if in_mail and line != ".":
                    continue
                verb = "end" if in_mail else line.split()[0].upper()
                self.heard.append(verb if in_mail else " ".join([verb, *line.split()[1:]]))
                in_mail = verb == "DATA" and str(self._answers["DATA"]).startswith("354")
                going = self._answer(connection, self._key(line, verb))
        finally:
            lines.close()

    def _key(self, line: str, verb: str) -> str:
        return re.findall("<([^@]*)", line)[0] if verb == "RCPT" else verb

    def _answer(self, connection: socket.socket, key: str) -> bool:
        said = self._answers.get(key, "250 fine")
        if said == "reset":
            reset(connection)
        elif said is not None:
            connection.sendall(said.encode() + b"\r\n")
        return said not in {None, "reset"}


def scripted(script: Callable[[Server, socket.socket], None], deadline: float = 10, **changes: Any) -> Outcome:
    with Server(script, read=False) as server:
        return make_email(server.port, **changes).send(make_message(), soon(deadline))


@pytest.mark.parametrize("step", ["greeting", "MAIL", "DATA", "end"])
@pytest.mark.parametrize(
    ("answer", "result"), [("451 try later", Result.RETRY), ("550 never", Result.REJECTED), ("421 bye", Result.RETRY)]
)
def test_a_4xx_is_for_now_and_a_5xx_for_good(step: str, answer: str, result: Result) -> None:
    outcome = scripted(Script(**{step: answer}))
    assert outcome.result is result
    assert answer in outcome.detail


def test_a_server_of_old_is_greeted_with_helo() -> None:
    script = Script(EHLO="502 what")
    assert scripted(script).result is Result.SENT
    assert script.heard[1] == "HELO example.com"


def test_a_greeting_refused_twice_is_rejected() -> None:
    outcome = scripted(Script(EHLO="554 no", HELO="554 no"))
    assert outcome == Outcome(Result.REJECTED, "127.0.0.1 refused our greeting: 554 no")


def test_our_name_is_the_senders_domain_and_asked_of_nobody() -> None:
    script = Script()
    scripted(script)
    assert script.heard[0] == "EHLO example.com"


@pytest.mark.parametrize(("answer", "result"), [("454 not now", Result.RETRY), ("501 never", Result.REJECTED)])
def test_starttls_refused_sends_no_password(answer: str, result: Result) -> None:
    script = Script(EHLO="250-hello\r\n250-AUTH PLAIN\r\n250 STARTTLS", STARTTLS=answer)
    outcome = scripted(script, security="starttls", user=USER, password=PASSWORD)
    assert outcome.result is result
    assert "refused STARTTLS" in outcome.detail
    assert script.heard == ["EHLO example.com", "STARTTLS"]


def test_a_login_in_an_unknown_way_only_is_rejected() -> None:
    outcome = scripted(Script(EHLO="250-hello\r\n250 AUTH GSSAPI"), user=USER, password=PASSWORD)
    assert outcome.result is Result.REJECTED


def test_a_login_refused_for_now_is_tried_again() -> None:
    script = Script(EHLO="250-hello\r\n250 AUTH PLAIN", AUTH=f"454 later, {PASSWORD}")
    outcome = scripted(script, user=USER, password=PASSWORD)
    assert outcome.result is Result.RETRY
    assert outcome.detail.endswith("454 later, ***")


def test_a_hang_up_during_the_login_is_tried_again() -> None:
    script = Script(EHLO="250-hello\r\n250 AUTH PLAIN", AUTH=None)
    assert scripted(script, user=USER, password=PASSWORD).result is Result.RETRY


def test_one_recipient_refused_is_sent_and_said_masked() -> None:
    outcome = scripted(Script(two="550 no such two@example.org"))
    assert outcome == Outcome(Result.SENT, warning="refused for t***@example.org (550)")


@pytest.mark.parametrize(
    ("one", "two", "result"),
    [("550 no", "551 no", Result.REJECTED), ("550 no", "450 later", Result.RETRY), ("450 a", "451 b", Result.RETRY)],
)
def test_all_recipients_refused_is_for_good_unless_one_is_for_now(one: str, two: str, result: Result) -> None:
    script = Script(one=one, two=two)
    outcome = scripted(script)
    assert outcome.result is result
    assert "o***@example.com" in outcome.detail
    assert "one@" not in outcome.detail
    assert "DATA" not in script.heard


def test_a_mail_address_in_a_refusal_is_masked() -> None:
    assert "o***@example.com" in scripted(Script(MAIL="550 one@example.com may not")).detail


@pytest.mark.parametrize("lost", [None, "reset"])
@pytest.mark.parametrize("step", ["greeting", "EHLO", "MAIL", "one", "DATA"])
def test_lost_before_the_mail_is_a_certain_not_sent(step: str, lost: str | None) -> None:
    assert scripted(Script(**{step: lost})).result is Result.RETRY


@pytest.mark.parametrize("lost", [None, "reset", "hello", "354 more"])
def test_lost_or_unreadable_after_the_mail_is_unknown(lost: str | None) -> None:
    assert scripted(Script(end=lost)).result is Result.UNKNOWN


def test_a_refused_connection_is_a_certain_not_sent() -> None:
    outcome = make_email(free_port()).send(make_message(), soon())
    assert outcome == Outcome(Result.RETRY, "could not hand it to 127.0.0.1: connection refused")


def test_past_the_deadline_nothing_is_tried() -> None:
    with Server(Script(), read=False) as server:
        outcome = make_email(server.port).send(make_message(), time.monotonic() - 1)
        assert server.accepted == 0
    assert outcome == Outcome(Result.RETRY, "no time was left to send to 127.0.0.1")


def test_an_answer_that_drips_ends_at_the_deadline() -> None:
    def drip(server: Server, connection: socket.socket) -> None:
        server.drip(connection, b"220-", b"220-hello\r\n")

    deadline = time.monotonic() + 0.6
    outcome = scripted(drip, 0.6)
    assert outcome == Outcome(Result.RETRY, "could not hand it to 127.0.0.1: timed out")
    assert time.monotonic() - deadline < 0.5


def test_a_silent_server_after_the_mail_is_unknown_at_the_deadline() -> None:
    class Silent(Script):
        def _answer(self, connection: socket.socket, key: str) -> bool:
            return key == "end" or super()._answer(connection, key)

    deadline = time.monotonic() + 0.6
    outcome = scripted(Silent(), 0.6)
    assert outcome == Outcome(Result.UNKNOWN, "no answer from 127.0.0.1: timed out; it may have been sent")
    assert time.monotonic() - deadline < 0.5


def test_when_the_deadline_passes_before_the_mail_it_is_never_written() -> None:
    class Late(Script):
        def _answer(self, connection: socket.socket, key: str) -> bool:
            if key == "DATA":
                time.sleep(max(deadline - time.monotonic(), 0) + 0.01)
            return super()._answer(connection, key)

    script = Late()
    with Server(script, read=False) as server:
        deadline = soon(0.6)
        outcome = make_email(server.port).send(make_message(), deadline)
    assert outcome.result is Result.RETRY
    assert "end" not in script.heard


def test_a_go_ahead_past_the_deadline_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the thread, and the watchdog, had slept between the server's "go ahead" and the mail."""
    monkeypatch.setattr("notifier.channels.email.Watchdog.check", _passed)
    script = Script()
    with Server(script, read=False) as server:
        monkeypatch.setattr(
            "notifier.channels.email.Watchdog.connect",
            lambda *_: socket.create_connection(("127.0.0.1", server.port)),
        )
        outcome = make_email(server.port).send(make_message(), soon())
    assert outcome.result is Result.RETRY
    assert script.heard[-1] == "DATA"


def _passed(_: object) -> None:
    raise TimeoutError


@pytest.mark.parametrize("block", [b"220-" + b"x" * 500 + b"\r\n", b"x" * 10_000])
def test_a_server_that_says_too_much_is_left(block: bytes) -> None:
    def flood(_: Server, connection: socket.socket) -> None:
        for _block in range(2 * ANSWER_BYTES // len(block)):
            connection.sendall(block)

    assert scripted(flood).result is Result.RETRY


# The mail


def test_the_subject_begins_with_the_headline_and_holds_the_ref() -> None:
    assert mail(headline="CRITICAL: Größe 😀")["Subject"] == "CRITICAL: Größe 😀 #7F3K"


def test_a_long_headline_is_cut_in_the_subject_and_whole_in_the_text() -> None:
    found = mail(headline="x" * 600)
    assert len(found["Subject"]) == 200 + len(" #7F3K")
    assert "x" * 600 in text(found)


def test_the_text_holds_everything_in_order() -> None:
    found = mail(acknowledge_url="https://pager.example.com/a/t", documentation="## First\n\n* Look at the **log**.")
    assert text(found) == (
        "CRITICAL: Database unreachable\n\nNo connection for 5 minutes.\n\n"
        "Acknowledge, so that nobody else is paged:\nhttps://pager.example.com/a/t\n\n"
        "Since: 2026-01-31 03:12 UTC\nProject: shop\n\n"
        "Open the alert:\nhttps://console.example.com/alerts/1?project=shop&x=1\n\n"
        "## First\n\n* Look at the **log**.\n\n#7F3K\n"
    )


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_subject_of_any_length_begins_on_its_first_line(letter: str) -> None:
    for length in range(1, 210, 3):
        subject = mail(headline=f"CRITICAL: {letter * length}")["Subject"]
        assert subject.startswith(f"CRITICAL: {letter}")
        raw = make_email().raw(make_message(headline=f"CRITICAL: {letter * length}")).decode("ascii")
        assert max(len(line) for line in raw.splitlines()) <= 998
        assert all(len(word) <= 78 for word in re.findall(r"=\?utf-8\?\S+", raw))


def test_what_follows_is_a_reply_in_the_subject_of_the_first_mail() -> None:
    """Gmail begins another conversation where the subject is another."""
    first = mail()["Subject"]
    after = mail(headline="RESOLVED after 3 min: Database unreachable", follows="CRITICAL: Database unreachable")
    assert after["Subject"] == f"Re: {first}"
    assert text(after).startswith("RESOLVED after 3 min: Database unreachable\n")


def test_a_right_to_left_title_that_is_cut_leaves_the_ref_outside() -> None:
    subject = mail(headline="CRITICAL: \u2068" + "שרת " * 100 + "\u2069")["Subject"]
    assert subject.startswith("CRITICAL: \u2068שרת")
    assert subject.endswith("…\u2069 #7F3K")


def test_the_html_says_what_the_text_says() -> None:
    message = make_message(acknowledge_url="https://pager.example.com/a/t", documentation="Look at the **log**.")
    found = parsed(make_email().raw(message))
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]
    assert text(found, "html") == html_of(message)


def test_the_acknowledge_link_is_a_line_of_its_own_and_whole() -> None:
    link = f"https://{'pager' * 20}.example.com/a/{'token' * 10}"
    found = mail(acknowledge_url=link, body="Größe")
    lines = text(found).splitlines()
    assert lines[lines.index(link) - 1] == "Acknowledge, so that nobody else is paged:"


def test_the_headers_say_who_when_and_that_a_machine_wrote_it() -> None:
    found = mail()
    assert found["From"] == "Pager <pager@example.com>"
    assert found["To"] == "one@example.com, Two <two@example.org>"
    assert found["Date"] == "Sat, 31 Jan 2026 03:12:00 +0000"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found.get_content_type() == "multipart/alternative"


def ids(message: Message) -> tuple[str, str, str]:
    found = parsed(make_email().raw(message))
    return found["Message-ID"], found["In-Reply-To"], found["References"]


def test_the_same_delivery_is_the_same_mail() -> None:
    assert ids(make_message()) == ids(make_message(headline="other words"))


@pytest.mark.parametrize("change", [{"delivery": "resolved/email"}, {"generation": 2}, {"incident": "f" * 32}])
def test_another_delivery_is_another_mail(change: dict[str, object]) -> None:
    assert ids(make_message(**change))[0] != ids(make_message())[0]


def test_all_mails_of_a_generation_answer_one_root() -> None:
    opened, resolved = ids(make_message()), ids(make_message(delivery="resolved/email"))
    again = ids(make_message(generation=2))
    assert opened[1] == opened[2] == resolved[1] == resolved[2]
    assert again[1] != opened[1]
    assert opened[0] != opened[1]
    assert opened[0].endswith("@example.com>")


@pytest.mark.parametrize(
    "hostile",
    [
        "x\r\nBcc: evil@example.com",
        "x\nBcc: evil@example.com",
        "x\u2028Bcc: evil@example.com",
        "x\x85Bcc: evil@example.com",
        "=?utf-8?q?x=0d=0aBcc:_evil=40example.com?=",
        "=?utf-8?b?eA0KQmNjOiBldmlsQGV4YW1wbGUuY29t?=",
        "=?utf-8?q?x=0a=0aevil?= =?utf-8?q?=0dBcc:x?=",
        "==?utf-8?q??utf-8?q?=0aBcc:x?=",
    ],
)
def test_no_alert_can_add_a_header(hostile: str) -> None:
    message = make_message(headline=hostile, delivery=hostile, incident=hostile)
    shown = make_email().raw(message).decode("ascii").replace("\r\n", "\n")
    head = shown.partition("\n\n")[0]
    names = [line.split(":")[0] for line in head.splitlines() if not line.startswith(" ")]
    wanted = ["From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"]
    assert names == [*wanted, "MIME-Version", "Content-Type"]
    assert not parsed(shown).defects


def test_control_characters_and_lone_surrogates_are_dropped() -> None:
    found = mail(headline="a\x00b\ud800c", body="d\x00e\ud800f")
    assert found["Subject"] == "abc #7F3K"
    assert "def" in text(found)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "@example.com",
        "a@",
        "a b@example.com",
        "größe@example.com",
        "a@b@example.com",
        "a@example.com\nBcc: x@example.com",
    ],
)
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="not a mail address"):
        make_email(sender=address)
    with pytest.raises(ValueError, match="not a mail address"):
        make_email(recipients=("one@example.com", address))


def test_nobody_to_write_to_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="nobody"):
        make_email(recipients=())


def test_the_preview_is_the_head_and_the_text_of_the_mail_without_the_password() -> None:
    shown = make_email(user=USER, password=PASSWORD).preview(make_message(body="Größer als 90 %"))
    head, *said = shown.split("\n\n")
    assert "Subject: CRITICAL: Database unreachable #7F3K\n" in head
    assert said[:2] == ["CRITICAL: Database unreachable", "Größer als 90 %"]
    assert said[-1] == "#7F3K\n(and the same as HTML)"
    assert PASSWORD not in shown


def test_signing_in_takes_the_whole_way_and_hands_over_nothing(inbox: Inbox, starttls_port: int, ca_file: str) -> None:
    channel = make_email(starttls_port, security="starttls", user=USER, password=PASSWORD, ca_file=ca_file)
    assert channel.sign_in(soon(10)) == Outcome(Result.SENT)
    assert inbox.logins == [(USER.encode(), PASSWORD.encode())]
    assert inbox.taken == []


def test_signing_in_with_a_wrong_password_is_rejected_and_does_not_show_it(starttls_port: int, ca_file: str) -> None:
    channel = make_email(starttls_port, security="starttls", user=USER, password="wrong-password", ca_file=ca_file)
    outcome = channel.sign_in(soon(10))
    assert outcome.result is Result.REJECTED
    assert "refused the login (SMTP_USER, SMTP_PASSWORD): 535" in outcome.detail
    assert "wrong-password" not in outcome.detail


def test_signing_in_to_a_server_that_says_nothing_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        outcome = make_email(silent.getsockname()[1]).sign_in(soon(0.5))
        assert time.monotonic() - began < 2
    assert outcome.result is Result.RETRY
    assert "timed out" in outcome.detail


class Refusing(Inbox):
    """Takes nobody's NOOP, as a server that is about to close."""

    async def handle_NOOP(self, _server: SMTP, _session: Session, _envelope: Envelope, _argument: str) -> str:  # noqa: N802
        return "421 closing"


def test_a_server_that_is_not_there_for_us_any_more_is_no_proof() -> None:
    controller = Controller(Refusing(), "127.0.0.1", free_port())
    for port in started(controller):
        outcome = make_email(port).sign_in(soon(10))
    assert outcome == Outcome(Result.RETRY, "127.0.0.1 refused our NOOP: 421 closing")
