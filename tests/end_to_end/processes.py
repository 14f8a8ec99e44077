"""The function as it is deployed: real functions-framework processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.builders import ROOT

TOKEN = "webhook-token-of-no-worth"
START_SECONDS = 30


class Function:
    """One process, on a port of its own."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self._log = log

    def post(self, body: object, *, token: str = TOKEN) -> requests.Response:
        return requests.post(self.url, json=body, auth=("cloud-monitoring", token), timeout=20)

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")


@contextmanager
def function(settings: Mapping[str, str], log: Path) -> Iterator[Function]:
    """The function under `settings`, up and healthy. Its output goes to the file `log`."""
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    environment = {**inherited, "WEBHOOK_TOKEN": TOKEN, "LOG_FORMAT": "json", "THREADS": "16", **settings}
    port = free_port()
    command = [sys.executable, "-m", "functions_framework", "--target=notify", "--host=127.0.0.1", f"--port={port}"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        running = Function(port, process, log)
        wait_until_healthy(running)
        yield running
    finally:
        process.terminate()
        process.wait(20)


def wait_until_healthy(running: Function) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and running.process.poll() is None:
        try:
            if requests.get(f"{running.url}/health", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"the function did not start:\n{running.log}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
