"""The comparison with Twilio's calculator: that it can be had, and that it would find a difference."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from random import Random

import msgspec
import pytest
from click.testing import CliRunner

from notifier.core.sms_text import size_of
from tests.reference import segments
from tests.reference.texts import random_text

INSTALL = "npm install --prefix {} sms-segments-calculator@1.3.0"


def some_texts(seed: int, count: int = 300) -> list[str]:
    random = Random(seed)
    return [random_text(random) for _ in range(count)]


def calculator(folder: Path, version: str = segments.VERSION) -> Path:
    """A folder that looks as if the package were installed in it."""
    package = folder / "node_modules" / segments.PACKAGE
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": version}), "utf-8")
    return folder


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(segments.main, arguments)
    return result.exit_code, result.output


def test_a_seed_gives_the_same_texts() -> None:
    assert some_texts(7) == some_texts(7) != some_texts(8)


def test_the_texts_are_of_both_alphabets_and_of_every_length() -> None:
    sizes = {size_of(text) for text in some_texts(1)}
    assert {size.encoding for size in sizes} == {"GSM-7", "UCS-2"}
    assert {size.segments for size in sizes} >= {1, 2, 3, 4}


def test_the_texts_hold_all_that_is_hard_to_count() -> None:
    characters = set("".join(some_texts(1, 2_000)))
    assert characters >= set("\r\n€\u200d\ufe0f🏽🇮ᄀ가क्ش€\ud83d\u0301")
    assert {unicodedata.category(one) for one in characters} >= {"Mn", "Mc", "Me", "Lo", "So", "Cf", "Cc", "Cs", "Cn"}


def test_help_says_how_to_get_the_calculator() -> None:
    code, said = run("--help")
    assert code == 0
    assert INSTALL.format(segments.FOLDER) in " ".join(said.split())


def test_a_missing_calculator_is_named_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: sys.executable)
    code, said = run("--folder", str(tmp_path), "--texts", "1")
    assert code == 2
    assert f"sms-segments-calculator is not in {tmp_path}" in said
    assert INSTALL.format(tmp_path) in said


def test_an_older_calculator_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: sys.executable)
    code, said = run("--folder", str(calculator(tmp_path, "1.2.0")), "--texts", "1")
    assert code == 2
    assert "is 1.2.0, which counts otherwise" in said


def test_a_missing_node_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    code, said = run("--folder", str(calculator(tmp_path)), "--texts", "1")
    assert code == 2
    assert "node is not on this machine" in said


@pytest.mark.parametrize("field", segments.Count.__struct_fields__)
def test_a_difference_is_shown_and_ends_with_1(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def differently(texts: list[str], folder: Path) -> list[tuple[segments.Count, segments.Count]]:
        counts = [segments.counts_here(text) for text in texts]
        other = "other" if field in ("encoding", "text") else 77
        wrong = msgspec.structs.replace(counts[0][1], **{field: other})
        return [(counts[0][0], wrong), *counts[1:]]

    monkeypatch.setattr(segments, "counts_there", differently)
    code, said = run("--texts", "10")
    assert code == 1
    assert f"smart {field}: " in said
    assert "1 counted otherwise" in said


def test_our_counts_are_the_calculators() -> None:
    try:
        assert segments.differences(some_texts(4)) == []
    except segments.ReferenceMissing as missing:
        pytest.skip(str(missing))
