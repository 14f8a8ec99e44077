"""What Twilio's side of the wire looks like: its account, its errors, and a message in each of its forms."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from tests.end_to_end.serving import Answer, json_answer

ACCOUNT = "AC" + "0" * 32
AUTH_TOKEN = "token-of-no-worth"
KEY, KEY_SECRET = "SK" + "0" * 32, "secret-of-no-worth"
NUMBER = "+15005550006"
"""A sender on its own."""
SERVICE, SERVICE_NUMBER = "MG" + "0" * 32, "+15005550009"
"""A Messaging Service, and the only number in its pool."""
PHONES = ("+15555550101", "+15555550102")

PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
MOST_CHARACTERS = 1_600
RANKS = ("accepted", "queued", "sending", "sent", "delivered", "undelivered", "failed")
"""Of a message that goes out; its last three are final."""
FINAL = RANKS[-3:]
CREDENTIALS = {
    f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    for user, password in ((ACCOUNT, AUTH_TOKEN), (KEY, KEY_SECRET))
}
"""Authorization headers of those who may."""

_ERRORS = {
    20001: (400, "Bad request"),
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    20503: (503, "Service unavailable"),
    21211: (400, "Invalid 'To' Phone Number"),
    21266: (400, "'To' and 'From' number cannot be the same"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' or 'MessagingServiceSid' is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number is not a message-capable number of this account"),
    21608: (400, "The 'To' number is unverified. Trial accounts cannot send messages to unverified numbers"),
    21609: (400, "The 'StatusCallback' is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "The 'From' number has exceeded the maximum number of queued messages"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21701: (404, "The Messaging Service does not exist"),
    70051: (403, "Authorization error"),
}


def error(code: int) -> Answer:
    """Twilio's answer with one of its errors."""
    status, words = _ERRORS[code]
    content = {"code": code, "message": words, "more_info": f"https://www.twilio.com/docs/errors/{code}"}
    realm = (("WWW-Authenticate", 'Basic realm="Twilio API"'),) if status == 401 else ()
    return json_answer(status, {**content, "status": status}, *realm)


UNAVAILABLE = Answer(503, "text/html", b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>")
"""Of what stands before Twilio's API."""


@dataclass(eq=False)
class Text:
    """One message, as Twilio keeps it."""

    sid: str
    direction: str
    to: str
    sender: str | None
    """The number; None until a service has chosen one."""
    service: str | None
    body: str
    at: datetime
    status: str
    form: dict[str, str] = field(default_factory=dict)
    """What made it, as it was posted."""
    error_code: int | None = None
    sent_at: datetime | None = None
    listed_from: float = 0
    """By the monotonic clock."""

    def move(self, status: str, error_code: int | None) -> None:
        """Take on the status, unless it is one that lies behind."""
        if self.status in FINAL or RANKS.index(status) <= RANKS.index(self.status):
            return
        self.status, self.error_code = status, error_code
        if self.service and not self.sender:
            self.sender = SERVICE_NUMBER
        if self.sent_at is None and status in ("sent", "delivered", "undelivered"):
            self.sent_at = datetime.now(UTC)


def mistake(form: dict[str, str]) -> int:
    """The error code of a request that Twilio does not take; 0: none."""
    to, body, sender, service = (form.get(name, "") for name in ("To", "Body", "From", "MessagingServiceSid"))
    checks = (
        (not to, 21604),
        (not re.fullmatch(r"\+[1-9][0-9]{6,14}", to), 21211),
        (not sender and not service, 21603),
        (service not in ("", SERVICE), 21701),
        (sender not in (("", SERVICE_NUMBER) if service else ("", NUMBER, SERVICE_NUMBER)), 21606),
        (to == sender, 21266),
        (not body, 21602),
        (len(body) > MOST_CHARACTERS, 21617),
        ("StatusCallback" in form and not _is_callback(form["StatusCallback"]), 21609),
        (not re.fullmatch("[1-9][0-9]{0,3}|[12][0-9]{4}|3[0-5][0-9]{3}|36000", form.get("ValidityPeriod", "1")), 20001),
        (form.get("RiskCheck", "enable") not in ("enable", "disable"), 20001),
    )
    return next((code for wrong, code in checks if wrong), 0)


def _is_callback(url: str) -> bool:
    """127.0.0.1 passes here, which Twilio could not reach."""
    address = urlsplit(url)
    host = address.hostname or ""
    return (
        address.scheme in ("http", "https") and host not in ("", "localhost") and "_" not in host and len(url) <= 4_000
    )


def resource(message: Text, *, with_body: bool = True) -> dict[str, object]:
    """As the API shows it."""
    path = f"{PATH}/{message.sid}"
    waiting = message.service and message.status == "accepted"
    return {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": message.body if with_body else "",
        "date_created": format_datetime(message.at),
        "date_sent": format_datetime(message.sent_at) if message.sent_at else None,
        "date_updated": format_datetime(message.sent_at or message.at),
        "direction": message.direction,
        "error_code": message.error_code,
        "error_message": None,
        "from": message.sender,
        "messaging_service_sid": message.service,
        "num_media": "0",
        "num_segments": "0" if waiting else str(_segments(message.body)),
        "price": None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{path}/Media.json"},
        "to": message.to,
        "uri": f"{path}.json",
    }


def _segments(body: str) -> int:
    """About as many as Twilio would bill: every text that is not ASCII is taken for UCS-2."""
    one, several = (160, 153) if body.isascii() else (70, 67)
    length = len(body) if body.isascii() else len(body.encode("utf-16-le")) // 2
    return 1 if length <= one else -(-length // several)


def inbound(message: Text, opt_out_type: str) -> dict[str, str]:
    """The fields of its webhook. What Twilio does not know of the two numbers it sends empty."""
    form = {
        "ToCountry": "US",
        "ToState": "",
        "SmsMessageSid": message.sid,
        "NumMedia": "0",
        "ToCity": "",
        "FromZip": "",
        "SmsSid": message.sid,
        "FromState": "",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": message.body,
        "FromCountry": "US",
        "To": message.to,
        "ToZip": "",
        "NumSegments": str(_segments(message.body)),
        "MessageSid": message.sid,
        "AccountSid": ACCOUNT,
        "From": message.sender or "",
        "ApiVersion": "2010-04-01",
    }
    if message.service:
        form["MessagingServiceSid"] = message.service
    if opt_out_type:
        form["OptOutType"] = opt_out_type
    return form


def report(message: Text, status: str, error_code: int | None) -> dict[str, str]:
    """The fields of a delivery report."""
    form = {
        "SmsSid": message.sid,
        "SmsStatus": status,
        "MessageStatus": status,
        "To": message.to,
        "MessageSid": message.sid,
        "AccountSid": ACCOUNT,
        "From": message.sender or SERVICE_NUMBER,
        "ApiVersion": "2010-04-01",
    }
    if status in FINAL:
        form["RawDlrDoneDate"] = f"{datetime.now(UTC):%y%m%d%H%M}"
    if error_code is not None:
        form["ErrorCode"] = str(error_code)
    if message.service:
        form["MessagingServiceSid"] = message.service
    return form
