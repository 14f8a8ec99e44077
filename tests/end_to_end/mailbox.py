"""A real SMTP server's in-tray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from tests.firestore_emulator import free_port


class Mailbox:
    """Takes every mail, and remembers it."""

    def __init__(self, port: int) -> None:
        self.mails: list[bytes] = []
        self.settings = {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(port),
            "SMTP_SECURITY": "none",
            "EMAIL_FROM": "notifier@example.com",
            "EMAIL_TO": "oncall@example.com",
        }

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        return "250 taken"


def words_of(mail: bytes) -> str:
    """A mail's text, without its HTML."""
    part = message_from_bytes(mail, policy=default).get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n").strip()


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """The server, up until the block ends."""
    port = free_port()
    mail = Mailbox(port)
    server = Controller(mail, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield mail
    finally:
        server.stop()
