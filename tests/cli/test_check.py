"""check: every mistake of settings and policy at once, and what both come to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from notifier.settings import SECRETS
from tests.cli.conftest import Run

SHIPPED = (Path(__file__).parents[2] / "policy.toml").read_text("utf-8")
GOOD = {
    "WEBHOOK_TOKEN": "made-up-token-of-the-tests",
    "PUBLIC_URL": "https://pager.example.net/notify-made-up",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/made-up",
    "DISCORD_WEBHOOK_URL": "https://discord.example/api/webhooks/1/made-up",
    "SMTP_HOST": "smtp.example.net",
    "SMTP_USER": "pager-user",
    "SMTP_PASSWORD": "made-up-password",
    "EMAIL_FROM": "Pager <pager@example.net>",
    "EMAIL_TO": "Ana Ruiz <ana@example.net>, oncall@example.net",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "made-up-auth-token",
    "TWILIO_FROM": "+15005550008",
    "ONCALL_PHONE": "+15555550111,+15555550112",
    "SMS_FALLBACK": "vonage",
    "SMS_FALLBACK_FROM": "+15005550007",
    "VONAGE_API_KEY": "abcd1234",
    "VONAGE_API_SECRET": "made-up-vonage-secret",
    "HEARTBEAT_URL": "https://hc.example.net/made-up-heartbeat",
    "STATE": "firestore",
    "GOOGLE_CLOUD_PROJECT": "my-project",
}


def write(folder: Path, **changes: str) -> Path:
    """An .env.yaml of what is good, but for `changes`; an empty value leaves a setting out."""
    values = {**GOOD, **changes}
    file = folder / ".env.yaml"
    file.write_text("".join(f'{name}: "{value}"\n' for name, value in values.items() if value))
    return file


def found(run: Run, *arguments: str) -> dict[str, list[str]]:
    shown: dict[str, list[str]] = json.loads(run("check", "--json", *arguments).stdout)
    return shown


def test_good_settings_exit_with_0_and_no_warning(run: Run, folder: Path) -> None:
    write(folder)
    done = run("check")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "To be read" not in done.stdout


def test_the_table_says_what_each_severity_reaches(run: Run, folder: Path) -> None:
    write(folder, DISCORD_WEBHOOK_URL="")
    assert run("check").stdout.split("\n\n")[0].splitlines() == [
        "          log  Slack  Discord  email  SMS",
        "critical  yes  yes    not set  yes    yes",
        "error     yes  yes    not set  yes    -",
        "warning   yes  yes    not set  -      -",
        "info      yes  yes    not set  -      -",
    ]


def test_every_way_is_shown_and_nothing_of_it_in_full(run: Run, folder: Path) -> None:
    write(folder)
    for done in (run("check"), run("check", "--json")):
        for name in ("hooks.slack.example", "discord.example", "smtp.example.net:587", "p***@example.net", "vonage"):
            assert name in done.stdout
        for phone in ("+1555*****11", "+1555*****12", "+1500*****08", "+1500*****07"):
            assert phone in done.stdout
        hidden = [GOOD[name] for name in SECRETS if name in GOOD]
        hidden += ["+15555550111", "+15005550008", "+15005550007", "ana@example", "Ruiz", "made-up", "pager-user"]
        assert not [one for one in hidden if one in done.stdout]


def test_what_was_decided_is_shown(run: Run, folder: Path) -> None:
    write(folder)
    shown = json.loads(run("check", "--json").stdout)["decided"]
    assert shown["state"] == "Firestore: my-project, database (default), prefix none"
    assert shown["cap"].startswith("5 texts an hour over all instances, the last 2 kept for new critical alerts")
    assert shown["unanswered"] == "from warning up: error after 10 min, critical after 20 min"
    assert shown["address"] == "pager.example.net"


def test_the_mistakes_of_file_settings_and_policy_are_told_at_once(run: Run, folder: Path) -> None:
    policy = folder / "mine.toml"
    policy.write_text(SHIPPED.replace("max_per_hour = 5", "max_per_hour = 99").replace('from     = "warning"', ""))
    write(folder, ONCALL_PHONE="0123", LEASE_SECONDS="1", SLACK_WEBOOK_URL="https://x.example", POLICY_FILE=str(policy))
    done = run("check")
    assert (done.exit_code, done.stdout) == (2, "")
    for words in (
        "SLACK_WEBOOK_URL is no setting of notifier; did you mean SLACK_WEBHOOK_URL?",
        "ONCALL_PHONE (012...) is no phone number in E.164 form",
        "LEASE_SECONDS",
        "mine.toml: line",
        "max_per_hour: must be a whole number from 1 to 30",
        "[escalation] from: is missing",
    ):
        assert words in done.stderr
    assert found(run)["mistakes"] == [line.removeprefix("  - ") for line in done.stderr.splitlines()[1:]]


def test_a_file_that_cannot_be_read_is_the_only_mistake_of_the_settings(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env.yaml").write_text("WEBHOOK_TOKEN: [\n")
    monkeypatch.setenv("ONCALL_PHONE", "0123")
    shown = run("check", "--json")
    assert shown.exit_code == 2
    (mistake,) = json.loads(shown.stdout)["mistakes"]
    assert ".env.yaml is not YAML" in mistake


def test_the_environment_stands_above_the_file(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder)
    monkeypatch.setenv("PUBLIC_URL", "https://other.example.net")
    assert json.loads(run("check", "--json").stdout)["decided"]["address"] == "other.example.net"
    assert json.loads(run("check", "--json", "--cloud-run").stdout)["decided"]["address"] == "pager.example.net"


def test_another_file_is_read_in_place_of_the_usual(run: Run, folder: Path) -> None:
    write(folder, ONCALL_PHONE="0123").rename(folder / "other.yaml")
    write(folder)
    assert run("check").exit_code == 0
    assert run("check", "--env-file", "other.yaml").exit_code == 2


def test_a_file_that_is_not_there_is_a_mistake_in_the_call(run: Run) -> None:
    assert run("check", "--env-file", "none.yaml").exit_code == 2


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [("WEBHOOK_TOKEN", "", "WEBHOOK_TOKEN is missing"), ("STATE", "sqlite:x", "STATE must be firestore on Cloud Run")],
)
def test_what_only_cloud_run_refuses_is_judged_on_request(
    run: Run, folder: Path, setting: str, value: str, words: str
) -> None:
    write(folder, **{setting: value})
    assert run("check").exit_code == 0
    done = run("check", "--cloud-run")
    assert done.exit_code == 2
    assert words in done.stderr


WARNINGS = {
    "no Slack": ({"SLACK_WEBHOOK_URL": ""}, "Slack is not configured, so it is skipped: set SLACK_WEBHOOK_URL"),
    "no address": ({"PUBLIC_URL": ""}, "PUBLIC_URL is not set: messages have no Acknowledge links"),
    "no watchdog": (
        {"HEARTBEAT_URL": ""},
        "HEARTBEAT_URL is not set: nobody notices when the pager itself has stopped",
    ),
    "one phone": ({"ONCALL_PHONE": "+15555550111"}, "ONCALL_PHONE holds one phone"),
    "no reports": (
        {"TWILIO_AUTH_TOKEN": "", "TWILIO_API_KEY": "SK" + "0" * 32, "TWILIO_API_SECRET": "made-up"},
        "TWILIO_AUTH_TOKEN is not set: what Twilio reports on a text cannot be trusted",
    ),
    "email alone": (
        {"SLACK_WEBHOOK_URL": "", "DISCORD_WEBHOOK_URL": ""},
        "what was not texted is told by email alone",
    ),
    "no token": ({"WEBHOOK_TOKEN": ""}, "WEBHOOK_TOKEN is not set"),
    "simulated": ({"SIMULATE": "1"}, "SIMULATE is set: nothing is sent, and nobody is ever paged"),
}


@pytest.mark.parametrize(("changes", "words"), WARNINGS.values(), ids=WARNINGS.keys())
def test_what_works_but_should_be_read_is_said_and_exits_with_0(
    run: Run, folder: Path, changes: dict[str, str], words: str
) -> None:
    write(folder, **changes)
    done = run("check")
    assert done.exit_code == 0
    assert f"  - {words}" in done.stdout
    assert [warning for warning in found(run)["warnings"] if warning.startswith(words)]


def test_on_its_way_to_cloud_run_nobody_need_know_the_address_yet(run: Run, folder: Path) -> None:
    write(folder, PUBLIC_URL="")
    assert not found(run, "--cloud-run")["warnings"]


def test_critical_that_reaches_nobody_exits_with_1(run: Run, folder: Path) -> None:
    (folder / ".env.yaml").write_text("WEBHOOK_TOKEN: made-up-token-of-the-tests\n")
    done = run("check")
    assert done.exit_code == 1
    assert "what is critical reaches nobody: it goes to the log alone" in done.stdout


def test_texts_alone_are_no_good(run: Run, folder: Path) -> None:
    write(folder, SLACK_WEBHOOK_URL="", DISCORD_WEBHOOK_URL="", SMTP_HOST="", EMAIL_FROM="", EMAIL_TO="",
          SMTP_USER="", SMTP_PASSWORD="")  # fmt: skip
    done = run("check")
    assert done.exit_code == 0
    assert "texts are the only channel" in done.stdout


def test_texts_that_no_severity_reaches_are_told(run: Run, folder: Path) -> None:
    policy = folder / "mine.toml"
    policy.write_text(SHIPPED.replace(', "sms"]', "]"))
    write(folder, POLICY_FILE=str(policy))
    assert "texts are configured, and no severity of the policy reaches them" in found(run)["warnings"]


def test_for_machines_every_severity_has_its_channels(run: Run, folder: Path) -> None:
    write(folder, DISCORD_WEBHOOK_URL="")
    shown = json.loads(run("check", "--json").stdout)
    assert shown["mistakes"] == shown["proofs"] == []
    assert shown["severities"][0] == {
        "severity": "critical",
        "told": ["log", "slack", "email", "sms"],
        "not_configured": ["discord"],
    }
