"""Agreement with Twilio's own calculator, on vectors that are kept beside the project."""

from __future__ import annotations

import json
from typing import Any

import pytest

from notifier.core.gsm7 import plain
from notifier.core.sms_text import fit, size_of
from tests.builders import ROOT

FILE = ROOT.parent / "shared" / "vectors" / "segments.json"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the vectors are here only where the project is developed")


def vectors(*, smart_encoded: bool) -> dict[str, dict[str, Any]]:
    read = json.loads(FILE.read_text("utf-8"))
    return {one["id"]: one for one in read if one["smart_encoded"] is smart_encoded}


def figures(text: str) -> tuple[str, int, int, int]:
    size = size_of(text)
    return size.encoding, size.segments, size.characters, size.units


def expected(vector: dict[str, Any]) -> tuple[str, int, int, int]:
    return vector["encoding"], vector["segments"], vector["characters"], vector["code_units"]


def test_every_vector_is_counted_as_twilio_counts_it() -> None:
    ours = {name: figures(one["text"]) for name, one in vectors(smart_encoded=False).items()}
    assert len(ours) > 100
    assert ours == {name: expected(one) for name, one in vectors(smart_encoded=False).items()}


def test_every_smart_encoded_vector_is_made_plain_as_twilio_does_it() -> None:
    smart = vectors(smart_encoded=True)
    assert len(smart) >= 3
    assert {name: plain(one["text"]) for name, one in smart.items()} == {
        name: one["effective_text"] for name, one in smart.items()
    }
    assert {name: figures(plain(one["text"])) for name, one in smart.items()} == {
        name: expected(one) for name, one in smart.items()
    }


@pytest.mark.parametrize("name", ["seg-329", "seg-331"])
def test_a_smart_encoded_vector_that_fits_is_sent_so(name: str) -> None:
    vector = vectors(smart_encoded=True)[name]
    assert fit("", vector["text"], "", vector["segments"]) == vector["effective_text"]


def test_every_vector_is_fitted_into_a_segment() -> None:
    texts = [one["text"] for smart in (False, True) for one in vectors(smart_encoded=smart).values()]
    assert {size_of(fit("CRITICAL: ", text, " #7F3K", 1)).segments for text in texts} == {1}
