"""Slack, by incoming webhook.

The headline is the message's text, and so its notification; the rest stands below it beside a bar in
the severity's colour. Limits and escaping: https://docs.slack.dev/messaging/formatting-message-text and
https://docs.slack.dev/reference/block-kit/composition-objects/text-object.

Nothing in an alert can ping anybody or hide an address behind other words. `&`, `<` and `>` are escaped,
which kills `<!channel>`, `<@U...>` and `<url|text>`; `link_names`, `parse` and `verbatim` keep Slack from
reading `@here` and `#general` as links. `verbatim` also leaves addresses dead, so we link those ourselves, each
showing itself. `*bold*` and other marks in an alert's text are left alone: they can only change how that text looks,
and escaping them (Slack has no escape) would mean invisible characters in what people copy at 3 a.m.
A policy's documentation is Markdown, which is not Slack's: its marks are put into Slack's own, and a link in it shows
its address after its words.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from notifier.channels.wire import Reply, Wire, fit, host_of, verdict
from notifier.core.alert import printable
from notifier.core.colour import colour_of
from notifier.core.markdown import Block, Form, Span, parsed, shortened, together, woven
from notifier.core.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from notifier.core.message import Message

SECTION_CHARACTERS = 3_000
"""Over it Slack answers 400 invalid_blocks. Counted after escaping."""
FIELD_CHARACTERS = 2_000
FIELDS_PER_SECTION = 10
FIELDS = 50
LINK_CHARACTERS = 2_000
BODY_SECTIONS = 4
"""12,000 characters: more than an alert holds, unless most of it needs escaping."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# One address, or one character. An address does not end in punctuation, which belongs to the sentence around it.
_PIECE = re.compile(r"https?://[^\s<>|]{0,1000}[^\s<>|.,;:!?)\]'\"]|.", re.DOTALL)


class Slack:
    """Posts to one channel."""

    name = "slack"

    def __init__(self, wire: Wire, webhook_url: str) -> None:
        """`webhook_url`: a secret as a whole; whoever holds it can post."""
        self._wire = wire
        self._url = webhook_url

    def send(self, message: Message, deadline: float) -> Outcome:
        body = json.dumps(payload(message), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        answer = self._wire.post(self._url, body, deadline=deadline, headers=headers)
        return answer if isinstance(answer, Outcome) else _outcome(answer)

    def preview(self, message: Message) -> str:
        shown = json.dumps(payload(message), ensure_ascii=False, indent=2)
        return f"POST https://{host_of(self._url)}/***\n{shown}"


def payload(message: Message) -> dict[str, object]:
    """The webhook's JSON for `message`."""
    headline = fit(_escaped(message.first_line), SECTION_CHARACTERS)
    return {
        "text": headline,
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "attachments": [{"color": colour_of(message), "blocks": list(_blocks(message))}],
    }


def _blocks(message: Message) -> Iterator[dict[str, object]]:
    if message.roundup:
        for one in message.roundup:
            yield {"type": "section", "text": _mrkdwn(_line(one))}
        return
    # No more than could be shown, plus one to tell that there was more.
    for text in _sections(message.body[: BODY_SECTIONS * SECTION_CHARACTERS + 1].strip()):
        yield {"type": "section", "text": _mrkdwn(text)}
    if acknowledge := _link(message.acknowledge_url, "Acknowledge"):
        # A line of its own in full size, for a thumb; no button, as Slack wants each press of those answered.
        # Before the facts, as Slack folds away what comes after a few blocks.
        yield {"type": "section", "text": _mrkdwn(f"*{acknowledge}*")}
    facts = [
        _mrkdwn(fit(_pieces(f"*{name.strip()}*\n{value}"), FIELD_CHARACTERS)) for name, value in message.facts[:FIELDS]
    ]
    for first in range(0, len(facts), FIELDS_PER_SECTION):
        yield {"type": "section", "fields": facts[first : first + FIELDS_PER_SECTION]}
    if documentation := parsed(printable(message.documentation)):
        text = _documentation(shortened(documentation, SECTION_CHARACTERS, lambda some: len(_documentation(some))))
        yield {"type": "section", "text": _mrkdwn(text)}
    closing = [f"#{message.ref}"]
    if len(message.facts) > FIELDS:
        closing.append(f"{len(message.facts) - FIELDS} more values not shown")
    closing.append(_link(message.url, f"Open at {host_of(message.url)}"))
    yield {"type": "context", "elements": [_mrkdwn(" · ".join(filter(None, closing)))]}


def _line(message: Message) -> str:
    """One of several messages that are told in one."""
    parts = ["".join(_escaped(message.first_line)), _link(message.acknowledge_url, "Acknowledge")]
    return " · ".join(filter(None, parts))


def _documentation(blocks: Sequence[Block]) -> str:
    return together(blocks, _block)


def _block(block: Block) -> str:
    if block.form is Form.CODE:
        # Three of these would end the block, whatever stands around them.
        code = "\n".join(span.text for line in block.lines for span in line).replace("```", "'''")
        return f"```\n{''.join(_escaped(code))}\n```"
    bold, italic = ("*", "*"), ("_", "_")
    if block.form is Form.HEADING:
        return "\n".join(f"*{woven(line, _span, ('', ''), italic)}*" for line in block.lines)
    lines = [woven(line, _span, bold, italic) for line in block.lines]
    if block.form is Form.ITEM:
        indent = "    " * block.depth
        return f"{indent}{block.marker} " + f"\n{indent}   ".join(lines)
    return "\n".join(lines)


def _span(span: Span) -> str:
    text = "".join(_escaped(span.text))
    if span.link:
        return f"<{text}>" if len(text) <= LINK_CHARACTERS else text
    return f"`{text}`" if span.code else text


def _link(url: str, words: str) -> str:
    link = "".join(_escaped(url))
    if not re.fullmatch(r"https?://[^\s<>|]+", url) or len(link) > LINK_CHARACTERS:
        return ""
    return f"<{link}|{''.join(_escaped(words))}>"


def _sections(body: str) -> Iterator[str]:
    """`body` in as many sections as it takes, up to BODY_SECTIONS; the last one says when more was cut."""
    pieces = list(_pieces(body))
    for _ in range(BODY_SECTIONS - 1):
        room = SECTION_CHARACTERS
        end = 0
        while end < len(pieces) and len(pieces[end]) <= room:
            room -= len(pieces[end])
            end += 1
        if end == len(pieces):
            break
        # At a line's end where there is one, so that no word is torn.
        line_ends = [place for place in range(end // 2, end) if pieces[place] == "\n"]
        end = line_ends[-1] + 1 if line_ends else end
        yield from filter(str.strip, ["".join(pieces[:end])])
        pieces = pieces[end:]
    yield from filter(str.strip, [fit(pieces, SECTION_CHARACTERS)])


def _mrkdwn(text: str) -> dict[str, object]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _pieces(text: str) -> Iterator[str]:
    """`text`, escaped, in pieces none of which may be cut: an entity, a link, a character."""
    for found in _PIECE.finditer(printable(text)):
        escaped = "".join(_ENTITIES.get(character, character) for character in found[0])
        yield f"<{escaped}>" if len(found[0]) > 1 else escaped


def _escaped(text: str) -> Iterator[str]:
    return (_ENTITIES.get(character, character) for character in printable(text))


def _outcome(reply: Reply) -> Outcome:
    said = reply.body.decode("ascii", "replace").strip()
    if reply.status != 200 or not said or not reply.whole:  # noqa: PLR2004
        # Slack answers one word, such as no_service; anything else is somebody else's page.
        word = said if re.fullmatch(r"[a-z_]{1,60}", said) else "no reason given"
        outcome = verdict(reply, f"{word}; check SLACK_WEBHOOK_URL and its channel")
    elif said == "ok":
        outcome = Outcome(Result.SENT)
    else:
        # Whoever answers 200 in other words is not Slack's webhook: a page of a login or a proxy.
        outcome = Outcome(Result.REJECTED, f'{reply.host} answered 200 but not "ok": check SLACK_WEBHOOK_URL')
    return outcome
