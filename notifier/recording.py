"""Recorded alerts: files of bodies, as senders posted them, and when each came."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from notifier.body import BODY_BYTES
from notifier.sources import Reading, Unreadable, pubsub, read
from notifier.sources.decode import decode
from notifier.sources.fields import Fields
from notifier.sources.reading import shown
from notifier.sources.times import from_rfc3339, from_unix

APART = timedelta(seconds=10)
"""Between two bodies that say nothing of when they came."""
BEGINS = datetime(2026, 1, 1, 9, tzinfo=UTC)
"""When the first one came, where nothing says so: always the same, so that two runs can be compared."""
LONGEST = timedelta(days=31)
"""A recording of a longer time says of each body when it came."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One body."""

    where: str
    """The file, and the place in it."""
    at: datetime | timedelta | None
    """When it came: a moment, or how long after the beginning; None where nothing says so."""
    reading: Reading


class Problem(msgspec.Struct, frozen=True):
    """What could not be read: it is told, and the others go on."""

    where: str
    words: str


def recorded(name: str, content: bytes) -> Iterator[Recorded | Problem]:
    """What stands in a file: one body, an array of bodies, or JSON Lines with one on each.

    Instead of a body also `{"at": ..., "body": {...}}`; `at` is a time with its offset from UTC (RFC 3339), or how long
    after the beginning it came: `"90s"`, `"10m"`, or seconds as a number.
    """
    try:
        value = decode(content)
    except Unreadable as whole:
        lines = [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
        if len(lines) < 2 or not _is_json(lines[0][1]):  # noqa: PLR2004 - one line is no JSON Lines
            yield Problem(name, whole.reason)
            return
        for number, line in lines:
            where = f"{name}, line {number}"
            try:
                yield from _of_value(where, decode(line))
            except Unreadable as exc:
                yield Problem(where, exc.reason)
        return
    if isinstance(value, list):
        for number, one in enumerate(value, 1):
            yield from _of_value(f"{name}, body {number}", one)
    else:
        yield from _of_value(name, value)


def _is_json(line: bytes) -> bool:
    try:
        decode(line)
    except Unreadable:
        return False
    return True


def _of_value(where: str, value: object) -> Iterator[Recorded | Problem]:
    at: datetime | timedelta | None = None
    body = value
    if isinstance(value, dict) and "body" in value and value.keys() <= {"at", "body"}:
        at, body = moment_of(value.get("at")), value["body"]
        if at is None and value.get("at") is not None:
            expected = 'expected a time such as "2026-01-31T03:12:00Z" or "90s" in at'
            yield Problem(where, f"{expected}, got {shown(value['at'])}")
            return
    try:
        posted = json.dumps(body).encode()
        reading = read(posted)
    except RecursionError:
        yield Problem(where, "expected JSON nested a few levels deep, got hundreds of levels")
        return
    except Unreadable as exc:
        yield Problem(where, exc.reason)
        return
    if len(posted) > BODY_BYTES:
        yield Problem(where, f"the pager takes at most {BODY_BYTES} bytes at once, and would answer 413")
        return
    yield from (Problem(where, words) for words in reading.unreadable)
    if reading.alerts:
        yield Recorded(where=where, at=at if at is not None else told_at(body), reading=reading)
    elif reading.ping:
        yield Problem(where, "an empty body is a ping: it tells nobody anything")


def moment_of(value: object) -> datetime | timedelta | None:
    """What `at` says: a moment, or a length of time since the beginning; None when it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return timedelta(seconds=value) if 0 <= value < 1e9 else from_unix(value)  # noqa: PLR2004 - 2001, in Unix time
    if not isinstance(value, str):
        return None
    return length_of(value) if re.match("[0-9]+[a-z]", value) else from_rfc3339(value)


def length_of(words: str) -> timedelta | None:
    """A length of time such as `90s`, `10m`, `1h`, `2d`, at most LONGEST; None when it is none."""
    parts = re.fullmatch("([0-9]{1,7})([smhd])", words)
    length = timedelta(seconds=int(parts[1]) * _UNITS[parts[2]]) if parts else None
    return length if length is not None and length <= LONGEST else None


def told_at(body: object) -> datetime | None:
    """When a body was sent, as far as it says so itself: at its newest beginning or end, or when Pub/Sub took it."""
    if not isinstance(body, dict):
        return None
    fields = Fields(body)
    if pubsub.recognises(fields):
        published = from_rfc3339(fields.fields("message").text("publishTime"))
        return published or told_at(decode(pubsub.data(fields)))
    incident = fields.fields("incident").values
    times = [from_unix(incident.get(name)) for name in ("started_at", "ended_at")]
    for alert in fields.items("alerts"):
        one = Fields(alert if isinstance(alert, dict) else {})
        # Of an alert that fires the end is a guess, in the future.
        ended = one.text("endsAt") if one.text("status") == "resolved" else ""
        times += [from_rfc3339(one.text("startsAt")), from_rfc3339(ended)]
    return max((time for time in times if time), default=None)


def in_time(bodies: Sequence[Recorded], every: timedelta | None = None) -> list[tuple[datetime, Recorded]]:
    """Each body with the moment it comes, in that order.

    `every`: so long after each other, in the order they stand in, whatever they say themselves; from the newest moment
    on that any of them knows, so that none comes before it was sent. Else one that says nothing comes APART after the
    one before.
    """
    known = [one.at for one in bodies if isinstance(one.at, datetime)]
    if every is not None:
        begins = max(known, default=BEGINS)
        return [(begins + every * number, one) for number, one in enumerate(bodies)]
    begins = min(known, default=BEGINS)
    timed: list[tuple[datetime, Recorded]] = []
    for one in bodies:
        if isinstance(one.at, datetime):
            at = one.at
        elif one.at is not None:
            at = begins + one.at
        else:
            at = timed[-1][0] + APART if timed else begins
        timed.append((at, one))
    return sorted(timed, key=lambda pair: pair[0])
