"""Twilio's error codes: how a send that met one has ended, what a report with it means, and what a human can do.

The only place that judges a code. Each is explained at https://www.twilio.com/docs/api/errors/CODE. A code in an
answer to a send means that nothing was created and nothing is billed, but for 20500 and 20503.
Codes from 30001 on belong to a message that was created and then failed; most handset troubles
among them are `rejected`, because another phone helps sooner than a second try on the same one.
"""

from __future__ import annotations

from functools import partial

import msgspec

from notifier.core.outcome import Result
from notifier.core.report import Progress, Report

PAGE = "https://www.twilio.com/docs/api/errors"


class Error(msgspec.Struct, frozen=True):
    """What one code means."""

    result: Result
    words: str
    """For the operator, who may have been woken by it: what is wrong, a colon, what to do; nothing of the request."""
    retry_after: float | None = None
    """Seconds, where an earlier try is certain to fail."""
    elsewhere: bool = False
    """It is Twilio, this account or this sender that cannot, and not for seconds only: another provider may.

    Not where the phone or the text is at fault, which no provider changes.
    """
    passes: bool = False
    """Of a text that failed after it was made: what was in the way may be gone later."""
    opted_out: bool = False
    """The phone has answered STOP."""


_again = partial(Error, Result.RETRY, passes=True)
_perhaps = partial(Error, Result.UNKNOWN, passes=True)
_never = partial(Error, Result.REJECTED)
_not_here = partial(Error, Result.REJECTED, elsewhere=True)

_TWILIO_DOWN = "Twilio had an internal failure: see https://status.twilio.com"
_CREDENTIALS = (
    "Twilio did not accept the credentials: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, "
    "or TWILIO_API_KEY and TWILIO_API_SECRET (a key belongs to one account and one region)"
)
_ACCOUNT = "the Twilio account is suspended, closed or out of money: top it up, or ask Twilio's support"
_SENDER = "TWILIO_FROM is not a number of this Twilio account that can send texts: set it to one"
_SERVICE = "the Messaging Service in TWILIO_FROM does not exist in this account: correct the setting"
_EMPTY_SERVICE = (
    "the Messaging Service in TWILIO_FROM has no sender that can reach this phone: add one in the Twilio console"
)
_NUMBER = "Twilio says this number in ONCALL_PHONE is not a valid phone number: correct the setting"
_LANDLINE = "this number in ONCALL_PHONE is no mobile phone and takes no texts: put a mobile phone's there"
_UNVERIFIED = (
    "the account may text verified numbers only: verify this one in the Twilio console, or upgrade the account"
)
_TRIAL = "a trial account may not send this text: upgrade the Twilio account"
_PARAMETER = "Twilio did not accept a parameter of our request: report it, it is a bug of this notifier"
_EMPTY = "the text is empty: report it, it is a bug of this notifier"
_FILTERED = "the text was filtered as spam, by Twilio or the carrier: reword the alert, or use another sender"
_OUR_ANSWER = "Twilio could not use our answer to one of its own requests: check PUBLIC_URL"

ERRORS: dict[int, Error] = {
    # Certainly not sent, may work later.
    20429: _again("too many requests to Twilio at the same time: wait, it is sent again by itself"),
    21611: _again(
        "the queue of TWILIO_FROM is full, over 10 hours of texts wait in it: give the pager a sender of its own",
        600,
        elsewhere=True,
    ),
    14107: _again("over 15 texts to this phone within 30 seconds: see in the Twilio console what else texts it", 30),
    63038: _again(
        "the account's limit of texts per day is reached: ask Twilio's support for a higher one", 3_600, elsewhere=True
    ),
    12400: _again(_TWILIO_DOWN, elsewhere=True),
    30001: _again("the sender's queue at Twilio is full: give the pager a sender of its own", 600, elsewhere=True),
    30017: _again("the network of the phone's carrier is overloaded: reach whoever holds the phone in another way"),
    30022: _again(
        "too many texts from this sender to the US (A2P 10DLC): give the pager a sender of its own", 60, elsewhere=True
    ),
    30023: _again(
        "the sender's daily limit to the US is reached (A2P 10DLC): wait for midnight Pacific time, or have it raised",
        3_600,
        elsewhere=True,
    ),
    30027: _again(
        "the sender's daily limit at T-Mobile is reached: wait for the next day, or have it raised",
        3_600,
        elsewhere=True,
    ),
    30036: _again(
        "the text waited at Twilio for too long and was dropped: see in the console what else TWILIO_FROM sends",
        elsewhere=True,
    ),
    30047: _again("Twilio's quiet hours could not be kept: switch them off for alerts", elsewhere=True),
    30450: _again(
        "Twilio's SMS pumping protection blocks numbers like this for 15 to 30 minutes: "
        "put it on the Global Safe List in the Twilio console",
        900,
        elsewhere=True,
    ),
    30500: _again(_TWILIO_DOWN, elsewhere=True),
    # May have been sent.
    20500: _perhaps("Twilio had an internal failure, the text may have been sent: see https://status.twilio.com"),
    20503: _perhaps("Twilio is not available, the text may have been sent: see https://status.twilio.com"),
    30008: _perhaps("the carrier gave no reason, the text may have arrived: ask Twilio's support if it goes on"),
    30026: _perhaps("most of the sender's daily limit at T-Mobile is used, the text should arrive: have it raised"),
    30410: _perhaps(
        "the carrier did not answer Twilio in time, the text may have arrived: ask Twilio's support if it goes on"
    ),
    # Certainly not sent: the credentials and the account.
    20003: _not_here(_CREDENTIALS),
    70051: _not_here("TWILIO_API_KEY may not do this: give it Messages, create and read"),
    20008: _not_here("these are Twilio's test credentials: use the live ones"),
    20404: _not_here("Twilio does not know this: check TWILIO_ACCOUNT_SID and TWILIO_API_URL"),
    20403: _not_here(_ACCOUNT),
    20005: _not_here(_ACCOUNT),
    20010: _not_here(_ACCOUNT),
    10001: _not_here(_ACCOUNT),
    30002: _not_here(_ACCOUNT),
    30037: _not_here(_ACCOUNT),
    90010: _not_here(_ACCOUNT),
    21408: _not_here(
        "texts to this phone's country are off: allow it in the Twilio console, Messaging, Geo permissions"
    ),
    21608: _not_here(_UNVERIFIED),
    572005: _not_here(_UNVERIFIED),
    572006: _not_here(_TRIAL),
    30044: _not_here(_TRIAL),
    30454: _not_here(
        "a limit of trial accounts or of Twilio's fraud detection is reached: upgrade, or ask Twilio's support"
    ),
    30610: _not_here("blocked by Twilio's quiet hours: exempt alerts from them (Compliance Toolkit)"),
    # ... the phone.
    21610: _never("this phone has answered STOP: answer START from it, and it gets texts again", opted_out=True),
    21211: _never(_NUMBER),
    21217: _never(_NUMBER),
    21604: _never(_NUMBER),
    21614: _never(_LANDLINE),
    21635: _never(_LANDLINE),
    30003: _never("the phone is off or out of reach: reach whoever holds it in another way", passes=True),
    30004: _never(
        "the phone or its carrier blocks texts from this sender: unblock it, and answer START from the phone"
    ),
    30005: _never("this number in ONCALL_PHONE no longer exists: correct the setting"),
    30006: _never(_LANDLINE),
    30640: _never(
        "Twilio's Compliance Toolkit blocks this phone: take it out of ONCALL_PHONE, or ask Twilio's support"
    ),
    # ... the sender.
    21212: _not_here(_SENDER),
    21401: _not_here(_SENDER),
    21606: _not_here(_SENDER),
    21607: _not_here("a trial account sends from its trial number only: set TWILIO_FROM to it, or upgrade"),
    572002: _not_here("a trial account sends from the number assigned to this phone only: set TWILIO_FROM to it"),
    21657: _not_here("the sender in TWILIO_FROM is not allowed in this phone's country: use another kind of sender"),
    21612: _not_here("TWILIO_FROM cannot reach this phone: use another kind of sender"),
    21663: _not_here("TWILIO_FROM is in another Twilio region than TWILIO_API_URL: make them agree"),
    21266: _not_here("TWILIO_FROM and the number in ONCALL_PHONE are the same: change one of them"),
    21910: _not_here("TWILIO_FROM is no sender of texts: set it to a number, or to a Messaging Service"),
    21603: _not_here("TWILIO_FROM is empty: set it to a number, or to a Messaging Service"),
    21701: _not_here(_SERVICE),
    21705: _not_here(_SERVICE),
    21703: _not_here(_EMPTY_SERVICE),
    21704: _not_here(_EMPTY_SERVICE),
    30018: _not_here("the phone's carrier wants TWILIO_FROM to be registered: register it in the Twilio console"),
    30024: _not_here("TWILIO_FROM is not yet known to the carrier: wait for it, or ask Twilio's support"),
    30032: _not_here("the toll-free number in TWILIO_FROM is not verified: verify it in the Twilio console"),
    30033: _not_here("the sender's A2P 10DLC campaign is suspended: ask Twilio's support"),
    30034: _not_here(
        "the sender is not registered for texts to the US (A2P 10DLC): register it in the Twilio console, "
        "a brand and a campaign"
    ),
    30035: _not_here(
        "the sender's registration for texts to the US (A2P 10DLC) is not complete: see in the Twilio console "
        "what it waits for"
    ),
    # ... the text and the request.
    21617: _never("the text is longer than 1,600 characters: lower max_segments in policy.toml"),
    21602: _never(_EMPTY),
    21619: _never(_EMPTY),
    21618: _never(_FILTERED),
    30007: _never(_FILTERED),
    30039: _never("Twilio took the text for an endless loop of answers: see that no machine answers TWILIO_FROM"),
    21609: _not_here("Twilio does not accept the address for delivery reports, so there are none: check PUBLIC_URL"),
    20001: _not_here(_PARAMETER),
    20004: _not_here(_PARAMETER),
    20422: _not_here(_PARAMETER),
    21624: _not_here(_PARAMETER),
    30010: _not_here(_PARAMETER),
    30045: _not_here(_PARAMETER),
    90007: _not_here(_PARAMETER),
    # Not of texts: of calls, and of what Twilio asks us. None should ever meet a send; if one does, it has words.
    21210: _not_here("TWILIO_FROM is no number of this account that may call: set it to one"),
    21214: _never("this number in ONCALL_PHONE cannot be called: correct the setting"),
    21215: _not_here("calls to this phone's country are off: allow it in the Twilio console, Voice, Geo permissions"),
    21216: _never("this number in ONCALL_PHONE is on Twilio's blocklist: ask Twilio's support"),
    21219: _not_here("the account may call verified numbers only: verify this one in the Twilio console, or upgrade"),
    10004: _again("too many calls of this account at the same time: wait, it is tried again by itself"),
    22005: _again(
        "the account's queue of calls is full: see in the Twilio console what else calls", 600, elsewhere=True
    ),
    11200: _not_here(_OUR_ANSWER),
    11205: _not_here(_OUR_ANSWER),
    12300: _not_here(_OUR_ANSWER),
    57012: _not_here(_OUR_ANSWER),
}

BAD_CALLBACK = 21609
"""Of the address for delivery reports alone: the text can go without."""

_PROGRESS = {
    "accepted": Progress.TAKEN,
    "scheduled": Progress.TAKEN,
    "queued": Progress.TAKEN,
    "sending": Progress.TAKEN,
    "receiving": Progress.TAKEN,
    "received": Progress.TAKEN,
    "sent": Progress.SENT,
    "partially_delivered": Progress.SENT,
    "delivered": Progress.DELIVERED,
    "read": Progress.DELIVERED,
    "failed": Progress.FAILED,
    "undelivered": Progress.FAILED,
    "canceled": Progress.FAILED,
}


def words_of(code: int, said: str = "") -> str:
    """What `code` means, the code first. `said`: Twilio's own words, redacted, for a code that is not in the table."""
    known = ERRORS.get(code)
    words = known.words if known else f"{said or 'not a code this notifier knows'}: see {PAGE}/{code}"
    return f"{code}: {words}"


def report_of(status: str, code: int | None) -> Report | None:
    """What Twilio says became of a text, by a delivery report or in its list; None for a status we do not know.

    `code`: its error code, which means something for a text that failed only. One we do not know passes: the phone
    is tried again in its turn, because a text in vain costs less than a phone that is never paged again.
    """
    progress = _PROGRESS.get(status)
    if progress is None:
        return None
    if progress is not Progress.FAILED:
        return Report(progress=progress)
    if not code:
        trouble = f"Twilio says {status}, and no code: see the text in the Twilio console, Monitor, Logs, Messaging"
        return Report(progress=progress, trouble=trouble, passes=True)
    error = ERRORS.get(code)
    return Report(
        progress=progress,
        trouble=words_of(code),
        passes=error.passes if error else True,
        opted_out=error.opted_out if error else False,
    )
