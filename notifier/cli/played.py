"""What a rehearsal shows: one row for each thing that happens, and what all of it comes to. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from notifier.core.graphemes import clusters
from notifier.core.incident import DeliveryState, Incident, IncidentState, Kind
from notifier.core.ledger import WINDOW
from notifier.core.message import Message
from notifier.core.moments import EXPIRES
from notifier.core.policy import CHANNELS
from notifier.core.sms_text import size_of
from notifier.core.wording import duration, some
from notifier.recording import Problem
from notifier.rehearsal import Changed, Event, Repeated, Told


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happens to one incident, and who is told of it."""

    at: datetime
    incident: Incident
    event: str
    """For machines: opened, raised, escalated, page, capped, digest, digested, acknowledged, resolved, expired, repeat,
    notice, test, or "closed unopened"."""
    what: str
    """In words."""
    told: tuple[Told, ...] = ()

    @property
    def channels(self) -> list[str]:
        return [told.channel for told in self.told]

    @property
    def phone(self) -> int | None:
        """Whose page it is, counted from 1."""
        phones = [told.message.phone for told in self.told if told.message.phone is not None]
        return phones[0] + 1 if phones else None

    @property
    def segments(self) -> int:
        return sum(size_of(told.message.sms).segments for told in self.told if told.channel == "sms")


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What a rehearsal comes to."""

    alerts: int
    incidents: int
    repeats: int
    digests: int
    """Texts for several incidents whose pages the cap had held back; each may be paged several times."""
    messages: dict[str, int]
    """By channel; one that told of several incidents is one."""
    segments: int
    usd: float
    capped: int
    """Pages that were held back."""
    most_texts_in_an_hour: int
    cap: int

    @property
    def texts(self) -> int:
        return self.messages.get("sms", 0)

    @property
    def cap_was_kept(self) -> bool:
        return self.most_texts_in_an_hour <= self.cap


def rows_of(events: Iterable[Event]) -> list[Row]:
    """The rows of what happened at one moment: all that the free channels were told of one thing is one row."""
    rows: dict[object, Row] = {}
    for event in events:
        match event:
            case Changed():
                for kind, word, what in _changes(event.before, event.incident):
                    name = (event.incident.key, kind)
                    rows[name] = Row(at=event.at, incident=event.incident, event=word, what=what)
            case Told() if event.channel == "sms":
                row = Row(at=event.at, incident=event.incident, event="page", what=_page(event), told=(event,))
                rows[len(rows)] = row
            case Told():
                name = (event.incident.key, event.message.kind)
                word = event.message.kind.value
                known = rows.get(name) or Row(at=event.at, incident=event.incident, event=word, what=_said(event))
                rows[name] = msgspec.structs.replace(known, told=(*known.told, event))
            case Repeated():
                what = "repeat: nothing new" if event.incident.state in _OPEN else "late: it is over already"
                rows[len(rows)] = Row(at=event.at, incident=event.incident, event="repeat", what=what)
    return list(rows.values())


_OPEN = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED)


def _changes(before: Incident | None, now: Incident) -> Iterable[tuple[Kind | str, str, str]]:
    """What changed: the kind of message that tells of it, its word, and its words."""
    if before is None:
        yield _beginning(now)
    elif now.severity > before.severity:
        yield Kind.ESCALATED, "raised", f"raised to {now.severity.value}"
    elif now.effective > before.effective:
        yield Kind.ESCALATED, "escalated", f"unanswered: now {now.effective.value}"
    if now.state is IncidentState.ACKNOWLEDGED and before and before.state is not now.state:
        yield Kind.ACKNOWLEDGED, "acknowledged", "acknowledged"
    if now.state is IncidentState.RESOLVED and before and before.state is not now.state:
        ended = "expired" if now.expired else "resolved"
        yield Kind.RESOLVED, ended, "digest is over" if now.members else ended
    for key, page in now.deliveries.items():
        was = before.deliveries.get(key) if before else None
        if was is not None and was.state is page.state:
            continue
        if page.state is DeliveryState.CAPPED:
            yield Kind.NOTICE, "capped", f"capped: phone {(page.phone or 0) + 1} not texted"
        elif page.state is DeliveryState.DIGESTED:
            yield f"digested {key}", "digested", f"texted in digest #{page.digest}"


def _beginning(now: Incident) -> tuple[Kind, str, str]:
    if now.members:
        return Kind.OPENED, "digest", f"digest of {some(len(now.members), 'incident')}"
    if now.state is IncidentState.TEST:
        return Kind.OPENED, "test", "test: never texted"
    if now.state is IncidentState.RESOLVED:
        return Kind.RESOLVED, "closed unopened", "closed before it opened"
    again = " again" if now.generation > 1 else ""
    return Kind.OPENED, "opened", f"opened{again} as {now.severity.value}"


def _page(told: Told) -> str:
    pages = [key for key, delivery in told.incident.deliveries.items() if delivery.channel == "sms"]
    return f"page {pages.index(told.message.delivery) + 1} to phone {(told.message.phone or 0) + 1}"


def _said(told: Told) -> str:
    return "notice" if told.message.kind is Kind.NOTICE else told.message.kind.value


def totals_of(rows: Sequence[Row], alerts: int, price: float, cap: int) -> Totals:
    """`alerts`: how many were posted. `price`: USD a segment. `cap`: texts an hour."""
    words = Counter(row.event for row in rows)
    posts = {(told.channel, told.at, *_name(told.posted)) for row in rows for told in row.told}
    channels = Counter(channel for channel, *_ in posts)
    texted_at = [row.at for row in rows for channel in row.channels if channel == "sms"]
    segments = sum(row.segments for row in rows)
    return Totals(
        alerts=alerts,
        incidents=words["opened"] + words["test"] + words["closed unopened"],
        repeats=words["repeat"],
        digests=words["digest"],
        messages={channel: channels[channel] for channel in CHANNELS if channel in channels},
        segments=segments,
        usd=round(segments * price, 6),
        capped=words["capped"],
        most_texts_in_an_hour=_most_within(texted_at, WINDOW),
        cap=cap,
    )


def _name(message: Message) -> tuple[str, int, str]:
    return message.incident, message.generation, message.delivery


def _most_within(moments: Sequence[datetime], window: timedelta) -> int:
    """How many of `moments`, in their order, lie within the fullest `window`."""
    first = most = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window:
            first += 1
        most = max(most, last + 1 - first)
    return most


_FIXED = 53
"""Columns of a line but for the words."""
_LEAST = 24


def heading(width: int) -> str:
    words = max(width - _FIXED, _LEAST)
    return f"{'SINCE':<8} {'UTC':<5} {'REF':<6} {'WHAT: WHICH':<{words}} {'TOLD':<19} SEG  CENTS"


def line(row: Row, began: datetime, width: int, price: float) -> str:
    """One row in `width` columns, 77 at least. `began`: when the first alert came. `price`: USD a segment."""
    words = fitted(f"{row.what}: {row.incident.title}", max(width - _FIXED, _LEAST))
    told = " ".join(row.channels) or "log"
    money = f"{row.segments:>3} {row.segments * price * 100:>6.2f}" if row.segments else ""
    return f"{since(row.at - began):<8} {row.at:%H:%M} #{row.incident.ref:<5} {words} {told:<19} {money}".rstrip()


def since(length: timedelta) -> str:
    """In at most 8 characters: `00:20:00`; of more than four days `12d 03h`."""
    seconds = int(length.total_seconds())
    if seconds < 100 * 3_600:
        return f"{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    days = f"{seconds // 86_400}d"
    return f"{days} {seconds // 3_600 % 24:02}h" if len(days) < 5 else days  # noqa: PLR2004 - with the hour 8


def fitted(text: str, columns: int) -> str:
    """`text` in exactly so many columns of a terminal, cut with "…"."""
    if (spare := columns - columns_of(text)) >= 0:
        return text + " " * spare
    kept = ""
    for part in clusters(text):
        if columns_of(kept + part) > columns - 1:
            break
        kept += part
    return kept + "…" + " " * (columns - 1 - columns_of(kept))


def columns_of(text: str) -> int:
    """How wide a terminal shows `text`: what is East Asian and wide takes two columns, a mark on a letter none."""
    return sum(
        0 if unicodedata.category(letter) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


_OPEN_SHOWN = 5


def in_words(totals: Totals, unanswered: list[Incident], length: str, reserved: int) -> str:
    """`reserved`: how many of the hour's texts are kept for the first page of new critical alerts."""
    counted = ", ".join(f"{channel} {number}" for channel, number in totals.messages.items()) or "none"
    texts = f"{some(totals.texts, 'text')}, {some(totals.segments, 'segment')}, ${totals.usd:.4f}"
    most = f"Most texts within one hour: {totals.most_texts_in_an_hour} of the {totals.cap} that the policy allows"
    kept = "the cap was never passed" if totals.cap_was_kept else "THE CAP WAS PASSED: please report it with the file"
    digests = f", {some(totals.digests, 'text')} for several at once" if totals.digests else ""
    lines = [
        "",
        f"{some(totals.alerts, 'alert')}, {some(totals.incidents, 'incident')}; played to the ladder's end, {length}.",
        f"Messages: {counted}.",
        f"SMS: {texts}; {some(totals.capped, 'page')} held back by the cap{digests}.",
        f"{most}: {kept}.",
    ]
    if totals.capped and reserved:
        last = "one is" if reserved == 1 else f"{reserved} are"
        lines.append(
            f"The last {last} kept for the first page of new critical alerts (reserved), so any other page is held back"
            f" from {some(totals.cap - reserved, 'text')} within the hour on."
        )
    if totals.repeats:
        lines.insert(2, f"{some(totals.repeats, 'alert')} brought no news: nobody is told twice.")
    if unanswered:
        names = ", ".join(f"#{one.ref}" for one in unanswered[:_OPEN_SHOWN])
        more = f" and {len(unanswered) - _OPEN_SHOWN} more" if len(unanswered) > _OPEN_SHOWN else ""
        lines.append(
            f"Nobody answered {names}{more}: nothing more is sent; each expires {duration(EXPIRES)} after the last"
            " word of its sender."
        )
    return "\n".join(lines)


def content_of(
    rows: list[Row], totals: Totals, problems: list[Problem], unanswered: list[Incident], price: float, *, show: bool
) -> dict[str, object]:
    began = rows[0].at if rows else None
    return {
        "events": [_row_content(row, began or row.at, price, show=show) for row in rows],
        "totals": {
            **msgspec.to_builtins(totals),
            "texts": totals.texts,
            "cap_was_kept": totals.cap_was_kept,
        },
        "unanswered": [one.ref for one in unanswered],
        "unreadable": [{"where": one.where, "why": one.words} for one in problems],
    }


def _row_content(row: Row, began: datetime, price: float, *, show: bool) -> dict[str, object]:
    content: dict[str, object] = {
        "at": row.at,
        "since_seconds": (row.at - began).total_seconds(),
        "ref": row.incident.ref,
        "title": row.incident.title,
        "severity": row.incident.effective.value,
        "event": row.event,
        "what": row.what,
        "channels": row.channels,
    }
    if row.phone:
        content |= {
            "phone": row.phone,
            "segments": row.segments,
            "usd": round(row.segments * price, 6),
            "text": row.told[0].message.sms,
        }
    if show:
        content["messages"] = {told.channel: told.preview() for told in row.told}
    return content
