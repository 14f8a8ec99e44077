"""Reading one JSON object: what is optional never fails, what identifies an alert refuses by path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from notifier.core.alert import ID_CHARACTERS, TEXT_CHARACTERS, printable
from notifier.sources.reading import Unreadable, shown

# An id that is cut ends in this many hex digits of its hash: ids that begin alike must not become one incident.
_HASH_CHARACTERS = 32


class Fields(msgspec.Struct, frozen=True):
    """A JSON object and where it stands in the body."""

    values: Mapping[str, object]
    path: str = ""

    def at(self, name: str) -> str:
        """The path of a field, as a refusal names it: "incident.state"."""
        return f"{self.path}.{name}" if self.path else name

    def text(self, name: str) -> str:
        """An optional text, stripped; empty when it is missing or neither a string nor a number."""
        value = self.values.get(name)
        return "" if isinstance(value, bool) else scalar(value)

    def fields(self, name: str) -> Fields:
        """An optional object; without fields when it is missing or of another type."""
        value = self.values.get(name)
        return Fields(value if isinstance(value, dict) else {}, self.at(name))

    def items(self, name: str) -> list[object]:
        """An optional list; empty when it is missing or of another type."""
        value = self.values.get(name)
        return value if isinstance(value, list) else []

    def identity(self, name: str) -> str:
        """The id an alert is told by, of at most ID_CHARACTERS.

        Raises Unreadable: missing, empty, or neither a string nor a number.
        """
        value = self.values.get(name)
        whole = _whole(value)
        if not whole:
            raise Unreadable(f"expected a string or a number in {self.at(name)}, got {shown(value)}")
        if len(whole) <= ID_CHARACTERS:
            return whole
        digest = hashlib.sha256(whole.encode()).hexdigest()[:_HASH_CHARACTERS]
        return whole[: ID_CHARACTERS - _HASH_CHARACTERS] + digest

    def closed(self, name: str, words: Mapping[str, bool]) -> bool:
        """Whether the word in `name` means closed, by the table `words`: lower case, from open to closed.

        Raises Unreadable: not a word of the table.
        """
        value = self.values.get(name)
        word = printable(value[:ID_CHARACTERS]).strip().lower() if isinstance(value, str) else ""
        if word not in words:
            opening, *_, closing = words
            raise Unreadable(f"expected '{opening}' or '{closing}' in {self.at(name)}, got {shown(value)}")
        return words[word]


def scalar(value: object) -> str:
    """A JSON string, number or boolean as text, cut near TEXT_CHARACTERS; empty for all else."""
    match value:
        case str():
            # One more than is kept, so that `bounded` still sees, and marks, that something was cut.
            return value[: TEXT_CHARACTERS + 1].strip()
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return ""


def _whole(value: object) -> str:
    """An id uncut, without what `bounded` would take out of it; empty when there is none."""
    if isinstance(value, str):
        return printable(value).strip()
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""
