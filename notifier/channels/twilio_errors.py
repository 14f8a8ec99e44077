"""Twilio's error codes: how a send that met one has ended, and what a human can do about it.

The only place that judges a code. Each is explained at https://www.twilio.com/docs/api/errors/CODE. A code in an
answer to a send means that nothing was created and nothing is billed, but for 20500 and 20503.
Codes from 30001 on belong to a message that was created and then failed; most handset troubles
among them are `rejected`, because another phone helps sooner than a second try on the same one.
"""

from __future__ import annotations

import msgspec

from notifier.core.outcome import Result


class Error(msgspec.Struct, frozen=True):
    """What one code means."""

    result: Result
    words: str
    """For the operator: what is wrong and what to change. Holds nothing of the request."""
    retry_after: float | None = None
    """Seconds, where an earlier try is certain to fail."""


_CREDENTIALS = (
    "Twilio did not accept the credentials: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, "
    "or TWILIO_API_KEY and TWILIO_API_SECRET (a key belongs to one account and one region)"
)
_ACCOUNT = "the Twilio account is suspended, closed or out of money: see the Twilio console"
_SENDER = "TWILIO_FROM is not a number of this Twilio account that can send texts"
_SERVICE = "the Messaging Service in TWILIO_FROM does not exist in this account"
_EMPTY_SERVICE = "the Messaging Service in TWILIO_FROM has no sender that can reach this phone"
_NUMBER = "Twilio says this number in ONCALL_PHONE is not a valid phone number"
_LANDLINE = "this number in ONCALL_PHONE is no mobile phone and takes no texts"
_UNVERIFIED = "the account may text verified numbers only: verify this one in the Twilio console, or upgrade"
_TRIAL = "a trial account may not send this text: upgrade the Twilio account"
_PARAMETER = "Twilio did not accept a parameter of our request: a bug of this notifier"
_FILTERED = "the text was filtered as spam, by Twilio or the carrier"
_BUSY = "Twilio or the carrier is overloaded"
_REGISTER_10DLC = "the sender is not registered for texts to the US (A2P 10DLC): see the Twilio console"

ERRORS: dict[int, Error] = {
    # Certainly not sent, may work later.
    20429: Error(Result.RETRY, "too many requests to Twilio at the same time"),
    21611: Error(Result.RETRY, "the queue of TWILIO_FROM is full: over 10 hours of texts wait in it", 600),
    14107: Error(Result.RETRY, "over 15 texts to this phone within 30 seconds", 30),
    63038: Error(Result.RETRY, "the account's limit of texts per day is reached", 3_600),
    12400: Error(Result.RETRY, "Twilio had an internal failure"),
    30001: Error(Result.RETRY, "the sender's queue at Twilio is full", 600),
    30017: Error(Result.RETRY, _BUSY),
    30022: Error(Result.RETRY, "too many texts from this sender to the US (A2P 10DLC)", 60),
    30023: Error(Result.RETRY, "the sender's daily limit to the US is reached (A2P 10DLC)", 3_600),
    30027: Error(Result.RETRY, "the sender's daily limit at T-Mobile is reached", 3_600),
    30036: Error(Result.RETRY, "the text waited at Twilio past its validity period"),
    30047: Error(Result.RETRY, "Twilio's quiet hours could not be kept: switch them off for alerts"),
    30450: Error(Result.RETRY, "blocked for 15 to 30 minutes by Twilio's SMS pumping protection", 900),
    30500: Error(Result.RETRY, "Twilio had an internal failure"),
    # May have been sent.
    20500: Error(Result.UNKNOWN, "Twilio had an internal failure: the text may have been sent"),
    20503: Error(Result.UNKNOWN, "Twilio is not available: the text may have been sent"),
    30008: Error(Result.UNKNOWN, "the carrier gave no reason: the text may have arrived"),
    30026: Error(Result.UNKNOWN, "most of the daily limit at T-Mobile is used: the text should arrive"),
    30410: Error(Result.UNKNOWN, "the carrier did not answer Twilio in time: the text may have arrived"),
    # Certainly not sent: the credentials and the account.
    20003: Error(Result.REJECTED, _CREDENTIALS),
    70051: Error(Result.REJECTED, "TWILIO_API_KEY may not do this: give it Messages, create and read"),
    20008: Error(Result.REJECTED, "these are Twilio's test credentials: use the live ones"),
    20404: Error(Result.REJECTED, "Twilio does not know this: check TWILIO_ACCOUNT_SID and TWILIO_API_URL"),
    20403: Error(Result.REJECTED, _ACCOUNT),
    20005: Error(Result.REJECTED, _ACCOUNT),
    20010: Error(Result.REJECTED, _ACCOUNT),
    10001: Error(Result.REJECTED, _ACCOUNT),
    30002: Error(Result.REJECTED, _ACCOUNT),
    30037: Error(Result.REJECTED, _ACCOUNT),
    90010: Error(Result.REJECTED, _ACCOUNT),
    21608: Error(Result.REJECTED, _UNVERIFIED),
    572005: Error(Result.REJECTED, _UNVERIFIED),
    572006: Error(Result.REJECTED, _TRIAL),
    30044: Error(Result.REJECTED, _TRIAL),
    30454: Error(Result.REJECTED, "a limit of trial accounts or of Twilio's fraud detection is reached"),
    # ... the phone.
    21610: Error(Result.REJECTED, "this phone has answered STOP: it gets texts again once it answers START"),
    21211: Error(Result.REJECTED, _NUMBER),
    21217: Error(Result.REJECTED, _NUMBER),
    21604: Error(Result.REJECTED, _NUMBER),
    21614: Error(Result.REJECTED, _LANDLINE),
    21635: Error(Result.REJECTED, _LANDLINE),
    21408: Error(Result.REJECTED, "texts to this phone's country are off: Messaging, Geo permissions"),
    30003: Error(Result.REJECTED, "the phone is off or out of reach"),
    30004: Error(Result.REJECTED, "the phone or its carrier blocks texts from this sender"),
    30005: Error(Result.REJECTED, "this number in ONCALL_PHONE no longer exists"),
    30006: Error(Result.REJECTED, _LANDLINE),
    30640: Error(Result.REJECTED, "Twilio's compliance settings block this phone"),
    # ... the sender.
    21212: Error(Result.REJECTED, _SENDER),
    21401: Error(Result.REJECTED, _SENDER),
    21606: Error(Result.REJECTED, _SENDER),
    21607: Error(Result.REJECTED, "a trial account sends from its trial number only: set TWILIO_FROM to it"),
    572002: Error(Result.REJECTED, "a trial account sends from the number assigned to this phone only"),
    21657: Error(Result.REJECTED, "the sender in TWILIO_FROM is not allowed in this phone's country"),
    21612: Error(Result.REJECTED, "TWILIO_FROM cannot reach this phone: use another kind of sender"),
    21663: Error(Result.REJECTED, "TWILIO_FROM is in another Twilio region than TWILIO_API_URL"),
    21266: Error(Result.REJECTED, "TWILIO_FROM and the number in ONCALL_PHONE are the same"),
    21910: Error(Result.REJECTED, "TWILIO_FROM is no sender of texts"),
    21603: Error(Result.REJECTED, "TWILIO_FROM is empty"),
    21701: Error(Result.REJECTED, _SERVICE),
    21705: Error(Result.REJECTED, _SERVICE),
    21703: Error(Result.REJECTED, _EMPTY_SERVICE),
    21704: Error(Result.REJECTED, _EMPTY_SERVICE),
    30018: Error(Result.REJECTED, "the carrier wants TWILIO_FROM to be registered"),
    30024: Error(Result.REJECTED, "TWILIO_FROM is not yet known to the carrier"),
    30032: Error(Result.REJECTED, "the toll-free number in TWILIO_FROM is not verified"),
    30033: Error(Result.REJECTED, "the sender's A2P 10DLC campaign is suspended"),
    30034: Error(Result.REJECTED, _REGISTER_10DLC),
    30035: Error(Result.REJECTED, _REGISTER_10DLC),
    # ... the text and the request.
    21617: Error(Result.REJECTED, "the text is longer than 1,600 characters"),
    21602: Error(Result.REJECTED, "the text is empty"),
    21619: Error(Result.REJECTED, "the text is empty"),
    21618: Error(Result.REJECTED, _FILTERED),
    30007: Error(Result.REJECTED, _FILTERED),
    30039: Error(Result.REJECTED, "Twilio took the text for an endless loop of answers"),
    30610: Error(Result.REJECTED, "blocked by Twilio's quiet hours: exempt alerts from them"),
    21609: Error(Result.REJECTED, "Twilio does not accept the address for delivery reports: check PUBLIC_URL"),
    20001: Error(Result.REJECTED, _PARAMETER),
    20004: Error(Result.REJECTED, _PARAMETER),
    20422: Error(Result.REJECTED, _PARAMETER),
    21624: Error(Result.REJECTED, _PARAMETER),
    30010: Error(Result.REJECTED, _PARAMETER),
    30045: Error(Result.REJECTED, _PARAMETER),
    90007: Error(Result.REJECTED, _PARAMETER),
}
