"""Texts through either of two providers: the message says which (SMS_FALLBACK)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifier.core.message import Message
    from notifier.core.outcome import Outcome
    from notifier.ports import Channel


class EitherProvider:
    """ports.Channel: hands each text to the provider that its claim names, and chooses nothing itself."""

    name = "sms"

    def __init__(self, first: Channel, second: Channel) -> None:
        self._first = first
        self._second = second

    def send(self, message: Message, deadline: float) -> Outcome:
        return self._provider(message).send(message, deadline)

    def preview(self, message: Message) -> str:
        return self._provider(message).preview(message)

    def _provider(self, message: Message) -> Channel:
        return self._second if message.via else self._first
