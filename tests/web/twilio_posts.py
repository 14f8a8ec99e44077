"""The forms that Twilio posts to us, as its documentation and recorded requests show them."""

from __future__ import annotations

from notifier.callbacks import Fields

AUTH_TOKEN = "not-a-real-auth-token"
PUBLIC_URL = "https://pager.example.com"
ACCOUNT = "AC" + "a" * 32
SID = "SM" + "0" * 32
PHONES = ("+15555550101", "+15555550102")
SENDER = "+15005550006"


def reported(**changes: str | None) -> Fields:
    """The fields of a delivery report; `changes` of None are left out."""
    fields: dict[str, str | None] = {
        "SmsSid": SID,
        "SmsStatus": "delivered",
        "MessageStatus": "delivered",
        "To": PHONES[1],
        "MessageSid": SID,
        "AccountSid": ACCOUNT,
        "From": SENDER,
        "ApiVersion": "2010-04-01",
        "RawDlrDoneDate": "2607171206",
        **changes,
    }
    return [(name, value) for name, value in fields.items() if value is not None]


def texted(**changes: str | None) -> Fields:
    """The fields of a text to our number; `changes` of None are left out."""
    fields: dict[str, str | None] = {
        "ToCountry": "US",
        "ToState": "",
        "SmsMessageSid": SID,
        "NumMedia": "0",
        "ToCity": "",
        "FromZip": "",
        "SmsSid": SID,
        "FromState": "",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": "ack",
        "FromCountry": "US",
        "To": SENDER,
        "ToZip": "",
        "NumSegments": "1",
        "MessageSid": SID,
        "AccountSid": ACCOUNT,
        "From": PHONES[1],
        "ApiVersion": "2010-04-01",
        **changes,
    }
    return [(name, value) for name, value in fields.items() if value is not None]
