from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import responses

from notifier.channels.slack import Slack, payload
from notifier.channels.wire import Wire
from notifier.core.alert import Severity
from notifier.core.incident import Kind
from notifier.core.outcome import Outcome, Result
from tests.channels.support import TOKEN, Server, answer, make_message, soon

if TYPE_CHECKING:
    import socket

    from notifier.core.message import Message

URL = f"https://hooks.slack.example/services/T000/B000/{TOKEN}"


def blocks(message: Message) -> list[dict[str, Any]]:
    attachment: Any = payload(message)["attachments"]
    found: list[dict[str, Any]] = attachment[0]["blocks"]
    return found


def texts(message: Message) -> list[str]:
    """Every text Slack would show."""
    shown = [str(payload(message)["text"])]
    for block in blocks(message):
        parts = [block["text"]] if "text" in block else [*block.get("fields", []), *block.get("elements", [])]
        shown += [part["text"] for part in parts]
    return shown


def answered(body: bytes | str, status: int = 200, headers: dict[str, str] | None = None) -> Outcome:
    with responses.RequestsMock() as mocked:
        mocked.post(URL, body=body, status=status, headers=headers)
        return Slack(Wire(), URL).send(make_message(), soon())


def test_ok_is_sent_and_the_request_is_json() -> None:
    with Server(answer(b"ok")) as server:
        outcome = Slack(Wire(), server.url).send(make_message(headline="Größe"), soon())
    assert outcome == Outcome(Result.SENT)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"Content-Type: application/json; charset=utf-8" in head
    assert json.loads(body) == payload(make_message(headline="Größe"))


def test_the_headline_and_ref_are_the_text_and_so_the_notification() -> None:
    assert payload(make_message())["text"] == "CRITICAL: Database unreachable #7F3K"


def test_body_facts_link_and_ref_follow_in_order() -> None:
    body, facts, closing = blocks(make_message())
    assert body["text"]["text"] == "No connection for 5 minutes."
    assert [field["text"] for field in facts["fields"]] == ["*Since*\n2026-01-31 03:12 UTC", "*Project*\nshop"]
    link = "https://console.example.com/alerts/1?project=shop&amp;x=1"
    assert closing["elements"][0]["text"] == f"#7F3K · <{link}|Open at console.example.com>"


def test_the_acknowledge_link_is_a_line_of_its_own_below_the_body() -> None:
    link = "https://pager.example.com/a/token"
    body, acknowledge, _, _ = blocks(make_message(acknowledge_url=link))
    assert body["text"]["text"] == "No connection for 5 minutes."
    assert (acknowledge["type"], acknowledge["text"]["text"]) == ("section", f"*<{link}|Acknowledge>*")


def test_what_is_not_there_has_no_block() -> None:
    (closing,) = blocks(make_message(body=" \n", facts=(), url=""))
    assert closing["elements"][0]["text"] == "#7F3K"


@pytest.mark.parametrize(
    "url", ["https://x.example/<!channel>", "javascript:alert(1)", "https://x.example/" + "&" * 600]
)
def test_an_address_slack_could_not_take_is_left_out(url: str) -> None:
    shown = texts(make_message(url=url, acknowledge_url=url, body="", facts=()))
    assert shown == ["CRITICAL: Database unreachable #7F3K", "#7F3K"]


def test_each_severity_has_its_colour_and_resolved_is_green() -> None:
    messages = [make_message(severity=severity) for severity in Severity]
    messages.append(make_message(kind=Kind.RESOLVED))
    colours = [payload(message)["attachments"][0]["color"] for message in messages]  # type: ignore[index]
    assert len(set(colours)) == 5
    assert colours[-1] == "#2eb67d"


@pytest.mark.parametrize(
    "ping", ["<!channel>", "<!here|x>", "<@U012AB3CD>", "<!subteam^S0>", "<#C01>", "<https://evil.example|bank>"]
)
def test_an_alert_can_ping_nobody_and_hide_no_address(ping: str) -> None:
    message = make_message(headline=ping, body=ping, facts=((ping, ping),), url="", ref="7F3K")
    for text in texts(message):
        assert not re.search(r"<(?!https?://[^|>]*>)", text), text


def test_slack_is_told_to_find_no_names_by_itself() -> None:
    """`@here` and `#general` in plain words stay words."""
    sent = payload(make_message(body="@here #general"))
    assert (sent["link_names"], sent["parse"], sent["mrkdwn"]) == (False, "none", False)
    elements = [block.get("text") or (block.get("fields") or block["elements"])[0] for block in blocks(make_message())]
    assert all(element["verbatim"] is True for element in elements)


def test_only_the_three_control_characters_are_escaped() -> None:
    assert (
        texts(make_message(body="a & b < c > d \"quoted\" 'x' &amp;"))[1]
        == "a &amp; b &lt; c &gt; d \"quoted\" 'x' &amp;amp;"
    )


def test_an_address_in_the_body_is_a_link_that_shows_itself() -> None:
    body = "See https://wiki.example/run?a=1&b=2, or (http://x.example/y)."
    shown = "See <https://wiki.example/run?a=1&amp;b=2>, or (<http://x.example/y>)."
    assert texts(make_message(body=body))[1] == shown


@pytest.mark.parametrize("fill", ["a", "&", "\n", "é😀", "https://x.example/&?&?& ", "word & word\n"])
def test_no_text_is_over_its_limit_or_cut_within_an_entity(fill: str) -> None:
    huge = (fill * 9_000)[:13_000]
    facts = tuple((huge, huge) for _ in range(60))
    for text in texts(make_message(headline=huge, body=huge, facts=facts, documentation=huge)):
        assert 0 < len(text) <= 3_000
        assert re.search(r"&(?!(amp|lt|gt);)", text) is None
        assert text.count("<") == text.count(">")
    assert len(blocks(make_message(body=huge, facts=facts))) <= 50


def test_a_long_body_is_split_at_the_ends_of_lines() -> None:
    lines = [f"line {number} " + "x" * 90 for number in range(80)]
    sections = texts(make_message(body="\n".join(lines), facts=()))[1:-1]
    assert len(sections) == 3
    assert "".join(sections).split("\n") == lines


def test_a_body_too_long_says_that_it_was_cut() -> None:
    sections = texts(make_message(body="x" * 20_000, facts=()))[1:-1]
    assert [len(section) for section in sections] == [3_000] * 4
    assert sections[-1].endswith("…")


def test_facts_come_in_tens_and_what_is_left_out_is_counted() -> None:
    facts = tuple((f"label {number}", "value") for number in range(53))
    found = blocks(make_message(facts=facts))
    assert [len(block["fields"]) for block in found if "fields" in block] == [10] * 5
    assert "3 more values not shown" in texts(make_message(facts=facts))[-1]


DOCUMENTATION = """## What to do
* Look at the **log** of `db-1`, *first*.
  Then [the book](https://x.example/a?b&c).
  1. <!channel>
```sh
ls <dir> &
```"""


def test_the_documentation_of_the_policy_follows_the_facts_in_slacks_marks() -> None:
    *_, facts, documentation, closing = blocks(make_message(documentation=DOCUMENTATION))
    assert "fields" in facts
    assert closing["type"] == "context"
    assert documentation["text"]["text"] == (
        "*What to do*\n\n"
        "• Look at the *log* of `db-1`, _first_.\n   Then the book (<https://x.example/a?b&amp;c>).\n"
        "    1. &lt;!channel&gt;\n\n"
        "```\nls &lt;dir&gt; &amp;\n```"
    )


def test_a_heading_is_bold_once() -> None:
    assert texts(make_message(documentation="# **Disk** _full_"))[-2] == "*Disk _full_*"


def test_a_long_documentation_is_cut_at_a_line_and_closes_its_code() -> None:
    code = "```\n" + "\n".join(f"step {number} &" for number in range(2_000)) + "\n```"
    shown = texts(make_message(documentation=code))[-2]
    assert re.search(r"\nstep \d+ &amp;\n```\n\n… \(more in the alerting policy\)$", shown)
    assert 2_900 < len(shown) <= 3_000


def test_code_cannot_end_its_block() -> None:
    assert texts(make_message(documentation="~~~\n```\n*a*\n~~~"))[-2] == "```\n'''\n*a*\n```"


def test_control_characters_and_lone_surrogates_are_dropped() -> None:
    message = make_message(headline="a\x00b\ud800c")
    assert payload(message)["text"] == "abc #7F3K"
    json.dumps(payload(message), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, "ok", Result.SENT),
        (200, "ok\n", Result.SENT),
        (200, "", Result.UNKNOWN),
        (200, "<html>Sign in</html>", Result.REJECTED),
        (200, '{"ok": true}', Result.REJECTED),
        (204, "", Result.UNKNOWN),
        (302, "", Result.REJECTED),
        (400, "invalid_payload", Result.REJECTED),
        (403, "action_prohibited", Result.REJECTED),
        (404, "no_service", Result.REJECTED),
        (410, "channel_is_archived", Result.REJECTED),
        (429, "", Result.RETRY),
        (500, "rollup_error", Result.UNKNOWN),
        (503, "", Result.UNKNOWN),
    ],
)
def test_each_answer_has_its_outcome(status: int, body: str, result: Result) -> None:
    assert answered(body, status).result is result


def test_slacks_own_word_is_passed_on_with_what_to_check() -> None:
    assert answered("no_service", 404).detail == (
        "hooks.slack.example answered 404: no_service; check SLACK_WEBHOOK_URL and its channel"
    )


def test_a_strangers_page_is_not_passed_on() -> None:
    assert "secret" not in answered(f"<html>{URL} secret</html>", 404).detail


def test_a_429_says_how_long_to_wait() -> None:
    assert answered("", 429, {"Retry-After": "30"}).retry_after == 30


def test_an_ok_that_was_cut_off_is_unknown() -> None:
    with Server(lambda _, connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")) as server:
        assert Slack(Wire(), server.url).send(make_message(), soon()).result is Result.UNKNOWN


def test_an_ok_that_never_ended_is_unknown() -> None:
    def endless(server: Server, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nok")
        server.stopped.wait()

    with Server(endless) as server:
        assert Slack(Wire(), server.url).send(make_message(), soon(0.5)).result is Result.UNKNOWN


def test_no_answer_is_the_wires_outcome() -> None:
    outcome = Slack(Wire(), URL).send(make_message(), 0.0)
    assert outcome == Outcome(Result.RETRY, "no time was left to send to hooks.slack.example")


def test_the_preview_shows_the_json_and_no_secret() -> None:
    where, _, shown = Slack(Wire(), URL).preview(make_message()).partition("\n")
    assert where == "POST https://hooks.slack.example/***"
    assert json.loads(shown) == payload(make_message())
    assert TOKEN not in where + shown
