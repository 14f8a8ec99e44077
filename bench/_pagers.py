"""Who is measured: how each is started, killed, started again, and told that an alert fires."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import requests

from bench._sink import Sink
from tests.end_to_end.alerts import cloud_monitoring
from tests.end_to_end.processes import Function, emulator_settings, start
from tests.end_to_end.waiting import ticking, wait_until
from tests.firestore_emulator import free_port

MINUTE = 5.0
"""Seconds that stand for a minute: Prometheus sends what fires again, the scheduler ticks, a sender tries again."""
RESTART_AFTER = 0.1
"""Seconds from a kill to the next start, as systemd waits (RestartSec); Google's front end waits for a request."""
READY_WITHIN = 60
BATCH = 64
"""Alerts in one post of Prometheus (notifier.DefaultMaxBatchSize)."""
POST_SECONDS = 10
"""What a sender waits for an answer: Prometheus by its default (alertmanagers.timeout), and Pub/Sub by its own."""
CONFIGURATION = {
    "route": {
        "receiver": "sink",
        "group_by": ["alertname", "instance"],
        "group_wait": "0s",
        "repeat_interval": "24h",
    },
}


class Firing(NamedTuple):
    """An alert that fires."""

    name: str
    since: datetime


class Post(NamedTuple):
    """One request to a pager."""

    alerts: Sequence[Firing]
    send: Callable[[], bool]
    """Whether it was answered with 200."""


class Pager(ABC):
    """One pager under test."""

    name: str
    resends: bool
    """Whether its sender sends again what it has been answered with 200, as Prometheus does."""

    @abstractmethod
    def prepare(self, stack: ExitStack) -> None:
        """Start it and wait until it is ready; it ends with `stack`. Raises AssertionError."""

    @abstractmethod
    def begin(self, stack: ExitStack) -> None:
        """What comes to it regularly comes from now on."""

    @abstractmethod
    def kill(self, member: int) -> None:
        """SIGKILL; `member`: which one, where there are several (0 is the oldest)."""

    @abstractmethod
    def restart(self) -> None:
        """Start what was killed again, with the same command line, without waiting for it."""

    @abstractmethod
    def is_up(self) -> bool:
        """Whether all of it answers as healthy."""

    @abstractmethod
    def posts(self, alerts: Sequence[Firing]) -> list[Post]:
        """The requests that tell it of `alerts`."""


class Notifier(Pager):
    """A real functions-framework process with its shipped settings, its state in Google's Firestore emulator."""

    name = "notifier"
    resends = False

    def __init__(self, sink: Sink, folder: Path, emulator: str) -> None:
        self._port = free_port()
        self._log = folder / "log"
        self._settings = {"SLACK_WEBHOOK_URL": sink.url, **emulator_settings(emulator, uuid4().hex)}
        self._running: Function

    def prepare(self, stack: ExitStack) -> None:
        stack.callback(self.kill, 0)
        self.restart()
        wait_until(self.is_up, READY_WITHIN)

    def begin(self, stack: ExitStack) -> None:
        stack.enter_context(ticking(self._running, every=MINUTE))

    def kill(self, member: int) -> None:  # noqa: ARG002 - there is but one
        self._running.kill()

    def restart(self) -> None:
        self._running = start(self._settings, self._log, self._port)

    def is_up(self) -> bool:
        return _answers(f"{self._running.url}/health")

    def posts(self, alerts: Sequence[Firing]) -> list[Post]:
        return [Post([alert], lambda alert=alert: self._send(alert)) for alert in alerts]  # type: ignore[misc]

    def _send(self, alert: Firing) -> bool:
        body = cloud_monitoring(f"0.{alert.name}", "Warning", on=alert.name, started_at=int(alert.since.timestamp()))
        try:
            return self._running.post(body).status_code == 200
        except requests.RequestException:
            return False


class Alertmanager(Pager):
    """One or several Alertmanagers, all of which are told everything, as its documentation asks of Prometheus."""

    resends = True

    def __init__(self, name: str, sink: Sink, folder: Path, *options: str, members: int = 1) -> None:
        self.name = name
        self._options = options
        self._folder = folder
        self._web = [free_port() for _ in range(members)]
        self._cluster = [free_port() for _ in range(members)] if members > 1 else []
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._killed: list[int] = []
        receiver = {"name": "sink", "webhook_configs": [{"url": sink.url, "send_resolved": False}]}
        # JSON is YAML.
        (folder / "alertmanager.yml").write_text(json.dumps({**CONFIGURATION, "receivers": [receiver]}), "utf-8")

    def prepare(self, stack: ExitStack) -> None:
        stack.callback(self._kill_all)
        for number, port in enumerate(self._web):  # in a cluster the oldest notifies first, the next 15 s after it
            self._processes[number] = self._start(number)
            wait_until(lambda port=port: _answers(f"http://127.0.0.1:{port}/-/healthy"), READY_WITHIN)  # type: ignore[misc]
        wait_until(self._is_ready, READY_WITHIN)

    def begin(self, stack: ExitStack) -> None:
        """Nothing comes to it but what its sender sends."""

    def kill(self, member: int) -> None:
        number = member % len(self._web)
        self._kill(number)
        self._killed.append(number)

    def restart(self) -> None:
        while self._killed:
            number = self._killed.pop()
            self._processes[number] = self._start(number)

    def is_up(self) -> bool:
        return not self._killed and all(_answers(f"http://127.0.0.1:{port}/-/healthy") for port in self._web)

    def posts(self, alerts: Sequence[Firing]) -> list[Post]:
        batches = [alerts[first : first + BATCH] for first in range(0, len(alerts), BATCH)]
        return [
            Post(batch, lambda batch=batch, port=port: self._send(batch, port))  # type: ignore[misc]
            for batch in batches
            for port in self._web
        ]

    def _send(self, alerts: Sequence[Firing], port: int) -> bool:
        ends = datetime.now(UTC) + timedelta(seconds=4 * MINUTE)  # as Prometheus: four times its resend delay
        body = [
            {
                "labels": {"alertname": "HostDown", "instance": alert.name, "severity": "warning"},
                "annotations": {"summary": f"{alert.name} is down"},
                "startsAt": alert.since.isoformat(),
                "endsAt": ends.isoformat(),
            }
            for alert in alerts
        ]
        try:
            return requests.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=body, timeout=POST_SECONDS).ok
        except requests.RequestException:
            return False

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        command = [
            find_alertmanager(),
            f"--config.file={self._folder / 'alertmanager.yml'}",
            f"--storage.path={self._folder / f'data-{number}'}",
            f"--web.listen-address=127.0.0.1:{self._web[number]}",
            *self._options,
        ]
        if self._cluster:
            command.append(f"--cluster.listen-address=127.0.0.1:{self._cluster[number]}")
            command += [f"--cluster.peer=127.0.0.1:{port}" for port in self._cluster if port != self._cluster[number]]
        else:
            command.append("--cluster.listen-address=")  # alone it needs none, and would wait for others at its start
        with (self._folder / f"log-{number}").open("ab") as out:
            return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)

    def _is_ready(self) -> bool:
        """Up, and in a cluster done with looking for the other members, with all of them found."""
        return self.is_up() and all(self._has_settled(port) for port in self._web)

    def _has_settled(self, port: int) -> bool:
        cluster = requests.get(f"http://127.0.0.1:{port}/api/v2/status", timeout=2).json()["cluster"]
        return not self._cluster or (cluster["status"] == "ready" and len(cluster["peers"]) == len(self._web))

    def _kill(self, number: int) -> None:
        process = self._processes[number]
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)

    def _kill_all(self) -> None:
        for number in self._processes:
            self._kill(number)


def find_alertmanager() -> str:
    """Its path: Debian's name, else its own. Empty when it is not installed."""
    return shutil.which("prometheus-alertmanager") or shutil.which("alertmanager") or ""


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        time.sleep(0.02)
        return False
