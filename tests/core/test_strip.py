"""Where a moment stands on a drawn timeline, on the narrowest screen too."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.strip import NUDGES, Label, Stretch, Strip, strip
from notifier.core.timeline import LANES, Mark, Moment
from tests.builders import NOON

PLOT_PIXELS, CHARACTER_PIXELS = 165, 6.5
"""What is left of 320 px beside the names of the lanes, and what a digit of a label takes there."""


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def moment(minutes: float, mark: Mark = Mark.SLACK, lane: str = "slack") -> Moment:
    return Moment(at=at(minutes), lane=lane, mark=mark, words="told")


OPENED = moment(0, Mark.OPENED, "state")


def acknowledged(minutes: float) -> Moment:
    return moment(minutes, Mark.ACKNOWLEDGED, "state")


def over(minutes: float) -> Moment:
    return moment(minutes, Mark.RESOLVED, "state")


def xs(drawn: Strip) -> list[float]:
    return sorted(placed.x for lane in drawn.lanes for placed in lane.marks)


def test_it_begins_at_the_left_and_ends_at_the_right() -> None:
    first, _, last = xs(strip([OPENED, moment(5), over(9)], at(60)))
    assert (first, last) == (0, 100)


def test_while_it_is_not_over_the_right_end_is_now() -> None:
    drawn = strip([OPENED, moment(10)], at(20))
    assert drawn.goes_on
    assert xs(drawn) == [0, pytest.approx(50)]
    assert drawn.labels[-1] == Label(100, "now", "end")


def test_what_has_just_begun_has_its_bar() -> None:
    drawn = strip([OPENED], at(0.01))
    assert drawn.stretches == (Stretch(0, 100, answered=False),)
    assert [label.words for label in drawn.labels] == ["12:00", "now"]


def test_a_long_wait_is_drawn_shorter_and_still_wider_than_a_short_one() -> None:
    _, first, _ = xs(strip([OPENED, moment(1), over(1 + 8 * 1_440)], at(20_000)))
    assert 8 < first < 50


def test_what_one_request_did_stands_at_one_place() -> None:
    drawn = strip([OPENED, moment(0.05), moment(0.05, Mark.EMAIL, "email")], at(30))
    assert xs(drawn) == [0, 0, 0]


def test_marks_of_one_lane_at_one_place_stand_beside_each_other() -> None:
    drawn = strip([OPENED, *[moment(0)] * 5], at(30))
    (lane,) = [lane for lane in drawn.lanes if lane.name == "slack"]
    assert [placed.nudge for placed in lane.marks] == [0, 1, 2, 2, 2]
    assert max(placed.nudge for placed in lane.marks) < NUDGES


def test_a_channel_that_was_told_nothing_has_no_lane() -> None:
    assert [lane.name for lane in strip([OPENED, moment(1)], at(5)).lanes] == ["state", "slack"]


def test_the_bar_changes_where_somebody_answered() -> None:
    drawn = strip([OPENED, acknowledged(10), over(20)], at(60))
    first, second = drawn.stretches
    assert first == Stretch(0, second.x, answered=False)
    assert (round(second.x), round(second.width), second.answered) == (50, 50, True)
    assert not drawn.goes_on


def test_what_is_over_at_once_is_drawn_all_the_same() -> None:
    drawn = strip([OPENED, over(0)], at(60))
    assert [label.words for label in drawn.labels] == ["12:00"]
    assert drawn.stretches == ()


def test_another_day_is_named_once() -> None:
    words = [label.words for label in strip([OPENED, over(60)], at(2_000)).labels]
    assert words == ["31 Jan 12:00", "31 Jan 13:00"]


gaps = st.lists(st.sampled_from([0.0, 0.01, 0.2, 1, 5, 15, 60, 1_440, 12_000]), max_size=12)
marks = st.sampled_from([(Mark.SLACK, "slack"), (Mark.SMS, "sms"), (Mark.FAILED, "sms"), (Mark.EMAIL, "email")])


@given(gaps, st.lists(marks, min_size=12, max_size=12), st.booleans(), st.sampled_from([0.0, 3, 5_000]))
def test_whatever_happened_time_runs_to_the_right_and_no_label_covers_another(
    waits: list[float],
    kinds: list[tuple[Mark, str]],
    ends: bool,  # noqa: FBT001 - drawn
    later: float,
) -> None:
    now, moments = 0.0, [OPENED]
    for wait, (mark, lane) in zip(waits, kinds, strict=False):
        now += wait
        moments.append(moment(now, mark, lane))
    if ends:
        moments.append(over(now))
    drawn = strip(moments, at(now + later))
    placed = sorted((mark.moment.at, mark.x) for lane in drawn.lanes for mark in lane.marks)
    assert len(placed) == len(moments)
    assert all(0 <= x <= 100.0001 for _, x in placed)
    assert [x for _, x in placed] == sorted(x for _, x in placed)
    assert [lane.name for lane in drawn.lanes] == [name for name in LANES if name in {one.lane for one in moments}]
    spans = [span(label) for label in drawn.labels]
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert spans[0][0] >= 0
    assert spans[-1][1] <= PLOT_PIXELS + 1


def span(label: Label) -> tuple[float, float]:
    """From where to where its words go, in pixels."""
    width, x = len(label.words) * CHARACTER_PIXELS, label.x * PLOT_PIXELS / 100
    begin = {"start": x, "middle": x - width / 2, "end": x - width}[label.anchor]
    return begin, begin + width
