"""What can be said of deploy.sh without gcloud."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy.sh"


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, DEPLOY], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def test_help_names_every_option_it_takes() -> None:
    script = DEPLOY.read_text("utf-8")
    told = subprocess.run([DEPLOY, "--help"], capture_output=True, text=True, check=True).stdout
    for option in (
        "--project",
        "--region",
        "--env-file",
        "--name",
        "--pubsub",
        "--watchers",
        "--dry-run",
        "--redeploy",
    ):
        assert option in script
        assert option in told
