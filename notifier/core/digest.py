"""Rules for a digest: what the cap held back goes out as one text for all, once the window has room.

A digest is an incident of our own, paged like any other. It takes its members over in the commit that takes its slot
(`Ledger.gathered`), so no page is ever told twice; each member hears of that afterwards, as often as it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from notifier.core.alert import TITLE_CHARACTERS, Alert, Severity, cut
from notifier.core.answering import end
from notifier.core.beginning import new_generation
from notifier.core.claiming import claim_due, is_first_page, landed_before
from notifier.core.draft import Draft
from notifier.core.events import Claim, Collected, Decision, State, TakenOver, unchanged
from notifier.core.incident import Delivery, DeliveryState, Incident, IncidentState, Kind, Member
from notifier.core.ledger import Ledger
from notifier.core.owing import owe
from notifier.core.policy import Policy

SOURCE = "notifier digests"
LEAST = 2
MOST = 100
"""Members of one digest: each is a commit of its own, and the text names a few anyway."""


def digest_alert(claim_id: str) -> Alert:
    """What a digest is stored under. `claim_id`: of the request that makes it."""
    return Alert(source=SOURCE, incident_id=f"digest {claim_id}", title="", one_off=True)


def to_collect(waiting: Sequence[Incident], ledger: Ledger, policy: Policy, now: datetime) -> Collected | None:
    """Those of `waiting` (oldest first) that one text is to tell of; None where there are too few, or no room."""
    together = held_back(waiting, ledger)
    if len(together.members) < LEAST or not _has_room(together, ledger, policy, now):
        return None
    return together


def held_back(incidents: Sequence[Incident], ledger: Ledger) -> Collected:
    """The pages among those of `incidents` that wait and that no digest tells of, the longest waiting first.

    Read before the ledger, the incidents would not tell of a digest that is done with them since.
    """
    held = [(one, member) for one in incidents if (member := _member(one)) and not ledger.is_gathered(member.slot)]
    # A store reads by keys in any order, and the text may have room for the first few names only.
    held = sorted(held, key=lambda one: one[0].waiting_since or one[0].opened_at)[:MOST]
    return Collected(tuple(member for _, member in held), any(is_first_page(one) for one, _ in held))


def collected(state: State, event: Collected, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Begin a digest. The event is of after the ledger was read: `held_back`."""
    if state.incident is not None:
        landed = landed_before(Draft(state.incident, state.ledger, policy, now, claim))
        return landed or unchanged(state, "this digest is made already")
    if len(event.members) < LEAST or not _has_room(event, state.ledger, policy, now):
        return unchanged(state, "somebody else was faster: no digest is made")
    gathered = state.ledger.with_gathered(state.key, tuple(one.slot for one in event.members))
    severity = Severity.CRITICAL if event.first_page else Severity.ERROR
    digest = new_generation(state, digest_alert(claim.id), severity, now)
    draft = Draft(digest, gathered, policy, now, claim)
    draft.change(effective=Severity.CRITICAL, members=event.members, members_told=False, title=_title(event.members))
    draft.note(f"told in one text, as the window has room: {draft.incident.title}", Severity.CRITICAL, begins=True)
    owe(draft, Kind.OPENED, ["sms"])
    claim_due(draft)
    return draft.decision()


def taken_over(state: State, event: TakenOver, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """A member hears that a digest tells of it."""
    known = state.incident
    page = known.deliveries.get(event.delivery) if known and known.generation == event.generation else None
    if known is None or page is None or not _is_held_back(page):
        return unchanged(state, f"digest #{event.digest} tells of it, and it is not held back any more")
    draft = Draft(known, state.ledger, policy, now, claim)
    words = f"in digest #{event.digest}"
    draft.update(event.delivery, state=DeliveryState.DIGESTED, digest=event.digest, detail=words, due_at=None)
    draft.note(f"texted together with others as #{event.digest}, which pages on from here", Severity.CRITICAL)
    return draft.decision()


def members_told(state: State, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Every member has heard of its digest: the ledger need not know it any more."""
    if state.incident is None:
        return unchanged(state, "the digest is gone from the store")
    draft = Draft(state.incident, state.ledger.without_gathered(state.key), policy, now, claim)
    draft.change(members_told=True)
    return draft.decision()


def keep_open(draft: Draft, open_members: frozenset[str]) -> None:
    """Page on for those only that nobody has answered; without any the digest is over."""
    if draft.incident.state is not IncidentState.OPEN:
        return
    left = tuple(member for member in draft.incident.members if member.key in open_members)
    if not left:
        draft.note("nothing of it is open any more")
        end(draft)
    elif left != draft.incident.members:
        draft.change(members=left, title=_title(left))


def _has_room(together: Collected, ledger: Ledger, policy: Policy, now: datetime) -> bool:
    sms = policy.sms
    return ledger.has_room(sms.max_per_hour, sms.reserved, now, first_page=together.first_page)


def _member(incident: Incident) -> Member | None:
    """The page of `incident` that waits; None of a digest, which pages for others already."""
    pages = incident.deliveries.items()
    key = next((key for key, page in pages if page.state is DeliveryState.CAPPED), None)
    if key is None or incident.members or incident.state is not IncidentState.OPEN:
        return None
    return Member(key=incident.key, generation=incident.generation, delivery=key, title=incident.title)


def _is_held_back(page: Delivery) -> bool:
    """Whether it has not been sent: between reading the members and the commit one of them may have been released."""
    looked_for = page.state is DeliveryState.UNKNOWN and not page.attempts
    return looked_for or page.state in (DeliveryState.CAPPED, DeliveryState.PENDING)


def _title(members: tuple[Member, ...]) -> str:
    return cut(f"{len(members)} open: {', '.join(member.title for member in members[:10])}", TITLE_CHARACTERS)
