"""SMS through Twilio's REST API (https://www.twilio.com/docs/messaging/api/message-resource).

Written by hand on `requests`, byte for byte the request of Twilio's own library, which has neither an
absolute deadline nor a way to tell "not sent" from "may have been sent".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec

from notifier.channels.twilio_errors import ERRORS
from notifier.channels.wire import Reply, Wire, mask_phone, redact, verdict
from notifier.core.alert import printable
from notifier.core.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifier.core.message import Message

API_URL = "https://api.twilio.com"

_FAILED = {"failed", "undelivered", "canceled"}


class Twilio:
    """Texts the on-call phones, and no other number."""

    name = "sms"

    def __init__(  # noqa: PLR0913 what Twilio needs to know
        self,
        wire: Wire,
        *,
        account_sid: str,
        auth_token: str = "",
        api_key: str = "",
        api_secret: str = "",
        sender: str,
        phones: Sequence[str],
        api_url: str = API_URL,
    ) -> None:
        """Signs in with the API key when there is one, else with the account's token.

        `sender`: an E.164 number, or the `MG...` sid of a Messaging Service.
        `phones`: E.164, in the order of ONCALL_PHONE. `api_url`: the base, without a path.
        """
        self._wire = wire
        self._url = f"{api_url.rstrip('/')}/2010-04-01/Accounts/{quote(account_sid, safe='')}/Messages.json"
        self._auth = (api_key, api_secret) if api_key else (account_sid, auth_token)
        self._sender = ("MessagingServiceSid" if sender.startswith("MG") else "From", sender)
        self._phones = tuple(phones)

    def send(self, message: Message, deadline: float) -> Outcome:
        phone = self._phone(message)
        if phone is None:
            return Outcome(Result.REJECTED, f"ONCALL_PHONE holds {len(self._phones)} numbers: nobody to text")
        if not message.sms:
            return Outcome(Result.REJECTED, "there is no text to send")
        # The order is the library's; Twilio does not mind, but a test can compare.
        form = urlencode([("To", phone), self._sender, ("Body", printable(message.sms))])
        answer = self._wire.post(
            self._url,
            form.encode(),
            deadline=deadline,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                "Accept-Charset": "utf-8",
            },
            auth=self._auth,
        )
        return answer if isinstance(answer, Outcome) else self._outcome(answer)

    def preview(self, message: Message) -> str:
        phone = self._phone(message)
        kind, sender = self._sender
        return (
            f"To: {mask_phone(phone) if phone else 'nobody: no such phone in ONCALL_PHONE'}\n"
            f"{kind}: {mask_phone(sender)}\n"
            f"Body ({len(message.sms)} characters): {printable(message.sms)}"
        )

    def _phone(self, message: Message) -> str | None:
        known = message.phone is not None and 0 <= message.phone < len(self._phones)
        return self._phones[message.phone or 0] if known else None

    def _outcome(self, reply: Reply) -> Outcome:
        if reply.status == 201:  # noqa: PLR2004 created
            return self._created(reply)
        try:
            error = msgspec.json.decode(reply.body, type=_Error, strict=False)
        except _UNREADABLE:
            error = _Error()
        if error.code in ERRORS:
            return self._known(error.code, reply)
        said = redact(error.message or "", self._auth[1]) or "no reason given"
        code = "" if error.code is None else f" (Twilio error {error.code})"
        return verdict(reply, f"{said}{code}{_HINTS.get(reply.status, '')}")

    def _created(self, reply: Reply) -> Outcome:
        try:
            created = msgspec.json.decode(reply.body, type=_Created, strict=False)
        except _UNREADABLE:
            created = _Created()
        if not re.fullmatch(r"(SM|MM)[0-9A-Za-z]{1,62}", created.sid or ""):
            return Outcome(Result.UNKNOWN, f"{reply.host} took it, but its answer could not be read")
        sid = created.sid or ""
        if created.error_code in ERRORS:
            return msgspec.structs.replace(self._known(created.error_code, reply), provider_id=sid)
        if created.status in _FAILED:
            detail = f"Twilio made a message of it that is {created.status} (error {created.error_code})"
            return Outcome(Result.REJECTED, detail, provider_id=sid)
        if created.error_code:
            detail = f"Twilio took it, with an error we do not know ({created.error_code})"
            return Outcome(Result.UNKNOWN, detail, provider_id=sid)
        return Outcome(Result.SENT, provider_id=sid)

    def _known(self, code: int | None, reply: Reply) -> Outcome:
        error = ERRORS[code or 0]
        waits = [wait for wait in (error.retry_after, reply.retry_after) if wait is not None]
        wait = None if error.result is Result.REJECTED else max(waits, default=None)
        return Outcome(error.result, f"{error.words} (Twilio error {code})", wait)


class _Error(msgspec.Struct):
    code: int | None = None
    message: str | None = None


class _Created(msgspec.Struct):
    sid: str | None = None
    status: str | None = None
    error_code: int | None = None


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

# For answers without a code, which come from something before Twilio's API.
_HINTS = {
    401: "; check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and TWILIO_API_SECRET",
    403: "; check TWILIO_ACCOUNT_SID and the state of the account",
    404: "; check TWILIO_ACCOUNT_SID and TWILIO_API_URL",
}
