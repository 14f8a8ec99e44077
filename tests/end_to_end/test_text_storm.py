"""Thirty critical incidents in some seconds; `python -m tests.end_to_end.text_storm` prints what came of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.text_storm import INCIDENTS, Figures, storm

pytestmark = pytest.mark.emulator

CAP = 5


@pytest.fixture(scope="module")
def figures(firestore_emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
        yield storm(firestore_emulator, tmp_path_factory.mktemp("storm"))


def test_they_make_as_many_texts_as_the_cap_allows_and_the_last_says_so(figures: Figures) -> None:
    assert len(figures.texts) == CAP, str(figures)
    *others, last = (text.partition(" Reply ack")[2] for text in figures.texts)
    assert (others, last) == ([""] * (CAP - 1), ". Cap reached, more on Slack"), str(figures)


def test_each_is_told_on_slack_and_by_email_and_of_the_others_it_is_said_that_they_are_not_texted(
    figures: Figures,
) -> None:
    assert (figures.told_on_slack, figures.told_by_email) == (INCIDENTS, INCIDENTS), str(figures)
    not_texted = INCIDENTS - CAP
    assert (figures.not_texted_on_slack, figures.not_texted_by_email) == (not_texted, not_texted), str(figures)


def test_status_counts_them_and_what_the_month_has_cost(figures: Figures) -> None:
    assert figures.status.startswith(f"{INCIDENTS} open: #"), str(figures)
    assert figures.status.endswith("5 of 5 texts this hour, $0.25 this month"), str(figures)


def test_once_the_window_has_room_one_text_tells_of_all(figures: Figures) -> None:
    assert figures.texts_in_the_hour == [], str(figures)
    (digest,) = figures.digests
    assert digest.startswith(f"{INCIDENTS} open: Database CPU on db-"), str(figures)
    assert digest.endswith(" Reply ack"), str(figures)


def test_one_ack_to_that_acknowledges_all_of_them_and_everybody_hears_of_each(figures: Figures) -> None:
    assert figures.acknowledged == INCIDENTS, str(figures)
    assert figures.ack.startswith(f"{INCIDENTS} acknowledged: #"), str(figures)
    assert (figures.heard_on_slack, figures.heard_by_email) == (INCIDENTS, INCIDENTS), str(figures)


def test_answers_are_paid_for_as_well_and_after_them_nobody_is_texted(figures: Figures) -> None:
    # Five pages, the digest, and the answers to the first status and to ack.
    assert figures.status_at_last == "Nothing is open. 1 of 5 texts this hour, $0.40 this month", str(figures)
    assert figures.texts_afterwards == [], str(figures)
