"""What a drill says, from one answer of the pager to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from http import HTTPStatus

import msgspec

from notifier.core.policy import FREE_CHANNELS
from notifier.core.wording import CHANNEL_NAMES

_ON_ITS_WAY = ("pending", "claimed", "unknown", "sent", "delivered")
"""States of a page that may still reach somebody, or has."""


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """How the drill's incident stands, as the pager answers a repeat of its alert."""

    ref: str
    state: str
    """open, acknowledged or resolved."""
    deliveries: dict[str, str] = {}
    """By delivery: pending, claimed, sent, delivered, unknown, capped, failed, cancelled or in digest."""

    @property
    def pages(self) -> dict[str, str]:
        """The deliveries by text, to which phone soever."""
        return {key: state for key, state in self.deliveries.items() if key.split("/")[1] == "sms"}


class Step(msgspec.Struct, frozen=True):
    """One thing that has happened."""

    name: str
    """For machines: stored, told, texted, delivered, capped, failed, acknowledged."""
    words: str


class End(Enum):
    """Why a drill is over."""

    ACKNOWLEDGED = "acknowledged"
    NO_SMS = "no text"
    CAPPED = "capped"
    FAILED = "failed"
    CLOSED = "closed by somebody else"


class _Answer(msgspec.Struct):
    incidents: list[Stand] = []
    error: str = ""


class Trouble(msgspec.Struct, frozen=True):
    """An answer that says nothing of how the drill stands."""

    words: str
    passes: bool
    """Whether the next one may."""


def stand_of(status: int, content: bytes) -> Stand | Trouble:
    """What an answer to the drill's alert says."""
    if 300 <= status < 400:  # noqa: PLR2004 - the class of HTTP
        return Trouble("it answers with a redirect: PUBLIC_URL must be the function's own address", passes=False)
    if words := _WORDS.get(status):
        return Trouble(words, passes=status >= HTTPStatus.INTERNAL_SERVER_ERROR)
    if status == HTTPStatus.OK:
        try:
            (stand,) = msgspec.json.decode(content, type=_Answer).incidents
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            return Trouble("what answers there is no notifier: check PUBLIC_URL", passes=False)
        return stand
    return Trouble(f"it answered {status}", passes=status >= HTTPStatus.INTERNAL_SERVER_ERROR)


_WORDS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "401: its WEBHOOK_TOKEN is not the one here",
    HTTPStatus.FORBIDDEN: "403: it does not let us in. Is the function open to all callers (deploy.sh makes it so)?",
    HTTPStatus.NOT_FOUND: "404: there is no notifier under this address; check PUBLIC_URL",
    HTTPStatus.METHOD_NOT_ALLOWED: "405: there is no notifier under this address; check PUBLIC_URL",
    HTTPStatus.INTERNAL_SERVER_ERROR: "500: a mistake of the pager's own, which is in its log",
    HTTPStatus.SERVICE_UNAVAILABLE: "503: perhaps not stored, and told without the store (its log says why)",
}


def steps(before: Stand | None, now: Stand) -> Iterator[Step]:
    """What has happened between two answers; `before`: None for the first."""
    if before is None:
        yield Step("stored", f"stored, as #{now.ref}")
    known = before.deliveries if before else {}
    told = [
        CHANNEL_NAMES[channel]
        for channel in FREE_CHANNELS
        if now.deliveries.get(f"opened/{channel}") == "sent" != known.get(f"opened/{channel}")
    ]
    if told:
        yield Step("told", f"told: {', '.join(told)}")
    for key, state in now.pages.items():
        if state != known.get(key) and (step := _PAGES.get(state)):
            phone = f"phone {int(key.split('/')[2]) + 1}"
            if state == "delivered" and known.get(key) != "sent":
                yield Step("texted", _PAGES["sent"].words.format(phone=phone))
            yield Step(step.name, step.words.format(phone=phone))
    for key, state in now.deliveries.items():
        if key not in now.pages and state == "failed" != known.get(key):
            yield Step("failed", f"{CHANNEL_NAMES.get(key.split('/')[-1], key)} could not be told")
    if now.state == "acknowledged" and (before is None or before.state != now.state):
        yield Step("acknowledged", "acknowledged")


_PAGES = {
    "sent": Step("texted", "the text to {phone} is taken by the provider"),
    "delivered": Step("delivered", "the text to {phone} is delivered"),
    "unknown": Step("unknown", "the text to {phone} may have been sent: the pager looks it up"),
    "capped": Step("capped", "no text to {phone}: the cap of texts an hour is reached"),
    "failed": Step("failed", "the text to {phone} failed"),
}


def end_of(now: Stand) -> End | None:
    """Why there is nothing more to wait for; None while there is."""
    if now.state == "acknowledged":
        return End.ACKNOWLEDGED
    if now.state != "open":
        return End.CLOSED
    pages = now.pages.values()
    if any(page in _ON_ITS_WAY for page in pages):
        return None
    if "capped" in pages or "in digest" in pages:
        return End.CAPPED
    return End.FAILED if pages else End.NO_SMS


def advice(end: End | None, ref: str) -> str:
    """What a person does about a drill that ended so; None: nobody has answered in time."""
    explain = f"`python -m notifier explain {ref}` says why"
    match end:
        case End.ACKNOWLEDGED:
            return ""
        case End.NO_SMS:
            return "No text is owed to anybody: are SMS and ONCALL_PHONE configured, and sms among [routes] critical?"
        case End.CAPPED:
            return "The hour's texts are used up, so nobody is paged; try again when there is room for one."
        case End.FAILED:
            return f"No text reached a phone: {explain}."
        case End.CLOSED:
            return "Somebody closed it meanwhile."
        case None:
            return (
                "Nobody has acknowledged it. Did the phone ring? Answer with `ack`, or by the link in Slack, Discord or"
                f" email; {explain}."
            )
