"""notifier against Prometheus Alertmanager, both killed in the middle (./dev bench alertmanager).

`python -m bench.alertmanager --help` shows its options; a run takes three and a half minutes.

The same alerts go to both, the same webhook sink stands behind both, both are killed with SIGKILL at the same moments
and started again, and the sink says 503 for 2 s of each round, after a calm of 3 s. Counted is what the sink took: the
time from an alert's firing to its first notification (of which the sink itself needs 0.05 s, and as much to answer),
alerts of which none came (lost), and notifications beyond an alert's first (doubled).

What "the same" means here:

- Each alert is a notification of its own: Alertmanager groups by alertname and instance with group_wait 0;
  repeat_interval 24h, so that every second notification is a mistake; send_resolved false; all else as it is shipped
  (group_interval 5m, its own retry). notifier gets warnings, which go to Slack alone, at once; its Slack is the sink.
  Both promise at-least-once there: a notification taken from a process that died before it could note that down is
  sent again by both, and counted for both. (notifier's texts, which cost money, are not sent twice; they are not
  measured here, as Alertmanager has none.)
- Each is told in the way it is made for. Alertmanager keeps no alerts on disk, by design: Prometheus sends everything
  that fires again, every minute by default, and does not wait for success. notifier's sender sends until it is answered
  with 200 and then no more, as Pub/Sub and Cloud Monitoring do. A minute is 5 s here, for all that comes once a minute:
  Prometheus' resending, the other sender's next try, and notifier's tick. Nothing else is shortened: neither notifier's
  lease (30 s), for which a claimed notification waits when its process dies, nor the 15 s that a member of
  Alertmanager's cluster waits for the one before it. So in production what a kill delays is later than here, by up to a
  minute, on both sides; and as the lease is not shortened with the minute, the gap between them looks wider here.
- Both start again 0.1 s after the kill, as by systemd. notifier's start is Python's; Cloud Run's would be a cold start.
- Nobody's disk is lost. Alertmanager's storage stays where it is, and what it had written is read again. notifier's
  state is in Google's Firestore emulator, which is not killed, as Google's is not: a network and a database more on
  each notification's way, which the emulator, with no disk and no distance, makes cheaper than it is.

Alertmanager is measured in three set-ups: as it is shipped, its log of notifications written to disk every 15 minutes
and at an orderly end; with --data.maintenance-interval=1s, so written each second; and as a cluster of two that gossip,
as its documentation recommends, of which one is killed, the same one all through a round, so that one always lives: in
half of the rounds the one that notifies first, in the others the one that stands by. The rounds are short, and of what
Alertmanager as shipped has notified in them nothing is on disk yet; in production that is true of the last 15 minutes
at most. And kills are seconds apart, where a cluster needs some 10 s to come to rest.

Pagers take turns, so that none slows another down; only the waiting for what may still come overlaps. Nothing leaves
127.0.0.1. Exits with 1 when notifier has lost something, and only then; with 0 where no Alertmanager is installed.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench._pagers import Alertmanager, Notifier, Pager, find_alertmanager
from bench._plan import CALM, SINK_DOWN, plan
from bench._sink import Sink, sink
from bench._turn import Count, Turn
from tests.firestore_emulator import NoEmulator, any_emulator

INSTALL = (
    "not measured: Alertmanager is not installed here. `apt-get install prometheus-alertmanager` (Debian, Ubuntu),\n"
    "or put `alertmanager` of https://prometheus.io/download/ on PATH."
)
SNAPSHOTS = "--data.maintenance-interval=1s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4, help="each with its own moments (default: %(default)s)")
    parser.add_argument("--alerts", type=int, default=100, help="in a round (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=8, help="in which they fire (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=2, help="in a round (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides every moment (default: %(default)s)")
    asked = parser.parse_args()
    if min(asked.rounds, asked.alerts, asked.seed) < 1 or asked.kills < 0:
        parser.error("--rounds, --alerts and --seed are 1 or more, --kills is 0 or more")
    if asked.seconds < CALM + SINK_DOWN:
        parser.error(f"--seconds is {CALM + SINK_DOWN:g} or more")
    if not find_alertmanager():
        print(INSTALL)
        return
    began = time.monotonic()

    def told(words: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {words}", file=sys.stderr, flush=True)

    try:
        with any_emulator() as emulator:
            loads = [os.getloadavg()[0]]
            rounds = measure(asked, emulator, told)
            loads.append(os.getloadavg()[0])
    except NoEmulator as error:
        print(f"not measured: {error}", file=sys.stderr)
        sys.exit(2)
    print(
        f"{asked.rounds} rounds of {asked.alerts} alerts in {asked.seconds:g} s, each with {asked.kills} kills and"
        f" {SINK_DOWN:g} s of 503; seed {asked.seed}; {version()}\n"
    )
    print(table(rounds))
    print(
        f"\n{os.cpu_count()} cores, load {loads[0]:.1f} before and {loads[1]:.1f} after;"
        f" {time.monotonic() - began:.0f} s in all"
    )
    sys.exit(exit_code(rounds))


def exit_code(counts: Sequence[Count]) -> int:
    """1 when notifier has lost something: what anybody else loses is a figure, and no failure of ours."""
    return 1 if any(one.lost for one in counts if one.pager == Notifier.name) else 0


def pagers(emulator: str, folder: Path, new_sink: Callable[[], Sink]) -> list[tuple[Pager, Sink]]:
    """One of each, with a sink and a folder of its own."""

    def place(name: str) -> tuple[Sink, Path]:
        (folder / name).mkdir(parents=True)
        return new_sink(), folder / name

    ours, stock, often, two = (place(name) for name in ("notifier", "stock", "often", "two"))
    return [
        (Notifier(*ours, emulator), ours[0]),
        (Alertmanager("Alertmanager, as shipped", *stock), stock[0]),
        (Alertmanager("Alertmanager, log to disk each 1 s", *often, SNAPSHOTS), often[0]),
        (Alertmanager("Alertmanager, cluster of two", *two, members=2), two[0]),
    ]


def measure(asked: argparse.Namespace, emulator: str, told: Callable[[str], None]) -> list[Count]:
    """Every pager's turn in every round."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        turns = []
        for number in range(asked.rounds):
            planned = plan(asked.seed * 100 + number, asked.alerts, asked.seconds, asked.kills)
            of_round = pagers(emulator, folder / str(number), lambda: stack.enter_context(sink()))
            # Another one begins each round: none always has the cold machine.
            for pager, its_sink in of_round[number % len(of_round) :] + of_round[: number % len(of_round)]:
                turns.append((number, Turn(pager, its_sink, planned, stack.enter_context(ExitStack()))))
        told(f"starting {len(turns)} pagers")
        with ThreadPoolExecutor(len(turns)) as starters:
            list(starters.map(lambda turn: turn[1].prepare(), turns))
        with ThreadPoolExecutor(len(turns)) as listeners, ExitStack() as listening:
            for _, turn in turns:  # else an end before its time, by Ctrl-C, would wait for all of them
                listening.callback(turn.give_up)
            counts = []
            for number, turn in turns:
                told(f"round {number + 1} of {asked.rounds}: {turn.pager.name}")
                turn.play()
                counts.append(listeners.submit(turn.listen))
            told("waiting for what may still come")
            return [one.result() for one in counts]


def table(counts: Sequence[Count]) -> str:
    """Of each pager one line: over all rounds, and from the least to the most of a round."""
    names = list(dict.fromkeys(one.pager for one in counts))
    names.sort(key=lambda name: (name != Notifier.name, name))
    lines = [
        ("", "before any failure (s)", "", "all alerts (s)", "", "", "lost", "doubled", "down (s)"),
        ("", "p50", "p99", "p50", "p99", "most", "", "", "per kill"),
    ]
    for name in names:
        of = [one for one in counts if one.pager == name]
        calm, every = [one.calm for one in of], [one.all for one in of]
        lines.append(
            (
                name,
                over_rounds(calm, 50),
                over_rounds(calm, 99),
                over_rounds(every, 50),
                over_rounds(every, 99),
                f"{max(max(one, default=0) for one in every):.1f}",
                total([one.lost for one in of]),
                total([one.doubled for one in of]),
                f"{statistics.fmean(sum((one.down for one in of), ()) or (0,)):.1f}",
            )
        )
    widths = [max(len(line[place]) for line in lines[1:]) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def over_rounds(rounds: Sequence[Sequence[float]], percent: int) -> str:
    """A percentile of all rounds' values together, and of the rounds the lowest and the highest."""
    each = [percentile(values, percent) for values in rounds if values]
    if not each:
        return "none"
    return (
        f"{percentile([value for values in rounds for value in values], percent):.2f} ({min(each):.2f}-{max(each):.2f})"
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """The least of `values` that so many per cent of them do not exceed. Raises IndexError for none."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def total(rounds: Sequence[int]) -> str:
    return f"{sum(rounds)} ({min(rounds)}-{max(rounds)})"


def version() -> str:
    """Alertmanager's, in its own words."""
    said = subprocess.run([find_alertmanager(), "--version"], capture_output=True, text=True, check=True)
    return " ".join((said.stdout or said.stderr).partition(" (")[0].split())


if __name__ == "__main__":
    main()
