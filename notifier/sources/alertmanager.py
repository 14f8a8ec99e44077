"""Prometheus Alertmanager's webhook (version 4) and Grafana's unified alerting, which took over its shape.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config: several alerts in a body, sent again
at every repeat_interval. Only a 5xx is retried.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from notifier.core.alert import Alert
from notifier.sources.fields import Fields, scalar
from notifier.sources.reading import Reading, Unreadable, shown
from notifier.sources.times import from_rfc3339
from notifier.sources.words import first_web_address, flat_labels, mentions, paragraphs

_STATES = {"firing": False, "resolved": True}

# Which label says where it is; an alert has the more general ones as well.
_PLACES = ("instance", "pod", "node", "host")

# Alertmanager's groups have no upper bound, but 1 MiB holds fewer than this of the alerts it makes (200 bytes
# without a label's text). More of them is no sender we know, and nobody waits a second for reading it.
_ALERTS = 5_000

# Reasons told of one body; the rest is counted.
_REASONS = 10
_COUNT_CHARACTERS = 9


def recognises(body: Fields) -> bool:
    return isinstance(body.values.get("alerts"), list)


def read(body: Fields) -> Reading:
    """Every alert of the body that can be read, and why the others cannot.

    Raises Unreadable: none of them can be read.
    """
    # Grafana without its orgId has been captured; its schema's version is 1 where Alertmanager's is 4.
    source = "grafana" if "orgId" in body.values or body.text("version") == "1" else "alertmanager"
    alerts: list[Alert] = []
    refused: list[str] = []
    for index, item in enumerate(body.items("alerts")[:_ALERTS]):
        try:
            alerts.append(_alert(item, f"alerts[{index}]", source, body))
        except Unreadable as exc:
            refused.append(exc.reason)
    if not alerts:
        raise Unreadable(_none_readable(refused))
    return Reading(alerts=tuple(alerts), unreadable=tuple(_reasons(refused, body)))


def _none_readable(refused: list[str]) -> str:
    if not refused:
        return "expected at least one alert in alerts, got an empty list"
    return refused[0] if len(refused) == 1 else f"{refused[0]} (and {len(refused) - 1} more like it)"


def _reasons(refused: list[str], body: Fields) -> Iterator[str]:
    yield from refused[:_REASONS]
    if len(refused) > _REASONS:
        yield f"{len(refused) - _REASONS} more alerts of this body could not be read"
    count = len(body.items("alerts"))
    if count > _ALERTS:
        yield f"expected at most {_ALERTS} alerts in alerts, got {count}: the last {count - _ALERTS} were not read"
    left_out = body.text("truncatedAlerts")[:_COUNT_CHARACTERS]
    if left_out.isdecimal() and left_out.strip("0"):
        yield f"{left_out} alerts were left out by the sender (truncatedAlerts): raise its max_alerts"


def _alert(item: object, path: str, source: str, body: Fields) -> Alert:
    if not isinstance(item, dict):
        raise Unreadable(f"expected an object in {path}, got {shown(item)}")
    alert = Fields(item, path)
    labels, annotations = alert.fields("labels"), alert.fields("annotations")
    title = _title(labels, annotations)
    return Alert(
        source=source,
        incident_id=_identity(alert, labels),
        closed=alert.closed("status", _STATES),
        severity=labels.text("severity"),
        title=title,
        text=paragraphs(title, _parts(alert, annotations)),
        url=first_web_address(
            alert.text("generatorURL"),
            alert.text("dashboardURL"),
            alert.text("panelURL"),
            body.text("externalURL"),
        ),
        labels=flat_labels(("", labels)),
        started_at=from_rfc3339(alert.text("startsAt")),
        # "Test" on Grafana's contact point: always the same fingerprint, and never resolved.
        test=source == "grafana" and (labels.text("alertname"), labels.text("instance")) == ("TestAlert", "Grafana"),
    )


def _identity(alert: Fields, labels: Fields) -> str:
    """The fingerprint, or a hash of the labels, which is what a fingerprint is (bodies of 2017 have none)."""
    if alert.values.get("fingerprint") not in (None, "") or not labels.values:
        return alert.identity("fingerprint")
    # Strings whole: two that differ only past where `scalar` cuts are two alerts.
    pairs = sorted((name, value if isinstance(value, str) else scalar(value)) for name, value in labels.values.items())
    return "labels:" + hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:32]


def _title(labels: Fields, annotations: Fields) -> str:
    """What and where: "DiskFull on db-1:9100: 3 % left on /var"."""
    name, summary = labels.text("alertname"), annotations.text("summary")
    where = next((labels.text(place) for place in _PLACES if labels.text(place)), "")
    if name and where and not mentions(f"{name} {summary}", where):
        name = f"{name} on {where}"
    if not name or not summary:
        return name or summary or (f"Alert on {where}" if where else "Alert without a name")
    return summary if mentions(summary, name) else f"{name}: {summary}"


def _parts(alert: Fields, annotations: Fields) -> Iterator[str]:
    for name in ("summary", "description", "message", "details"):
        yield annotations.text(name)
    for name, value in annotations.values.items():
        # Two underscores: Grafana's own wiring.
        if name not in {"summary", "description", "message", "details"} and not name.startswith("__"):
            word = scalar(value)
            yield f"{name}: {word}" if word else ""
    measured = [f"{name} = {word}" for name, value in alert.fields("values").values.items() if (word := scalar(value))]
    yield f"Measured: {', '.join(measured)}" if measured else ""
