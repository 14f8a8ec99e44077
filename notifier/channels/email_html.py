"""A mail's HTML: what any mail program shows, on a phone, in the dark and in any script.

Styles stand in the elements, as programs drop what stands in the head. Nothing is loaded from anywhere. Ink and paper
are the reader's own, so that a dark mode has nothing to turn around; only the button and the bar have a colour.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from notifier.channels.wire import host_of
from notifier.core.alert import is_web_address, printable
from notifier.core.colour import colour_of
from notifier.core.markdown_html import html_of_markdown, html_of_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifier.core.message import Message

_BUTTON = (
    "display:inline-block;padding:14px 28px;border-radius:8px;background-color:#0b5cad;color:#ffffff;"
    "font-size:18px;font-weight:bold;text-decoration:none"
)


_PAGE = "margin:0;padding:16px;color-scheme:light dark;font-family:system-ui,sans-serif;font-size:16px;line-height:1.5"


def html_of(message: Message) -> str:
    """The HTML part of the mail, whole."""
    inside = "\n".join(_parts(message))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_text(message.headline)}</title>
</head>
<body style="{_PAGE}">
<div style="max-width:640px;margin:0 auto;border-top:6px solid {colour_of(message)};overflow-wrap:anywhere">
{inside}
</div>
</body>
</html>
"""


def _parts(message: Message) -> Iterator[str]:
    yield f'<h1 dir="auto" style="margin:16px 0;font-size:20px;line-height:1.3">{_text(message.headline)}</h1>'
    yield html_of_plain(message.body)
    if is_web_address(message.acknowledge_url):
        link = _link(message.acknowledge_url, f"Acknowledge #{message.ref}", f' style="{_BUTTON}"')
        yield f'<p style="margin:20px 0">{link}</p>'
    if message.facts:
        rows = "\n".join(_row(name, value) for name, value in message.facts)
        yield f'<table style="border-collapse:collapse;margin:12px 0">\n{rows}\n</table>'
    if message.documentation:
        documentation = html_of_markdown(message.documentation)
        yield f'<div style="margin:20px 0;padding-left:12px;border-left:4px solid #8a939f">\n{documentation}\n</div>'
    if is_web_address(message.url):
        yield f'<p style="margin:12px 0">{_link(message.url, f"Open at {host_of(message.url)}")}</p>'
    for one in message.roundup:
        link = f"<br>\n{_link(one.acknowledge_url, 'Acknowledge')}" if is_web_address(one.acknowledge_url) else ""
        yield f'<p dir="auto" style="margin:12px 0">{_text(one.first_line)}{link}</p>'
    if message.ref:
        yield f'<p style="margin:12px 0">#{_text(message.ref)}</p>'


def _link(url: str, words: str, style: str = "") -> str:
    return f'<a href="{_text(url)}" rel="noreferrer"{style}>{_text(words)}</a>'


def _row(name: str, value: str) -> str:
    cell = 'dir="auto" style="padding:2px 12px 2px 0;text-align:start;vertical-align:top'
    return f'<tr><th scope="row" {cell};font-weight:bold">{_text(name)}</th><td {cell}">{_text(value)}</td></tr>'


def _text(words: str) -> str:
    return escape(printable(words))
