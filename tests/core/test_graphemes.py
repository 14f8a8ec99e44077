"""Characters, as Twilio's calculator counts them and as a reader sees them."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notifier.core import graphemes
from notifier.core.graphemes import clusters, counted

JOINED = {
    "an accent apart": "e\u0301",
    "accents in a heap": "e\u0301\u0301\u0301",
    "an accent on nothing": "\u0301",
    "a Hindi syllable": "कि",
    "an Indic vowel in two parts": "ক\u09be",
    "a Thai vowel": "ก\u0e33",
    "a mark of half width": "ｶ\uff9e",
    "Hangul letters": "\u1112\u1161\u11ab",
    "Hangul letters, a syllable's end apart": "가\u11a8",
    "two flag letters": "🇮🇹",
    "a flag and a mark": "🇮🇹\ufe0f",
    "a skin tone": "👍🏽",
    "a skin tone past a mark": "☝\ufe0f🏽",
    "a family": "👩\u200d👩\u200d👧",
    "a profession": "👩\u200d🚀",
    "a flag of a region": "🏴\U000e0067\U000e0062\U000e007f",
    "an Arabic sign of number": "\u06001",
    "a joiner": "a\u200d",
}
COUNTED_APART = {
    "a line's end": ["\r", "\n"],
    "a third flag letter": ["🇮🇹", "🇩"],
    "a syllable ended by another's vowel": ["각", "\u1161"],
    "a letter past a joiner": ["a\u200d", "b"],
    "a bear past a joiner": ["🐻\u200d", "❄\ufe0f"],
    "a tone on no person": ["🚀", "🏽"],
    "a tone past two marks": ["☝\ufe0f\ufe0f", "🏽"],
    "a tone on the second of a family with a mark": ["👩\ufe0f\u200d👧", "🏽"],
    "a flag's second mark": ["🇮🇹\u0301", "\u0301"],
    "a joiner on a flag with a mark": ["🇮🇹\u0301", "\u200d"],
    "a conjunct": ["क\u094d", "ष"],
    "a mark on a control": ["\n", "\u0301"],
    "a mark younger than Unicode 10": ["a", "\u08d3"],
    "a Burmese vowel": ["က", "\u102c"],
}
SEEN_TOGETHER = {
    "a line's end",
    "a letter past a joiner",
    "a bear past a joiner",
    "a tone on no person",
    "a tone past two marks",
    "a tone on the second of a family with a mark",
    "a flag's second mark",
    "a joiner on a flag with a mark",
    "a conjunct",
    "a mark on a control",
    "a mark younger than Unicode 10",
    "a Burmese vowel",
}


@pytest.mark.parametrize("text", JOINED.values(), ids=JOINED)
def test_what_joins_is_one_character(text: str) -> None:
    assert counted(text) == [text]
    assert clusters(text) == [text]


@pytest.mark.parametrize("parts", COUNTED_APART.values(), ids=COUNTED_APART)
def test_the_calculator_counts_by_older_rules_and_slips_of_its_own(parts: list[str]) -> None:
    assert counted("".join(parts)) == parts


def test_every_kind_has_the_characters_it_had_in_unicode_10() -> None:
    """Whatever Unicode this Python has: the calculator's tables stay as they are."""
    found = Counter(graphemes._kind(chr(point)).name for point in range(sys.maxunicode + 1))
    assert found == {
        "CONTROL": 5_927,
        "MARK": 1_901,
        "SPACING_MARK": 348,
        "JOINER": 1,
        "PREFIX": 19,
        "FLAG": 26,
        "PERSON": 98,
        "RELATIVE": 4,
        "TONE": 5,
        "THING": 22,
        "LEADING": 125,
        "VOWEL": 95,
        "TRAILING": 137,
        "OPEN_SYLLABLE": 399,
        "CLOSED_SYLLABLE": 10_773,
        "OTHER": 1_094_232,
    }


@pytest.mark.parametrize("name", COUNTED_APART)
def test_a_reader_sees_together_what_the_calculator_counts_apart(name: str) -> None:
    parts = COUNTED_APART[name]
    assert clusters("".join(parts)) == (["".join(parts)] if name in SEEN_TOGETHER else parts)


@pytest.mark.parametrize(
    "parts", ["ab", "日本", "क ष", "가각", "🚀🚀", "👩👧", "a\n", "1\u0600", ["🇮🇹", "a"], ["a\u0301", "b"]], ids=ascii
)
def test_neighbours_that_do_not_join_are_apart(parts: str | list[str]) -> None:
    assert counted("".join(parts)) == clusters("".join(parts)) == list(parts)


def test_flags_are_taken_in_pairs() -> None:
    assert clusters("🇮🇹🇩🇪🇫") == ["🇮🇹", "🇩🇪", "🇫"]


pieces = st.sampled_from([*"".join(JOINED.values()), *"".join("".join(parts) for parts in COUNTED_APART.values())])


@given(st.lists(pieces | st.characters()).map("".join))
@example("\ud83d")
def test_parting_loses_nothing(text: str) -> None:
    assert "".join(counted(text)) == "".join(clusters(text)) == text


@given(st.lists(pieces | st.characters()).map("".join))
def test_a_reader_never_sees_more_characters_than_are_counted(text: str) -> None:
    def ends(parts: list[str]) -> set[int]:
        return {sum(map(len, parts[: place + 1])) for place in range(len(parts))}

    assert ends(clusters(text)) <= ends(counted(text))
