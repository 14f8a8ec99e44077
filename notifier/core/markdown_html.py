"""Blocks of text as HTML, for the mail and the page behind an acknowledge link.

Made of nothing but p, strong, em, code, pre, ul, li, br and a; a link shows the address it leads to. All text is
escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby

from notifier.core.alert import printable
from notifier.core.markdown import Block, Form, Line, Span, parsed, plain, woven


def html_of_markdown(text: str, *, styled: bool = True) -> str:
    """Markdown `text` as HTML that holds nothing live but links to http(s) addresses.

    `styled`: with each style in its element, as a mail needs it, and a page of ours must not have it.
    """
    html = "\n".join(_elements(parsed(printable(text))))
    # No quote stands in what is escaped: only our own styles match.
    return html if styled else re.sub(' style="[^"]*"', "", html)


def html_of_plain(text: str) -> str:
    """`text` as paragraphs, its addresses as links."""
    return "\n".join(_elements(plain(printable(text))))


def _elements(blocks: Iterable[Block]) -> Iterator[str]:
    for is_list, some in groupby(blocks, lambda block: block.form is Form.ITEM):
        if is_list:
            items = "\n".join(map(_item, some))
            yield f'<ul style="list-style:none;margin:12px 0;padding:0">\n{items}\n</ul>'
        else:
            yield from map(_element, some)


def _item(block: Block) -> str:
    # The marker is text: a number stays what was written, whatever stands between it and the one before.
    style = f"margin:4px 0 4px {24 * block.depth}px"
    return f'<li dir="auto" style="{style}">{escape(block.marker)} {_lines(block)}</li>'


def _element(block: Block) -> str:
    if block.form is Form.CODE:
        code = "\n".join(escape(span.text) for line in block.lines for span in line)
        return f'<pre style="margin:12px 0;white-space:pre-wrap"><code>{code}</code></pre>'
    words = _lines(block)
    if block.form is Form.HEADING:
        words = f"<strong>{words}</strong>"
    return f'<p dir="auto" style="margin:12px 0">{words}</p>'


def _lines(block: Block) -> str:
    return "<br>\n".join(map(_line, block.lines))


def _line(line: Line) -> str:
    return woven(line, _span, ("<strong>", "</strong>"), ("<em>", "</em>"))


def _span(span: Span) -> str:
    text = escape(span.text)
    if span.link:
        return f'<a href="{text}" rel="noreferrer">{text}</a>'
    return f"<code>{text}</code>" if span.code else text
