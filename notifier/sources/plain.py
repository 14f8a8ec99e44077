"""The plain form: what anybody can send with one line of curl.

{"text", "title"?, "severity" or "level"?, "id"?, "state"?, "url"?, "labels"?}
"""

from __future__ import annotations

from notifier.core.alert import TITLE_CHARACTERS, Alert
from notifier.sources.fields import Fields
from notifier.sources.reading import Reading, Unreadable, shown
from notifier.sources.words import flat_labels

# The two words of the design at the ends, between them those of Alertmanager and Grafana.
_STATES = {"open": False, "firing": False, "alerting": False, "ok": True, "resolved": True, "closed": True}


def recognises(body: Fields) -> bool:
    # An id and a state are enough to close.
    return "text" in body.values or "title" in body.values or {"id", "state"} <= body.values.keys()


def read(body: Fields) -> Reading:
    """The one alert of the body. Without an id it is a one-off; without a state it is open.

    Raises Unreadable: neither text nor title; an id or a state of the wrong type; closed without an id.
    """
    named = body.values.get("id") not in (None, "")
    incident_id = body.identity("id") if named else ""
    closed = body.values.get("state") not in (None, "") and body.closed("state", _STATES)
    if closed and not named:
        raise Unreadable("expected an id in id: only the id an alert was opened with says which one is closed")
    title, text = _title_and_text(body)
    if not title:
        if not closed:
            got = shown(body.values.get("text", body.values.get("title")))
            raise Unreadable(f"expected some words in text or title, got {got}")
        title = incident_id
    alert = Alert(
        source="plain",
        incident_id=incident_id,
        closed=closed,
        severity=body.text("severity") or body.text("level"),
        title=title,
        text=text,
        url=body.text("url"),
        labels=flat_labels(("", body.fields("labels"))),
        one_off=not named,
    )
    return Reading(alerts=(alert,))


def _title_and_text(body: Fields) -> tuple[str, str]:
    title, text = body.text("title"), body.text("text")
    if title:
        return title, "" if text == title else text
    first, _, rest = text.partition("\n")
    return first.strip(), rest if len(first) <= TITLE_CHARACTERS else text
