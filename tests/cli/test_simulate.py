"""python -m notifier simulate, as somebody uses it who has no account and no settings."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.cli.played import Totals
from notifier.settings import NAMES
from tests.builders import ROOT

CRITICAL = {"id": "db", "severity": "critical", "title": "Database unreachable"}
WARNING = {"id": "disk", "severity": "warning", "title": "Disk is filling up"}


@pytest.fixture(autouse=True)
def nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No settings, and a network that must not be used."""
    for name in (*NAMES, "K_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was used"))
    return monkeypatch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path, CRITICAL)


def written(folder: Path, content: object, name: str = "alert.json") -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


def simulate(*arguments: object, given: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["simulate", *map(str, arguments)], input=given)


def events(*arguments: object) -> Any:
    return json.loads(simulate("--json", *arguments).stdout)


def test_the_ladder_of_an_alert_is_shown_to_its_end(file: Path) -> None:
    done = simulate(file)
    assert (done.exit_code, done.stderr) == (0, "")
    first, day, *lines = done.stdout.splitlines()
    assert first.split() == ["SINCE", "UTC", "REF", "WHAT:", "WHICH", "TOLD", "SEG", "CENTS"]
    assert day == "Thursday, 01 January 2026"
    assert lines[0].startswith("00:00:00 09:00 #")
    assert lines[0].endswith("opened as critical: Database unreachable        slack discord email")
    assert lines[1].split()[-3:] == ["sms", "1", "0.83"]
    assert "SMS: 4 texts, 4 segments, $0.0332; 1 page held back by the cap." in lines
    assert "Most texts within one hour: 3 of the 5 that the policy allows: the cap was never passed." in lines
    assert (
        "The last 2 are kept for the first page of new critical alerts (reserved), so any other page is held back from"
        " 3 texts within the hour on."
    ) in lines
    assert lines[-1].startswith("Nobody answered #")


@pytest.mark.parametrize("arguments", [["--ack-after", "1m"], ["--policy", "p.toml"]], ids=["answered", "none kept"])
def test_what_is_kept_for_new_alerts_is_said_only_where_it_held_something_back(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    policy = (ROOT / "policy.toml").read_text("utf-8").replace("reserved     = 2", "reserved     = 0")
    monkeypatch.chdir(tmp_path)
    written(tmp_path, policy.replace("max_per_hour = 5", "max_per_hour = 3"), "p.toml")
    assert "are kept for" not in simulate(file, *arguments).stdout


def test_texts_for_several_are_counted(file: Path) -> None:
    assert ", 1 text for several at once." in simulate(file, "--times", "20", "--within", "1m").stdout


def test_the_whole_message_is_shown_where_it_is_asked_for(file: Path) -> None:
    done = simulate(file, "--show")
    assert "    | sms:\n    | To: +1555***" in done.stdout
    assert "Body (" in done.stdout
    assert "    | slack:\n    | POST https://simulated.invalid/***" in done.stdout


def test_what_is_said_for_machines(file: Path) -> None:
    content = events(file)
    opened, page, *_ = content["events"]
    assert (opened["event"], opened["channels"], opened["since_seconds"]) == (
        "opened",
        ["slack", "discord", "email"],
        0,
    )
    assert (page["phone"], page["segments"], page["usd"]) == (1, 1, 0.0083)
    assert page["text"].startswith("CRITICAL: Database unreachable #")
    assert "messages" not in page
    assert (content["totals"]["texts"], content["totals"]["cap_was_kept"]) == (4, True)
    assert (content["unanswered"], content["unreadable"]) == ([opened["ref"]], [])


def test_the_whole_messages_for_machines(file: Path) -> None:
    assert set(events(file, "--show")["events"][0]["messages"]) == {"slack", "discord", "email"}


def test_two_runs_say_the_same(file: Path) -> None:
    assert simulate(file, "--show").stdout == simulate(file, "--show").stdout


def test_another_policy_is_tried(file: Path, tmp_path: Path) -> None:
    policy = (ROOT / "policy.toml").read_text("utf-8").replace('next_phone   = "15m"', 'next_phone   = "5m"')
    pages = [one for one in events(file, "--policy", written(tmp_path, policy, "p.toml"))["events"] if "phone" in one]
    assert [one["since_seconds"] for one in pages][:3] == [0, 300, 600]


def test_a_policy_that_would_not_do_exits_with_2(file: Path, tmp_path: Path) -> None:
    done = simulate(file, "--policy", written(tmp_path, "[routes]", "p.toml"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "p.toml has mistakes" in done.stderr


@pytest.mark.parametrize(
    ("options", "phones"), [((), {1, 2}), (("--phones", "1"), {1}), (("--phones", "4"), {1, 2, 3, 4})]
)
def test_so_many_phones_are_on_call(file: Path, options: tuple[str, ...], phones: set[int]) -> None:
    assert {one["phone"] for one in events(file, *options)["events"] if "phone" in one} == phones


def test_phones_price_and_policy_are_those_of_the_settings(
    file: Path, tmp_path: Path, nothing_is_set: pytest.MonkeyPatch
) -> None:
    policy = (ROOT / "policy.toml").read_text("utf-8").replace("rounds       = 2", "rounds       = 1")
    nothing_is_set.setenv("POLICY_FILE", str(written(tmp_path, policy, "p.toml")))
    nothing_is_set.setenv("SMS_PRICE", "0.05")
    nothing_is_set.setenv("ONCALL_PHONE", "+15555550101,+15555550102,+15555550103")
    nothing_is_set.setenv("SIMULATE", "1")
    content = events(file)
    assert [one["phone"] for one in content["events"] if "phone" in one] == [1, 2, 3]
    assert content["totals"]["usd"] == pytest.approx(0.15)


def test_settings_that_would_not_do_exit_with_2(file: Path, nothing_is_set: pytest.MonkeyPatch) -> None:
    nothing_is_set.setenv("SMS_PRICE", "dear")
    assert simulate(file).exit_code == 2


def test_an_answer_stops_the_pages_and_an_end_everything(file: Path) -> None:
    content = events(file, "--ack-after", "5m", "--resolve-after", "30m")
    told = [(one["event"], one["since_seconds"]) for one in content["events"]]
    assert told == [("opened", 0), ("page", 0), ("acknowledged", 300), ("resolved", 1_800)]
    assert content["unanswered"] == []


def test_alerts_may_be_spaced_by_hand(tmp_path: Path) -> None:
    file = written(tmp_path, [WARNING, {**WARNING, "id": "other"}])
    opened = [one["since_seconds"] for one in events(file, "--every", "7m")["events"] if one["event"] == "opened"]
    assert opened == [0, 420]


def test_all_at_once_is_a_spacing_too(tmp_path: Path) -> None:
    file = written(tmp_path, [WARNING, {**WARNING, "id": "other"}])
    opened = [one["since_seconds"] for one in events(file, "--every", "0s")["events"] if one["event"] == "opened"]
    assert opened == [0, 0]


def test_what_cannot_be_read_is_told_and_the_others_are_played(file: Path, tmp_path: Path) -> None:
    broken = written(tmp_path, "{oh", "broken.json")
    done = simulate(broken, tmp_path / "nowhere.json", file)
    assert done.exit_code == 1
    assert f"{broken}: expected JSON" in done.stderr
    assert f"{tmp_path / 'nowhere.json'}: cannot be read: No such file or directory" in done.stderr
    assert "opened as critical" in done.stdout


def test_with_nothing_to_play_it_fails_without_a_table(tmp_path: Path) -> None:
    done = simulate(written(tmp_path, "{oh"))
    assert (done.exit_code, done.stdout) == (1, "")


def test_what_could_not_be_read_is_told_to_machines_too(file: Path, tmp_path: Path) -> None:
    content = events(written(tmp_path, "{oh", "broken.json"), file)
    ((one),) = content["unreadable"]
    assert one["where"].endswith("broken.json")


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    written(tmp_path, WARNING, "b.json")
    written(tmp_path, f"{json.dumps(CRITICAL)}\n{json.dumps({**CRITICAL, 'id': 'x'})}\n", "a.jsonl")
    written(tmp_path, "no alert", "notes.txt")
    content = events(tmp_path)
    opened = [one["title"] for one in content["events"] if one["event"] == "opened"]
    assert opened == ["Database unreachable", "Database unreachable", "Disk is filling up"]
    assert content["unreadable"] == []


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    done = simulate(tmp_path)
    assert done.exit_code == 1
    assert "no *.json and no *.jsonl" in done.stderr


def test_standard_input_is_a_file() -> None:
    done = simulate("-", given=json.dumps(CRITICAL).encode())
    assert done.exit_code == 0
    assert "opened as critical" in done.stdout


# A storm


def test_a_storm_of_copies_shows_its_totals_and_that_the_cap_was_kept(file: Path) -> None:
    done = simulate(file, "--times", "30")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1].startswith("30 alerts, 30 incidents; ")
    assert "Most texts within one hour: 5 of the 5 that the policy allows: the cap was never passed." in done.stdout
    assert "opened as" not in done.stdout


def test_the_copies_begin_within_the_given_time_and_are_incidents_of_their_own(tmp_path: Path) -> None:
    file = written(tmp_path, [WARNING, {"text": "a one-off", "severity": "info"}])
    content = events(file, "--times", "4", "--within", "40s")
    opened = [(one["since_seconds"], one["title"]) for one in content["events"] if one["event"] == "opened"]
    assert [at for at, _ in opened] == [0, 10, 10, 20, 20, 30, 30, 40]
    assert {title for _, title in opened if "one-off" in title} == {f"{number} a one-off" for number in range(1, 5)}


def test_a_close_in_a_storm_ends_its_own_copy(tmp_path: Path) -> None:
    file = written(tmp_path, [WARNING, {"at": "1m", "body": {"id": "disk", "state": "closed"}}])
    content = events(file, "--times", "3")
    ended = [one["ref"] for one in content["events"] if one["event"] == "resolved"]
    assert len(set(ended)) == 3
    assert content["unanswered"] == []


def test_copies_of_a_test_that_pubsub_brought_are_tests_of_their_own(tmp_path: Path) -> None:
    test = {"version": "test", "incident": {"incident_id": "1", "state": "OPEN", "summary": "Test"}}
    data = base64.b64encode(json.dumps(test).encode()).decode()
    file = written(tmp_path, {"message": {"data": data, "messageId": "7"}, "subscription": "s"})
    assert [one["event"] for one in events(file, "--times", "3")["events"]] == ["test"] * 3


def test_a_passed_cap_is_a_failure(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Totals, "cap_was_kept", property(lambda _: False))
    done = simulate(file)
    assert done.exit_code == 1
    assert "THE CAP WAS PASSED" in done.stdout


def test_to_watch_it_it_takes_its_time(file: Path) -> None:
    began = time.monotonic()
    assert simulate(file, "--ack-after", "10m", "--speed", "1200").exit_code == 0
    assert time.monotonic() - began >= 0.5


def pieces(terminal: int) -> Iterator[str]:
    """What is written to a terminal, until nobody writes any more."""
    with suppress(OSError):  # Linux's end of it
        while piece := os.read(terminal, 4096):
            yield piece.decode("utf-8", "replace")


def test_on_a_terminal_a_storm_has_a_progress_bar(file: Path) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    command = [sys.executable, "-m", "notifier", "simulate", "--times", "30", str(file)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = "".join(pieces(ours))
        out, _ = process.communicate(timeout=90)
    os.close(ours)
    assert "alerts  [####" in shown
    assert " 100% " in shown
    # It goes on to the end of the ladder.
    texts = json.loads(simulate(file, "--times", "30", "--json").stdout)["totals"]["texts"]
    assert f"{texts} texts" in shown
    assert b"cap was never passed" in out


@pytest.mark.parametrize(
    "options",
    [("--every", "soon"), ("--phones", "0"), ("--phones", "21"), ("--times", "0"), ("--speed", "0"), ()],
    ids=" ".join,
)
def test_options_that_would_not_do_exit_with_2(file: Path, options: tuple[str, ...]) -> None:
    done = simulate(*options, *([file] if options else []))
    assert (done.exit_code, done.stdout) == (2, "")


def test_the_help_teaches() -> None:
    done = simulate("--help")
    assert done.exit_code == 0
    for words in (
        "JSON Lines",
        "\n    python -m notifier simulate --times 1000 alert.json\n",
        "Exits with 1",
        "Nothing is sent",
    ):
        assert words in done.stdout
