"""Segments as they are billed, and fitting into them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core import gsm7
from notifier.core.graphemes import clusters
from notifier.core.sms_text import fit, size_of


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [
        ("", "GSM-7", 1),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("a" * 459, "GSM-7", 3),
        ("a" * 460, "GSM-7", 4),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("é" * 160, "GSM-7", 1),
        ("ç" * 70, "UCS-2", 1),
        ("ç" * 71, "UCS-2", 2),
        ("ç" * 134, "UCS-2", 2),
        ("ç" * 135, "UCS-2", 3),
        ("ç" * 201, "UCS-2", 3),
        ("ç" * 202, "UCS-2", 4),
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


@pytest.mark.parametrize(
    ("text", "characters", "units"),
    [
        ("", 0, 0),
        ("abc", 3, 3),
        ("a€[]", 7, 7),
        ("\r\n", 2, 2),
        ("ж\r\n", 3, 3),
        ("ж€", 2, 2),
        ("e\u0301", 1, 2),
        ("😀", 1, 2),
        ("🇮🇹", 1, 4),
        ("👩\u200d👩\u200d👧", 1, 8),
        ("\u1112\u1161\u11ab", 1, 3),
        ("क्षि", 2, 4),
        ("\ud83d", 1, 1),
    ],
    ids=lambda value: None if isinstance(value, int) else ascii(value),
)
def test_characters_are_septets_or_what_the_calculator_takes_for_one(text: str, characters: int, units: int) -> None:
    assert (size_of(text).characters, size_of(text).units) == (characters, units)


LONG = "a" + "\u0301" * 59


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        # What the header displaces goes to the second segment, with the character that was too much.
        (LONG, 1),
        ("ж" * 10 + LONG, 1),
        ("ж" * 11 + LONG, 2),
        ("ж" * 10 + LONG * 2, 2),
        ("ж" * 10 + LONG * 2 + "ж", 3),
        # A character longer than a segment lies alone in one, however long it is.
        ("a" + "\u0301" * 70, 2),
        ("a" + "\u0301" * 1000, 2),
        ("a" + "\u0301" * 1000 + "ж", 3),
        ("a" * 159 + "€", 2),
        ("a" * 151 + "€" + "a" * 153, 2),
        ("a" * 152 + "€" * 4, 1),
        ("a" * 152 + "€" * 5, 2),
    ],
    ids=lambda value: None if isinstance(value, int) else f"{len(value)} of {value[:2]!a}",
)
def test_what_does_not_fit_begins_the_next_segment(text: str, segments: int) -> None:
    assert size_of(text).segments == segments


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
    [
        ("“it’s down”", '"it\'s down"'),
        ("a – b — c…", "a - b - c..."),
        ("a\u00a0b", "a  b"),
        ("½", "1/2"),
        ("cafe\u0301", "café"),
    ],
)
def test_typographic_marks_do_not_cost_the_gsm_alphabet(written: str, sent: str) -> None:
    assert fit("", written, "", 1) == sent
    assert size_of(sent).encoding == "GSM-7"


def test_marks_are_left_as_written_where_the_text_costs_more_anyway() -> None:
    assert fit("", "“x” – 日本", "", 1) == "“x” – 日本"


def test_marks_are_left_as_written_where_plain_ones_cost_a_segment_more() -> None:
    # Ten tabs are seventy blanks.
    written = "\t" * 10 + "x" * 60
    assert size_of(written).segments == 1
    assert size_of("x" * 60 + " " * 110).segments == 2
    assert fit("", "\t" * 10 + "x" * 60, "", 2) == " " * 70 + "x" * 60
    assert fit("", "\t" * 20 + "x" * 50, "", 2) == "\t" * 20 + "x" * 50


def test_the_ends_of_a_text_are_never_made_plain() -> None:
    assert fit("“x”: ", "it’s down", " …", 1) == "“x”: it’s down …"


@pytest.mark.parametrize("title", ["Fallo crítico: año, mañana", "forêt, être, ça", "x" * 68 + "á!"])
def test_accents_stay_where_the_text_fits(title: str) -> None:
    assert fit("", title, "", 1) == title


def test_accents_go_before_a_word_does() -> None:
    title = "Falha crítica: não há ligação à base de dados principal, à réplica e às filas de São Paulo"
    sent = "Falha critica: nao ha ligaçao à base de dados principal, à réplica e às filas de Sao Paulo"
    assert fit("CRITICAL: ", title, " #7F3K", 1) == f"CRITICAL: {sent.replace('ç', 'c')} #7F3K"


def test_accents_stay_where_a_second_segment_may_be_had_for_them() -> None:
    title = "crítico " * 15
    assert fit("", title, "", 2) == title
    assert fit("", title, "", 1) == "critico " * 15


def test_accents_that_gsm_has_are_kept_where_others_go() -> None:
    assert fit("", "é à ñ ü Ç ê" * 10, "", 1) == "é à ñ ü Ç e" * 10


def test_accents_go_where_that_leaves_more_of_a_text_that_is_cut() -> None:
    text = fit("", "á" * 500, "", 1)
    assert text == "a" * 157 + "..."


def test_marks_are_made_plain_where_that_leaves_more_of_a_text_that_is_cut() -> None:
    assert fit("", "“down” – " * 50, "", 1) == '"down" - ' * 17 + '"dow...'


def test_what_costs_the_alphabet_past_the_cut_costs_nothing() -> None:
    assert fit("", "a" * 200 + "日本", "", 1) == "a" * 157 + "..."


def test_accents_stay_where_dropping_them_leaves_no_more() -> None:
    # A mark dropped from a script that stays UCS-2 would change words for some more of them.
    title = "सर्वर नीचे है " * 20
    assert fit("", title, "", 1).removesuffix("...") in title


@pytest.mark.parametrize(
    "one", ["👩\u200d👩\u200d👧", "🇮🇹", "👍🏽", "क्षि", "ж\u0301", "\u1100\u1161\u11a8\u11a8", "🏴\U000e0067\U000e007f"]
)
@pytest.mark.parametrize("start", range(9))
def test_a_character_is_not_cut_apart(one: str, start: int) -> None:
    one = unicodedata.normalize("NFC", one)
    text = fit("", "ж" * start + one * 70, "", 1)
    kept = text.removesuffix("...").removeprefix("ж" * start)
    assert kept == one * (len(kept) // len(one))
    assert size_of(text).units > 70 - len(one.encode("utf-16-le")) // 2


def test_a_character_longer_than_the_room_is_left_out_whole() -> None:
    assert fit("CRITICAL: ", "ж" + "\u0301" * 300, " #7F3K", 1) == "CRITICAL: ... #7F3K"


@pytest.mark.parametrize("most", [2, 3])
def test_a_character_longer_than_a_segment_gets_no_more_than_is_allowed(most: int) -> None:
    # The calculator takes it for one segment.
    assert size_of(fit("", "ж" + "\u0301" * 300, "", most)).units <= 67 * most


def test_a_heap_of_accents_on_a_letter_of_the_alphabet_goes() -> None:
    assert fit("", "d" + "\u0301" * 300 + "own", "", 1) == "down"


@pytest.mark.parametrize("title", ["x " * 200, "ж " * 200])
def test_no_blank_is_left_before_the_dots(title: str) -> None:
    assert " ..." not in fit("a", title, "", 1)


JOINED = ["👩\u200d👩\u200d👧", "🇮🇹", "e\u0301", "ж\u0301", "क्षि", "\u1100\u1161\u11a8", "\r\n", "a\u200db"]
REWRITTEN = ["…", "½", "\t", "á", "ł", "‼", "\u200b", "“"]
words = st.text(sorted(gsm7.ALPHABET), min_size=1) | st.sampled_from(JOINED) | st.sampled_from(REWRITTEN)
titles = (
    st.text(max_size=400)
    | st.lists(words).map("".join)
    | st.builds(lambda start, word, end: start + word * (150 // len(word)) + end, words, words, words)
)


@given(titles, st.integers(1, 4))
def test_a_fitted_text_is_never_larger_than_allowed_and_never_loses_its_ends(title: str, most: int) -> None:
    text = fit("CRITICAL: ", title, " #7F3K", most)
    assert size_of(text).segments <= most
    assert text.startswith("CRITICAL: ")
    assert text.endswith(" #7F3K")


@given(titles, st.integers(1, 3))
def test_a_text_is_cut_between_characters(title: str, most: int) -> None:
    """As written, or rewritten so that each is still what one character became."""
    text = fit("CRITICAL: ", title, " #7F3K", most)
    parts = clusters(unicodedata.normalize("NFC", title))
    ways = [parts, [gsm7.plain(part) for part in parts], [gsm7.bare(part) for part in parts]]
    kept = text.removeprefix("CRITICAL: ").removesuffix(" #7F3K")
    whole = {"".join(way) for way in ways}
    cuts = {"".join(way[:count]).rstrip() for way in ways for count in range(len(way) + 1)}
    assert kept in whole or kept.removesuffix("...").rstrip() in cuts


@given(titles, st.integers(1, 3))
def test_a_text_is_cut_only_where_not_one_character_more_fits(title: str, most: int) -> None:
    parts = clusters(unicodedata.normalize("NFC", title))
    text = fit("", title, "", most)
    for longer in ("".join(parts[:count]).rstrip() + "..." for count in range(len(parts))):
        # Rewritten it may hold more characters that are fewer code points.
        if text != "".join(parts) and size_of(text).encoding == "UCS-2" and len(longer) > len(text):
            assert size_of(longer).segments > most or size_of(longer).units > 67 * most


@given(titles)
def test_a_text_that_fits_says_every_word(title: str) -> None:
    written = unicodedata.normalize("NFC", title)
    if size_of(written).segments == 1:
        assert fit("", title, "", 1) in {written, gsm7.plain(written)}


@given(titles, st.integers(1, 4))
def test_making_a_text_plain_never_costs_a_segment(title: str, most: int) -> None:
    written = unicodedata.normalize("NFC", title)
    text = fit("", title, "", most)
    assert size_of(text).segments <= size_of(written).segments
