"""The state: that it can be written and read; the tick: that it comes; and that the address answers."""

from __future__ import annotations

from notifier.channels.wire import Wire
from notifier.core.moments import OVERDUE
from notifier.core.outcome import Outcome
from notifier.core.wording import duration
from notifier.ports import Clock, ProvableStore, StoreError
from notifier.probes.probe import Probe, Shown, failed, proven, unanswered

NO_INCIDENT = "0" * 32
_OK = 200


def state(store: ProvableStore) -> Probe:
    """A document of its own is written, read and deleted: no incident is touched."""

    def prove(deadline: float) -> Shown:
        try:
            store.prove(deadline)
        except StoreError as error:
            return failed(str(error))
        return proven("a document of its own was written, read and deleted")

    return Probe("state", prove)


def tick(store: ProvableStore, clock: Clock) -> Probe:
    """When it was last through: without it nothing climbs, and nothing is tried again."""

    def look(deadline: float) -> Shown:
        try:
            last = store.gather(NO_INCIDENT, deadline).last_tick
        except StoreError as error:
            return failed(str(error))
        if last is None:
            return failed("it has never been here: run deploy.sh, which makes the Cloud Scheduler job, and resume that")
        ago = clock.now() - last
        words = f"last through at {last:%Y-%m-%d %H:%M} UTC, {duration(ago)} ago"
        if ago >= OVERDUE:
            return failed(
                f"{words}, and it should come every minute: see the job in Cloud Scheduler, and its last answer"
            )
        return proven(words)

    return Probe("tick", look)


def address(wire: Wire, public_url: str) -> Probe:
    """Whether the function answers where everybody calls it."""

    def ask(deadline: float) -> Shown:
        answer = wire.get(f"{public_url}/health", deadline=deadline, headers={"Accept": "*/*"})
        if isinstance(answer, Outcome):
            return unanswered(answer, "PUBLIC_URL")
        if answer.status != _OK:
            return failed(
                f"{answer.host} answered {answer.status} to GET /health; check PUBLIC_URL, and that it is deployed"
            )
        return proven(f"{answer.host} answers")

    return Probe("address", ask)
