"""The status page and its sign-in: drawn only. What is shown, in which order and where, the core decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import msgspec

from notifier.core.incident import IncidentState
from notifier.core.status import Shown, Spent, Status, tick_words
from notifier.core.strip import Strip, strip
from notifier.core.timeline import STATE_LANE, Mark, Moment
from notifier.core.window import Quarter, Window, quarters, rows_of
from notifier.core.wording import CHANNEL_NAMES, clock_beside, duration, some
from notifier.pages.frame import render

_LEGEND = {
    Mark.OPENED: "opened",
    Mark.SLACK: "Slack told",
    Mark.DISCORD: "Discord told",
    Mark.EMAIL: "mailed",
    Mark.SMS: "texted",
    Mark.OWED: "not sure yet",
    Mark.CAPPED: "held back by the cap",
    Mark.FAILED: "failed",
    Mark.ACKNOWLEDGED: "acknowledged",
    Mark.RESOLVED: "over",
}
_THINNEST = 1.5
"""Percent of the drawing: a text that has just been sent is seen as well."""
_LANE_NAMES = CHANNEL_NAMES | {STATE_LANE: ""}


class Told(Enum):
    """Why the sign-in form is shown again."""

    WRONG = "That is not ADMIN_TOKEN. Nothing was shown to anybody, and the log says that somebody tried."
    NOT_WHOLE = "The form did not reach us whole: a weak connection, perhaps. Try again."
    OTHER_SITE = "The form came from another site, and was not heeded. Sign in here."


class _Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as the template takes it."""

    ref: str
    state: IncidentState
    title: str
    url: str
    severity: str
    colour: str
    heading: str
    fact: str
    follows: str
    timeline: tuple[Moment, ...]
    strip: Strip


class _Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One text of the window; x and width in percent, the rest in pixels."""

    x: float
    width: float
    y: float
    height: float
    words: str


class _Chart(msgspec.Struct, frozen=True, kw_only=True):
    """The window; all but what lies in time in pixels."""

    top: float
    bottom: float
    height: float
    cap_y: float
    kept_y: float
    kept_height: float
    bars: tuple[_Bar, ...]
    quarters: tuple[Quarter, ...]


def page_of(status: Status, *, can_sign_out: bool) -> str:
    """The page. `can_sign_out`: it is shown for a cookie, not for a password that the browser sends each time."""
    return render(
        "status.html",
        status=status,
        heading=_heading(status),
        unresolved=[_drawn(one, status.at) for one in status.unresolved],
        ended=[_drawn(one, status.at) for one in status.ended],
        chart=_chart(status.window, status.at),
        tick=tick_words(status),
        months=[(_name(one), _spent(one)) for one in status.months],
        told_on=_names(status.channels),
        not_used=_names(status.not_used),
        legend=[(mark.value, words) for mark, words in _LEGEND.items()],
        lane_names=_LANE_NAMES,
        can_sign_out=can_sign_out,
    )


def sign_in(told: Told | None = None) -> str:
    """The form that asks for the token."""
    return render(
        "sign_in.html",
        heading="Pager status",
        colour="info",
        trouble=told.value if told else "",
        words="What is open and who was told is shown to whoever has the pager's ADMIN_TOKEN.",
        asks_for_token=True,
    )


def no_admin_token() -> str:
    """For a pager without ADMIN_TOKEN: nobody may see anything."""
    return render(
        "sign_in.html",
        heading="No status page",
        colour="soft",
        words="This pager has no ADMIN_TOKEN, so nobody may see its status. Set it in .env.yaml, and deploy again.",
    )


def not_reachable(why: str, seconds: int) -> str:
    """For a store that does not answer, or whose ledger cannot be read. `why` holds no secret."""
    return render(
        "sign_in.html",
        heading="Not reachable",
        colour="critical",
        trouble=f"The pager cannot read its store: {why}",
        words=(
            "What is open cannot be shown. New alerts are still told, and texted within a bound, but only the log"
            f" remembers them. Try again in {seconds} seconds."
        ),
        button="Try again",
    )


def _heading(status: Status) -> str:
    answered = len(status.unresolved) + status.unresolved_left_out - status.unanswered
    if not status.unresolved:
        return "Nothing is open"
    return f"{status.unanswered} open" + (f", {answered} acknowledged" if answered else "")


def _drawn(one: Shown, now: datetime) -> _Drawn:
    over = one.state is not IncidentState.OPEN
    return _Drawn(
        ref=one.ref,
        state=one.state,
        title=one.title,
        url=one.url,
        severity=one.effective.value,
        colour="over" if over else one.effective.value,
        heading=f"{one.effective.value.upper()}{f' {one.state.value}' if over else ''}",
        fact=_fact(one, now),
        follows=one.follows,
        timeline=one.timeline,
        strip=strip(one.timeline, now),
    )


def _fact(one: Shown, now: datetime) -> str:
    raised = f"{one.severity.value} at first, " if one.effective is not one.severity else ""
    answers = [moment.words for moment in one.timeline if moment.mark in (Mark.ACKNOWLEDGED, Mark.RESOLVED)]
    since = f"since {clock_beside(one.since, now)} UTC"
    lasts = [] if one.state is IncidentState.RESOLVED else [duration(now - one.since)]
    return raised + ", ".join([since, *lasts, *answers])


def _chart(window: Window, now: datetime) -> _Chart:
    rows = max(window.cap, window.taken)
    row = min(max(120 / rows, 6), 22)
    top = 20.0
    bottom = top + rows * row
    return _Chart(
        top=top,
        bottom=bottom,
        height=bottom + 18,
        cap_y=bottom - window.cap * row,
        kept_y=bottom - window.cap * row,
        kept_height=window.reserved * row,
        bars=tuple(
            _Bar(
                x=(x := min(one.x, 100 - _THINNEST)),
                width=100 - x,
                y=bottom - (one.row + 1) * row + 1,
                height=row - 2,
                words=f"{one.text.at:%H:%M} {one.text.what}",
            )
            for one in rows_of(window, now)
        ),
        quarters=quarters(now),
    )


def _name(month: Spent) -> str:
    return f"Texts in {datetime.fromisoformat(f'{month.month}-01'):%B}"


def _spent(month: Spent) -> str:
    return f"{some(month.texts, 'text')}, {some(month.segments, 'segment')}, about ${month.usd:.2f}"


def _names(channels: Sequence[str]) -> str:
    return ", ".join(CHANNEL_NAMES[name] for name in channels)
