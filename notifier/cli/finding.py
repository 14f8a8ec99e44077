"""The incidents that are in the state, and the one that somebody means."""

from __future__ import annotations

from notifier.cli.pager import deadlines, give_up, is_called, readable, state_in_words
from notifier.core.incident import KEEP_AFTER_END, Incident, ref_as_read, ref_of
from notifier.core.wording import duration
from notifier.wiring import App

MOST = 1_000
"""Ended ones that are looked at: each is a read."""
_REF_LENGTHS = (4, 5, 6)


def unresolved(app: App) -> list[Incident]:
    """What is open or acknowledged, the oldest first."""
    return readable(lambda: app.store.unresolved(deadlines(app).claim_by))


def ended(app: App) -> list[Incident]:
    """What has ended and is still kept, tests too; the one that began last first."""
    since = app.clock.now() - KEEP_AFTER_END
    return list(reversed(readable(lambda: app.store.ended_since(since, MOST, deadlines(app).claim_by))))


def find(app: App, which: str) -> Incident:
    """The incident that is called `which`, over or not; exits with 2 where there is none, or more than one."""
    known = [*unresolved(app), *ended(app)]
    called = [one for one in known if is_called(one, which)]
    if len(called) != 1:
        give_up(_why_none(which, called, known))
    return called[0]


def _why_none(which: str, called: list[Incident], known: list[Incident]) -> str:
    if called:
        lines = [f"  {one.key}  {one.state.value}  {one.title}" for one in called]
        return "\n".join([f"{which} may be any of these; give its key, which stands first:", *lines])
    if later := next((one for one in known if _was_called(one, which)), None):
        return (
            f"{which} was opened again since: only the last generation is kept, and that is #{later.ref}"
            f" ({later.title}); `python -m notifier explain {later.ref}` tells of it"
        )
    return (
        f"no incident is called {which} in {state_in_words()}: what is over is kept for {duration(KEEP_AFTER_END)}."
        " `python -m notifier incidents --all` lists what there is"
    )


def _was_called(incident: Incident, which: str) -> bool:
    """Whether an earlier generation of it had this ref."""
    ref = ref_as_read(which)
    earlier = range(1, incident.generation)
    return any(ref == ref_of(incident.key, number, length) for number in earlier for length in _REF_LENGTHS)
