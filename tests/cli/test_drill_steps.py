"""What a drill says of a sequence of answers, by tables."""

from __future__ import annotations

import pytest

from notifier.cli.drill_steps import End, Stand, Trouble, advice, end_of, stand_of, steps

TOLD = {"opened/slack": "sent", "opened/discord": "sent", "opened/email": "sent"}
PAGE, SECOND = "opened/sms/0/1", "opened/sms/1/1"


def stand(state: str = "open", **pages: str) -> Stand:
    """`first` and `second`: how the pages to the two phones stand."""
    names = {"first": PAGE, "second": SECOND}
    return Stand(ref="7F3K", state=state, deliveries={**TOLD, **{names[name]: page for name, page in pages.items()}})


def said(*answers: Stand) -> list[list[str]]:
    """The names of the steps, by answer."""
    return [[step.name for step in steps(before, now)] for before, now in zip((None, *answers), answers, strict=False)]


SEQUENCES = {
    "answered": (
        [stand(first="sent"), stand(first="sent"), stand(first="delivered"), stand("acknowledged", first="delivered")],
        [["stored", "told", "texted"], [], ["delivered"], ["acknowledged"]],
    ),
    "delivered between two looks": (
        [stand(first="claimed"), stand(first="delivered")],
        [["stored", "told"], ["texted", "delivered"]],
    ),
    "answered at once": ([stand("acknowledged", first="sent")], [["stored", "told", "texted", "acknowledged"]]),
    "the first phone fails": (
        [stand(first="sent"), stand(first="failed", second="sent")],
        [["stored", "told", "texted"], ["failed", "texted"]],
    ),
    "at the cap": ([stand(first="capped"), stand(first="capped")], [["stored", "told", "capped"], []]),
    "its fate unknown": (
        [stand(first="unknown"), stand(first="sent")],
        [["stored", "told", "unknown"], ["texted"]],
    ),
    "without news": ([stand(first="pending"), stand(first="claimed")], [["stored", "told"], []]),
}


@pytest.mark.parametrize(("answers", "names"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_each_thing_is_said_when_it_is_first_seen(answers: list[Stand], names: list[list[str]]) -> None:
    assert said(*answers) == names


def test_a_channel_is_named_when_it_is_told_and_when_it_could_not_be() -> None:
    first = Stand(ref="7F3K", state="open", deliveries={"opened/slack": "sent", "opened/email": "pending"})
    second = Stand(ref="7F3K", state="open", deliveries={"opened/slack": "sent", "opened/email": "failed"})
    assert [step.words for step in steps(None, first)] == ["stored, as #7F3K", "told: Slack"]
    assert [step.words for step in steps(first, second)] == ["email could not be told"]


def test_channels_are_named_in_one_order() -> None:
    backwards = Stand(ref="7F3K", state="open", deliveries=dict(reversed(TOLD.items())))
    assert [step.words for step in steps(None, backwards)][1] == "told: Slack, Discord, email"


def test_a_phone_is_counted_from_1() -> None:
    *_, last = steps(stand(first="sent"), stand(first="sent", second="sent"))
    assert last.words == "the text to phone 2 is taken by the provider"


ENDS = {
    "a text is out": (stand(first="sent"), None),
    "a text is delivered": (stand(first="delivered"), None),
    "a text is being sent": (stand(first="claimed"), None),
    "a text is to be sent again": (stand(first="pending"), None),
    "nobody knows of it": (stand(first="unknown"), None),
    "the next phone is paged": (stand(first="failed", second="sent"), None),
    "answered": (stand("acknowledged", first="sent"), End.ACKNOWLEDGED),
    "answered though it failed": (stand("acknowledged", first="failed"), End.ACKNOWLEDGED),
    "at the cap": (stand(first="capped"), End.CAPPED),
    "in a digest, which is no drill": (stand(first="in digest"), End.CAPPED),
    "capped after a failure": (stand(first="failed", second="capped"), End.CAPPED),
    "all failed": (stand(first="failed", second="failed"), End.FAILED),
    "no SMS": (stand(), End.NO_SMS),
    "resolved": (stand("resolved", first="sent"), End.CLOSED),
}


@pytest.mark.parametrize(("now", "end"), ENDS.values(), ids=ENDS.keys())
def test_it_is_over_when_nobody_can_be_paged_any_more_or_somebody_has_answered(now: Stand, end: End | None) -> None:
    assert end_of(now) is end


@pytest.mark.parametrize("end", [*End, None])
def test_every_end_but_the_good_one_has_its_advice(end: End | None) -> None:
    assert bool(advice(end, "7F3K")) is (end is not End.ACKNOWLEDGED)


@pytest.mark.parametrize("end", [End.FAILED, None])
def test_where_the_pager_knows_more_it_is_said_how_to_ask_it(end: End | None) -> None:
    assert "`python -m notifier explain 7F3K`" in advice(end, "7F3K")


def test_an_answer_is_read() -> None:
    body = (
        b'{"incidents": [{"ref": "7F3K", "generation": 1, "state": "open", "severity": "critical",'
        b' "deliveries": {"opened/slack": "sent"}}]}'
    )
    assert stand_of(200, body) == Stand(ref="7F3K", state="open", deliveries={"opened/slack": "sent"})


TROUBLES = {
    "another token": (401, b"", "WEBHOOK_TOKEN", False),
    "closed to callers": (403, b"", "open to all callers", False),
    "another address": (404, b"", "PUBLIC_URL", False),
    "a page": (405, b"", "PUBLIC_URL", False),
    "a redirect": (302, b"", "redirect", False),
    "a mistake": (500, b"{}", "its log", True),
    "its store": (503, b"{}", "perhaps not stored", True),
    "a gateway": (502, b"<html>", "502", True),
    "something odd": (418, b"", "418", False),
    "a page with 200": (200, b"<html>", "no notifier", False),
    "other JSON": (200, b'{"ok": true}', "no notifier", False),
    "several incidents": (
        200,
        b'{"incidents": [{"ref": "A", "state": "open"}, {"ref": "B", "state": "open"}]}',
        "no",
        False,
    ),
    "no text": (200, b"\xff", "no notifier", False),
}


@pytest.mark.parametrize(("status", "body", "words", "passes"), TROUBLES.values(), ids=TROUBLES.keys())
def test_any_other_answer_says_what_to_do_and_whether_it_may_pass(
    status: int, body: bytes, words: str, *, passes: bool
) -> None:
    trouble = stand_of(status, body)
    assert isinstance(trouble, Trouble)
    assert words in trouble.words
    assert trouble.passes is passes
