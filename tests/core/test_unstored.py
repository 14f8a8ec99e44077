"""What one instance tells by itself while the store is down, and when it may text."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from notifier.core.alert import Alert
from notifier.core.beginning import key_of
from notifier.core.incident import Incident, ref_of
from notifier.core.listing import Listing, Text
from notifier.core.unstored import free_messages, not_texted, page, told_of, why_not_to_text
from tests.builders import NOON, POLICY, SHIPPED, a_claim, an_alert, failed_report, texting

UNREADABLE = Listing(trouble="403: no right to read")
ANOTHER = {"8VBC": NOON - timedelta(minutes=5)}


def begun(alert: Alert) -> Incident:
    incident = told_of(key_of(alert, ""), alert, POLICY, NOON, a_claim())
    assert incident is not None
    return incident


DB = begun(an_alert())


def others(count: int, minutes: float = 1, body: str | None = None) -> tuple[Text, ...]:
    at = NOON - timedelta(minutes=minutes)
    refs = [ref_of(str(number), 1) for number in range(count)]
    return tuple(
        Text(id=f"SM{ref}", created_at=at, body=f"CRITICAL: web #{ref}" if body is None else body) for ref in refs
    )


def same(minutes: float, length: int = 4, generation: int = 1) -> tuple[Text, ...]:
    ref = ref_of(DB.key, generation, length)
    return (Text(id="SM1", created_at=NOON - timedelta(minutes=minutes), body=f"CRITICAL: db #{ref}"),)


CAP = "SMS rate cap (5/hr) hit, says Twilio's list"
ALREADY = "it was texted already, says Twilio's list"
BY_US = "this instance has texted it already"
NO_LIST = "Twilio's list cannot be read (403: no right to read), and this instance has texted within the hour"


def words(incident: Incident, listings: dict[int, Listing], ours: dict[str, datetime]) -> str:
    silence = why_not_to_text(incident, listings, ours, POLICY, NOON)
    return "" if silence is None else silence.words


@pytest.mark.parametrize(
    ("listing", "ours", "why"),
    [
        (Listing(), {}, ""),
        (Listing(), {DB.ref: NOON}, BY_US),
        (UNREADABLE, {DB.ref: NOON}, BY_US),
        (UNREADABLE, {}, ""),
        (UNREADABLE, ANOTHER, NO_LIST),
        (Listing(texts=same(1)), {}, ALREADY),
        (Listing(texts=same(59, length=5)), {}, ALREADY),
        (Listing(texts=same(61)), {}, ""),  # it says no start: an earlier one of the same name
        (Listing(texts=same(1, generation=2)), {}, ALREADY),
        (Listing(texts=same(1, generation=9)), {}, ""),
        (Listing(texts=others(4)), {}, ""),
        (Listing(texts=others(5)), {}, CAP),
        (Listing(texts=others(5, minutes=60.1)), {}, CAP),
        (Listing(texts=others(5, minutes=60.2)), {}, ""),
        (Listing(texts=others(4)), ANOTHER, CAP),  # ours is not listed yet
        (Listing(texts=others(3)), ANOTHER, ""),
        (Listing(texts=others(5, body="Lunch at 12?")), {}, ""),
        (Listing(texts=others(5, body="")), {}, CAP),
    ],
)
def test_why_not_to_text(listing: Listing, ours: dict[str, datetime], why: str) -> None:
    assert words(DB, {0: listing}, ours) == why


@pytest.mark.parametrize(("ours", "told"), [({DB.ref: NOON}, False), ({"8VBC": NOON}, True)])
def test_people_hear_of_a_text_that_is_not_sent_unless_it_was_texted_already(
    ours: dict[str, datetime], *, told: bool
) -> None:
    silence = why_not_to_text(DB, {0: Listing(texts=others(5))}, ours, POLICY, NOON)
    assert silence is not None
    assert silence.is_told is told
    assert not_texted(DB, POLICY, silence)["slack"].headline == (
        f"{silence.words}: not texted: CRITICAL: db is down (state store unreachable)"
    )


def test_a_text_that_failed_is_no_text() -> None:
    failed = tuple(msgspec.structs.replace(text, report=failed_report("undelivered")) for text in same(1))
    assert words(DB, {0: Listing(texts=failed)}, {}) == ""


def test_the_next_text_waits_until_the_last_one_is_listed() -> None:
    just_now = {"8VBC": NOON - timedelta(seconds=59)}
    assert words(DB, {0: Listing()}, just_now) == "the last text from here is not in Twilio's list yet"
    assert words(DB, {0: Listing()}, {"8VBC": NOON - timedelta(minutes=1)}) == ""


def test_one_of_ours_that_is_listed_counts_once() -> None:
    texts = others(4)
    (ref,) = texts[0].refs
    assert words(DB, {0: Listing(texts=texts)}, {ref: NOON}) == ""


def test_texts_to_all_phones_count() -> None:
    listings = {0: Listing(texts=others(3)), 1: Listing(texts=others(2))}
    assert words(DB, listings, {}) == CAP


def test_the_list_of_one_phone_alone_is_no_list() -> None:
    listings = {0: Listing(), 1: UNREADABLE}
    assert words(DB, listings, ANOTHER) == NO_LIST


def test_what_began_long_ago_and_was_texted_then_is_not_texted_again() -> None:
    long_ago = begun(an_alert(started_at=NOON - timedelta(days=2)))
    assert words(long_ago, {0: Listing(texts=same(47 * 60))}, {}) == ALREADY
    assert words(long_ago, {0: Listing(texts=same(49 * 60))}, {}) == ""


@pytest.mark.parametrize("severity", ["info", "warning", "error", ""])
def test_below_critical_there_is_no_text(severity: str) -> None:
    assert page(begun(an_alert(severity)), POLICY, 0) is None


def test_a_critical_one_is_texted_with_its_ref() -> None:
    message = page(DB, POLICY, 1)
    assert message is not None
    assert (message.sms, message.phone) == (f"CRITICAL: db is down #{DB.ref}", 1)


def test_where_no_phone_is_configured_there_is_no_text() -> None:
    policy = SHIPPED.deployed({"slack"}, texting(0))
    incident = told_of(DB.key, an_alert(), policy, NOON, a_claim())
    assert incident is not None
    assert page(incident, policy, 0) is None


@pytest.mark.parametrize(
    ("word", "channels"), [("warning", {"slack", "discord"}), ("error", {"slack", "discord", "email"})]
)
def test_the_free_channels_of_its_route_hear_that_the_store_is_down(word: str, channels: set[str]) -> None:
    messages = free_messages(begun(an_alert(word, text="No answer.")), POLICY)
    assert set(messages) == channels
    assert messages["slack"].headline == f"{word.upper()}: db is down (state store unreachable)"
    assert messages["slack"].body.startswith("The state store is unreachable: nothing of this is recorded")
    assert messages["slack"].body.endswith("No answer.")
    assert messages["slack"].acknowledge_url == ""


def test_a_close_is_told_nowhere() -> None:
    assert told_of(DB.key, an_alert(closed=True), POLICY, NOON, a_claim()) is None


def test_the_test_notification_is_told_also_closed() -> None:
    test = begun(an_alert("", test=True, closed=True))
    assert set(free_messages(test, POLICY)) == {"slack", "discord", "email"}
    assert page(test, POLICY, 0) is None
