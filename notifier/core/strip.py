"""Where on a drawn timeline each moment of an incident stands, and which of them are labelled with their time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import log1p

import msgspec

from notifier.core.timeline import LANES, STATE_LANE, Mark, Moment
from notifier.core.wording import clock_beside

_INSTANT = timedelta(seconds=5)
"""Moments that lie no further apart are drawn at one place: what one request did."""
_LEAST_GAP = 0.5
"""Of the width that a doubled wait adds, what any wait has: two marks beside each other must be told apart."""
_CHARACTER = 4.0
"""What a character of a label takes on the narrowest screen (320 px), in percent of the strip's width."""
_BETWEEN_LABELS = 4.0
NUDGES = 3
"""How many marks of one lane are drawn beside each other at one place; of more the last ones lie on each other."""


class Placed(msgspec.Struct, frozen=True):
    """One moment on the strip."""

    x: float
    """Percent of the strip's width."""
    nudge: int
    """How many marks of its lane stand at this place before it, at most NUDGES - 1."""
    moment: Moment


class Lane(msgspec.Struct, frozen=True):
    """One line of the strip."""

    name: str
    marks: tuple[Placed, ...]


class Label(msgspec.Struct, frozen=True):
    """A time under the strip."""

    x: float
    words: str
    anchor: str
    """Which of its ends, or its middle, stands at `x`: start, middle or end, as in SVG."""


class Stretch(msgspec.Struct, frozen=True):
    """From when to when the incident was in one state, in percent of the width."""

    x: float
    width: float
    answered: bool


class Strip(msgspec.Struct, frozen=True):
    """A drawn timeline of one incident."""

    lanes: tuple[Lane, ...]
    labels: tuple[Label, ...]
    stretches: tuple[Stretch, ...]
    goes_on: bool
    """It is not over: the strip ends now."""


def strip(moments: Sequence[Moment], now: datetime) -> Strip:
    """Lay out a timeline (not empty, in order). Long waits are drawn shorter, so that what happened fits a phone.

    From left to right time never runs back, and the same wait has the same width wherever it is.
    """
    goes_on = all(moment.mark is not Mark.RESOLVED for moment in moments)
    places = _places([moment.at for moment in moments] + ([max(now, moments[-1].at)] if goes_on else []), ends=goes_on)
    xs = dict(zip((moment.at for moment in moments), places, strict=False))
    end = places[-1]
    lanes = [Lane(name, _marks(name, moments, places)) for name in LANES]
    return Strip(
        lanes=tuple(lane for lane in lanes if lane.marks),
        labels=_labels([moment.at for moment in moments], places, now, goes_on=goes_on),
        stretches=_stretches(moments, xs, end),
        goes_on=goes_on,
    )


def _places(times: Sequence[datetime], *, ends: bool) -> list[float]:
    """In percent, for each of the times. `ends`: the last one is the end of the strip, and a place of its own."""
    widths = [0.0]
    first = times[0]
    for number, at in enumerate(times[1:], 1):
        if at - first <= _INSTANT and not (ends and number == len(times) - 1):
            widths.append(widths[-1])
            continue
        widths.append(widths[-1] + _LEAST_GAP + log1p((at - first).total_seconds() / 60))
        first = at
    return [100 * width / (widths[-1] or 1) for width in widths]


def _marks(lane: str, moments: Sequence[Moment], places: Sequence[float]) -> tuple[Placed, ...]:
    marks: list[Placed] = []
    for moment, x in zip(moments, places, strict=False):
        if moment.lane == lane:
            before = sum(mark.x == x for mark in marks)
            marks.append(Placed(x, min(before, NUDGES - 1), moment))
    return tuple(marks)


def _labels(times: Sequence[datetime], places: Sequence[float], now: datetime, *, goes_on: bool) -> tuple[Label, ...]:
    """The first time and the end, and of those between as many as have room."""
    last = Label(100.0, "now", "end") if goes_on else Label(places[-1], clock_beside(times[-1], now), "end")
    labels = [Label(0.0, clock_beside(times[0], now), "start")]
    free_from, shown = _width(labels[0]) + _BETWEEN_LABELS, times[0]
    if last.x - _width(last) < free_from:
        # An end beside its beginning: one label is enough.
        return (*labels,)
    for at, x in zip(times, places, strict=False):
        label = Label(x, clock_beside(at, shown), "middle")
        half = _width(label) / 2
        if x - half >= free_from and x + half <= last.x - _width(last) - _BETWEEN_LABELS:
            labels.append(label)
            free_from, shown = x + half + _BETWEEN_LABELS, at
    return (*labels, last)


def _width(label: Label) -> float:
    return len(label.words) * _CHARACTER


def _stretches(moments: Sequence[Moment], xs: dict[datetime, float], end: float) -> tuple[Stretch, ...]:
    at = {moment.mark: xs[moment.at] for moment in moments if moment.lane == STATE_LANE}
    over = at.get(Mark.RESOLVED, end)
    answered = at.get(Mark.ACKNOWLEDGED, over)
    stretches = [Stretch(0.0, answered, answered=False), Stretch(answered, over - answered, answered=True)]
    return tuple(one for one in stretches if one.width > 0)
