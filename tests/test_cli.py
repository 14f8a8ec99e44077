"""python -m notifier: what deploy.sh and a person at a terminal call."""

from __future__ import annotations

import getpass
import json
import re
import runpy
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

import notifier
from notifier.cli import cli
from notifier.core.incident import Incident, IncidentState
from notifier.relay import Relay, Taken
from notifier.settings import NAMES, SECRETS
from notifier.stores.sqlite import SqliteStore
from notifier.wiring import app_from_environment

ROOT = Path(__file__).parents[1]
TOKEN = "made-up-token-of-the-tests"
SLACK = "https://hooks.slack.example/services/made-up"


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    file = tmp_path / ".env.yaml"
    file.write_text(f"WEBHOOK_TOKEN: ' {TOKEN} '\nSLACK_WEBHOOK_URL: {SLACK}\nLEASE_SECONDS: 20\nSMTP_HOST:\n")
    return file


def split(env_file: Path, *extra: str) -> Result:
    folder = env_file.parent / "split"
    return CliRunner().invoke(cli, ["settings", "--env-file", str(env_file), "--split", str(folder), *extra])


def test_settings_are_parted_into_secrets_and_the_rest(env_file: Path) -> None:
    assert split(env_file).exit_code == 0
    folder = env_file.parent / "split"
    assert {file.name: file.read_text() for file in (folder / "secrets").iterdir()} == {
        "WEBHOOK_TOKEN": TOKEN,
        "SLACK_WEBHOOK_URL": SLACK,
    }
    assert yaml.safe_load((folder / "plain.yaml").read_text()) == {"LEASE_SECONDS": "20"}


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_among_the_rest(name: str) -> None:
    assert NAMES.count(name) == 1


def test_secrets_are_for_their_owner_alone(env_file: Path) -> None:
    split(env_file)
    secrets = env_file.parent / "split" / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o600}


def test_a_secret_of_an_earlier_run_does_not_stay(env_file: Path) -> None:
    split(env_file)
    env_file.write_text(f"WEBHOOK_TOKEN: {TOKEN}\n")
    split(env_file)
    assert [file.name for file in (env_file.parent / "split" / "secrets").iterdir()] == ["WEBHOOK_TOKEN"]


def test_a_setting_of_the_command_line_stands_above_the_files(env_file: Path) -> None:
    assert split(env_file, "--set", "LEASE_SECONDS=40", "--set", "THREADS=16").exit_code == 0
    plain = yaml.safe_load((env_file.parent / "split" / "plain.yaml").read_text())
    assert plain == {"LEASE_SECONDS": "40", "THREADS": "16"}


MISTAKES = {
    "for Cloud Run": (["--set", "WEBHOOK_TOKEN="], "WEBHOOK_TOKEN is missing"),
    "a form": (["--set", "STATE=sqlite:x"], "STATE must be firestore on Cloud Run"),
    "no value": (["--set", "STATE"], "--set takes NAME=VALUE"),
    "no name": (["--set", "=firestore"], "--set takes NAME=VALUE"),
}


@pytest.mark.parametrize(("extra", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_settings_that_would_not_do_exit_with_2_and_write_nothing(env_file: Path, extra: list[str], words: str) -> None:
    done = split(env_file, *extra)
    assert done.exit_code == 2
    assert words in done.stderr
    assert TOKEN not in done.output
    assert not (env_file.parent / "split").exists()


def test_a_policy_is_printed_in_words() -> None:
    done = CliRunner().invoke(cli, ["policy", str(ROOT / "policy.toml")])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (ROOT / "POLICY.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"[routes]\ninfo = 3\n", "policy.toml has mistakes"), (b"[routes", "not TOML"), (b"\xff", "is not UTF-8")],
    ids=["mistakes", "no TOML", "no text"],
)
def test_a_policy_that_would_not_do_exits_with_2(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(content)
    done = CliRunner().invoke(cli, ["policy", str(file)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


# ack


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the incidents of a simulation are, whose settings are this process's; no network is to be used."""
    file = tmp_path / "state.sqlite"
    for name in (*NAMES, "K_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMULATE", "1")
    monkeypatch.setenv("STATE", f"sqlite:{file}")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was used"))
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    app_from_environment.cache_clear()
    yield file
    app_from_environment.cache_clear()


@pytest.fixture
def incident(state: Path) -> Incident:
    return notifier.alert("Database unreachable", "critical", id="db/1")


def ack(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["ack", *arguments])


def stored(state: Path, incident: Incident) -> Incident:
    now = SqliteStore(state).gather(incident.key, time.monotonic() + 5).incident
    assert now is not None
    return now


@pytest.mark.parametrize(
    "called",
    ["{ref}", "#{ref}", "{small}", "#{small}", " {ref} ", "{misread}", "{id}", "{key}", "{big_key}"],
)
def test_an_incident_is_acknowledged_by_any_of_its_names(state: Path, incident: Incident, called: str) -> None:
    names = {
        "ref": incident.ref,
        "small": incident.ref.lower(),
        "misread": incident.ref.replace("0", "O").replace("1", "l"),
        "id": incident.incident_id,
        "key": incident.key,
        "big_key": incident.key.upper(),
    }
    done = ack(called.format(**names))
    assert (done.exit_code, done.stdout) == (0, f"#{incident.ref} is acknowledged: Database unreachable\n")
    assert stored(state, incident).state is IncidentState.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "ada"),
        (["--by", "Ana  Ruiz\x1b"], "Ana Ruiz"),
        (["--by", " "], "ada"),
        (["--by", "x" * 99], "x" * 59 + "…"),
    ],
    ids=["the login", "a name", "no name", "a long name"],
)
def test_it_is_said_who_answered(state: Path, incident: Incident, arguments: list[str], name: str) -> None:
    ack("db/1", *arguments)
    assert stored(state, incident).acknowledged_by == f"{name}, on the command line"


def test_where_nobody_has_a_login_it_is_somebody(
    state: Path, incident: Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_user() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", no_user)
    ack("db/1")
    assert stored(state, incident).acknowledged_by == "somebody, on the command line"


def test_the_others_are_told_of_it(state: Path, incident: Incident) -> None:
    told = ack("db/1").stderr
    for channel in ("slack", "discord", "email"):
        assert f"SIMULATE=1: {channel} would send this" in told
    assert "ACKNOWLEDGED by ada, on the command line" in told
    assert "sms would send" not in told


def test_all_that_is_open_is_acknowledged_a_line_each_the_oldest_first(state: Path, incident: Incident) -> None:
    other = notifier.alert("Disk full", "error", id="disk")
    done = ack("--all")
    assert done.exit_code == 0
    assert done.stdout == (
        f"#{incident.ref} is acknowledged: Database unreachable\n#{other.ref} is acknowledged: Disk full\n"
    )
    assert {stored(state, one).state for one in (incident, other)} == {IncidentState.ACKNOWLEDGED}


def test_with_nothing_open_all_is_done(state: Path, incident: Incident) -> None:
    notifier.resolve("db/1")
    done = ack("--all")
    assert (done.exit_code, done.stdout) == (0, "no incident is open\n")


def test_a_name_of_nothing_open_exits_with_2_and_shows_what_is(state: Path, incident: Incident) -> None:
    done = ack("ZZZZ")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"no incident is called ZZZZ in the SQLite file {state}. Open:\n" in done.stderr
    assert f"  #{incident.ref}  critical  Database unreachable\n" in done.stderr
    assert stored(state, incident).state is IncidentState.OPEN


def test_of_what_is_acknowledged_already_it_says_by_whom_and_when(state: Path, incident: Incident) -> None:
    ack("db/1", "--by", "Ben")
    done = ack("db/1")
    at = stored(state, incident).acknowledged_at
    by = f"Ben, on the command line, {at:%Y-%m-%d %H:%M} UTC"
    assert (done.exit_code, done.stdout) == (
        0,
        f"#{incident.ref} was acknowledged already by {by}: Database unreachable\n",
    )
    assert stored(state, incident).acknowledged_by == "Ben, on the command line"


def test_of_what_is_over_it_says_so(state: Path, incident: Incident) -> None:
    at = notifier.resolve("db/1").resolved_at
    done = ack(incident.ref)
    words = f"#{incident.ref} is over already, since {at:%Y-%m-%d %H:%M} UTC: Database unreachable\n"
    assert (done.exit_code, done.stdout) == (0, words)


def not_simulated(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """From here on this is another machine, with these settings alone."""
    monkeypatch.delenv("SIMULATE")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    app_from_environment.cache_clear()


@pytest.mark.parametrize("arguments", [["db/1"], ["--all"]], ids=["one", "all"])
def test_from_where_the_others_cannot_be_told_nothing_is_acknowledged(
    state: Path, incident: Incident, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    not_simulated(monkeypatch, SLACK_WEBHOOK_URL=SLACK)
    done = ack(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    words = f"nothing is acknowledged: Discord and email heard of #{incident.ref}, and would not be told who answered"
    assert words in done.stderr
    assert "Set DISCORD_WEBHOOK_URL; SMTP_HOST, EMAIL_FROM and EMAIL_TO as the function has them" in done.stderr
    assert "Acknowledge link" in done.stderr
    assert "SLACK_WEBHOOK_URL" not in done.stderr
    assert stored(state, incident) == incident


def test_anyway_it_is_acknowledged_all_the_same(
    state: Path, incident: Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    not_simulated(monkeypatch)
    done = ack("db/1", "--anyway")
    assert (done.exit_code, done.stdout) == (0, f"#{incident.ref} is acknowledged: Database unreachable\n")
    assert stored(state, incident).state is IncidentState.ACKNOWLEDGED


def given_up(state: Path, incident: Incident, **changes: object) -> None:
    """Change the document of `incident`: none of its messages has gone out."""
    name = f"incidents/{incident.key}"
    with closing(sqlite3.connect(state)) as database, database:
        ((body,),) = database.execute("SELECT body FROM documents WHERE name = ?", (name,))
        content = json.loads(body) | changes
        for one in content["deliveries"].values():
            one["state"] = "failed"
        database.execute("UPDATE documents SET body = ? WHERE name = ?", (json.dumps(content), name))


def test_a_channel_that_has_not_heard_of_it_need_not_be_set(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_up(state, notifier.alert("Disk full", "critical", id="disk"))
    not_simulated(monkeypatch)
    assert ack("disk").exit_code == 0


def test_who_heard_of_what_a_digest_tells_of_has_to_be_told_too(
    state: Path, incident: Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = notifier.alert("1 open", "critical", id="digest")
    member = {"key": incident.key, "generation": 1, "delivery": "opened/sms/0/1", "title": incident.title}
    given_up(state, digest, members=[member])
    not_simulated(monkeypatch)
    done = ack("digest")
    assert done.exit_code == 2
    assert f"Slack, Discord and email heard of #{incident.ref}, and would not be told" in done.stderr


def test_of_many_open_ones_only_some_are_shown(state: Path, incident: Incident) -> None:
    for number in range(11):
        notifier.alert("Disk full", "info", id=f"disk {number}")
    shown = ack("ZZZZ").stderr
    assert len(re.findall("^  #", shown, re.MULTILINE)) == 10
    assert "  and 2 more" in shown


def test_a_name_of_several_exits_with_2_and_changes_nothing(state: Path, incident: Incident) -> None:
    other = notifier.alert("Disk full", "error", id=incident.ref)
    done = ack(incident.ref)
    assert done.exit_code == 2
    assert f"{incident.ref} may be any of these; give its ref." in done.stderr
    assert {stored(state, one).state for one in (incident, other)} == {IncidentState.OPEN}


@pytest.mark.parametrize("arguments", [[], ["7F3K", "--all"], [""]], ids=["nothing", "both", "an empty name"])
def test_either_a_name_or_all_is_expected(state: Path, incident: Incident, arguments: list[str]) -> None:
    done = ack(*arguments)
    assert done.exit_code == 2
    assert "expected an ID, or --all" in done.stderr


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: str) -> None:
    """Let something happen between the search and the answer."""
    acknowledge = Relay.acknowledge

    def late(self: Relay, key: str, generation: int, by: str, *rest: object) -> Taken:
        if happens == "acknowledged":
            acknowledge(self, key, generation, "Ben, by the link in Slack", *rest)  # type: ignore[arg-type]
        else:
            notifier.resolve("db/1")
        return acknowledge(self, key, generation, by, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Relay, "acknowledge", late)


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        ("acknowledged", r"was acknowledged meanwhile by Ben, by the link in Slack at \d\d:\d\d UTC: Database"),
        ("resolved", "was over meanwhile: Database unreachable"),
    ],
)
def test_who_was_faster_is_said_and_no_error(
    state: Path, incident: Incident, monkeypatch: pytest.MonkeyPatch, happens: str, words: str
) -> None:
    meanwhile(monkeypatch, happens)
    done = ack("db/1")
    assert done.exit_code == 0
    assert re.match(rf"#{incident.ref} {words}", done.stdout)


def test_a_store_that_cannot_be_written_exits_with_2(
    state: Path, incident: Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.sending.CLAIM_SECONDS", 0.2)
    monkeypatch.setattr("notifier.relay.LOOK_AGAIN_SECONDS", 0.2)
    with closing(sqlite3.connect(state)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = ack("db/1")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"#{incident.ref} is perhaps not acknowledged: " in done.stderr
    assert "twice does no harm" in done.stderr


def test_a_store_that_is_none_exits_with_2(state: Path) -> None:
    state.write_text("not a database")
    done = ack("--all")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is no SQLite database" in done.stderr


def test_a_store_that_is_not_there_exits_with_2_and_is_not_made(state: Path) -> None:
    done = ack("7F3K")
    assert done.exit_code == 2
    assert "is not there; the deployed pager's state is in Firestore: STATE=firestore" in done.stderr
    assert not state.exists()


def test_wrong_settings_exit_with_2_and_every_mistake(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCALL_PHONE", "0123")
    monkeypatch.setenv("LEASE_SECONDS", "1")
    done = ack("--all")
    assert done.exit_code == 2
    assert "ONCALL_PHONE" in done.stderr
    assert "LEASE_SECONDS" in done.stderr


def test_a_document_that_cannot_be_read_holds_up_no_other(state: Path, incident: Incident) -> None:
    other = notifier.alert("Disk full", "error", id="disk")
    with closing(sqlite3.connect(state)) as database, database:
        database.execute("UPDATE documents SET body = '{}' WHERE name = ?", (f"incidents/{other.key}",))
    done = ack("--all")
    assert (done.exit_code, done.stdout) == (0, f"#{incident.ref} is acknowledged: Database unreachable\n")
    assert f"passed over, as it cannot be read: {other.key}" in done.stderr


def test_the_help_teaches_the_names(state: Path) -> None:
    shown = ack("--help").stdout
    for words in ("7F3K", "--all", "--by", ".env.yaml", "gcloud auth application-default login"):
        assert words in " ".join(shown.split())


# As a module


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "notifier", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: python -m notifier ")
    assert done.stderr == ""


def test_python_m_notifier_is_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["notifier", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("notifier", run_name="__main__")
    assert ended.value.code == 0
    assert "python -m notifier" in capsys.readouterr().out
