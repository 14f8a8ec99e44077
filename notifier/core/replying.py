"""Rules for texts from the people on call: what they ask for, whom it concerns, and what is answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import msgspec

from notifier.core.alert import Alert, Severity
from notifier.core.claiming import landed_before
from notifier.core.draft import Draft
from notifier.core.events import Alerted, Claim, Decision, Note, OptedOut, State, Texted, unchanged
from notifier.core.incident import DeliveryState, Incident, incident_key, ref_as_read
from notifier.core.ledger import Ledger
from notifier.core.opening import begin
from notifier.core.policy import Policy
from notifier.core.sms_text import fit, size_of
from notifier.core.wording import cost

SOURCE = "notifier texts"
"""Of what is told of the phones themselves: nothing a monitoring system has said."""

_PAGED = (DeliveryState.CLAIMED, DeliveryState.SENT, DeliveryState.UNKNOWN)


class Command(Enum):
    ACKNOWLEDGE = "acknowledge"
    """What that phone was paged for, or what is called so."""
    ACKNOWLEDGE_ALL = "acknowledge all"
    STATUS = "status"
    OPT_OUT = "opt out"
    OPT_IN = "opt in"
    NOT_OURS = "not ours"
    """The provider answers it."""
    UNKNOWN = "unknown"


class Wish(msgspec.Struct, frozen=True):
    """What a text asks for."""

    command: Command
    ref: str = ""


_OPT_OUT = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke")
"""Twilio itself heeds these, as single words, and those below, and answers them: none is ever a command
(https://help.twilio.com/articles/223134027-Twilio-support-for-opt-out-keywords-SMS-STOP-filtering-)."""
_OPT_IN = ("start", "yes", "unstop")
_HELP = ("help", "info")
_THEIRS = {
    **dict.fromkeys(_OPT_OUT, Wish(Command.OPT_OUT)),
    **dict.fromkeys(_OPT_IN, Wish(Command.OPT_IN)),
    **dict.fromkeys(_HELP, Wish(Command.NOT_OURS)),
}
_OURS = {
    "status": Wish(Command.STATUS),
    "ack all": Wish(Command.ACKNOWLEDGE_ALL),
    "ok all": Wish(Command.ACKNOWLEDGE_ALL),
}


def read_wish(body: str, opt_out: str = "") -> Wish:
    """What a text asks for. `opt_out`: the provider's own word for it (STOP, START, HELP), where it has one."""
    words = opt_out.strip().casefold() or " ".join(body.split()).casefold()
    if words in _THEIRS:
        return _THEIRS[words]
    # Our own words may have a mark behind them; those of the provider it heeds to the letter.
    words = words.rstrip(".! ")
    if words in _OURS:
        return _OURS[words]
    acknowledges = re.fullmatch("(?:ack|ok)(?: (#?[0-9a-z]{4,6}))?", words)
    return Wish(Command.ACKNOWLEDGE, ref_as_read(acknowledges[1] or "")) if acknowledges else Wish(Command.UNKNOWN)


def heeds(body: str, opt_out: str) -> bool:
    """Whether a text asks us for something, so that its sender must hear if it is not done.

    START too: its provider says that texts come again, and a phone we did not hear it of would never be paged. Not
    STOP: whoever sent it wants no texts, and its provider lets none through.
    """
    return read_wish(body, opt_out).command in (
        Command.ACKNOWLEDGE,
        Command.ACKNOWLEDGE_ALL,
        Command.STATUS,
        Command.OPT_IN,
    )


NOT_HEEDED = "NOT done: the pager cannot reach its database. Send it again in a minute."


def concerned(wish: Wish, open_incidents: Sequence[Incident], phone: int) -> list[Incident]:
    """Those of the open incidents that a wish to acknowledge is about, in the order they were opened."""
    in_order = sorted(open_incidents, key=lambda one: one.opened_at)
    if wish.command is Command.ACKNOWLEDGE_ALL:
        return in_order
    if wish.ref:
        return [one for one in in_order if one.ref == wish.ref]
    return [one for one in in_order if _has_paged(one, phone)]


def answer_to_acknowledge(wish: Wish, done: Sequence[Incident], failed: int) -> str:
    """What became of it. `done`: acknowledged now, by whomever. `failed`: how many the store did not take."""
    if failed:
        return (
            f"NOT acknowledged: {failed} of {failed + len(done)}, the pager cannot reach its database. Send it again."
        )
    if done:
        names: dict[str, str] = {}
        for one in done:
            # Under a member's own ref where it is named itself.
            names = {member.key: member.title for member in one.members} | names
            names |= {} if one.members else {one.key: f"#{one.ref} {one.title}"}
        return _fitted(f"{len(names)} acknowledged: ", ", ".join(names.values()), "")
    if wish.ref:
        return f"#{wish.ref} is not open. Send status for what is."
    if wish.command is Command.ACKNOWLEDGE_ALL:
        return "Nothing is open."
    return "Nothing you were paged for is open. Send status, or ack all."


def answer_to_status(open_incidents: Sequence[Incident], ledger: Ledger, policy: Policy, now: datetime) -> str:
    """What is open, in one segment; how full the window is, and what the month has cost."""
    texts = f"{ledger.taken(now)} of {policy.sms.max_per_hour} texts this hour"
    tail = f". {texts}, {cost(ledger.totals.of(now).segments, policy.texting.price)} this month"
    own = [one for one in open_incidents if not one.members and one.source != SOURCE]
    own.sort(key=lambda one: one.effective, reverse=True)
    if not own:
        return f"Nothing is open{tail}"
    return _fitted(f"{len(own)} open: ", ", ".join(f"#{one.ref} {one.title}" for one in own), tail)


HOW_TO_ASK = "Send ack, ack 7F3K, ack all or status."


def texted(state: State, event: Texted, policy: Policy, now: datetime) -> Decision:
    """Remember that the text came, and answer it if that is not too often."""
    conversation = state.ledger.conversation
    phone = policy.texting.phones[event.phone]
    if conversation.has_received(event.id):
        return unchanged(state, "the same text again; nothing is answered")
    may = bool(event.answer) and conversation.may_answer(phone, now)
    conversation = conversation.with_received(event.id, phone, now, answered=may)
    totals = state.ledger.totals
    if may:
        totals = totals.counted(now, texts=1, segments=size_of(event.answer).segments)
    words = f"phone {event.phone + 1} is answered by text" if may else f"phone {event.phone + 1} gets no answer"
    return Decision(
        incident=state.incident,
        ledger=msgspec.structs.replace(state.ledger, conversation=conversation, totals=totals),
        answer=event.answer if may else "",
        notes=(Note(Severity.INFO, words),),
    )


def key_of_text(text_id: str) -> str:
    """The incident under which it is told that a phone takes no texts, or takes them again."""
    return incident_key(SOURCE, f"text {text_id}")


def opted_out(state: State, event: OptedOut, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Remember it for that phone, and say it on the error route: it may be that nobody can be texted."""
    if state.incident is not None:
        landed = landed_before(Draft(state.incident, state.ledger, policy, now, claim))
        return landed or unchanged(state, "the same text again; nothing is told")
    phones, before = policy.texting.phones, state.ledger.conversation
    if before.has_received(event.id):
        return unchanged(state, "the same text again; nothing is told")
    before = before.with_received(event.id, phones[event.phone], now, answered=False)
    known = before.opted_out.get(phones[event.phone])
    if (known is None) if event.again else (known is not None and known.until is None):
        # Remembered all the same: an old STOP must not undo the START that came after it.
        return Decision(
            incident=None,
            ledger=msgspec.structs.replace(state.ledger, conversation=before),
            notes=(Note(Severity.INFO, f"phone {event.phone + 1} says again what is known"),),
        )
    if event.again:
        after = before.without_opt_out(phones[event.phone])
        title = f"Phone {event.phone + 1} takes texts again"
    else:
        after = before.with_opt_out(phones[event.phone], now)
        others = [number for number, phone in enumerate(phones, 1) if not after.has_opted_out(phone, now)]
        follows = f"from now on phone {others[0]} is paged" if others else "NOBODY CAN BE TEXTED"
        title = f"Phone {event.phone + 1} has opted out of texts (STOP): {follows}"
    alert = Alert(
        source=SOURCE,
        incident_id=f"text {event.id}",
        severity=(Severity.INFO if event.again else Severity.ERROR).value,
        title=title,
        text=_AGAIN if event.again else _UNDO,
        one_off=True,
    )
    ledger = msgspec.structs.replace(state.ledger, conversation=after)
    return begin(State(state.key, None, ledger), Alerted(alert), policy, now, claim)


_UNDO = "To undo this, text START from that phone to the number the pages come from."
_AGAIN = "What is open and unanswered is paged there again at its next turn."


def _has_paged(incident: Incident, phone: int) -> bool:
    pages = incident.deliveries.values()
    # One that the provider took and then called lost may have arrived all the same.
    paged = [page.phone for page in pages if page.channel == "sms" and (page.state in _PAGED or page.provider_id)]
    return phone in paged


def _fitted(head: str, middle: str, tail: str) -> str:
    return fit(head, middle, tail, 1)
