"""Why somebody was paged, or was not: whole courses on the real road, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.core.explaining import Explanation, explain
from notifier.core.listing import Listing
from notifier.core.outcome import SIMULATED, Outcome, Result
from notifier.core.policy import Policy, parse_policy
from notifier.core.report import Progress
from tests.builders import ALL_CHANNELS, NOON, SHIPPED, texting
from tests.courses import Course

PHONE_1, PHONE_2 = "phone 1 (+1555*****01)", "phone 2 (+1555*****02)"
REFUSED = Outcome(Result.REJECTED, "30034: the sender is not registered for texts to the US (A2P 10DLC): register it")
BUSY = Outcome(Result.RETRY, "could not connect to api.twilio.com: timed out")
LOST = Outcome(Result.UNKNOWN, "no answer from api.twilio.com: timed out")
NO_TEXTS = SHIPPED.deployed({"log", "slack", "discord", "email"}, texting(0))

Begin = Callable[..., Course]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Begins a course; the tick has just been through."""
    courses: list[Course] = []

    def begin(policy: Policy | None = None) -> Course:
        courses.append(Course(tmp_path, policy) if policy else Course(tmp_path))
        courses[-1].tick()
        return courses[-1]

    yield begin
    for course in courses:
        course.store.close()


def happened(story: Explanation) -> list[str]:
    return [f"{entry.at:%H:%M} {entry.text}" for entry in story.happened]


def follows(story: Explanation) -> list[str]:
    """What comes next, but for the end, that nothing prevents."""
    return [f"{entry.at:%H:%M} {entry.text}" for entry in story.follows if "by itself" not in entry.text]


# Texted


def test_a_page_that_arrived(begin: Begin) -> None:
    course = begin()
    course.alert()
    course.report(Progress.DELIVERED)
    story = course.explained()
    assert story.verdict == f"Texted: {PHONE_1} at 12:00 UTC."
    assert story.reasons == (f"{PHONE_1} was texted at 12:00 UTC, and the text arrived.",)
    assert happened(story) == [
        "12:00 opened as critical: db is down",
        "12:00 slack, discord and email told",
        "12:00 phone 1 texted",
        "12:00 phone 1 has got the text",
    ]
    assert follows(story) == [f"12:15 {PHONE_2} is texted"]
    assert story.cautions == ()


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (None, "; whether it arrived is not known"),
        (Progress.TAKEN, "; whether it arrived is not known"),
        (Progress.SENT, "; the carrier has it, and says no more so far"),
    ],
)
def test_a_page_of_which_no_last_word_came(begin: Begin, progress: Progress | None, words: str) -> None:
    course = begin()
    course.alert()
    if progress:
        course.report(progress)
    assert course.explained().reasons == (f"{PHONE_1} was texted at 12:00 UTC{words}.",)


def test_each_page_of_a_list_of_phones_is_told(begin: Begin) -> None:
    course = begin()
    course.alert()
    course.minutes(16)
    story = course.explained()
    assert story.verdict == f"Texted: {PHONE_1} at 12:00 UTC, {PHONE_2} at 12:15 UTC."
    assert "12:15 nobody answered the last page for 15 min: phone 2 is next" in happened(story)
    assert follows(story) == [
        f"12:20 Twilio is asked whether {PHONE_2} got the text",
        f"12:30 {PHONE_1} is texted again",
    ]


def test_what_the_second_provider_texted_says_so(begin: Begin) -> None:
    course = begin(SHIPPED.deployed(ALL_CHANNELS, texting(2, fallback="vonage")))
    course.ends(Outcome(Result.REJECTED, "20003: credentials", elsewhere=True))
    course.alert()
    assert course.explained().reasons == (
        f"{PHONE_1} was texted at 12:00 UTC by vonage; whether it arrived is not known.",
    )


def test_of_a_simulated_page_nobody_is_asked_whether_it_arrived(begin: Begin) -> None:
    course = begin()
    course.ends(Outcome(Result.SENT, SIMULATED))
    course.alert()
    story = course.explained()
    assert story.reasons == (f"{PHONE_1} was texted at 12:00 UTC; simulated: nothing was sent.",)
    assert follows(story) == [f"12:15 {PHONE_2} is texted"]


# The cap


def test_a_page_that_the_cap_holds_back(begin: Begin) -> None:
    course = begin()
    course.texts_of_others(5)
    course.minutes(3)
    course.alert()
    story = course.explained()
    assert story.verdict == "Nobody has been texted."
    assert story.reasons == (
        f"{PHONE_1} was NOT texted at 12:03 UTC, and waits: 5 of the 5 texts of the hour are taken (the cap).",
    )
    held_back = "12:03 not texted: 5 of the 5 texts of an hour are taken, which is the cap;"
    assert f"{held_back} room again at 13:00 UTC at the earliest" in happened(story)
    words = f"13:00 {PHONE_1} is texted, alone or together with others that wait, if the room is not taken"
    assert follows(story) == [words]


def test_a_page_that_went_out_late_for_the_cap(begin: Begin) -> None:
    course = begin()
    course.texts_of_others(5)
    course.minutes(3)
    course.alert()
    course.minutes(62)
    (reason,) = course.explained().reasons
    assert reason.startswith(f"{PHONE_1} was texted at 13:01 UTC;")
    assert reason.endswith("; that is 58 min after it was owed, as the cap held it back until then.")


def test_a_page_for_which_no_slot_was_kept(begin: Begin) -> None:
    course = begin()
    course.texts_of_others(3)
    course.alert("warning")
    course.minutes(22)
    (reason,) = course.explained().reasons
    assert reason == (
        f"{PHONE_1} was NOT texted at 12:20 UTC, and waits: 3 of the 5 texts of the hour are taken (the cap),"
        " and the last 2 are kept for new critical alerts."
    )


def test_the_next_phone_is_not_promised_where_the_cap_is_in_the_way(begin: Begin) -> None:
    course = begin()
    course.alert()
    course.minutes(31)
    assert follows(course.explained())[-1] == f"12:45 {PHONE_2} is texted again, as soon as the cap has room for it"


def test_a_page_told_in_a_text_with_others_leads_to_that(begin: Begin) -> None:
    course = begin()
    course.texts_of_others(5)
    course.alert()
    course.alert(incident_id="web")
    course.minutes(62)
    found = [one.incident for one in course.store.unresolved(course.clock.monotonic() + 30) if one.incident]
    (digest,) = [one for one in found if one.members]
    story = course.explained()
    assert story.verdict == f"Told in a text with others, #{digest.ref}."
    assert story.reasons == (
        f"{PHONE_1} was held back by the cap, and then told in a text with others: explain #{digest.ref}.",
    )
    assert follows(story) == []
    told = course.explained_key(digest.key)
    assert told.verdict == f"Texted: {PHONE_1} at 13:01 UTC."
    assert follows(told)[-1] == f"13:16 {PHONE_2} is texted, for what of it nobody has answered by then"


# Answered


def test_an_answer_ends_the_pages(begin: Begin) -> None:
    course = begin()
    course.alert()
    course.minutes(2)
    course.answer()
    story = course.explained()
    assert story.reasons[-1] == "No other phone is texted: Ana acknowledged it at 12:02 UTC."
    assert happened(story)[-2:] == [
        "12:02 acknowledged by Ana at 12:02 UTC: no more pages, no more escalation",
        "12:02 slack, discord and email told who answered",
    ]
    assert follows(story) == []


@pytest.mark.parametrize(
    ("end", "words"),
    [(Course.answer, "Ana acknowledged it at 12:05 UTC"), (Course.close, "it was over, at 12:05 UTC")],
    ids=["acknowledged", "resolved"],
)
def test_a_page_that_was_not_needed_any_more(begin: Begin, end: Callable[[Course], None], words: str) -> None:
    course = begin()
    course.texts_of_others(5)
    course.alert()
    course.minutes(5)
    end(course)
    reason = course.explained().reasons[0]
    before = "(it was held back before: cap of 5 per hour reached)"
    assert reason == f"{PHONE_1} was NOT texted: it was due, but before it could be sent {words} {before}."


# Failed


def test_what_twilio_refused_is_told_in_its_words(begin: Begin) -> None:
    course = begin()
    course.ends(REFUSED)
    course.alert()
    story = course.explained()
    assert story.reasons == (
        f"{PHONE_1} was NOT texted: {REFUSED.detail}.",
        f"{PHONE_2} was texted at 12:00 UTC; whether it arrived is not known.",
    )
    assert f"12:00 NOT texted to phone 1: {REFUSED.detail}; phone 2 is next" in happened(story)


def test_a_text_that_did_not_arrive(begin: Begin) -> None:
    course = begin()
    course.alert()
    course.report(Progress.FAILED, trouble="30003: the phone is off or out of reach", passes=True)
    assert course.explained().reasons[0] == (
        f"{PHONE_1} was texted at 12:00 UTC, and the text did NOT arrive: 30003: the phone is off or out of reach."
    )


def test_a_phone_that_has_opted_out_now_and_at_its_next_turn(begin: Begin) -> None:
    course = begin()
    course.stop(0)
    course.alert()
    story = course.explained()
    assert story.reasons[0] == (
        f"{PHONE_1} was NOT texted: it has answered STOP, and takes no texts before it answers START."
    )
    assert follows(story)[-1] == f"12:15 {PHONE_1} is passed over, as it has answered STOP"


def test_several_failures_of_a_minute_are_told_of_once(begin: Begin) -> None:
    course = begin()
    course.stop(0)
    course.stop(1)
    course.alert()
    story = course.explained()
    assert story.verdict == "Nobody has been texted."
    assert happened(story)[-1] == "12:00 slack, discord and email told what went wrong"


def test_a_lost_answer_is_being_looked_up(begin: Begin) -> None:
    course = begin()
    course.ends(LOST)
    course.alert()
    story = course.explained()
    assert story.verdict == "Perhaps texted: nobody can tell, or not yet."
    assert story.reasons == (
        f"{PHONE_1} may have been texted at 12:00 UTC: {LOST.detail}; it is being looked up at Twilio.",
    )
    assert follows(story) == [f"12:00 {PHONE_1} is looked at again, as it may have been told"]


def test_a_lost_answer_that_nobody_can_look_up(begin: Begin) -> None:
    course = begin()
    course.instance.list.listing = Listing(trouble="70051: no right to read")
    course.ends(LOST)
    course.alert()
    course.minutes(8)
    assert course.explained().reasons[0] == (
        f"{PHONE_1} may have been texted at 12:00 UTC: not known whether it was sent: 70051: no right to read;"
        " nobody can tell."
    )


def test_what_could_not_be_sent_yet(begin: Begin) -> None:
    course = begin()
    course.ends(*[BUSY] * 3)
    course.alert()
    story = course.explained()
    assert story.reasons == (f"{PHONE_1} is not texted yet: {BUSY.detail}.",)
    assert follows(story) == [f"12:00 {PHONE_1} is tried, if it is still needed"]


def test_a_page_that_is_just_being_sent(begin: Begin) -> None:
    course = begin()
    told: list[Explanation] = []
    course.instance.channels["sms"].on_send = lambda _: told.append(course.explained())
    course.alert()
    assert told[0].verdict == "Nobody has been texted."
    assert told[0].reasons == (f"{PHONE_1} is being texted since 12:00 UTC.",)
    words = "is given up by whoever sends it now, and looked at again"
    assert f"12:00 {PHONE_1} {words}" in follows(told[0])


def test_a_page_that_a_digest_has_taken_over_a_moment_ago(begin: Begin) -> None:
    course = begin()
    course.texts_of_others(5)
    key = course.alert().key
    seen = course.seen()
    ledger = seen.ledger.with_gathered("digest", (f"{key}/1/opened/sms/0/1",))
    course.store.commit(seen, course.clock.monotonic() + 30, ledger=ledger)
    story = course.explained()
    assert story.reasons == (f"{PHONE_1} waits no more: it is told in a text with others that is being sent.",)
    assert follows(story) == []


# Late


def test_a_page_that_was_stored_and_left_to_a_tick_that_came_late(begin: Begin) -> None:
    course = begin()
    course.store_only()
    course.minutes(5, ticks=False)
    course.tick()
    (reason,) = course.explained().reasons
    assert reason.endswith("; that is 5 min after it was owed, as the minute tick did not come in between.")


def test_a_page_that_took_many_tries(begin: Begin) -> None:
    course = begin()
    course.ends(*[BUSY] * 8)
    course.alert()
    course.minutes(20)
    (reason,) = course.explained().reasons
    assert reason.endswith("; that is 15 min after it was owed, as it took 9 tries.")


def test_a_climb_that_no_tick_has_done_in_time(begin: Begin) -> None:
    course = begin()
    course.alert("warning")
    course.minutes(35, ticks=False)
    course.tick()
    (reason,) = course.explained().reasons
    missing = "that was due at 12:20 UTC and came 15 min late, as the minute tick did not come in between"
    assert reason.endswith(f"; {missing}.")


def test_a_next_phone_that_no_tick_has_paged_in_time(begin: Begin) -> None:
    course = begin()
    course.alert()
    course.minutes(40, ticks=False)
    course.tick()
    late = "that was due at 12:15 UTC and came 25 min late, as the minute tick did not come in between"
    assert course.explained().reasons[1].endswith(f"; {late}.")


def test_a_phone_after_one_that_failed_is_not_late(begin: Begin) -> None:
    course = begin()
    course.alert()
    course.minutes(40, ticks=False)
    course.report(Progress.FAILED, trouble="30005: this number no longer exists")
    assert course.explained().reasons[1] == f"{PHONE_2} was texted at 12:40 UTC; whether it arrived is not known."


def test_what_was_raised_by_its_sender_is_not_late(begin: Begin) -> None:
    course = begin()
    course.alert("error")
    course.minutes(40, ticks=False)
    course.alert("critical")
    (reason,) = course.explained().reasons
    assert reason == f"{PHONE_1} was texted at 12:40 UTC; whether it arrived is not known."


def test_a_tick_a_minute_is_in_time(begin: Begin) -> None:
    course = begin()
    course.alert("warning")
    course.minutes(37)
    assert not [reason for reason in course.explained().reasons if "late" in reason or "after it was owed" in reason]


def test_what_was_stored_long_after_it_began_says_so(begin: Begin) -> None:
    course = begin()
    course.alert(started_at=NOON - timedelta(minutes=11))
    (caution,) = course.explained().cautions
    assert caution == (
        "It began at 11:49 UTC, says its sender, and was stored 11 min later: it was sent late, or the state store was"
        " out of reach."
    )


def test_a_store_that_was_out_of_reach_is_told(begin: Begin) -> None:
    course = begin()
    course.alert()
    seen = course.seen()
    course.store.commit(
        seen, course.clock.monotonic() + 30, ledger=seen.ledger.with_outage(course.clock.now(), (), course.clock.now())
    )
    (caution,) = course.explained().cautions
    assert caution.startswith("The state store was out of reach within the last hour")


@pytest.mark.parametrize(("minutes", "silent"), [(3, False), (4, True)])
def test_a_tick_that_stays_away_is_told(begin: Begin, minutes: int, *, silent: bool) -> None:
    course = begin()
    course.alert()
    course.minutes(minutes, ticks=False)
    words = "The minute tick has not been here since 12:00 UTC: what comes next waits for it, or for the next alert."
    assert course.explained().cautions == ((words,) if silent else ())


def test_a_tick_that_never_came_is_told_of_what_is_open_alone(tmp_path: Path) -> None:
    course = Course(tmp_path)
    course.alert()
    assert "The minute tick has never been here" in course.explained().cautions[0]
    course.close()
    assert course.explained().cautions == ()
    course.store.close()


# No page at all


@pytest.mark.parametrize(
    ("severity", "words"),
    [
        ("info", "this is info; below warning nothing climbs"),
        ("warning", "this is warning; it becomes critical at 12:20 UTC if nobody answers"),
        ("error", "this is error; it becomes critical at 12:20 UTC if nobody answers"),
    ],
)
def test_below_critical_nothing_is_texted(begin: Begin, severity: str, words: str) -> None:
    course = begin()
    course.alert(severity)
    assert course.explained().reasons == (f"No text: texts go out at critical alone, and {words}.",)


def test_each_step_is_announced_with_the_channels_it_reaches(begin: Begin) -> None:
    course = begin()
    course.alert("warning")
    assert follows(course.explained()) == [
        "12:10 it is treated as error: email is told",
        "12:20 it is treated as critical: phone 1 is texted",
    ]
    course.minutes(11)
    assert follows(course.explained()) == ["12:20 it is treated as critical: phone 1 is texted"]


def test_what_was_answered_below_critical(begin: Begin) -> None:
    course = begin()
    course.alert("error")
    course.minutes(3)
    course.answer()
    assert course.explained().reasons == (
        "No text: texts go out at critical alone, and this is error; Ana acknowledged it at 12:03 UTC.",
    )


def test_what_was_over_below_critical(begin: Begin) -> None:
    course = begin()
    course.alert("error")
    course.close()
    story = course.explained()
    assert story.reasons == (
        "No text: texts go out at critical alone, and this is error; it was over before it could become that.",
    )
    assert follows(story) == ["12:00 it is forgotten, 14 d after its end"]


def test_a_policy_that_does_not_climb_to_critical(begin: Begin) -> None:
    text = (Path(__file__).parents[2] / "policy.toml").read_text("utf-8").replace('critical = "20m"', "#")
    course = begin(parse_policy(text).deployed(ALL_CHANNELS, texting(2)))
    course.alert("error")
    assert course.explained().reasons[0].endswith("this is error; nothing climbs to critical under this policy.")


def test_what_nobody_can_close_does_not_climb(begin: Begin) -> None:
    course = begin()
    key = course.alert("error", "", one_off=True).key
    assert course.explained_key(key).reasons[0].endswith("this is error; what nobody can close does not climb.")


def test_texts_that_are_not_configured(begin: Begin) -> None:
    course = begin(NO_TEXTS)
    course.alert()
    assert course.explained().reasons == (
        "No text: texts are not configured in these settings, or no severity of the policy reaches them.",
    )


def test_texts_that_were_not_configured_then(begin: Begin) -> None:
    course = begin(NO_TEXTS)
    course.alert()
    with_texts = SHIPPED.deployed(ALL_CHANNELS, texting(2))
    assert course.explained(policy=with_texts).reasons == (
        "No text: no page was owed, as texts were not configured when it became critical.",
    )


def test_a_test_notification(begin: Begin) -> None:
    course = begin()
    key = course.alert(test=True).key
    story = course.explained_key(key)
    assert story.reasons == ("No text: a test notification is never texted.",)
    assert story.cautions == ()


def test_what_was_closed_before_it_was_opened(begin: Begin) -> None:
    course = begin()
    course.close()
    assert course.explained().reasons == ("No text: it was over before we heard that it had begun.",)


def test_an_earlier_generation_is_told_to_be_gone(begin: Begin) -> None:
    course = begin()
    course.alert()
    course.close()
    course.minutes(1)
    course.alert()
    assert course.explained().cautions == (
        "It was opened 2 times; of those before only what they led to here is known.",
    )


def test_another_day_is_told_with_its_date(begin: Begin) -> None:
    course = begin()
    course.alert()
    course.clock.pass_time(days=1)
    assert course.explained().verdict == f"Texted: {PHONE_1} at 2026-01-31 12:00 UTC."


def test_a_phone_that_left_the_list_goes_by_its_place(begin: Begin) -> None:
    course = begin()
    course.alert()
    seen = course.seen()
    assert seen.incident is not None
    story = explain(seen.incident, seen.ledger, course.policy, course.clock.now())
    assert story.verdict == "Texted: phone 1 at 12:00 UTC."


def test_an_incident_without_end_ends_by_itself(begin: Begin) -> None:
    course = begin()
    course.alert()
    last = course.explained().follows[-1]
    assert last.at == NOON + timedelta(days=8)
    assert last.text == "it ends by itself, if its sender says nothing of it for 8 d"
