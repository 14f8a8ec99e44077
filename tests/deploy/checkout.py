"""A working copy of the repository, from which deploy.sh is run with the real gcloud against the small cloud."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import yaml

from tests.deploy.cloud import APIS, PROJECT, Call, Cloud

ROOT = Path(__file__).parents[2]
PARTS = ("deploy.sh", ".gcloudignore", "main.py", "policy.toml", "requirements.txt", "notifier")
ARGUMENT, COMMAND = "\x1f", "\x1e"
"""Separate what the recording gcloud writes down: no argument holds them."""

RECORDING_GCLOUD = """#!/bin/sh
{ printf '%s\\037' "$@"; printf '\\036'; } >>"$GCLOUD_RECORD"
exec "$REAL_GCLOUD" "$@"
"""
SETTINGS = {
    "WEBHOOK_TOKEN": "token-of-the-tests-'\"\\-0123456789",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/slack-secret-of-the-tests",
    "SIMULATE": "1",
    "EMAIL_FROM": "pager@example.com",
    "EMAIL_TO": "Ann <ann@example.com>, bob@example.com",
    "ONCALL_PHONE": "+15555550101",
}
SECRETS = ("WEBHOOK_TOKEN", "SLACK_WEBHOOK_URL")


@dataclass
class Run:
    """One run of deploy.sh: how it ended, what gcloud was called with, what reached the cloud."""

    code: int
    output: str
    """Standard output and standard error."""
    commands: list[tuple[str, ...]]
    calls: list[Call]

    @property
    def changes(self) -> list[str]:
        return [str(call) for call in self.calls if call.changes]


@dataclass
class Checkout:
    """A working copy of the repository, with settings, and a cloud it is deployed to."""

    folder: Path
    cloud: Cloud
    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))

    @classmethod
    def in_folder(cls, home: Path, cloud: Cloud) -> Self:
        folder = home / "checkout"
        folder.mkdir()
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / part)
        # What runs the tests takes the place of the environment that ./dev setup would install from the network.
        _executable(folder / ".venv/bin/python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        _executable(folder / "dev", '#!/bin/sh\n[ "$*" = setup ]\n')
        _executable(home / "bin/gcloud", RECORDING_GCLOUD)
        (home / "access-token").write_text("no-token")
        return cls(folder, cloud)

    @property
    def home(self) -> Path:
        """HOME and TMPDIR of every run."""
        return self.folder.parent

    def deploy(self, *arguments: str, **environment: str) -> Run:
        """Run deploy.sh to its end, with `environment` on top of what it always gets here."""
        (self.folder / ".env.yaml").write_text(yaml.safe_dump(self.settings), "utf-8")
        record = self.home / "gcloud-record"
        record.unlink(missing_ok=True)
        before = len(self.cloud.calls)
        done = subprocess.run(
            ["./deploy.sh", *arguments],
            cwd=self.folder,
            env=self._environment(record) | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        recorded = record.read_text() if record.exists() else ""
        commands = [tuple(one.split(ARGUMENT)[:-1]) for one in recorded.split(COMMAND)[:-1]]
        return Run(done.returncode, done.stdout, commands, self.cloud.calls[before:])

    def _environment(self, record: Path) -> dict[str, str]:
        home = self.home
        return {
            "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "TMPDIR": str(home),
            "GCLOUD_RECORD": str(record),
            "REAL_GCLOUD": shutil.which("gcloud") or "",
            "CLOUDSDK_CONFIG": str(home / "gcloud"),
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(home / "access-token"),
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "CLOUDSDK_PROXY_TYPE": "http",
            "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
            "CLOUDSDK_PROXY_PORT": str(self.cloud.port),
            **{f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": f"http://{api}.googleapis.com/" for api in APIS},
        }


def _executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
