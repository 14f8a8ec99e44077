"""incidents lists what there is; explain says why somebody was paged, or was not."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

import notifier
from notifier.core.incident import Incident, incident_key, ref_of
from tests.cli.conftest import Run
from tests.end_to_end.courses import Course
from tests.end_to_end.providers import providers
from tests.end_to_end.twilio_api import error


@pytest.fixture
def three(simulated: Path) -> tuple[Incident, Incident, Incident]:
    """One that is acknowledged, one that is open and one that is over, in the order they began."""
    answered = notifier.alert("Answered", "critical", id="answered")
    opened = notifier.alert("Open", "warning", id="opened")
    over = notifier.alert("Over", "error", id="over")
    notifier.resolve("over")
    return answered, opened, over


@pytest.fixture
def listed(run: Run, three: tuple[Incident, Incident, Incident]) -> tuple[Incident, Incident, Incident]:
    assert run("ack", "answered", "--by", "Ben").exit_code == 0
    return three


# incidents


def test_open_ones_come_first_and_what_is_over_on_request_only(run: Run, listed: tuple[Incident, ...]) -> None:
    answered, opened, over = listed
    for arguments, wanted in (
        ([], [opened, answered]),
        (["--all"], [opened, answered, over]),
        (["--ended"], [over]),
    ):
        done = run("incidents", *arguments)
        assert done.exit_code == 0
        refs = re.findall(r"^#(\w+)", done.stdout, re.MULTILINE)
        assert refs == [one.ref for one in wanted]
        assert [one["ref"] for one in json.loads(run("incidents", "--json", *arguments).stdout)] == refs


def test_a_row_says_who_was_told(run: Run, listed: tuple[Incident, ...]) -> None:
    answered, *_ = listed
    head, _, row = run("incidents").stdout.splitlines()
    assert head.split() == ["ref", "severity", "state", "since", "told", "title"]
    columns = re.split(" {2,}", row)
    assert columns[:3] == [f"#{answered.ref}", "critical", "acknowledged"]
    assert columns[4:] == ["slack, discord, email, phone 1", "Answered"]


def test_a_severity_that_has_climbed_shows_both(run: Run, simulated: Path) -> None:
    notifier.alert("Open", "warning", id="opened")
    with closing(sqlite3.connect(simulated)) as database, database:
        database.execute(
            """UPDATE documents SET body = replace(body, '"effective":"warning"', '"effective":"error"')"""
        )
    assert "warning -> error" in run("incidents").stdout
    (shown,) = json.loads(run("incidents", "--json").stdout)
    assert (shown["severity"], shown["effective"]) == ("warning", "error")


def test_for_machines_the_names_are_those_of_the_help(run: Run, listed: tuple[Incident, ...]) -> None:
    named = set(re.findall(r'"(\w+)"', run("incidents", "--help").stdout))
    shown = json.loads(run("incidents", "--json").stdout)
    assert {frozenset(one) for one in shown} == {frozenset(named)}
    answered = shown[1]
    assert (answered["state"], answered["acknowledged_by"]) == ("acknowledged", "Ben, on the command line")
    assert answered["deliveries"]["opened/sms/0/1"] == "sent"
    assert datetime.fromisoformat(answered["acknowledged_at"])


@pytest.mark.parametrize(("arguments", "words"), [([], "nothing is open"), (["--ended"], "nothing is over")])
def test_with_nothing_to_list_that_is_said(run: Run, simulated: Path, arguments: list[str], words: str) -> None:
    notifier.alert("x", "info", id="x")
    if not arguments:
        notifier.resolve("x")
    assert run("incidents", *arguments).stdout == f"{words}\n"


def test_a_state_that_is_not_there_exits_with_2(run: Run, simulated: Path) -> None:
    for arguments in (["incidents"], ["explain", "7F3K"]):
        done = run(*arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "is not there; the deployed pager's state is in Firestore: STATE=firestore" in done.stderr


def test_a_state_that_cannot_be_read_exits_with_2(run: Run, simulated: Path) -> None:
    simulated.write_text("not a database")
    for arguments in (["incidents"], ["explain", "7F3K"]):
        done = run(*arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "is no SQLite database" in done.stderr


# explain


@pytest.mark.parametrize("called", ["{ref}", "#{small}", "{id}", "{key}"])
def test_an_incident_is_explained_by_any_of_its_names_over_or_not(
    run: Run, listed: tuple[Incident, ...], called: str
) -> None:
    for one in listed:
        name = called.format(ref=one.ref, small=one.ref.lower(), id=one.incident_id, key=one.key)
        done = run("explain", name)
        assert done.exit_code == 0
        assert done.stdout.startswith(f"#{one.ref}  {one.title}\n")


def test_it_is_told_from_the_verdict_to_what_comes_next(run: Run, three: tuple[Incident, ...]) -> None:
    _, opened, _ = three
    at = rf"{opened.opened_at:%H:%M}"
    assert re.fullmatch(
        rf"#{opened.ref}  Open\n"
        r"warning, open; said by plain \(opened\)\n"
        r"Times are UTC; it is [\d-]+ [\d:]+ now\.\n\n"
        r"Nobody has been texted\.\n"
        r"  - No text: texts go out at critical alone, and this is warning; it becomes critical at [\d:]+ UTC if nobody"
        r" answers\.\n\n"
        r"What happened\n"
        rf"  {opened.opened_at:%Y-%m-%d}\n"
        rf"  {at}  opened as warning: Open\n"
        rf"  [\d:]+  slack and discord told \(simulated: nothing was sent\)\n\n"
        r"What comes next, if nobody answers before\n"
        r"  [\d-]+\n"
        r"  [\d:]+  it is treated as error: email is told\n"
        r"(  [\d-]+\n)?"
        r"  [\d:]+  it is treated as critical: phone 1 is texted\n"
        r"  [\d-]+\n"
        rf"  {at}  it ends by itself, if its sender says nothing of it for 8 d\n\n"
        r"The minute tick has never been here: what comes next waits for it, or for the next alert\.\n",
        run("explain", opened.ref).stdout,
    )


def test_what_is_over_waits_for_no_answer(run: Run, three: tuple[Incident, ...]) -> None:
    *_, over = three
    assert "What comes next\n" in run("explain", over.ref).stdout


def test_phones_are_masked_and_twilios_words_are_told(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with providers() as taken:
        for name, value in taken.settings.items():
            monkeypatch.setenv(name, value)
        taken.twilio.plan(Course(refused=error(21606)))
        run("send", "x", "-s", "critical", "--id", "db")
    shown = run("explain", "db").stdout
    assert "  - phone 1 (+1555*****01) was NOT texted: 21606: TWILIO_FROM is not a number of this Twilio" in shown
    assert "  - phone 2 (+1555*****02) was texted at " in shown
    assert "+15555550101" not in shown


def test_for_machines_the_story_has_its_parts(run: Run, three: tuple[Incident, ...]) -> None:
    answered, *_ = three
    shown = json.loads(run("explain", answered.ref, "--json").stdout)
    assert (shown["ref"], shown["state"]) == (answered.ref, "open")
    assert shown["verdict"].startswith("Texted: phone 1 at ")
    assert shown["happened"][0]["text"] == "opened as critical: Answered"
    assert datetime.fromisoformat(shown["happened"][0]["at"]) == answered.opened_at
    assert [entry["text"] for entry in shown["follows"]][-1].startswith("it ends by itself")
    assert len(shown["cautions"]) == 1


def test_a_name_of_nothing_exits_with_2(run: Run, three: tuple[Incident, ...]) -> None:
    done = run("explain", "ZZZZ")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no incident is called ZZZZ in the SQLite file" in done.stderr
    assert "what is over is kept for 14 d" in done.stderr


def test_a_name_of_several_exits_with_2_and_tells_them_apart(run: Run, three: tuple[Incident, ...]) -> None:
    answered, *_ = three
    other = notifier.alert("Other", "error", id=answered.ref)
    done = run("explain", answered.ref)
    assert done.exit_code == 2
    assert f"  {answered.key}  open  Answered\n" in done.stderr
    assert f"  {other.key}  open  Other\n" in done.stderr
    assert run("explain", other.key).exit_code == 0


def test_a_ref_of_an_earlier_generation_leads_to_the_last(run: Run, simulated: Path) -> None:
    notifier.alert("x", "error", id="x")
    notifier.resolve("x")
    now = notifier.alert("x", "error", id="x")
    earlier = ref_of(incident_key("plain", "x"), 1)
    done = run("explain", earlier)
    assert done.exit_code == 2
    assert (
        f"{earlier} was opened again since: only the last generation is kept, and that is #{now.ref} (x)" in done.stderr
    )
