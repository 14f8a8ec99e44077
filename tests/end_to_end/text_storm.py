"""Many critical incidents at once: a few texts, the others said on free channels, one text for all when there is room.

`python -m tests.end_to_end.text_storm` lets 30 happen under a cap of 5, with a real process, Google's Firestore
emulator and the fake Twilio, and prints what came of it. The hour until there is room is made to have passed
(`Pager.pass_time`), a quarter and a tick at a time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.end_to_end.pager import AT_ONCE, Pager, Told, pager
from tests.end_to_end.twilio_api import PHONES
from tests.firestore_emulator import any_emulator

INCIDENTS = 30
LATENCY = 0.15
"""Seconds; Slack takes about twice as long for a post."""
PRICE = "0.05"
QUARTER = 900
"""Seconds; an unanswered page goes to the next phone after so many, by the shipped policy."""
ROOM_AFTER = 3_700
"""Seconds; by then the window has room again."""


@dataclass
class Figures:
    """What came of it."""

    posted_in: float = 0
    """Seconds for all the alerts."""
    texts: list[str] = field(default_factory=list)
    """Of the storm itself."""
    told_on_slack: int = 0
    """How many incidents' words are there, texted or not."""
    told_by_email: int = 0
    not_texted_on_slack: int = 0
    """How many incidents are said there not to be texted."""
    not_texted_by_email: int = 0
    status: str = ""
    """The answer to `status` then."""
    texts_in_the_hour: list[str] = field(default_factory=list)
    """Until the window has room."""
    digests: list[str] = field(default_factory=list)
    """Texts of the tick after that."""
    digest_tick: float = 0
    """Seconds it took."""
    ack: str = ""
    """The answer to `ack`."""
    ack_in: float = 0
    """Seconds until it came."""
    acknowledged: int = 0
    heard_at_once: int = 0
    """How many of the acknowledgements Slack has by then; the next tick says the others."""
    heard_on_slack: int = 0
    heard_by_email: int = 0
    status_at_last: str = ""
    texts_afterwards: list[str] = field(default_factory=list)
    """In another hour."""

    def __str__(self) -> str:
        return "\n".join(f"{name:20} {_shown(value)}" for name, value in vars(self).items())


class Storm:
    """One storm, phase by phase."""

    def __init__(self, ours: Pager) -> None:
        self.figures = Figures()
        self._pager = ours
        self._told: list[Told] = []
        self._texts = 0

    def run(self, incidents: int) -> Figures:
        figures = self.figures
        figures.posted_in = _seconds(partial(self._break_out, incidents))
        figures.texts = self._new_texts()
        figures.told_on_slack = self._count(lambda one: f"CRITICAL: {one.title}" in one.posts)
        figures.told_by_email = self._count(lambda one: f"CRITICAL: {one.title}" in one.mails)
        figures.not_texted_on_slack = self._count(lambda one: _is_not_texted(one, one.posts))
        figures.not_texted_by_email = self._count(lambda one: _is_not_texted(one, one.mails))
        figures.status = self._ask("status")
        self._pass_quarters(ROOM_AFTER)
        figures.texts_in_the_hour = self._new_texts()
        figures.digest_tick = _seconds(self._pager.tick)
        figures.digests = self._new_texts()
        figures.ack_in = _seconds(self._acknowledge)
        figures.acknowledged = self._count(lambda one: one.state == "acknowledged")
        figures.heard_at_once = self._count(lambda one: _is_acknowledged(one.posts))
        self._pager.tick()
        figures.heard_on_slack = self._count(lambda one: _is_acknowledged(one.posts))
        figures.heard_by_email = self._count(lambda one: _is_acknowledged(one.mails))
        figures.status_at_last = self._ask("status")
        self._pass_quarters(ROOM_AFTER)
        self._pager.tick()
        figures.texts_afterwards = self._new_texts()
        return figures

    def _break_out(self, incidents: int) -> None:
        with ThreadPoolExecutor(AT_ONCE) as senders:
            self._told = list(senders.map(self._pager.alert, [f"db-{number}" for number in range(1, incidents + 1)]))

    def _acknowledge(self) -> None:
        self.figures.ack = self._ask("ack")

    def _ask(self, words: str) -> str:
        reply = self._pager.twilio.receive(PHONES[0], words)
        return " | ".join(reply.texts) or f"no answer: {reply}"

    def _pass_quarters(self, seconds: int) -> None:
        """Let the time pass, with a tick whenever somebody may be due; at its end the tick is still to come."""
        for _ in range(seconds // QUARTER):
            self._pager.pass_time(QUARTER)
            self._pager.tick()
        self._pager.pass_time(seconds % QUARTER)

    def _new_texts(self) -> list[str]:
        """Since it was last asked."""
        self._pager.twilio.rest()
        bodies = [text.body for text in self._pager.twilio.texts][self._texts :]
        self._texts += len(bodies)
        return bodies

    def _count(self, what: Callable[[Told], bool]) -> int:
        return sum(map(what, self._told))


def _shown(value: str | float | list[str]) -> str:
    if isinstance(value, list):
        return "".join((str(len(value)), *(f"\n    {one}" for one in value)))
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _seconds(what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


def _is_not_texted(one: Told, lines: list[str]) -> bool:
    return any(f"not texted: CRITICAL: {one.title};" in line for line in lines)


def _is_acknowledged(lines: list[str]) -> bool:
    return sum(line.startswith("ACKNOWLEDGED by phone 1, by text at ") for line in lines) == 1


def storm(host: str, folder: Path, *, incidents: int = INCIDENTS, latency: float = LATENCY) -> Figures:
    """`latency`: seconds a provider takes before it has a message, and again before it answers."""
    with pager(host, folder, {"SMS_PRICE": PRICE}, {}) as ours:
        ours.providers.set_latency(partial(float, latency))
        return Storm(ours).run(incidents)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=int, default=INCIDENTS, help=f"(default: {INCIDENTS})")
    parser.add_argument("--latency", type=float, default=LATENCY, help=f"seconds, twice a message (default: {LATENCY})")
    asked = parser.parse_args()
    with any_emulator() as host, tempfile.TemporaryDirectory() as folder:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host
        figures = storm(host, Path(folder), incidents=asked.incidents, latency=asked.latency)
    sys.stdout.write(f"{figures}\n")


if __name__ == "__main__":
    main()
