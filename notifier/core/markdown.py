"""The Markdown of a policy's documentation, as blocks and spans that each channel puts into its own form.

Read is what Google itself shows of it (https://cloud.google.com/monitoring/alerts/doc-variables): headings, lists,
bold, italic, code, links. The rest, HTML too, is text and stays as it was written, and so do the ends of lines.
A link is always an http(s) address that shows itself, after the words it was given: in an alert nobody hides an
address behind other words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum, auto
from itertools import groupby

import msgspec

from notifier.core.alert import is_web_address

MOST_DEPTH = 3
CUT = "… (more in the alerting policy)"


class Form(Enum):
    PARAGRAPH = auto()
    HEADING = auto()
    ITEM = auto()
    CODE = auto()


class Span(msgspec.Struct, frozen=True):
    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    link: bool = False
    """`text` is a web address, and may lead there. Nothing else ever may."""


Line = tuple[Span, ...]


class Block(msgspec.Struct, frozen=True):
    form: Form
    lines: tuple[Line, ...]
    marker: str = ""
    """Of an item: "•", or its number as it was written."""
    depth: int = 0
    """Of an item: 0 to MOST_DEPTH."""


_FENCE = re.compile(r" {0,3}(```|~~~)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(?=\S)")
_ITEM = re.compile(r"([ \t]*)([-+*]|\d{1,4}[.)])[ \t]+(?=\S)")
_RULE = re.compile(r"[ \t]*([-*_])(?:[ \t]*\1){2,}[ \t]*")

_ADDRESS = r"https?://[^\s<>|\\^`{}\"]{0,1000}[^\s<>|\\^`{}\".,;:!?)\]'*_~]"
# Each repetition is bounded, so that no text takes long, whatever it is.
_INLINE = re.compile(
    rf"""
      \\(?P<escaped>[!-/:-@\[-`{{-~])
    | `(?P<code>[^`]{{1,500}})`
    | !?\[(?P<words>[^\[\]]{{0,300}})\]
      \(<?(?P<target>[^\s()<>]{{1,2000}}(?:\([^\s()<>]{{0,200}}\)[^\s()<>]{{0,200}})?)>?(?:[ ]+"[^"]{{0,200}}")?\)
    | (?P<address>{_ADDRESS})
    | \*\*(?=[^\s*])(?P<bold>.{{1,500}}?)(?<=\S)\*\*
    | (?<!\w)__(?=[^\s_])(?P<bold_too>.{{1,500}}?)(?<=\S)__(?!\w)
    | \*(?=[^\s*])(?P<italic>[^*]{{1,500}})(?<=\S)\*
    | (?<!\w)_(?=[^\s_])(?P<italic_too>.{{1,500}}?)(?<=\S)_(?!\w)
    """,
    re.VERBOSE,
)
_ADDRESSES = re.compile(_ADDRESS)


def parsed(text: str) -> tuple[Block, ...]:
    """The blocks of Markdown `text`, which holds no control characters."""
    return tuple(_blocks(text.split("\n")))


def plain(text: str) -> tuple[Block, ...]:
    """The paragraphs of a `text` that is no Markdown; only addresses are told apart."""
    paragraphs = (part.strip("\n") for part in re.split(r"\n[ \t]*\n", text))
    return tuple(
        Block(Form.PARAGRAPH, tuple(tuple(_with_addresses(line)) for line in part.split("\n")))
        for part in paragraphs
        if part.strip()
    )


def woven(line: Line, shown: Callable[[Span], str], bold: tuple[str, str], italic: tuple[str, str]) -> str:
    """One line in a channel's form: each span as it is `shown`, what is bold or italic between its marks."""
    parts = []
    for is_bold, spans in groupby(line, lambda span: span.bold):
        inner = []
        for is_italic, some in groupby(spans, lambda span: span.italic):
            words = "".join(map(shown, some))
            inner.append(f"{italic[0]}{words}{italic[1]}" if is_italic else words)
        words = "".join(inner)
        parts.append(f"{bold[0]}{words}{bold[1]}" if is_bold else words)
    return "".join(parts)


def together(blocks: Iterable[Block], shown: Callable[[Block], str]) -> str:
    """All blocks in a channel's form: an empty line between them, none within a list."""
    text, last = "", None
    for block in blocks:
        gap = "\n" if last is block.form is Form.ITEM else "\n\n"
        text += (gap if text else "") + shown(block)
        last = block.form
    return text


def shortened(blocks: Sequence[Block], room: int, measure: Callable[[Sequence[Block]], int]) -> tuple[Block, ...]:
    """As many whole lines as `room` holds by `measure`; the last paragraph says when more was cut."""
    if measure(blocks) <= room:
        return tuple(blocks)
    end = Block(Form.PARAGRAPH, ((Span(CUT),),))

    def fits(some: Sequence[Block]) -> bool:
        return measure((*some, end)) <= room

    whole = _most(len(blocks), lambda count: fits(blocks[:count]))
    kept, following = tuple(blocks[:whole]), blocks[whole]
    lines = _most(len(following.lines), lambda count: count == 0 or fits((*kept, _part(following, count))))
    if lines:
        return (*kept, _part(following, lines), end)
    if kept:
        return (*kept, end)
    # A single line that is too long for all of it.
    words = "".join(span.text for span in following.lines[0])

    def beginning(count: int) -> Block:
        span = Span(words[:count], code=following.form is Form.CODE)
        return msgspec.structs.replace(following, lines=((span,),))

    return (beginning(_most(len(words), lambda count: fits((beginning(count),)))), end)


def _part(block: Block, lines: int) -> Block:
    return msgspec.structs.replace(block, lines=block.lines[:lines])


def _most(highest: int, holds: Callable[[int], bool]) -> int:
    """The highest number that holds, of 0 to `highest`; 0 always does."""
    low = 0
    while low < highest:
        middle = (low + highest + 1) // 2
        if holds(middle):
            low = middle
        else:
            highest = middle - 1
    return low


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if fence := _FENCE.match(line):
            end = next((at for at in range(place, len(lines)) if lines[at].strip().startswith(fence[1])), len(lines))
            if code := tuple((Span(one, code=True),) for one in lines[place:end]):
                yield Block(Form.CODE, code)
            place = end + 1
        elif _RULE.fullmatch(line) or not line.strip():
            continue
        elif heading := _HEADING.match(line):
            yield Block(Form.HEADING, (_inline(_heading(line[heading.end() :].strip())),))
        else:
            item = _ITEM.match(line)
            end = next((at for at in range(place, len(lines)) if _ends(lines[at], within_item=bool(item))), len(lines))
            words = [line[item.end() :] if item else line, *lines[place:end]]
            shown = tuple(_inline(one.strip()) for one in words)
            if item:
                depth = min(len(item[1].expandtabs(4)) // 2, MOST_DEPTH)
                yield Block(Form.ITEM, shown, item[2] if item[2][0].isdigit() else "•", depth)
            else:
                yield Block(Form.PARAGRAPH, shown)
            place = end


def _heading(words: str) -> str:
    """Without the marks that may close it: "Disk ##" is "Disk", and "C#" is "C#"."""
    bare = words.rstrip("#")
    return bare.rstrip() if bare[-1:].isspace() else words


def _ends(line: str, *, within_item: bool) -> bool:
    """Whether `line` does not go on with the paragraph or item above it."""
    if not line.strip() or _RULE.fullmatch(line) or any(one.match(line) for one in (_FENCE, _HEADING, _ITEM)):
        return True
    return within_item and not line[0].isspace()


def _inline(text: str, *, bold: bool = False, italic: bool = False) -> Line:
    spans: list[Span] = []
    place = 0
    for found in _INLINE.finditer(text):
        spans.append(Span(text[place : found.start()], bold, italic))
        spans += _special(found, bold=bold, italic=italic)
        place = found.end()
    spans.append(Span(text[place:], bold, italic))
    return tuple(span for span in spans if span.text)


def _special(found: re.Match[str], *, bold: bool, italic: bool) -> Line:
    if found["escaped"]:
        return (Span(found["escaped"], bold, italic),)
    if found["code"]:
        return (Span(found["code"], bold, italic, code=True),)
    if found["target"]:
        return _link(found["words"].strip(), found["target"], bold=bold, italic=italic)
    if address := found["address"]:
        return (Span(address, bold, italic, link=is_web_address(address)),)
    if words := found["bold"] or found["bold_too"]:
        return _inline(words, bold=True, italic=italic)
    return _inline(found["italic"] or found["italic_too"], bold=bold, italic=True)


def _link(words: str, target: str, *, bold: bool, italic: bool) -> Line:
    address = Span(target, bold, italic, link=is_web_address(target))
    if words in ("", target):
        return (address,)
    before = _inline(words, bold=bold, italic=italic)
    return (*before, Span(" (", bold, italic), address, Span(")", bold, italic))


def _with_addresses(line: str) -> Iterator[Span]:
    place = 0
    for found in _ADDRESSES.finditer(line):
        yield Span(line[place : found.start()])
        yield Span(found[0], link=is_web_address(found[0]))
        place = found.end()
    yield Span(line[place:])
