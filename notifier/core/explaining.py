"""Why somebody was paged, or was not: one incident's history in plain sentences, and what comes next.

The history itself is written where each thing is decided. Here stands what it cannot say: what did not happen, how late
something was and why, and what will happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from notifier.core.alert import Severity
from notifier.core.claiming import is_first_page
from notifier.core.incident import (
    KEEP_AFTER_END,
    Delivery,
    DeliveryState,
    Entry,
    Incident,
    IncidentState,
    Kind,
)
from notifier.core.ledger import Ledger
from notifier.core.moments import EXPIRES, OVERDUE, expires_at, next_page, next_page_due, place_of, steps_left
from notifier.core.outcome import SIMULATED
from notifier.core.owing import is_wanted
from notifier.core.policy import Policy
from notifier.core.report import Progress
from notifier.core.telling import who
from notifier.core.wording import duration, some

LATE = timedelta(minutes=2)
"""What is done within this is on time: the tick comes once a minute, and takes a while."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one incident, for somebody who was woken by it, or was not."""

    verdict: str
    """Who was texted, in one sentence."""
    happened: tuple[Entry, ...]
    """In the order it happened."""
    reasons: tuple[str, ...]
    """Why texts went out as they did, or did not: a sentence for each page that was owed, and for none."""
    follows: tuple[Entry, ...]
    """What happens next, and when, if nobody answers before."""
    cautions: tuple[str, ...] = ()
    """What makes some of the above doubtful."""


def explain(
    incident: Incident,
    ledger: Ledger,
    policy: Policy,
    now: datetime,
    *,
    phones: Sequence[str] = (),
    last_tick: datetime | None = None,
) -> Explanation:
    """`policy`: the deployed one. `phones`: how each may be shown, in the order of ONCALL_PHONE.

    `last_tick`: when the tick was last through; None if it never was.
    """
    return _Explainer(incident, ledger, policy, now, phones, last_tick).explanation()


class _Explainer:
    def __init__(
        self,
        incident: Incident,
        ledger: Ledger,
        policy: Policy,
        now: datetime,
        phones: Sequence[str],
        last_tick: datetime | None,
    ) -> None:
        self._incident = incident
        self._ledger = ledger
        self._policy = policy
        self._now = now
        self._phones = phones
        self._last_tick = last_tick
        pages = [(key, one) for key, one in incident.deliveries.items() if one.channel == "sms"]
        self._pages = sorted(pages, key=lambda page: place_of(page[1]))

    def explanation(self) -> Explanation:
        return Explanation(
            verdict=self._verdict(),
            happened=_together(self._incident.history),
            reasons=tuple(self._reasons()),
            follows=tuple(sorted(self._follows(), key=lambda entry: entry.at)),
            cautions=tuple(self._cautions()),
        )

    def _verdict(self) -> str:
        out = [page for _, page in self._pages if page.state is DeliveryState.SENT]
        if out:
            return "Texted: " + ", ".join(f"{self._who(page)} at {self._at(page.claimed_at)}" for page in out) + "."
        if any(page.state is DeliveryState.UNKNOWN for _, page in self._pages):
            return "Perhaps texted: nobody can tell, or not yet."
        digests = [page.digest for _, page in self._pages if page.state is DeliveryState.DIGESTED]
        if digests:
            return f"Told in a text with others, #{digests[-1]}."
        return "Nobody has been texted."

    def _reasons(self) -> Iterator[str]:
        for place, (key, page) in enumerate(self._pages):
            before = self._pages[place - 1][1] if place else None
            yield f"{self._who(page)} {self._of_page(key, page)}{self._lateness(key, page, before)}."
        if not self._pages:
            yield self._why_none()
        elif self._incident.state is IncidentState.ACKNOWLEDGED:
            yield f"No other phone is texted: {self._answered()}."

    def _of_page(self, key: str, page: Delivery) -> str:  # noqa: C901, PLR0911 - a sentence for each state
        at = self._at(page.claimed_at)
        match page.state:
            case DeliveryState.SENT:
                return f"was texted at {at}{f' by {page.via}' if page.via else ''}{_arrived(page)}"
            case DeliveryState.FAILED if page.report is Progress.FAILED:
                return f"was texted at {at}, and the text did NOT arrive: {page.detail}"
            case DeliveryState.FAILED:
                return f"was NOT texted: {page.detail}"
            case DeliveryState.CAPPED if self._is_gathered(key):
                return "waits no more: it is told in a text with others that is being sent"
            case DeliveryState.CAPPED:
                return f"was NOT texted at {self._at(page.created_at)}, and waits: {self._cap()}"
            case DeliveryState.DIGESTED:
                return f"was held back by the cap, and then told in a text with others: explain #{page.digest}"
            case DeliveryState.CANCELLED:
                held = f" (it was held back before: {page.detail})" if page.detail else ""
                return f"was NOT texted: it was due, but before it could be sent {self._over()}{held}"
            case DeliveryState.UNKNOWN if page.due_at:
                return f"may have been texted at {at}: {page.detail or 'no answer'}; it is being looked up at Twilio"
            case DeliveryState.UNKNOWN:
                return f"may have been texted at {at}: {page.detail or 'no answer'}; nobody can tell"
            case DeliveryState.CLAIMED:
                return f"is being texted since {at}"
            case DeliveryState.PENDING:
                why = f": {page.detail}" if page.detail else ""
                return f"is not texted yet{why}"

    def _lateness(self, key: str, page: Delivery, before: Delivery | None) -> str:
        """How late a page went out, and why; empty for one in time, or that did not go out."""
        if page.claimed_at is None or page.state not in (DeliveryState.SENT, DeliveryState.FAILED):
            return ""
        due = self._was_due(page, before)
        if page.created_at - due > LATE:
            return (
                f"; that was due at {self._at(due)} and came {duration(page.claimed_at - due)} late, as the minute tick"
                " did not come in between"
            )
        # A page that was held back is owed anew when it is released; what was said of that is older.
        held_back = [one.created_at for name, one in self._incident.deliveries.items() if _is_of_the_cap(name, key)]
        late = page.claimed_at - min([page.created_at, *held_back])
        if late <= LATE:
            return ""
        if held_back:
            why = "the cap held it back until then"
        elif page.attempts > 1:
            why = f"it took {page.attempts} tries"
        else:
            why = "the minute tick did not come in between"
        return f"; that is {duration(late)} after it was owed, as {why}"

    def _was_due(self, page: Delivery, before: Delivery | None) -> datetime:
        """When the rules wanted it owed, had somebody looked at that moment."""
        incident = self._incident
        if before is not None and before.claimed_at and before.state is not DeliveryState.FAILED:
            return min(before.claimed_at + self._policy.sms.next_phone, page.created_at)
        climbed = page.kind is Kind.ESCALATED and incident.severity < Severity.CRITICAL
        after = self._policy.escalation.get(Severity.CRITICAL)
        if before is None and climbed and after:
            return min(incident.opened_at + after, page.created_at)
        return page.created_at

    def _why_none(self) -> str:
        incident, policy = self._incident, self._policy
        if incident.state is IncidentState.TEST:
            return "No text: a test notification is never texted."
        if incident.history and incident.history[0].text.startswith("closed before"):
            return "No text: it was over before we heard that it had begun."
        if incident.effective < Severity.CRITICAL:
            return f"No text: texts go out at critical alone, and this is {incident.effective.value}; {self._climb()}."
        if "sms" not in policy.routes[Severity.CRITICAL]:
            return "No text: texts are not configured in these settings, or no severity of the policy reaches them."
        return "No text: no page was owed, as texts were not configured when it became critical."

    def _climb(self) -> str:
        """Why it is not critical, or when it will be."""
        incident, policy = self._incident, self._policy
        if incident.state is IncidentState.ACKNOWLEDGED:
            return self._answered()
        if incident.state is IncidentState.RESOLVED:
            return "it was over before it could become that"
        if Severity.CRITICAL not in policy.escalation:
            return "nothing climbs to critical under this policy"
        if incident.one_off:
            return "what nobody can close does not climb"
        if incident.severity < policy.climbs_from:
            return f"below {policy.climbs_from.value} nothing climbs"
        at = incident.opened_at + policy.escalation[Severity.CRITICAL]
        return f"it becomes critical at {self._at(at)} if nobody answers"

    def _cap(self) -> str:
        most, reserved = self._policy.sms.max_per_hour, self._policy.sms.reserved
        first_page = is_first_page(self._incident)
        kept = "" if first_page or not reserved else f", and the last {reserved} are kept for new critical alerts"
        taken = self._ledger.taken(self._now)
        return f"{min(taken, most)} of the {some(most, 'text')} of the hour are taken (the cap){kept}"

    def _follows(self) -> Iterator[Entry]:
        incident, policy = self._incident, self._policy
        for key, one in incident.deliveries.items():
            if one.state is DeliveryState.CAPPED and not self._is_gathered(key) and is_wanted(incident, one):
                first_page = is_first_page(incident)
                sms = policy.sms
                room_at = self._ledger.room_at(sms.max_per_hour, sms.reserved, self._now, first_page=first_page)
                words = f"{self._who(one)} is texted, alone or together with others that wait, if the room is not taken"
                yield Entry(max(room_at, self._now), words)
            elif one.due_at and is_wanted(incident, one):
                yield Entry(one.due_at, f"{self._who(one)} {_DUE[one.state]}")
            if one.report_due_at and one.detail != SIMULATED:
                yield Entry(one.report_due_at, f"Twilio is asked whether {self._who(one)} got the text")
        heard = {one.channel for one in incident.deliveries.values() if one.kind in (Kind.OPENED, Kind.ESCALATED)}
        for severity, after in steps_left(incident, policy):
            new = [one for one in policy.routes[severity] if one not in heard | {"log"}]
            heard |= set(new)
            told = f": {', '.join('phone 1 is texted' if one == 'sms' else f'{one} is told' for one in new)}"
            yield Entry(incident.opened_at + after, f"it is treated as {severity.value}{told if new else ''}")
        yield from self._next_phone()
        if (ends := expires_at(incident)) is not None:
            yield Entry(ends, f"it ends by itself, if its sender says nothing of it for {duration(EXPIRES)}")
        if incident.expire_at:
            yield Entry(incident.expire_at, f"it is forgotten, {duration(KEEP_AFTER_END)} after its end")

    def _next_phone(self) -> Iterator[Entry]:
        place, due = next_page(self._incident, self._policy), next_page_due(self._incident, self._policy)
        if place is None or due is None:
            return
        words = f"{self._phone(place.phone)} is texted{' again' if place.walk > 1 else ''}"
        sms = self._policy.sms
        at = max(due, self._now)
        if self._ledger.conversation.has_opted_out(self._policy.mark_of(place.phone), at):
            words = f"{self._phone(place.phone)} is passed over, as it has answered STOP"
        elif not self._ledger.has_room(sms.max_per_hour, sms.reserved, at, first_page=is_first_page(self._incident)):
            words += ", as soon as the cap has room for it"
        if self._incident.members:
            words += ", for what of it nobody has answered by then"
        yield Entry(due, words)

    def _cautions(self) -> Iterator[str]:
        incident = self._incident
        waits = incident.state in (IncidentState.OPEN, IncidentState.ACKNOWLEDGED)
        if waits and (self._last_tick is None or self._now - self._last_tick > OVERDUE):
            since = f"not been here since {self._at(self._last_tick)}" if self._last_tick else "never been here"
            yield f"The minute tick has {since}: what comes next waits for it, or for the next alert."
        began = incident.started_at
        if began is not None and incident.opened_at - began > LATE:
            yield (
                f"It began at {self._at(began)}, says its sender, and was stored"
                f" {duration(incident.opened_at - began)} later: it was sent late, or the state store was out of reach."
            )
        elif self._ledger.was_down(self._now):
            yield "The state store was out of reach within the last hour: what was told then may not stand here."
        if incident.generation > 1:
            yield f"It was opened {incident.generation} times; of those before only what they led to here is known."

    def _answered(self) -> str:
        incident = self._incident
        return f"{incident.acknowledged_by} acknowledged it at {self._at(incident.acknowledged_at)}"

    def _over(self) -> str:
        """Why nothing more was needed."""
        incident = self._incident
        if incident.acknowledged_at:
            return self._answered()
        return f"it was over, at {self._at(incident.resolved_at)}"

    def _is_gathered(self, key: str) -> bool:
        return self._ledger.is_gathered(f"{self._incident.key}/{self._incident.generation}/{key}")

    def _who(self, delivery: Delivery) -> str:
        return self._phone(delivery.phone or 0) if delivery.channel == "sms" else who(delivery)

    def _phone(self, phone: int) -> str:
        shown = f" ({self._phones[phone]})" if phone < len(self._phones) else ""
        return f"phone {phone + 1}{shown}"

    def _at(self, moment: datetime | None) -> str:
        """A moment of today by its time, any other with its day."""
        if moment is None:
            return "no known time"
        return f"{moment:%H:%M} UTC" if moment.date() == self._now.date() else f"{moment:%Y-%m-%d %H:%M} UTC"


def _arrived(page: Delivery) -> str:
    return f"; {SIMULATED}" if page.detail == SIMULATED else _ARRIVED[page.report]


_ARRIVED = {
    Progress.DELIVERED: ", and the text arrived",
    Progress.SENT: "; the carrier has it, and says no more so far",
    Progress.TAKEN: "; whether it arrived is not known",
    Progress.FAILED: "; it did not arrive",
    None: "; whether it arrived is not known",
}
_DUE = {
    DeliveryState.PENDING: "is tried, if it is still needed",
    DeliveryState.CLAIMED: "is given up by whoever sends it now, and looked at again",
    DeliveryState.UNKNOWN: "is looked at again, as it may have been told",
}


def _is_of_the_cap(notice: str, page: str) -> bool:
    """Whether a notice says that the cap held the page back (claiming.py)."""
    return notice.startswith(f"{Kind.NOTICE.value}/{page.replace('/', '-')}-capped")


def _together(history: Sequence[Entry]) -> tuple[Entry, ...]:
    """The history, with those as one who were told the same within a minute: `slack, discord and email told`."""
    groups: list[tuple[datetime, list[str], str]] = []
    for entry in history:
        name, _, rest = entry.text.partition(" ")
        same = (
            groups and groups[-1][2] == rest and rest.startswith("told") and _minute(groups[-1][0]) == _minute(entry.at)
        )
        if same and name not in groups[-1][1]:
            groups[-1][1].append(name)
        elif same:
            continue
        else:
            groups.append((entry.at, [name], rest))
    return tuple(Entry(at, f"{joined(names)} {rest}".strip()) for at, names, rest in groups)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def joined(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
