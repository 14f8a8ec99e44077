"""Words for people, made of a sender's fields: said once, and bounded before they are compared."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from notifier.core.alert import (
    LABEL_CHARACTERS,
    LABELS,
    TEXT_CHARACTERS,
    TITLE_CHARACTERS,
    URL_CHARACTERS,
    Label,
    cut,
    printable,
)
from notifier.sources.fields import Fields, scalar


def mentions(text: str, part: str) -> bool:
    """Whether `part` stands in `text` as whole words, in any case; nothing is always mentioned.

    Both are compared up to TITLE_CHARACTERS, as repetitive ones take quadratic time.
    """
    if not part:
        return True
    text, part = text[:TITLE_CHARACTERS].casefold(), part[:TITLE_CHARACTERS].casefold()
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        before, after = text[max(start - 1, 0) : start], text[end : end + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        start = text.find(part, start + 1)
    return False


def paragraphs(title: str, parts: Iterable[str]) -> str:
    """The parts as paragraphs, but for those that were said before, in the title or in an earlier part."""
    # Cut first: what will not stand in the title was not said there.
    said = [cut(title, TITLE_CHARACTERS)]
    room = TEXT_CHARACTERS
    for part in parts:
        if part and not any(part in earlier for earlier in said):
            said.append(part)
            room -= len(part)
        if room < 0:
            break
    return "\n\n".join(said[1:])


def flat_labels(*groups: tuple[str, Fields]) -> tuple[Label, ...]:
    """Labels of several objects in one list, each group with a prefix for when its name is taken.

    The first group to have a name keeps it bare; the same name with the same value is said once.
    """
    told: dict[str, str] = {}
    for prefix, group in groups:
        for name, value in islice(group.values.items(), LABELS):
            word = scalar(value)
            if not word or told.get(name) == word or not printable(name[:LABEL_CHARACTERS]).strip():
                continue
            told.setdefault(f"{prefix}.{name}" if name in told else name, word)
    return tuple(Label(name, value) for name, value in islice(told.items(), LABELS))


def first_web_address(*candidates: str) -> str:
    """The first that a link can be made of; empty when there is none."""
    return next(
        (url for url in candidates if url.startswith(("http://", "https://")) and len(url) <= URL_CHARACTERS),
        "",
    )
