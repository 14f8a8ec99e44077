"""What a text is to every provider: to whom, which words, and under which name of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from notifier.channels.wire import mask_phone
from notifier.core.alert import printable
from notifier.core.outcome import Outcome, Result
from notifier.core.sms_text import size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifier.core.message import Message

VALID_SECONDS = 300
"""A page that did not reach its phone in five minutes is late: by then the next phone should have it.

Vonage advises half an hour or more, for texts that may come late.
"""
REFERENCE_CHARACTERS = 40
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding a provider's answer can raise."""


class Addressed(msgspec.Struct, frozen=True, kw_only=True):
    """One text on its way."""

    phone: str
    """Without the "+": so both providers write a number."""
    body: str
    unicode: bool
    """Whether it needs more than GSM-7. Were that not said, a provider would put other characters in place."""
    reference: str
    """The same at every try, so that whoever searches the provider's log finds all of them."""


def addressed(message: Message, phones: Sequence[str]) -> Addressed | Outcome:
    """The text of `message` to the one of `phones` it names; why there is none to send otherwise."""
    phone = recipient(message, phones)
    if isinstance(phone, Outcome):
        return phone
    body = printable(message.sms)
    return Addressed(
        phone=bare(phone),
        body=body,
        unicode=size_of(body).encoding != "GSM-7",
        reference=f"{message.ref}/{message.delivery}"[:REFERENCE_CHARACTERS],
    )


def recipient(message: Message, phones: Sequence[str]) -> str | Outcome:
    """The one of `phones` that `message` names; why there is nothing to send otherwise."""
    phone = phone_of(message, phones)
    if phone is None:
        return Outcome(Result.REJECTED, f"ONCALL_PHONE holds {len(phones)} numbers: nobody to text")
    return phone if message.sms else Outcome(Result.REJECTED, "there is no text to send")


def bare(sender: str) -> str:
    """A number without its "+"; a name as it is."""
    return sender.removeprefix("+")


def preview_of(message: Message, phones: Sequence[str], provider: str, sender: str) -> str:
    """What `provider` would be sent, with the numbers masked."""
    shown = mask_phone(sender) if sender.startswith("+") else sender
    return f"By: {provider}\n{text_preview(message, phones, f'From: {shown}')}"


def text_preview(message: Message, phones: Sequence[str], sender: str) -> str:
    """To whom a text goes, the line that says who sends it, and its words; the number masked."""
    phone = phone_of(message, phones)
    return (
        f"To: {mask_phone(phone) if phone else 'nobody: no such phone in ONCALL_PHONE'}\n"
        f"{sender}\n"
        f"Body ({len(message.sms)} characters): {printable(message.sms)}"
    )


def phone_of(message: Message, phones: Sequence[str]) -> str | None:
    """The one of `phones` that `message` names; None where there is no such phone."""
    known = message.phone is not None and 0 <= message.phone < len(phones)
    return phones[message.phone or 0] if known else None
