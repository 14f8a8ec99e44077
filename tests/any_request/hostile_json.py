"""JSON of hostile shape: real bodies with some of their places changed, and what no honest sender writes at all."""

from __future__ import annotations

import base64
import gzip
import json
from random import Random
from typing import Any

from tests.sources.bodies import FOLDER

BODIES = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.json"))}
MOST_ALERTS = 300
"""Of one body: each costs its 0.8 ms in the store, and a request of thousands is slow by right (it has 9 s)."""
LARGE = 1_048_576


class Pairs(list[tuple[str, Any]]):
    """A JSON object as its names and values stand there: a name may stand there twice."""


class Raw(str):
    """Written as it is, whatever it is."""

    __slots__ = ()


NUMBERS = [
    *["0", "-0", "-1", "1e999", "-1e999", "1e-999", "0.1e1", "1E400", "9" * 400, "9" * 5_000, "-" + "9" * 41, "1" * 40],
    *["253402300800", "-62135596801", "1600000000.5", "4102444800", "NaN", "Infinity", "-Infinity"],
]
NO_JSON = [
    "nul",
    "'a'",
    "01",
    "+1",
    ".5",
    "1.",
    "0x10",
    "[1,]",
    "{,}",
    '"\\x"',
    '"\\ud83d"',
    '"',
    "\x00",
    "/**/1",
    "\ufeff1",
]
TEXTS = [
    *[
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff\ud800",
        "\ud83d\ude00",
        "\r\nSet-Cookie: a=b",
        "\u202eabc",
        "\u2028",
    ],
    *[
        "<script>alert(1)</script>",
        "{{7*7}}",
        "${jndi:ldap://127.0.0.1/a}",
        "'; DROP TABLE documents; --",
        "%s%n",
        "../..",
    ],
    *[
        "http://127.0.0.1:9/x",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//a.example",
    ],
    *["open", "closed", "OPEN", "firing", "resolved", "test", "critical", "CRITICAL", "error", "warning", "info", "ok"],
    *[
        "No severity",
        "null",
        "true",
        "1",
        "4",
        "1700000000",
        "2026-07-01T12:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31",
    ],
    *[
        "👩‍👩‍👧‍👦" * 9,
        "é" * 99,
        "e\u0301" * 50,
        "x" * 501,
        "\u1e9e" * 70,
        "a" * 8_001,
        "\U000e0001" * 20,
        "ack",
        "STOP",
    ],
]
NAMES = [
    *["incident", "incident_id", "state", "severity", "policy_user_labels", "started_at", "ended_at", "condition"],
    *["resource", "labels", "documentation", "content", "links", "observed_value", "summary", "version", "alerts"],
    *["status", "startsAt", "fingerprint", "annotations", "values", "orgId", "group_info", "exception_info"],
    *["event_info", "subject", "message", "data", "messageId", "message_id", "subscription", "attributes", "text"],
    *["title", "id", "level", "url", "truncatedAlerts", "policy_name", "__proto__", "", "\x00", "\ud800", "a" * 3_000],
]
IDS = ["db", "web", "a", "b", "c", "d", "0.x", "\x00", "é", "x" * 600]
"""Few, so that incidents are closed, repeated and opened again."""


def any_body(dice: Random) -> bytes:
    """A body for POST /: an alert, nearly one, or nothing like it."""
    kind = dice.randrange(100)
    if kind < 8:
        return dice.randbytes(dice.choice([0, 1, 7, 40, 300]))
    if kind < 12:
        return _shape(dice)
    if kind < 14:
        return any_text(dice).encode("utf-8", "surrogatepass")
    if kind < 20:
        plain = {
            "title": any_text(dice),
            "text": any_text(dice),
            "id": dice.choice(IDS),
            "severity": dice.choice(TEXTS),
        }
        body = json.dumps(dict(dice.sample(list(plain.items()), dice.randrange(1, 5)))).encode()
    else:
        body = _real_body(dice)
    if dice.randrange(5) == 0:
        body = _in_an_envelope(dice, body)
    return _bytes_changed(dice, body) if dice.randrange(5) == 0 else body


def any_text(dice: Random) -> str:
    """A hostile text, or a made-up one of any characters."""
    if dice.randrange(3):
        return dice.choice(TEXTS)
    return "".join(
        chr(dice.choice([dice.randrange(128), dice.randrange(0x3000), dice.randrange(0x110000)]))
        for _ in range(dice.randrange(12))
    )


def _real_body(dice: Random) -> bytes:
    name = dice.choice(list(BODIES))
    body = json.loads(BODIES[name], object_pairs_hook=Pairs)
    _name_one_of_few(dice, body)
    for _ in range(dice.choice([0, 1, 1, 2, 4])):
        _change_one_place(dice, body)
    return _written(body).encode("utf-8", "surrogatepass")


def _name_one_of_few(dice: Random, value: object) -> None:
    """Give what identifies an alert one of few ids, so that the same incident comes again."""
    for holder, key in list(_places(value)):
        named = holder[key][0] if isinstance(holder, Pairs) else ""
        if named in ("incident_id", "fingerprint", "id") and dice.randrange(4):
            holder[key] = (named, dice.choice(IDS))


def _change_one_place(dice: Random, body: Any) -> None:
    places = list(_places(body))
    if not places:
        return
    holder, key = dice.choice(places)
    value = holder[key][1] if isinstance(holder, Pairs) else holder[key]
    name = holder[key][0] if isinstance(holder, Pairs) else ""
    match dice.randrange(8):
        case 0:
            del holder[key]
        case 1:
            holder.insert(
                dice.randrange(len(holder) + 1), (name, _any_value(dice)) if isinstance(holder, Pairs) else value
            )
        case 2 if isinstance(holder, Pairs):
            holder[key] = (dice.choice(NAMES), value)
        case 3 if isinstance(holder, list) and not isinstance(holder, Pairs):
            holder.extend([value] * dice.choice([1, 1, 1, 8, 8, MOST_ALERTS - 10]))
        case 4 if isinstance(holder, Pairs):
            other = json.loads(BODIES[dice.choice(list(BODIES))], object_pairs_hook=Pairs)
            holder[key] = (
                name,
                dice.choice([found[at][1] if isinstance(found, Pairs) else found[at] for found, at in _places(other)]),
            )
        case _:
            new = _any_value(dice)
            holder[key] = (name, new) if isinstance(holder, Pairs) else new


def _any_value(dice: Random, depth: int = 0) -> object:  # noqa: PLR0911 - one for each kind
    match dice.randrange(9 if depth < 3 else 5):
        case 0:
            return dice.choice([None, True, False])
        case 1:
            return Raw(dice.choice(NUMBERS))
        case 2 if dice.randrange(4) == 0:
            return Raw(dice.choice(NO_JSON))
        case 5:
            return [_any_value(dice, depth + 1) for _ in range(dice.randrange(4))]
        case 6:
            return Pairs((dice.choice(NAMES), _any_value(dice, depth + 1)) for _ in range(dice.randrange(5)))
        case 7 if dice.randrange(10) == 0:
            return Raw(_nested(dice))
        case _:
            return any_text(dice)


def _shape(dice: Random) -> bytes:  # noqa: PLR0911 - one for each shape
    """Large or deep, and no alert of anybody's."""
    many = dice.choice([10, 1_000, 5_000])
    match dice.randrange(9):
        case 0:
            return _nested(dice).encode()
        case 1:
            return b'{"title": "x", "labels": ' + _nested(dice).encode() + b"}"
        case 2:
            return json.dumps({"title": "x", "labels": {str(number): "y" for number in range(many)}}).encode()
        case 3:
            return b"{" + b'"title": "a", ' * many + b'"title": "b"}'
        case 4:
            return json.dumps({"alerts": [{"status": number} for number in range(many)]}).encode()
        case 5:
            return b'{"title": "x", "id": ' + b"9" * many * 10 + b"}"
        case 6:
            return json.dumps({"title": "e\u0301" * many, "text": "👩‍👩‍👧" * many, "id": dice.choice(IDS)}).encode()
        case 7:
            content = json.dumps({"title": "x" * many}).encode()
            return dice.choice(
                [gzip.compress(content, 1), content.decode().encode("utf-16"), b"\xef\xbb\xbf" + content]
            )
        case _:
            # Large ones are rare: they are slow to make, and say little.
            size = LARGE + dice.choice([-1, 0, 1, LARGE]) if dice.randrange(20) == 0 else many
            return b'{"title": "x"}'.ljust(size, dice.choice([b" ", b"[", b"\x00"]))


def _nested(dice: Random) -> str:
    deep = dice.choice([5, 200, 990, 3_000, 50_000])
    opening, closing = dice.choice([("[", "]"), ('{"a":', "}"), ('[{"labels":', "}]")])
    return opening * deep + dice.choice(["1", "", '"x"']) + closing * dice.choice([deep, deep, 0])


def _in_an_envelope(dice: Random, body: bytes) -> bytes:
    data = dice.choice([base64.b64encode(body), base64.b64encode(body), base64.urlsafe_b64encode(body), body])
    number = str(dice.randrange(40)) if dice.randrange(4) else _any_value(dice)
    message = Pairs(
        [
            ("data", data.decode("latin-1") if dice.randrange(8) else _any_value(dice)),
            (dice.choice(["messageId", "message_id"]), number),
        ]
    )
    envelope = Pairs([("message", message)])
    if dice.randrange(5):
        envelope.append(("subscription", "projects/p/subscriptions/s"))
    return _written(envelope).encode("utf-8", "surrogatepass")


def _bytes_changed(dice: Random, body: bytes) -> bytes:
    """Cut, overwritten or doubled on its way."""
    for _ in range(dice.choice([1, 1, 3])):
        at, end = sorted((dice.randrange(len(body) + 1), dice.randrange(len(body) + 1)))
        end = min(end, at + dice.choice([0, 1, 8, len(body)]))
        body = (
            body[:at]
            + dice.choice([b"", b"\x00", b"\xff", b'"', b"{", body[at:end] * 2, dice.randbytes(3)])
            + body[end:]
        )
    return body


def _places(value: object) -> list[tuple[Any, int]]:
    """Every list and object at or below `value`, with each of its indices."""
    found: list[tuple[Any, int]] = []
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, list):
            found += [(one, index) for index in range(len(one))]
            left += [item[1] if isinstance(one, Pairs) else item for item in one]
    return found


def _written(value: object) -> str:
    match value:
        case Pairs():
            return "{" + ", ".join(f"{json.dumps(name)}: {_written(inner)}" for name, inner in value) + "}"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case Raw():
            return str(value)
        case _:
            return json.dumps(value)
