"""What each channel is told."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notifier.core.alert import TITLE_CHARACTERS, Label, bounded
from notifier.core.answering import answerer
from notifier.core.events import Alerted
from notifier.core.message import message_of
from notifier.core.policy import Policy
from notifier.core.replying import Command, read_wish
from notifier.core.sms_text import size_of
from notifier.core.wording import clock_time, cost, duration
from tests.builders import (
    ALL_CHANNELS,
    NOON,
    POLICY,
    SHIPPED,
    a_claim,
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


def test_a_page_names_severity_title_and_ref_in_one_segment() -> None:
    incident = known(opened(an_alert(title="Database unreachable " * 30)))
    message = message_of(incident, "opened/sms/0/1", POLICY)
    assert message.sms.startswith("CRITICAL: Database unreachable")
    assert message.sms.endswith(f"... #{incident.ref}")
    assert len(message.sms) == 160
    assert message.phone == 0


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("“db-1” – disk at 95 % …", '"db-1" - disk at 95 % ...'),
        ("Falha crítica: não há ligação", "Falha crítica: não há ligação"),
        ("Já não há ligação à base de dados." * 3, "Ja nao ha ligacao à base de dados." * 3),
        ("データベースに接続できません", "データベースに接続できません"),
        ("🔥 db is down", "🔥 db is down"),
    ],
    ids=ascii,
)
def test_a_page_that_fits_says_its_title_in_the_alphabet_it_has_room_for(title: str, said: str) -> None:
    incident = known(opened(an_alert(title=title)))
    sent = message_of(incident, "opened/sms/0/1", POLICY).sms
    assert sent == f"CRITICAL: {said} #{incident.ref}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=600))
@example("👩\u200d👩\u200d👧" * 60)
@example("क्षि" * 100)
@example("á" * 500)
@example("a" + "\u0301" * 499)
def test_a_page_is_one_segment_whatever_its_title(title: str) -> None:
    incident = known(opened(bounded(an_alert(title=title))))
    sent = message_of(incident, "opened/sms/0/1", POLICY).sms
    assert size_of(sent).segments == 1
    assert sent.startswith("CRITICAL: ")
    assert sent.endswith(f" #{incident.ref}")


def test_a_message_says_what_where_since_when_and_leads_to_the_senders_page() -> None:
    alert = an_alert(
        text="It does not answer.",
        url="https://example.com/i/1",
        started_at=NOON - timedelta(minutes=3),
        labels=(Label("zone", "b"), Label("empty", "")),
    )
    message = message_of(known(opened(alert)), "opened/slack", POLICY)
    assert message.headline == "CRITICAL: db is down"
    assert message.body == "It does not answer."
    assert message.url == "https://example.com/i/1"
    assert message.facts == (("Since", "2026-01-31 11:57 UTC"), ("zone", "b"))


def test_the_documentation_is_told_with_what_opens_and_not_again() -> None:
    first = recorded(opened(an_alert("warning", documentation="Look at the **log**.")))
    assert message_of(known(first), "opened/slack", POLICY).documentation == "Look at the **log**."
    later = tick(first, NOON + timedelta(minutes=25))
    assert message_of(known(later), "escalated/email", POLICY).documentation == "Look at the **log**."
    answered = acknowledge(later, NOON + timedelta(minutes=26))
    assert message_of(known(answered), "acknowledged/slack", POLICY).documentation == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instance", "db-1"),
        ("instance", "10.0.0.1:9100"),
        ("path", "/var"),
        ("job", "node"),
        ("alertname", "Full"),
        ("severity", "Critical"),
        ("resource_type", "gce_instance"),
        ("metric_type", "compute.googleapis.com/disk"),
    ],
)
def test_a_label_that_says_it_again_is_no_fact(name: str, value: str) -> None:
    alert = an_alert(title="Full: /var on db-1", text="10.0.0.1:9100 of job node.", labels=(Label(name, value),))
    assert [fact[0] for fact in message_of(known(opened(alert)), "opened/slack", POLICY).facts] == ["Since"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instance", "db-10"),
        ("instance", "db"),
        ("instance", "b-1"),
        ("host", "0.0.0.1:9100"),
        ("host", "0.0.1:9100"),
        ("host", "10.0.0.1"),
        ("team", "node"),
        ("team", "Full"),
        ("code", "1"),
        ("port", "9100"),
        ("severity", "P1"),
        ("replica", "db-1-b"),
        ("path", "/var/lib"),
    ],
)
def test_a_label_that_may_say_something_else_stays(name: str, value: str) -> None:
    alert = an_alert(title="Full: /var on db-1", text="10.0.0.1:9100 of job node.", labels=(Label(name, value),))
    assert (name, value) in message_of(known(opened(alert)), "opened/slack", POLICY).facts


def test_without_a_sentence_of_its_sender_the_types_are_told() -> None:
    facts = message_of(known(opened(an_alert(labels=(Label("metric_type", "a/b"),)))), "opened/slack", POLICY).facts
    assert ("metric_type", "a/b") in facts


def test_the_project_is_called_so() -> None:
    alert = an_alert(labels=(Label("project_id", "larch-prod"),))
    assert ("Project", "larch-prod") in message_of(known(opened(alert)), "opened/slack", POLICY).facts


def test_a_test_says_nothing_of_its_severity() -> None:
    incident = known(opened(an_alert("", test=True)))
    assert [fact[0] for fact in message_of(incident, "opened/slack", POLICY).facts] == ["Since"]
    climbing = known(opened(an_alert("")))
    assert [fact[0] for fact in message_of(climbing, "opened/slack", POLICY).facts] == ["Since", "Severity"]


class TestFollows:
    """What a channel was told first: a mail program finds what comes after it by that."""

    def test_what_opens_follows_nothing(self) -> None:
        assert message_of(known(opened()), "opened/email", POLICY).follows == ""

    def test_answer_and_end_follow_the_first_headline(self) -> None:
        first = recorded(opened())
        answered = acknowledge(first, NOON)
        assert message_of(known(answered), "acknowledged/email", POLICY).follows == "CRITICAL: db is down"

    def test_where_it_began_by_climbing_they_follow_that(self) -> None:
        climbed = recorded(tick(recorded(opened(an_alert("warning"))), NOON + timedelta(minutes=12)))
        answered = acknowledge(climbed, NOON + timedelta(minutes=15))
        assert (
            message_of(known(answered), "acknowledged/email", POLICY).follows == "WARNING unanswered 12 min: db is down"
        )
        assert message_of(known(answered), "acknowledged/slack", POLICY).follows == "WARNING: db is down"


class TestRightToLeft:
    """Neither the title turns our words around, nor they the title."""

    TITLE = "שרת db-1 נפל"

    def test_in_a_headline_the_title_is_isolated(self) -> None:
        first = recorded(opened(an_alert(title=self.TITLE)))
        shown = f"\u2068{self.TITLE}\u2069"
        assert message_of(known(first), "opened/slack", POLICY).headline == f"CRITICAL: {shown}"
        answered = message_of(known(acknowledge(first, NOON)), "acknowledged/slack", POLICY).headline
        assert answered.endswith(f": {shown}")

    def test_in_a_text_one_mark_keeps_the_ref_whole(self) -> None:
        assert a_page(title=self.TITLE) == f"CRITICAL: {self.TITLE}\u200e #7F3K"
        assert a_page(title="Größe") == "CRITICAL: Größe #7F3K"

    def test_a_text_that_loses_those_words_needs_no_mark(self) -> None:
        page = a_page(title="x" * 200 + self.TITLE)
        assert size_of(page).encoding == "GSM-7"
        assert len(page) == 160

    def test_a_name_is_isolated(self) -> None:
        assert answerer("רון", "by the link in Slack") == "\u2068רון\u2069, by the link in Slack"
        assert answerer("Ana", "by the link in Slack") == "Ana, by the link in Slack"


def test_the_test_notification_is_called_a_test() -> None:
    incident = known(opened(an_alert("", test=True, title="Test Incident")))
    assert message_of(incident, "opened/slack", POLICY).headline == "TEST: Test Incident"


def test_only_a_text_carries_the_words_for_the_phone() -> None:
    assert not message_of(known(opened()), "opened/slack", POLICY).sms


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (11_100, "3 h 5 min"),
        (86_400, "1 d"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_length_of_time_is_readable(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("segments", "price", "words"),
    [(0, 0.0083, "$0.00"), (1, 0.0083, "$0.01"), (15, 0.0083, "$0.12"), (3, 0.0, "$0.00")],
)
def test_what_segments_cost_is_said_in_dollars(segments: int, price: float, words: str) -> None:
    assert cost(segments, price) == words


def test_a_moment_is_said_in_utc() -> None:
    assert clock_time(NOON + timedelta(minutes=3)) == "12:03 UTC"


def a_page(policy: Policy = POLICY, *, title: str = "db is down", taken: int = 0) -> str:
    """The text of a page, when the window holds so many others."""
    step = decide(Alerted(an_alert(title=title)), None, full(taken), policy=policy)
    sms = message_of(known(step), "opened/sms/0/1", policy).sms
    return sms.replace(known(step).ref, "7F3K")


REPLIES = SHIPPED.deployed(ALL_CHANNELS, texting(1, replies=True))
ANY_TITLE = st.text(max_size=TITLE_CHARACTERS).map(lambda title: bounded(an_alert(title=title)).title)


class TestPage:
    """The words for the phone."""

    def test_where_it_can_be_answered_it_says_how(self) -> None:
        assert a_page(REPLIES) == "CRITICAL: db is down #7F3K Reply ack"
        assert a_page() == "CRITICAL: db is down #7F3K"

    def test_what_can_be_answered_by_text_can_be_read_as_a_command(self) -> None:
        words = a_page(REPLIES).partition("Reply ")[2]
        assert read_wish(words).command is Command.ACKNOWLEDGE

    @pytest.mark.parametrize(
        ("channels", "name"),
        [(ALL_CHANNELS, "Slack"), ({"discord", "email", "sms"}, "Discord"), ({"email", "sms"}, "email")],
    )
    def test_in_the_last_slot_of_the_window_it_says_where_there_is_more(self, channels: set[str], name: str) -> None:
        policy = SHIPPED.deployed(channels, texting(1))
        assert a_page(policy, taken=4) == f"CRITICAL: db is down #7F3K. Cap reached, more on {name}"

    def test_not_where_there_is_no_more(self) -> None:
        assert a_page(SHIPPED.deployed({"sms"}, texting(1)), taken=4) == "CRITICAL: db is down #7F3K"

    @pytest.mark.parametrize("taken", range(4))
    def test_not_in_a_slot_before_the_last(self, taken: int) -> None:
        assert "Cap" not in a_page(taken=taken)

    @pytest.mark.parametrize(("characters", "said"), [(106, True), (107, False), (134, False), (135, False)])
    def test_not_where_it_would_cost_a_character_of_the_title(self, characters: int, *, said: bool) -> None:
        title = "x" * characters
        sms = a_page(REPLIES, title=title, taken=4)
        assert ("Cap reached" in sms) is said
        assert (title in sms) is (characters <= 134)

    @given(title=ANY_TITLE, taken=st.sampled_from([0, 4]), replies=st.booleans())
    def test_whatever_the_title_it_is_one_segment_with_severity_ref_and_how_to_answer(
        self, title: str, taken: int, *, replies: bool
    ) -> None:
        sms = a_page(REPLIES if replies else POLICY, title=title, taken=taken)
        assert size_of(sms).segments == 1
        assert sms.startswith("CRITICAL: ")
        assert (" #7F3K Reply ack" if replies else " #7F3K") in sms

    @given(title=ANY_TITLE, replies=st.booleans())
    def test_the_last_slot_costs_nothing_of_what_happened(self, title: str, *, replies: bool) -> None:
        policy = REPLIES if replies else POLICY
        usual = a_page(policy, title=title)
        assert a_page(policy, title=title, taken=4) in (usual, f"{usual}. Cap reached, more on Slack")

    @given(title=ANY_TITLE)
    def test_more_segments_are_used_only_where_the_policy_has_them(self, title: str) -> None:
        policy = msgspec.structs.replace(REPLIES, sms=msgspec.structs.replace(REPLIES.sms, max_segments=3))
        sms = a_page(policy, title=title, taken=4)
        assert size_of(sms).segments <= 3
        assert " #7F3K Reply ack" in sms


class TestHeadline:
    """What happened, in one line."""

    def test_of_what_climbed_says_how_long_nobody_answered(self) -> None:
        step = tick(recorded(opened(an_alert("warning"))), NOON + timedelta(minutes=25))
        for key in ("escalated/email", "escalated/sms/0/1"):
            assert message_of(known(step), key, POLICY).headline == "WARNING unanswered 25 min: db is down"

    def test_tells_a_late_channel_what_its_sender_called_it(self) -> None:
        unsent = decide(Alerted(an_alert("warning")), claim=a_claim(send_seconds=-1))
        step = tick(unsent, NOON + timedelta(minutes=25))
        assert message_of(known(step), "opened/slack", POLICY).headline == "WARNING: db is down"

    def test_of_what_its_sender_raised_is_its_new_word(self) -> None:
        first = recorded(opened(an_alert("warning")))
        raised = decide(Alerted(an_alert("critical")), first.incident, claim=a_claim(claim_id="raise"))
        assert message_of(known(raised), "escalated/sms/0/1", POLICY).headline == "CRITICAL: db is down"

    def test_of_the_next_phone_is_that_of_the_first(self) -> None:
        step = tick(recorded(opened()), NOON + timedelta(minutes=15))
        assert message_of(known(step), "opened/sms/1/1", POLICY).headline == "CRITICAL: db is down"


def test_the_link_that_answers_stands_in_what_is_open_only() -> None:
    link = "https://pager.example.com/a/1"
    first = recorded(opened())
    assert message_of(known(first), "opened/slack", POLICY, link).acknowledge_url == link
    answered = acknowledge(first, NOON)
    assert message_of(known(answered), "opened/slack", POLICY, link).acknowledge_url == ""
    assert message_of(known(answered), "acknowledged/slack", POLICY, link).acknowledge_url == ""
