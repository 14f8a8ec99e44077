"""What one text tells of several incidents: made, kept true, and told to each of them.

The rules are in core/digest.py; here several documents are taken along the road.
"""

from __future__ import annotations

import msgspec

from notifier.core.events import Collected, MembersTold, TakenOver
from notifier.core.incident import Incident, IncidentState
from notifier.ports import DocumentUnreadable, Store
from notifier.relay import Relay, Taken
from notifier.sending import Deadlines


class Digests:
    """One for all requests of an instance; holds no state of its own."""

    def __init__(self, *, relay: Relay, store: Store) -> None:
        self._relay = relay
        self._store = store

    def collect(self, event: Collected, deadlines: Deadlines) -> Taken:
        """Send one text for several pages that were held back. Raises StoreError."""
        return self._with_members_told(self._relay.collect(event, deadlines), deadlines)

    def tick(self, digest: Incident, deadlines: Deadlines, *, release: bool) -> Taken:
        """Do what is due of a digest, as the search has found it. Raises StoreError."""
        open_members = self._open_members(digest, deadlines)
        taken = self._relay.tick(digest.key, deadlines, release=release, open_members=open_members)
        return self._with_members_told(taken, deadlines)

    def _open_members(self, digest: Incident, deadlines: Deadlines) -> frozenset[str]:
        """The keys of those that nobody has answered."""
        generations = {member.key: member.generation for member in digest.members}
        found = self._store.read(list(generations), deadlines.claim_by)
        return frozenset(
            one.key
            for one in found
            # One that cannot be read may be open: better told than not.
            if one.incident is None
            or (one.incident.state is IncidentState.OPEN and one.incident.generation == generations[one.key])
        )

    def _with_members_told(self, taken: Taken, deadlines: Deadlines) -> Taken:
        """Tell each member that it is told here, unless all know. Left undone, the next tick does it."""
        digest = taken.incident
        if digest is None or digest.members_told:
            return taken
        events = {
            one.key: TakenOver(delivery=one.delivery, generation=one.generation, digest=digest.ref)
            for one in digest.members
        }
        # However long the sending has taken: its time to claim may be over, and the time to record is not.
        deadlines = msgspec.structs.replace(deadlines, claim_by=deadlines.record_by)
        for one in self._relay.take_events(events, deadlines).values():
            # A document that cannot be read pages nobody, and the tick tells of it.
            if one.error and not isinstance(one.error, DocumentUnreadable):
                raise one.error
        told = self._relay.take_event(digest.key, MembersTold(), deadlines)
        return msgspec.structs.replace(taken, incident=told.incident)
