"""What may not be in git."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.builders import ROOT

SECRETS = {
    "a Twilio sid or key": r"\b(?:AC|SK|MG)(?!0{32}|a{32}|(?:0123456789abcdef){2})[0-9a-f]{32}\b",
    "a Slack webhook": r"hooks\.slack\.com/services/T(?!X+|0+)[A-Z0-9]{8,}/B(?!X+|0+)[A-Z0-9]{8,}/",
    "a Discord webhook": r"discord(?:app)?\.com/api/webhooks/\d{15,}/(?!X+)[\w-]{40,}",
    "a private key": r"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----\n[A-Za-z0-9+/]{40,}",
    "a Google key": r"\bAIza[\w-]{35}\b",
    "a phone number that is no test number": (
        r"\+(?!1555|15005550|1[2-9]\d\d555|60123456789|33612345678|999)[1-9]\d{9,14}\b"
    ),
}


def in_git(*arguments: str) -> list[str]:
    found = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode > 1:
        pytest.skip(f"no git checkout: {found.stderr.strip()}")
    return found.stdout.splitlines()


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_is_in_git(kind: str) -> None:
    pattern = re.compile(SECRETS[kind])
    files = [ROOT / name for name in in_git("ls-files", "--cached", "--others", "--exclude-standard")]
    assert not [file.name for file in files if file.is_file() and pattern.search(file.read_text("utf-8", "replace"))]


@pytest.mark.parametrize("name", [".env.yaml", ".venv/x", "notifier.sqlite", ".dev/state.sqlite-wal"])
def test_what_is_local_is_ignored(name: str) -> None:
    assert in_git("check-ignore", name) == [name]


def test_the_patterns_find_what_they_are_for() -> None:
    assert re.search(SECRETS["a Twilio sid or key"], "AC" + "1f" * 16)
    assert re.search(SECRETS["a phone number that is no test number"], "+4915" + "112345678")
