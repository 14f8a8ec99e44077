"""What Twilio posts to us: delivery reports on our texts, and the texts people send to our number.

From the bytes of a request to values, and no further. Fields and words:
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status and
https://www.twilio.com/docs/messaging/guides/webhook-request; new fields appear there without notice.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

import msgspec

from notifier.auth import Forged, TwilioSignatures
from notifier.core.alert import printable
from notifier.core.report import Report

STATUS_PATH = "/twilio/status"
TEXT_PATH = "/twilio/sms"

FIELDS = 200
"""Twilio sends about 20; whoever sends more than this is somebody else."""
FORM_BYTES = 65_536
"""Of all fields: over three times the longest text with each of its characters escaped."""
BODY_CHARACTERS = 1_600
"""Of a text, as Twilio joins its parts (https://www.twilio.com/docs/api/errors/21617)."""
DELIVERY_CHARACTERS = 100
"""Of a delivery's key, several times those there are: an address stays far below Twilio's 4,000 characters
(https://www.twilio.com/docs/api/errors/21609)."""
TRY_AGAIN = "#rc=5&rp=all"
"""Asks Twilio for up to five more tries of a report that met a failure of any kind; without, there is one more, and
only where Twilio could not connect. Neither sent nor signed
(https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides)."""

_SID = r"(SM|MM)[0-9A-Za-z]{1,62}"
"""As channels/twilio.py takes it."""
_OPT_OUT_TYPES = ("STOP", "START", "HELP")
_FORBIDDEN_IN_XML = re.compile("[\ufffe\uffff]")

Fields = Sequence[tuple[str, str]]
"""Of a form: names and values, in the order in which they came."""


class DeliveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """What Twilio says became of one attempt to send a text."""

    key: str
    """The incident's."""
    generation: int
    number: int
    """Which attempt of the delivery, from 1 up."""
    delivery: str
    """The delivery's key, as `opened/sms/0/1`."""
    sid: str
    """Twilio's own name of the text."""
    phone: int
    """Index into ONCALL_PHONE of the number that Twilio says it went to."""
    report: Report


class ReceivedText(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody on call has sent to our number."""

    phone: int
    """Index into ONCALL_PHONE."""
    sid: str
    """Twilio's own name of the text: it may come more than once."""
    body: str
    """As it was written, up to 1,600 characters."""
    opt_out: str = ""
    """`STOP`, `START` or `HELP` where Twilio has taken it for that, and has answered it; else empty."""


class Ignored(msgspec.Struct, frozen=True):
    """Twilio's request, and nothing to us."""

    reason: str
    """For the log: names no number and nothing else of what was sent."""


class Callbacks:
    """Makes the address for the reports on a text, and reads what comes in."""

    def __init__(
        self,
        *,
        account_sid: str,
        signatures: TwilioSignatures,
        phones: tuple[str, ...],
        sender: str = "",
        judge: Callable[[str, int | None], Report | None],
    ) -> None:
        """`phones`: E.164, in the order of ONCALL_PHONE. `sender`: TWILIO_FROM.

        `judge`: what Twilio's status and error code come to; None for a status it does not know.
        """
        self._account_sid = account_sid
        self._signatures = signatures
        self._phones = phones
        self._sender = sender
        self._judge = judge

    def report_url(self, key: str, generation: int, number: int, delivery: str) -> str:
        """Where Twilio is to report on attempt `number` of a delivery; empty where we could not use its reports.

        That is so without signatures, and for a key that could not be read back from it: a page goes out without
        reports rather than not at all.
        """
        attempt = ".".join((key, str(generation), str(number), delivery.replace("/", "-")))
        if _attempt(attempt) != (key, generation, number, delivery):
            return ""
        url = self._signatures.url(STATUS_PATH, f"delivery={attempt}")
        return f"{url}{TRY_AGAIN}" if url else ""

    def admit(self, path: str, query: str, body: bytes, signature: str | None) -> Fields:
        """The fields of a form that Twilio has posted. Raises Forged for one that anybody else has.

        `path`, `query`: as they were requested. `signature`: the X-Twilio-Signature.
        """
        if len(body) > FORM_BYTES:
            raise Forged(f"expected at most {FORM_BYTES} bytes, as Twilio sends them")
        try:
            fields = _fields(body.decode("utf-8", "replace"))
        except ValueError as error:
            raise Forged(f"expected at most {FIELDS} fields, as Twilio sends them") from error
        self._signatures.check(path, query, fields, signature)
        return fields

    def read_report(self, fields: Fields, query: str) -> DeliveryReport | Ignored:
        """The report in a form that was admitted at STATUS_PATH; `query` holds what `report_url` put there."""
        attempt = _attempt(_only(_fields_of_query(query), "delivery"))
        sid, status = _only(fields, "MessageSid"), _only(fields, "MessageStatus")
        phone = _only(fields, "To")
        if _only(fields, "AccountSid") != self._account_sid:
            return Ignored("a delivery report of another Twilio account")
        if phone not in self._phones:
            return Ignored("a delivery report on a text to a number that is not in ONCALL_PHONE")
        if attempt is None:
            return Ignored("a delivery report whose address names no delivery of ours")
        if not re.fullmatch(_SID, sid):
            return Ignored("a delivery report on a text without a sid")
        report = self._judge(status, _code(_only(fields, "ErrorCode")))
        if report is None:
            return Ignored("a delivery report with a status we do not know")
        key, generation, number, delivery = attempt
        return DeliveryReport(
            key=key,
            generation=generation,
            number=number,
            delivery=delivery,
            sid=sid,
            phone=self._phones.index(phone),
            report=report,
        )

    def read_text(self, fields: Fields) -> ReceivedText | Ignored:
        """The text in a form that was admitted at TEXT_PATH."""
        phone, sid = _only(fields, "From"), _only(fields, "MessageSid")
        if _only(fields, "AccountSid") != self._account_sid:
            return Ignored("a text to another Twilio account")
        if phone not in self._phones:
            return Ignored("a text from a number that is not in ONCALL_PHONE")
        if self._sender.startswith("+") and _only(fields, "To") != self._sender:
            # A Messaging Service has numbers of its own, which nobody here knows.
            return Ignored("a text to a number that is not TWILIO_FROM")
        if not re.fullmatch(_SID, sid):
            return Ignored("a text without a sid")
        opt_out = _only(fields, "OptOutType")
        return ReceivedText(
            phone=self._phones.index(phone),
            sid=sid,
            body=_only(fields, "Body")[:BODY_CHARACTERS],
            opt_out=opt_out if opt_out in _OPT_OUT_TYPES else "",
        )


def twiml(text: str) -> str:
    """The answer that makes Twilio reply with `text`; with nothing when it is empty.

    https://www.twilio.com/docs/messaging/twiml
    """
    said = html.escape(_FORBIDDEN_IN_XML.sub("", printable(text)), quote=False)
    return f"<Response><Message>{said}</Message></Response>" if said else "<Response/>"


def _attempt(text: str) -> tuple[str, int, int, str] | None:
    """Key, generation, attempt and delivery of an id that `report_url` made; None for any other."""
    # One spelling each, of characters that no proxy encodes in another way, for the signature is over them.
    found = re.fullmatch(r"([0-9a-f]{32})\.([1-9][0-9]{0,9})\.([1-9][0-9]{0,9})\.([a-z0-9_]+(?:-[a-z0-9_]+)*)", text)
    if found is None or len(found[4]) > DELIVERY_CHARACTERS:
        return None
    return found[1], int(found[2]), int(found[3]), found[4].replace("-", "/")


def _fields(form: str) -> list[tuple[str, str]]:
    """Raises ValueError for more than FIELDS of them. What is no UTF-8 is replaced, and then not what Twilio signed."""
    return parse_qsl(form, keep_blank_values=True, max_num_fields=FIELDS)


def _fields_of_query(query: str) -> Fields:
    try:
        return _fields(query)
    except ValueError:
        return ()


def _only(fields: Fields, name: str) -> str:
    """The field's value; empty where it is missing, or is there with several: their order is not signed."""
    values = {value for key, value in fields if key == name}
    return values.pop() if len(values) == 1 else ""


def _code(text: str) -> int | None:
    """Twilio's error code, when there is one."""
    return (int(text) if re.fullmatch("[0-9]{1,9}", text) else 0) or None
