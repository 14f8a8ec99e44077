"""What happens in one round, and when: the same to every pager that takes its turn in it."""

from __future__ import annotations

import random
from typing import NamedTuple

SINK_DOWN = 2.0
"""Seconds for which the sink answers 503, once a round."""
CALM = 3.0
"""Seconds at the beginning of a round in which nothing fails: what each does when all is well."""


class Window(NamedTuple):
    """A stretch of time."""

    begin: float
    end: float


class Plan(NamedTuple):
    """One round. All in seconds from its beginning."""

    fires: dict[str, float]
    """When each alert begins to fire, by its name."""
    kills: tuple[float, ...]
    sink_down: Window
    member: int
    """Which is killed, of a pager that has several: 0 is the oldest. In turns, so that as many rounds have each."""
    seconds: float


def plan(seed: int, alerts: int, seconds: float, kills: int) -> Plan:
    """A round at random moments; `seed` decides all of them. `seconds`: at least CALM and SINK_DOWN together."""
    chance = random.Random(seed)
    moments = sorted(chance.uniform(0, seconds) for _ in range(alerts))
    down = chance.uniform(CALM, seconds - SINK_DOWN)
    return Plan(
        fires={f"host-{seed}-{number}": moment for number, moment in enumerate(moments)},
        kills=tuple(sorted(chance.uniform(CALM, seconds) for _ in range(kills))),
        sink_down=Window(down, down + SINK_DOWN),
        member=seed % 2,
        seconds=seconds,
    )
