from __future__ import annotations

import json

import pytest

from notifier.core.alert import Alert, Label
from notifier.sources import read
from tests.sources.bodies import ABSENT, changed, raw


def one(body: bytes) -> Alert:
    (alert,) = read(body).alerts
    return alert


def words(body: bytes) -> tuple[str, str]:
    """What tells one one-off without an id from another."""
    alert = one(body)
    return alert.title, alert.text


def of_the_group(message: str) -> bytes:
    """Another error of the fixture's group: message and request differ."""
    body = json.loads(raw("error_reporting"))
    body["subject"] = f"[larch-prod] New error: {message}"
    body["exception_info"]["message"] = message
    body["event_info"] |= {"log_message": message, "request_url": f"https://shop.example.org/{message}"}
    return json.dumps(body).encode()


def test_an_error_is_told_once_as_an_error() -> None:
    """No close ever comes; the message stands in the labels, where it does not make another alert of it."""
    assert one(raw("error_reporting")) == Alert(
        source="error-reporting",
        incident_id="",
        severity="error",
        title="OrphanCartError in checkout",
        text="[larch-prod] New error: …\n\nError group CLarchGroup1",
        url="https://console.cloud.google.com/errors/CLarchGroup1?project=larch-prod",
        labels=(
            Label("message", "cart 4711 has no owner"),
            Label("log_message", "cart 4711 has no owner at checkout.py:17"),
            Label("request_method", "POST"),
            Label("request_url", "https://shop.example.org/cart/4711"),
            Label("user_agent", "curl/8"),
            Label("service", "checkout"),
            Label("version", "v42"),
            Label("response_status", "500"),
            Label("project_id", "larch-prod"),
        ),
        one_off=True,
    )


def test_the_words_are_the_groups() -> None:
    """Up to five errors of a group come within an hour: the same words, one one-off."""
    assert words(of_the_group("cart 1 has no owner")) == words(of_the_group("cart 2 has no owner"))


def test_two_groups_have_their_own_words() -> None:
    """The same exception in the same service, at another place in the code, is another error."""
    other = {"detail_link": "https://console.cloud.google.com/errors/CLarchGroup2?project=larch-prod"}
    assert words(changed("error_reporting", group_info=other)) != words(raw("error_reporting"))


def test_without_a_link_the_message_tells_groups_apart() -> None:
    """Rather one post too many than an error that passes for another."""
    alert = one(changed("error_reporting", group_info={}, subject=ABSENT))
    assert alert.text == "cart 4711 has no owner"


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"exception_info": ABSENT}, "[larch-prod] New error: cart 4711 has no owner in checkout"),
        ({"exception_info": "x", "subject": 7, "event_info": []}, "7 in larch-prod"),
        ({"exception_info": {}, "subject": ABSENT, "event_info": ABSENT}, "New error in larch-prod"),
        ({"exception_info": {}, "subject": None, "event_info": {}, "group_info": {}}, "New error"),
        ({"exception_info": {"type": "checkout died"}}, "checkout died"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_all_but_the_group_is_optional(fields: dict[str, object], title: str) -> None:
    """The title is what is known, from the exception down to the project."""
    assert one(changed("error_reporting", **fields)).title == title
