"""policy.toml: what is read from it, and how a bad one is refused."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.alert import Severity
from notifier.core.policy import PolicyError, parse_policy
from notifier.core.policy_page import policy_page
from tests.builders import ROOT, SHIPPED

TEXT = (ROOT / "policy.toml").read_text("utf-8")


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as error:
        parse_policy(text)
    return error.value.problems


def test_the_shipped_file_is_the_table_of_the_design() -> None:
    assert SHIPPED.routes[Severity.INFO] == SHIPPED.routes[Severity.WARNING] == ("log", "slack", "discord")
    assert SHIPPED.routes[Severity.ERROR] == ("log", "slack", "discord", "email")
    assert SHIPPED.routes[Severity.CRITICAL] == ("log", "slack", "discord", "email", "sms")
    assert (SHIPPED.unset, SHIPPED.unknown, SHIPPED.climbs_from) == (Severity.WARNING, Severity.ERROR, Severity.WARNING)
    assert SHIPPED.escalation == {Severity.ERROR: timedelta(minutes=10), Severity.CRITICAL: timedelta(minutes=20)}
    sms = SHIPPED.sms
    assert (sms.max_per_hour, sms.reserved, sms.max_segments, sms.rounds) == (5, 2, 1, 2)
    assert sms.next_phone == timedelta(minutes=15)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'error    = ["log", "slack", "discord", "email"]',
            'error    = ["log", "sms"]',
            "line 6: [routes] error: sms is for critical alone: a text costs money and wakes somebody",
        ),
        (
            '"discord"]\nwarning',
            '"pigeon"]\nwarning',
            'line 4: [routes] info: "pigeon" is no channel; there are log, slack, discord, email, sms',
        ),
        (
            '"discord"]\nwarning',
            '"slak"]\nwarning',
            (
                'line 4: [routes] info: "slak" is no channel; there are log, slack, discord, email, sms;'
                " did you mean slack?"
            ),
        ),
        (
            'info     = ["log", "slack", "discord"]',
            'info     = "slack"',
            'line 4: [routes] info: must be a list of log, slack, discord, email, sms, and not "slack"',
        ),
        (
            '"discord"]\nwarning',
            '["discord"]]\nwarning',
            "line 4: [routes] info: a list is no channel; there are log, slack, discord, email, sms",
        ),
        ('info     = ["log", "slack"', 'info     = ["slack", "slack"', "line 4: [routes] info: names a channel twice"),
        ('info     = ["log", "slack", "discord"]\n', "", "line 3: [routes] info: is missing"),
        (
            'unset    = "warning"',
            'unset    = "loud"',
            'line 10: [severity] unset: must be one of info, warning, error, critical, and not "loud"',
        ),
        (
            'unset    = "warning"',
            'unset    = "Warn"',
            (
                'line 10: [severity] unset: must be one of info, warning, error, critical, and not "Warn";'
                " did you mean warning?"
            ),
        ),
        (
            'unset    = "warning"',
            f'unset    = "{"x" * 99}"',
            f'line 10: [severity] unset: must be one of info, warning, error, critical, and not "{"x" * 39}…"',
        ),
        (
            'error    = "10m"',
            'error    = "ten"',
            'line 14: [escalation] error: must be a time such as "90s", "10m" or "1h", and not "ten"',
        ),
        (
            'error    = "10m"',
            "error    = 10",
            'line 14: [escalation] error: must be a time such as "90s", "10m" or "1h", and not 10',
        ),
        (
            'error    = "10m"',
            'error    = "1h"',
            "line 13: [escalation]: a higher severity must not come before a lower one",
        ),
        (
            "max_per_hour = 5",
            "max_per_hour = 31",
            "line 19: [sms] max_per_hour: must be a whole number from 1 to 30, and not 31",
        ),
        (
            "max_per_hour = 5",
            "max_per_hour = true",
            "line 19: [sms] max_per_hour: must be a whole number from 1 to 30, and not true",
        ),
        (
            "max_per_hour = 5",
            f"max_per_hour = 0x{'f' * 9_999}",
            "line 19: [sms] max_per_hour: must be a whole number from 1 to 30, and not that",
        ),
        (
            "max_per_hour = 5",
            "max_per_hour = {}",
            "line 19: [sms] max_per_hour: must be a whole number from 1 to 30, and not a table",
        ),
        (
            "reserved     = 2",
            "reserved     = 5",
            "line 20: [sms] reserved: must be a whole number from 0 to 4, and not 5",
        ),
        (
            "rounds ",
            "runds ",
            "line 23: [sms] runds: no such key; there are max_per_hour, max_segments, next_phone, reserved, rounds",
        ),
        ("[sms]", "[smms]", "line 18: [smms]: no such section; there are routes, severity, escalation, sms"),
    ],
)
def test_a_bad_file_is_refused_with_line_and_reason(old: str, new: str, problem: str) -> None:
    assert problem in problems(changed(old, new))


def test_a_file_that_is_no_toml_is_refused_with_its_line() -> None:
    assert problems("[routes]\ninfo = [") == ["not TOML: Invalid value (at end of document)"]
    assert "(at line 2, column" in problems("[routes]\ninfo = x\n")[0]


def test_every_mistake_is_told_at_once() -> None:
    two = changed("max_per_hour = 5", "max_per_hour = 0").replace('critical = "20m"', 'critical = "never"')
    assert len(problems(two)) == 2


def test_a_section_that_is_no_section_is_refused() -> None:
    assert problems("sms = 1\n" + TEXT.split("[sms]")[0]) == ["line 1: sms: must be a section, written as [sms]"]


@pytest.mark.parametrize(("words", "length"), [("90s", 90), ("10m", 600), ("1h", 3_600)])
def test_times_are_written_with_their_unit(words: str, length: int) -> None:
    policy = parse_policy(changed('next_phone   = "15m"', f'next_phone   = "{words}"'))
    assert policy.sms.next_phone == timedelta(seconds=length)


def test_without_steps_nothing_climbs() -> None:
    text = changed('error    = "10m"', "").replace('critical = "20m"', "")
    assert parse_policy(text).escalation == {}


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_is_refused_as_one(text: str) -> None:
    with contextlib.suppress(PolicyError):
        parse_policy(text)


class TestPage:
    """POLICY.md."""

    def test_equals_what_policy_toml_says(self) -> None:
        """After a change: python -m notifier policy > POLICY.md."""
        assert (ROOT / "POLICY.md").read_text("utf-8") == policy_page(SHIPPED)

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("max_per_hour = 5", "max_per_hour = 7", "At most 7 an hour"),
            ("reserved     = 2", "reserved     = 3", "The last 3 slots"),
            ("max_segments = 1", "max_segments = 2", "At most 2 segments: 306 characters"),
            ("rounds       = 2", "rounds       = 3", "3 times"),
            ('from     = "warning"', 'from     = "info"', "**critical**"),
            ('unset    = "warning"', 'unset    = "info"', "taken as **info**"),
        ],
    )
    def test_follows_the_file(self, old: str, new: str, words: str) -> None:
        assert words in policy_page(parse_policy(changed(old, new)))

    def test_says_when_nothing_climbs(self) -> None:
        text = changed('error    = "10m"', "").replace('critical = "20m"', "")
        assert "Nothing climbs" in policy_page(parse_policy(text))
