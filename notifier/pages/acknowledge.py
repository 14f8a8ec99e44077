"""The page behind an acknowledge link: what it is about, and one button. Opening it changes nothing."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path

import jinja2

from notifier.core.alert import Severity
from notifier.core.incident import Incident, IncidentState
from notifier.core.wording import clock_time, duration

NAME_CHARACTERS = 60

SECURITY_HEADERS = {
    # Its own form is all it may do: nothing is loaded, and no other page may frame it to catch a click.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # The link is what lets one answer: it goes to nobody else.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def page_of(incident: Incident, generation: int, now: datetime, *, done: bool = False) -> str:
    """The page for the link of one generation of an incident. `done`: it was acknowledged by this very request."""
    earlier = generation != incident.generation
    words = _earlier(incident) if earlier else _words(incident, now, done=done)
    return _render(
        incident=incident,
        heading=words[0],
        words=words[1],
        can_answer=not earlier and incident.state is IncidentState.OPEN,
        colour="over" if incident.state is not IncidentState.OPEN or earlier else incident.effective.value,
        since=f"{incident.started_at or incident.opened_at:%Y-%m-%d %H:%M} UTC",
    )


def no_such_link() -> str:
    """For a link we never made, or whose incident is deleted by now."""
    return _render(
        heading="No such link",
        words="This link is not one of ours, or what it was about has been deleted. Nothing was changed.",
        colour="over",
    )


def not_reachable(seconds: int) -> str:
    """For a store that does not answer."""
    return _render(
        heading="Not acknowledged",
        words=f"The state of this incident cannot be reached just now. Try again in {seconds} seconds.",
        colour=Severity.CRITICAL.value,
    )


def _words(incident: Incident, now: datetime, *, done: bool) -> tuple[str, str]:
    if incident.state is IncidentState.ACKNOWLEDGED:
        at = clock_time(incident.acknowledged_at or incident.opened_at)
        who = f"{incident.acknowledged_by} at {at}"
        heading = "Acknowledged" if done else "Already acknowledged"
        return heading, f"By {who}. Nobody is paged for it any more. It stays open until its sender says it is over."
    if incident.state is IncidentState.RESOLVED:
        ago = duration(now - (incident.resolved_at or incident.opened_at))
        how = "Nobody said anything of it for days" if incident.expired else "It was over"
        return "Resolved", f"{how}, {ago} ago. There is nothing to acknowledge, and nobody is paged for it."
    if incident.state is IncidentState.TEST:
        return "A test", "Nobody is paged for a test, and there is nothing to acknowledge."
    return incident.effective.value.upper(), "Whoever acknowledges it is on it: nobody else is paged for it any more."


def _earlier(incident: Incident) -> tuple[str, str]:
    words = (
        "What this link was about is over, and nothing was changed. The same alert came again since,"
        f" as #{incident.ref}, which is {incident.state.value}: use the link of that message."
    )
    return "An earlier one", words


def _render(**values: object) -> str:
    return _template().render(name_characters=NAME_CHARACTERS, **values)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("acknowledge.html")
