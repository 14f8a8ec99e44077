from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import responses

from notifier.channels.twilio import Twilio
from notifier.channels.twilio_errors import ERRORS, report_of, words_of
from notifier.channels.wire import Wire
from notifier.core.outcome import Outcome, Result
from notifier.core.report import Progress, Report
from tests.channels.support import PHONE, Server, make_message, reset, soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The table in short: what is not named here is rejected, of this provider only, and for good.

RETRY = {20429, 21611, 14107, 63038, 12400, 30001, 30017, 30022, 30023, 30027, 30036, 30047, 30450, 30500, 10004, 22005}
UNKNOWN = {20500, 20503, 30008, 30026, 30410}
WAITS = {21611: 600, 14107: 30, 63038: 3_600, 30001: 600, 30022: 60, 30023: 3_600, 30027: 3_600, 30450: 900, 22005: 600}
PHONE_AT_FAULT = {21610, 21211, 21217, 21604, 21614, 21635, 30003, 30004, 30005, 30006, 30640, 21214, 21216}
TEXT_AT_FAULT = {21617, 21602, 21619, 21618, 30007, 30039}
GONE_IN_SECONDS = {20429, 14107, 10004}
"""For these to wait is better than to ask another provider."""
CARRIER_OF_THE_PHONE = {30017}
OPTED_OUT = {21610}
PASSES = RETRY | UNKNOWN | {30003}


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_each_code_has_its_outcome(code: int) -> None:
    expected = Result.RETRY if code in RETRY else Result.UNKNOWN if code in UNKNOWN else Result.REJECTED
    assert ERRORS[code].result is expected


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_another_provider_may_unless_the_phone_or_the_text_is_at_fault_or_it_may_have_been_sent(code: int) -> None:
    cannot = UNKNOWN | PHONE_AT_FAULT | TEXT_AT_FAULT | GONE_IN_SECONDS | CARRIER_OF_THE_PHONE
    assert ERRORS[code].elsewhere is (code not in cannot)


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_only_stop_is_an_opt_out(code: int) -> None:
    assert ERRORS[code].opted_out is (code in OPTED_OUT)


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_a_failure_passes_unless_a_human_has_to_change_something(code: int) -> None:
    assert ERRORS[code].passes is (code in PASSES)


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_only_retries_wait_where_an_earlier_one_is_in_vain(code: int) -> None:
    assert ERRORS[code].retry_after == WAITS.get(code)
    assert code not in WAITS or code in RETRY


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_the_words_of_each_code_say_what_is_wrong_and_what_to_do(code: int) -> None:
    """Read on a phone, at night: one line, in the words of our own settings, without a full stop."""
    assert re.fullmatch(r"[A-Za-z][^:\n]{14,}: [a-z][^\n]{10,}[^.\n]", ERRORS[code].words)
    assert len(ERRORS[code].words) <= 200


def test_words_are_a_codes_own() -> None:
    assert words_of(30034) == (
        "30034: the sender is not registered for texts to the US (A2P 10DLC): "
        "register it in the Twilio console, a brand and a campaign"
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [("", "not a code this notifier knows"), ("Something is new", "Something is new")],
)
def test_a_code_nobody_knows_names_the_page_about_it(said: str, words: str) -> None:
    assert words_of(39999, said) == f"39999: {words}: see https://www.twilio.com/docs/api/errors/39999"


# Reports


@pytest.mark.parametrize(
    ("status", "progress"),
    [
        ("accepted", Progress.TAKEN),
        ("scheduled", Progress.TAKEN),
        ("queued", Progress.TAKEN),
        ("sending", Progress.TAKEN),
        ("receiving", Progress.TAKEN),
        ("received", Progress.TAKEN),
        ("sent", Progress.SENT),
        ("partially_delivered", Progress.SENT),
        ("delivered", Progress.DELIVERED),
        ("read", Progress.DELIVERED),
    ],
)
@pytest.mark.parametrize("code", [None, 0, 30026, 21610, 39999])
def test_a_text_on_its_way_has_no_trouble_whatever_its_code(status: str, code: int | None, progress: Progress) -> None:
    assert report_of(status, code) == Report(progress=progress)


@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled"])
@pytest.mark.parametrize("code", sorted(ERRORS))
def test_a_text_that_failed_says_why(status: str, code: int) -> None:
    assert report_of(status, code) == Report(
        progress=Progress.FAILED,
        trouble=words_of(code),
        passes=code in PASSES,
        opted_out=code in OPTED_OUT,
    )


def test_a_text_that_failed_for_a_reason_nobody_knows_passes() -> None:
    assert report_of("undelivered", 39999) == Report(progress=Progress.FAILED, trouble=words_of(39999), passes=True)


@pytest.mark.parametrize("code", [None, 0])
@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled"])
def test_a_text_that_failed_without_a_code_says_where_to_look(status: str, code: int | None) -> None:
    trouble = f"Twilio says {status}, and no code: see the text in the Twilio console, Monitor, Logs, Messaging"
    assert report_of(status, code) == Report(progress=Progress.FAILED, trouble=trouble, passes=True)


@pytest.mark.parametrize("status", ["", "FAILED", " failed", "lost", "\x00", "delivered,failed"])
def test_a_status_nobody_knows_is_no_report(status: str) -> None:
    assert report_of(status, 30034) is None


# Every row of the facts, where they are there

FACTS = Path(__file__).parents[3] / "shared" / "vectors" / "errors.json"
ROWS: list[dict[str, Any]] = json.loads(FACTS.read_text("utf-8")) if FACTS.exists() else []

RESULTS = {
    "transient": Result.RETRY,
    "ambiguous": Result.UNKNOWN,
    "config": Result.REJECTED,
    "permanent": Result.REJECTED,
    "optout": Result.REJECTED,
}
OTHERWISE = {
    # Handed to the carrier and billed: known only once it failed, and another phone helps sooner than this one again.
    30003: Result.REJECTED,
    # Nobody knows whether it was sent: looked up first.
    30008: Result.UNKNOWN,
    # A warning: the text goes out, so it is never sent again.
    30026: Result.UNKNOWN,
}
ELSEWHERE_OTHERWISE = {
    # "Invalid parameter" says not of what; of our request, which another provider never sees, more likely than not.
    20422,
}

NEVER_ARRIVED = ("no", "to carrier", "to carrier or no")


def each_row(which: Callable[[dict[str, Any]], object] = bool) -> pytest.MarkDecorator:
    rows = [row for row in ROWS if which(row)]
    return pytest.mark.parametrize("row", rows, ids=lambda row: str(row["code"] or row["http_status"] or row["where"]))


def outcomes_of(row: dict[str, Any]) -> Iterator[Outcome]:
    """How a send ends that meets this row, in each place where it can be met."""
    if row["where"] == "transport":
        yield lost_after_the_request() if row["class"] == "ambiguous" else refused_connection()
    elif row["http_status"] == 201:
        yield answered(201, "{")
    elif row["code"] is None:
        yield answered(row["http_status"], "<html>")
    else:
        if row["where"] != "delivery":
            status = row["http_status"] or 400
            refusal = {"code": row["code"], "message": row["meaning"], "status": status}
            yield answered(status, json.dumps(refusal))
        if row["where"] in ("delivery", "either"):
            made = {"sid": "SM" + "0" * 32, "status": "failed", "error_code": row["code"]}
            yield answered(201, json.dumps(made))


def answered(status: int, body: str) -> Outcome:
    with responses.RequestsMock() as mocked:
        mocked.post(re.compile("https://api.twilio.com/.*"), body=body, status=status)
        return send("https://api.twilio.com")


def refused_connection() -> Outcome:
    with Server(lambda _, connection: None) as server:
        port = server.port
    return send(f"http://127.0.0.1:{port}")


def lost_after_the_request() -> Outcome:
    with Server(lambda _, connection: reset(connection)) as server:
        return send(f"http://127.0.0.1:{server.port}")


def send(api_url: str) -> Outcome:
    channel = Twilio(
        Wire(),
        account_sid="AC" + "a" * 32,
        auth_token="not-a-real-auth-token",
        sender="+15005550006",
        phones=(PHONE,),
        api_url=api_url,
    )
    return channel.send(make_message(), soon())


@each_row()
def test_every_row_of_the_facts_leads_to_its_outcome(row: dict[str, Any]) -> None:
    expected = OTHERWISE.get(row["code"], RESULTS[row["class"]])
    assert [outcome.result for outcome in outcomes_of(row)] in ([expected], [expected] * 2)


@each_row(lambda row: row["message_sent"] not in NEVER_ARRIVED)
def test_what_may_have_been_sent_is_neither_sent_again_nor_given_up(row: dict[str, Any]) -> None:
    assert {outcome.result for outcome in outcomes_of(row)} == {Result.UNKNOWN}


@each_row(lambda row: RESULTS[row["class"]] is Result.REJECTED)
def test_what_needs_another_account_or_sender_is_asked_of_another_provider(row: dict[str, Any]) -> None:
    """And what was refused for the phone or the text is not."""
    assert {outcome.elsewhere for outcome in outcomes_of(row)} == {
        row["class"] == "config" or row["code"] in ELSEWHERE_OTHERWISE
    }


@each_row()
def test_who_opted_out_is_known_by_every_way(row: dict[str, Any]) -> None:
    assert {outcome.opted_out for outcome in outcomes_of(row)} == {row["class"] == "optout"}


@each_row(lambda row: row["code"] and row["where"] in ("delivery", "either"))
def test_every_failure_of_the_facts_passes_if_it_is_of_the_moment(row: dict[str, Any]) -> None:
    report = report_of("failed", row["code"])
    assert report is not None
    assert report.passes is (row["class"] in ("transient", "ambiguous"))


@pytest.mark.skipif(not ROWS, reason=f"{FACTS} is not here")
def test_the_table_holds_the_codes_of_the_facts_and_no_others() -> None:
    assert set(ERRORS) == {row["code"] for row in ROWS if row["code"]}


@pytest.mark.skipif(not ROWS, reason=f"{FACTS} is not here")
def test_no_exception_is_made_without_need() -> None:
    classes = {row["code"]: row["class"] for row in ROWS}
    assert all(RESULTS[classes[code]] is not result for code, result in OTHERWISE.items())
    assert all(classes[code] != "config" for code in ELSEWHERE_OTHERWISE)
