"""Many messages told in a few."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.alert import Severity
from notifier.core.incident import Kind
from notifier.core.message import Message
from notifier.core.roundup import APART, MOST, as_one, in_posts


def a_message(number: int = 0, severity: Severity = Severity.WARNING, **fields: object) -> Message:
    given_fields: dict[str, object] = {
        "delivery": "opened/slack",
        "incident": f"{number:032x}",
        "generation": 1,
        "kind": Kind.OPENED,
        "severity": severity,
        "headline": f"{severity.value.upper()}: {number} is down",
        "ref": f"{number:04}",
        **fields,
    }
    return Message(**given_fields)  # type: ignore[arg-type]


def test_a_few_are_told_one_by_one() -> None:
    due = {(f"{number}", "opened/slack"): a_message(number) for number in range(APART)}
    assert in_posts(due, "slack") == [(name,) for name in due]


def test_one_more_than_a_few_are_told_in_one() -> None:
    due = {(f"{number}", "opened/slack"): a_message(number) for number in range(APART + 1)}
    assert in_posts(due, "slack") == [tuple(due)]


@given(st.lists(st.sampled_from(Severity), max_size=250), st.sampled_from(sorted(MOST)))
def test_each_is_told_in_just_one_post_the_loudest_first_and_then_in_the_order_given(
    severities: list[Severity], channel: str
) -> None:
    due = {(f"{place}", "opened/slack"): a_message(place, severity) for place, severity in enumerate(severities)}
    posts = in_posts(due, channel)
    assert all(0 < len(names) <= MOST[channel] for names in posts)
    told = [(due[name].severity, -int(name[0])) for names in posts for name in names]
    assert told == sorted(told, reverse=True)
    assert len(told) == len(due)


def test_of_one_it_is_that_itself() -> None:
    assert as_one([a_message()]) == a_message()


def test_several_are_counted_by_what_they_say() -> None:
    messages = [
        a_message(1, Severity.CRITICAL),
        a_message(2, Severity.CRITICAL, kind=Kind.ESCALATED),
        a_message(3, Severity.CRITICAL, kind=Kind.NOTICE),
        a_message(4),
        a_message(5, Severity.INFO, kind=Kind.RESOLVED),
        a_message(6, Severity.INFO, kind=Kind.ACKNOWLEDGED),
    ]
    assert as_one(messages).headline == "6 alerts: 2 critical, 1 notice, 1 warning, 1 resolved, 1 acknowledged"


def test_it_is_as_severe_as_the_worst_of_them() -> None:
    messages = [a_message(1), a_message(2, Severity.ERROR), a_message(3, Severity.INFO)]
    assert as_one(messages).severity is Severity.ERROR


def test_it_holds_each_of_them_with_its_link() -> None:
    messages = [a_message(number, acknowledge_url=f"https://pager.example/a/{number}") for number in range(3)]
    assert as_one(messages).roundup == tuple(messages)


def test_a_long_title_is_cut_so_that_all_have_room() -> None:
    long = a_message(1, headline="WARNING: " + "x" * 500)
    assert [len(one.headline) for one in as_one([long, a_message(2)]).roundup] == [100, 18]


def test_told_again_it_is_the_same_message_and_of_others_another() -> None:
    first, second, third = (a_message(number) for number in range(3))
    again = msgspec.structs.replace(first, headline="WARNING unanswered 20 min: 0 is down")
    assert as_one([first, second]).incident == as_one([again, second]).incident
    assert as_one([first, second]).incident != as_one([first, third]).incident
