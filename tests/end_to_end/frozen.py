"""The store is frozen (its process stopped), and critical alerts come in: somebody is woken, and nobody too often.

`python -m tests.end_to_end.frozen` freezes Google's Firestore emulator for two minutes, posts the same alert to three
processes all the while, and prints what came of it; then how many texts the same alert makes that meets three
processes at the same moment, or a second apart, over many alerts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from notifier.core.incident import incident_key, ref_of
from tests.end_to_end.alerts import cloud_monitoring
from tests.end_to_end.processes import Function, emulator_settings, function, policy_setting
from tests.end_to_end.providers import Providers, providers
from tests.firestore_emulator import Emulator, own_emulator

PROCESSES = 3
THAWED_WITHIN = 60
"""Seconds until the thawed store is found again, by patience with a busy machine."""


class Outage(NamedTuple):
    """What three processes did with one alert while the store was frozen."""

    answers: Counter[int]
    texts: int
    slack: int
    woken_after: float
    """Seconds from the first post to the first text."""


class Pagers:
    """Three processes that share one store, and the providers they share."""

    def __init__(self, emulator: Emulator, functions: list[Function], taken: Providers) -> None:
        self.emulator = emulator
        self.functions = functions
        self.providers = taken
        self._bodies: dict[str, dict[str, Any]] = {}

    def post(self, incident_id: str, number: int) -> int:
        """Post the alert to one of them; its answer."""
        return self.functions[number].post(self._body(incident_id)).status_code

    def post_to_each(self, incident_id: str, apart: float = 0) -> list[int]:
        """Post the alert to all of them, each so many seconds after the one before; their answers."""

        def post(number: int) -> int:
            time.sleep(apart * number)
            return self.post(incident_id, number)

        with ThreadPoolExecutor(PROCESSES) as pool:
            return list(pool.map(post, range(PROCESSES)))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the store, for the block."""
        self.emulator.pause()
        try:
            yield
        finally:
            self.emulator.resume()

    def outage(self, incident_id: str, *, rounds: int, every: float, apart: float = 0) -> Outage:
        """Post the alert to all of them again and again. `apart`: in the first round."""
        began, began_at = time.monotonic(), datetime.now(UTC)
        answers: Counter[int] = Counter()
        for number in range(rounds):
            time.sleep(max(began + number * every - time.monotonic(), 0))
            answers.update(self.post_to_each(incident_id, 0 if number else apart))
        texts = self.providers.texts_of(ref(incident_id))
        woken_after = (texts[0].at - began_at).total_seconds() if texts else float("inf")
        return Outage(answers, len(texts), len(self.providers.posts_of(ref(incident_id))), woken_after)

    def post_until_stored(self, incident_id: str, number: int = 0) -> dict[str, str]:
        """As a real sender, to one of them; the incident's deliveries, as they are answered."""
        body = self._body(incident_id)
        until = time.monotonic() + THAWED_WITHIN
        while (answer := self.functions[number].post(body)).status_code != 200:
            assert answer.status_code == 503
            assert time.monotonic() < until
            time.sleep(0.5)
        deliveries: dict[str, str] = answer.json()["incidents"][0]["deliveries"]
        return deliveries

    def _body(self, incident_id: str) -> dict[str, Any]:
        """The same each time, as its sender repeats it."""
        return self._bodies.setdefault(incident_id, cloud_monitoring(incident_id, started_at=int(time.time())))


def ref(incident_id: str) -> str:
    """What stands in the messages about it."""
    return ref_of(incident_key("cloud-monitoring", incident_id), 1)


@contextmanager
def pagers(emulator: Emulator, folder: Path, cap: int = 5) -> Iterator[Pagers]:
    """Three processes with a state of their own, up until the block ends."""
    with ExitStack() as stack:
        taken = stack.enter_context(providers())
        settings = {
            **taken.settings,
            **emulator_settings(emulator.host, folder.name.replace("_", "-")),
            **policy_setting(folder, {"max_per_hour = 5 ": f"max_per_hour = {cap} "}),
        }
        functions = [stack.enter_context(function(settings, folder / f"log{n}")) for n in range(PROCESSES)]
        yield Pagers(emulator, functions, taken)


def moments(ours: Pagers, count: int, apart: float) -> Counter[int]:
    """How many texts each of `count` alerts made that came to every process, so far apart; five alerts at a time."""
    names = [f"0.moment{apart}.{number}" for number in range(count)]
    with ours.frozen(), ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda name: ours.post_to_each(name, apart), names))
    return Counter(len(ours.providers.texts_of(ref(name))) for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="of posts in the outage, 15 s apart (default: 9)")
    parser.add_argument("--moments", type=int, default=40, help="alerts of each kind (default: 40)")
    asked = parser.parse_args()
    with own_emulator() as emulator, tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        (room / "outage").mkdir()
        with pagers(emulator, room / "outage") as ours:
            for number in range(PROCESSES):
                ours.post_until_stored("0.before", number)
            before = len(ours.providers.texts)
            with ours.frozen():
                sys.stdout.write(f"frozen, one alert: {ours.outage('0.A', rounds=asked.rounds, every=15)}\n")
                sys.stdout.write(f"frozen, another:   {ours.outage('0.B', rounds=1, every=0)}\n")
            sys.stdout.write(f"thawed, the same:  {[ours.post_until_stored('0.A', n) for n in range(PROCESSES)]}\n")
            sys.stdout.write(f"texts of it:       {len(ours.providers.texts_of(ref('0.A')))}\n")
            pages = Counter(ours.post_until_stored(f"0.{name}")["opened/sms/0/1"] for name in "BCDEF")
            sys.stdout.write(f"five more:         {dict(pages)}\n")
            sys.stdout.write(f"texts in all:      {len(ours.providers.texts)}, {before} of them before\n")
        for latency in (0.0, 0.15):
            for apart in (0.0, 1.0, 3.0):
                counts: Counter[int] = Counter()
                for first in range(0, asked.moments, 20):
                    place = room / f"{latency}-{apart}-{first}".replace(".", "-")
                    place.mkdir()
                    with pagers(emulator, place, cap=30) as ours:
                        ours.providers.set_latency(partial(float, latency))
                        counts += moments(ours, min(20, asked.moments - first), apart)
                how = f"{apart:.0f} s apart, Twilio needs {2 * latency:.1f} s"
                sys.stdout.write(f"{how}: {dict(sorted(counts.items()))} (texts: alerts)\n")


if __name__ == "__main__":
    main()
