"""Agreement with Twilio's own calculator, on vectors that are kept beside the project."""

from __future__ import annotations

import json

import pytest

from notifier.core.sms_text import size_of
from tests.builders import ROOT

VECTORS = ROOT.parent / "shared" / "vectors" / "segments.json"


@pytest.mark.skipif(not VECTORS.exists(), reason="the vectors are here only where the project is developed")
def test_every_vector_is_counted_as_twilio_counts_it() -> None:
    vectors = [one for one in json.loads(VECTORS.read_text("utf-8")) if not one["smart_encoded"]]
    assert len(vectors) > 100
    counted = {one["id"]: (size_of(one["text"]).encoding, size_of(one["text"]).segments) for one in vectors}
    assert counted == {one["id"]: (one["encoding"], one["segments"]) for one in vectors}
