"""A drill over HTTP, on a virtual clock; on real processes it is tests/end_to_end/test_drill.py's."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from click.testing import CliRunner, Result
from requests.auth import _basic_auth_str
from urllib3.exceptions import MaxRetryError, NewConnectionError

from notifier.cli import cli
from notifier.cli.drill_steps import End
from notifier.cli.drilling import Drill
from notifier.settings import NAMES
from notifier.wiring import app_from_environment
from tests.instances import VirtualClock

URL = "https://pager.example.com/notify"
TOKEN = "made-up-token-of-the-tests"
ANSWER = {"ref": "7F3K", "generation": 1, "severity": "critical", "deliveries": {"opened/sms/0/1": "sent"}}
OPEN, ACKNOWLEDGED, RESOLVED = ({**ANSWER, "state": state} for state in ("open", "acknowledged", "resolved"))
NOT_THERE = requests.ConnectionError(MaxRetryError(None, URL, NewConnectionError(None, "refused")))  # type: ignore[arg-type]


class Pager:
    """What it is asked, and what it answers: the next of `answers`, the last one over and over."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.credentials: list[str] = []
        self.answers: list[dict[str, object] | int | Exception] = [OPEN]
        self.closing: list[dict[str, object] | int | Exception] = [RESOLVED]
        self.on_ask: Callable[[], object] = lambda: None

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        content = json.loads(request.body or b"")
        self.asked.append(content)
        self.credentials.append(request.headers["Authorization"])
        answers = self.closing if content.get("state") == "closed" else self.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.on_ask()
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return answer, {}, "{}"
        return 200, {}, json.dumps({"incidents": [answer]})

    @property
    def opened(self) -> int:
        return sum("state" not in content for content in self.asked)

    @property
    def closed(self) -> int:
        return len(self.asked) - self.opened


@pytest.fixture
def pager() -> Iterator[Pager]:
    one = Pager()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback(responses.POST, URL, one.answer)
        yield one


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def drill(said: list[str]) -> Drill:
    return Drill(URL, TOKEN, said.append, VirtualClock())


def test_it_asks_every_2_seconds_until_it_is_acknowledged(pager: Pager, drill: Drill, said: list[str]) -> None:
    pager.answers = [OPEN, OPEN, OPEN, ACKNOWLEDGED]
    assert drill.run(60) is End.ACKNOWLEDGED
    assert [(step.name, seconds) for step, seconds in drill.steps] == [
        ("stored", 0.0),
        ("texted", 0.0),
        ("acknowledged", 6.0),
    ]
    assert said[-1] == "    6.0 s  acknowledged"


def test_each_post_is_the_same_critical_alert_under_a_name_of_its_own(pager: Pager, drill: Drill) -> None:
    drill.run(5)
    first, *others = pager.asked
    assert all(one == first for one in others)
    assert first["severity"] == "critical"
    assert first["title"].startswith("DRILL")
    Drill(URL, TOKEN, lambda _: None, VirtualClock()).run(1)
    assert pager.asked[-1]["id"] != first["id"]


def test_its_token_goes_along(pager: Pager, drill: Drill) -> None:
    drill.run(1)
    assert set(pager.credentials) == {_basic_auth_str("drill", TOKEN)}


def test_nobody_answers_in_time(pager: Pager, drill: Drill) -> None:
    assert drill.run(60) is None
    assert (drill.trouble, pager.opened) == ("", 31)


def test_the_drill_is_closed_under_its_name(pager: Pager, drill: Drill) -> None:
    drill.run(1)
    assert drill.close()
    assert pager.asked[-1] == {"id": pager.asked[0]["id"], "state": "closed"}


def test_a_close_that_is_not_taken_is_tried_again(pager: Pager, drill: Drill) -> None:
    pager.closing = [503, requests.ReadTimeout(), RESOLVED]
    drill.run(1)
    assert drill.close()
    assert pager.closed == 3


def test_a_close_that_is_never_taken_is_said(pager: Pager, drill: Drill) -> None:
    pager.closing = [503]
    drill.run(1)
    assert not drill.close()
    assert pager.closed == 5


def test_what_was_refused_is_not_open(pager: Pager, drill: Drill) -> None:
    pager.answers = [401]
    assert drill.run(60) is None
    assert "WEBHOOK_TOKEN" in drill.trouble
    assert drill.close()
    assert (pager.opened, pager.closed) == (1, 0)


def test_without_a_connection_nothing_is_open(pager: Pager, drill: Drill) -> None:
    pager.answers = [NOT_THERE]
    assert drill.run(60) is None
    assert drill.trouble == "The pager could not be heard: it cannot be reached (ConnectionError)."
    assert drill.close()
    assert (pager.opened, pager.closed) == (1, 0)


@pytest.mark.parametrize("lost", [requests.ReadTimeout(), requests.ConnectionError("reset")], ids=["late", "reset"])
def test_a_page_whose_answer_was_lost_may_be_open(pager: Pager, drill: Drill, lost: Exception) -> None:
    pager.answers = [lost, OPEN, ACKNOWLEDGED]
    assert drill.run(60) is End.ACKNOWLEDGED
    assert drill.trouble == ""


def test_a_lost_answer_before_the_end_has_the_drill_closed(pager: Pager, drill: Drill) -> None:
    pager.answers = [requests.ReadTimeout()]
    assert drill.run(1) is None
    assert drill.close()
    assert pager.closed == 1


def test_a_pager_that_stores_nothing_is_given_up_after_a_minute(pager: Pager, drill: Drill, said: list[str]) -> None:
    pager.answers = [503]
    assert drill.run(900) is None
    assert pager.opened == 7
    assert len(said) == 1
    assert drill.close()
    assert pager.closed == 1


def test_what_passes_is_forgotten(pager: Pager, drill: Drill) -> None:
    pager.answers = [OPEN, 503, OPEN]
    assert drill.run(30) is None
    assert drill.trouble == ""


def test_no_redirect_is_followed_with_the_token(drill: Drill) -> None:
    with responses.RequestsMock() as mock:
        mock.post(URL, status=307, headers={"Location": "https://elsewhere.example.com/"})
        assert drill.run(60) is None
        assert len(mock.calls) == 1
    assert "redirect" in drill.trouble


def test_broken_off_it_looks_no_more(pager: Pager, drill: Drill) -> None:
    pager.on_ask = drill.break_off
    assert drill.run(60) is None
    assert pager.opened == 1


# The command


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in (*NAMES, "K_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUBLIC_URL", URL)
    monkeypatch.setenv("WEBHOOK_TOKEN", TOKEN)
    yield monkeypatch
    app_from_environment.cache_clear()


def command(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, ["drill", *arguments], input=answer)


@pytest.mark.usefixtures("settings")
def test_it_says_what_it_will_do_and_asks_first(pager: Pager) -> None:
    done = command(answer="n\n")
    assert (done.exit_code, pager.asked) == (1, [])
    for words in ("pager.example.com", "text", "one of the hour's texts", "Go on?"):
        assert words in done.stderr


@pytest.mark.usefixtures("settings")
def test_asked_and_answered_it_goes_on(pager: Pager) -> None:
    pager.answers = [ACKNOWLEDGED]
    assert command(answer="y\n").exit_code == 0
    assert (pager.opened, pager.closed) == (1, 1)


@pytest.mark.parametrize("missing", ["PUBLIC_URL", "WEBHOOK_TOKEN"])
def test_what_is_missing_is_named(pager: Pager, settings: pytest.MonkeyPatch, missing: str) -> None:
    settings.delenv(missing)
    done = command("--yes")
    assert (done.exit_code, pager.asked) == (2, [])
    assert missing in done.stderr


@pytest.mark.usefixtures("settings")
def test_a_token_goes_over_https_only(pager: Pager) -> None:
    done = command("--yes", "--url=http://pager.example.com/notify")
    assert (done.exit_code, pager.asked) == (2, [])
    assert "must begin with https://" in done.stderr


@pytest.mark.usefixtures("settings")
def test_a_signal_while_the_first_post_is_under_way_waits_for_its_answer(pager: Pager) -> None:
    pager.on_ask = lambda: signal.raise_signal(signal.SIGINT) if pager.opened == 1 and not pager.closed else None
    done = command("--yes")
    assert "stored, as #7F3K" in done.stdout
    assert "Broken off." in done.stderr
    assert (done.exit_code, pager.opened, pager.closed) == (1, 1, 1)


@pytest.mark.usefixtures("settings")
def test_an_error_of_ours_leaves_no_drill_open(pager: Pager, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("notifier.cli.drilling.steps", steps)
    assert command("--yes").exit_code == 1
    assert pager.closed == 1


@pytest.mark.usefixtures("settings")
def test_a_drill_that_could_not_be_closed_says_so_and_fails(pager: Pager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.cli.drilling._LOOKS_EVERY", 0)
    pager.answers, pager.closing = [ACKNOWLEDGED], [503]
    done = command("--yes")
    assert done.exit_code == 1
    assert "IT MAY GO ON PAGING: the drill could not be closed. Acknowledge #7F3K" in done.stderr
