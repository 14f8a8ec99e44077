"""What the comparison with Alertmanager is worth: the same moments for all, and honest counting."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from bench._pagers import CONFIGURATION, Alertmanager, Firing, Pager, Post, find_alertmanager
from bench._plan import CALM, SINK_DOWN, Plan, Window, plan
from bench._sink import Sink, sink
from bench._turn import Count, Sender, count
from bench.alertmanager import exit_code, percentile, table
from tests.builders import NOON, ROOT
from tests.end_to_end.waiting import wait_until

ROUND = Plan({"a": 1.0, "b": 2.0, "c": 6.0}, kills=(5.0,), sink_down=Window(7.0, 9.0), member=0, seconds=10.0)


def a_count(pager: str = "notifier", **changes: object) -> Count:
    usual = {"pager": pager, "calm": (0.1,), "all": (0.1, 5.0), "lost": 0, "doubled": 0, "down": (0.5,)}
    return Count(**{**usual, **changes})  # type: ignore[arg-type]


def test_a_seed_decides_every_moment() -> None:
    assert plan(7, 50, 8, 2) == plan(7, 50, 8, 2)
    assert plan(7, 50, 8, 2) != plan(8, 50, 8, 2)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_fails_in_the_calm_nor_after_the_end(seed: int) -> None:
    one = plan(seed, 50, 8, 3)
    assert len(one.fires) == 50
    assert all(0 <= moment <= 8 for moment in one.fires.values())
    assert all(CALM <= moment <= 8 for moment in one.kills)
    assert len(one.kills) == 3
    assert one.sink_down.begin >= CALM
    assert one.sink_down.end == pytest.approx(one.sink_down.begin + SINK_DOWN)
    assert one.sink_down.end <= 8


def test_half_of_the_rounds_kill_the_oldest_member() -> None:
    assert [plan(seed, 1, 8, 1).member for seed in range(4)] == [0, 1, 0, 1]


def test_each_alert_counts_from_its_firing_to_its_first_notification() -> None:
    counted = count("x", ROUND, {"a": [1.5], "b": [9.0, 2.25], "c": [6.5]}, [])
    assert counted.all == (0.5, 0.25, 0.5)


def test_an_alert_never_notified_is_lost_and_has_no_time() -> None:
    counted = count("x", ROUND, {"a": [1.5], "b": []}, [])
    assert (counted.lost, counted.all) == (2, (0.5,))


def test_every_notification_beyond_the_first_is_a_doubled_one() -> None:
    assert count("x", ROUND, {"a": [1, 2, 3], "b": [3], "c": [7, 8]}, []).doubled == 3


def test_alerts_that_were_not_planned_do_not_count() -> None:
    counted = count("x", ROUND, {"a": [1.5], "b": [3], "c": [7], "warm-up": [0.1, 0.2]}, [])
    assert (len(counted.all), counted.doubled) == (3, 0)


def test_calm_alerts_fire_well_before_the_first_failure() -> None:
    taken = {"a": [1.5], "b": [2.25], "c": [6.5]}
    assert count("x", ROUND, taken, []).calm == (0.5, 0.25)
    assert count("x", ROUND._replace(sink_down=Window(2.5, 4.5)), taken, []).calm == (0.5,)


def test_how_long_it_was_down_is_kept_for_each_kill() -> None:
    assert count("x", ROUND, {}, [Window(1.0, 1.5), Window(2.0, 4.0)]).down == (0.5, 2.0)


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50), (99, 99), (100, 100), (1, 1)], ids=["middle", "99th", "most", "least"]
)
def test_a_percentile_is_one_of_the_values(percent: int, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_the_table_shows_each_pager_over_its_rounds() -> None:
    shown = table([a_count(doubled=3), a_count("Alertmanager", lost=1), a_count(doubled=5)]).splitlines()
    assert [line.split("  ")[0] for line in shown[2:]] == ["notifier", "Alertmanager"]
    assert "8 (3-5)" in shown[2]
    assert "1 (1-1)" in shown[3]


def test_only_what_notifier_lost_is_a_failure() -> None:
    assert exit_code([a_count(doubled=9), a_count("Alertmanager", lost=9)]) == 0
    assert exit_code([a_count(), a_count(lost=1)]) == 1


class Told(Pager):
    """Remembers every request, and answers each as it is set to."""

    def __init__(self, *, resends: bool, answers_200: bool) -> None:
        self.name, self.resends, self._answer = "told", resends, answers_200
        self.sent: list[str] = []

    def prepare(self, stack: ExitStack) -> None: ...

    def begin(self, stack: ExitStack) -> None: ...

    def kill(self, member: int) -> None: ...

    def restart(self) -> None: ...

    def is_up(self) -> bool:
        return True

    def posts(self, alerts: Sequence[Firing]) -> list[Post]:
        return [Post([alert], lambda name=alert.name: self._send(name)) for alert in alerts]  # type: ignore[misc]

    def _send(self, name: str) -> bool:
        self.sent.append(name)
        return self._answer


@pytest.mark.parametrize(
    ("resends", "answers_200", "is_sent_again"),
    [(True, True, True), (True, False, True), (False, True, False), (False, False, True)],
    ids=["Prometheus", "Prometheus, refused", "until 200: taken", "until 200: refused"],
)
def test_who_is_sent_an_alert_again(*, resends: bool, answers_200: bool, is_sent_again: bool) -> None:
    pager = Told(resends=resends, answers_200=answers_200)
    with ExitStack() as stack:
        sender = Sender(pager, stack, again_after=0.05)
        sender.fire("host-1-1")
        if is_sent_again:
            wait_until(lambda: len(pager.sent) >= 3, 20)
        else:
            wait_until(lambda: pager.sent == ["host-1-1"] and sender.is_done, 20)


def test_who_sends_until_200_sends_nothing_twice_at_the_same_time() -> None:
    answered = threading.Event()
    pager = Told(resends=False, answers_200=True)
    with ExitStack() as stack:
        sender = Sender(pager, stack, again_after=0.01)
        stack.callback(answered.set)
        send = pager._send
        pager._send = lambda name: answered.wait(20) and send(name)  # type: ignore[method-assign]
        sender.fire("host-1-1")
        wait_until(lambda: list(sender._due.values()) == [math.inf], 20)
        answered.set()
        wait_until(lambda: sender.is_done, 20)
    assert pager.sent == ["host-1-1"]


def posted(one: Sink, body: object) -> int:
    return requests.post(one.url, json=body, timeout=5).status_code


def test_the_sink_counts_a_notification_once_for_each_alert_it_names() -> None:
    with sink() as one:
        assert posted(one, {"text": "host-1-1 is down, host-1-1", "more": "host-1-10"}) == 200
        assert posted(one, {"text": "host-1-1"}) == 200
        assert {name: len(times) for name, times in one.taken.items()} == {"host-1-1": 2, "host-1-10": 1}


def test_the_sink_counts_nothing_while_it_is_down() -> None:
    with sink() as one:
        one.down = True
        assert posted(one, {"text": "host-1-1"}) == 503
        one.down = False
        assert not one.taken


def test_prometheus_tells_every_member_in_batches_of_64(tmp_path: Path) -> None:
    with sink() as one:
        two = Alertmanager("two", one, tmp_path, members=2)
    posts = two.posts([Firing(f"host-1-{number}", NOON) for number in range(100)])
    assert [len(post.alerts) for post in posts] == [64, 64, 36, 36]


def test_each_alert_is_a_notification_of_its_own_at_once(tmp_path: Path) -> None:
    with sink() as one:
        Alertmanager("one", one, tmp_path)
        written = json.loads((tmp_path / "alertmanager.yml").read_text("utf-8"))
        assert written["route"] == CONFIGURATION["route"]
        assert written["receivers"][0]["webhook_configs"] == [{"url": one.url, "send_resolved": False}]


def test_where_no_alertmanager_is_installed_it_says_how_and_other_benchmarks_go_on() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bench.alertmanager"],
        cwd=ROOT,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "apt-get install prometheus-alertmanager" in run.stdout


def test_too_short_a_round_is_refused_with_the_least() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bench.alertmanager", "--seconds", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "--seconds is 5 or more" in run.stderr


@pytest.mark.skipif(not find_alertmanager(), reason="Alertmanager is not installed")
def test_a_real_alertmanager_notifies_the_sink_and_again_after_it_was_killed(tmp_path: Path) -> None:
    """As shipped it has forgotten by then: what the benchmark's second line counts as doubled."""
    with sink() as one, ExitStack() as stack:
        pager = Alertmanager("one", one, tmp_path)
        pager.prepare(stack)
        (post,) = pager.posts([Firing("host-1-1", NOON)])
        for times in (1, 2):
            # As Prometheus does: again and again, and with no effect once it has been notified.
            wait_until(lambda times=times: post.send() and len(one.taken["host-1-1"]) == times, 20)  # type: ignore[misc]
            pager.kill(0)
            assert not pager.is_up()
            pager.restart()
