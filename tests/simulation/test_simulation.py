"""The simulator itself: a few hundred days at each run of the tests, and the bugs it must find."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from notifier.core.ledger import Ledger
from notifier.ports import Conflict
from tests.builders import NOON, ROOT
from tests.simulation import planted
from tests.simulation.day import INCIDENTS, Post, draw_day
from tests.simulation.faults import ROUGH
from tests.simulation.runs import Report, run_many, run_seeds, shortest, trace_of_seed
from tests.simulation.scheduler import Scheduler
from tests.simulation.store import Documents
from tests.stores.examples import KEY, an_incident

DAYS = 300
SEEDS_TO_FIND = 600


@pytest.fixture(scope="module")
def report() -> Report:
    report = Report()
    for part in run_many(range(1, 1 + DAYS)):
        report.add(part)
    return report


@pytest.mark.timeout(300)
def test_nothing_is_lost_doubled_over_the_cap_or_sent_after_an_answer(report: Report) -> None:
    assert report.seeds == DAYS
    assert report.failures == {}


def test_every_fault_was_hit(report: Report) -> None:
    """One that is never hit is a hole: nobody knows what it would do."""
    some = (ROUGH.read, ROUGH.commit, ROUGH.text, ROUGH.list_texts, ROUGH.free, ROUGH.report)
    kinds = {name for rates in some for name in rates}
    providers = ("sms", "unreachable", "vonage", "slack", "discord", "email")
    outages = {f"outage of {what}" for what in (*providers, "list", "empty", "store")}
    ticks = {"tick missing", "tick doubled", "tick late"}
    assert kinds | set(ROUGH.request) | outages | ticks == set(report.hits)


def test_the_days_are_worth_their_name(report: Report) -> None:
    assert (
        min(len({one.incident for one in draw_day(seed).happenings if isinstance(one, Post)}) for seed in range(50))
        >= 9
    )
    assert INCIDENTS[0] >= 10
    assert report.numbers["days that reached the cap"] > DAYS / 2
    assert report.numbers["texts without the store"] > 0
    assert report.numbers["digests"] > DAYS / 2
    assert report.numbers["pages told in a digest"] > 2 * report.numbers["digests"]
    assert report.numbers["delivery reports"] > 10 * DAYS
    assert report.numbers["answers by text"] > DAYS


@pytest.mark.parametrize("bug", sorted(planted.BUGS))
@pytest.mark.timeout(200)
def test_a_planted_bug_is_found(bug: str) -> None:
    command = [sys.executable, "-m", "tests.simulation", "--plant", bug, "--until-found", f"--seeds={SEEDS_TO_FIND}"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert re.match("found by seed [0-9]+: ", found.stdout), found.stdout + found.stderr


def test_a_planted_bug_whose_words_are_gone_fails_loudly() -> None:
    script = (
        "from tests.simulation import planted\n"
        "planted.BUGS['gone'] = planted.Bug('notifier.core.ledger', 'these words stand nowhere', '')\n"
        "planted.plant('gone')\n"
        "import notifier.core.ledger\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "the words of a planted bug stand 0 times" in ended.stderr


def test_a_seed_that_fails_is_shown_as_a_short_day_and_runs_again_alone() -> None:
    script = (
        "from tests.simulation import planted\n"
        "planted.plant('<= for < in the window')\n"
        "from tests.simulation.runs import draw_day, run_seeds, shortest, trace_of\n"
        "seed = next(seed for seed in range(1, 50) if run_seeds(range(seed, seed + 1)).failures)\n"
        "day = shortest(seed)\n"
        "print(len(day.happenings), len(draw_day(seed).happenings))\n"
        "print('\\n'.join(trace_of(day)))\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    first, *trace = shown.stdout.splitlines()
    short, whole = map(int, first.split())
    assert short < whole / 2
    assert any(" CHECK     " in line for line in trace)


def test_a_seed_gives_the_same_day_each_time() -> None:
    assert trace_of_seed(7) == trace_of_seed(7)
    assert trace_of_seed(7) != trace_of_seed(8)


def test_a_day_on_which_nothing_is_wrong_cannot_be_shortened_into_one() -> None:
    assert run_seeds(range(1, 2)).failures == {}
    assert shortest(1) == draw_day(1)


class TestScheduler:
    """Tasks take turns in the order of virtual time."""

    def test_whoever_waits_less_goes_first(self) -> None:
        scheduler = Scheduler()
        order: list[tuple[str, float]] = []

        def wait(name: str, seconds: float) -> None:
            scheduler.pause(seconds)
            order.append((name, scheduler.now))

        scheduler.spawn(lambda: wait("slow", 2))
        scheduler.spawn(lambda: wait("quick", 1))
        scheduler.run(10)
        assert order == [("quick", 1), ("slow", 2)]

    def test_what_is_not_back_in_time_goes_on_by_itself(self) -> None:
        scheduler = Scheduler()
        seen: list[object] = []

        def late() -> str:
            scheduler.pause(5)
            seen.append("late")
            return "late"

        scheduler.spawn(lambda: seen.append(scheduler.all_at_once([lambda: "now", late], 1)))
        scheduler.run(10)
        assert seen == [["now", None], "late"]

    def test_a_group_that_is_killed_does_nothing_more(self) -> None:
        scheduler = Scheduler()
        done: list[str] = []

        def work(name: str) -> None:
            scheduler.pause(2)
            done.append(name)

        for name in ("doomed", "spared"):
            scheduler.spawn(lambda name=name: work(name), group=name)  # type: ignore[misc]

        def kill() -> None:
            scheduler.pause(1)
            scheduler.kill("doomed")

        scheduler.spawn(kill)
        scheduler.run(10)
        assert done == ["spared"]


class TestDocuments:
    """The simulator's store keeps the port's promises where nothing goes wrong (tests/stores/test_contract.py)."""

    def test_the_second_of_two_creations_conflicts(self) -> None:
        documents = Documents()
        seen = documents.gather(KEY)
        documents.commit(seen, an_incident(title="first"), None)
        with pytest.raises(Conflict):
            documents.commit(seen, an_incident(title="second"), None)
        assert documents.gather(KEY).incident == an_incident(title="first")

    def test_a_stale_ledger_keeps_the_incident_from_being_written(self) -> None:
        documents = Documents()
        seen = documents.gather(KEY)
        documents.commit(seen, None, Ledger().with_slot(f"{KEY}/1/opened/sms/0/1", NOON, NOON))
        with pytest.raises(Conflict):
            documents.commit(seen, an_incident(), Ledger())
        assert documents.gather(KEY).incident is None

    def test_the_answer_of_a_commit_is_the_next_precondition(self) -> None:
        documents = Documents()
        seen = documents.commit(documents.gather(KEY), an_incident(), Ledger())
        documents.commit(seen, an_incident(title="next"), None)
        assert documents.gather(KEY).incident == an_incident(title="next")

    def test_a_write_of_the_same_bytes_keeps_the_version(self) -> None:
        documents = Documents()
        seen = documents.commit(documents.gather(KEY), an_incident(), None)
        documents.commit(seen, an_incident(), None)
        documents.commit(seen, an_incident(title="next"), None)

    def test_what_is_due_is_found_the_oldest_first(self) -> None:
        documents = Documents()
        documents.commit(documents.gather(KEY), an_incident(next_due=NOON), None)
        assert [found.key for found in documents.due(NOON, 9)] == [KEY]
        assert documents.waiting(9) == []
