"""Discord, by webhook (https://docs.discord.com/developers/resources/webhook#execute-webhook).

The headline is the content, and so the notification; the rest is one embed in the severity's colour.
The link to the sender's page stands in the text and not in the embed's own `url`: Discord refuses the whole
message with 400 over an address it finds odd, such as a host without a dot.

What an alert says is shown as written: each mark of Discord's Markdown in it is escaped. A policy's documentation is
Markdown, and keeps what we read of it; a link in it shows its address after its words, as nobody may hide one.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from notifier.channels.wire import Reply, Wire, fit, host_of, redact, seconds, verdict
from notifier.core.alert import printable
from notifier.core.colour import colour_of
from notifier.core.markdown import Block, Form, Span, parsed, shortened, together, woven
from notifier.core.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from notifier.core.message import Message

# https://docs.discord.com/developers/resources/message#embed-object-embed-limits
CONTENT_CHARACTERS = 2_000
DESCRIPTION_CHARACTERS = 4_096
FIELDS = 25
FIELD_NAME_CHARACTERS = 256
FIELD_VALUE_CHARACTERS = 1_024
EMBED_CHARACTERS = 6_000
"""Over title, description, field names, field values, footer and author of all embeds."""
BODY_CHARACTERS = 3_000
"""Ours: leaves 3,000 for the facts and the link, which are short and worth more than a body's end."""
DOCUMENTATION_CHARACTERS = 300
"""Ours: a documentation that would have less room than this is left out."""

_BRACKETS = str.maketrans({"(": "%28", ")": "%29", "[": "%5B", "]": "%5D"})
# An address stays as it is: a backslash would break the link it is shown as, also one right after it. So what only ends
# something is not escaped: `]`, `)` and `>` mean nothing where `[` and `<` are. An address's own brackets would open or
# close a masked link, so it ends before one.
_PIECE = re.compile(r"https?://[^\s<>|`\\\[\]()]{1,1000}|(?P<mark>^[#>+-]|[*_~`|\\\[<])|.", re.DOTALL | re.MULTILINE)


class Discord:
    """Posts to one channel or thread."""

    name = "discord"

    def __init__(self, wire: Wire, webhook_url: str) -> None:
        """`webhook_url`: a secret as a whole; may carry a query of its own, such as `?thread_id=1`."""
        self._wire = wire
        self._url = _waiting(webhook_url)

    def send(self, message: Message, deadline: float) -> Outcome:
        body = json.dumps(payload(message), ensure_ascii=False).encode()
        # Discord's gateway may refuse a User-Agent of another form:
        # https://docs.discord.com/developers/reference#user-agent
        headers = {"Content-Type": "application/json", "User-Agent": "DiscordBot (notifier, 0.1)"}
        answer = self._wire.post(self._url, body, deadline=deadline, headers=headers)
        return answer if isinstance(answer, Outcome) else _outcome(answer)

    def preview(self, message: Message) -> str:
        shown = json.dumps(payload(message), ensure_ascii=False, indent=2)
        return f"POST https://{host_of(self._url)}/***?wait=true\n{shown}"


def payload(message: Message) -> dict[str, object]:
    """The webhook's JSON for `message`. It can ping nobody: `allowed_mentions` allows none."""
    headline = fit(_pieces(message.headline), CONTENT_CHARACTERS - 50, _units)
    return {
        "content": f"**{headline}** #{message.ref}" if message.ref else f"**{headline}**",
        "embeds": [_roundup(message) if message.roundup else _embed(message)],
        "allowed_mentions": {"parse": []},
    }


def _embed(message: Message) -> dict[str, object]:
    body = fit(_pieces(message.body.strip()), BODY_CHARACTERS, _units)
    host = "".join(_pieces(host_of(message.url)))
    acknowledge = _link("Acknowledge", message.acknowledge_url)
    links = [f"**{acknowledge}**" if acknowledge else "", _link("Open the alert", message.url, f" at {host}")]
    documentation = _documentation_within(message.documentation, BODY_CHARACTERS - _units(body))
    description = "\n\n".join(filter(None, [body, " · ".join(filter(None, links)), documentation]))
    footer = f"#{message.ref}"
    # 40: room for how many values are not shown.
    room = EMBED_CHARACTERS - _units(description) - _units(footer) - 40
    fields: list[dict[str, object]] = []
    for name, value in message.facts[:FIELDS]:
        field = {
            "name": fit(_pieces(name.strip() or "-"), FIELD_NAME_CHARACTERS, _units),
            "value": fit(_pieces(value.strip() or "-"), FIELD_VALUE_CHARACTERS, _units),
        }
        room -= _units(field["name"]) + _units(field["value"])
        if room < 0:
            break
        fields.append({**field, "inline": True})
    if len(fields) < len(message.facts):
        footer += f" · {len(message.facts) - len(fields)} more values not shown"
    return {
        "color": int(colour_of(message).removeprefix("#"), 16),
        "description": description,
        "fields": fields,
        "footer": {"text": footer},
    }


def _roundup(message: Message) -> dict[str, object]:
    """A line for each of several messages; all of them are named, with their links if there is room."""
    lines = ["".join(_pieces(one.first_line)) for one in message.roundup]
    links = [_link("Acknowledge", one.acknowledge_url) for one in message.roundup]
    linked = "\n".join(" · ".join(filter(None, both)) for both in zip(lines, links, strict=True))
    description = linked if _units(linked) <= DESCRIPTION_CHARACTERS else "\n".join(lines)
    return {"color": int(colour_of(message).removeprefix("#"), 16), "description": description}


def _documentation_within(text: str, room: int) -> str:
    blocks = parsed(printable(text))
    if room < DOCUMENTATION_CHARACTERS:
        return ""
    return _documentation(shortened(blocks, room, lambda some: _units(_documentation(some))))


def _documentation(blocks: Sequence[Block]) -> str:
    return together(blocks, _block)


def _block(block: Block) -> str:
    if block.form is Form.CODE:
        # Three of these would end the block, whatever stands around them.
        code = "\n".join(span.text for line in block.lines for span in line).replace("```", "'''")
        return f"```\n{code}\n```"
    bold, italic = ("**", "**"), ("*", "*")
    if block.form is Form.HEADING:
        return "\n".join(f"**{woven(line, _span, ('', ''), italic)}**" for line in block.lines)
    lines = [woven(line, _span, bold, italic) for line in block.lines]
    if block.form is Form.ITEM:
        indent = "  " * block.depth
        marker = "-" if block.marker == "•" else block.marker
        return f"{indent}{marker} " + f"\n{indent}  ".join(lines)
    return "\n".join(lines)


def _span(span: Span) -> str:
    if span.link:
        # It shows what it is, and nothing in it can begin or end another link.
        return span.text.translate(_BRACKETS)
    return f"`{span.text}`" if span.code else "".join(_pieces(span.text))


def _link(words: str, url: str, end: str = "") -> str:
    url = url.translate(_BRACKETS)
    return f"[{words}]({url}){end}" if re.fullmatch(r"https?://[^\s<>]{1,1000}", url) else ""


def _units(text: str) -> int:
    """Length in UTF-16 units: never less than what Discord counts, whichever way it counts an emoji."""
    return len(text.encode("utf-16-le")) // 2


def _pieces(text: str) -> Iterator[str]:
    """`text` without markdown, in pieces none of which may be cut: an escape, an address, a character."""
    for found in _PIECE.finditer(printable(text)):
        yield f"\\{found[0]}" if found["mark"] else found[0]


def _waiting(url: str) -> str:
    """`url` with `wait=true`: without it Discord answers 204 also for a message it does not keep."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "wait"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("wait", "true")]), fragment=""))


class _Answer(msgspec.Struct):
    id: str = ""
    """Of the message that was made."""
    message: str = ""
    """Why none was."""
    code: int | None = None
    retry_after: float | None = None


def _outcome(reply: Reply) -> Outcome:
    try:
        answer = msgspec.json.decode(reply.body, type=_Answer, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        answer = _Answer()
    if reply.status == 204 or (reply.status == 200 and answer.id):  # noqa: PLR2004
        return Outcome(Result.SENT)
    if reply.status == 200 and reply.body and reply.whole:  # noqa: PLR2004
        # Asked to wait, Discord answers with the message; whoever does not is the page of a login or a proxy.
        words = f"{reply.host} answered 200 but with no message: check DISCORD_WEBHOOK_URL"
        return Outcome(Result.REJECTED, words)
    said = redact(answer.message) or "no reason given"
    code = "" if answer.code is None else f" (code {answer.code})"
    outcome = verdict(reply, f"{said}{code}; check DISCORD_WEBHOOK_URL")
    if outcome.result is Result.RETRY and answer.retry_after is not None:
        # The body's is a float and the exact one; a gateway's answer has only the header.
        waits = [wait for wait in (seconds(answer.retry_after), reply.retry_after) if wait is not None]
        outcome = msgspec.structs.replace(outcome, retry_after=max(waits, default=None))
    return outcome
