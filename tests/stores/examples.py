"""Incidents and ledgers to store: one plain one, and all that hypothesis can think of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from notifier.core.alert import Label, Severity, printable
from notifier.core.incident import Delivery, DeliveryState, Entry, Incident, IncidentState, Kind
from notifier.core.ledger import Ledger, Slot

NOON = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
KEY = "0123456789abcdef0123456789abcdef"
PLAIN = Incident(
    key=KEY,
    source="cloud-monitoring",
    incident_id="0.abc",
    ref="7F3K",
    generation=1,
    state=IncidentState.OPEN,
    severity=Severity.CRITICAL,
    effective=Severity.CRITICAL,
    title="Disk of db-1 is full",
    opened_at=NOON,
)


def an_incident(**changes: Any) -> Incident:
    return msgspec.structs.replace(PLAIN, **changes)


def claimed(claim: str) -> Incident:
    """An incident whose page is claimed by the request with this claim id."""
    page = Delivery(
        kind=Kind.OPENED, channel="sms", state=DeliveryState.CLAIMED, created_at=NOON, due_at=NOON, claim=claim, phone=0
    )
    return an_incident(deliveries={"opened/sms/0/1": page})


HOSTILE = (
    "a.b.c",
    "`quoted`",
    "a/b//c",
    "back\\slash",
    "~*[]",
    "__name__",
    "'; DROP TABLE documents; --",
    "tab\tand\nline feed",
    "",
    " ",
    "\u202eright to left",
    "e\u0301 👩‍👩‍👧 \U0010ffff \ufffe",
    "<!channel> *bold* &amp; @everyone",
    "%s {0} ${HOME}",
)

# Whatever the sources let through: control characters and lone surrogates never reach a store.
texts = st.text(alphabet=st.characters()).map(printable)
# As the keys of deliveries and slots are made: never empty, and never `__all of it__`, which Firestore reserves.
names = st.one_of(st.sampled_from(HOSTILE), texts).map("notice/{}".format)
# Without `fold`: it means nothing in UTC, and no store keeps it.
times = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0))
deliveries = st.builds(
    Delivery,
    kind=st.sampled_from(Kind),
    channel=texts,
    state=st.sampled_from(DeliveryState),
    created_at=times,
    due_at=st.none() | times,
    claim=texts,
    attempts=st.integers(0, 1_000),
    phone=st.none() | st.integers(0, 9),
    words=texts,
    detail=texts,
    provider_id=texts,
)
incidents = st.builds(
    Incident,
    key=st.just(KEY),
    source=texts,
    incident_id=texts,
    ref=texts,
    generation=st.integers(1, 10_000),
    state=st.sampled_from(IncidentState),
    severity=st.sampled_from(Severity),
    effective=st.sampled_from(Severity),
    severity_note=texts,
    one_off=st.booleans(),
    unreadable=st.booleans(),
    title=texts,
    text=texts,
    url=texts,
    labels=st.lists(st.builds(Label, texts, texts), max_size=3).map(tuple),
    started_at=st.none() | times,
    opened_at=times,
    resolved_at=st.none() | times,
    message_ids=st.lists(texts, max_size=2).map(tuple),
    deliveries=st.dictionaries(names, deliveries, max_size=3),
    history=st.lists(st.builds(Entry, times, texts), max_size=2).map(tuple),
    waiting_since=st.none() | times,
    next_due=st.none() | times,
    expire_at=st.none() | times,
)
ledgers = st.builds(
    Ledger,
    slots=st.dictionaries(names, st.builds(Slot, times), max_size=3),
    unreadable_told=st.lists(times, max_size=2).map(tuple),
)
