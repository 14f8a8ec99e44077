"""What happens next if nobody answers, in one sentence."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from notifier.core.alert import Severity
from notifier.core.coming import what_follows
from notifier.core.events import Alerted
from tests.builders import (
    NOON,
    POLICY,
    SHIPPED,
    acknowledge,
    an_alert,
    decide,
    full,
    known,
    opened,
    recorded,
    texting,
    tick,
)

EVERYBODY = "Everybody who should hear of it has been told; without an answer nobody is told again."


@pytest.mark.parametrize(
    ("severity", "words"),
    [
        ("critical", "If nobody answers, phone 2 is texted at 12:15 UTC."),
        ("error", "If nobody answers, it is treated as critical at 12:20 UTC, and phone 1 is texted."),
        ("warning", "If nobody answers, it is treated as error at 12:10 UTC, and email is told."),
        ("info", EVERYBODY),
    ],
)
def test_the_next_louder_thing_is_named_with_its_time(severity: str, words: str) -> None:
    assert what_follows(known(recorded(opened(an_alert(severity)))), POLICY) == words


def test_what_somebody_answered_goes_no_further() -> None:
    answered = acknowledge(recorded(opened()), NOON + timedelta(minutes=1))
    assert what_follows(known(answered), POLICY) == ""


def test_a_page_that_is_held_back_waits_for_room() -> None:
    held = decide(Alerted(an_alert()), None, full(5))
    assert "held back by the hourly cap" in what_follows(known(held), POLICY)


def test_when_all_phones_were_walked_through_nobody_is_next() -> None:
    policy = SHIPPED.deployed({"log", "slack", "sms"}, texting(1))
    told = recorded(opened(policy=policy), policy=policy)
    assert what_follows(known(told), policy) == "If nobody answers, phone 1 is texted at 12:15 UTC."
    later = NOON + timedelta(minutes=15)
    again = recorded(tick(told, later, policy=policy), now=later, policy=policy)
    assert what_follows(known(again), policy) == EVERYBODY


def test_a_step_that_reaches_no_new_channel_says_only_what_it_is() -> None:
    policy = SHIPPED.deployed({"log", "slack"}, texting(0))
    told = recorded(opened(an_alert("warning"), policy=policy), policy=policy)
    assert what_follows(known(told), policy) == "If nobody answers, it is treated as error at 12:10 UTC."


def test_a_step_that_reaches_several_channels_names_each() -> None:
    deployed = SHIPPED.deployed({"log", "slack", "email", "sms"}, texting(1))
    policy = msgspec.structs.replace(deployed, escalation={Severity.CRITICAL: timedelta(minutes=20)})
    told = recorded(opened(an_alert("warning"), policy=policy), policy=policy)
    words = "If nobody answers, it is treated as critical at 12:20 UTC, and email is told, and phone 1 is texted."
    assert what_follows(known(told), policy) == words
