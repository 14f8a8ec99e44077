"""The function as it is deployed: real functions-framework processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.builders import ROOT
from tests.firestore_emulator import free_port as free_port  # noqa: PLC0414 - for others, too

TOKEN = "webhook-token-of-no-worth"
START_SECONDS = 30
PROJECT = "notifier-test"


class Function:
    """One process and its worker, on a port of its own."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self._log = log

    def post(self, body: object, *, token: str = TOKEN) -> requests.Response:
        return requests.post(self.url, json=body, auth=("cloud-monitoring", token), timeout=20)

    def tick(self) -> requests.Response:
        return requests.post(f"{self.url}/tick", auth=("scheduler", TOKEN), timeout=60)

    def kill(self) -> None:
        """End it as a machine that fails does: the server and its worker at once, in the middle of whatever they do."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")


def policy_setting(folder: Path, changes: Mapping[str, str]) -> dict[str, str]:
    """The setting for the shipped policy with `changes` to its words; the file is written into `folder`."""
    policy = (ROOT / "policy.toml").read_text("utf-8")
    for shipped, ours in changes.items():
        assert shipped in policy
        policy = policy.replace(shipped, ours)
    file = folder / "policy.toml"
    file.write_text(policy, "utf-8")
    return {"POLICY_FILE": str(file)}


def emulator_settings(host: str, prefix: str) -> dict[str, str]:
    """Settings for a state in Firestore's emulator; `prefix` keeps it apart from others there."""
    return {
        "STATE": "firestore",
        "FIRESTORE_EMULATOR_HOST": host,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "FIRESTORE_PREFIX": prefix,
    }


def start(settings: Mapping[str, str], log: Path, port: int, source: Path = ROOT) -> Function:
    """Begin to start the function in the folder `source` under `settings`. Its output is added to the file `log`."""
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    environment = {**inherited, "WEBHOOK_TOKEN": TOKEN, "LOG_FORMAT": "json", "THREADS": "16", **settings}
    command = [sys.executable, "-m", "functions_framework", "--target=notify", "--host=127.0.0.1", f"--port={port}"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=source, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Function(port, process, log)


@contextmanager
def function(settings: Mapping[str, str], log: Path, port: int | None = None) -> Iterator[Function]:
    """The function under `settings`, up and healthy."""
    running = start(settings, log, port or free_port())
    try:
        wait_until_healthy(running)
        yield running
    finally:
        running.process.terminate()
        try:
            running.process.wait(20)
        finally:
            running.kill()


def wait_until_healthy(running: Function) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and running.process.poll() is None:
        try:
            if requests.get(f"{running.url}/health", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"the function did not start:\n{running.log}")
