"""Google Cloud Monitoring's webhook body: schema 1.2, the old 1.1 and 1, and the console's test notification.

There is no published schema of it; field by field, what is known comes from captured bodies. An `incident`
object with an id and a state is enough, all else is optional.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from notifier.core.alert import LABELS, TITLE_CHARACTERS, Alert, cut
from notifier.sources.fields import Fields, scalar
from notifier.sources.reading import Reading
from notifier.sources.times import from_unix
from notifier.sources.words import flat_labels, mentions, paragraphs

# "acknowledged" is documented for schema 1 and 1.1 only. As an open it changes nothing of an incident we know,
# and one we do not know (its open was lost) is told: a click in Google's console must not silence our people.
_STATES = {"open": False, "acknowledged": False, "closed": True}

# What the sender writes when the policy has no severity.
_UNSET = {"", "no severity"}

# Labels that tell a person which thing it is, most telling first; those of place (zone, region) never do.
_NAMING_LABELS = (
    "host",
    "pod_name",
    "instance_name",
    "service_name",
    "function_name",
    "job_name",
    "subscription_id",
    "topic_id",
    "queue_id",
    "database_id",
    "bucket_name",
    "url_map_name",
    "instance_id",
    "container_name",
    "namespace_name",
    "cluster_name",
)

# The test notification has a path for a policy's name.
_POLICY_PATH = re.compile(r"projects/[^/\s]+/alertPolicies/\S+")
_NUMERIC = re.compile(r"[-+]?[\d.,]{1,40}(?:e[-+]?\d{1,4})?%?", re.IGNORECASE)

# How Google's sentences list labels: " with metric labels {a=1, b=2}", " and system labels {...}", " with {...}".
_LABELS = re.compile(r"(?: (?:with|and))?(?: (?:metric|system|user|resource))?(?: labels)? \{(?P<pairs>[^{}]*)\}")

# Every log match policy's condition is called so unless somebody renames it: it says nothing.
_LOG_MATCH = "log match condition"

# At most 3 links by the API; more would be no Cloud Monitoring.
_LINKS = 3


def recognises(body: Fields) -> bool:
    return isinstance(body.values.get("incident"), dict)


def read(body: Fields) -> Reading:
    """The one alert of the body. Raises Unreadable: no id or state in the incident."""
    incident = body.fields("incident")
    closed = incident.closed("state", _STATES)
    title = _title(incident)
    text = paragraphs(title, _parts(incident, title))
    alert = Alert(
        source="cloud-monitoring",
        incident_id=incident.identity("incident_id"),
        closed=closed,
        severity=_severity(incident),
        title=title,
        text=text,
        documentation=_documentation(incident, title, text),
        url=incident.text("url"),
        labels=flat_labels(
            ("policy", incident.fields("policy_user_labels")),
            ("scoping", Fields({"project_id": incident.text("scoping_project_id")})),
            ("resource", Fields({"resource_type": incident.fields("resource").text("type")})),
            ("resource", incident.fields("resource").fields("labels")),
            ("metric", Fields({"metric_type": incident.fields("metric").text("type")})),
            ("metric", incident.fields("metric").fields("labels")),
            ("user", incident.fields("metadata").fields("user_labels")),
            ("system", incident.fields("metadata").fields("system_labels")),
        ),
        started_at=from_unix(incident.values.get("started_at")),
        # Google never sends the close of a log match. If one comes all the same, this one can close.
        one_off=_is_log_match(incident) and not closed,
        test=body.text("version") == "test",
    )
    return Reading(alerts=(alert,))


def _severity(incident: Fields) -> str:
    """The policy's severity, or else its label `severity` (a common habit older than the field)."""
    words = (incident.text("severity"), incident.fields("policy_user_labels").text("severity"))
    return next((word for word in words if word.lower() not in _UNSET), "")


def _is_log_match(incident: Fields) -> bool:
    condition = incident.fields("condition").values
    if condition:
        return "conditionMatchedLog" in condition
    # Bodies without their condition: the summary is made by Google and cannot be customised.
    return incident.text("summary").lower().startswith(_LOG_MATCH)


def _title(incident: Fields) -> str:
    """What and where, the human's own words first: "High CPU on db-1 (VM Instance - CPU utilization)"."""
    policy = incident.text("policy_name")
    if _POLICY_PATH.fullmatch(policy):
        policy = ""
    condition = incident.text("condition_name") or incident.fields("condition").text("displayName")
    title = policy or condition
    if not title:
        return incident.text("summary") or f"Incident {incident.text('incident_id')}"
    where = _where(incident)
    if where and not mentions(title, where):
        title = f"{title} on {where}"
    said = mentions(title, condition) or mentions(condition, policy) or condition.lower() == _LOG_MATCH
    return title if said else f"{title} ({condition})"


def _where(incident: Fields) -> str:
    """The one thing it is about; empty for a sum over many."""
    resource = incident.fields("resource").fields("labels")
    named = incident.text("resource_display_name")
    if named:
        return named
    name = incident.text("resource_name")
    # With labels in it, it is a sentence of Google's: "VM Instance labels {project_id=..., zone=...}".
    if name and "labels {" not in name:
        return name.removeprefix(f"{_project(incident)} ")
    metric = incident.fields("metric").fields("labels")
    return next((labels.text(key) for key in _NAMING_LABELS for labels in (resource, metric) if labels.text(key)), "")


def _project(incident: Fields) -> str:
    return incident.fields("resource").fields("labels").text("project_id") or incident.text("scoping_project_id")


def _parts(incident: Fields, title: str) -> Iterator[str]:
    summary = incident.text("summary")
    yield _summary(incident, title)
    yield _values(incident, summary)
    documentation = incident.fields("documentation")
    subject = documentation.text("subject")
    # Google's own subject only repeats severity, condition and resource.
    if not subject.startswith(("[ALERT", "[RESOLVED")):
        yield subject
    for item in documentation.items("links")[:_LINKS]:
        link = Fields(item if isinstance(item, dict) else {})
        # Google's API says displayName and url, Google's own forwarder reads DisplayName and URL.
        name, url = (
            link.text(key) or link.text(other) for key, other in (("displayName", "DisplayName"), ("url", "URL"))
        )
        if url:
            yield f"{name}: {url}" if name else url


def _documentation(incident: Fields, title: str, text: str) -> str:
    # The test notification has a string in place of the object.
    content = incident.fields("documentation").text("content") or incident.text("documentation")
    return "" if content in title or content in text else content


def _summary(incident: Fields, title: str) -> str:
    """Google's sentence without what the title and the labels say.

    "CPU utilization for larch-prod db-1 with metric labels {instance_name=db-1} is above the threshold of 0.900 with
    a value of 0.973." is, below the title "High CPU on db-1", "CPU utilization is above the threshold ...".
    """
    whole = incident.text("summary")
    if whole in cut(title, TITLE_CHARACTERS):
        return whole
    pairs = sorted(_label_pairs(incident), key=len, reverse=True)

    def without_labels(text: str) -> str:
        return _LABELS.sub(lambda group: "" if _all_told(group["pairs"], pairs) else group[0], text)

    summary = without_labels(whole)
    name = without_labels(incident.text("resource_name"))
    kind = incident.text("resource_type_display_name")
    where = name.removeprefix(_project(incident)).removesuffix(kind).strip()
    if name and mentions(title, where) and (not name.endswith(kind) or mentions(title, kind)):
        summary = summary.replace(f" for {name} ", " ", 1)
    return summary


def _label_pairs(incident: Fields) -> Iterator[str]:
    """Every label as Google's sentences write it: "zone=us-east1-b"."""
    resource, metric, metadata = (incident.fields(name) for name in ("resource", "metric", "metadata"))
    places = (resource.fields("labels"), metric.fields("labels"))
    for group in (*places, metadata.fields("user_labels"), metadata.fields("system_labels")):
        yield from (f"{name}={scalar(value)}" for name, value in islice(group.values.items(), LABELS))


def _all_told(listed: str, pairs: list[str]) -> bool:
    """Whether nothing stands in "a=1, b=2" that is not one of `pairs`; a value may itself hold commas."""
    for pair in pairs:
        listed = listed.replace(pair, "", 1)
    return not listed.strip(", ")


def _values(incident: Fields, summary: str) -> str:
    """What was measured, when the summary does not say it."""
    observed = incident.text("observed_value")
    # When the policy was changed meanwhile, a sentence stands in place of the number.
    if not _NUMERIC.fullmatch(observed):
        return observed
    if re.search(rf"(?<![\d.]){re.escape(observed)}(?!\.?\d)", summary):
        return ""
    threshold = incident.text("threshold_value") or _condition_threshold(incident)
    return f"Observed {observed}, threshold {threshold}." if threshold else f"Observed {observed}."


def _condition_threshold(incident: Fields) -> str:
    condition = incident.fields("condition")
    if "conditionThreshold" not in condition.values:
        return ""
    # Protobuf's JSON leaves out a value that is zero.
    return condition.fields("conditionThreshold").text("thresholdValue") or "0"
