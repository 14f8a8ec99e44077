"""Ten thousand posts of a thousand incidents within a minute, on four processes (python -m bench.storm).

A tenth of the incidents are critical, three tenths errors, the rest warnings; each is posted ten times. The state is on
Google's Firestore emulator, mail goes to a real SMTP server, and what stands for Slack and Discord on 127.0.0.1 answers
429 to more than one message a second, and five in two seconds. The minute tick comes as in production, until everybody
who is owed something has heard it, for five minutes at most.

Then as many of these posts as 16 senders can get through, against a bare function on four processes that does nothing
but read the same three documents for each.

Ends with 1 when something was lost or doubled, the texts are not just the cap, a word came later than five minutes
after the storm, or anything was answered with 5xx. Takes some three minutes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import requests

from tests.builders import ROOT
from tests.end_to_end.alerts import cloud_monitoring
from tests.end_to_end.mailbox import Mailbox, mailbox, words_of
from tests.end_to_end.processes import PROJECT, TOKEN, Function, emulator_settings, start, wait_until_healthy
from tests.end_to_end.providers import Providers, first_lines, first_lines_on_discord, providers
from tests.end_to_end.serving import Reaction, Request, json_answer
from tests.firestore_emulator import any_emulator, free_port

PROCESSES = 4
COPIES = 10
SENDERS = 48
CAP = 5
TICK_SECONDS = 60.0
TOLD_WITHIN = 300.0
SLACK_RATE, DISCORD_RATE = (1, 1.0), (5, 2.0)
"""So many in so many seconds (https://docs.slack.dev/apis/web-api/rate-limits; Discord's is what it is seen to do)."""
IDLE_SECONDS = 1.0
RACE_POSTS = 2_000
RACE_SENDERS = 16


class Sent(NamedTuple):
    """One post, and its answer."""

    name: str
    status: int
    seconds: float
    late: float
    """Seconds after its turn."""


class Rated:
    """Takes what a provider takes; to the rest it says when to come again."""

    def __init__(self, taken: Providers) -> None:
        self._taken = taken
        self._lock = threading.Lock()
        self._at: dict[str, list[float]] = defaultdict(list)
        self.refused: Counter[str] = Counter()
        self.came: dict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)

    def react(self, request: Request) -> Reaction:
        most, seconds = SLACK_RATE if request.path == "/slack" else DISCORD_RATE
        now = time.monotonic()
        with self._lock:
            lately = [at for at in self._at[request.path] if now - at < seconds]
            if len(lately) >= most:
                self.refused[request.path] += 1
                wait = lately[0] + seconds - now
                return Reaction(json_answer(429, {"retry_after": wait}, ("Retry-After", str(int(wait) + 1))))
            self._at[request.path] = [*lately, now]
            self.came[request.path].append((now, msgspec.json.decode(request.body)))
        return self._taken.react(request)


class Storm:
    """The storm, and what came of it."""

    def __init__(self, functions: Sequence[Function], taken: Providers, mails: Mailbox, incidents: int) -> None:
        self._functions = functions
        self._taken = taken
        self._mails = mails
        self._names = [f"node-{number:04}" for number in range(incidents)]
        self.began = 0.0
        self.rated = Rated(taken)
        taken.server.react = self.rated.react
        self.ticks: list[tuple[float, float, int]] = []
        """When each began, how long it took (seconds) and its status."""

    def severity(self, name: str) -> str:
        number = int(name.removeprefix("node-")) % 10
        return "Critical" if number == 0 else "Error" if number < 4 else "Warning"

    def body(self, name: str) -> bytes:
        return msgspec.json.encode(
            cloud_monitoring(f"0.{name}", self.severity(name), on=name, started_at=1_790_000_000)
        )

    def pour(self, seconds: float) -> list[Sent]:
        """Every post at its moment, to one process after the other; in between the tick."""
        draw = random.Random("a storm")
        posts = sorted((draw.uniform(0, seconds), name) for name in self._names for _ in range(COPIES))
        turns = iter(list(enumerate(posts)))
        lock = threading.Lock()
        sent: list[Sent] = []

        def send() -> None:
            lines = [Line(function) for function in self._functions]
            while True:
                with lock:
                    turn = next(turns, None)
                if turn is None:
                    return
                number, (at, name) = turn
                time.sleep(max(self.began + at - time.monotonic(), 0))
                late = time.monotonic() - self.began - at
                status, took = lines[number % len(lines)].post(self.body(name))
                sent.append(Sent(name, status, took, late))
                if len(sent) % 500 == 0:
                    said(f"{len(sent):6,} posts after {time.monotonic() - self.began:.0f} s")

        with ThreadPoolExecutor(SENDERS) as senders:
            for done in [senders.submit(send) for _ in range(SENDERS)]:
                done.result()
        return sent

    def tick_until(self, done: Callable[[], bool], within: float, first: float) -> None:
        """The scheduler, from `first` seconds of the monotonic clock on."""
        turn = itertools.cycle(self._functions)
        for number in itertools.count():
            at = first + number * TICK_SECONDS
            if at > first + within:
                return
            while time.monotonic() < at:
                if done():
                    return
                time.sleep(0.2)
            began = time.monotonic()
            status = next(turn).tick().status_code
            self.ticks.append((began - self.began, time.monotonic() - began, status))
            said(f"tick at {began - self.began:.0f} s took {time.monotonic() - began:.1f} s")
            if done():
                return

    def heard(self) -> dict[str, dict[str, list[float]]]:
        """By channel and incident: when its opening was told (seconds after the storm began; mails: 0)."""
        found: dict[str, dict[str, list[float]]] = {"slack": defaultdict(list), "discord": defaultdict(list)}
        for at, post in list(self.rated.came["/slack"]):
            for line in first_lines(post):
                self._count(found["slack"], line, at)
        for at, post in list(self.rated.came["/discord"]):
            for line in first_lines_on_discord(post):
                self._count(found["discord"], line, at)
        found["email"] = defaultdict(list)
        for mail in list(self._mails.mails):
            for line in words_of(mail).splitlines():
                self._count(found["email"], line, 0.0)
        return found

    def _count(self, found: dict[str, list[float]], line: str, at: float) -> None:
        """An opening counts; so does, under "not texted", what the cap held back."""
        name = next((word for word in line.split() if word.startswith("node-")), "")
        if line.startswith(("CRITICAL: ", "ERROR: ", "WARNING: ")):
            found[name].append(at - self.began)
        elif "not texted: " in line:
            found[f"not texted {name}"].append(at - self.began)

    def wanting(self) -> dict[str, int]:
        """How many words are still owed, by channel."""
        heard = self.heard()
        texted = {word for text in self.texts() for word in text.body.split() if word.startswith("node-")}
        owed: dict[str, set[str]] = {"slack": set(self._names), "discord": set(self._names), "email": set()}
        for name in self._names:
            severity = self.severity(name)
            if severity != "Warning":
                owed["email"].add(name)
            if severity == "Critical" and name not in texted:
                for channel in owed.values():
                    channel.add(f"not texted {name}")
        return {channel: len(names - heard[channel].keys()) for channel, names in owed.items()}

    def doubled(self) -> int:
        """Openings told more than once on a channel."""
        return sum(len(times) - 1 for channel in self.heard().values() for times in channel.values())

    def texts(self) -> list[Any]:
        return list(self._taken.twilio.texts)


class Line:
    """A connection to one process, kept as a load balancer keeps it."""

    def __init__(self, function: Function) -> None:
        self._address = function.url.removeprefix("http://")
        self._connection: HTTPConnection | None = None
        self._used = 0.0
        self._headers = {
            "Authorization": f"Basic {b64encode(f'cloud-monitoring:{TOKEN}'.encode()).decode()}",
            "Content-Type": "application/json",
        }

    def post(self, body: bytes) -> tuple[int, float]:
        """Status (0: no answer) and seconds."""
        began = time.monotonic()
        try:
            answer = self._exchange(body)
        except OSError:
            self._connection = None
            return 0, time.monotonic() - began
        if answer.will_close:
            self._connection = None
        return answer.status, time.monotonic() - began

    def _exchange(self, body: bytes) -> HTTPResponse:
        # gunicorn ends a connection that was idle for 2 seconds.
        if self._connection is None or time.monotonic() - self._used > IDLE_SECONDS:
            self._connection = HTTPConnection(self._address, timeout=30)
        self._connection.request("POST", "/", body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        self._used = time.monotonic()
        return answer


def race(functions: Sequence[Function], bodies: Sequence[bytes]) -> tuple[float, list[float]]:
    """All `bodies` as fast as the senders get through; posts a second, and the seconds each took."""
    turns = iter(list(enumerate(bodies)))
    lock = threading.Lock()
    took: list[float] = []

    def send() -> None:
        lines = [Line(function) for function in functions]
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return
            status, seconds = lines[turn[0] % len(lines)].post(turn[1])
            assert status == 200, status
            took.append(seconds)

    began = time.monotonic()
    with ThreadPoolExecutor(RACE_SENDERS) as senders:
        for done in [senders.submit(send) for _ in range(RACE_SENDERS)]:
            done.result()
    return len(bodies) / (time.monotonic() - began), took


def peak_memory(function: Function) -> int:
    """The greatest resident set that a process of it ever had, in bytes."""
    peaks = [0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            words = status.read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in words.splitlines() if ":" in line)
        if str(function.process.pid) in (fields["Pid"].strip(), fields["PPid"].strip()) and "VmHWM" in fields:
            peaks.append(int(fields["VmHWM"].split()[0]) * 1024)
    return max(peaks)


def said(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def started(stack: ExitStack, settings: dict[str, str], folder: Path, source: Path = ROOT) -> list[Function]:
    """Four processes under `settings`."""
    functions = [start(settings, folder / f"log-{number}", free_port(), source) for number in range(PROCESSES)]
    for function in functions:
        stack.callback(function.kill)
    for function in functions:
        wait_until_healthy(function)
    return functions


def warm_up(functions: Sequence[Function], taken: Providers, mails: Mailbox, host: str) -> None:
    """Let each process and the emulator, which is slow at first, do all of it some times; then forget that."""

    def post(number: int) -> None:
        name = f"warm-up-{number}"
        body = cloud_monitoring(f"0.{name}", "Error", on=name, started_at=1_790_000_000)
        functions[number % PROCESSES].post(body)

    with ThreadPoolExecutor(PROCESSES) as senders:
        list(senders.map(post, range(20 * PROCESSES)))
    address = f"http://{host}/emulator/v1/projects/{PROJECT}/databases/(default)/documents"
    requests.delete(address, timeout=20).raise_for_status()
    for told in (taken.slack, taken.discord, mails.mails):
        told.clear()


def shown(took: Sequence[float]) -> str:
    hundredths = statistics.quantiles(took, n=100)
    return f"p50 {statistics.median(took) * 1e3:.0f} ms, p99 {hundredths[98] * 1e3:.0f} ms, slowest {max(took):.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=int, default=1_000, help="each posted ten times (default: 1000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="within so many (default: 60)")
    asked = parser.parse_args()
    with ExitStack() as stack:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host = stack.enter_context(any_emulator())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        taken = stack.enter_context(providers())
        mails = stack.enter_context(mailbox())
        settings = {**taken.settings, **mails.settings, **emulator_settings(host, "")}
        functions = started(stack, settings, folder)
        warm_up(functions, taken, mails, host)
        sys.exit(
            measure(
                Storm(functions, taken, mails, asked.incidents), functions, asked.seconds, (stack, settings, folder)
            )
        )


def measure(
    storm: Storm, functions: Sequence[Function], seconds: float, place: tuple[ExitStack, dict[str, str], Path]
) -> int:
    """Let it happen, and print what came of it; 1 when that is not as it should be."""
    ended = threading.Event()
    storm.began = time.monotonic()

    def all_told() -> bool:
        return ended.is_set() and not any(storm.wanting().values())

    with ThreadPoolExecutor(1) as scheduler:
        ticking = scheduler.submit(storm.tick_until, all_told, seconds + TOLD_WITHIN, storm.began)
        sent = storm.pour(seconds)
        ended.set()
        ticking.result()
    statuses = Counter(one.status for one in sent)
    heard = storm.heard()
    last = {name: max(max(times) for times in channel.values()) for name, channel in heard.items() if channel}
    wanting, doubled, texts = storm.wanting(), storm.doubled(), len(storm.texts())
    peak = max(map(peak_memory, functions))
    print(
        f"posts            {len(sent):,} in {max(one.late for one in sent) + seconds:.1f} s, answered {dict(statuses)}"
    )
    print(f"  an answer      {shown([one.seconds for one in sent])}")
    print(f"texts            {texts} (cap {CAP})")
    print(f"lost             {sum(wanting.values())} {wanting}")
    print(f"doubled          {doubled}")
    for name in ("slack", "discord"):
        posts, refused = len(storm.rated.came[f"/{name}"]), storm.rated.refused[f"/{name}"]
        print(f"{name:16} {posts} posts, {refused} refused; the last word after {last[name]:.0f} s")
    print(f"ticks            {', '.join(f'{at:.0f} s: {took:.1f} s ({status})' for at, took, status in storm.ticks)}")
    print(f"peak memory      {peak / 2**20:.0f} MiB in one process")
    against_bare_reads(storm, functions, place)
    late = max(last.values()) > seconds + TOLD_WITHIN
    wrong = bool(sum(wanting.values()) or doubled or texts != CAP or late or any(one // 100 != 2 for one in statuses))
    print("WRONG" if wrong else "as it should be")
    return int(wrong)


def against_bare_reads(
    storm: Storm, functions: Sequence[Function], place: tuple[ExitStack, dict[str, str], Path]
) -> None:
    stack, settings, folder = place
    bare = started(stack, settings, folder, ROOT / "bench" / "reads")
    bodies = [storm.body(f"node-{number % 100:04}") for number in range(RACE_POSTS)]
    rates: dict[str, list[float]] = {"repeats": [], "bare reads": []}
    took: dict[str, list[float]] = {"repeats": [], "bare reads": []}
    for _, (name, those) in itertools.product(range(3), (("repeats", functions), ("bare reads", bare))):
        rate, seconds = race(those, bodies)
        rates[name].append(rate)
        took[name] += seconds
    for name, those_rates in rates.items():
        each = ", ".join(f"{rate:.0f}" for rate in those_rates)
        print(f"{name:16} {statistics.median(those_rates):.0f} posts a second ({each}), {shown(took[name])}")
    ratio = statistics.median(rates["bare reads"]) / statistics.median(rates["repeats"])
    print(f"                 a repeat takes {ratio:.2f} times a bare function's reads")


if __name__ == "__main__":
    main()
