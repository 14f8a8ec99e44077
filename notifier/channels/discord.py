"""Discord, by webhook (https://docs.discord.com/developers/resources/webhook#execute-webhook).

The headline is the content, and so the notification; the rest is one embed in the severity's colour.
The link to the sender's page stands in the text and not in the embed's own `url`: Discord refuses the whole
message with 400 over an address it finds odd, such as a host without a dot.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from notifier.channels.wire import Reply, Wire, fit, host_of, redact, seconds, verdict
from notifier.core.alert import Severity, printable
from notifier.core.incident import Kind
from notifier.core.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

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

_COLOURS = {
    Severity.INFO: 0x439FE0,
    Severity.WARNING: 0xF2C744,
    Severity.ERROR: 0xE8912D,
    Severity.CRITICAL: 0xD50200,
}
_GREEN = 0x2EB67D
# An address stays as it is: a backslash would break the link it is shown as. Its brackets would close
# or open a masked link, so it ends before one.
_PIECE = re.compile(
    r"https?://[^\s<>|`\\\[\]()]{1,1000}|(?P<mark>^[#>+-]|[*_~`|\\\[\]()<>])|.", re.DOTALL | re.MULTILINE
)


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
        "content": f"**{headline}** #{message.ref}",
        "embeds": [_embed(message)],
        "allowed_mentions": {"parse": []},
    }


def _embed(message: Message) -> dict[str, object]:
    description = fit(_pieces(message.body.strip()), BODY_CHARACTERS, _units)
    host = "".join(_pieces(host_of(message.url)))
    acknowledge = _link("Acknowledge", message.acknowledge_url)
    links = [f"**{acknowledge}**" if acknowledge else "", _link("Open the alert", message.url, f" at {host}")]
    description = "\n\n".join(filter(None, [description, " · ".join(filter(None, links))]))
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
        "color": _GREEN if message.kind is Kind.RESOLVED else _COLOURS[message.severity],
        "description": description,
        "fields": fields,
        "footer": {"text": footer},
    }


def _link(words: str, url: str, end: str = "") -> str:
    url = url.replace("(", "%28").replace(")", "%29")
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
