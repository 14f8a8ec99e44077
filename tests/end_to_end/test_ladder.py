"""The ladder on a real process, its minutes made seconds: what nobody answers gets louder, until somebody does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.policy import default
from itertools import pairwise

import pytest
import requests

from tests.end_to_end.alerts import cloud_monitoring
from tests.end_to_end.mailbox import Mailbox, mailbox
from tests.end_to_end.processes import Function, function, policy_setting
from tests.end_to_end.providers import Providers, providers
from tests.end_to_end.twilio_api import PHONES, Text
from tests.end_to_end.waiting import Scheduler, ticking, wait_until
from tests.firestore_emulator import free_port

IN_SECONDS = {
    'error    = "10m"': 'error    = "2s"',
    'critical = "20m"': 'critical = "4s"',
    "max_per_hour = 5 ": "max_per_hour = 30",
    'next_phone   = "15m"': 'next_phone   = "3s"',
}
TITLE = "Database CPU on db-1 (CPU utilization)"
LATE = 2.5
"""Seconds a step may come late: a tick a second, on a busy machine."""
ANA, BEN = PHONES


class Told:
    """One incident, and who has heard of it."""

    def __init__(self, number: str, running: Function, taken: Providers, mail: Mailbox, scheduler: Scheduler) -> None:
        self.posted = time.monotonic()
        self._body = cloud_monitoring(f"0.ladder{number}", "Warning")
        self._function, self._providers, self._mail, self._scheduler = running, taken, mail, scheduler
        self.ref = self.again()["ref"]

    def again(self) -> dict[str, str]:
        """How it stands, as the answer to a repeat of the alert shows it."""
        answer = self._function.post(self._body)
        assert answer.status_code == 200
        incident: dict[str, str] = answer.json()["incidents"][0]
        return incident

    def close(self) -> None:
        body = {**self._body, "incident": {**self._body["incident"], "state": "closed", "ended_at": 1_769_861_000}}
        assert self._function.post(body).status_code == 200

    @property
    def posts(self) -> list[str]:
        return self._providers.posts_of(self.ref)

    @property
    def texts(self) -> list[Text]:
        return self._providers.texts_of(self.ref)

    @property
    def mails(self) -> list[str]:
        """Their subjects."""
        subjects = [message_from_bytes(mail, policy=default)["Subject"].strip() for mail in self._mail.mails]
        return [subject for subject in subjects if subject.endswith(f"#{self.ref}")]

    @property
    def link(self) -> str:
        """To acknowledge it, as Slack got it."""
        posts = [str(post) for post in self._providers.slack if post["text"].endswith(f"#{self.ref}")]
        (link,) = re.findall(r"<(\S+)\|Acknowledge>", posts[0])
        return str(link)

    def wait_for_ticks(self, seconds: float) -> None:
        """Until a tick was through that began `seconds` after the alert: whatever was due by then is done."""
        wait_until(lambda: self._scheduler.begun >= self.posted + seconds, seconds + 10)


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Function, Providers, Mailbox, Scheduler]]:
    folder = tmp_path_factory.mktemp("ladder")
    with ExitStack() as stack:
        taken, mail = stack.enter_context(providers()), stack.enter_context(mailbox())
        port = free_port()
        settings = {
            **taken.settings,
            **mail.settings,
            "STATE": f"sqlite:{folder / 'state.sqlite'}",
            **policy_setting(folder, IN_SECONDS),
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
        }
        running = stack.enter_context(function(settings, folder / "log", port))
        yield running, taken, mail, stack.enter_context(ticking(running))


@pytest.fixture
def told(everybody: tuple[Function, Providers, Mailbox, Scheduler], request: pytest.FixtureRequest) -> Told:
    return Told(request.node.name, *everybody)


def test_an_untouched_warning_is_told_louder_step_by_step(told: Told) -> None:
    assert told.posts == [f"WARNING: {TITLE} #{told.ref}"]
    wait_until(lambda: len(told.mails) == 1, 2 + LATE)
    assert time.monotonic() - told.posted >= 2
    assert not told.texts
    wait_until(lambda: len(told.texts) == 1, 2 + LATE)
    assert time.monotonic() - told.posted >= 4
    assert re.match(r"WARNING unanswered [456] s: Database CPU", told.texts[0].body)
    wait_until(lambda: len(told.texts) == 4, 3 * (3 + LATE))
    assert [text.to for text in told.texts] == [ANA, BEN, ANA, BEN]
    times = [text.at.timestamp() for text in told.texts]
    assert all(later - earlier >= 3 for earlier, later in pairwise(times))
    told.wait_for_ticks(time.monotonic() - told.posted + 4)
    assert (len(told.posts), len(told.mails), len(told.texts)) == (1, 1, 4)


def test_acknowledged_in_between_nothing_more_is_told(told: Told) -> None:
    wait_until(lambda: len(told.mails) == 1, 2 + LATE)
    assert 'method="post"' in requests.get(told.link, timeout=10).text
    assert told.again()["state"] == "open"
    assert len(told.posts) == 1
    assert requests.post(told.link, data={"name": "Ana"}, timeout=10).ok
    assert told.again()["state"] == "acknowledged"
    said = f"ACKNOWLEDGED by Ana, by the link in Slack at ...: {TITLE} #{told.ref}"
    assert re.sub("at .*:", "at ...:", told.posts[1]) == said
    assert told.mails[1] == f"Re: {told.mails[0]}"
    told.wait_for_ticks(8)
    assert (len(told.posts), len(told.mails), len(told.texts)) == (2, 2, 0)


def test_resolved_it_is_said_where_it_had_been_heard_but_not_by_text(told: Told) -> None:
    wait_until(lambda: len(told.texts) == 1, 4 + LATE)
    told.close()
    wait_until(lambda: len(told.mails) == 2, LATE)
    assert re.match(f"RESOLVED after .*: {re.escape(TITLE)}", told.posts[1])
    told.wait_for_ticks(9)
    assert (len(told.posts), len(told.mails), len(told.texts)) == (2, 2, 1)
