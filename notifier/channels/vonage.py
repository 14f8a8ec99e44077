"""SMS through Vonage's SMS API (https://developer.vonage.com/en/api/sms), where Twilio cannot.

It answers 200 whatever happened: how it ended stands in the body, once for each part of the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from notifier.channels.sms import UNREADABLE, VALID_SECONDS, addressed, bare, preview_of
from notifier.channels.wire import Reply, Wire, redact, seconds, verdict
from notifier.core.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifier.core.message import Message

API_URL = "https://rest.nexmo.com"
THROTTLED_SECONDS = 1.0
"""The limits are 30 requests a second for an account, and one from a long US number.

https://api.support.vonage.com/hc/en-us/articles/203993598-What-is-the-Throughput-Limit-for-Outbound-SMS
"""


class Vonage:
    """Texts the on-call phones, and no other number."""

    name = "sms"

    def __init__(
        self, wire: Wire, *, api_key: str, api_secret: str, sender: str, phones: Sequence[str], api_url: str = API_URL
    ) -> None:
        """`sender`: an E.164 number, or a name of up to 11 letters and digits.

        `phones`: E.164, in the order of ONCALL_PHONE. `api_url`: the base, without a path.
        """
        self._wire = wire
        self._url = f"{api_url.rstrip('/')}/sms/json"
        self._auth = (api_key, api_secret)
        self._sender = sender
        self._phones = tuple(phones)

    def send(self, message: Message, deadline: float) -> Outcome:
        text = addressed(message, self._phones)
        if isinstance(text, Outcome):
            return text
        form = {
            "to": text.phone,
            "from": bare(self._sender),
            "text": text.body,
            "client-ref": text.reference,
            "type": "unicode" if text.unicode else "text",
            "ttl": VALID_SECONDS * 1_000,
        }
        answer = self._wire.post(
            self._url,
            urlencode(form).encode(),
            deadline=deadline,
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            auth=self._auth,
        )
        return answer if isinstance(answer, Outcome) else self._outcome(answer)

    def preview(self, message: Message) -> str:
        return preview_of(message, self._phones, "Vonage", self._sender)

    def _outcome(self, reply: Reply) -> Outcome:
        if reply.status != 200:  # noqa: PLR2004 OK
            return verdict(reply, "check VONAGE_API_KEY, VONAGE_API_SECRET and SMS_FALLBACK_URL")
        try:
            parts = msgspec.json.decode(reply.body, type=_Answer, strict=False).messages
        except UNREADABLE:
            parts = []
        taken = [part for part in parts if part.status == 0]
        # The most doubtful of several decides: one part that may have gone out makes it a text that may have.
        failed = max(
            (self._failed(part) for part in parts if part.status != 0),
            key=lambda outcome: _DOUBT.index(outcome.result),
            default=None,
        )
        ids = [part.id for part in taken if part.id and re.fullmatch("[0-9A-Za-z-]{1,64}", part.id)]
        if failed and taken:
            # Not to be sent again: what was taken is billed, and would show twice. Nor to be called sent: a phone may
            # show nothing of a text with a part missing, and then the next one has to ring.
            detail = f"Vonage took {len(taken)} of {len(parts)} parts, so the phone may show nothing: {failed.detail}"
            return Outcome(Result.UNKNOWN, detail, provider_id=(ids or [""])[0])
        if failed:
            return failed
        if not ids:
            return Outcome(Result.UNKNOWN, f"{reply.host} answered 200, but what it says could not be read")
        return Outcome(Result.SENT, provider_id=ids[0])

    def _failed(self, part: _Part) -> Outcome:
        result, words = STATUSES.get(part.status, (Result.UNKNOWN, ""))
        said = words or redact(part.error or "", *self._auth) or "no reason given"
        wait = _wait(part.error or "") if result is Result.RETRY else None
        return Outcome(result, f"{said} (Vonage status {part.status})", wait)


class _Part(msgspec.Struct, rename={"id": "message-id", "error": "error-text"}):
    status: int
    id: str | None = None
    error: str | None = None


class _Answer(msgspec.Struct):
    messages: list[_Part]


def _wait(said: str) -> float | None:
    """Seconds that Vonage asks for: "please wait [ 978 ] and retry", in milliseconds."""
    asked = re.search(r"wait \[ *([0-9]{1,9}) *\]", said)
    return seconds(max(int(asked[1]) / 1_000, THROTTLED_SECONDS)) if asked else THROTTLED_SECONDS


_DOUBT = (Result.RETRY, Result.REJECTED, Result.UNKNOWN)

_OURS = "Vonage did not accept a parameter of our request: a bug of this notifier"
_NUMBER = "Vonage does not text this number in ONCALL_PHONE"
_SIGNED = "the Vonage account asks for signed requests: let it take API key and secret alone, in Vonage's dashboard"

STATUSES: dict[int, tuple[Result, str]] = {
    # https://developer.vonage.com/en/api-errors/sms; 13, 16, 19 and 20 are on older lists only.
    # All but 5 say why a text was not taken. 5 says that the platform failed while it had the text, and no more.
    1: (Result.RETRY, "too many texts a second for this Vonage account or number"),
    2: (Result.REJECTED, _OURS),
    3: (Result.REJECTED, "Vonage did not accept a parameter: check SMS_FALLBACK_FROM and ONCALL_PHONE"),
    4: (Result.REJECTED, "Vonage did not accept the credentials: check VONAGE_API_KEY and VONAGE_API_SECRET"),
    5: (Result.UNKNOWN, "Vonage had an internal failure: the text may have been sent"),
    6: (Result.REJECTED, f"{_NUMBER}: it does not know its prefix"),
    7: (Result.REJECTED, f"{_NUMBER}: it is barred there"),
    8: (Result.REJECTED, "the Vonage account is suspended: ask Vonage's support"),
    9: (Result.REJECTED, "the Vonage account is out of money: top it up"),
    10: (Result.RETRY, "too many connections to Vonage at the same time"),
    11: (Result.REJECTED, "the Vonage account may not use the SMS API over HTTP: ask Vonage's support"),
    12: (Result.REJECTED, "the text is too long for Vonage: lower max_segments in policy.toml"),
    13: (Result.RETRY, "Vonage could not hand the text on"),
    14: (Result.REJECTED, _SIGNED),
    15: (Result.REJECTED, "SMS_FALLBACK_FROM may not send to this phone: in North America it must be a Vonage number"),
    16: (Result.REJECTED, _OURS),
    19: (Result.REJECTED, "the Vonage account may not do this: ask Vonage's support"),
    20: (Result.REJECTED, _OURS),
    22: (Result.REJECTED, _OURS),
    23: (Result.REJECTED, _OURS),
    29: (Result.REJECTED, "the Vonage account is a demo: top it up, or put this phone on its list of test numbers"),
    32: (Result.REJECTED, _SIGNED),
    33: (Result.REJECTED, f"{_NUMBER}: it is no longer in use"),
}
