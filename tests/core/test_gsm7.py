"""The GSM-7 alphabet, and what is written for characters it lacks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.gsm7 import ALPHABET, BASIC, ESCAPED, PLAIN, bare, plain
from tests.builders import ROOT

VECTORS = ROOT.parent / "shared" / "vectors"
here = pytest.mark.skipif(not VECTORS.exists(), reason="the vectors are here only where the project is developed")


def test_the_alphabet_has_a_place_for_each_of_seven_bits() -> None:
    # 0x1B is the escape itself.
    assert (len(BASIC), len(ESCAPED), BASIC & ESCAPED) == (127, 10, frozenset())


@here
def test_the_alphabet_is_the_standards() -> None:
    vectors = json.loads((VECTORS / "gsm7.json").read_text("utf-8"))
    assert {one["char"] for one in vectors["basic"]} == BASIC
    assert {one["char"] for one in vectors["extension"]} == ESCAPED


def test_there_are_as_many_plain_forms_as_twilio_has() -> None:
    assert len(PLAIN) == 271


@here
def test_every_plain_form_is_twilios() -> None:
    vectors = json.loads((VECTORS / "smart_encoding.json").read_text("utf-8"))["map"]
    assert {one["char"]: one["replacement"] for one in vectors} == PLAIN


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("“it’s «down»”", '"it\'s "down""'),
        ("a – b — c…", "a - b - c..."),
        ("½ of ¾", "1/2 of 3/4"),
        ("a\tb", "a       b"),
        ("a\u00a0b", "a  b"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("ＡＢ１２！", "AB12!"),
        ("ａｂ", "ａｂ"),
        ("ᴄᴘᴜ", "CPU"),
        ("‹a›", "<a>"),
        ("ça, où, 日本", "ça, où, 日本"),
    ],
    ids=ascii,
)
def test_marks_that_only_look_finer_are_made_plain(written: str, sent: str) -> None:
    assert plain(written) == sent


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("crítico, ação, ça", "critico, acao, ca"),
        ("déjà vu, Ñandú, Köln, smørrebrød", "déjà vu, Ñandu, Köln, smørrebrød"),
        ("zażółć gęślą jaźń", "zazolc gesla jazn"),
        ("Đặng Œuvre ısı", "Dang OEuvre isi"),
        ("“ﬁ” x² ™", '"fi" x2 TM'),
        ("n\u0308a\u200db\u00adc", "nabc"),
        ("p95 ≥ 250 µs → 30 °C", "p95 >= 250 us -> 30 C"),
        ("日本 наш 🚀", "日本 наш 🚀"),
    ],
    ids=ascii,
)
def test_accents_go_only_where_the_alphabet_lacks_them(written: str, sent: str) -> None:
    assert bare(written) == sent


@given(st.characters(exclude_characters=ALPHABET))
def test_a_plain_form_is_in_the_alphabet(character: str) -> None:
    assert plain(character) == character or ALPHABET.issuperset(plain(character))


@given(st.text(sorted(ALPHABET)))
def test_what_is_in_the_alphabet_is_left_alone(text: str) -> None:
    assert plain(text) == bare(text) == text
