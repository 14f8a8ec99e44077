"""Email, over SMTP."""

from __future__ import annotations

import hashlib
import re
import smtplib
import socket
import ssl
import time
from contextlib import suppress
from email import policy
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING, BinaryIO, Literal

from notifier.channels.email_html import html_of
from notifier.channels.wire import Watchdog, reason, redact, tls_context
from notifier.core.alert import cut, printable
from notifier.core.direction import ended
from notifier.core.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from notifier.core.message import Message
    from notifier.ports import Clock

SUBJECT_CHARACTERS = 200
"""Mail programs show 60 to 100."""
ANSWER_BYTES = 64 * 1024
"""How much a mail server may say in one conversation."""

# Seven bits, so that no server on the way has to be able to carry eight.
_POLICY = policy.SMTP.clone(cte_type="7bit")
# For headers in ASCII: Python folds at 78 characters, which leaves a subject just as long on a line of its own, below
# an empty one, and its first word is then a space. Others are encoded in words that have to be short (RFC 2047).
_WIDE = _POLICY.clone(max_line_length=998)

Security = Literal["starttls", "tls", "none"]


class Email:
    """One mail to several people.

    Every mail of an incident's generation answers the same message that was never sent, its root, and so mail programs
    show them as one thread. Gmail wants one subject besides: what follows the first mail is a "Re:" to it, and its
    first line says what has happened since (docs/decisions/messages.md). A mail's own id is made of what it tells:
    sent twice, it is the same mail.
    """

    name = "email"

    def __init__(  # noqa: PLR0913 what SMTP needs to know
        self,
        *,
        host: str,
        port: int,
        sender: str,
        recipients: Sequence[str],
        clock: Clock,
        security: Security = "starttls",
        user: str = "",
        password: str = "",
        ca_file: str | None = None,
    ) -> None:
        """`sender`, `recipients`: `name@example.com` or `Name <name@example.com>`, the address in ASCII.

        `user` empty: no login. With `security` "none" the password would go in clear.
        `ca_file`: PEM bundle of trusted authorities, default certifi's.
        Raises ValueError when an address is none.
        """
        self._server = (host, port)
        self._security = security
        self._login = (user, password)
        self._sender = _address(sender)
        self._recipients = tuple(_address(recipient) for recipient in recipients)
        if not self._recipients:
            raise ValueError("nobody to send mail to")
        self._clock = clock
        self._ca_file = ca_file

    def send(self, message: Message, deadline: float) -> Outcome:
        mail = self.raw(message)
        return self._talk(deadline, lambda conversation: self._hand_over(conversation, mail))

    def sign_in(self, deadline: float) -> Outcome:
        """Connect and sign in as `send` does, and hand over no mail: `sent` says that all of that works."""
        return self._talk(deadline, self._ask_for_nothing)

    def _talk(self, deadline: float, talk: Callable[[_Conversation], Outcome]) -> Outcome:
        host = self._server[0]
        if deadline <= time.monotonic():
            return Outcome(Result.RETRY, f"no time was left to send to {host}")
        with Watchdog(deadline) as watchdog:
            # A name of our own: smtplib would ask the name service for one, and wait for it unbounded.
            conversation = _Conversation(watchdog, host, self._sender.domain, self._context())
            try:
                self._greet(conversation)
                return talk(conversation)
            except _Refused as refused:
                return refused.outcome
            except smtplib.SMTPResponseException as refusal:
                return conversation.refusal(refusal.smtp_code, refusal.smtp_error, self._login[1])
            except (OSError, smtplib.SMTPException) as error:
                why = "timed out" if watchdog.bitten else reason(error)
                if conversation.begun:
                    return Outcome(Result.UNKNOWN, f"no answer from {host}: {why}; it may have been sent")
                return Outcome(Result.RETRY, f"could not hand it to {host}: {why}")
            finally:
                conversation.close()

    def preview(self, message: Message) -> str:
        """Its head and its text; the HTML says the same."""
        head = self.raw(message).partition(b"\r\n\r\n")[0].decode("ascii", "replace").replace("\r\n", "\n")
        # It is random, so that no alert can end a part.
        head = re.sub(r';\s*boundary="[^"]*"', "", head)
        return f"{head}\n\n{_text(message)}(and the same as HTML)"

    def raw(self, message: Message) -> bytes:
        """The whole mail, as it goes out."""
        return _bytes(self._mail(message))

    def _context(self) -> ssl.SSLContext | None:
        return tls_context(self._ca_file) if self._security == "tls" else None

    def _greet(self, conversation: _Conversation) -> None:
        """Connect, greet, and sign in. Raises as smtplib does, and _Refused."""
        host, port = self._server
        conversation.expect(conversation.connect(host, port))
        conversation.hello()
        if self._security == "starttls":
            if not conversation.has_extn("starttls"):
                words = f"{host} offers no STARTTLS: nothing was sent. Check SMTP_SECURITY"
                raise _Refused(Outcome(Result.REJECTED, words))
            conversation.step = "STARTTLS"
            conversation.starttls(context=tls_context(self._ca_file))
            conversation.hello()
        if self._login[0]:
            self._sign_in(conversation)

    def _ask_for_nothing(self, conversation: _Conversation) -> Outcome:
        conversation.step = "our NOOP"
        conversation.expect(conversation.noop())
        with suppress(OSError, smtplib.SMTPException):
            conversation.putcmd("QUIT")
        return Outcome(Result.SENT)

    def _hand_over(self, conversation: _Conversation, mail: bytes) -> Outcome:
        conversation.step = "the sender (EMAIL_FROM)"
        conversation.expect(conversation.mail(self._sender.addr_spec))
        refused = self._name_recipients(conversation)
        conversation.step = "the mail"
        conversation.expect(conversation.deliver(mail))
        with suppress(OSError, smtplib.SMTPException):
            # Its answer would change nothing, and may take as long as the deadline.
            conversation.putcmd("QUIT")
        return Outcome(Result.SENT, warning=f"refused for {', '.join(refused)}" if refused else "")

    def _sign_in(self, conversation: _Conversation) -> None:
        conversation.step = "the login (SMTP_USER, SMTP_PASSWORD)"
        try:
            conversation.login(*self._login)
        except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected):
            raise
        except smtplib.SMTPException as error:
            words = f"{self._server[0]} offers no login we know: check SMTP_SECURITY, or leave SMTP_USER empty"
            raise _Refused(Outcome(Result.REJECTED, words)) from error
        except UnicodeError as error:
            raise _Refused(Outcome(Result.REJECTED, "SMTP_USER and SMTP_PASSWORD must be ASCII")) from error

    def _name_recipients(self, conversation: _Conversation) -> list[str]:
        """Name every recipient; who was refused, masked. Raises _Refused when all of them were."""
        answers: dict[str, tuple[int, bytes]] = {}
        for recipient in self._recipients:
            code, said = conversation.rcpt(recipient.addr_spec)
            if code not in {250, 251}:
                answers[recipient.addr_spec] = (code, said)
        refused = [f"{mask_address(who)} ({code})" for who, (code, _) in answers.items()]
        if len(answers) == len(self._recipients):
            conversation.step = ", ".join(refused)
            # The lowest code: one that may be taken later (4xx) is worth another try.
            raise _Refused(conversation.refusal(*min(answers.values())))
        return refused

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage(_POLICY)
        mail["From"] = self._sender
        mail["To"] = self._recipients
        mail["Subject"] = _header(_subject(message))
        mail["Date"] = format_datetime(self._clock.now())
        thread = f"{message.incident}/{message.generation}"
        root = self._id(thread)
        mail["Message-ID"] = self._id(f"{thread}/{message.delivery}")
        mail["In-Reply-To"] = root
        mail["References"] = root
        # RFC 3834: no out-of-office answer to a machine.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(_text(message))
        mail.add_alternative(html_of(message), subtype="html")
        return mail

    def _id(self, what: str) -> str:
        # Hashed: whatever stands in a key, it is a valid id and injects nothing.
        digest = hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()
        return f"<notifier.{digest[:32]}@{self._sender.domain}>"


class _Refused(Exception):
    """Carries an outcome up to `send`; never leaves this file."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class _Conversation(smtplib.SMTP):
    """One SMTP conversation under a watchdog."""

    def __init__(self, watchdog: Watchdog, host: str, our_name: str, context: ssl.SSLContext | None) -> None:
        self.begun = False
        """Whether some of the mail may have been taken."""
        self.step = "the connection"
        """What is being asked of the server, in words."""
        self._watchdog = watchdog
        self._context = context
        super().__init__(local_hostname=our_name)
        # STARTTLS checks the certificate against this name. Given to smtplib's constructor it
        # would connect at once.
        self._host = host

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 smtplib's
        connection = self._watchdog.connect(host, port)
        if self._context is None:
            return connection
        return self._context.wrap_socket(connection, server_hostname=host)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()

    def hello(self) -> None:
        """Greet. Raises _Refused."""
        self.step = "our greeting"
        code, said = self.ehlo()
        self.expect((code, said) if code == 250 else self.helo())  # noqa: PLR2004 done

    def expect(self, answer: tuple[int, bytes]) -> None:
        """Go on if the server said yes (2xx). Raises _Refused."""
        if not 200 <= answer[0] < 300:  # noqa: PLR2004 the classes of SMTP
            raise _Refused(self.refusal(*answer))

    def refusal(self, code: int, said: bytes | str, *secrets: str) -> Outcome:
        """How it ended when the server did not say yes."""
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        detail = f"{self._host} refused {self.step}: {code} {redact(words, *secrets)}".strip()
        # 5xx is for good, 4xx is for now (RFC 5321, 4.2.1); anything else is no answer.
        if self.begun and not 400 <= code < 600:  # noqa: PLR2004
            return Outcome(Result.UNKNOWN, f"{self._host} gave no readable answer; it may have been sent")
        return Outcome(Result.REJECTED if 500 <= code < 600 else Result.RETRY, detail)  # noqa: PLR2004

    def deliver(self, mail: bytes) -> tuple[int, bytes]:
        """Send the mail itself, no byte of it after the deadline."""
        answer = self.docmd("DATA")
        if answer[0] != 354:  # noqa: PLR2004 go ahead
            return answer
        self._watchdog.check()
        self.begun = True
        # RFC 5321, 4.5.2: a line that is a dot ends the mail.
        self.send(re.sub(rb"(?m)^\.", b"..", mail) + b".\r\n")
        return self.getreply()


class _Bounded:
    """What a server says, up to ANSWER_BYTES between two changes of the connection."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = ANSWER_BYTES

    def readline(self, size: int) -> bytes:
        line = self._file.readline(min(size, self._left))
        self._left -= len(line)
        # smtplib would take a line of `size` for an answer of 500: "rejected", also once the mail is out.
        if self._left <= 0 or len(line) >= size:
            raise OSError("it said too much")
        return line

    def close(self) -> None:
        self._file.close()


def _bytes(mail: EmailMessage) -> bytes:
    return mail.as_bytes(policy=_WIDE if str(mail["Subject"]).isascii() else _POLICY)


def _subject(message: Message) -> str:
    words = ended(cut(message.follows or message.headline, SUBJECT_CHARACTERS))
    return f"{'Re: ' if message.follows else ''}{words}" + (f" #{message.ref}" if message.ref else "")


def _text(message: Message) -> str:
    """The mail without its HTML. Markdown is made to be read as it is."""
    parts = [
        message.headline,
        message.body.strip(),
        f"Acknowledge, so that nobody else is paged:\n{message.acknowledge_url}" if message.acknowledge_url else "",
        "\n".join(f"{name}: {value}" for name, value in message.facts),
        f"Open the alert:\n{message.url}" if message.url else "",
        message.documentation.strip(),
        *("\n".join(filter(None, (one.first_line, one.acknowledge_url))) for one in message.roundup),
        f"#{message.ref}" if message.ref else "",
    ]
    return printable("\n\n".join(filter(None, parts))) + "\n"


def _header(text: str) -> str:
    """`text` as one line that can be nothing else.

    Python decodes an encoded word in what it is given, line ends and all, and writes it out
    raw: "=?utf-8?q?x=0d=0aBcc:...?=" in an alert's title would add a header.
    """
    return " ".join(printable(text).split()).replace("=?", "= ?")


def _address(written: str) -> Address:
    name, spec = parseaddr(written)
    try:
        address = Address(_header(name), addr_spec=spec)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise ValueError(f"not a mail address: {mask_address(written)}") from error
    whole = written.isprintable() and re.fullmatch(r"[!-~]+", spec)
    if not whole or not address.username or not address.domain:
        raise ValueError(f"not a mail address: {mask_address(written)}")
    return address


def mask_address(address: str) -> str:
    """Show enough of a mail address to tell whose: "o***@example.com"."""
    user, _, domain = address.rpartition("@")
    return f"{user[:1]}***@{domain}"
