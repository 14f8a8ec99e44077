"""What time that passes leads to: louder channels, the next phone, a second try, and an end."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from notifier.core.alert import Alert, Severity
from notifier.core.escalation import pages_with_room
from notifier.core.events import Alerted, Decision, Ticked
from notifier.core.incident import IncidentState
from notifier.core.message import message_of
from notifier.core.outcome import Outcome, Result
from notifier.core.report import Progress
from tests.builders import (
    ALL_CHANNELS,
    NOON,
    POLICY,
    SHIPPED,
    a_claim,
    acknowledge,
    an_alert,
    decide,
    delivery,
    full,
    known,
    opened,
    recorded,
    report,
    settle,
    settle_all,
    states,
    texting,
    tick,
)

FREE = ("slack", "discord", "email")
DAYS_8 = timedelta(days=8)


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


def close(before: Decision, now: datetime) -> Decision:
    event = Alerted(an_alert(closed=True))
    return decide(event, before.incident, before.ledger, now=now, claim=a_claim(now, "closer"))


def capped(severity: str = "critical", *, taken: int = 5) -> Decision:
    """An incident whose page waits, everything else of it sent."""
    return recorded(decide(Alerted(an_alert(severity)), None, full(taken)))


def only(before: Decision, now: datetime, **outcomes: Outcome) -> Decision:
    """The sends of `before` ended so, by channel; those not named were sent."""
    ends = {key: outcomes.get(delivery(before, key).channel, Outcome(Result.SENT)) for key in before.send}
    late = a_claim(now, delivery(before, before.send[0]).claim, send_seconds=-1)
    return decide(settle(before, ends), before.incident, before.ledger, now=now, claim=late)


class TestClimbing:
    """An incident nobody answers is treated as worse as time passes."""

    def test_an_untouched_warning_is_in_the_mail_after_ten_minutes(self) -> None:
        step = tick(recorded(opened(an_alert("warning"))), after(minutes=10))
        assert step.send == ("escalated/email",)
        assert known(step).effective is Severity.ERROR

    def test_and_on_the_phone_after_twenty(self) -> None:
        mailed = recorded(opened(an_alert("warning")))
        mailed = recorded(tick(mailed, after(minutes=10)), now=after(minutes=10))
        paged = tick(mailed, after(minutes=20))
        assert paged.send == ("escalated/sms/0/1",)
        sms = message_of(known(paged), "escalated/sms/0/1", POLICY).sms
        assert sms == f"WARNING unanswered 20 min: db is down #{known(paged).ref}"

    @pytest.mark.parametrize("seconds", [599, 1_199])
    def test_nothing_happens_a_second_before_a_step(self, seconds: int) -> None:
        first = recorded(opened(an_alert("warning")))
        before = recorded(tick(first, after(minutes=10)), now=after(minutes=10)) if seconds > 600 else first
        assert tick(before, after(seconds=seconds)).incident == before.incident

    def test_the_next_step_is_what_the_tick_looks_for(self) -> None:
        first = recorded(opened(an_alert("warning")))
        assert known(first).next_due == after(minutes=10)
        mailed = recorded(tick(first, after(minutes=10)), now=after(minutes=10))
        assert known(mailed).next_due == after(minutes=20)

    def test_a_late_tick_catches_up_in_one_go(self) -> None:
        late = tick(recorded(opened(an_alert("warning"))), after(minutes=25))
        assert set(late.send) == {"escalated/email", "escalated/sms/0/1"}
        done = recorded(late, now=after(minutes=25))
        assert tick(done, after(minutes=26)).send == ()

    def test_a_late_tick_tells_also_those_whom_only_the_missed_step_tells(self) -> None:
        routes = {**POLICY.routes, Severity.CRITICAL: ("slack", "discord", "sms")}
        policy = msgspec.structs.replace(POLICY, routes=routes)
        first = recorded(opened(an_alert("warning"), policy=policy), policy=policy)
        late = decide(Ticked(), first.incident, first.ledger, now=after(minutes=25), policy=policy)
        assert set(late.send) == {"escalated/email", "escalated/sms/0/1"}

    def test_an_error_is_on_the_phone_after_twenty_minutes(self) -> None:
        first = recorded(opened(an_alert("error")))
        assert tick(first, after(minutes=19)).send == ()
        assert tick(first, after(minutes=20)).send == ("escalated/sms/0/1",)

    @pytest.mark.parametrize("alert", [an_alert("info"), an_alert("error", one_off=True), an_alert("", test=True)])
    def test_what_never_climbs(self, alert: Alert) -> None:
        later = tick(recorded(opened(alert)), after(days=1))
        assert later.send == ()
        assert known(later).effective is known(opened(alert)).effective

    def test_nothing_is_due_of_an_info_before_it_expires(self) -> None:
        assert known(recorded(opened(an_alert("info")))).next_due == NOON + DAYS_8

    def test_nothing_is_ever_due_of_a_test(self) -> None:
        assert known(recorded(opened(an_alert("", test=True)))).next_due is None

    def test_raised_by_its_sender_it_climbs_from_there(self) -> None:
        first = recorded(opened(an_alert("info")))
        raised = decide(
            Alerted(an_alert("error")), first.incident, now=after(minutes=1), claim=a_claim(after(minutes=1), "raise")
        )
        assert raised.send == ("escalated/email",)
        assert tick(recorded(raised, now=after(minutes=1)), after(minutes=20)).send == ("escalated/sms/0/1",)

    def test_raised_to_what_it_climbed_to_it_tells_nobody_twice(self) -> None:
        mailed = recorded(tick(recorded(opened(an_alert("warning"))), after(minutes=10)), now=after(minutes=10))
        now = after(minutes=11)
        raised = decide(Alerted(an_alert("error")), mailed.incident, now=now, claim=a_claim(now, "raise"))
        assert raised.send == ()
        assert (known(raised).severity, known(raised).effective) == (Severity.ERROR, Severity.ERROR)

    def test_a_channel_that_refused_the_first_message_is_not_tried_with_the_next(self) -> None:
        first = only(opened(an_alert("error")), NOON, email=Outcome(Result.REJECTED, "no such mailbox"))
        done = recorded(tick(first, after(seconds=1)), now=after(seconds=1))
        assert tick(done, after(minutes=20)).send == ("escalated/sms/0/1",)

    def test_a_policy_may_climb_from_elsewhere(self) -> None:
        policy = msgspec.structs.replace(POLICY, climbs_from=Severity.ERROR)
        first = recorded(opened(an_alert("warning"), policy=policy), policy=policy)
        assert tick(first, after(hours=1), policy=policy).send == ()

    def test_the_history_says_why_it_got_louder(self) -> None:
        step = tick(recorded(opened(an_alert("warning"))), after(minutes=10))
        assert known(step).history[-1].text == "nobody has answered for 10 min: now treated as error"


class TestNextPhone:
    """An unanswered page goes to the next phone."""

    def pages(
        self, before: Decision, phones: int, *, rejected: int | None = None, failing: dict[int, bool] | None = None
    ) -> list[str]:
        """What is texted in four hours of a tick a minute, all of it sent but to phone `rejected`.

        `failing`: phones whose texts are reported to have failed a minute later, and whether that passes.
        """
        policy = SHIPPED.deployed(ALL_CHANNELS, texting(phones))
        policy = msgspec.structs.replace(policy, sms=msgspec.structs.replace(policy.sms, max_per_hour=30))
        texted = []
        for minute in range(1, 240):
            now = after(minutes=minute)
            for page in [key for key in known(before).deliveries if "/sms/" in key]:
                one = delivery(before, page)
                if one.phone in (failing or {}) and one.claimed_at == now - timedelta(minutes=1):
                    passes = (failing or {})[one.phone]
                    before = report(
                        before, Progress.FAILED, now, delivery=page, policy=policy, trouble="off", passes=passes
                    )
                    texted += [f"{key} at {minute}" for key in before.send if "/sms/" in key]
                    sent = settle_all(before)
                    claim = a_claim(now, f"report at {now}")
                    before = decide(sent, before.incident, before.ledger, now=now, policy=policy, claim=claim)
            step = tick(before, now, policy=policy)
            while step.send:
                texted += [f"{key} at {minute}" for key in step.send if "/sms/" in key]
                ends = {
                    key: Outcome(Result.REJECTED, "landline")
                    if rejected is not None and f"/sms/{rejected}/" in key
                    else Outcome(Result.SENT)
                    for key in step.send
                }
                claim = a_claim(now, delivery(step, step.send[0]).claim)
                step = decide(settle(step, ends), step.incident, step.ledger, now=now, policy=policy, claim=claim)
            before = step
        return texted

    def test_every_quarter_of_an_hour_and_the_list_is_walked_twice(self) -> None:
        assert self.pages(recorded(opened()), 2) == [
            "opened/sms/1/1 at 15",
            "opened/sms/0/2 at 30",
            "opened/sms/1/2 at 45",
        ]

    def test_a_single_phone_is_texted_once_more(self) -> None:
        assert self.pages(recorded(opened()), 1) == ["opened/sms/0/2 at 15"]

    def test_one_reached_by_climbing_goes_on_in_the_same_way(self) -> None:
        assert self.pages(recorded(opened(an_alert("error"))), 2) == [
            "escalated/sms/0/1 at 20",
            "escalated/sms/1/1 at 35",
            "escalated/sms/0/2 at 50",
            "escalated/sms/1/2 at 65",
        ]

    def test_a_phone_that_cannot_be_texted_is_passed_over_from_then_on(self) -> None:
        assert self.pages(recorded(opened()), 3, rejected=1) == [
            "opened/sms/1/1 at 15",
            "opened/sms/2/1 at 15",
            "opened/sms/0/2 at 30",
            "opened/sms/2/2 at 45",
        ]

    @pytest.mark.parametrize(
        ("phones", "failing", "texted"),
        [
            (2, {0: True}, ["opened/sms/1/1 at 1", "opened/sms/0/2 at 16", "opened/sms/1/2 at 17"]),
            (2, {0: False}, ["opened/sms/1/1 at 1", "opened/sms/1/2 at 16"]),
            (2, {1: True}, ["opened/sms/1/1 at 15", "opened/sms/0/2 at 16", "opened/sms/1/2 at 31"]),
            (2, {1: False}, ["opened/sms/1/1 at 15", "opened/sms/0/2 at 16"]),
            (2, {0: True, 1: True}, ["opened/sms/1/1 at 1", "opened/sms/0/2 at 16", "opened/sms/1/2 at 17"]),
            (2, {0: True, 1: False}, ["opened/sms/1/1 at 1", "opened/sms/0/2 at 15"]),
            (2, {0: False, 1: False}, ["opened/sms/1/1 at 1"]),
            (1, {0: True}, ["opened/sms/0/2 at 15"]),
            (1, {0: False}, []),
        ],
    )
    def test_one_that_failed_after_it_was_taken_goes_to_the_next_at_once_and_keeps_its_place_if_it_may_be_back(
        self, phones: int, failing: dict[int, bool], texted: list[str]
    ) -> None:
        assert self.pages(recorded(opened()), phones, failing=failing) == texted

    def test_a_critical_one_off_is_paged_like_any_other(self) -> None:
        assert len(self.pages(recorded(opened(an_alert(one_off=True))), 2)) == 3

    def test_the_next_page_is_what_the_tick_looks_for_once_the_first_has_arrived(self) -> None:
        first = recorded(opened())
        assert known(first).next_due == after(minutes=5, seconds=30)
        assert known(report(first, Progress.DELIVERED)).next_due == after(minutes=15)

    def test_it_waits_for_the_page_that_is_being_looked_up(self) -> None:
        lost = only(opened(), NOON, sms=Outcome(Result.UNKNOWN, "no answer"))
        assert "opened/sms/1/1" not in known(tick(lost, after(minutes=16))).deliveries

    def test_it_waits_for_the_page_that_the_cap_holds_back(self) -> None:
        first = msgspec.structs.replace(recorded(opened()), ledger=full(5, after(minutes=15)))
        held = recorded(tick(first, after(minutes=15)), now=after(minutes=15))
        assert states(held)["opened/sms/1/1"] == "capped"
        assert known(tick(held, after(minutes=40), ledger=full(5, after(minutes=40)))).deliveries.keys() == (
            known(held).deliveries.keys()
        )

    def test_the_history_says_whose_turn_it_is(self) -> None:
        step = tick(recorded(opened()), after(minutes=15))
        assert known(step).history[-1].text == "nobody answered the last page for 15 min: phone 2 is next"


class TestAnswered:
    """Nobody is paged and nothing gets louder once somebody has answered, or it is over."""

    def test_nothing_climbs_after_the_acknowledgement(self) -> None:
        answered = acknowledge(recorded(opened(an_alert("warning"))), after(minutes=5))
        done = recorded(answered, now=after(minutes=5))
        assert tick(done, after(hours=1)).incident == done.incident
        assert known(done).next_due == NOON + DAYS_8

    def test_no_other_phone_is_paged_after_it(self) -> None:
        done = recorded(acknowledge(recorded(opened()), after(minutes=5)), now=after(minutes=5))
        assert tick(done, after(hours=1)).incident == done.incident

    def test_nothing_at_all_is_due_after_the_resolve(self) -> None:
        done = recorded(close(recorded(opened()), after(minutes=5)), now=after(minutes=5))
        assert known(done).next_due is None
        assert tick(done, after(days=30)).incident == done.incident

    def test_a_lease_that_ended_after_it_is_not_sent_again(self) -> None:
        answered = acknowledge(opened(), after(seconds=10))
        later = tick(answered, after(minutes=1))
        assert "opened/sms/0/1" not in (*later.send, *later.look_up)
        assert (delivery(later, "opened/sms/0/1").state.value, delivery(later, "opened/sms/0/1").due_at) == (
            "unknown",
            None,
        )
        assert any(entry.text.endswith("not needed any more") for entry in known(later).history)


class TestLease:
    """The instance died between its claim and its record."""

    def test_is_left_to_its_holder_until_it_ends(self) -> None:
        assert tick(opened(), after(seconds=29)).incident == opened().incident

    def test_what_is_free_is_sent_again_when_it_ends(self) -> None:
        later = tick(opened(), after(seconds=30))
        assert set(later.send) == {f"opened/{channel}" for channel in FREE}
        assert delivery(later, "opened/slack").attempts == 2

    def test_a_text_is_looked_up_and_not_sent(self) -> None:
        later = tick(opened(), after(seconds=30))
        assert later.look_up == ("opened/sms/0/1",)
        assert later.ledger == opened().ledger

    def test_its_end_is_what_the_tick_looks_for(self) -> None:
        assert known(opened()).next_due == after(seconds=30)

    def test_nothing_is_claimed_by_a_tick_without_time_to_send(self) -> None:
        later = tick(opened(), after(seconds=30), send_seconds=-1)
        assert later.send == ()
        assert known(later).next_due == after(seconds=30)


class TestGivingUp:
    """A message that cannot be sent dies of age."""

    def busy(self, key: str = "opened/slack", hours: float = 6) -> Decision:
        """One delivery was refused for a time so often that it is due again after so many hours."""
        channel = key.split("/")[1]
        first = only(opened(), NOON, **{channel: Outcome(Result.RETRY, "busy")})
        due = msgspec.structs.replace(delivery(first, key), due_at=after(hours=hours))
        incident = msgspec.structs.replace(known(first), deliveries={**known(first).deliveries, key: due})
        return msgspec.structs.replace(first, incident=incident)

    def test_after_six_hours_it_is_recorded_logged_and_said_elsewhere(self) -> None:
        later = tick(self.busy(), after(hours=6))
        words = "slack not told: given up after 6 h (busy)"
        assert "opened/slack" not in later.send
        assert states(later)["opened/slack"] == "failed"
        assert (Severity.ERROR, words) in [(note.severity, note.text) for note in later.notes]
        assert delivery(later, "notice/opened-slack-failed/discord").words == words
        assert "notice/opened-slack-failed/slack" not in known(later).deliveries

    def test_a_moment_before_it_is_tried_once_more(self) -> None:
        assert "opened/slack" in tick(self.busy(hours=5.9), after(hours=5.99)).send

    def test_what_is_to_wait_for_longer_is_left_to_its_time(self) -> None:
        """Its provider asked for a long pause, and something else is due meanwhile."""
        later = tick(self.busy(hours=6.5), after(hours=6.1))
        assert states(later)["opened/slack"] == "pending"
        assert states(tick(later, after(hours=6.5)))["opened/slack"] == "failed"

    def test_what_nobody_needs_any_more_is_not_given_up_but_dropped(self) -> None:
        climbing = tick(recorded(opened(an_alert("warning"))), after(minutes=10))
        answered = recorded(acknowledge(climbing, after(minutes=10)), now=after(minutes=10))
        later = tick(answered, after(hours=7))
        assert states(later)["escalated/email"] == "unknown"
        assert not any(key.startswith("notice/") for key in known(later).deliveries)

    def test_a_record_so_late_gives_up_at_once(self) -> None:
        trying = tick(self.busy(hours=5.9), after(hours=5.9))
        later = only(trying, after(hours=6), slack=Outcome(Result.RETRY, "busy"))
        assert states(later)["opened/slack"] == "failed"

    def test_a_page_that_could_not_be_sent_gives_up_too(self) -> None:
        later = tick(self.busy("opened/sms/0/1"), after(hours=6))
        assert states(later)["opened/sms/0/1"] == "failed"
        assert "opened/sms/0/1" not in later.send

    def test_one_that_may_have_been_sent_gives_up_as_well(self) -> None:
        later = tick(opened(), after(hours=6))
        assert states(later)["opened/slack"] == "failed"
        assert states(later)["opened/sms/0/1"] == "unknown"

    def test_a_notice_that_gives_up_owes_no_notice(self) -> None:
        later = tick(self.busy(), after(hours=6))
        claim = a_claim(after(hours=6), delivery(later, later.send[0]).claim, send_seconds=-1)
        event = settle_all(later, Result.RETRY, detail="busy")
        tired = decide(event, later.incident, later.ledger, now=after(hours=6), claim=claim)
        much_later = tick(tired, after(hours=13))
        assert states(much_later)["notice/opened-slack-failed/discord"] == "failed"
        assert not any("notice-" in key for key in known(much_later).deliveries)


class TestExpiry:
    """Nobody says anything of it for eight days."""

    def test_it_is_over_and_that_is_said_where_it_was_heard(self) -> None:
        first = recorded(opened(an_alert("info")))
        over = tick(first, NOON + DAYS_8)
        assert known(over).state is IncidentState.RESOLVED
        assert over.send == ("resolved/slack", "resolved/discord")
        message = message_of(known(over), "resolved/slack", POLICY)
        assert message.headline == "EXPIRED after 8 d without news: db is down"
        assert message.body.startswith("Its sender never said that it is over")
        assert known(over).expire_at == NOON + DAYS_8 + timedelta(days=14)

    def test_a_moment_before_it_is_not(self) -> None:
        first = recorded(opened(an_alert("info")))
        assert tick(first, NOON + DAYS_8 - timedelta(seconds=1)).incident == first.incident

    def test_what_nobody_heard_of_is_said_wherever_it_can_be(self) -> None:
        never = decide(Alerted(an_alert("info")), claim=a_claim(send_seconds=-1))
        over = tick(never, NOON + DAYS_8)
        assert set(over.send) >= {f"resolved/{channel}" for channel in FREE}

    def test_one_that_was_acknowledged_expires_too(self) -> None:
        answered = recorded(acknowledge(recorded(opened()), after(minutes=5)), now=after(minutes=5))
        assert set(tick(answered, NOON + DAYS_8).send) == {f"resolved/{channel}" for channel in FREE}

    def test_a_very_late_tick_pages_nobody_for_what_is_over(self) -> None:
        over = tick(recorded(opened(an_alert("warning"))), NOON + DAYS_8)
        assert set(over.send) == {"resolved/slack", "resolved/discord"}

    def test_of_what_can_never_close_it_is_only_written_down(self) -> None:
        over = tick(recorded(opened(an_alert("error", one_off=True))), NOON + DAYS_8)
        assert (over.send, known(over).state, known(over).expired) == ((), IncidentState.RESOLVED, True)
        assert known(over).history[-1].text == "expired: 8 d old, and nothing can close it"
        assert {note.severity for note in over.notes} == {Severity.INFO}

    def test_a_repeat_keeps_it_open(self) -> None:
        first = recorded(opened(an_alert("info")))
        now = after(days=7)
        again = decide(Alerted(an_alert("info")), first.incident, now=now, claim=a_claim(now, "again"))
        assert again.send == ()
        assert known(again).next_due == now + DAYS_8
        assert tick(again, NOON + DAYS_8).incident == again.incident

    def test_repeats_are_written_once_a_day(self) -> None:
        first = recorded(opened(an_alert("info")))
        for hours, written in ((23.9, False), (24, True)):
            now = after(hours=hours)
            again = decide(Alerted(an_alert("info")), first.incident, now=now, claim=a_claim(now, "again"))
            assert (again.incident != first.incident) is written

    def test_a_repeat_of_what_was_acknowledged_keeps_it_too(self) -> None:
        answered = recorded(acknowledge(recorded(opened()), NOON))
        now = after(days=2)
        again = decide(Alerted(an_alert()), answered.incident, answered.ledger, now=now, claim=a_claim(now, "again"))
        assert known(again).next_due == now + DAYS_8
        assert known(again).state is IncidentState.ACKNOWLEDGED

    def test_a_redelivered_message_is_no_news(self) -> None:
        alert = an_alert("info", message_id="m1")
        first = recorded(opened(alert))
        now = after(days=7)
        assert decide(Alerted(alert), first.incident, now=now, claim=a_claim(now, "again")).incident == first.incident

    def test_opened_again_with_the_same_start_it_is_a_new_generation(self) -> None:
        alert = an_alert("info", started_at=NOON)
        over = recorded(tick(recorded(opened(alert)), NOON + DAYS_8), now=NOON + DAYS_8)
        now = after(days=9)
        again = decide(Alerted(alert), over.incident, now=now, claim=a_claim(now, "again"))
        assert (known(again).generation, known(again).expired) == (2, False)
        assert set(again.send) == {"opened/slack", "opened/discord"}

    def test_one_that_ended_by_its_close_is_not_opened_again_by_the_same_start(self) -> None:
        alert = an_alert("info", started_at=NOON)
        over = recorded(close(recorded(opened(alert)), after(minutes=1)), now=after(minutes=1))
        now = after(days=9)
        again = decide(Alerted(alert), over.incident, now=now, claim=a_claim(now, "again"))
        assert again.incident == over.incident


class TestWaitingPages:
    """A page the cap holds back is sent when the window has room."""

    def test_it_is_paged_when_there_is_room(self) -> None:
        now = after(hours=2)
        paged = tick(capped(), now)
        assert paged.send == ("opened/sms/0/1",)
        assert paged.ledger.taken(now) == 1
        assert known(paged).waiting_since is None

    def test_it_goes_on_waiting_while_there_is_none_and_nothing_is_said_again(self) -> None:
        waiting = capped()
        still = tick(waiting, after(minutes=30), ledger=full(5, after(minutes=30)))
        assert (still.send, still.incident, still.notes) == ((), waiting.incident, ())

    def test_capped_again_after_all_it_is_said_with_the_new_time(self) -> None:
        """Two ticks find the same room; one of them is second."""
        freed = tick(capped(), after(hours=2), send_seconds=-1)
        assert states(freed)["opened/sms/0/1"] == "pending"
        held = tick(freed, after(hours=2, minutes=1), ledger=full(5, after(hours=2)))
        assert states(held)["opened/sms/0/1"] == "capped"
        assert set(held.send) == {f"notice/opened-sms-0-1-capped-31-1401/{name}" for name in FREE}
        assert "next slot 15:00 UTC" in delivery(held, held.send[0]).words
        assert known(held).waiting_since == after(hours=2, minutes=1)

    def test_reached_by_climbing_it_leaves_the_reserved_slots(self) -> None:
        first = recorded(opened(an_alert("warning")))
        late = after(minutes=25)
        held = recorded(tick(first, late, ledger=full(3, late)), now=late)
        assert states(held)["escalated/sms/0/1"] == "capped"
        assert tick(held, after(minutes=26), ledger=full(3, late)).send == ()
        assert tick(held, after(minutes=26), ledger=full(2, late)).send == ("escalated/sms/0/1",)

    def test_nothing_waits_after_the_acknowledgement(self) -> None:
        answered = acknowledge(capped(), after(minutes=1))
        assert states(answered)["opened/sms/0/1"] == "cancelled"
        assert known(answered).waiting_since is None
        assert "opened/sms/0/1" not in tick(answered, after(hours=2)).send

    def test_a_wait_of_many_hours_is_not_given_up(self) -> None:
        assert tick(capped(), after(hours=20)).send == ("opened/sms/0/1",)

    def waiting(self, *severities: str) -> list[Decision]:
        ledger = full(5)
        alerts = [an_alert(word, f"i{number}") for number, word in enumerate(severities)]
        return [decide(Alerted(alert), None, ledger) for alert in alerts]

    def chosen(self, taken: int, *severities: str) -> list[str]:
        waiting = [known(one) for one in self.waiting(*severities)]
        return [one.incident_id for one in pages_with_room(waiting, full(taken), POLICY, NOON)]

    def test_as_many_as_there_is_room_for_the_longest_waiting_first(self) -> None:
        assert self.chosen(3, "critical", "critical", "critical") == ["i0", "i1"]

    def test_the_last_two_only_for_what_its_sender_called_critical(self) -> None:
        assert self.chosen(2, "error", "error", "critical", "critical", "critical") == ["i0", "i2", "i3"]

    @pytest.mark.parametrize(("taken", "count"), [(0, 5), (4, 1), (5, 0), (9, 0)])
    def test_never_more_than_the_cap(self, taken: int, count: int) -> None:
        assert len(self.chosen(taken, *["critical"] * 7)) == count


class TestOnce:
    """However often the tick comes, each thing happens once."""

    def test_two_ticks_of_the_same_moment_are_one(self) -> None:
        first = recorded(opened(an_alert("warning")))
        one = tick(first, after(minutes=25), claim_id="one")
        other = tick(one, after(minutes=25), claim_id="other")
        assert (other.send, other.incident, other.ledger) == ((), one.incident, one.ledger)

    def test_a_lost_answer_is_found_and_sent(self) -> None:
        first = recorded(opened(an_alert("warning")))
        landed = tick(first, after(minutes=25), claim_id="one")
        again = tick(landed, after(minutes=25), claim_id="one")
        assert (again.send, again.incident) == (landed.send, landed.incident)

    def test_answered_in_between_it_is_not_sent_and_its_slot_is_given_back(self) -> None:
        """The tick's commit landed and its answer was lost; somebody answered before it looked again."""
        landed = tick(recorded(opened(an_alert("warning"))), after(minutes=25), claim_id="one")
        answered = acknowledge(landed, after(minutes=25))
        again = tick(answered, after(minutes=25), claim_id="one")
        assert again.send == ()
        assert again.ledger.taken(after(minutes=25)) == 0
        assert states(again)["escalated/sms/0/1"] == states(again)["escalated/email"] == "cancelled"
        assert known(again).history[-1].text == (
            "escalated/email, escalated/sms/0/1 not sent: acknowledged before it could be"
        )

    def test_of_an_incident_that_is_gone_nothing_happens(self) -> None:
        decision = decide(Ticked(), None)
        assert (decision.incident, decision.send) == (None, ())
        assert "gone from the store" in decision.notes[0].text
