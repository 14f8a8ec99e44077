"""Where the emulator is looked for, and that nothing unverified is ever run."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.firestore_emulator import Download, NoEmulator, answers, any_emulator, find_jar

ROOT = Path(__file__).resolve().parent.parent
NOWHERE = Download("file:///nowhere/emulator.jar", "0" * 64)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine with nothing on it."""
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home")}


def make(file: Path, content: bytes = b"jar") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_the_jar_of_an_installed_cloud_sdk_comes_first(environment: dict[str, str], tmp_path: Path) -> None:
    gcloud = make(tmp_path / "sdk/bin/gcloud")
    gcloud.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gcloud").symlink_to(gcloud)
    jar = make(tmp_path / "sdk/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
    make(tmp_path / "home/.cache/firebase/emulators/cloud-firestore-emulator-v1.19.8.jar")
    assert find_jar(environment, tmp_path, NOWHERE) == jar


def test_firebases_cache_comes_second_and_its_newest_jar_is_taken(environment: dict[str, str], tmp_path: Path) -> None:
    cache = tmp_path / "home/.cache/firebase/emulators"
    os.utime(make(cache / "cloud-firestore-emulator-v1.9.9.jar"), (1, 1))
    make(cache / "cloud-storage-rules-runtime-v1.1.3.jar")
    newest = make(cache / "cloud-firestore-emulator-v1.19.8.jar")
    assert find_jar(environment, tmp_path, NOWHERE) == newest


def test_a_download_comes_last_and_is_kept(environment: dict[str, str], tmp_path: Path) -> None:
    source = make(tmp_path / "source/emulator.jar")
    download = Download(source.as_uri(), hashlib.sha256(b"jar").hexdigest())
    jar = find_jar(environment, tmp_path / "cache", download)
    assert jar.read_bytes() == b"jar"
    source.unlink()
    assert find_jar(environment, tmp_path / "cache", download) == jar


def test_a_download_with_another_hash_is_not_used_and_not_kept(environment: dict[str, str], tmp_path: Path) -> None:
    source = make(tmp_path / "source/emulator.jar", b"something else")
    download = Download(source.as_uri(), hashlib.sha256(b"jar").hexdigest())
    with pytest.raises(NoEmulator, match="SHA-256"):
        find_jar(environment, tmp_path / "cache", download)
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_any_the_error_says_all_that_was_tried(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(NoEmulator) as raised:
        find_jar(environment, tmp_path / "cache", NOWHERE)
    for tried in ("FIRESTORE_EMULATOR_HOST", "gcloud", "Firebase's cache", NOWHERE.url):
        assert tried in str(raised.value)


def test_a_running_one_that_does_not_answer_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    with pytest.raises(NoEmulator, match=r"127\.0\.0\.1:1"), any_emulator():
        pass


@pytest.mark.emulator
def test_a_running_one_is_used_and_left_running(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    with any_emulator() as host:
        assert host == firestore_emulator
    assert answers(firestore_emulator)


@pytest.mark.emulator
def test_as_a_program_it_says_where_it_is_and_ends_with_its_emulator(firestore_emulator: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "FIRESTORE_EMULATOR_HOST"}
    command = [sys.executable, "-m", "tests.firestore_emulator"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        host = program.stdout.readline().strip()
        assert host != firestore_emulator
        assert answers(host)
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=20) == 0
    assert not answers(host)
