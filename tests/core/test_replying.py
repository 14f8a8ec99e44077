"""What the people on call ask for by text, whom it concerns, and what they are answered."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.advance import advance
from notifier.core.events import Alerted, Decision, OptedOut, State, Texted
from notifier.core.incident import Delivery, DeliveryState, Incident
from notifier.core.ledger import Ledger
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import Policy
from notifier.core.replying import (
    HOW_TO_ASK,
    NOT_HEEDED,
    Command,
    Wish,
    answer_to_acknowledge,
    answer_to_status,
    concerned,
    heeds,
    key_of_text,
    read_wish,
)
from notifier.core.sms_text import size_of
from notifier.core.totals import Month
from tests.builders import (
    ALL_CHANNELS,
    NOON,
    POLICY,
    SHIPPED,
    a_claim,
    acknowledge,
    an_alert,
    collect,
    decide,
    delivery,
    full,
    known,
    opened,
    recorded,
    settle,
    states,
    texting,
    tick,
)

PAGE = "opened/sms/0/1"
ACK = Wish(Command.ACKNOWLEDGE)
ALL = Wish(Command.ACKNOWLEDGE_ALL)
STOP_WORDS = ["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"]
START_WORDS = ["start", "yes", "unstop"]
NUMBERED = st.lists(st.text(max_size=200), min_size=1, max_size=30)


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


class TestReading:
    """What a text asks for."""

    @pytest.mark.parametrize(
        ("body", "ref"),
        [
            ("ack", ""),
            ("ACK", ""),
            ("Ok", ""),
            ("  ack \n", ""),
            ("ack.", ""),
            ("Ack !", ""),
            ("ok!!", ""),
            ("ack 7F3K", "7F3K"),
            ("ok 7f3k", "7F3K"),
            ("ack #7F3K", "7F3K"),
            ("ACK  #7f3k.", "7F3K"),
            ("ack\u00a07F3K", "7F3K"),
            ("ack 7F3KX", "7F3KX"),
            ("ack 7F3KXY", "7F3KXY"),
            ("ack oil5", "0115"),
        ],
    )
    def test_to_acknowledge(self, body: str, ref: str) -> None:
        assert read_wish(body) == Wish(Command.ACKNOWLEDGE, ref)

    @pytest.mark.parametrize("body", ["ack all", "OK ALL", "Ack  all!", "ok all."])
    def test_to_acknowledge_everything(self, body: str) -> None:
        assert read_wish(body) == ALL

    @pytest.mark.parametrize("body", ["status", "Status", " STATUS. "])
    def test_to_know_what_is_open(self, body: str) -> None:
        assert read_wish(body) == Wish(Command.STATUS)

    @pytest.mark.parametrize("word", STOP_WORDS)
    @pytest.mark.parametrize("form", [str.lower, str.upper, str.title, lambda word: f" {word}\n"])
    def test_to_be_texted_no_more(self, word: str, form: object) -> None:
        assert read_wish(form(word)).command is Command.OPT_OUT  # type: ignore[operator]

    @pytest.mark.parametrize("word", START_WORDS)
    @pytest.mark.parametrize("form", [str.lower, str.upper, str.title])
    def test_to_be_texted_again(self, word: str, form: object) -> None:
        assert read_wish(form(word)).command is Command.OPT_IN  # type: ignore[operator]

    @pytest.mark.parametrize("word", ["help", "INFO"])
    def test_what_the_provider_answers_itself_is_not_ours(self, word: str) -> None:
        assert read_wish(word).command is Command.NOT_OURS

    @pytest.mark.parametrize(
        "body",
        [
            "stop please",
            "please stop",
            "ack stop it",
            "not ok",
            "ack 7F3",
            "ack 7F3KXYZ",
            "ack 7F3K 8VBC",
            "#7F3K",
            "7F3K",
            "all",
            "ackall",
            "acknowledge",
            "okay",
            "ack #",
            "",
            " ",
            "👍",
            "ack ７F3K",
        ],
    )
    def test_anything_else_is_not_guessed_at(self, body: str) -> None:
        assert read_wish(body) == Wish(Command.UNKNOWN)

    @pytest.mark.parametrize(
        ("word", "command"),
        [("STOP", Command.OPT_OUT), ("START", Command.OPT_IN), ("HELP", Command.NOT_OURS)],
    )
    @pytest.mark.parametrize("body", ["ack", "basta", ""])
    def test_what_the_provider_has_taken_it_for_goes_before_its_words(
        self, word: str, command: Command, body: str
    ) -> None:
        """An account may have words of its own for these."""
        assert read_wish(body, word).command is command

    @pytest.mark.parametrize("word", [*STOP_WORDS, "help", "info", "hello"])
    def test_nobody_waits_for_our_answer_to_the_providers_words_or_to_chat(self, word: str) -> None:
        assert not heeds(word, "")

    @pytest.mark.parametrize("body", ["ack", "ok 7F3K", "ack all", "status", *START_WORDS])
    def test_whoever_sends_a_command_waits_for_an_answer(self, body: str) -> None:
        assert heeds(body, "")
        assert not heeds(body, "STOP")

    @given(st.text(max_size=50))
    def test_no_text_is_unreadable(self, body: str) -> None:
        wish = read_wish(body)
        assert not wish.ref or wish.command is Command.ACKNOWLEDGE


def an_incident(incident_id: str, *, paged: int | None = 0, minutes: float = 0) -> Incident:
    """One that was opened so many minutes after noon; `paged`: the phone that was, if one was."""
    now = after(minutes=minutes)
    incident = known(opened(an_alert(incident_id=incident_id), now=now))
    if paged is None:
        return with_page(incident, state=DeliveryState.PENDING)
    return with_page(incident, phone=paged, state=DeliveryState.SENT)


def with_page(incident: Incident, **fields: object) -> Incident:
    page: Delivery = msgspec.structs.replace(incident.deliveries[PAGE], **fields)
    return msgspec.structs.replace(incident, deliveries={**incident.deliveries, PAGE: page})


def a_digest(count: int = 2, title: str = "") -> Incident:
    """A digest that was sent to the first phone."""
    titles = {"title": title} if title else {}
    held = [decide(Alerted(an_alert(incident_id=f"i{number}", **titles)), None, full(5)) for number in range(count)]
    digest = collect([known(one) for one in held], Ledger(), after(hours=2))
    sent = settle(digest, {PAGE: Outcome(Result.SENT)})
    claim = a_claim(after(hours=2), "collector")
    return known(decide(sent, digest.incident, digest.ledger, now=after(hours=2), claim=claim))


def ids(incidents: list[Incident]) -> list[str]:
    return [one.incident_id for one in incidents]


class TestConcerned:
    """Whom an acknowledgement is about."""

    def test_what_that_phone_was_paged_for_the_oldest_first(self) -> None:
        mine = [an_incident("b", minutes=2), an_incident("a", minutes=1)]
        others = [an_incident("c", paged=1), an_incident("d", paged=None)]
        assert ids(concerned(ACK, [*mine, *others], 0)) == ["a", "b"]

    def test_the_other_phone_speaks_for_what_it_was_paged_for(self) -> None:
        assert ids(concerned(ACK, [an_incident("a"), an_incident("c", paged=1)], 1)) == ["c"]

    def test_what_both_were_paged_for_is_either_ones(self) -> None:
        step = tick(recorded(opened()), after(minutes=15))
        for phone in (0, 1):
            assert ids(concerned(ACK, [known(step)], phone)) == ["db"]

    @pytest.mark.parametrize("state", DeliveryState)
    def test_what_may_have_reached_the_phone_is_its_own(self, state: DeliveryState) -> None:
        incident = with_page(an_incident("a"), state=state)
        may_be_out = (DeliveryState.CLAIMED, DeliveryState.SENT, DeliveryState.UNKNOWN)
        assert bool(concerned(ACK, [incident], 0)) is (state in may_be_out)

    def test_a_post_is_no_page(self) -> None:
        assert concerned(ACK, [known(recorded(opened(an_alert("error"))))], 0) == []

    def test_a_digest_that_the_phone_got_is_among_them(self) -> None:
        digest = a_digest()
        assert concerned(ACK, [an_incident("c", paged=1), digest], 0) == [digest]
        assert concerned(ACK, [digest], 1) == []

    def test_its_ref_names_a_digest(self) -> None:
        digest = a_digest()
        assert concerned(Wish(Command.ACKNOWLEDGE, digest.ref), [an_incident("a"), digest], 1) == [digest]

    def test_a_ref_names_one_whoever_was_paged_for_it(self) -> None:
        one, other = an_incident("a"), an_incident("d", paged=None)
        assert concerned(Wish(Command.ACKNOWLEDGE, other.ref), [one, other], 0) == [other]

    def test_a_ref_that_is_not_open_names_none(self) -> None:
        assert concerned(Wish(Command.ACKNOWLEDGE, "0000"), [an_incident("a")], 0) == []

    def test_all_is_everything_open(self) -> None:
        everything = [an_incident("a"), an_incident("c", paged=1, minutes=1), an_incident("d", paged=None, minutes=2)]
        assert concerned(ALL, everything[::-1], 0) == everything


class TestAnswer:
    """What is answered, in one segment."""

    def test_of_what_is_acknowledged_it_says_how_many_and_which(self) -> None:
        one, other = an_incident("a"), an_incident("b")
        assert answer_to_acknowledge(ACK, [one, other], 0) == (
            f"2 acknowledged: #{one.ref} a is down, #{other.ref} b is down"
        )

    def test_of_a_digest_it_says_what_was_in_it(self) -> None:
        assert answer_to_acknowledge(ACK, [a_digest()], 0) == "2 acknowledged: i0 is down, i1 is down"

    def test_what_is_in_a_digest_too_is_counted_once(self) -> None:
        held = [known(decide(Alerted(an_alert(incident_id=f"i{number}")), None, full(5))) for number in range(2)]
        answer = answer_to_acknowledge(ALL, [*held, a_digest()], 0)
        assert answer.startswith("2 acknowledged: ")

    @pytest.mark.parametrize(
        ("wish", "answer"),
        [
            (ACK, "Nothing you were paged for is open. Send status, or ack all."),
            (ALL, "Nothing is open."),
            (Wish(Command.ACKNOWLEDGE, "7F3K"), "#7F3K is not open. Send status for what is."),
        ],
    )
    def test_where_nothing_is_it_says_what_to_do(self, wish: Wish, answer: str) -> None:
        assert answer_to_acknowledge(wish, [], 0) == answer

    def test_what_the_store_did_not_take_is_not_called_done(self) -> None:
        assert answer_to_acknowledge(ACK, [an_incident("a")], 2) == (
            "NOT acknowledged: 2 of 3, the pager cannot reach its database. Send it again."
        )

    def status(self, incidents: list[Incident], ledger: Ledger | None = None, price: float = 0.0083) -> str:
        policy = SHIPPED.deployed(ALL_CHANNELS, texting(2, price=price))
        return answer_to_status(incidents, ledger or full(3), policy, NOON)

    def test_status_says_what_is_open_how_full_the_window_is_and_what_the_month_costs(self) -> None:
        one = an_incident("a")
        assert self.status([one]) == f"1 open: #{one.ref} a is down. 3 of 5 texts this hour, $0.02 this month"

    def test_status_says_when_nothing_is(self) -> None:
        assert self.status([]) == "Nothing is open. 3 of 5 texts this hour, $0.02 this month"

    def test_the_worst_stands_first(self) -> None:
        warning = known(opened(an_alert("warning", "w")))
        assert self.status([warning, an_incident("a")]).startswith(f"2 open: #{an_incident('a').ref} a is down, #")

    def test_a_digest_is_open_for_others_and_counted_with_them(self) -> None:
        assert self.status([a_digest(), an_incident("a")]).startswith("1 open: ")

    @given(NUMBERED, st.integers(0, 10**6))
    def test_every_answer_fits_one_segment(self, titles: list[str], segments: int) -> None:
        incidents = [known(opened(an_alert(incident_id=str(place), title=one))) for place, one in enumerate(titles)]
        totals = Ledger().totals.counted(NOON, texts=1, segments=segments)
        ledger = msgspec.structs.replace(full(30), totals=totals)
        for answer in (
            answer_to_acknowledge(ACK, incidents, 0),
            answer_to_acknowledge(ACK, incidents, len(incidents)),
            self.status(incidents, ledger),
        ):
            assert size_of(answer).segments == 1

    @given(st.text(max_size=500))
    def test_so_does_that_about_a_digest(self, title: str) -> None:
        assert size_of(answer_to_acknowledge(ACK, [a_digest(title=title)], 0)).segments == 1

    @pytest.mark.parametrize("answer", [HOW_TO_ASK, NOT_HEEDED])
    def test_so_does_what_is_always_the_same(self, answer: str) -> None:
        assert size_of(answer).segments == 1


def texted(ledger: Ledger, text_id: str = "SM1", *, phone: int = 0, answer: str = "Done.", minute: int = 0) -> Decision:
    event = Texted(id=text_id, phone=phone, answer=answer)
    now = after(minutes=minute)
    return advance(State("0" * 32, None, ledger), event, POLICY, now, a_claim(now, text_id))


class TestTexted:
    """A text came, and what it asked for is done."""

    def test_it_is_answered_and_remembered(self) -> None:
        step = texted(Ledger())
        assert step.answer == "Done."
        assert step.ledger.conversation.has_received("SM1")
        assert (step.incident, step.send) == (None, ())

    def test_an_answer_is_paid_for_and_takes_no_slot(self) -> None:
        ledger = texted(Ledger()).ledger
        assert (ledger.totals.of(NOON), ledger.taken(NOON)) == (Month(texts=1, segments=1), 0)

    def test_the_same_text_again_is_not_answered_and_nothing_is_written(self) -> None:
        once = texted(Ledger())
        twice = texted(once.ledger)
        assert (twice.answer, twice.ledger) == ("", once.ledger)

    def test_without_an_answer_it_is_remembered_all_the_same(self) -> None:
        step = texted(Ledger(), answer="")
        assert (step.answer, step.ledger.conversation.has_received("SM1")) == ("", True)
        assert step.ledger.totals.of(NOON) == Month()

    def test_a_phone_gets_five_answers_an_hour_and_each_its_own_five(self) -> None:
        ledger = Ledger()
        answers = []
        for number, phone in enumerate([0] * 7 + [1]):
            step = texted(ledger, f"SM{number}", phone=phone, minute=number)
            ledger = step.ledger
            answers.append(step.answer)
        assert answers == ["Done."] * 5 + ["", "", "Done."]
        assert ledger.totals.of(NOON).texts == 6
        assert texted(ledger, "later", minute=60).answer == "Done."


def says(  # noqa: PLR0913 - all that a text can be
    ledger: Ledger,
    *,
    again: bool = False,
    phone: int = 0,
    text_id: str = "SM1",
    now: datetime = NOON,
    incident: Incident | None = None,
    policy: Policy = POLICY,
    claim_id: str = "",
) -> Decision:
    """A phone texts STOP or, `again`, START."""
    event = OptedOut(id=text_id, phone=phone, again=again)
    state = State(key_of_text(text_id), incident, ledger)
    return advance(state, event, policy, now, a_claim(now, claim_id or f"{text_id} at {now}"))


class TestOptedOut:
    """A phone takes no texts any more, by its own word."""

    def test_it_is_remembered_until_it_says_start(self) -> None:
        ledger = says(Ledger()).ledger
        assert ledger.conversation.has_opted_out("mark0", after(days=4_000))
        again = says(ledger, again=True, text_id="SM2", now=after(days=4_000))
        assert not again.ledger.conversation.has_opted_out("mark0", after(days=4_000))

    def test_it_is_said_loudly_and_never_texted(self) -> None:
        step = says(Ledger())
        assert known(step).title == "Phone 1 has opted out of texts (STOP): from now on phone 2 is paged"
        assert set(step.send) == {"opened/slack", "opened/discord", "opened/email"}
        assert "START" in known(step).text
        assert not any("/sms/" in key for key in states(tick(recorded(step), after(days=1))))

    @pytest.mark.parametrize(
        ("phones", "already", "title"),
        [
            (1, (), "Phone 1 has opted out of texts (STOP): NOBODY CAN BE TEXTED"),
            (2, ("mark1",), "Phone 1 has opted out of texts (STOP): NOBODY CAN BE TEXTED"),
            (3, ("mark1",), "Phone 1 has opted out of texts (STOP): from now on phone 3 is paged"),
        ],
    )
    def test_who_is_left_is_said(self, phones: int, already: tuple[str, ...], title: str) -> None:
        ledger = Ledger()
        for mark in already:
            ledger = msgspec.structs.replace(ledger, conversation=ledger.conversation.with_opt_out(mark, NOON))
        policy = SHIPPED.deployed(ALL_CHANNELS, texting(phones))
        assert known(says(ledger, policy=policy)).title == title

    def test_that_it_takes_texts_again_is_said_too(self) -> None:
        step = says(says(Ledger()).ledger, again=True, text_id="SM2")
        assert known(step).title == "Phone 1 takes texts again"
        assert set(step.send) == {"opened/slack", "opened/discord"}

    def test_its_own_word_is_news_where_only_the_provider_had_said_so(self) -> None:
        heard = Ledger().conversation.with_opt_out("mark0", NOON, heard=True)
        step = says(msgspec.structs.replace(Ledger(), conversation=heard))
        assert step.send
        assert step.ledger.conversation.has_opted_out("mark0", after(hours=25))

    def test_it_undoes_also_what_only_the_provider_had_said(self) -> None:
        heard = Ledger().conversation.with_opt_out("mark0", NOON, heard=True)
        step = says(msgspec.structs.replace(Ledger(), conversation=heard), again=True)
        assert not step.ledger.conversation.has_opted_out("mark0", NOON)

    @pytest.mark.parametrize("again", [False, True])
    def test_what_is_known_is_told_once(self, *, again: bool) -> None:
        before = Ledger() if again else says(Ledger()).ledger
        step = says(before, again=again, text_id="SM9", now=after(minutes=1))
        assert (step.incident, step.send) == (None, ())
        assert step.ledger.conversation.opted_out == before.conversation.opted_out

    def test_the_same_text_again_is_nothing(self) -> None:
        first = says(Ledger())
        started = says(first.ledger, again=True, text_id="SM2", now=after(minutes=1))
        late = says(started.ledger, incident=recorded(first).incident, now=after(minutes=2))
        assert (late.send, late.ledger) == ((), started.ledger)

    def test_nor_is_the_same_text_that_said_nothing_new(self) -> None:
        """Else one that comes again would undo what was said since."""
        known_already = says(says(Ledger()).ledger, text_id="SM2", now=after(minutes=1))
        started = says(known_already.ledger, again=True, text_id="SM3", now=after(minutes=2))
        late = says(started.ledger, text_id="SM2", now=after(minutes=3))
        assert (late.incident, late.ledger) == (None, started.ledger)

    def test_a_lost_answer_is_found_and_sent(self) -> None:
        landed = says(Ledger(), claim_id="one")
        found = says(landed.ledger, incident=landed.incident, claim_id="one")
        assert (found.send, found.incident, found.ledger) == (landed.send, landed.incident, landed.ledger)

    def test_the_next_page_goes_to_the_next_phone_and_back_after_start(self) -> None:
        stopped = says(Ledger()).ledger
        paged = decide(Alerted(an_alert()), None, stopped)
        assert (states(paged)[PAGE], states(paged)["opened/sms/1/1"]) == ("failed", "claimed")
        started = says(stopped, again=True, text_id="SM2").ledger
        assert states(decide(Alerted(an_alert()), None, started))[PAGE] == "claimed"

    def test_an_answered_incident_needs_no_other_phone(self) -> None:
        answered = acknowledge(opened(), after(seconds=10))
        step = tick(answered, after(minutes=20), ledger=says(answered.ledger).ledger)
        assert not any("/sms/" in key for key in step.send)
        assert delivery(step, PAGE).phone == 0
