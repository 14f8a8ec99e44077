"""The function as it is deployed: functions-framework and gunicorn, over a real socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.web.pager import ROOT, TOKEN, basic, sample

LARGE = 10 * 1_048_576
HEADERS = {"Authorization": basic("cloud-monitoring", TOKEN)}


class Served:
    """A process that serves the function."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def ask(self, method: str, path: str, body: Any = None, *, chunked: bool = False) -> tuple[HTTPResponse, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body=body, headers=HEADERS, encode_chunked=chunked)
        answer = connection.getresponse()
        said = json.loads(answer.read() or b"null")
        connection.close()
        return answer, said

    def send(self, raw: bytes) -> bytes:
        """Send `raw`, then no more; what is answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "FUNCTION_TARGET": "notify",
        "FUNCTION_SOURCE": str(ROOT / "main.py"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "THREADS": "4",
        "WEBHOOK_TOKEN": TOKEN,
        "SIMULATE": "1",
        "STATE": f"sqlite:{folder / 'state.sqlite'}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", "from functions_framework._cli import _cli; _cli()"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        try:
            wait_for(process, port)
            yield Served(process, port, folder / "log")
        finally:
            process.terminate()
            process.wait(30)


def wait_for(process: subprocess.Popen[str], port: int) -> None:
    """Until the port is listened on; connecting is what takes the time."""
    while process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError(f"the process ended with {process.returncode}")


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // 65_536):
        yield b" " * 65_536


def test_an_alert_over_the_wire_is_stored_and_answered(served: Served) -> None:
    answer, said = served.ask("POST", "/", sample("cloud_monitoring_open"))
    assert answer.status == 200
    assert said["incidents"][0]["deliveries"]["opened/sms/0/1"] == "sent"


def test_a_chunked_alert_is_taken(served: Served) -> None:
    answer, said = served.ask("POST", "/", iter([b'{"title": ', b'"Disk"}']), chunked=True)
    assert answer.status == 200
    assert said["incidents"][0]["severity"] == "warning"


@pytest.mark.parametrize("chunked", [False, True], ids=["length given", "chunked"])
def test_413_reaches_the_sender_of_ten_megabytes(served: Served, *, chunked: bool) -> None:
    answer, said = served.ask("POST", "/", pieces(LARGE) if chunked else b" " * LARGE, chunked=chunked)
    assert answer.status == 413
    assert said == {"error": "expected at most 1048576 bytes"}


def test_404_reaches_the_sender_of_ten_megabytes(served: Served) -> None:
    answer, _ = served.ask("POST", "/other", pieces(LARGE), chunked=True)
    assert answer.status == 404


def head(*more: str) -> bytes:
    lines = ["POST / HTTP/1.1", "Host: 127.0.0.1", f"Authorization: {HEADERS['Authorization']}", *more, "", ""]
    return "\r\n".join(lines).encode()


BROKEN_OFF = {
    "in the middle": head("Content-Length: 900") + b'{"title": "Da',
    "before the body": head("Content-Length: 900"),
    "in a chunk": head("Transfer-Encoding: chunked") + b'ff\r\n{"title": "Da',
    "no chunk": head("Transfer-Encoding: chunked") + b'zz\r\n{"title": "Da"}\r\n0\r\n\r\n',
}


@pytest.mark.parametrize("request_bytes", BROKEN_OFF.values(), ids=BROKEN_OFF.keys())
def test_a_request_that_breaks_off_is_refused_and_told_to_nobody(served: Served, request_bytes: bytes) -> None:
    before = len(served.log.read_text())
    answer = served.send(request_bytes)
    assert not answer or answer.startswith(b"HTTP/1.1 400")
    logged = served.log.read_text()[before:]
    assert "could not read" not in logged
    assert "our own mistake" not in logged


def test_health_over_the_wire(served: Served) -> None:
    answer, said = served.ask("GET", "/health")
    assert (answer.status, said) == (200, {"status": "ok"})
