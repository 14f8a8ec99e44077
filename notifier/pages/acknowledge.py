"""The page behind an acknowledge link: what it is about, and one button. Opening it changes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from notifier.core.alert import Severity
from notifier.core.coming import what_follows
from notifier.core.incident import Incident, IncidentState, ref_of
from notifier.core.policy import Policy
from notifier.core.wording import clock_beside, clock_time, duration
from notifier.pages.frame import render

NAME_CHARACTERS = 60
_WHAT_THE_BUTTON_DOES = "Whoever acknowledges it is on it: then nobody else is paged for it."


def page_of(incident: Incident, generation: int, policy: Policy, now: datetime, *, done: bool = False) -> str:
    """The page for the link of one generation of an incident. `done`: it was acknowledged by this very request."""
    if generation != incident.generation:
        return _earlier(incident, generation)
    began = incident.started_at or incident.opened_at
    facts = [f"since {clock_beside(began, now)} UTC, {_ago(began, now)}"]
    if incident.acknowledged_at is not None:
        facts.append(f"acknowledged at {clock_time(incident.acknowledged_at)}, {_ago(incident.acknowledged_at, now)}")
        facts.append(f"by {incident.acknowledged_by}")
    if incident.resolved_at is not None:
        facts.append(f"ended at {clock_time(incident.resolved_at)}, {_ago(incident.resolved_at, now)}")
    if incident.state is IncidentState.OPEN:
        return _render(
            incident=incident,
            ref=incident.ref,
            heading=incident.effective.value.upper(),
            colour=incident.effective.value,
            facts=facts,
            words=f"{what_follows(incident, policy)} {_WHAT_THE_BUTTON_DOES}",
            button=f"Acknowledge #{incident.ref}",
        )
    heading, words = _answered(incident, done=done)
    return _render(incident=incident, ref=incident.ref, heading=heading, colour="over", facts=facts, words=words)


def no_such_link() -> str:
    """For a link we never made, or whose incident is deleted by now."""
    return _render(
        heading="No such link",
        colour="soft",
        words=(
            "This link was not copied whole, is not one of ours, or what it was about was deleted, some time after it"
            " was over. Nothing was changed. Try the link of the newest message."
        ),
    )


def not_reachable(seconds: int, *, name: str | None) -> str:
    """For a store that does not answer. `name`: as it was given with an answer; None when only the page was asked for.

    The answer may be stored all the same: nobody can tell.
    """
    if name is None:
        return _render(
            heading="Not reachable",
            colour=Severity.CRITICAL.value,
            words=(
                "The pager cannot read what this link is about, as its store does not answer. Nothing was changed."
                f" Try again in {seconds} seconds."
            ),
            button="Try again",
            method="get",
        )
    return _render(
        heading="Perhaps not acknowledged",
        colour=Severity.CRITICAL.value,
        words=(
            "The pager's store does not answer, so nobody can tell whether your answer was kept. Until it is, others"
            f" are still paged. Try again in {seconds} seconds; twice does no harm."
        ),
        button="Acknowledge",
        name=name,
    )


def not_understood() -> str:
    """For a form that was too large, or did not come in time."""
    return _render(
        heading="Not acknowledged",
        colour=Severity.CRITICAL.value,
        words="Your answer did not reach us whole: a weak connection, perhaps. Nothing was changed. Try again.",
        button="Acknowledge",
    )


def _answered(incident: Incident, *, done: bool) -> tuple[str, str]:
    """Heading and words for what cannot be acknowledged any more."""
    if incident.state is IncidentState.ACKNOWLEDGED:
        heading = "Acknowledged" if done else "Already acknowledged"
        ends = "" if incident.one_off else " It stays open until its sender says that it is over."
        return heading, f"Nobody is paged for it any more.{ends}"
    if incident.state is IncidentState.TEST:
        return "A test", "Nobody is paged for a test, and there is nothing to acknowledge."
    if incident.expired:
        words = "For days nothing was said of it, also not that it is over: see whether it is."
        return "Expired", f"{words} There is nothing to acknowledge any more."
    return "Resolved", "It is over: there is nothing to acknowledge any more, and nobody is paged for it."


def _earlier(incident: Incident, generation: int) -> str:
    words = (
        f"What this link was about is over, and nothing was changed. The same alert came again as #{incident.ref},"
        f" which is {incident.state.value}: look for that message, and use its link."
    )
    ref = ref_of(incident.key, generation)
    colour = incident.effective.value if incident.state is IncidentState.OPEN else "over"
    return _render(incident=incident, ref=ref, heading="Over, and back", colour=colour, words=words)


def _ago(moment: datetime, now: datetime) -> str:
    return "just now" if now - moment < timedelta(minutes=1) else f"{duration(now - moment)} ago"


def _render(**values: object) -> str:
    return render("acknowledge.html", **{"method": "post", "name_characters": NAME_CHARACTERS} | values)
