"""Which messages carry the link that answers an incident, as each channel puts it on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from notifier.auth import AcknowledgeLinks
from notifier.channels import discord, slack
from notifier.core.incident import Delivery, DeliveryState, Incident, IncidentState, Kind
from notifier.core.message import Message, message_of
from tests.builders import NOON, POLICY, an_alert, known, opened
from tests.channels.support import make_message
from tests.channels.test_email import make_email, parsed, text

LINKS = AcknowledgeLinks(webhook_token="made-up-token-of-the-tests", public_url="https://pager.example.com")
ANSWERED = {"acknowledged_at": NOON, "acknowledged_by": "Ada"}
IN_STATE: dict[IncidentState, dict[str, object]] = {
    IncidentState.OPEN: {},
    IncidentState.ACKNOWLEDGED: ANSWERED,
    IncidentState.RESOLVED: {"resolved_at": NOON + timedelta(minutes=5)},
}
SHOWN: dict[str, Callable[[Message], str]] = {
    "slack": lambda message: json.dumps(slack.payload(message)),
    "discord": lambda message: json.dumps(discord.payload(message)),
    "email": lambda message: text(parsed(make_email().raw(message))),
}


def an_incident(kind: Kind, channel: str, state: IncidentState = IncidentState.OPEN) -> Incident:
    """An incident in `state` that owes one message, `it`."""
    owed = Delivery(kind=kind, channel=channel, state=DeliveryState.CLAIMED, created_at=NOON, words="Look here")
    incident = known(opened(an_alert()))
    return msgspec.structs.replace(incident, state=state, deliveries={"it": owed}, **IN_STATE[state])


def message(incident: Incident) -> Message:
    (owed,) = incident.deliveries.values()
    return message_of(incident, "it", POLICY, LINKS.url(incident.key, incident.generation, owed.channel))


@pytest.mark.parametrize("channel", SHOWN)
@pytest.mark.parametrize("kind", [Kind.OPENED, Kind.ESCALATED, Kind.NOTICE])
def test_what_is_told_of_an_open_incident_carries_its_link(channel: str, kind: Kind) -> None:
    incident = an_incident(kind, channel)
    url = LINKS.url(incident.key, incident.generation, channel)
    assert SHOWN[channel](message(incident)).count(url) == 1


@pytest.mark.parametrize("channel", SHOWN)
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("state", [IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED])
def test_what_is_told_after_the_answer_carries_none(channel: str, kind: Kind, state: IncidentState) -> None:
    assert "/a/" not in SHOWN[channel](message(an_incident(kind, channel, state)))


@pytest.mark.parametrize("kind", [Kind.OPENED, Kind.ESCALATED])
def test_a_text_carries_none(kind: Kind) -> None:
    page = message(an_incident(kind, "sms"))
    assert page.acknowledge_url == ""
    assert "http" not in page.sms


def test_each_channel_has_a_link_of_its_own() -> None:
    links = {message(an_incident(Kind.OPENED, channel)).acknowledge_url for channel in SHOWN}
    assert len(links) == len(SHOWN)


def test_the_next_generation_has_another_link() -> None:
    first = an_incident(Kind.OPENED, "slack")
    second = msgspec.structs.replace(first, generation=2)
    assert message(first).acknowledge_url != message(second).acknowledge_url


def test_without_a_link_nothing_stands_in_its_place() -> None:
    for show in SHOWN.values():
        assert "cknowledge" not in show(make_message())


HOSTILE = ["https://x.example/a|b", "https://x.example/<!channel>", "https://x.example/a b", "javascript:alert(1)", "x"]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_link_slack_could_misread_is_left_out(url: str) -> None:
    assert "Acknowledge" not in SHOWN["slack"](make_message(acknowledge_url=url))


def test_signs_with_a_meaning_in_slack_are_escaped_in_the_link() -> None:
    shown = SHOWN["slack"](make_message(acknowledge_url="https://x.example/a?b&c"))
    assert "*<https://x.example/a?b&amp;c|Acknowledge>*" in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/a)b", "[Acknowledge](https://x.example/a%29b)"),
        ("https://x.example/(a", "[Acknowledge](https://x.example/%28a)"),
    ],
)
def test_a_bracket_does_not_end_the_link_in_discord(url: str, shown: str) -> None:
    assert shown in SHOWN["discord"](make_message(acknowledge_url=url))


@pytest.mark.parametrize("url", ["https://x.example/a b", "https://x.example/<@1>", "javascript:alert(1)", "x"])
def test_a_link_discord_could_misread_is_left_out(url: str) -> None:
    assert "Acknowledge" not in SHOWN["discord"](make_message(acknowledge_url=url))


@pytest.mark.parametrize("channel", SHOWN)
def test_a_huge_alert_does_not_push_the_link_out(channel: str) -> None:
    url = "https://pager.example.com/a/token"
    huge = make_message(headline="x" * 5_000, body="y\n" * 9_000, facts=(("z" * 300, "z" * 2_000),) * 60)
    assert url in SHOWN[channel](msgspec.structs.replace(huge, acknowledge_url=url))
