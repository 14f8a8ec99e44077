"""What goes wrong, how often, and how often it did: a fault that was never hit proves nothing."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec


class Rates(msgspec.Struct, frozen=True):
    """How likely each fault is at each touch that can have it."""

    read: dict[str, float]
    commit: dict[str, float]
    text: dict[str, float]
    list_texts: dict[str, float]
    free: dict[str, float]
    report: dict[str, float]
    request: dict[str, float]


HEALTHY = Rates(read={}, commit={}, text={}, list_texts={}, free={}, report={}, request={})
ROUGH = Rates(
    read={"read lost": 0.01, "read slow": 0.02},
    commit={
        "conflict": 0.02,
        "commit lost": 0.01,
        "commit done, answer lost": 0.015,
        "commit done, sent again by the library": 0.015,
        "commit slow": 0.02,
    },
    text={
        "refused": 0.03,
        "429": 0.04,
        "taken, answer lost": 0.07,
        "not taken, answer lost": 0.05,
        "taken late": 0.05,
        "slow": 0.04,
        "stalled past the deadline": 0.03,
    },
    list_texts={"list refused": 0.05, "list slow": 0.03},
    free={
        "post refused": 0.01,
        "post 429": 0.05,
        "posted, answer lost": 0.03,
        "not posted, answer lost": 0.03,
        "post stalled past the deadline": 0.01,
    },
    report={"report lost": 0.08, "report late": 0.1, "report twice": 0.1, "report before the answer": 0.05},
    request={"crash": 0.05, "channel to the store dead for 90 s": 0.02},
)
"""Far worse than any real day: the runs are short, and each fault has to meet each step of the road."""


class Faults:
    """Draws faults for one run, and counts what it drew."""

    def __init__(self, rates: Rates, hits: Counter[str]) -> None:
        self.rates = rates
        self.hits = hits

    def draw(self, random: Random, rates: dict[str, float]) -> str:
        """One of `rates`, or none (empty)."""
        if not rates:
            return ""
        point = random.random()
        for name, rate in rates.items():
            point -= rate
            if point < 0:
                self.hits[name] += 1
                return name
        return ""

    def hit(self, name: str) -> None:
        """Count a fault that the world made by itself."""
        self.hits[name] += 1
