"""`python -m notifier drill` as a person runs it, against a real process and the fake Twilio."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.builders import ROOT
from tests.end_to_end.alerts import cloud_monitoring
from tests.end_to_end.courses import Course, failed
from tests.end_to_end.mailbox import mailbox
from tests.end_to_end.processes import TOKEN, Function, free_port, function, policy_setting
from tests.end_to_end.providers import Providers, providers
from tests.end_to_end.twilio_api import PHONES

PUBLIC_URL = "https://pager.example.com/notify"
ENDS_WITHIN = 30
TAKEN = "the text to phone 1 is taken by the provider"


class Deployed:
    """A pager, and everybody it talks to."""

    def __init__(self, running: Function, taken: Providers, folder: Path) -> None:
        self.function = running
        self.providers = taken
        self.folder = folder

    @contextmanager
    def drill(self, *options: str, token: str = TOKEN, url: str = "") -> Iterator[Drill]:
        """One that is under way; ended at the latest with the block."""
        inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        environment = {**inherited, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "WEBHOOK_TOKEN": token}
        command = [sys.executable, "-m", "notifier", "drill", "--yes", f"--url={url or self.function.url}", *options]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=pipe, stderr=pipe, text=True
        ) as process:
            try:
                yield Drill(process)
            finally:
                process.kill()

    def posts_of(self, ref: str) -> list[str]:
        """What Slack was told of an incident, its title left out."""
        return [post.partition(":")[0] for post in self.providers.posts_of(ref)]


class Drill:
    """One process, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""

    def wait_for(self, words: str) -> None:
        assert self.process.stdout
        while words not in self.said:
            line = self.process.stdout.readline()
            assert line, f"it ended without {words!r}: {self.said}{self.end()}"
            self.said += line

    def end(self) -> str:
        """Wait until it ends; what it said on standard error."""
        out, err = self.process.communicate(timeout=ENDS_WITHIN)
        self.said += out
        return err

    @property
    def ref(self) -> str:
        (ref,) = re.findall(r"stored, as #(\w+)", self.said)
        return str(ref)

    @property
    def steps(self) -> list[str]:
        """Without the delivery report, which comes before or after somebody's answer."""
        return [step for step in re.findall(r"\d s  (.*)", self.said) if "delivered" not in step]


@contextmanager
def deployed(folder: Path, policy: Mapping[str, str]) -> Iterator[Deployed]:
    port = free_port()
    with ExitStack() as stack:
        taken = stack.enter_context(providers(PUBLIC_URL, f"http://127.0.0.1:{port}"))
        settings = {
            **taken.settings,
            **stack.enter_context(mailbox()).settings,
            **policy_setting(folder, policy),
            "STATE": f"sqlite:{folder / 'state.sqlite'}",
        }
        yield Deployed(stack.enter_context(function(settings, folder / "log", port)), taken, folder)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("drill"), {"max_per_hour = 5 ": "max_per_hour = 30"}) as one:
        yield one


@pytest.fixture
def pager(running: Deployed) -> Iterator[Deployed]:
    yield running
    running.providers.twilio.forget()


def test_a_drill_that_is_answered_by_text_says_how_long_each_step_took_and_is_closed(pager: Deployed) -> None:
    with pager.drill() as drill:
        drill.wait_for(TAKEN)
        reply = pager.providers.twilio.receive(PHONES[0], "ack")
        err = drill.end()
    assert reply.texts
    assert drill.process.returncode == 0
    assert drill.steps == [
        f"stored, as #{drill.ref}",
        "told: Slack, Discord, email",
        TAKEN,
        "acknowledged",
        "closed",
    ]
    seconds = [float(one) for one in re.findall(r"([\d.]+) s  ", drill.said)]
    assert all(earlier <= later for earlier, later in pairwise(seconds))
    assert pager.posts_of(drill.ref)[0] == "CRITICAL"
    assert pager.posts_of(drill.ref)[1].startswith("ACKNOWLEDGED by phone 1")
    assert pager.posts_of(drill.ref)[2].startswith("RESOLVED")
    assert "Traceback" not in err


def test_the_text_says_that_it_is_a_drill(pager: Deployed) -> None:
    with pager.drill("--wait=1s") as drill:
        drill.end()
    (text,) = pager.providers.texts_of(drill.ref)
    assert text.body.startswith("CRITICAL: DRILL: please acknowledge #")


def test_a_drill_that_nobody_answers_in_time_is_closed(pager: Deployed) -> None:
    with pager.drill("--wait=1s") as drill:
        err = drill.end()
    assert drill.process.returncode == 1
    assert "After 1 s: Nobody has acknowledged it." in err
    assert pager.posts_of(drill.ref)[-1].startswith("RESOLVED")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_drill_that_is_broken_off_is_closed(pager: Deployed, how: signal.Signals) -> None:
    with pager.drill() as drill:
        drill.wait_for(TAKEN)
        drill.process.send_signal(how)
        err = drill.end()
    assert drill.process.returncode == 1
    assert drill.steps[-1] == "closed"
    assert "Broken off." in err
    assert pager.posts_of(drill.ref)[-1].startswith("RESOLVED")
    assert "Traceback" not in err


def test_a_wrong_token_is_said_and_nobody_is_told(pager: Deployed) -> None:
    posts, texts = len(pager.providers.slack), len(pager.providers.texts)
    with pager.drill(token="another-token-of-no-worth") as drill:
        err = drill.end()
    assert drill.process.returncode == 1
    assert "401: its WEBHOOK_TOKEN is not the one here" in err
    assert "PAGING" not in err
    assert (len(pager.providers.slack), len(pager.providers.texts)) == (posts, texts)
    assert TOKEN not in drill.said + err


def test_a_pager_that_is_not_there_is_said(pager: Deployed) -> None:
    with pager.drill(url=f"http://127.0.0.1:{free_port()}") as drill:
        err = drill.end()
    assert drill.process.returncode == 1
    assert "The pager could not be heard: it cannot be reached (ConnectionError)." in err
    assert "PAGING" not in err


def test_texts_that_all_fail_end_the_drill(pager: Deployed) -> None:
    pager.providers.twilio.plan(Course(steps=failed(30034)), 4)
    with pager.drill() as drill:
        err = drill.end()
    pager.providers.twilio.rest()
    assert drill.process.returncode == 1
    assert f"No text reached a phone: `python -m notifier explain {drill.ref}` says why." in err
    assert {"the text to phone 1 failed", "the text to phone 2 failed"} <= set(drill.steps)


def test_for_machines_there_is_one_object_and_no_words(pager: Deployed) -> None:
    with pager.drill("--wait=1s", "--json") as drill:
        drill.end()
    said = json.loads(drill.said)
    assert (said["outcome"], said["closed"], said["pager"]) == (
        "not acknowledged",
        True,
        pager.function.url.removeprefix("http://"),
    )
    steps = [step["step"] for step in said["steps"]]
    assert [step for step in steps if step != "delivered"] == ["stored", "told", "texted", "closed"]
    assert all(step["seconds"] >= 0 for step in said["steps"])
    assert pager.posts_of(said["ref"])[-1].startswith("RESOLVED")


def test_at_the_cap_no_text_goes_out_and_the_drill_says_so(tmp_path: Path) -> None:
    policy = {"max_per_hour = 5 ": "max_per_hour = 1 ", "reserved     = 2 ": "reserved     = 0 "}
    with deployed(tmp_path, policy) as pager:
        assert pager.function.post(cloud_monitoring("0.first")).status_code == 200
        with pager.drill() as drill:
            err = drill.end()
        assert drill.process.returncode == 1
        assert "no text to phone 1: the cap of texts an hour is reached" in drill.steps
        assert "The hour's texts are used up, so nobody is paged" in err
        assert len(pager.providers.texts) == 1
        assert pager.posts_of(drill.ref)[-1].startswith("RESOLVED")
