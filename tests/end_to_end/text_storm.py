"""Many critical incidents at once: a few texts, the rest said on free channels, and one text for all when there is room.

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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.end_to_end.pager import Pager, Told, pager
from tests.end_to_end.twilio_api import PHONES, Text
from tests.firestore_emulator import any_emulator

INCIDENTS = 30
PRICE = "0.05"
QUARTER = 900
"""Seconds; an unanswered page goes to the next phone after so many, by the shipped policy."""
ROOM_AGAIN = 3 * QUARTER + 1_000
"""Seconds after the storm, at which the window has room."""
AT_ONCE = 8


@dataclass
class Figures:
    """What came of it."""

    incidents: int
    posted_in: float
    """Seconds for all of them."""
    texts: list[str]
    """Of the storm itself."""
    told_on_slack: int
    told_by_email: int
    """How many incidents' words are there at all, texted or not."""
    not_texted_on_slack: int
    not_texted_by_email: int
    """How many are said there not to be texted."""
    status: str
    """The answer to `status` right after."""
    in_the_hour: list[str]
    """Texts until the window has room."""
    afterwards: list[str]
    """Texts since."""
    ack: str
    """The answer to the first of them."""
    acks: int
    """How many it took until all of it was answered."""
    ack_seconds: float
    acknowledged: int
    heard_on_slack: int
    """Acknowledgements."""
    status_at_the_end: str
    more: list[str]
    """Texts after that, in two more hours."""


def storm(host: str, folder: Path, *, incidents: int = INCIDENTS, latency: float = 0) -> Figures:
    """Let it happen. `latency`: seconds a provider takes, before it has a message and again before it answers."""
    with ExitStack() as stack:
        ours = stack.enter_context(pager(host, folder, {"SMS_PRICE": PRICE}, {}))
        ours.providers.set_latency(partial(float, latency))
        senders = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        began = time.monotonic()
        told = list(senders.map(ours.alert, [f"db-{number}" for number in range(1, incidents + 1)]))
        posted_in = time.monotonic() - began
        ours.twilio.rest()
        storm_texts = ours.twilio.texts
        figures = Figures(
            incidents=incidents,
            posted_in=posted_in,
            texts=_bodies(storm_texts),
            told_on_slack=sum(f"CRITICAL: {one.title}" in one.posts for one in told),
            told_by_email=sum(f"CRITICAL: {one.title}" in one.mails for one in told),
            not_texted_on_slack=sum(_says_not_texted(one.posts, one) for one in told),
            not_texted_by_email=sum(_says_not_texted(one.mails, one) for one in told),
            status=_ask(ours, "status"),
            in_the_hour=[],
            afterwards=[],
            ack="",
            acks=0,
            ack_seconds=0,
            acknowledged=0,
            heard_on_slack=0,
            status_at_the_end="",
            more=[],
        )
        for _ in range(4):
            ours.pass_time(QUARTER)
            ours.tick()
        figures.in_the_hour = _bodies(ours.twilio.texts[len(storm_texts) :])
        ours.pass_time(ROOM_AGAIN - 4 * QUARTER)
        ours.tick()
        figures.afterwards = _bodies(ours.twilio.texts[len(storm_texts) + len(figures.in_the_hour) :])
        began = time.monotonic()
        figures.ack = _ask(ours, "ack")
        figures.ack_seconds = time.monotonic() - began
        figures.acknowledged = sum(one.state == "acknowledged" for one in told)
        figures.heard_on_slack = sum(any(post.startswith("ACKNOWLEDGED by phone 1") for post in one.posts) for one in told)
        figures.status_at_the_end = _ask(ours, "status")
        return figures


def _bodies(texts: list[Text]) -> list[str]:
    return [text.body for text in texts]


def _says_not_texted(lines: list[str], one: Told) -> bool:
    return any(f"not texted: CRITICAL: {one.title} #{one.ref}" in line for line in lines)


def _ask(ours: Pager, words: str) -> str:
    reply = ours.twilio.receive(PHONES[0], words)
    return " / ".join(reply.texts) or f"nothing: {reply}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=int, default=INCIDENTS)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds, twice for each message (default: 0)")
    asked = parser.parse_args()
    with any_emulator() as host, tempfile.TemporaryDirectory() as folder:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host
        figures = storm(host, Path(folder), incidents=asked.incidents, latency=asked.latency)
    for name, value in vars(figures).items():
        shown = "".join(f"\n    {line}" for line in value) if isinstance(value, list) else value
        sys.stdout.write(f"{name:20} {shown}\n")


if __name__ == "__main__":
    main()
