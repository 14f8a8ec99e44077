from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from notifier.core.alert import Alert, Label
from notifier.sources import Unreadable, read
from tests.sources.bodies import ABSENT, alerts, changed, raw


def one(body: bytes) -> Alert:
    (alert,) = read(body).alerts
    return alert


def refusal(body: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(body)
    return caught.value.reason


def test_every_alert_of_a_body_is_read() -> None:
    """Alertmanager sends a group at once; open and resolved stand side by side."""
    reading = read(raw("alertmanager"))
    assert reading.unreadable == ()
    assert [(alert.incident_id, alert.closed, alert.severity) for alert in reading.alerts] == [
        ("00aa11bb22cc33dd", False, "critical"),
        ("44ee55ff66aa77bb", True, "warning"),
    ]


def test_an_alert_is_read_in_full() -> None:
    """Each field that a person needs arrives, each once."""
    assert read(raw("alertmanager")).alerts[0] == Alert(
        source="alertmanager",
        incident_id="00aa11bb22cc33dd",
        severity="critical",
        title="DiskFull: Disk of db-1:9100 nearly full",
        text="3 % left on /var.\n\nrunbook_url: https://runbooks.example.org/disk",
        url="http://prometheus.example.org/graph?g0.expr=disk",
        labels=(
            Label("alertname", "DiskFull"),
            Label("instance", "db-1:9100"),
            Label("job", "node"),
            Label("severity", "critical"),
        ),
        started_at=datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC),
    )


def test_a_grafana_alert_is_read_in_full() -> None:
    """The same array; a generatorURL that is no address gives way to the dashboard, wiring stays out."""
    assert one(raw("grafana")) == Alert(
        source="grafana",
        incident_id="1f2e3d4c5b6a7988",
        severity="error",
        title="Slow checkout: Checkout takes over 2 s",
        text="Measured: B = 2.4, C = 1",
        url="https://grafana.example.org/d/shop",
        labels=(Label("alertname", "Slow checkout"), Label("grafana_folder", "Shop"), Label("severity", "error")),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        ({"version": "4", "orgId": ABSENT}, "alertmanager"),
        ({"version": ABSENT, "orgId": ABSENT}, "alertmanager"),
        ({"version": "1", "orgId": ABSENT}, "grafana"),
        ({"version": 1, "orgId": ABSENT}, "grafana"),
        ({"version": ABSENT, "orgId": 1}, "grafana"),
        ({"version": "4", "orgId": 7}, "grafana"),
    ],
    ids=str,
)
def test_grafana_is_told_by_its_organisation_or_version(fields: dict[str, object], source: str) -> None:
    """Grafana bodies without an orgId have been captured."""
    assert one(changed("grafana", **fields)).source == source


@pytest.mark.parametrize(
    ("labels", "source", "test"),
    [
        ({"alertname": "TestAlert", "instance": "Grafana"}, "grafana", True),
        ({"alertname": "TestAlert", "instance": "db-1"}, "grafana", False),
        ({"alertname": "Disk", "instance": "Grafana"}, "grafana", False),
        ({"alertname": "TestAlert", "instance": "Grafana"}, "alertmanager", False),
    ],
    ids=str,
)
def test_grafanas_test_is_a_test(labels: dict[str, str], source: str, test: bool) -> None:  # noqa: FBT001 - a column
    """Its fingerprint is always the same and it never resolves: as an incident the second test would be silent."""
    assert one(alerts({"labels": labels}, name=source)).test is test


@pytest.mark.parametrize(
    ("labels", "annotations", "title"),
    [
        ({"alertname": "Disk"}, {"summary": "Full"}, "Disk: Full"),
        ({"alertname": "Disk", "instance": "db-1"}, {"summary": "Full"}, "Disk on db-1: Full"),
        ({"alertname": "Disk", "instance": "db-1"}, {"summary": "db-1 is full"}, "Disk: db-1 is full"),
        ({"alertname": "Disk", "instance": "db-1"}, {"summary": "Disk on db-1 is full"}, "Disk on db-1 is full"),
        ({"alertname": "Disk", "pod": "p-1"}, {}, "Disk on p-1"),
        ({"alertname": "Disk"}, {}, "Disk"),
        ({}, {"summary": "Full"}, "Full"),
        ({"node": "n-1"}, {}, "Alert on n-1"),
        ({"x": "y"}, {}, "Alert without a name"),
        ({"alertname": ["Disk"], "instance": {}}, {"summary": 7}, "7"),
    ],
    ids=str,
)
def test_the_title_says_what_and_where(labels: object, annotations: object, title: str) -> None:
    """The rule's name, the place if it is said nowhere else, and the summary."""
    assert one(alerts({"labels": labels, "annotations": annotations})).title == title


@pytest.mark.parametrize(
    ("annotations", "text"),
    [
        ({}, ""),
        ({"summary": "Full"}, ""),
        ({"summary": "Full", "description": "Full"}, ""),
        ({"message": "Old style", "details": "More"}, "Old style\n\nMore"),
        ({"owner": "Ada", "description": "First"}, "First\n\nowner: Ada"),
        ({"__dashboardUid__": "x", "empty": "", "nested": {"x": 1}}, ""),
        ("Full", ""),
    ],
    ids=str,
)
def test_the_text_is_the_annotations(annotations: object, text: str) -> None:
    """Prose first, the rest by its name, nothing twice."""
    assert one(alerts({"annotations": annotations})).text == text


def test_a_long_summary_stays_whole_in_the_text() -> None:
    """What is cut from the title was not said."""
    summary = "Full to the brim. " * 100
    assert one(alerts({"annotations": {"summary": summary}})).text == summary.strip()


def test_endless_annotations_are_read_no_further_than_told() -> None:
    """A text ends at 8,000 characters."""
    annotations = {f"a{number}": "x" * 500 for number in range(1000)}
    assert len(one(alerts({"annotations": annotations})).text) == 8000


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"generatorURL": "?orgId=1", "dashboardURL": "https://g.example/d"}, "https://g.example/d"),
        ({"generatorURL": "", "panelURL": "https://g.example/p"}, "https://g.example/p"),
        ({"generatorURL": ABSENT}, "http://alertmanager.example.org"),
        ({"generatorURL": "http://a.example/" + "x" * 3000}, "http://alertmanager.example.org"),
        ({"generatorURL": ["x"]}, "http://alertmanager.example.org"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_the_first_real_address_is_the_link(fields: dict[str, object], url: str) -> None:
    """Where the rule is, or else its dashboard, or else the sender itself."""
    assert one(alerts(fields)).url == url


@pytest.mark.parametrize(
    ("starts_at", "expected"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T05:30:00.123456789+05:30", datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("2025-12-31T16:00:00.5-08:00", datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-01-01T00:00:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("soon", None),
        ("2" * 5000, None),
        (1767225600, None),
        ("", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_starts_are_rfc_3339(starts_at: object, expected: datetime | None) -> None:
    """Nanoseconds and any offset; what is no time is none, and never an error."""
    assert one(alerts({"startsAt": starts_at})).started_at == expected


@pytest.mark.parametrize("fingerprint", [ABSENT, None, ""], ids=["absent", "null", "empty"])
def test_without_a_fingerprint_the_labels_identify(fingerprint: object) -> None:
    """Bodies of 2017 have none: the same labels in any order are the same alert, others are another."""
    same = {"a": "1", "b": "2"}
    bodies = [
        alerts({"fingerprint": fingerprint, "labels": labels})
        for labels in (same, dict(reversed(same.items())), {"a": "1", "b": "3"}, {"a": "1"})
    ]
    first, reordered, other, fewer = (one(body).incident_id for body in bodies)
    assert first == reordered
    assert first.startswith("labels:")
    assert len({first, other, fewer}) == 3


def test_long_labels_that_begin_alike_stay_apart() -> None:
    """Two alerts without a fingerprint that differ at the end only are two incidents."""
    ids = {one(alerts({"fingerprint": ABSENT, "labels": {"a": "x" * 9000 + end, "n": 1}})).incident_id for end in "12"}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "on fire"}, "expected 'firing' or 'resolved' in alerts[0].status, got 'on fire'"),
        ({"status": ABSENT}, "expected 'firing' or 'resolved' in alerts[0].status, got nothing"),
        ({"fingerprint": ["x"]}, "expected a string or a number in alerts[0].fingerprint, got a list"),
        (
            {"fingerprint": ABSENT, "labels": {}},
            "expected a string or a number in alerts[0].fingerprint, got nothing",
        ),
        (
            {"fingerprint": ABSENT, "labels": "x"},
            "expected a string or a number in alerts[0].fingerprint, got nothing",
        ),
    ],
    ids=str,
)
def test_what_identifies_an_alert_is_refused_by_path(fields: dict[str, object], reason: str) -> None:
    """A status and a fingerprint or labels are what it takes."""
    assert refusal(alerts(fields)) == reason


def test_a_bad_alert_costs_no_page_of_its_neighbours() -> None:
    """The readable ones are accepted, and the others named."""
    reading = read(alerts({"status": "?"}, {"fingerprint": "good"}, {"fingerprint": 7, "status": "RESOLVED"}))
    assert [(alert.incident_id, alert.closed) for alert in reading.alerts] == [("good", False), ("7", True)]
    assert reading.unreadable == ("expected 'firing' or 'resolved' in alerts[0].status, got '?'",)


def test_many_bad_alerts_are_counted() -> None:
    """Ten reasons are enough for whoever has to mend the sender."""
    reading = read(alerts({}, *[{"status": "?"}] * 30))
    assert len(reading.unreadable) == 11
    assert reading.unreadable[-1] == "20 more alerts of this body could not be read"


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ([], "expected at least one alert in alerts, got an empty list"),
        (["x"], "expected an object in alerts[0], got 'x'"),
        ([None, []], "expected an object in alerts[0], got nothing (and 1 more like it)"),
        ("x", "expected a list in alerts, got 'x'"),
    ],
    ids=str,
)
def test_a_body_without_a_readable_alert_is_unreadable(listed: object, reason: str) -> None:
    """Nothing was accepted, so somebody has to hear of it."""
    assert refusal(changed("alertmanager", alerts=listed)) == reason


@pytest.mark.parametrize(
    ("count", "told"),
    [(3, True), ("12", True), (0, False), ("000", False), (True, False), (None, False), ([3], False), (-1, False)],
    ids=str,
)
def test_what_the_sender_left_out_is_said(count: object, told: bool) -> None:  # noqa: FBT001 - a column
    """Every silence is explained, also the sender's."""
    expected = (f"{count} alerts were left out by the sender (truncatedAlerts): raise its max_alerts",)
    assert read(changed("alertmanager", truncatedAlerts=count)).unreadable == (expected if told else ())


def test_more_alerts_than_any_sender_makes_are_not_read() -> None:
    """A body of crumbs must not take a second; what was left is said."""
    crumbs = [{"status": "firing", "fingerprint": number} for number in range(5_002)]
    reading = read(json.dumps({"alerts": crumbs}).encode())
    assert len(reading.alerts) == 5000
    assert reading.unreadable == ("expected at most 5000 alerts in alerts, got 5002: the last 2 were not read",)


@pytest.mark.parametrize("wrong", [None, 7, True, "x", [], ["x"], {}, {"x": []}], ids=str)
@pytest.mark.parametrize("name", ["labels", "annotations", "startsAt", "endsAt", "generatorURL", "values"])
def test_a_wrong_type_in_an_optional_field_costs_no_page(name: str, wrong: object) -> None:
    """Each optional field with each type: accepted, with the same identity."""
    alert = one(alerts({name: wrong}))
    assert (alert.incident_id, alert.closed) == ("00aa11bb22cc33dd", False)
