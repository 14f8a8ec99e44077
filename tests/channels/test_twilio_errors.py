from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from notifier.channels.twilio_errors import ERRORS
from notifier.core.outcome import Result

FACTS = Path(__file__).parents[3] / "shared" / "vectors" / "errors.json"


def facts() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(FACTS.read_text()) if FACTS.exists() else []
    return [row for row in rows if row["code"] and row["where"] in {"create", "either", "delivery"}]


@pytest.mark.parametrize("row", facts(), ids=lambda row: str(row["code"]))
def test_every_code_twilio_documents_is_judged_as_its_facts_say(row: dict[str, Any]) -> None:
    judged = ERRORS[row["code"]].result
    if row["message_sent"] == "yes" or row["class"] == "ambiguous":
        assert judged is Result.UNKNOWN
    elif row["class"] == "transient" and row["message_sent"] == "no":
        assert judged is Result.RETRY
    elif row["class"] in {"config", "permanent", "optout"}:
        assert judged is Result.REJECTED
    else:  # handed to the carrier: whether it arrived is not known, or it certainly did not
        assert judged is {"unknown": Result.UNKNOWN, "to carrier": Result.REJECTED}[row["message_sent"]]


@pytest.mark.parametrize("code", [20429, 21611])
def test_only_what_was_certainly_not_taken_is_sent_again(code: int) -> None:
    assert ERRORS[code].result is Result.RETRY


@pytest.mark.parametrize("code", [20500, 20503, 30008, 30410])
def test_what_may_have_been_sent_is_looked_up(code: int) -> None:
    assert ERRORS[code].result is Result.UNKNOWN


def test_a_full_queue_is_no_quick_retry() -> None:
    assert ERRORS[21611].retry_after == 600


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_code_has_words_and_only_retries_have_a_wait(code: int) -> None:
    error = ERRORS[code]
    assert re.fullmatch(r"[A-Za-z].{15,}[^.]", error.words)
    assert error.retry_after is None or (error.result is Result.RETRY and 0 < error.retry_after <= 3_600)
