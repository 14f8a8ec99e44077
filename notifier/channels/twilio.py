"""SMS through Twilio's REST API (https://www.twilio.com/docs/messaging/api/message-resource).

Written by hand on `requests`, byte for byte the request of Twilio's own library, which has neither an
absolute deadline nor a way to tell "not sent" from "may have been sent".
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec

from notifier.channels.sms import UNREADABLE, recipient, text_preview
from notifier.channels.twilio_errors import BAD_CALLBACK, ERRORS, report_of, words_of
from notifier.channels.wire import Reply, Wire, mask_phone, redact, verdict
from notifier.core.alert import printable
from notifier.core.listing import Listing, Text
from notifier.core.outcome import Outcome, Result
from notifier.core.report import Progress, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifier.core.message import Message

API_URL = "https://api.twilio.com"

PAGE_SIZE = 200
"""Of the list, one page of which is read: newest first, and more than a phone gets in the hour that counts."""
LIST_BYTES = 1024 * 1024
VALIDITY_SECONDS = 300
"""How long a text may wait at Twilio, whose own default is ten hours. A page is better sent to the next phone than
delivered late; what was dropped for its age has failed (30036) and is not billed."""

_HEADERS = {"Accept": "application/json", "Accept-Charset": "utf-8"}


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
        phone = recipient(message, self._phones)
        if isinstance(phone, Outcome):
            return phone
        answer = self._wire.post(
            self._url,
            urlencode(self._form(phone, message)).encode(),
            deadline=deadline,
            headers={"Content-Type": "application/x-www-form-urlencoded", **_HEADERS},
            auth=self._auth,
        )
        if isinstance(answer, Outcome):
            return answer
        if message.report_url and 400 <= answer.status < 500 and _error_in(answer).code == BAD_CALLBACK:  # noqa: PLR2004
            # Certainly not created; and a page matters more than to know what became of it.
            outcome = self.send(msgspec.structs.replace(message, report_url=""), deadline)
            return msgspec.structs.replace(outcome, warning=words_of(BAD_CALLBACK))
        return self._outcome(answer)

    def _form(self, phone: str, message: Message) -> list[tuple[str, str]]:
        """The fields in the order of Twilio's library: Twilio does not mind, but a test can compare."""
        return [
            ("To", phone),
            *([("StatusCallback", message.report_url)] if message.report_url else []),
            ("ValidityPeriod", str(VALIDITY_SECONDS)),
            # Alerts look like a flood of the same text, and only our own phones are ever texted.
            ("RiskCheck", "disable"),
            self._sender,
            ("Body", printable(message.sms)),
        ]

    def look_up(self, phone: int, since: datetime, deadline: float) -> Listing:
        """What Twilio has made for one phone from `since` on.

        Asked for by recipient only: the filter by date is on the date of sending, which a queued message has not, and
        a Messaging Service's message has no sender
        (https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources).
        """
        if not 0 <= phone < len(self._phones):
            return Listing(trouble="this phone is no longer in ONCALL_PHONE")
        query = urlencode({"To": self._phones[phone], "PageSize": PAGE_SIZE})
        answer = self._wire.get(
            f"{self._url}?{query}", deadline=deadline, headers=_HEADERS, auth=self._auth, most=LIST_BYTES
        )
        if isinstance(answer, Outcome):
            return Listing(trouble=answer.detail)
        if answer.status != 200:  # noqa: PLR2004 OK
            return Listing(trouble=self._why_no_list(answer))
        if not answer.whole:
            return Listing(trouble=f"{answer.host} gave a list that was cut off")
        return self._listing(answer, since)

    def preview(self, message: Message) -> str:
        kind, sender = self._sender
        return text_preview(message, self._phones, f"{kind}: {mask_phone(sender)}")

    def _outcome(self, reply: Reply) -> Outcome:
        if reply.status == 201:  # noqa: PLR2004 created
            return self._created(reply)
        error = _error_in(reply)
        if error.code in ERRORS:
            return _known(error.code, reply)
        said = redact(error.message or "", self._auth[1]) or "no reason given"
        words = said if error.code is None else words_of(error.code, said)
        outcome = verdict(reply, f"{words}{_HINTS.get(reply.status, '')}")
        # Without a code it never reached the API; with one we do not know, the status tells whether the account did it.
        elsewhere = outcome.result is Result.REJECTED and (error.code is None or reply.status in _HINTS)
        return msgspec.structs.replace(outcome, elsewhere=elsewhere)

    def _why_no_list(self, reply: Reply) -> str:
        # Only a refusal says more than its status: all other words are about a text that was posted.
        refused = self._outcome(reply) if 400 <= reply.status < 500 else None  # noqa: PLR2004 the classes of HTTP
        if refused is None or refused.result is Result.UNKNOWN:
            return f"{reply.host} answered {reply.status}"
        return refused.detail

    def _listing(self, reply: Reply, since: datetime) -> Listing:
        try:
            page = msgspec.json.decode(reply.body, type=_Page, strict=False)
            made = [(parsedate_to_datetime(one.date_created or ""), one) for one in page.messages]
        except (*UNREADABLE, ValueError, OverflowError):
            return Listing(trouble=f"{reply.host} gave a list that could not be read")
        if any(at.tzinfo is None for at, _ in made):
            return Listing(trouble=f"{reply.host} gave a list with times of no zone")
        # Cut to the second by Twilio.
        recent = [(at, one) for at, one in made if at >= since - timedelta(seconds=1)]
        if page.next_page_uri and len(recent) == len(made):
            return Listing(trouble=f"{reply.host} lists more texts to this phone than are read at once")
        return Listing(texts=tuple(_text(at, one) for at, one in recent if self._is_ours(one)))

    def _is_ours(self, message: _Listed) -> bool:
        """Sent by our number or service, or by one that the list does not name.

        Not "outbound-reply", the answer to somebody's text: it may hold a ref, and is no page.
        """
        named = {message.sender, message.messaging_service_sid} - {None, ""}
        return message.direction == "outbound-api" and (not named or self._sender[1] in named)

    def _created(self, reply: Reply) -> Outcome:
        try:
            created = msgspec.json.decode(reply.body, type=_Created, strict=False)
        except UNREADABLE:
            created = _Created()
        if not re.fullmatch(r"(SM|MM)[0-9A-Za-z]{1,62}", created.sid or ""):
            return Outcome(Result.UNKNOWN, f"{reply.host} took it, but its answer could not be read")
        sid = created.sid or ""
        outcome = _outcome_of_made(created.status or "", created.error_code, reply)
        return msgspec.structs.replace(outcome, provider_id=sid)


class _Error(msgspec.Struct):
    code: int | None = None
    message: str | None = None


class _Created(msgspec.Struct):
    sid: str | None = None
    status: str | None = None
    error_code: int | None = None


class _Listed(msgspec.Struct, rename={"sender": "from"}):
    sid: str
    date_created: str | None = None
    body: str | None = None
    direction: str | None = None
    status: str | None = None
    error_code: int | None = None
    sender: str | None = None
    messaging_service_sid: str | None = None


class _Page(msgspec.Struct):
    messages: list[_Listed]
    next_page_uri: str | None = None


def _error_in(reply: Reply) -> _Error:
    """What a refusal says; nothing where it cannot be read."""
    try:
        return msgspec.json.decode(reply.body, type=_Error, strict=False)
    except UNREADABLE:
        return _Error()


def _known(code: int, reply: Reply) -> Outcome:
    error = ERRORS[code]
    waits = [wait for wait in (error.retry_after, reply.retry_after) if wait is not None]
    return Outcome(
        error.result,
        words_of(code),
        None if error.result is Result.REJECTED else max(waits, default=None),
        opted_out=error.opted_out,
        elsewhere=error.elsewhere,
    )


def _outcome_of_made(status: str, code: int | None, reply: Reply) -> Outcome:
    """Of a message that was created: an error that it carries already is as good as one that is reported later."""
    report = report_of(status, code)
    failed = report is not None and report.progress is Progress.FAILED
    if not code and not failed:
        return Outcome(Result.SENT)
    error = ERRORS.get(code or 0)
    if error and (failed or error.result is Result.REJECTED):
        return _known(code or 0, reply)
    if report and failed:
        return Outcome(Result.REJECTED, report.trouble)
    # It has an error and has not failed: it may go out all the same, and so is looked up and not sent again.
    return Outcome(Result.UNKNOWN, words_of(code or 0))


def _text(created_at: datetime, message: _Listed) -> Text:
    report = report_of(message.status or "", message.error_code)
    return Text(id=message.sid, created_at=created_at, body=message.body or "", report=report or Report())


# For answers without a code, which come from something before Twilio's API.
_HINTS = {
    401: "; check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and TWILIO_API_SECRET",
    403: "; check TWILIO_ACCOUNT_SID and the state of the account",
    404: "; check TWILIO_ACCOUNT_SID and TWILIO_API_URL",
}
