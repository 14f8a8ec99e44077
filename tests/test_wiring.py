"""From settings to an app: what is configured, what is skipped, and what fails at the start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import functions_framework
import pytest
import responses
from flask import Flask
from werkzeug.test import TestResponse

from notifier.core.policy import Policy, PolicyError, parse_policy
from notifier.policy_file import read_policy
from notifier.settings import NAMES, read_settings
from notifier.sources import Unreadable
from notifier.stores.firestore import FirestoreStore
from notifier.stores.sqlite import SqliteStore
from notifier.wiring import App, Outside, app_from_environment, build
from tests.web.pager import TOKEN, MemoryLog, basic, sample

ROOT = Path(__file__).parents[1]
POLICY = parse_policy((ROOT / "policy.toml").read_text("utf-8"))
HEX = "0123456789abcdef0123456789abcdef"
SLACK = {"SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/made-up"}
DISCORD = {"DISCORD_WEBHOOK_URL": "https://discord.example/api/webhooks/1/made-up"}
MAIL = {"SMTP_HOST": "smtp.example.com", "EMAIL_FROM": "Pager <pager@example.com>", "EMAIL_TO": "a@example.com"}
TWILIO = {
    "TWILIO_ACCOUNT_SID": f"AC{HEX}",
    "TWILIO_AUTH_TOKEN": HEX,
    "TWILIO_FROM": "+15005550006",
    "ONCALL_PHONE": "+15555550101",
}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name can be looked up, and no request made."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was used"))
    with responses.RequestsMock():
        yield


def started(values: dict[str, str], policy: Policy = POLICY) -> MemoryLog:
    """The start-up log of an app with these settings."""
    log = MemoryLog()
    build(read_settings({"WEBHOOK_TOKEN": TOKEN, **values}), policy, Outside(log=log))
    return log


@pytest.mark.parametrize(("simulate", "calls"), [("", 1), ("1", 0)])
def test_a_good_tick_calls_the_watchdog_unless_nothing_is_real(tmp_path: Path, simulate: str, calls: int) -> None:
    values = {"HEARTBEAT_URL": "https://hc.example.com/ping", "STATE": f"sqlite:{tmp_path / 'state'}"}
    settings = read_settings({"WEBHOOK_TOKEN": TOKEN, "SIMULATE": simulate, **values})
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        mocked.get("https://hc.example.com/ping")
        app = build(settings, POLICY, Outside(log=MemoryLog()))
        assert app.tick.run(app.clock.monotonic()).error is None
        assert len(mocked.calls) == calls
    assert isinstance(app.store, SqliteStore)
    app.store.close()


SKIPPED = [
    ("nothing", {}, "discord, email, slack, sms"),
    ("Slack", SLACK, "discord, email, sms"),
    ("email", MAIL, "discord, slack, sms"),
    ("all but Discord", SLACK | MAIL | TWILIO, "discord"),
]


@pytest.mark.parametrize(("_", "values", "missing"), SKIPPED, ids=[case[0] for case in SKIPPED])
def test_channels_that_are_not_configured_are_named(_: str, values: dict[str, str], missing: str) -> None:
    assert f"WARNING not configured, so skipped: {missing} " in str(started(values))


def test_with_every_channel_nothing_is_skipped() -> None:
    log = started(SLACK | DISCORD | MAIL | TWILIO)
    assert "skipped" not in str(log)
    severity, words, fields = log.lines[-1]
    assert (severity.name, words) == ("INFO", "notifier is up: channels real; state in SQLite")
    assert fields == {"channels": ["log", "discord", "email", "slack", "sms"]}


def test_a_channel_on_no_route_is_not_missed() -> None:
    text = (ROOT / "policy.toml").read_text("utf-8").replace(', "discord"', "")
    assert "skipped" not in str(started(SLACK | MAIL | TWILIO, parse_policy(text)))


def test_without_any_channel_the_log_says_that_nobody_is_told() -> None:
    assert "ERROR no channel is configured: alerts go to this log, and nobody is told" in str(started({}))


def test_warnings_of_the_settings_stand_in_the_log() -> None:
    log = started({"WEBHOOK_TOKEN": ""} | SLACK)
    assert "WARNING WEBHOOK_TOKEN is not set: anybody who reaches this port can send alerts" in str(log)


def test_the_start_up_log_holds_no_secret_and_no_phone() -> None:
    log = str(started(SLACK | DISCORD | MAIL | TWILIO))
    for value in (TOKEN, "made-up", HEX, "5550101"):
        assert value not in log


def test_state_is_where_the_settings_say(tmp_path: Path) -> None:
    sqlite = build(read_settings({"STATE": f"sqlite:{tmp_path / 'a'}"}), POLICY, Outside(log=MemoryLog()))
    firestore = build(read_settings({"STATE": "firestore"}), POLICY, Outside(log=MemoryLog()))
    assert isinstance(sqlite.relay._store, SqliteStore)
    assert isinstance(firestore.relay._store, FirestoreStore)


def simulated(tmp_path: Path, **values: str) -> tuple[App, MemoryLog]:
    log = MemoryLog()
    settings = read_settings({"SIMULATE": "1", "STATE": f"sqlite:{tmp_path / 'state.sqlite'}", **values})
    return build(settings, POLICY, Outside(log=log)), log


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "values", [{}, SLACK | DISCORD | MAIL | TWILIO, {"ONCALL_PHONE": "+15555550101"}], ids=["none", "all", "some"]
)
def test_simulated_channels_are_all_there_and_send_nothing(tmp_path: Path, values: dict[str, str]) -> None:
    app, log = simulated(tmp_path, **values)
    incident = app.take(sample("cloud_monitoring_open"))
    assert {delivery.channel for delivery in incident.deliveries.values()} == {"slack", "discord", "email", "sms"}
    assert {delivery.state.value for delivery in incident.deliveries.values()} == {"sent"}
    for name in ("slack", "discord", "email", "sms"):
        assert f"SIMULATE=1: {name} would send this" in str(log)
    assert "5550101" not in str(log)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("body", [b"{}", sample("alertmanager")], ids=["a ping", "two alerts"])
def test_one_alert_is_taken_from_within_and_no_more(tmp_path: Path, body: bytes) -> None:
    app, _ = simulated(tmp_path)
    with pytest.raises(Unreadable, match="expected one alert, got"):
        app.take(body)


# The policy file


def test_the_policy_is_the_one_beside_main() -> None:
    assert read_policy(read_settings({}).policy_file) == POLICY


def test_another_policy_file_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "quiet.toml"
    text = (ROOT / "policy.toml").read_text("utf-8")
    file.write_text(text.replace("max_per_hour = 5", "max_per_hour = 3"), "utf-8")
    assert read_policy(read_settings({"POLICY_FILE": str(file)}).policy_file).sms.max_per_hour == 3


BAD_POLICIES = {
    "missing": (None, "quiet.toml has mistakes:\n  - cannot be read (FileNotFoundError); POLICY_FILE names another"),
    "no text": (b"\xff", "the file is not UTF-8"),
    "no TOML": (b"[routes", "not TOML: "),
    "empty": (b"", "[routes] critical: is missing"),
}


@pytest.mark.parametrize(("content", "words"), BAD_POLICIES.values(), ids=BAD_POLICIES.keys())
def test_a_policy_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "quiet.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PolicyError) as caught:
        read_policy(read_settings({"POLICY_FILE": str(file)}).policy_file)
    assert words in str(caught.value)


# main.py, as functions-framework starts it


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """That of a simulation in an empty folder."""
    for name in (*NAMES, "K_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMULATE", "1")
    monkeypatch.setenv("WEBHOOK_TOKEN", TOKEN)
    monkeypatch.setenv("STATE", f"sqlite:{tmp_path / 'state.sqlite'}")
    app_from_environment.cache_clear()
    yield monkeypatch
    app_from_environment.cache_clear()


@pytest.mark.usefixtures("environment", "no_network")
def test_the_function_takes_an_alert() -> None:
    answer = post_to_the_function(sample("cloud_monitoring_open"))
    assert answer.status_code == 200
    (incident,) = answer.get_json()["incidents"]
    assert incident["severity"] == "critical"
    assert set(incident["deliveries"].values()) == {"sent"}


@pytest.mark.usefixtures("environment", "no_network")
def test_the_function_refuses_a_stranger() -> None:
    answer = post_to_the_function(sample("cloud_monitoring_open"), token="wrong-token-of-somebody")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="notifier"'


@pytest.mark.usefixtures("environment", "no_network")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_function_is_healthy(method: str) -> None:
    assert the_function().test_client().open("/health", method=method).status_code == 200


def the_function() -> Flask:
    app = functions_framework.create_app("notify", str(ROOT / "main.py"))  # type: ignore[no-untyped-call]
    assert isinstance(app, Flask)
    return app


def post_to_the_function(body: bytes, token: str = TOKEN) -> TestResponse:
    return the_function().test_client().post("/", data=body, headers={"Authorization": basic("u", token)})


def run(code: str, folder: Path, **values: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own, with these settings and no others."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **values}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_bad_settings_fail_the_import_of_main_with_all_mistakes(tmp_path: Path) -> None:
    done = run("import main", tmp_path, K_SERVICE="notifier", STATE="sqlite:x", SLACK_WEBHOOK_URL="made-up-word")
    assert done.returncode == 1
    for words in ("SLACK_WEBHOOK_URL must", "STATE must be firestore", "WEBHOOK_TOKEN is missing"):
        assert f"\n  - {words}" in done.stderr
    assert "made-up-word" not in done.stderr


def test_a_bad_policy_fails_the_import_of_main(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[sms]\nmax_per_hour = 500\n")
    done = run("import main", tmp_path, POLICY_FILE="policy.toml")
    assert done.returncode == 1
    assert "line 2: [sms] max_per_hour: must be a whole number from 1 to 30" in done.stderr


def test_a_local_run_reads_the_env_file_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / ".env.yaml").write_text("LEASE_SECONDS: 5\n")
    done = run("import main", tmp_path)
    assert "LEASE_SECONDS must be a whole number from 10 to 600" in done.stderr


NOT_LOADED = "import sys, main; print(sorted(name for name in sys.modules if name in {names!r}))"


def test_a_run_on_sqlite_pays_for_no_firestore_and_no_grpc(tmp_path: Path) -> None:
    code = NOT_LOADED.format(names=("google.cloud.firestore", "grpc", "google.auth", "yaml"))
    done = run(code, tmp_path, SIMULATE="1", LOG_FORMAT="json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "[]"


FIRESTORE_AND_TEXTS = {
    "STATE": "firestore",
    "GOOGLE_CLOUD_PROJECT": "my-project",
    "WEBHOOK_TOKEN": TOKEN,
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T000/B000/made-up",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "made-up",
    "TWILIO_FROM": "+15005550006",
    "ONCALL_PHONE": "+15555550101",
    "LOG_FORMAT": "json",
}


def test_a_function_with_slack_and_texts_pays_for_no_other_channel_and_no_other_store(tmp_path: Path) -> None:
    others = ("discord", "either_provider", "email", "heartbeat", "messagebird", "simulated", "vonage")
    ours = tuple(f"notifier.channels.{name}" for name in others)
    heavy = ("sqlite3", "smtplib", "email.headerregistry", "yaml")
    code = NOT_LOADED.format(names=(*ours, *heavy, "notifier.stores.sqlite", "notifier.stores.firestore"))
    done = run(code, tmp_path, **FIRESTORE_AND_TEXTS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "['notifier.stores.firestore']"


def test_what_the_start_has_made_is_never_searched_for_garbage_and_what_comes_later_is(tmp_path: Path) -> None:
    code = "import gc, main; print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    done = run(code, tmp_path, **FIRESTORE_AND_TEXTS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "True True"


@pytest.mark.parametrize("state", ["firestore", "sqlite:state.sqlite"])
def test_starting_uses_no_network_and_writes_nothing(tmp_path: Path, state: str) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_, **__): sys.exit('the network was used')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import main"
    )
    done = run(code, tmp_path, STATE=state, GOOGLE_CLOUD_PROJECT="my-project")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
