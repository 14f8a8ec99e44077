from __future__ import annotations

import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import responses

from notifier.channels.discord import Discord, payload
from notifier.channels.wire import Wire
from notifier.core.alert import Severity
from notifier.core.incident import Kind
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from tests.channels.support import TOKEN, Server, answer, make_message, soon

URL = f"https://discord.example/api/webhooks/1/{TOKEN}"


def embed(message: Message) -> dict[str, Any]:
    embeds: Any = payload(message)["embeds"]
    (found,) = embeds
    return dict(found)


def answered(body: bytes | str, status: int, headers: dict[str, str] | None = None) -> Outcome:
    with responses.RequestsMock() as mocked:
        mocked.post(URL, body=body, status=status, headers=headers)
        return Discord(Wire(), URL).send(make_message(), soon())


def counted(message: Message) -> int:
    """What Discord counts over an embed, in UTF-16 units: the strictest way to count."""
    found = embed(message)
    parts = [found["description"], found["footer"]["text"]]
    for field in found["fields"]:
        parts += [field["name"], field["value"]]
    return sum(len(part.encode("utf-16-le")) // 2 for part in parts)


def test_a_kept_message_is_sent_and_the_request_is_json() -> None:
    with Server(answer(b'{"id": "1"}')) as server:
        outcome = Discord(Wire(), server.url).send(make_message(headline="Größe"), soon())
    assert outcome == Outcome(Result.SENT)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: application/json\r\n" in head
    assert b"\r\nUser-Agent: DiscordBot (notifier, 0.1)\r\n" in head
    assert json.loads(body) == payload(make_message(headline="Größe"))


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ("", "wait=true"),
        ("?thread_id=1&thread_name=a+b", "thread_id=1&thread_name=a+b&wait=true"),
        ("?wait=false", "wait=true"),
        ("?empty=#top", "empty=&wait=true"),
    ],
)
def test_the_url_asks_to_wait_and_keeps_its_query(given: str, query: str) -> None:
    with Server(answer(b"", "204 No Content")) as server:
        Discord(Wire(), server.url + given).send(make_message(), soon())
    path = server.requests[0].split(b" ")[1].decode()
    assert urlsplit(path).query == query
    assert urlsplit(path).path == urlsplit(server.url).path


def test_the_headline_is_the_content_and_so_the_notification() -> None:
    assert payload(make_message())["content"] == "**CRITICAL: Database unreachable** #7F3K"


def test_the_embed_holds_body_link_facts_and_ref() -> None:
    link = "https://console.example.com/alerts/1?project=shop&x=1"
    assert embed(make_message()) == {
        "color": 0xD50200,
        "description": f"No connection for 5 minutes.\n\n[Open the alert]({link}) at console.example.com",
        "fields": [
            {"name": "Since", "value": "2026-01-31 03:12 UTC", "inline": True},
            {"name": "Project", "value": "shop", "inline": True},
        ],
        "footer": {"text": "#7F3K"},
    }


def test_the_acknowledge_link_comes_first_of_the_links() -> None:
    message = make_message(acknowledge_url="https://pager.example.com/a/token", url="https://x.example/i")
    links = embed(message)["description"].split("\n\n")[-1]
    acknowledge = "**[Acknowledge](https://pager.example.com/a/token)**"
    assert links == f"{acknowledge} · [Open the alert](https://x.example/i) at x.example"


def test_a_bracket_in_the_address_does_not_end_the_link() -> None:
    assert "(https://x.example/a%28b%29)" in embed(make_message(url="https://x.example/a(b)"))["description"]


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "https://x.example/" + "a" * 1_100])
def test_an_address_discord_could_not_take_is_left_out(url: str) -> None:
    found = embed(make_message(url=url, acknowledge_url=url))
    assert found["description"] == "No connection for 5 minutes."


def test_each_severity_has_its_colour_and_resolved_is_green() -> None:
    colours = [embed(make_message(severity=severity))["color"] for severity in Severity]
    colours.append(embed(make_message(kind=Kind.RESOLVED))["color"])
    assert len(set(colours)) == 5
    assert colours[-1] == 0x2EB67D


def test_nobody_can_be_pinged() -> None:
    assert payload(make_message(body="@everyone <@1>"))["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[bank](https://evil.example)", r"\[bank](https://evil.example)"),
        ("**bold** _it_ ~~no~~ `code` ||spoiler||", r"\*\*bold\*\* \_it\_ \~\~no\~\~ \`code\` \|\|spoiler\|\|"),
        ("# huge\n> quote\n- list\nC# is a-ok > x", "\\# huge\n\\> quote\n\\- list\nC# is a-ok > x"),
        ("<@1> <#2> <t:3>", r"\<@1> \<#2> \<t:3>"),
        (r"C:\dir", r"C:\\dir"),
        ("(see https://x.example/a)", "(see https://x.example/a)"),
        ("see https://x.example/a_b_c?d=*e now", "see https://x.example/a_b_c?d=*e now"),
    ],
)
def test_markdown_is_shown_as_written_and_addresses_keep_working(written: str, shown: str) -> None:
    assert embed(make_message(body=written, url=""))["description"] == shown


DOCUMENTATION = """## What to do
* Look at the **log** of `db-1`, *first*.
  Then [the book](https://x.example/a_(b)).
  1. @everyone
```sh
ls *
```"""


def test_the_documentation_of_the_policy_stands_below_the_links_in_discords_markdown() -> None:
    parts = embed(make_message(documentation=DOCUMENTATION))["description"].split("\n\n", 2)
    assert parts[1].startswith("[Open the alert](")
    assert parts[2] == (
        "**What to do**\n\n"
        "- Look at the **log** of `db-1`, *first*.\n  Then the book (https://x.example/a_%28b%29).\n"
        "  1. @everyone\n\n"
        "```\nls *\n```"
    )


def test_a_long_documentation_is_cut_at_a_line_and_closes_its_code() -> None:
    code = "```\n" + "\n".join(f"step {number}" for number in range(2_000)) + "\n```"
    description = embed(make_message(documentation=code))["description"]
    assert re.search(r"\nstep \d+\n```\n\n… \(more in the alerting policy\)$", description)
    assert 2_900 < len(description) <= 3_300


def test_where_a_body_leaves_no_room_there_is_no_documentation() -> None:
    assert "book" not in embed(make_message(body="x" * 2_990, documentation="the book"))["description"]
    assert "book" in embed(make_message(body="x" * 2_600, documentation="the book"))["description"]


def test_code_cannot_end_its_block() -> None:
    shown = embed(make_message(documentation="~~~\n```\n[a](https://evil.example)\n~~~"))["description"]
    assert shown.endswith("```\n'''\n[a](https://evil.example)\n```")


@pytest.mark.parametrize("fill", ["a", "*", "😀", "word * word\n", "https://x.example/ "])
def test_every_limit_holds_whatever_comes(fill: str) -> None:
    huge = fill * 9_000
    message = make_message(headline=huge, body=huge, facts=tuple((huge, huge) for _ in range(60)), documentation=huge)
    found = embed(message)
    assert len(str(payload(message)["content"]).encode("utf-16-le")) // 2 <= 2_000
    assert len(found["description"].encode("utf-16-le")) // 2 <= 4_096
    assert len(found["fields"]) <= 25
    for field in found["fields"]:
        assert 0 < len(field["name"].encode("utf-16-le")) // 2 <= 256
        assert 0 < len(field["value"].encode("utf-16-le")) // 2 <= 1_024
    assert counted(message) <= 6_000


def test_values_that_find_no_room_are_counted() -> None:
    message = make_message(facts=tuple((f"label {number}", "v") for number in range(30)))
    assert len(embed(message)["fields"]) == 25
    assert embed(message)["footer"]["text"] == "#7F3K · 5 more values not shown"


def test_an_empty_name_or_value_is_still_a_field() -> None:
    """Discord refuses the whole message over one."""
    (field,) = embed(make_message(facts=((" ", ""),)))["fields"]
    assert (field["name"], field["value"]) == ("\\-", "\\-")


def test_control_characters_and_lone_surrogates_are_dropped() -> None:
    assert payload(make_message(headline="a\x00b\ud800c"))["content"] == "**abc** #7F3K"


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, '{"id": "1"}', Result.SENT),
        (200, "", Result.UNKNOWN),
        (200, "<html>Sign in", Result.REJECTED),
        (200, "{}", Result.REJECTED),
        (200, '{"id": ""}', Result.REJECTED),
        (200, '["id"]', Result.REJECTED),
        (204, "", Result.SENT),
        (302, "", Result.REJECTED),
        (400, '{"message": "Invalid Form Body", "code": 50035}', Result.REJECTED),
        (401, '{"message": "Invalid Webhook Token", "code": 50027}', Result.REJECTED),
        (404, '{"message": "Unknown Webhook", "code": 10015}', Result.REJECTED),
        (429, "{}", Result.RETRY),
        (500, "", Result.UNKNOWN),
        (502, "<html>", Result.UNKNOWN),
    ],
)
def test_each_answer_has_its_outcome(status: int, body: str, result: Result) -> None:
    assert answered(body, status).result is result


def test_an_answer_that_is_cut_off_may_tell_of_a_message_that_was_made() -> None:
    def half(_: Server, connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"id": "1", "content": "')

    with Server(half) as server:
        assert Discord(Wire(), server.url).send(make_message(), soon()).result is Result.UNKNOWN


def test_whoever_answers_200_and_makes_no_message_is_named_with_what_to_check() -> None:
    assert answered("<html>Sign in", 200).detail == (
        "discord.example answered 200 but with no message: check DISCORD_WEBHOOK_URL"
    )


def test_discords_reason_is_passed_on_with_what_to_check() -> None:
    assert answered('{"message": "Unknown Webhook", "code": 10015}', 404).detail == (
        "discord.example answered 404: Unknown Webhook (code 10015); check DISCORD_WEBHOOK_URL"
    )


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[" * 60_000, b'{"message": 7}', b'{"message": "a" "b"}'])
def test_an_unreadable_reason_is_none(body: bytes) -> None:
    assert answered(body, 404).detail == "discord.example answered 404: no reason given; check DISCORD_WEBHOOK_URL"


@pytest.mark.parametrize(
    ("body", "header", "wait"),
    [
        ('{"retry_after": 0.65, "global": false}', {}, 0.65),
        ('{"retry_after": 64.57}', {"Retry-After": "65"}, 65.0),
        ('{"retry_after": 64.57}', {"Retry-After": "1"}, 64.57),
        ('{"retry_after": -1}', {}, None),
        ("<html>", {"Retry-After": "5"}, 5.0),
        ("{}", {}, None),
    ],
)
def test_a_429_waits_as_long_as_the_longer_of_its_two_answers(
    body: str, header: dict[str, str], wait: float | None
) -> None:
    assert answered(body, 429, header).retry_after == wait


def test_no_answer_is_the_wires_outcome() -> None:
    assert Discord(Wire(), URL).send(make_message(), 0.0).result is Result.RETRY


def test_the_preview_shows_the_json_and_no_secret() -> None:
    where, _, shown = Discord(Wire(), URL).preview(make_message()).partition("\n")
    assert where == "POST https://discord.example/***?wait=true"
    assert json.loads(shown) == payload(make_message())
    assert TOKEN not in where + shown
