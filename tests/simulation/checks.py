"""What must hold, whatever went wrong: looked at when each change lands, and once more at the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from notifier.core.alert import Alert, Severity
from notifier.core.conversation import ANSWERS_AN_HOUR
from notifier.core.incident import Delivery, DeliveryState, Incident, IncidentState, Kind
from notifier.core.moments import expires_at
from notifier.core.report import Progress, Report
from notifier.core.sms_text import size_of
from notifier.ports import StoreError
from tests.simulation.providers import Accepted

if TYPE_CHECKING:
    from notifier.relay import Taken
    from tests.simulation.day import Post
    from tests.simulation.world import World

HOUR = 3_600.0
LOOKED = 30.0
"""Seconds before a text within which its list was read."""
SKEW = timedelta(seconds=2)
_RANK = {state: rank for rank, state in enumerate(IncidentState)}
_NOT_SENT = (
    DeliveryState.PENDING,
    DeliveryState.CAPPED,
    DeliveryState.FAILED,
    DeliveryState.CANCELLED,
    DeliveryState.DIGESTED,
)
_OPEN_ENDED = (DeliveryState.PENDING, DeliveryState.CLAIMED)


class Checks:
    """The promises, checked against what the providers took and what the store held."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._problems: list[str] = []
        self._last: dict[tuple[str, int], Incident] = {}
        """How each generation of each incident stood last."""
        self._claimed: set[tuple[str, int, str]] = set()
        """Texts whose claim was committed."""
        self._words: dict[tuple[str, int], set[str]] = defaultdict(set)
        """What the history of each generation has said: it is bounded, and forgets."""
        self._superseded: set[tuple[str, int]] = set()
        """Generations of which the next one said what was not told."""
        self._answered: list[tuple[Post, Alert, str, int]] = []
        self._reported: list[tuple[Accepted, Report]] = []
        self._answers: dict[int, list[float]] = defaultdict(list)
        self._members: dict[str, Incident] = {}
        """Which digest tells of a page (its slot's name)."""
        self.numbers: Counter[str] = Counter()

    def wrong(self, words: str) -> None:
        self._world.trace("CHECK", words)
        self._problems.append(words)

    def expected(self, error: Exception) -> bool:
        """Whether the HTTP side answers this with 503."""
        return isinstance(error, StoreError)

    def answered(self, post: Post, alert: Alert, taken: Taken) -> None:
        """An alert was answered with 200."""
        incident = taken.incident
        self.numbers["alerts answered with 200"] += 1
        if incident is None or (incident.key, incident.generation) not in self._last:
            self.wrong(f"lost: {post} was answered with 200, and nothing of it is stored")
        elif not alert.closed:
            self._answered.append((post, alert, incident.key, incident.generation))

    def reported(self, text: Accepted, report: Report) -> None:
        """A delivery report was answered with 204. One on a past generation nobody keeps."""
        if self._world.documents.incidents[text.message.incident][0].generation == text.message.generation:
            self._reported.append((text, report))

    def answered_by_text(self, phone: int, answer: str) -> None:
        """Somebody's text was answered by one of ours."""
        self.numbers["answers by text"] += 1
        now = self._world.scheduler.now
        self._answers[phone].append(now)
        if sum(now - at < HOUR - SKEW.total_seconds() for at in self._answers[phone]) > ANSWERS_AN_HOUR:
            self.wrong(f"too many answers: phone {phone + 1} within an hour")
        if size_of(answer).segments > 1:
            self.wrong(f"an answer of several segments: {answer}")

    def done(self, claims: set[str], tried: set[tuple[str, int, str]]) -> None:
        """A request was answered: what it claimed, also without hearing of it, it has handed to a channel."""
        for incident, _ in self._world.documents.incidents.values():
            for key, delivery in incident.deliveries.items():
                untried = (incident.key, incident.generation, key) not in tried
                if delivery.state is DeliveryState.CLAIMED and delivery.claim in claims and untried:
                    self.wrong(f"late: {key} of {incident.ref} was claimed, and left for its lease to end")

    def committed(self, before: Incident | None, after: Incident) -> None:
        """A change of an incident landed."""
        if self._world.traces:
            self._trace_changes(before, after)
        self._last[after.key, after.generation] = after
        self._words[after.key, after.generation].update(entry.text for entry in after.history[-20:])
        same = before if before and before.generation == after.generation else None
        if before and not same and any("opened again before these" in entry.text for entry in after.history):
            self._superseded.add((before.key, before.generation))
        if before and before.generation > after.generation:
            self.wrong(f"backwards: {after.ref} from generation {before.generation} to {after.generation}")
        if same and (_RANK[same.state] > _RANK[after.state] or same.effective > after.effective):
            self.wrong(f"backwards: {after.ref} from {same.state.value} to {after.state.value}")
        for key, delivery in after.deliveries.items():
            self._check_delivery(key, delivery, same, after)
        if after.members and not same:
            self._check_digest(after)
        dues = [delivery.due_at for delivery in after.deliveries.values() if delivery.due_at]
        if dues and (after.next_due is None or after.next_due > min(dues)):
            self.wrong(f"forgotten: {after.ref} is due at {min(dues)}, and looked at at {after.next_due}")

    def _check_delivery(self, key: str, delivery: Delivery, before: Incident | None, after: Incident) -> None:
        was = before.deliveries.get(key) if before else None
        if delivery.state in _OPEN_ENDED and delivery.due_at is None:
            self.wrong(f"forgotten: {key} of {after.ref} is {delivery.state.value} without a due time")
        if delivery.state is DeliveryState.CAPPED and after.waiting_since is None:
            self.wrong(f"forgotten: {key} of {after.ref} is held back by the cap, and nobody waits for room")
        if delivery.state is DeliveryState.CAPPED and not any("-capped" in name for name in after.deliveries):
            self.wrong(f"silent: {key} of {after.ref} is held back by the cap, and nobody is told")
        taken_over = was and was.state is DeliveryState.CLAIMED and was.claim != delivery.claim
        if was and taken_over and was.due_at and was.due_at > self._world.now + SKEW:
            self.wrong(f"taken over: {key} of {after.ref} before its lease ended")
        claimed_now = delivery.state is DeliveryState.CLAIMED and (was is None or was.attempts < delivery.attempts)
        if delivery.channel != "sms" or not claimed_now:
            return
        self._claimed.add((after.key, after.generation, key))
        self._check_opt_out(key, delivery, after)
        if after.effective is not Severity.CRITICAL:
            self.wrong(f"below critical: {key} of {after.ref} claimed at {after.effective.value}")
        self._check_reserved(key, before, after)
        if after.state is not IncidentState.OPEN or (before and before.state is not IncidentState.OPEN):
            self.wrong(f"after an answer: {key} of {after.ref} claimed when it was {after.state.value}")
        if after.members and before and self._is_long_answered(after):
            self.wrong(f"after an answer: {key} of digest {after.ref} claimed when nothing of it was open")
        if f"{after.key}/{after.generation}/{key}" in self._members:
            self.wrong(f"doubled: {key} of {after.ref} claimed, though a digest tells of it")

    def _check_opt_out(self, key: str, delivery: Delivery, after: Incident) -> None:
        mark = self._world.policy.texting.phones[delivery.phone or 0]
        if self._world.documents.ledger.conversation.has_opted_out(mark, self._world.now - SKEW):
            self.wrong(f"opted out: {key} of {after.ref} claimed for a phone that has answered STOP")

    def _check_digest(self, digest: Incident) -> None:
        """What one text tells of nobody else tells of, and some of it is open."""
        self.numbers["digests"] += 1
        self.numbers["pages told in a digest"] += len(digest.members)
        texts = [one.message for one in self._world.provider.taken if one.channel == "sms" and one.stored]
        taken = {f"{one.incident}/{one.generation}/{one.delivery}" for one in texts}
        for member in digest.members:
            if member.slot in self._members:
                self.wrong(f"doubled: {member.slot} is told in two digests")
            if member.slot in taken:
                self.wrong(f"doubled: {member.slot} is told in a digest, and was texted before")
            self._members[member.slot] = digest

    def _is_long_answered(self, digest: Incident) -> bool:
        """Whether all that it tells of was answered a while ago: who made it has looked just before."""
        ends = []
        for member in digest.members:
            one = self._world.documents.incidents[member.key][0]
            if one.generation == member.generation and one.state is IncidentState.OPEN:
                return False
            ends.append(one.acknowledged_at or one.resolved_at or one.opened_at)
        return max(ends) < self._world.now - timedelta(seconds=15)

    def _check_reserved(self, key: str, before: Incident | None, after: Incident) -> None:
        """The last slots are for first pages of what its sender called critical. Called before the ledger changes."""
        others = {name: one for name, one in after.deliveries.items() if one.channel == "sms" and name != key}
        if after.severity is Severity.CRITICAL and all(one.state in _NOT_SENT for one in others.values()):
            return
        # A slot that this very commit gives back; and some end by themselves while clocks differ.
        was = before.deliveries if before else {}
        freed = [name for name, one in others.items() if one.state in _NOT_SENT and name in was and was[name].claim]
        taken = self._world.documents.ledger.taken(self._world.now + SKEW + SKEW) - len(freed) - (key in was)
        if taken >= self._world.day.max_per_hour - self._world.day.reserved:
            self.wrong(f"reserved: {key} of {after.ref} took a slot kept for first pages")

    def verdict(self) -> list[str]:
        """Everything that was wrong, once all is quiet."""
        texts = [one for one in self._world.provider.taken if one.channel == "sms"]
        self._check_texts(texts)
        self._check_unstored([one for one in texts if not one.stored])
        taken = defaultdict(set)
        for one in self._world.provider.taken:
            if one.stored:
                taken[one.message.incident, one.message.generation].add(one.message.delivery)
        for (key, generation), incident in self._last.items():
            self._check_end(incident, taken[key, generation])
        for text, report in self._reported:
            self._check_report(text, report)
        for post, alert, key, generation in self._answered:
            self._check_owed(post, alert, self._last[key, generation])
        self.numbers["incidents"] += len(self._last)
        self.numbers["messages"] += len(self._world.provider.taken)
        return self._problems

    def _check_texts(self, texts: list[Accepted]) -> None:
        stored = [one for one in texts if one.stored]
        cap = self._world.day.max_per_hour
        self.numbers["texts"] += len(stored)
        self.numbers["texts without the store"] += len(texts) - len(stored)
        if most(stored) > cap:
            self.wrong(f"over the cap: {most(stored)} texts within an hour")
        elif most(texts) > cap:
            self.numbers["hours past the cap because of texts without the store"] += 1
        if most(stored) == cap:
            self.numbers["days that reached the cap"] += 1
        seen: set[tuple[str, int, str]] = set()
        for one in stored:
            name = (one.message.incident, one.message.generation, one.message.delivery)
            if name in seen:
                self.wrong(f"doubled: {name[2]} of {one.message.ref}")
            if name not in self._claimed:
                self.wrong(f"not claimed: {name[2]} of {one.message.ref}")
            seen.add(name)
        for one in texts:
            if one.message.phone not in range(self._world.day.phones):
                self.wrong(f"a stranger was texted: phone {one.message.phone}")

    def _check_unstored(self, texts: list[Accepted]) -> None:
        """Without the store: each instance once per incident within the hour, and nothing its list spoke against."""
        everything = [one for one in self._world.provider.taken if one.channel == "sms"]
        for one in texts:
            before = [other for other in everything if other.at < one.at and one.at - other.at < HOUR]
            listed = [other for other in before if other.listed_at < one.at - LOOKED and not other.listed_empty]
            listed = [other for other in listed if not other.message.via]
            if any(self._is_again(one, other) for other in before if not other.stored):
                self.wrong(f"doubled without the store: {one.message.ref} by {one.instance}")
            if one.looked and len(listed) >= self._world.day.max_per_hour:
                self.wrong(f"over the cap without the store: {one.message.ref}, though the list showed {len(listed)}")
            # Its start, to the second, tells one opening of an incident from the next.
            what = (False, one.message.incident, one.open_since)
            # One that has failed by then told nobody.
            told = [other for other in listed if other.report(one.at).progress is not Progress.FAILED]
            if one.looked and what in [(other.stored, other.message.incident, other.open_since) for other in told]:
                self.wrong(f"doubled without the store: {one.message.ref}, though the list showed it")

    def _is_again(self, one: Accepted, other: Accepted) -> bool:
        return one.instance == other.instance and one.message.incident == other.message.incident

    def _check_end(self, incident: Incident, taken: set[str]) -> None:
        latest = self._world.documents.incidents[incident.key][0]
        for key, delivery in incident.deliveries.items():
            if delivery.state is DeliveryState.SENT and key not in taken and not self._was_found(incident, delivery):
                self.wrong(f"lost: {key} of {incident.ref} is recorded as sent, and nobody took it")
        if latest.generation != incident.generation:
            return
        for key, delivery in incident.deliveries.items():
            unknown = delivery.channel == "sms" and delivery.state is DeliveryState.UNKNOWN
            if unknown and incident.state is IncidentState.OPEN and not self._has_said(incident, "nobody can tell"):
                self.wrong(f"lost: whether {key} of {incident.ref} was sent was never looked up")
            if delivery.due_at is not None or delivery.state in (*_OPEN_ENDED, DeliveryState.CAPPED):
                self.wrong(f"lost: {key} of {incident.ref} is {delivery.state.value} at the end, due {delivery.due_at}")
        self._check_hears_the_end(incident)
        if incident.state is IncidentState.OPEN and incident.next_due != expires_at(incident):
            self.wrong(f"forgotten: {incident.ref} is open, and still due at {incident.next_due}")
        climbs = not incident.one_off and incident.severity >= self._world.policy.climbs_from
        if incident.state is IncidentState.OPEN and climbs and incident.effective is not Severity.CRITICAL:
            self.wrong(f"lost: {incident.ref} is open and unanswered, and never climbed to critical")
        if incident.state is IncidentState.OPEN and incident.effective is Severity.CRITICAL:
            self._check_pages(incident)

    def _check_report(self, text: Accepted, report: Report) -> None:
        """What Twilio has reported is known."""
        incident = self._last[text.message.incident, text.message.generation]
        delivery = incident.deliveries[text.message.delivery]
        self.numbers["delivery reports"] += 1
        if delivery.provider_id != text.id:
            return
        known = delivery.report
        if known is None or (report.progress.is_final and not known.is_final):
            self.wrong(f"lost: the report that {text.id} of {incident.ref} is {report.progress.value}")
        if known is Progress.FAILED and delivery.state is not DeliveryState.FAILED:
            self.wrong(f"silent: {text.id} of {incident.ref} has failed, and is {delivery.state.value}")

    def _check_hears_the_end(self, incident: Incident) -> None:
        """Whoever has heard of it hears that it is over, or answered; of a digest each member says so itself."""
        if incident.members:
            return
        kind = {IncidentState.RESOLVED: "resolved", IncidentState.ACKNOWLEDGED: "acknowledged"}.get(incident.state)
        heard = {one.channel for one in incident.deliveries.values() if one.state is DeliveryState.SENT} - {"sms"}
        for channel in heard if kind else ():
            if f"{kind}/{channel}" not in incident.deliveries:
                self.wrong(f"silent: {channel} heard of {incident.ref}, and never that it is {kind}")

    def _has_said(self, incident: Incident, words: str) -> bool:
        return any(words in text for text in self._words[incident.key, incident.generation])

    def _was_found(self, incident: Incident, delivery: Delivery) -> bool:
        """Recorded as sent because the list showed a text of it that went out without the store."""
        return delivery.detail.startswith("found in Twilio's list") and any(
            one.message.incident == incident.key and one.channel == "sms" and not one.stored
            for one in self._world.provider.taken
        )

    def _check_pages(self, incident: Incident) -> None:
        """Nobody answered: every phone was paged as often as the policy says, or it is said why not."""
        pages = [delivery for delivery in incident.deliveries.values() if delivery.channel == "sms"]
        digested = [page for page in pages if page.state is DeliveryState.DIGESTED]
        if digested:
            names = {digest.ref for digest in self._members.values()}
            if any(page.digest not in names for page in digested):
                self.wrong(f"lost: {incident.ref} is told in a digest that is not there")
            return
        wanted = self._world.day.phones * self._world.policy.sms.rounds
        failed = {page.phone for page in pages if page.state is DeliveryState.FAILED and not page.passes}
        skipped = len(failed) * self._world.policy.sms.rounds
        if len(pages) < wanted - skipped:
            self.wrong(f"lost: {incident.ref} is unanswered after {len(pages)} of {wanted} pages")

    def _check_owed(self, post: Post, alert: Alert, incident: Incident) -> None:
        """Each channel of an answered alert's route has it, or the history says why not."""
        severity, _ = self._world.policy.severity_of(alert.severity)
        reached = {
            one.channel
            for one in self._world.provider.taken
            if (one.message.incident, one.message.generation) == (incident.key, incident.generation)
            and one.message.kind in (Kind.OPENED, Kind.ESCALATED)
        }
        for channel in set(self._world.policy.routes[severity]) - {"log"} - reached:
            if not self._is_explained(channel, incident):
                self.wrong(f"lost: {post} never reached {channel}, and nothing says why")

    def _is_explained(self, channel: str, incident: Incident) -> bool:
        opens = (Kind.OPENED, Kind.ESCALATED)
        deliveries = [one for one in incident.deliveries.values() if one.channel == channel and one.kind in opens]
        states = {one.state for one in deliveries}
        return (
            any(self._was_found(incident, one) for one in deliveries)
            or (incident.key, incident.generation) in self._superseded
            or self._has_said(incident, "closed before it was opened")
            # Over, or answered, before it could be told.
            or (incident.state is not IncidentState.OPEN and states <= {*_NOT_SENT, DeliveryState.UNKNOWN})
            or self._has_said(incident, f"{'phone' if channel == 'sms' else channel} cannot be told")
            or (channel == "sms" and self._has_said(incident, "NOT texted to phone"))
            or DeliveryState.DIGESTED in states
            or (channel == "sms" and self._has_said(incident, "nobody can tell"))
            or self._has_said(incident, f"{channel} not told: given up")
        )

    def _trace_changes(self, before: Incident | None, after: Incident) -> None:
        name = after.incident_id
        if before is None or before.generation != after.generation:
            self._world.trace(
                "store", f"{name} #{after.ref} generation {after.generation} begins as {after.state.value}"
            )
        elif before.state is not after.state:
            self._world.trace("store", f"{name} {before.state.value} -> {after.state.value}")
        old = before.deliveries if before and before.generation == after.generation else {}
        for key, delivery in after.deliveries.items():
            was = old.get(key)
            if was is None or (was.state, was.claim, was.due_at) != (delivery.state, delivery.claim, delivery.due_at):
                claim = f" by {delivery.claim}" if delivery.state is DeliveryState.CLAIMED else ""
                due = f", due {delivery.due_at:%H:%M:%S}" if delivery.due_at else ""
                self._world.trace(
                    "store", f"{name} {key} {was.state.value if was else 'none'} -> {delivery.state.value}{claim}{due}"
                )


def most(texts: list[Accepted]) -> int:
    """The most texts in any 3,600 s."""
    moments = sorted(one.at for one in texts)
    return max(
        (sum(at <= other < at + HOUR for other in moments[place:]) for place, at in enumerate(moments)), default=0
    )
