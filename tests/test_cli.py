"""python -m notifier: what deploy.sh and a person at a terminal call."""

from __future__ import annotations

import runpy
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.settings import NAMES, SECRETS

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
