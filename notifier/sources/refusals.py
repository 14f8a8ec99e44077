"""Bodies that are known and still no alert, and what to say of those that nobody knows."""

from __future__ import annotations

from notifier.sources.fields import Fields
from notifier.sources.reading import Unreadable, shown

_KNOWN_SHAPES = (
    "no known shape: expected an 'incident' object (Cloud Monitoring), an 'alerts' list (Alertmanager, "
    "Grafana), 'message.data' (Pub/Sub push), 'group_info' (Error Reporting) or a 'text' (plain form)"
)
_PULL = (
    "expected one alert or a Pub/Sub push, got what looks like a Pub/Sub pull response: "
    "use a push subscription to this address"
)
_BUDGET = (
    "expected an alert, got a Cloud Billing budget message: these come several times a day whether or not a "
    "threshold is crossed, so none of them is told; take the budget's topic off this address"
)

# Fields that open a dialect, and the type they have to be of.
_OPENINGS = {"incident": (dict, "an object"), "alerts": (list, "a list"), "group_info": (dict, "an object")}

_KEYS_SHOWN = 3
_KEY_CHARACTERS = 16


def refuse_list(items: list[object]) -> Unreadable:
    """Why a list is no alert."""
    first = items[0] if items else None
    if isinstance(first, dict) and ("ackId" in first or "message" in first):
        return Unreadable(_PULL)
    return Unreadable("expected a JSON object, got a list")


def refuse_object(body: Fields) -> Unreadable:
    """Why an object that no dialect recognises is no alert."""
    values = body.values
    if "receivedMessages" in values:
        return Unreadable(_PULL)
    # https://cloud.google.com/billing/docs/how-to/budgets-programmatic-notifications
    if "budgetDisplayName" in values or {"costAmount", "budgetAmount"} <= values.keys():
        return Unreadable(_BUDGET)
    for name, (kind, expected) in _OPENINGS.items():
        if name in values and not isinstance(values[name], kind):
            return Unreadable(f"expected {expected} in {name}, got {shown(values[name])}")
    keys = [_shown_key(key) for key in list(values)[:_KEYS_SHOWN]]
    more = ", ..." if len(values) > _KEYS_SHOWN else ""
    return Unreadable(f"{_KNOWN_SHAPES}; got an object with keys {', '.join(keys)}{more}")


def _shown_key(key: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in key[:_KEY_CHARACTERS])
