"""How each fault has to end: what is answered, how each delivery stands then, and who has heard of it in the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from notifier.core.incident import DeliveryState
from tests.end_to_end.hostile import RETRY_AFTER_SECONDS

Failing = tuple[tuple[str, str], ...]
"""Who fails, and by which fault."""

FREE = ("slack", "discord", "email")
PAGE = "opened/sms/0/1"
KEYS = {"slack": "opened/slack", "discord": "opened/discord", "email": "opened/email", "sms": PAGE, "second": PAGE}
"""The delivery that each of them is to take."""

P, U, F = (state.value for state in (DeliveryState.PENDING, DeliveryState.UNKNOWN, DeliveryState.FAILED))
NONE = ""
SINGLE: dict[str, dict[str, str]] = {
    name: dict(zip(("slack", "discord", "sms", "email", "second"), states, strict=True))
    for name, states in {
        # Owed again; may have been taken; failed for good. What is empty cannot fail so, or is not tried.
        #                          slack discord sms email second
        "refused": (P, P, P, P, P),
        "black hole": (P, P, P, P, P),
        "no answer": (U, U, U, U, U),
        "slow headers": (U, U, U, P, U),
        "slow body": (U, U, U, U, U),
        "reset at once": (P, P, P, P, P),
        "reset after the request": (U, U, U, U, U),
        "500": (U, U, U, F, U),
        "429": (P, P, P, P, P),
        "429, Retry-After": (P, P, P, NONE, P),
        "garbage": (U, U, U, P, U),
        "garbage body": (F, F, U, U, U),
        "50 MB": (U, U, U, P, U),
        "untrusted certificate": (P, P, P, P, P),
        "no TLS": (P, P, P, P, P),
        "307": (F, F, F, F, P),
        "302": (F, F, F, NONE, P),
        "taken, then no answer": (NONE, NONE, U, NONE, NONE),
        "taken, then reset": (U, U, U, NONE, NONE),
        "taken, then 500": (NONE, NONE, U, NONE, NONE),
    }.items()
}
"""How the delivery stands when the alert is answered, by fault and by who fails."""
STORE = (
    "refused",
    "black hole",
    "slow headers",
    "reset at once",
    "reset after the request",
    "500",
    "429",
    "garbage",
    "50 MB",
    "no TLS",
    "307",
)
"""How the store can fail."""
HEARTBEAT = {
    "refused": False,
    "black hole": False,
    "slow body": True,
    "reset after the request": False,
    "500": False,
    "50 MB": True,
    "no TLS": False,
    "302": False,
}
"""How whoever waits for a sign of life can fail, and whether the tick takes it for heard: a status is enough."""
SLOW = ("black hole", "no answer", "slow headers", "slow body", "taken, then no answer")
"""What lasts until the deadline."""

REDIRECTS = ("307", "302")
ANSWER_SECONDS = 10


@dataclass
class Seen:
    """What came of one alert, while `failing` was so."""

    failing: Failing
    number: int
    started_at: int = field(default_factory=lambda: int(time.time()))
    status: int = 0
    seconds: float = 0
    states: dict[str, str] = field(default_factory=dict)
    """How each delivery stood, as the alert was answered."""
    at_once: Counter[str] = field(default_factory=Counter)
    """Who had heard of it then, and how often."""
    unheard: bool = False
    """Whether the tick has logged that its sign of life was not."""
    strayed: int = 0
    """Connections to where redirects lead."""
    waits: float = 0
    """Seconds from its last try until what failed is due again, at the most."""
    in_the_end: Counter[str] = field(default_factory=Counter)
    unstored: Counter[str] = field(default_factory=Counter)
    """Who had heard of it without the store; not counted in `in_the_end`, but for the text."""
    said: set[str] = field(default_factory=set)
    """Free channels that were told what could not be told elsewhere."""
    a_walk_later: int = 0
    """Texts, when the next phone has been waited for as well; looked at only with a second provider."""
    doubled: int = 0
    """Texts to a phone that had one already."""
    open_ends: list[str] = field(default_factory=list)
    """Deliveries that are still owed in the end."""


@dataclass(frozen=True)
class Due:
    """What has to come of an alert while `failing` is so."""

    status: int
    states: dict[str, str]
    """Of the deliveries of those who fail."""
    at_once: dict[str, int]
    """Who has heard of it when it is answered, and how often."""
    in_the_end: dict[str, int]
    said: set[str]
    """Free channels that must be told what cannot be told elsewhere."""


def due(failing: Failing) -> Due:
    """By `SINGLE` alone: two that fail are to end as each of them does by itself."""
    fails = dict(failing)
    taken = {place: name.startswith("taken") for place, name in failing}
    at_once = {place: int(place not in fails or taken[place]) for place in (*FREE, "sms")}
    if "store" in fails:
        # Nothing is recorded; then its sender comes again, and all is told as of a new one. The text is looked for.
        return Due(503, {}, at_once, dict.fromkeys((*FREE, "sms"), 1), set())
    states = {KEYS[place]: SINGLE[name][place] for place, name in failing}
    # What may have been told on a free channel is told again: better twice than never.
    in_the_end = {
        place: 0 if states.get(KEYS[place]) == F else 1 + (place in FREE and taken.get(place, False))
        for place in (*FREE, "sms")
    }
    if in_the_end["sms"] == 0 and any(name in SLOW for place, name in failing if place != "sms"):
        # The answer left no time for the next phone, whose turn it then was when all was well.
        in_the_end["sms"] = 1
    known = set(FREE) - {place for place in FREE if states.get(KEYS[place]) == F}
    second = fails.get("second", "")
    is_said = F in states.values() or (second and (states[PAGE] == U or second in REDIRECTS))
    return Due(200, states, at_once, in_the_end, known if is_said else set())


def wrong(seen: Seen) -> list[str]:
    """What is not as it has to be, in words."""
    fails = dict(seen.failing)
    checks = {"in time": (seen.seconds < ANSWER_SECONDS, True), "connections by a redirect": (seen.strayed, 0)}
    if "heartbeat" in fails:
        unheard = not HEARTBEAT[fails["heartbeat"]]
        return _differing({**checks, "status": (seen.status, 200), "unheard": (seen.unheard, unheard)})
    must = due(seen.failing)
    at_once, in_the_end = dict(seen.at_once), dict(seen.in_the_end)
    if "store" in fails and "sms" in fails:
        # With neither the ledger nor the list an instance texts once an hour: so it may, and need not.
        at_once["sms"] = max(must.at_once["sms"], at_once["sms"])
    if "second" in fails and must.states[PAGE] == U:
        # Where the answer left time for it, the second phone was texted as vainly; then the next walk is waited for.
        in_the_end["sms"] = min(seen.a_walk_later, 1)
    return _differing(
        {
            **checks,
            "status": (seen.status, must.status),
            "deliveries": ({key: seen.states.get(key) for key in must.states}, must.states),
            "told at once": (at_once, must.at_once),
            "told in the end": (in_the_end, must.in_the_end),
            "said elsewhere": (seen.said, must.said),
            "texts to a phone that had one": (seen.doubled, 0),
            "still owed": (seen.open_ends, []),
            "waits for as long as asked": (
                seen.waits >= RETRY_AFTER_SECONDS,
                any("Retry-After" in name for name in fails.values()) and "store" not in fails,
            ),
        }
    )


def _differing(checks: Mapping[str, tuple[object, object]]) -> list[str]:
    return [f"{what}: {is_so}, not {must}" for what, (is_so, must) in checks.items() if is_so != must]


def singles() -> list[Failing]:
    """Each fault of each place, by itself; the second provider's while Twilio cannot be reached."""
    rows = [((place, name),) for name, states in SINGLE.items() for place in (*FREE, "sms") if states[place]]
    rows += [(("store", name),) for name in STORE]
    second = [(("sms", "refused"), ("second", name)) for name, states in SINGLE.items() if states["second"]]
    return [*rows, *second, *((("heartbeat", name),) for name in HEARTBEAT)]
