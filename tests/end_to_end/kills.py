"""The function is killed at random moments while alerts and ticks arrive, and restarted: nothing lost, nothing doubled.

`python -m tests.end_to_end.kills --kills 100 --seed 1` does it with Google's Firestore emulator, real processes and
providers on 127.0.0.1, which fail now and then until the killing ends; then it prints what came of it.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import requests

from notifier.core.incident import Delivery, DeliveryState, Incident, incident_key
from notifier.core.moments import next_due_of
from notifier.policy_file import read_policy
from notifier.stores.firestore import FirestoreStore
from tests.builders import ALL_CHANNELS, texting
from tests.end_to_end.alerts import cloud_monitoring
from tests.end_to_end.courses import Course, Shown
from tests.end_to_end.processes import (
    PROJECT,
    Function,
    emulator_settings,
    policy_setting,
    start,
    wait_until_healthy,
)
from tests.end_to_end.providers import Providers, providers
from tests.end_to_end.serving import Lost
from tests.end_to_end.twilio_api import Text, error
from tests.end_to_end.waiting import ticking, wait_until
from tests.firestore_emulator import any_emulator, free_port

LATENCY = 0.25
"""Seconds a provider takes at most, before it has a message and again before it answers."""
LIFE = 1.6
"""Seconds a healthy process lives at most."""
TRY_AGAIN = 0.3
ANSWERED_WITHIN = 120
OVER_WITHIN = 180
"""Seconds: a lease (10), two lists 30 s apart, the next phone, and patience with a busy machine."""
FAULTS: list[tuple[Course, Shown]] = [
    (Course(), Shown()),
    (Course(), Shown()),
    (Course(answered=Lost.NO_ANSWER), Shown()),
    (Course(answered=Lost.RESET), Shown()),
    (Course(refused=error(20429)), Shown()),
    (Course(answered=Lost.NO_ANSWER), Shown(answer=error(70051))),
    (Course(), Shown(bodies=False)),
]
WORDS_FOR_SILENCE = ("not texted", "NOT texted", "nobody can tell whether this was texted")


@dataclass
class Figures:
    """What came of it. All from `doubled` to `open_ends` must be 0."""

    kills: int = 0
    alerts: int = 0
    texts: int = 0
    capped: int = 0
    """Pages that were not sent, and whose incident says why."""
    doubled: int = 0
    lost: int = 0
    over_cap: int = 0
    strays: int = 0
    """Texts to a number that is no on-call phone."""
    unrecorded: int = 0
    """Texts that the store does not know."""
    open_ends: int = 0
    """Deliveries that are neither done nor given up at the end."""
    during: Counter[str] = field(default_factory=Counter)
    """What the process was doing when it was killed."""

    @property
    def wrong(self) -> int:
        return self.doubled + self.lost + self.over_cap + self.strays + self.unrecorded + self.open_ends

    def __add__(self, other: Figures) -> Figures:
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})


class World:
    """One pager, its state and its providers."""

    def __init__(self, folder: Path, *, cap: int, incidents: int, seed: int) -> None:
        self.cap = cap
        self.incidents = incidents
        self.random = random.Random(seed)
        self.prefix = uuid4().hex
        self.store = FirestoreStore(PROJECT, prefix=self.prefix)
        self.folder = folder
        self.port = free_port()
        self.refs: dict[str, str] = {}
        """Of every alert answered with 200, by the key of its incident."""
        self.figures = Figures()
        self._in_flight: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str, int]] = set()

    def run(self, kills: int, told: Callable[[str], None]) -> Figures:
        """Kill it so many times, let it come to rest, and count."""
        with ExitStack() as stack:
            taken = stack.enter_context(providers())
            taken.set_latency(lambda: random.random() * LATENCY)
            settings = self._settings(taken)
            running = self._start(settings)
            stack.callback(self._kill)
            stack.callback(self.store.close)
            for _ in range(2):  # Ticks overlap, as a scheduler's late one does.
                stack.enter_context(ticking(running, self._busy))
            senders = stack.enter_context(ThreadPoolExecutor(self.incidents))
            sent: list[Future[None]] = []
            for number in range(kills):
                alive = self._live(running)
                for _ in range(round(self.incidents * (number + 1) / kills) - len(sent)):
                    sent.append(senders.submit(self._send, running, f"0.kill{len(sent)}"))
                taken.twilio.usual, taken.twilio.shown = self.random.choice(FAULTS)
                if alive:
                    time.sleep(self.random.random() * LIFE)
                doing = ", ".join(sorted(self._in_flight)) if alive else "starting"
                self._kill()
                time.sleep(LATENCY)
                self.figures.during[self._killed_during(taken, doing or "idle")] += 1
                running = self._start(settings)
                told(f"cap {self.cap}: {number + 1} of {kills} kills, {len(taken.texts)} texts")
            taken.twilio.usual, taken.twilio.shown = Course(), Shown()
            wait_until_healthy(running)
            for one in sent:
                one.result(ANSWERED_WITHIN)
            wait_until(lambda: not self._due(), OVER_WITHIN)
            self._judge(taken)
        self.figures.kills = kills
        return self.figures

    def _start(self, settings: dict[str, str]) -> Function:
        self._running = start(settings, self.folder / "log", self.port)
        return self._running

    def _kill(self) -> None:
        self._running.kill()

    def _settings(self, taken: Providers) -> dict[str, str]:
        # One walk: then the same words to the same phone are the same delivery.
        changes = {
            "max_per_hour = 5 ": f"max_per_hour = {self.cap} ",
            'next_phone   = "15m"': 'next_phone   = "8s"',
            "rounds       = 2": "rounds       = 1",
        }
        return {
            **taken.settings,
            **emulator_settings(os.environ["FIRESTORE_EMULATOR_HOST"], self.prefix),
            **policy_setting(self.folder, changes),
            "LEASE_SECONDS": "10",
        }

    def _live(self, running: Function) -> bool:
        """Wait until it answers; or, some of the time, no longer than it may take to start."""
        if self.random.random() < 0.15:
            time.sleep(self.random.random() * 0.8)
            return False
        wait_until_healthy(running)
        return True

    @contextmanager
    def _busy(self, what: str) -> Iterator[None]:
        with self._lock:
            self._in_flight[what] += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[what] -= 1
                self._in_flight += Counter()

    def _send(self, running: Function, incident_id: str) -> None:
        """As a real sender: again until it is answered with 200."""
        body = cloud_monitoring(incident_id, started_at=int(time.time()))
        until = time.monotonic() + ANSWERED_WITHIN
        while time.monotonic() < until:
            try:
                with self._busy("alert"):
                    answer = running.post(body)
            except requests.RequestException:
                time.sleep(TRY_AGAIN)
                continue
            if answer.status_code == 200:
                key = incident_key("cloud-monitoring", incident_id)
                self.refs[key] = answer.json()["incidents"][0]["ref"]
                return
            assert answer.status_code == 503, answer.text
            time.sleep(TRY_AGAIN)
        raise AssertionError(f"{incident_id} was never answered with 200")

    def _due(self) -> bool:
        """Whether anything is owed by now, or soon; an incident that is only open is due in 8 days.

        That Twilio is asked once what became of a text is not waited for: that is 5 minutes later.
        """
        soon = datetime.now(UTC) + timedelta(minutes=30)
        return any(self._is_owed(one.incident, soon) for one in self.store.due(soon, 500, time.monotonic() + 20))

    def _is_owed(self, incident: Incident | None, soon: datetime) -> bool:
        assert incident is not None
        unasked = {
            key: msgspec.structs.replace(delivery, report_due_at=None) for key, delivery in incident.deliveries.items()
        }
        # As it is deployed: the next phone is due too.
        policy = read_policy(str(self.folder / "policy.toml")).deployed(ALL_CHANNELS, texting(2))
        due = next_due_of(msgspec.structs.replace(incident, deliveries=unasked), policy)
        return due is not None and due <= soon

    def _found(self) -> list[Incident]:
        found = self.store.open_incidents(time.monotonic() + 20)
        return [one.incident for one in found if one.incident is not None]

    def _killed_during(self, taken: Providers, doing: str) -> str:
        """The most delicate thing it can be seen to have left half done."""
        left = {
            (incident.key, key, delivery.attempts): _text_of(taken, incident, delivery)
            for incident in self._found()
            for key, delivery in incident.deliveries.items()
            if delivery.state is DeliveryState.CLAIMED
        }
        new = {name: text for name, text in left.items() if name not in self._seen}
        self._seen |= left.keys()
        texts = [text for (_, key, _), text in new.items() if "/sms/" in key]
        if any(texts):
            return "a text taken, not recorded"
        if texts:
            return "a text claimed, not taken"
        return "a post claimed, not recorded" if new else doing

    def _judge(self, taken: Providers) -> None:
        figures, texts = self.figures, taken.texts
        figures.alerts = len(self.refs)
        figures.texts = len(texts)
        pages = Counter((text.to, text.body.rpartition("#")[2]) for text in texts)
        figures.doubled = sum(count - 1 for count in pages.values())
        figures.over_cap = max(most_in_an_hour(texts) - self.cap, 0)
        phones = taken.settings["ONCALL_PHONE"].split(", ")
        figures.strays = sum(text.to not in phones for text in texts)
        sids = {text.sid for text in texts}
        known: set[str] = set()
        for key, ref in self.refs.items():
            incident = self.store.gather(key, time.monotonic() + 20).incident
            deliveries = list(incident.deliveries.values()) if incident else []
            reached = {delivery.provider_id for delivery in deliveries} & sids
            known |= reached
            silent = incident and any(word in entry.text for entry in incident.history for word in WORDS_FOR_SILENCE)
            figures.capped += any(delivery.state is DeliveryState.CAPPED for delivery in deliveries)
            figures.lost += not taken.posts_of(ref) or not (reached or silent)
            figures.open_ends += sum(
                delivery.state in (DeliveryState.PENDING, DeliveryState.CLAIMED) for delivery in deliveries
            )
        figures.unrecorded = len(sids - known)


def _text_of(taken: Providers, incident: Incident, delivery: Delivery) -> Text | None:
    since = (delivery.claimed_at or incident.opened_at) - timedelta(seconds=0.1)
    return next((text for text in taken.texts_of(incident.ref) if text.at >= since), None)


def most_in_an_hour(texts: list[Text]) -> int:
    """The most texts in any 3,600 s."""
    hour = timedelta(seconds=3_600)
    return max((sum(first.at <= text.at < first.at + hour for text in texts) for first in texts), default=0)


def kill_all(folder: Path, kills: int, seed: int, told: Callable[[str], None] = lambda _: None) -> Figures:
    """Kill so many times, in worlds of two kinds, two at a time: every page has its slot, or there are too few."""
    shares = [(cap, incidents) for _ in range(max(kills // 20, 1)) for cap, incidents in ((30, 14), (5, 9))]
    worlds = []
    for number, (cap, incidents) in enumerate(shares):
        (folder / str(number)).mkdir()
        worlds.append(World(folder / str(number), cap=cap, incidents=incidents, seed=seed * 1_000 + number))
    each = [kills * (number + 1) // len(worlds) - kills * number // len(worlds) for number in range(len(worlds))]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(world.run, count, told) for world, count in zip(worlds, each, strict=True)]
        return sum((run.result() for run in runs), Figures())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.monotonic()

    def told(words: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:5.0f} s  {words}\n")

    with any_emulator() as host, tempfile.TemporaryDirectory() as folder:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host
        figures = kill_all(Path(folder), asked.kills, asked.seed, told)
    for name, value in vars(figures).items():
        shown = "".join(f"\n    {count:4} {what}" for what, count in value.most_common()) if name == "during" else value
        sys.stdout.write(f"{name:12} {shown}\n")
    sys.stdout.write(f"in all       {time.monotonic() - began:.0f} s\n")
    sys.exit(1 if figures.wrong else 0)


if __name__ == "__main__":
    main()
