from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from notifier.core.alert import Alert, Label
from notifier.sources import Unreadable, read
from tests.sources.bodies import ABSENT, incident, raw


def one(body: bytes) -> Alert:
    (alert,) = read(body).alerts
    return alert


def refusal(body: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(body)
    return caught.value.reason


def test_an_incident_of_today_is_read_in_full() -> None:
    """Each field of schema 1.2 that a person needs arrives, each once."""
    assert one(raw("cloud_monitoring_open")) == Alert(
        source="cloud-monitoring",
        incident_id="0.n1a2b3c4d5e6",
        severity="critical",
        title="High CPU on db-1 (VM Instance - CPU utilization)",
        text="CPU utilization is above the threshold of 0.900 with a value of 0.973.",
        documentation="Look at the slow query log first.",
        url="https://console.cloud.google.com/monitoring/alerting/alerts/0.n1a2b3c4d5e6?channelType=webhook&project=larch-prod",
        labels=(
            Label("runbook", "cpu"),
            Label("project_id", "larch-prod"),
            Label("resource_type", "gce_instance"),
            Label("instance_id", "7000000000000000001"),
            Label("zone", "europe-north1-a"),
            Label("metric_type", "compute.googleapis.com/instance/cpu/utilization"),
            Label("instance_name", "db-1"),
            Label("team", "storage"),
            Label("machine", "large"),
        ),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_open_and_closed_are_of_one_incident() -> None:
    """A resolve finds its incident: same source, same id, same start."""
    opened, closed = one(raw("cloud_monitoring_open")), one(raw("cloud_monitoring_closed"))
    assert (closed.source, closed.incident_id, closed.started_at) == (
        opened.source,
        opened.incident_id,
        opened.started_at,
    )
    assert (opened.closed, closed.closed) == (False, True)


def test_an_id_and_a_state_are_enough() -> None:
    """All else is optional: a page is never lost over a missing field."""
    alert = one(b'{"incident": {"incident_id": "0.x", "state": "open"}}')
    assert alert == Alert(source="cloud-monitoring", incident_id="0.x", title="Incident 0.x")


@pytest.mark.parametrize(
    ("state", "closed"),
    [("open", False), ("OPEN", False), (" Closed ", True), ("closed\x00", True), ("acknowledged", False)],
)
def test_states_are_read_in_any_case(state: str, closed: bool) -> None:  # noqa: FBT001 - a column of the table
    """The test notification shouts OPEN; an acknowledged one is an open that changes nothing."""
    assert one(incident(state=state)).closed is closed


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"state": "banana"}, "expected 'open' or 'closed' in incident.state, got 'banana'"),
        ({"state": ABSENT}, "expected 'open' or 'closed' in incident.state, got nothing"),
        ({"state": ["open"]}, "expected 'open' or 'closed' in incident.state, got a list"),
        ({"state": 1}, "expected 'open' or 'closed' in incident.state, got 1"),
        ({"incident_id": ABSENT}, "expected a string or a number in incident.incident_id, got nothing"),
        ({"incident_id": ""}, "expected a string or a number in incident.incident_id, got ''"),
        ({"incident_id": "\x00 "}, r"expected a string or a number in incident.incident_id, got '\x00 '"),
        ({"incident_id": {}}, "expected a string or a number in incident.incident_id, got an object"),
        ({"incident_id": True}, "expected a string or a number in incident.incident_id, got true"),
        ({"incident_id": False}, "expected a string or a number in incident.incident_id, got false"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_identifies_an_incident_is_refused_by_path(fields: dict[str, object], reason: str) -> None:
    """Without an id or a state nobody can tell what opened or closed."""
    assert refusal(incident(**fields)) == reason


@pytest.mark.parametrize(
    ("value", "incident_id"),
    [("0.abc", "0.abc"), (" 0.abc\n", "0.abc"), ("0.\x00abc\ud800", "0.abc"), (12345, "12345"), (1.5, "1.5")],
    ids=str,
)
def test_an_id_may_be_a_string_or_a_number(value: object, incident_id: str) -> None:
    """Numbers stand where strings are usual in old and hand-made bodies."""
    assert one(incident(incident_id=value)).incident_id == incident_id


def test_long_ids_that_begin_alike_stay_apart() -> None:
    """A cut id must not make two incidents one: the second page would be lost."""
    first, second = (one(incident(incident_id="x" * 5000 + end)).incident_id for end in "ab")
    assert first != second
    assert len(first) == len(second) == 500


@pytest.mark.parametrize(
    ("severity", "label", "word"),
    [
        ("Critical", ABSENT, "critical"),
        ("Error", ABSENT, "error"),
        ("Warning", ABSENT, "warning"),
        ("Critical", "warning", "critical"),
        ("No severity", ABSENT, ""),
        ("no severity", "Error", "error"),
        ("No severity", "no severity", ""),
        (ABSENT, "critical", "critical"),
        (ABSENT, ABSENT, ""),
        ("", "warning", "warning"),
        (None, "warning", "warning"),
        (["Critical"], "warning", "warning"),
        ("Sev-1", ABSENT, "sev-1"),
    ],
    ids=str,
)
def test_the_severity_is_the_policys_or_else_its_labels(severity: object, label: object, word: str) -> None:
    """DESIGN.md, "Settled questions": to "No severity" the label is preferred, and without one it is unset."""
    labels = {} if label is ABSENT else {"severity": label}
    assert one(incident(severity=severity, policy_user_labels=labels)).severity == word


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"condition_name": "High CPU"}, "High CPU on db-1"),
        ({"condition_name": "cpu"}, "High CPU on db-1"),
        ({"policy_name": "db-1 is slow"}, "db-1 is slow (VM Instance - CPU utilization)"),
        ({"policy_name": "db-10 is slow"}, "db-10 is slow on db-1 (VM Instance - CPU utilization)"),
        ({"policy_name": "mydb-1 is slow"}, "mydb-1 is slow on db-1 (VM Instance - CPU utilization)"),
        ({"policy_name": "db-10 or DB-1"}, "db-10 or DB-1 (VM Instance - CPU utilization)"),
        ({"policy_name": True, "condition_name": "Load"}, "Load on db-1"),
        ({"policy_name": ABSENT}, "VM Instance - CPU utilization on db-1"),
        ({"condition_name": ABSENT}, "High CPU on db-1 (VM Instance - CPU utilization)"),
        ({"condition_name": ABSENT, "condition": ABSENT}, "High CPU on db-1"),
        ({"policy_name": "重启", "condition_name": "重启"}, "重启 on db-1"),
        ({"resource_display_name": ABSENT, "condition_name": ABSENT, "condition": ABSENT}, "High CPU on db-1"),
        ({"policy_name": ["x"], "condition_name": 7}, "7 on db-1"),
        (
            {"policy_name": ABSENT, "condition_name": ABSENT, "condition": ABSENT, "summary": "Something\nis on fire"},
            "Something is on fire",
        ),
        ({"policy_name": "projects/larch-prod/alertPolicies/1", "condition_name": "Load"}, "Load on db-1"),
        ({"policy_name": "H" * 9000}, "H" * 499 + "…"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_the_title_says_what_and_where(fields: dict[str, object], title: str) -> None:
    """The human's own name for it first, then the place, then the condition, nothing twice."""
    assert one(incident(**fields)).title == title


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"resource_name": "larch-prod db-2"}, " on db-2"),
        ({"resource_name": "webserver-85"}, " on webserver-85"),
        ({"resource": {"labels": {"project_id": "p", "pod_name": "shop-1"}}}, " on shop-1"),
        ({"resource": {"labels": {"zone": "z", "host": "shop.example.org"}}}, " on shop.example.org"),
        ({"resource": {"labels": {"project_id": "p"}}}, " on db-1"),
        ({"resource": {"labels": {"project_id": "p", "zone": "z"}}, "metric": {}}, ""),
        ({"resource": [], "metric": 7}, ""),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_missing_display_name_is_made_up_for(fields: dict[str, object], where: str) -> None:
    """The resource's name without its project, or else the label that names it; zone and project never do."""
    generated = {"resource_name": "VM Instance labels {project_id=larch-prod}", **fields}
    body = incident(resource_display_name=ABSENT, condition_name="High CPU", **generated)
    assert one(body).title == f"High CPU{where}"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"summary": "It is hot."}, "It is hot."),
        ({"documentation": {"subject": "[ALERT - Error] Heat", "content": ""}}, ""),
        ({"documentation": {"subject": "[RESOLVED - Error] Heat", "content": "Words"}}, ""),
        ({"documentation": {"subject": "Mind the heat", "content": "Words"}}, "Mind the heat"),
        (
            {"documentation": {"links": [{"displayName": "Runbook", "url": "https://a.example"}, 7, {}]}},
            "Runbook: https://a.example",
        ),
        (
            {"documentation": {"links": [{"DisplayName": "Book", "URL": "https://b.example"}]}},
            "Book: https://b.example",
        ),
        ({"documentation": {"links": [{"url": "https://c.example"}]}}, "https://c.example"),
        ({"documentation": 5.5}, ""),
        ({"documentation": ["x"]}, ""),
        ({"summary": {"x": 1}}, ""),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_text_is_summary_subject_and_links_said_once(fields: dict[str, object], text: str) -> None:
    """Google's own subject repeats the rest; a human's subject and links are worth reading."""
    blank = {"summary": ABSENT, "documentation": ABSENT, "observed_value": ABSENT}
    assert one(incident(**{**blank, **fields})).text == text


@pytest.mark.parametrize(
    ("fields", "documentation"),
    [
        ({}, ""),
        ({"documentation": {"content": "## Heat\n\n* Look at the fan."}}, "## Heat\n\n* Look at the fan."),
        ({"documentation": "A string"}, "A string"),
        ({"documentation": 5.5}, "5.5"),
        ({"documentation": {"content": ["x"]}}, ""),
        ({"documentation": {"content": "It is hot."}}, ""),
        ({"documentation": {"content": "High CPU"}}, ""),
        ({"documentation": {"subject": "Mind the heat", "content": "Mind the heat"}}, ""),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_documentation_stands_apart_and_repeats_nothing(fields: dict[str, object], documentation: str) -> None:
    """It alone is Markdown; what the title or the text says already is not documentation."""
    blank = {"summary": "It is hot.", "documentation": ABSENT, "observed_value": ABSENT}
    assert one(incident(**{**blank, **fields})).documentation == documentation


IN_ZONE = {"type": "gce_instance", "labels": {"project_id": "larch-prod", "zone": "us-east1-b", "note": "a, b=1"}}


@pytest.mark.parametrize(
    ("summary", "fields", "text"),
    [
        ("CPU for larch-prod db-1 is above 1.", {}, "CPU is above 1."),
        ("CPU for larch-prod db-1 with metric labels {instance_name=db-1} is above 1.", {}, "CPU is above 1."),
        (
            "CPU for larch-prod db-1 with metric labels {instance_name=db-1} and system labels {machine=large} is up.",
            {},
            "CPU is up.",
        ),
        (
            "CPU for larch-prod db-1 with metric labels {instance_name=db-1, core=7} is above 1.",
            {},
            "CPU with metric labels {instance_name=db-1, core=7} is above 1.",
        ),
        ("CPU for larch-prod db-2 is above 1.", {}, "CPU for larch-prod db-2 is above 1."),
        (
            "CPU for larch-prod db-2 is above 1.",
            {"resource_name": "larch-prod db-2"},
            "CPU for larch-prod db-2 is above 1.",
        ),
        (
            "CPU for larch-prod VM Instance labels {zone=us-east1-b, note=a, b=1} is above 1.",
            {"resource_name": "larch-prod VM Instance labels {zone=us-east1-b, note=a, b=1}", "resource": IN_ZONE},
            "CPU is above 1.",
        ),
        (
            "Log match condition fired for Kubernetes Container with {zone=us-east1-b}.",
            {"resource_name": "Kubernetes Container labels {zone=us-east1-b}", "resource": IN_ZONE},
            "Log match condition fired for Kubernetes Container.",
        ),
        ("CPU for {} is {zone=a}{", {}, "CPU for is {zone=a}{"),
        ("{" * 9_000, {}, "{" * 8_000),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_summary_does_not_repeat_title_and_labels(summary: str, fields: dict[str, object], text: str) -> None:
    """What is left out stands in the title or among the labels; in doubt nothing is left out."""
    alert = one(incident(summary=summary, documentation=ABSENT, observed_value=ABSENT, **fields))
    assert alert.text.replace("…", "{") == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"observed_value": "0.973"}, "Observed 0.973, threshold 0.9."),
        ({"observed_value": 3, "threshold_value": 2}, "Observed 3, threshold 2."),
        ({"observed_value": "1", "threshold_value": ABSENT}, "Observed 1, threshold 0.9."),
        (
            {"observed_value": "1", "threshold_value": "", "condition": {"conditionThreshold": {}}},
            "Observed 1, threshold 0.",
        ),
        ({"observed_value": "1", "threshold_value": ABSENT, "condition": {"conditionAbsent": {}}}, "Observed 1."),
        ({"observed_value": "1", "summary": "Now at 1."}, "Now at 1."),
        ({"observed_value": "1", "summary": "Now at 10."}, "Now at 10.\n\nObserved 1, threshold 0.9."),
        ({"observed_value": "1", "summary": "Now at 1.5"}, "Now at 1.5\n\nObserved 1, threshold 0.9."),
        ({"observed_value": "Cancelled."}, "Cancelled."),
        ({"observed_value": "Cancelled.", "summary": 'a value of "Cancelled."'}, 'a value of "Cancelled."'),
        ({"observed_value": ""}, ""),
    ],
    ids=lambda value: str(value)[:60],
)
def test_measured_values_are_told_when_the_summary_does_not(fields: dict[str, object], text: str) -> None:
    """An observed value may be a sentence; a threshold of zero is left out by the sender."""
    blank = {"summary": ABSENT, "documentation": ABSENT}
    assert one(incident(**{**blank, **fields})).text == text


@pytest.mark.parametrize(
    "started_at",
    [0, -1, None, "null", "1767225600 s", True, 1767225600000, 10**30, 10**4000, -(10**30), 1.5e300, [], {}, "", 12345],
    ids=lambda value: str(value)[:20],
)
def test_an_absurd_start_is_no_start(started_at: object) -> None:
    """Never an error, and never a time before the resolve of the incident: that open would be taken for late."""
    assert one(incident(started_at=started_at)).started_at is None


def test_a_start_may_be_digits_in_a_string() -> None:
    assert one(incident(started_at="1767225600")).started_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_start_may_have_a_fraction() -> None:
    """A JSON number of seconds, whole or not."""
    assert one(incident(started_at=1767225600.5)).started_at == datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)


def test_a_log_match_is_a_one_off() -> None:
    """Google never sends its close; its id still tells one from the next."""
    alert = one(raw("cloud_monitoring_log_match"))
    assert (alert.one_off, alert.incident_id, alert.severity) == (True, "0.logmatch0001", "warning")
    assert alert.title == "Serial port opened on shop-5f7d-x2x4"


@pytest.mark.parametrize(
    ("fields", "one_off"),
    [
        ({}, True),
        ({"condition": ABSENT}, True),
        ({"condition": ABSENT, "summary": "CPU is above"}, False),
        ({"condition": {"conditionThreshold": {}}}, False),
        ({"state": "closed"}, False),
    ],
    ids=str,
)
def test_what_can_close_is_no_one_off(fields: dict[str, object], one_off: bool) -> None:  # noqa: FBT001 - a column
    """A body without its condition is told by Google's own summary; a close proves that it can close."""
    assert one(incident("cloud_monitoring_log_match", **fields)).one_off is one_off


def test_the_test_notification_is_marked() -> None:
    """Version "test", capitals, a string for documentation, times of 0, a path for a policy's name."""
    alert = one(raw("cloud_monitoring_test"))
    assert (alert.test, alert.closed, alert.incident_id, alert.started_at) == (True, False, "54321", None)
    assert alert.title == "Sample condition on Sample Resource"
    assert alert.text == "A test of the channel\n\nObserved 2.0, threshold 1.5."
    assert alert.documentation == "Words about the test"


@pytest.mark.parametrize("version", ["1.2", "1.1", 1, None, [], "banana"], ids=str)
def test_no_version_but_test_matters(version: object) -> None:
    """Schemas are told by what is there: 2015's version is a number, and tomorrow's is not known."""
    body = json.loads(raw("cloud_monitoring_open")) | {"version": version}
    assert one(json.dumps(body).encode()) == one(raw("cloud_monitoring_open"))


def test_schema_1_1_is_read() -> None:
    """The resource's name is the place."""
    alert = one(raw("cloud_monitoring_v1_1"))
    assert alert.title == "Mail health on mail-7 (Queue length)"
    assert alert.started_at == datetime(2015, 1, 1, tzinfo=UTC)


def test_schema_1_has_its_summary_for_a_title() -> None:
    """It names neither policy nor condition."""
    alert = one(raw("cloud_monitoring_v1"))
    assert alert.title == "Queue length for mail-7 is above the threshold of 50 with a value of 812"
    assert (alert.text, alert.closed) == ("", False)


def test_a_long_summary_in_the_title_stays_whole_in_the_text() -> None:
    """What is cut from the title was not said."""
    summary = "Very much is wrong. " * 40
    alert = one(incident("cloud_monitoring_v1", summary=summary))
    assert alert.title.endswith("…")
    assert alert.text == summary.strip()


def test_an_uptime_check_of_2020_names_its_host() -> None:
    """No condition, no display name: the resource's label says where."""
    assert one(raw("cloud_monitoring_uptime_2020")).title == "Shop is down on shop.example.org (Uptime check on shop)"


def test_a_label_name_used_twice_is_prefixed() -> None:
    """The policy's own label keeps the bare name; the same value is not said again."""
    alert = one(
        incident(
            policy_user_labels={"zone": "mine", "team": "storage", "nested": {"x": 1}, "empty": "", "\x00": "x"},
            resource={"labels": {"zone": "theirs", "spot": True, "cpus": 4}},
            metric={},
            scoping_project_id=ABSENT,
        )
    )
    assert alert.labels == (
        Label("zone", "mine"),
        Label("team", "storage"),
        Label("resource.zone", "theirs"),
        Label("spot", "true"),
        Label("cpus", "4"),
        Label("machine", "large"),
    )


def test_labels_are_bounded() -> None:
    """A document of the store has a limit, and the policy's own labels come first."""
    many = {f"key{number}": "v" * 1000 for number in range(300)}
    labels = one(incident(policy_user_labels=many)).labels
    assert [label.name for label in labels] == [f"key{number}" for number in range(50)]
    assert {len(label.value) for label in labels} == {200}


@pytest.mark.parametrize("url", ["javascript:alert(1)", "not a url", 7, None, ["https://a.example"]], ids=str)
def test_no_link_is_better_than_a_bad_one(url: object) -> None:
    """Only http and https stand behind a link."""
    assert one(incident(url=url)).url == ""


@pytest.mark.parametrize("wrong", [None, 7, True, "x", [], ["x"], {}, {"x": []}, 1.5], ids=str)
@pytest.mark.parametrize(
    "name", sorted(json.loads(raw("cloud_monitoring_open"))["incident"].keys() - {"incident_id", "state"})
)
def test_a_wrong_type_in_an_optional_field_costs_no_page(name: str, wrong: object) -> None:
    """Each optional field of the body with each type: accepted, with the same identity."""
    alert = one(incident(**{name: wrong}))
    assert (alert.incident_id, alert.closed) == ("0.n1a2b3c4d5e6", False)
