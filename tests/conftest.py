"""Fixtures for all folders, and a rule: in CI nothing is skipped for want of a browser, the emulator or gcloud."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.firestore_emulator import NoEmulator, any_emulator

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# An example may take its time: a machine that is busy is no mistake of ours.
settings.register_profile("unhurried", parent=settings(), deadline=None)
settings.load_profile("unhurried")

NEVER_SKIPPED_IN_CI = ("browser", "emulator", "gcloud")


@pytest.fixture(scope="session")
def firestore_emulator() -> Iterator[str]:
    """host:port of a real Firestore emulator, shared: each test keeps to a project or prefix of its own.

    Tests that use it carry the marker `emulator`.
    """
    try:
        emulator = any_emulator()
        host = emulator.__enter__()
    except NoEmulator as error:
        pytest.skip(str(error))
    try:
        yield host
    finally:
        emulator.__exit__(None, None, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    wanted = any(item.get_closest_marker(name) for name in NEVER_SKIPPED_IN_CI)
    if os.environ.get("CI") and wanted and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"may not be skipped in CI: {report.longrepr}"
    return report
