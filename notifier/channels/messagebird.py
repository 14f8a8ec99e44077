"""SMS through MessageBird's REST API (https://developers.messagebird.com/api/sms-messaging), where Twilio cannot."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

from notifier.channels.sms import UNREADABLE, VALID_SECONDS, addressed, bare, preview_of
from notifier.channels.wire import Reply, Wire, redact, verdict
from notifier.core.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifier.core.message import Message

API_URL = "https://rest.messagebird.com"

_FAILED = {"delivery_failed", "expired"}
_INTERNAL_ERROR = 99
_ERRORS_TOLD = 3


class MessageBird:
    """Texts the on-call phones, and no other number."""

    name = "sms"

    def __init__(
        self, wire: Wire, *, access_key: str, sender: str, phones: Sequence[str], api_url: str = API_URL
    ) -> None:
        """`access_key`: a live one; with a test key nothing is ever sent.

        `sender`: an E.164 number, or a name of up to 11 letters and digits.
        `phones`: E.164, in the order of ONCALL_PHONE. `api_url`: the base, without a path.
        """
        self._wire = wire
        self._url = f"{api_url.rstrip('/')}/messages"
        self._access_key = access_key
        self._sender = sender
        self._phones = tuple(phones)

    def send(self, message: Message, deadline: float) -> Outcome:
        text = addressed(message, self._phones)
        if isinstance(text, Outcome):
            return text
        body = {
            "originator": bare(self._sender),
            "recipients": [text.phone],
            "body": text.body,
            "datacoding": "unicode" if text.unicode else "plain",
            "reference": text.reference,
            "validity": VALID_SECONDS,
        }
        answer = self._wire.post(
            self._url,
            json.dumps(body, ensure_ascii=False).encode(),
            deadline=deadline,
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "Accept": "application/json",
                "Authorization": f"AccessKey {self._access_key}",
            },
        )
        return answer if isinstance(answer, Outcome) else self._outcome(answer)

    def preview(self, message: Message) -> str:
        return preview_of(message, self._phones, "MessageBird", self._sender)

    def _outcome(self, reply: Reply) -> Outcome:
        if reply.status == 201:  # noqa: PLR2004 created
            return _created(reply)
        try:
            errors = msgspec.json.decode(reply.body, type=_Refusal, strict=False).errors
        except UNREADABLE:
            errors = []
        # A code only says why: whether it was taken is the status's to say. But for the failure inside of MessageBird.
        if any(error.code == _INTERNAL_ERROR for error in errors):
            return Outcome(Result.UNKNOWN, "MessageBird had an internal failure: the text may have been sent")
        words = dict.fromkeys(self._words(error) for error in errors[:_ERRORS_TOLD])
        return verdict(reply, "; ".join(words) or _HINTS.get(reply.status, "no reason given"))

    def _words(self, error: _Error) -> str:
        words = _WORDS.get(error.code, "")
        if error.code in _PARAMETER_ERRORS:
            words = _PARAMETERS.get(error.parameter or "", _OURS)
        said = words or redact(error.description or "", self._access_key) or "no reason given"
        return f"{said} (MessageBird error {error.code})"


class _Error(msgspec.Struct):
    code: int
    description: str | None = None
    parameter: str | None = None


class _Refusal(msgspec.Struct):
    errors: list[_Error]


class _Recipient(msgspec.Struct, frozen=True):
    status: str | None = None


class _Recipients(msgspec.Struct, frozen=True):
    items: tuple[_Recipient, ...] = ()


class _Created(msgspec.Struct, frozen=True):
    id: str
    recipients: _Recipients = _Recipients()


def _created(reply: Reply) -> Outcome:
    try:
        created = msgspec.json.decode(reply.body, type=_Created, strict=False)
    except UNREADABLE:
        created = _Created(id="")
    if not re.fullmatch("[0-9A-Za-z-]{1,64}", created.id):
        return Outcome(Result.UNKNOWN, f"{reply.host} took it, but its answer could not be read")
    failed = [recipient.status for recipient in created.recipients.items if recipient.status in _FAILED]
    if failed:
        return Outcome(Result.REJECTED, f"MessageBird made a message of it that is {failed[0]}", provider_id=created.id)
    return Outcome(Result.SENT, provider_id=created.id)


_OURS = "MessageBird did not accept a parameter of our request: a bug of this notifier"

_WORDS = {
    2: "MessageBird did not accept the key: check MESSAGEBIRD_ACCESS_KEY",
    20: "MessageBird does not know this: check SMS_FALLBACK_URL",
    21: _OURS,
    25: "the MessageBird account is out of money: top it up",
    98: "MessageBird does not know this: check SMS_FALLBACK_URL",
}
_PARAMETER_ERRORS = {9, 10}
"""Missing and invalid; which one stands in `parameter`."""
_RECIPIENT = (
    "MessageBird does not text this number in ONCALL_PHONE (an account that has not paid yet: its owner's number only)"
)
_PARAMETERS = {
    "recipient": _RECIPIENT,
    "recipients": _RECIPIENT,
    "originator": "MessageBird does not accept the sender: check SMS_FALLBACK_FROM",
}

# For answers without a code, which come from something before MessageBird's API.
_HINTS = {401: "check MESSAGEBIRD_ACCESS_KEY", 404: "check SMS_FALLBACK_URL", 405: "check SMS_FALLBACK_URL"}
