"""SIMULATE=1: everything is decided and recorded as ever, and nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifier.core.alert import Severity
from notifier.core.listing import Listing
from notifier.core.outcome import SIMULATED, Outcome, Result

if TYPE_CHECKING:
    from datetime import datetime

    from notifier.core.message import Message
    from notifier.ports import Channel, Log


class Simulated:
    """Stands for a channel, under its name: logs what that would send, and calls it sent."""

    def __init__(self, channel: Channel, log: Log) -> None:
        """Take the place of `channel`, whose `send` is never called."""
        self._channel = channel
        self._log = log

    @property
    def name(self) -> str:
        return self._channel.name

    def send(self, message: Message, deadline: float) -> Outcome:  # noqa: ARG002 nothing here takes time
        self._log.write(
            Severity.INFO,
            f"SIMULATE=1: {self.name} would send this",
            channel=self.name,
            delivery=message.delivery,
            ref=message.ref,
            preview=self.preview(message),
        )
        return Outcome(Result.SENT, SIMULATED)

    def look_up(self, phone: int, since: datetime, deadline: float) -> Listing:  # noqa: ARG002 the port's
        """Nothing was ever sent."""
        return Listing()

    def preview(self, message: Message) -> str:
        return self._channel.preview(message)
