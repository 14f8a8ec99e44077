"""A channel's messages, drawn as people see them there: for pictures only.

Drawn by us, as Slack, Discord and a mail program show what they are sent; nothing here is taken from any of them. What
is drawn is what the channel puts on the wire: Slack's and Discord's JSON, a whole mail. Of their marks only those are
known that our channels write. All text is escaped, and nothing is loaded from anywhere.
"""

from __future__ import annotations

import email
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from email import policy
from html import escape, unescape
from typing import Any

import msgspec

_SLACK_TIME, _DISCORD_TIME, _MAIL_DATE = "%-I:%M %p", "%H:%M", "%-d %b %Y, %H:%M"


class Post(msgspec.Struct, frozen=True):
    """What was posted to Slack or Discord, and when."""

    at: datetime
    payload: dict[str, Any]


_CODE = r"```\n?(?P<block>.*?)\n?```|`(?P<code>[^`\n]+)`"
_SLACK_MARKS = re.compile(
    _CODE + r"|<(?P<url>https?://[^|>]+)(?:\|(?P<words>[^>]*))?>"
    r"|(?<!\w)\*(?P<bold>[^*\n]+)\*(?!\w)|(?<!\w)_(?P<italic>[^_\n]+)_(?!\w)",
    re.DOTALL,
)
_DISCORD_MARKS = re.compile(
    _CODE
    + r"|\\(?P<escaped>[^a-zA-Z0-9\s])|\[(?P<words>[^\]\n]+)\]\((?P<url>https?://[^)\s]+)\)|(?P<bare>https?://[^\s)]+)"
    r"|\*\*(?P<bold>.+?)\*\*|\*(?P<italic>[^*\n]+)\*|(?:^|(?<=\n))(?P<item> *- )",
    re.DOTALL,
)


_TAGS = {"block": "pre", "code": "code", "url": "a", "bare": "a", "bold": "b", "italic": "em"}
_HOLDS_MARKS = {"bold", "italic"}


def slack(posts: Iterable[Post]) -> str:
    """Slack's channel with `posts` in it."""
    return _page(_SLACK_STYLE, "".join(map(_slack_post, posts)))


def discord(posts: Iterable[Post]) -> str:
    """Discord's channel, in the dark as most have it."""
    return _page(_DISCORD_STYLE, "".join(map(_discord_post, posts)))


def mail(raw: bytes) -> str:
    """One mail: its subject, whom it is from and to, when it was sent, and its own HTML."""
    message = email.message_from_bytes(raw, policy=policy.default)
    part = message.get_body(("html",))
    assert part is not None
    body = re.search(r'<body style="(?P<style>[^"]*)">(?P<inside>.*)</body>', part.get_content(), re.DOTALL)
    assert body is not None
    (sender,) = message["From"].addresses
    head = (
        f"<h1>{escape(message['Subject'])}</h1>"
        f"<header><b>{escape(sender.display_name)}</b><i>{message['Date'].datetime:{_MAIL_DATE}}</i></header>"
        f'<p class="small">to {escape(message["To"])}</p>'
    )
    return _page(_MAIL_STYLE, f'{head}<div style="{body["style"]}">{body["inside"]}</div>')


def _slack_post(post: Post) -> str:
    (attachment,) = post.payload["attachments"]
    assert not post.payload["mrkdwn"]  # then no mark in the text means anything
    text = escape(unescape(post.payload["text"]))
    blocks = "".join(map(_slack_block, attachment["blocks"]))
    bar = f"border-color:{escape(attachment['color'])}"
    return _post(post, f'<p>{text}</p><div class="bar" style="{bar}">{blocks}</div>', _SLACK_TIME)


def _slack_block(block: dict[str, Any]) -> str:
    match block:
        case {"type": "section", "fields": fields}:
            return f'<div class="fields">{"".join(map(_slack_text, fields))}</div>'
        case {"type": "section", "text": text}:
            return _slack_text(text)
        case {"type": "context", "elements": elements}:
            return f'<div class="small">{"".join(map(_slack_text, elements))}</div>'
    raise AssertionError(f"nobody has said how Slack shows {block}")


def _slack_text(text: dict[str, Any]) -> str:
    assert text["type"] == "mrkdwn"
    return f"<p>{_marked(_SLACK_MARKS, text['text'], unescape)}</p>"


def _discord_post(post: Post) -> str:
    (embed,) = post.payload["embeds"]
    fields = "".join(
        f"<p><b>{_markdown(one['name'])}</b>\n{_markdown(one['value'])}</p>" for one in embed.get("fields", ())
    )
    footer = escape(embed.get("footer", {}).get("text", ""))
    inside = f"<p>{_markdown(embed['description'])}</p>" if embed["description"] else ""
    inside += f'<div class="fields">{fields}</div>' if fields else ""
    inside += f'<p class="small">{footer}</p>' if footer else ""
    bar = f"border-color:#{embed['color']:06x}"
    content = f"<p>{_markdown(post.payload['content'])}</p>"
    return _post(post, f'{content}<div class="bar" style="{bar}">{inside}</div>', _DISCORD_TIME)


def _markdown(text: str) -> str:
    return _marked(_DISCORD_MARKS, text, str)


def _post(post: Post, inside: str, clock: str) -> str:
    head = f"<b>notifier</b><small>APP</small><i>{post.at:{clock}}</i>"
    return f'<article><span class="who">n</span><div><header>{head}</header>{inside}</div></article>'


def _marked(marks: re.Pattern[str], text: str, plain: Callable[[str], str]) -> str:
    """`text` as HTML. `plain`: takes the medium's own escapes out of what is no mark."""

    def pieces() -> Iterator[str]:
        end = 0
        for found in marks.finditer(text):
            yield escape(plain(text[end : found.start()]))
            yield mark({name: value for name, value in found.groupdict().items() if value is not None})
            end = found.end()
        yield escape(plain(text[end:]))

    def mark(found: dict[str, str]) -> str:
        (what, *_) = found.keys() - {"words"}
        words = found.get("words", found[what])
        tag = _TAGS.get(what)
        inside = _marked(marks, words, plain) if what in _HOLDS_MARKS else escape(plain(words))
        return f"<{tag}>{inside}</{tag}>" if tag else inside.replace("- ", "• ")

    return "".join(pieces())


def _page(style: str, inside: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}{style}</style>{inside}'
    )


_STYLE = """
* { box-sizing: border-box; }
html { color-scheme: light; }
body { margin: 0; padding: 8px 0; font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
article { display: flex; gap: 10px; padding: 10px 16px; }
article > div { flex: 1; min-width: 0; }
.who { flex: none; width: 36px; height: 36px; border-radius: 8px; background: #3b4350; color: #fff; text-align: center;
  font: 700 20px/34px system-ui, sans-serif; }
header { display: flex; align-items: baseline; gap: 6px; }
header small { padding: 0 4px; border-radius: 3px; font-size: 10px; font-weight: 700; line-height: 1.5; }
header i, .small { font-style: normal; font-size: 12px; }
p { margin: 0; white-space: pre-wrap; }
a { color: var(--link); }
code, pre { font: 12.5px/1.45 monospace; border: 1px solid var(--line); border-radius: 4px; background: var(--code); }
code { padding: 1px 3px; }
pre { margin: 4px 0; padding: 6px 8px; white-space: pre-wrap; }
.bar { margin-top: 6px; border-left: 4px solid; border-radius: 4px; }
.bar > * + * { margin-top: 8px; }
.fields { display: grid; gap: 8px; }
"""
_SLACK_STYLE = """
:root { --link: #1264a3; --line: #ddd; --code: #f8f8f8; }
body { background: #fff; color: #1d1c1d; }
header small { background: #e8e8e8; color: #616061; }
header i, .small { color: #616061; }
a { text-decoration: none; }
code { color: #c01343; }
.bar { padding: 2px 0 2px 12px; }
.fields { grid-template-columns: 1fr 1fr; }
"""
_DISCORD_STYLE = """
:root { --link: #4aa8ff; --line: #3a3c43; --code: #1e1f22; }
html { color-scheme: dark; }
body { background: #313338; color: #dbdee1; }
header b, .fields b { color: #f2f3f5; }
header small { background: #5865f2; color: #fff; }
header i, .small { color: #a3a6ae; }
a { text-decoration: none; }
.who { border-radius: 50%; background: #6b7380; line-height: 33px; }
.bar { padding: 10px 14px; background: #2b2d31; font-size: 14px; }
.fields { grid-template-columns: 1fr 1fr 1fr; }
.fields b { font-size: 13px; }
"""
_MAIL_STYLE = """
body { background: #fff; color: #1f2328; }
body > h1, header, .small { margin: 0; padding: 2px 16px; }
body > h1 { font-size: 20px; line-height: 1.3; font-weight: 400; }
header { justify-content: space-between; }
header i, .small { color: #5b636d; }
div p { white-space: normal; }
div code, div pre { border: 0; background: none; font-size: inherit; }
"""
