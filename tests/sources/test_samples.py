"""Real bodies as published, which are not part of this repository: each is read, or refused, as expected.

Read from the folder in NOTIFIER_SAMPLES, or beside the repository; where neither is there, nothing is to be checked.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from notifier.sources import Unreadable, read

FOLDER = Path(os.environ.get("NOTIFIER_SAMPLES") or Path(__file__).parents[2].parent / "shared" / "samples")
SAMPLES = sorted(FOLDER.glob("*.json")) if FOLDER.is_dir() else []

GCM = "cloud-monitoring"

# For each alert: source, id, state, severity's word, and what is special about it.
READ: dict[str, list[tuple[str, str, str, str, str]]] = {
    "am-01-v4-firing-two-alerts-empty-groupkey": [
        ("alertmanager", "791cec13fcba0368", "open", "critical", ""),
        ("alertmanager", "8df98227bdd81384", "open", "critical", ""),
    ],
    "am-02-v4-vmalertmanager-firing-info": [("alertmanager", "1e6df20d7ad22b17", "open", "info", "")],
    "gcm-01-threshold-open-severity-error-pubsub": [(GCM, "0.nrwotmyokd9n", "open", "error", "")],
    "gcm-03-threshold-open-no-severity-webhook": [(GCM, "0.nzm8u2jxkaq5", "open", "", "")],
    "gcm-05-threshold-open-severity-critical-user-labels-unicode": [(GCM, "0.nwg9th6llz4w", "open", "critical", "")],
    "gcm-07-log-match-open-handedited-null-string-extra-keys": [(GCM, "0.mybdstmr76pg", "open", "", "one-off")],
    "gcm-08-uptime-open-2020": [(GCM, "0.ligwyr056k2l", "open", "", "")],
    "gcm-09-uptime-closed-2020": [(GCM, "0.ligwyr056k2l", "closed", "", "")],
    "gcm-12-cpu-open-documentation": [(GCM, "0.mtdi83m6w8ao", "open", "", "")],
    "gcm-13-cpu-closed-documentation": [(GCM, "0.mteuirnn0v0k", "closed", "", "")],
    "gcm-14-test-notification": [(GCM, "12345", "open", "", "test")],
    "gcm-16-v1.1-open-documentation-json-in-content": [(GCM, "f2e08c333dc64cb09f75eaab355393bz", "open", "", "")],
    "gcm-17-v1.1-closed": [(GCM, "f2e08c333dc64cb09f75eaab355393bz", "closed", "", "")],
    "gcm-18-v1.1-docs-sample-open": [(GCM, "f2e08c333dc64cb09f75eaab355393bz", "open", "", "")],
    "gcm-20-docs-sample-v1.2-closed-user-labels": [(GCM, "0.opqiw61fsv7p", "closed", "", "")],
    "gcm-21-pubsub-backlog-open-2019": [(GCM, "0.lekp2pr4h14z", "open", "", "")],
    "gcm-23-cloudsql-open-system-labels-no-documentation": [(GCM, "0.mwq7zl92ky7a", "open", "", "")],
    "grafana-01-unified-firing": [("grafana", "8ac1e3c26c70c30f", "open", "critical", "")],
    "grafana-02-unified-resolved": [("grafana", "f1e2d3c4b5a6", "closed", "warning", "")],
    "grafana-05-unified-docs-two-alerts": [
        ("grafana", "c6eadffa33fcdf37", "open", "", ""),
        ("grafana", "bc97ff14869b13e3", "open", "", ""),
    ],
}

# Why, whether by Pub/Sub, and the message's id.
REFUSED = {
    "budget-01-data-decoded-no-threshold-field": ("got a Cloud Billing budget message", False, ""),
    "pubsub-01-pull-envelope-gcm-log-match": ("looks like a Pub/Sub pull response", False, ""),
    "pubsub-03-push-duplicated-fields": (r"expected JSON, got '\x01' at line 1 column 1", True, "message-id"),
    "pubsub-08-push-docs-minimal": ("expected JSON, got 'H' at line 1 column 1", True, "2070443601311540"),
}


def samples(expected: object) -> list[Path]:
    """Those present whose expectation is in the table, which is empty where there are none."""
    assert isinstance(expected, dict)
    return [path for path in SAMPLES if path.stem in expected]


def test_every_sample_has_an_expectation() -> None:
    """A new sample has to be thought about."""
    assert {path.stem for path in SAMPLES} <= READ.keys() | REFUSED.keys()


def test_alerts_are_read_as_expected() -> None:
    """Source, id, state and severity are what a person would read there."""
    found = {}
    for path in samples(READ):
        found[path.stem] = [
            (
                alert.source,
                alert.incident_id,
                "closed" if alert.closed else "open",
                alert.severity,
                "test" if alert.test else "one-off" if alert.one_off else "",
            )
            for alert in read(path.read_bytes()).alerts
        ]
    assert found == {path.stem: READ[path.stem] for path in samples(READ)}


def test_what_is_no_alert_is_refused_as_expected() -> None:
    """The reason says what it is; an envelope is remembered as one."""
    for path in samples(REFUSED):
        reason, pubsub, message_id = REFUSED[path.stem]
        with pytest.raises(Unreadable) as caught:
            read(path.read_bytes())
        assert reason in caught.value.reason
        assert (caught.value.pubsub, caught.value.message_id) == (pubsub, message_id)
