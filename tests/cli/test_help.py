"""--help teaches: the commands by what somebody wants, the first three, the exit codes, the names for machines."""

from __future__ import annotations

import pytest

from notifier.cli import SECTIONS, cli
from tests.cli.conftest import Run


def test_the_commands_stand_by_what_somebody_wants(run: Run) -> None:
    shown = run("--help").stdout
    for title in ("To begin with:", "When something is open:", "For files and for deploy.sh:"):
        assert title in shown
    assert shown.index("  check ") < shown.index("  incidents ") < shown.index("  settings ")


def test_every_command_is_in_a_section(run: Run) -> None:
    named = [name for names in SECTIONS.values() for name in names]
    assert set(cli.commands) <= set(named)
    assert "Others:" not in run("--help").stdout


def test_the_first_three_are_given_as_they_are_typed(run: Run) -> None:
    shown = run("--help").stdout
    for line in ("check --live ", "send hello -s critical ", "explain 7F3K "):
        assert f"  python -m notifier {line}" in shown


@pytest.mark.parametrize("command", ["", "ack", "check", "explain", "incidents", "send"])
def test_the_exit_codes_are_the_same_everywhere_and_told(run: Run, command: str) -> None:
    shown = run(*filter(None, [command, "--help"])).stdout
    assert "0  done" in shown
    assert "1  something that was checked, sent or asked for is not as wanted" in shown
    assert "2  a mistake in the call, the settings or the policy" in shown


@pytest.mark.parametrize("command", ["check", "explain", "incidents", "send"])
def test_what_machines_get_is_told(run: Run, command: str) -> None:
    shown = run(command, "--help").stdout
    assert "--json" in shown
    # Line by line, as it is written: click's mark for that has been read, and not shown.
    assert "\n  JSON: " in shown
    assert "\\b" not in shown
