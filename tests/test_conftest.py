"""In CI, what cannot be tested is an error, so that green means tested."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TESTS = """
import pytest

@pytest.mark.emulator
def test_skipped_inside():
    pytest.skip("no emulator")

@pytest.mark.gcloud
@pytest.mark.skipif(True, reason="no gcloud")
def test_skipped_by_mark():
    pass

@pytest.mark.emulator
@pytest.mark.xfail(strict=True)
def test_expected_to_fail():
    assert False

@pytest.mark.skipif(True, reason="not on this platform")
def test_skipped_for_another_reason():
    pass
"""


def run_pytest(folder: Path, **environment: str) -> str:
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    emulator\n    gcloud\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", str(folder)]
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    run = subprocess.run(
        command, cwd=ROOT, env=inherited | environment, stdout=subprocess.PIPE, text=True, check=False, timeout=60
    )
    return run.stdout


def test_in_ci_a_skipped_emulator_or_gcloud_test_fails(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, CI="true")
    assert "1 failed, 1 skipped, 1 xfailed, 1 error" in output
    assert "may not be skipped in CI" in output


@pytest.mark.parametrize("environment", [{}, {"CI": ""}])
def test_elsewhere_it_is_skipped(tmp_path: Path, environment: dict[str, str]) -> None:
    output = run_pytest(tmp_path, **environment)
    assert "3 skipped, 1 xfailed" in output
    assert "failed," not in output
