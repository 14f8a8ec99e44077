"""What the cap held back goes out as one text for all, once the window has room."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.advance import advance
from notifier.core.alert import TITLE_CHARACTERS, Severity
from notifier.core.claiming import is_first_page
from notifier.core.digest import MOST, held_back, to_collect
from notifier.core.events import Acknowledged, Alerted, Collected, Decision, MembersTold, State, TakenOver, Ticked
from notifier.core.incident import DeliveryState, Incident, IncidentState
from notifier.core.ledger import Ledger
from notifier.core.listing import Text
from notifier.core.message import headline, message_of
from notifier.core.outcome import Outcome, Result
from notifier.core.report import Progress
from notifier.core.sms_text import size_of
from tests.builders import (
    ALL_CHANNELS,
    NOON,
    POLICY,
    SHIPPED,
    a_claim,
    an_alert,
    collect,
    decide,
    delivery,
    full,
    known,
    listed,
    recorded,
    report,
    settle,
    settle_all,
    states,
    texting,
    tick,
)

PAGE = "opened/sms/0/1"
SECOND = "opened/sms/1/1"
ROOM = NOON + timedelta(hours=2)
"""When the window is empty again."""


def after(**length: float) -> datetime:
    return ROOM + timedelta(**length)


def capped(incident_id: str, *, climbed: bool = False, **fields: Any) -> Incident:
    """One whose page waits. `climbed`: it came to be critical by waiting."""
    incident = known(recorded(decide(Alerted(an_alert(incident_id=incident_id, **fields)), None, full(5))))
    assert delivery_state(incident) is DeliveryState.CAPPED
    return msgspec.structs.replace(incident, severity=Severity.ERROR) if climbed else incident


def delivery_state(incident: Incident, key: str = PAGE) -> DeliveryState:
    return incident.deliveries[key].state


WAITING = [capped("db"), capped("web")]


def made(
    waiting: list[Incident] = WAITING, ledger: Ledger | None = None, *, send_seconds: float = 7.0, claim_id: str = "one"
) -> Decision:
    """A digest of all that wait, in the moment there is room."""
    return collect(waiting, ledger or Ledger(), ROOM, claim_id=claim_id, send_seconds=send_seconds)


def sent(before: Decision | None = None) -> Decision:
    """The digest was texted."""
    digest = before or made()
    claim = a_claim(ROOM, delivery(digest, PAGE).claim)
    ends = settle(digest, {PAGE: Outcome(Result.SENT, provider_id="SM1")})
    return decide(ends, digest.incident, digest.ledger, now=ROOM, claim=claim)


def tell(member: Incident, digest: Decision, now: datetime = ROOM, **changes: Any) -> Decision:
    """A member hears that it is in the digest."""
    event = TakenOver(delivery=PAGE, generation=1, digest=known(digest).ref)
    event = msgspec.structs.replace(event, **changes)
    return decide(event, member, digest.ledger, now=now, claim=a_claim(now, "teller"))


def all_know(digest: Decision, now: datetime = ROOM) -> Decision:
    return decide(MembersTold(), digest.incident, digest.ledger, now=now, claim=a_claim(now, "teller"))


def look(before: Decision, now: datetime, *open_members: Incident, release: bool = False) -> Decision:
    """The digest's own tick, which has read who of its members is still open."""
    event = Ticked(release=release, open_members=frozenset(one.key for one in open_members))
    return decide(event, before.incident, before.ledger, now=now, claim=a_claim(now, f"tick at {now}"))


def answered(incident: Incident, now: datetime = ROOM) -> Incident:
    event = Acknowledged(by="Ana, by the link in slack", generation=incident.generation)
    return known(decide(event, incident, now=now, claim=a_claim(now, "answer")))


class TestCollecting:
    """Which of those that wait one text is to tell of."""

    @pytest.mark.parametrize(("count", "together"), [(0, 0), (1, 0), (2, 2), (3, 3)])
    def test_two_or_more(self, count: int, together: int) -> None:
        waiting = [capped(f"i{number}") for number in range(count)]
        event = to_collect(waiting, Ledger(), POLICY, ROOM)
        assert len(event.members if event else ()) == together

    @pytest.mark.parametrize(
        ("taken", "climbed", "made"),
        [
            (4, [False, False], True),
            (5, [False, False], False),
            (4, [True, False], True),
            (4, [True, True], False),
            (3, [True, True], False),
            (2, [True, True], True),
        ],
    )
    def test_only_with_room_and_the_last_slots_only_if_one_of_them_may_use_them(
        self, taken: int, climbed: list[bool], *, made: bool
    ) -> None:
        waiting = [capped(f"i{number}", climbed=one) for number, one in enumerate(climbed)]
        assert (to_collect(waiting, full(taken, ROOM), POLICY, ROOM) is not None) is made

    def test_the_longest_waiting_stands_first(self) -> None:
        event = held_back([capped("b"), capped("a")], Ledger())
        assert [member.title for member in event.members] == ["b is down", "a is down"]

    def test_a_member_is_named_by_its_page_as_the_ledger_names_it(self) -> None:
        (member,) = held_back([WAITING[0]], Ledger()).members
        assert member.slot == f"{WAITING[0].key}/1/{PAGE}"

    def test_one_that_another_digest_tells_of_is_left_to_that(self) -> None:
        assert to_collect(WAITING, made().ledger, POLICY, ROOM) is None
        assert to_collect([*WAITING, capped("a"), capped("b")], made().ledger, POLICY, ROOM) == held_back(
            [capped("a"), capped("b")], Ledger()
        )

    def test_one_that_is_paged_or_was_answered_does_not_wait(self) -> None:
        paged = known(tick(msgspec.structs.replace(made(), incident=WAITING[0], ledger=Ledger()), ROOM))
        assert held_back([paged, answered(WAITING[1])], Ledger()) == Collected((), first_page=False)

    def test_a_digest_that_waits_is_in_no_other(self) -> None:
        held = look(made(send_seconds=-1), after(minutes=1), *WAITING)
        waiting = look(msgspec.structs.replace(held, ledger=full(5, ROOM)), after(minutes=1), *WAITING)
        waiting = msgspec.structs.replace(
            waiting,
            incident=msgspec.structs.replace(
                known(waiting),
                deliveries={PAGE: msgspec.structs.replace(delivery(waiting, PAGE), state=DeliveryState.CAPPED)},
            ),
        )
        assert held_back([known(waiting)], Ledger()).members == ()

    def test_a_hundred_at_most(self) -> None:
        waiting = [msgspec.structs.replace(WAITING[0], key=f"{number:032}") for number in range(MOST + 1)]
        event = held_back(waiting, Ledger())
        assert [member.key for member in event.members] == [one.key for one in waiting[:MOST]]


class TestBegin:
    """A digest is made."""

    def test_one_text_to_the_first_phone_and_nothing_else(self) -> None:
        digest = made()
        assert digest.send == (PAGE,)
        assert states(digest) == {PAGE: "claimed"}
        assert delivery(digest, PAGE).phone == 0

    def test_it_takes_one_slot_and_its_members_in_the_same_commit(self) -> None:
        ledger = made().ledger
        assert ledger.taken(ROOM) == 1
        assert all(ledger.is_gathered(f"{one.key}/1/{PAGE}") for one in WAITING)

    def test_it_says_how_many_are_open_and_which(self) -> None:
        digest = made()
        assert known(digest).title == "2 open: db is down, web is down"
        assert message_of(known(digest), PAGE, POLICY).sms == f"2 open: db is down, web is down #{known(digest).ref}"

    def test_it_is_critical_and_climbs_no_further(self) -> None:
        digest = known(made([capped("a", climbed=True), capped("b", climbed=True)]))
        assert (digest.effective, digest.severity, digest.one_off) == (Severity.CRITICAL, Severity.ERROR, True)
        assert not is_first_page(digest)

    def test_with_a_first_page_among_them_it_is_one(self) -> None:
        digest = made([capped("a", climbed=True), capped("b")], full(4, ROOM))
        assert states(digest)[PAGE] == "claimed"

    def test_somebody_else_was_faster_to_the_room(self) -> None:
        late = made(ledger=full(5, ROOM))
        assert (late.incident, late.send, late.ledger) == (None, (), full(5, ROOM))

    def test_somebody_else_was_faster_to_the_members(self) -> None:
        first = made()
        late = made([*WAITING, capped("a")], first.ledger, claim_id="other")
        assert (late.incident, late.ledger) == (None, first.ledger)

    def test_without_time_to_send_it_is_owed_and_its_members_are_in_it(self) -> None:
        owed = made(send_seconds=-1)
        assert (states(owed), owed.send, owed.ledger.taken(ROOM)) == ({PAGE: "pending"}, (), 0)
        assert to_collect(WAITING, owed.ledger, POLICY, ROOM) is None
        assert look(owed, after(minutes=1), *WAITING).send == (PAGE,)

    def again(self, landed: Decision, claim_id: str) -> Decision:
        key = known(landed).key
        event = Collected(known(landed).members, first_page=True)
        return advance(State(key, landed.incident, landed.ledger), event, POLICY, ROOM, a_claim(ROOM, claim_id))

    def test_a_lost_answer_is_found_and_sent(self) -> None:
        landed = made(claim_id="one")
        found = self.again(landed, "one")
        assert (found.send, found.incident, found.ledger) == (landed.send, landed.incident, landed.ledger)

    def test_one_that_is_made_already_is_not_made_again(self) -> None:
        landed = made(claim_id="one")
        found = self.again(landed, "other")
        assert (found.send, found.incident, found.ledger) == ((), landed.incident, landed.ledger)

    def test_each_has_a_ref_of_its_own(self) -> None:
        assert known(made(claim_id="one")).ref != known(made(claim_id="other")).ref

    def test_a_very_long_title_is_cut_like_any_other(self) -> None:
        waiting = [capped(f"i{number}", title="x" * TITLE_CHARACTERS) for number in range(12)]
        assert len(known(made(waiting)).title) <= TITLE_CHARACTERS

    @given(
        titles=st.lists(st.text(max_size=TITLE_CHARACTERS), min_size=2, max_size=MOST),
        replies=st.booleans(),
        last=st.booleans(),
    )
    def test_its_text_is_one_segment_with_its_ref(self, titles: list[str], *, replies: bool, last: bool) -> None:
        members = tuple(
            msgspec.structs.replace(held_back([WAITING[0]], Ledger()).members[0], title=title) for title in titles
        )
        digest = msgspec.structs.replace(known(made()), members=members)
        page = msgspec.structs.replace(digest.deliveries[PAGE], last_slot=last)
        digest = msgspec.structs.replace(digest, deliveries={PAGE: page})
        sms = message_of(digest, PAGE, SHIPPED.deployed(ALL_CHANNELS, texting(2, replies=replies))).sms
        assert size_of(sms).segments == 1
        assert digest.ref in Text(id="SM1", created_at=ROOM, body=sms).refs
        assert sms.startswith(f"{len(titles)} open: ")


class TestMember:
    """One whose page a digest tells of."""

    def test_its_own_tick_never_releases_it(self) -> None:
        """It has not heard yet that a digest tells of it."""
        before = msgspec.structs.replace(made(), incident=WAITING[0])
        step = tick(before, after(minutes=1), release=True)
        assert (step.send, step.incident) == ((), WAITING[0])

    def test_nor_does_it_while_it_is_the_turn_of_others(self) -> None:
        alone = msgspec.structs.replace(made(), incident=WAITING[0], ledger=Ledger())
        assert tick(alone, after(minutes=1), release=False).send == ()
        assert tick(alone, after(minutes=1), release=True).send == (PAGE,)

    def test_it_hears_of_it(self) -> None:
        digest = made()
        told = tell(WAITING[0], digest)
        page = delivery(told, PAGE)
        assert (page.state, page.digest, page.due_at) == (DeliveryState.DIGESTED, known(digest).ref, None)
        assert known(told).waiting_since is None
        assert known(told).history[-1].text.startswith(f"texted together with others as #{known(digest).ref}")

    def test_once(self) -> None:
        digest = made()
        told = tell(WAITING[0], digest)
        assert tell(known(told), digest, after(minutes=1)).incident == told.incident

    @pytest.mark.parametrize(
        "changes", [{"generation": 2}, {"delivery": "opened/sms/5/1"}, {"delivery": "opened/slack"}]
    )
    def test_what_is_said_of_another_page_is_nothing_to_it(self, changes: dict[str, Any]) -> None:
        assert tell(WAITING[0], made(), **changes).incident == WAITING[0]

    def test_answered_meanwhile_it_stays_as_it_is(self) -> None:
        done = answered(WAITING[0])
        assert tell(done, made()).incident == done

    def test_of_one_that_is_gone_nothing_happens(self) -> None:
        event = TakenOver(delivery=PAGE, generation=1, digest="7F3K")
        assert decide(event, None).incident is None

    def test_its_own_phones_are_not_paged_on(self) -> None:
        """Its first phone was texted, and the cap held the second back."""
        first = recorded(decide(Alerted(an_alert())))
        second = NOON + timedelta(minutes=15)
        held = recorded(tick(first, second, ledger=full(5, second)), now=second)
        digest = made([known(held), WAITING[1]])
        told = tell(known(held), digest, delivery=SECOND)
        assert states(told)[SECOND] == "in digest"
        later = tick(told, after(hours=3), ledger=Ledger())
        assert not any("/sms/" in key for key in later.send)
        assert states(later).keys() == states(told).keys()

    def test_answered_it_needs_no_digest(self) -> None:
        told = known(tell(WAITING[0], made()))
        assert answered(told).state is IncidentState.ACKNOWLEDGED

    def test_its_next_generation_is_paged_like_any_other(self) -> None:
        digest = made()
        told = tell(WAITING[0], digest)
        closed = decide(
            Alerted(an_alert(closed=True)), told.incident, digest.ledger, now=ROOM, claim=a_claim(ROOM, "c")
        )
        again = decide(Alerted(an_alert()), closed.incident, digest.ledger, now=ROOM, claim=a_claim(ROOM, "again"))
        assert (known(again).generation, PAGE in again.send) == (2, True)


class TestRace:
    """The members are read before the digest is committed, and nothing keeps them as they were."""

    def released(self, seconds: float = -1) -> Decision:
        """The turn of one came at the same time, alone, and its request had no time left to send."""
        return tick(msgspec.structs.replace(made(), incident=WAITING[0], ledger=Ledger()), ROOM, send_seconds=seconds)

    def test_one_that_was_owed_meanwhile_is_not_texted_beside_the_digest(self) -> None:
        released = self.released()
        assert states(released)[PAGE] == "pending"
        step = tick(released, after(minutes=1), ledger=made().ledger)
        assert PAGE not in step.send
        assert step.ledger.taken(ROOM) == 1

    @pytest.mark.parametrize("first", ["tick", "digest"])
    def test_and_hears_of_it_all_the_same(self, first: str) -> None:
        digest = made()
        released = self.released()
        if first == "tick":
            released = tick(released, after(minutes=1), ledger=digest.ledger)
        told = tell(known(released), digest, after(minutes=2))
        assert (states(told)[PAGE], known(told).waiting_since) == ("in digest", None)
        assert PAGE not in tick(told, after(minutes=3), ledger=Ledger()).send

    def test_so_does_one_that_is_to_be_looked_up_first(self) -> None:
        """The store was down within the hour: the list is read before it is texted."""
        before = msgspec.structs.replace(made(), incident=WAITING[0], ledger=Ledger(down_at=ROOM))
        released = tick(before, ROOM)
        assert (released.look_up, delivery(released, PAGE).attempts) == ((PAGE,), 0)
        assert states(tell(known(released), made(), after(minutes=1)))[PAGE] == "in digest"

    def test_one_that_is_being_texted_is_left_to_its_holder(self) -> None:
        claimed = self.released(seconds=7)
        assert states(claimed)[PAGE] == "claimed"
        assert tell(known(claimed), made(), after(seconds=1)).incident == claimed.incident


class TestForgetting:
    """The ledger knows of a digest's members until each of them does."""

    def test_until_then_the_digest_is_due_at_once(self) -> None:
        digest = sent()
        assert known(digest).next_due == ROOM
        assert known(all_know(digest)).next_due == after(minutes=5, seconds=30)

    def test_also_once_it_is_over(self) -> None:
        done = answered(known(sent()), after(minutes=1))
        assert done.next_due == ROOM

    def test_then_it_forgets_those_and_no_others(self) -> None:
        first = made(claim_id="one")
        other = made([capped("a"), capped("b")], first.ledger, claim_id="other")
        left = all_know(msgspec.structs.replace(first, ledger=other.ledger)).ledger
        assert list(left.gathered) == [known(other).key]

    def test_the_slot_stays(self) -> None:
        assert all_know(made()).ledger.taken(ROOM) == 1

    def test_twice_is_once(self) -> None:
        once = all_know(sent())
        twice = all_know(once)
        assert (twice.incident, twice.ledger) == (once.incident, once.ledger)

    def test_of_a_digest_that_is_gone_nothing_happens(self) -> None:
        ledger = made().ledger
        step = decide(MembersTold(), None, ledger)
        assert (step.incident, step.ledger) == (None, ledger)


class TestPagingOn:
    """A digest is paged like any other, for those that nobody has answered."""

    def quiet(self) -> Decision:
        """Texted, arrived, all members told, and nobody answers."""
        return report(all_know(sent()), Progress.DELIVERED, ROOM)

    def test_the_next_phone_after_a_quarter_of_an_hour(self) -> None:
        assert look(self.quiet(), after(minutes=14), *WAITING).send == ()
        assert look(self.quiet(), after(minutes=15), *WAITING).send == (SECOND,)

    def test_with_those_that_are_still_open(self) -> None:
        step = look(self.quiet(), after(minutes=15), WAITING[1])
        assert message_of(known(step), SECOND, POLICY).sms == f"1 open: web is down #{known(step).ref}"
        assert known(step).title == "1 open: web is down"

    def test_it_is_over_when_none_is(self) -> None:
        step = look(self.quiet(), after(minutes=15))
        assert (known(step).state, step.send, known(step).next_due) == (IncidentState.RESOLVED, (), None)
        assert known(step).history[-1].text == "nothing of it is open any more"

    def test_a_page_that_was_not_sent_yet_is_then_dropped(self) -> None:
        step = look(made(send_seconds=-1), after(minutes=1))
        assert (states(step)[PAGE], step.send) == ("cancelled", ())

    def test_where_nobody_has_looked_it_goes_on_with_all(self) -> None:
        step = decide(Ticked(), self.quiet().incident, now=after(minutes=15), claim=a_claim(after(minutes=15), "tick"))
        assert known(step).members == known(self.quiet()).members
        assert SECOND in step.send

    @pytest.mark.parametrize("still_open", [[], WAITING])
    def test_answered_it_pages_nobody_whoever_is_open(self, still_open: list[Incident]) -> None:
        done = msgspec.structs.replace(self.quiet(), incident=answered(known(self.quiet())))
        step = look(done, after(hours=1), *still_open)
        assert (step.send, known(step).state) == ((), IncidentState.ACKNOWLEDGED)

    def test_held_back_itself_it_waits_for_its_own_turn(self) -> None:
        held = look(msgspec.structs.replace(made(send_seconds=-1), ledger=full(5, ROOM)), after(minutes=1), *WAITING)
        assert (states(held)[PAGE], known(held).waiting_since) == ("capped", after(minutes=1))
        later = msgspec.structs.replace(held, ledger=Ledger())
        assert PAGE not in look(later, after(hours=2), *WAITING).send
        assert PAGE in look(later, after(hours=2), *WAITING, release=True).send

    def test_refused_it_goes_to_the_next_phone_at_once(self) -> None:
        digest = made()
        refused = settle(digest, {PAGE: Outcome(Result.REJECTED, "21211: no such number")})
        step = decide(refused, digest.incident, digest.ledger, now=ROOM, claim=a_claim(ROOM, "one"))
        assert SECOND in step.send
        assert "notice/opened-sms-0-1-failed/slack" in step.send

    def test_its_end_is_told_nowhere(self) -> None:
        """Who heard that its text was refused would read that all of it is resolved; some may be acknowledged only."""
        digest = made()
        refused = settle(digest, {PAGE: Outcome(Result.REJECTED, "21211: no such number")})
        told = decide(refused, digest.incident, digest.ledger, now=ROOM, claim=a_claim(ROOM, "one"))
        heard = decide(settle_all(told), told.incident, told.ledger, now=ROOM, claim=a_claim(ROOM, "one"))
        assert states(heard)["notice/opened-sms-0-1-failed/slack"] == "sent"
        over = look(heard, after(minutes=15))
        assert (known(over).state, over.send) == (IncidentState.RESOLVED, ())
        done = msgspec.structs.replace(heard, incident=answered(known(heard)))
        assert states(done).keys() == states(heard).keys()

    def test_what_is_said_of_it_calls_it_critical_and_not_unanswered(self) -> None:
        held = look(msgspec.structs.replace(made(send_seconds=-1), ledger=full(5, ROOM)), after(minutes=1), *WAITING)
        climbed = msgspec.structs.replace(known(held), severity=Severity.ERROR)
        assert headline(climbed, after(minutes=1)) == "CRITICAL: 2 open: db is down, web is down"

    def failed(self) -> Decision:
        """The provider says a minute later that it did not arrive."""
        return report(all_know(sent()), Progress.FAILED, after(minutes=1), trouble="30006: a landline")

    def test_reported_as_failed_the_next_phone_is_owed_at_once(self) -> None:
        step = self.failed()
        assert states(step)[SECOND] == "pending"
        assert known(step).next_due == after(minutes=1)
        assert SECOND in look(step, after(minutes=1), *WAITING).send

    def test_but_not_paged_before_somebody_has_looked_who_is_still_open(self) -> None:
        """A report comes when it likes, and its request has read no member: each may have been answered."""
        step = self.failed()
        assert SECOND not in step.send
        over = look(step, after(minutes=1))
        assert (states(over)[SECOND], known(over).state) == ("cancelled", IncidentState.RESOLVED)
        assert SECOND not in over.send

    def test_that_it_failed_is_said_at_once(self) -> None:
        assert "notice/opened-sms-0-1-failed/slack" in self.failed().send

    def test_lost_it_is_looked_up_like_any_other_and_found_by_its_ref(self) -> None:
        digest = made()
        unknown = settle(digest, {PAGE: Outcome(Result.UNKNOWN, "no answer")})
        lost = decide(unknown, digest.incident, digest.ledger, now=ROOM, claim=a_claim(ROOM, "one"))
        text = Text(id="SM1", created_at=ROOM, body=f"2 open: db is down, web is down #{known(digest).ref}")
        assert states(listed(lost, text, now=after(seconds=30)))[PAGE] == "sent"


def test_what_is_said_of_a_digest_that_could_not_be_texted_names_what_it_tells_of() -> None:
    """It is told on no free channel, so nobody there knows its ref."""
    digest = made()
    claim = a_claim(ROOM, delivery(digest, PAGE).claim)
    ends = settle(digest, {PAGE: Outcome(Result.REJECTED, "21408: off")})
    step = decide(ends, digest.incident, digest.ledger, now=ROOM, claim=claim)
    assert delivery(step, "notice/opened-sms-0-1-failed/slack").words == (
        "NOT texted to phone 1: 21408: off; phone 2 is next (2 open: db is down, web is down)"
    )
