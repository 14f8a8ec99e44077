"""Segments as they are billed, and fitting into them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.sms_text import clusters, fit, size_of


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [
        ("", "GSM-7", 1),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("é" * 160, "GSM-7", 1),
        ("ç" * 70, "UCS-2", 1),
        ("ç" * 71, "UCS-2", 2),
        ("ç" * 134, "UCS-2", 2),
        ("ç" * 135, "UCS-2", 3),
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
        ("a" * 152 + "€" + "a" * 153, "GSM-7", 3),
        ("ç" * 66 + "😀" + "ç" * 66, "UCS-2", 3),
        ("ç" * 66 + "🇮🇹" + "ç" * 3, "UCS-2", 2),
        ("a\u200d" * 50, "UCS-2", 2),
    ],
    ids=lambda value: None if isinstance(value, int) else ascii(str(value)[:12]),
)
def test_a_text_costs_what_twilio_counts(text: str, encoding: str, segments: int) -> None:
    assert (size_of(text).encoding, size_of(text).segments) == (encoding, segments)


@pytest.mark.parametrize("text", ["e\u0301", "👩\u200d👩\u200d👧", "🇮🇹", "👍🏽", "\r\n", "🏴\U000e0067\U000e007f"])
def test_what_a_reader_sees_as_one_is_one_cluster(text: str) -> None:
    assert clusters(text) == [text]


def test_flags_are_taken_in_pairs() -> None:
    assert clusters("🇮🇹🇩🇪🇫") == ["🇮🇹", "🇩🇪", "🇫"]


def test_a_text_that_fits_is_left_alone() -> None:
    assert fit("CRITICAL: ", "db is down", " #7F3K", 1) == "CRITICAL: db is down #7F3K"


def test_a_long_title_is_cut_and_severity_and_ref_are_kept() -> None:
    text = fit("CRITICAL: ", "x" * 500, " #7F3K", 1)
    assert len(text) == 160
    assert text.startswith("CRITICAL: xxx")
    assert text.endswith("xxx... #7F3K")


def test_a_title_in_another_alphabet_is_cut_to_seventy() -> None:
    text = fit("CRITICAL: ", "数据库" * 50, " #7F3K", 1)
    assert (len(text), size_of(text).encoding) == (70, "UCS-2")


def test_more_segments_give_more_room() -> None:
    assert len(fit("CRITICAL: ", "x" * 500, " #7F3K", 2)) == 306


@pytest.mark.parametrize(
    ("written", "sent"),
    [("“it’s down”", '"it\'s down"'), ("a – b — c…", "a - b - c..."), ("a\u00a0b", "a b"), ("cafe\u0301", "café")],
)
def test_typographic_marks_do_not_cost_the_gsm_alphabet(written: str, sent: str) -> None:
    assert fit("", written, "", 1) == sent
    assert size_of(sent).encoding == "GSM-7"


def test_marks_are_left_as_written_where_the_text_costs_more_anyway() -> None:
    assert fit("", "“x” – 日本", "", 1) == "“x” – 日本"


def test_a_family_is_not_cut_apart() -> None:
    family = "👩\u200d👩\u200d👧"
    text = fit("", family * 20, "", 1)
    assert text.removesuffix("...") == family * (len(text.removesuffix("...")) // len(family))


@given(st.text(max_size=400), st.integers(1, 4))
def test_a_fitted_text_is_never_larger_than_allowed_and_never_loses_its_ends(title: str, most: int) -> None:
    text = fit("CRITICAL: ", title, " #7F3K", most)
    assert size_of(text).segments <= most
    assert text.startswith("CRITICAL: ")
    assert text.endswith(" #7F3K")


@given(st.text(max_size=300))
def test_a_fitted_text_holds_as_much_of_the_title_as_there_is_room_for(title: str) -> None:
    text = fit("", title, "", 1)
    assert not text.endswith("...") or len(text.encode("utf-16-le")) // 2 > 35 or len(title) < 40
