"""The alert policies on the pager itself, before gcloud sends them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from notifier.cli.alert_policies import KINDS, channels_of, covers, log_filter_of_ticks

if TYPE_CHECKING:
    from pathlib import Path

PLACE = Namespace(name="notifier", project="acme-pager", region="us-central1")
OPTIONS = [f"--{name}={value}" for name, value in vars(PLACE).items()]
POLICY_NAME = "projects/acme-pager/alertPolicies/7"

every_policy = pytest.mark.parametrize("kind", KINDS)


def _condition(kind: str) -> dict[str, Any]:
    (condition,) = KINDS[kind](PLACE)["conditions"]
    threshold: dict[str, Any] = condition["conditionThreshold"]
    return threshold


def _seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def _run_script(kind: str, *options: str) -> str:
    """As deploy.sh runs it."""
    command = [sys.executable, "-m", "notifier.cli.alert_policies", kind, *OPTIONS, *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


# ------------------------------------------------------------------------------------------------- what they watch


def test_a_good_tick_is_what_the_request_log_says_was_answered_with_200() -> None:
    assert _run_script("log-filter").split(" AND ") == [
        'resource.type="cloud_run_revision"',
        'resource.labels.service_name="notifier"',
        'resource.labels.location="us-central1"',
        'logName="projects/acme-pager/logs/run.googleapis.com%2Frequests"',
        'httpRequest.requestMethod="POST"',
        'httpRequest.requestUrl=~"/tick$"',
        "httpRequest.status=200",
    ]


def test_no_tick_is_less_than_one_in_five_minutes_of_all_revisions_together() -> None:
    condition = _condition("ticks")
    assert condition["filter"].split(" AND ") == [
        'metric.type="logging.googleapis.com/user/notifier-ticks"',
        'resource.type="cloud_run_revision"',
    ]
    assert (condition["comparison"], condition["thresholdValue"]) == ("COMPARISON_LT", 1)
    (sums,) = condition["aggregations"]
    assert sums == {"alignmentPeriod": "300s", "perSeriesAligner": "ALIGN_SUM", "crossSeriesReducer": "REDUCE_SUM"}


def test_no_data_is_no_tick_as_a_deleted_function_or_job_leaves_none() -> None:
    assert _condition("ticks")["evaluationMissingData"] == "EVALUATION_MISSING_DATA_ACTIVE"


def test_errors_are_more_than_one_5xx_in_five_minutes_of_this_function_alone() -> None:
    condition = _condition("errors")
    assert condition["filter"].split(" AND ") == [
        'metric.type="run.googleapis.com/request_count"',
        'resource.type="cloud_run_revision"',
        'resource.labels.service_name="notifier"',
        'resource.labels.location="us-central1"',
        'metric.labels.response_code_class="5xx"',
    ]
    assert (condition["comparison"], condition["thresholdValue"]) == ("COMPARISON_GT", 1)
    assert condition["aggregations"][0]["alignmentPeriod"] == "300s"


def test_no_data_is_no_error() -> None:
    assert _condition("errors")["evaluationMissingData"] == "EVALUATION_MISSING_DATA_INACTIVE"


def test_silence_does_not_close_what_is_open_because_of_silence() -> None:
    assert KINDS["ticks"](PLACE)["alertStrategy"] == {"autoClose": "604800s"}
    assert KINDS["errors"](PLACE)["alertStrategy"] == {"autoClose": "1800s"}


@every_policy
def test_both_are_critical_switched_on_and_found_again_by_their_labels(kind: str) -> None:
    policy = KINDS[kind](PLACE)
    assert (policy["severity"], policy["enabled"]) == ("CRITICAL", True)
    assert policy["userLabels"] == {"notifier": "notifier", "watches": kind}


@every_policy
def test_both_keep_to_the_limits_of_the_api(kind: str) -> None:
    """https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies and .../monitoring/quotas."""
    policy = KINDS[kind](Namespace(name="a" * 24, project="p" * 30, region="northamerica-northeast1"))
    (condition,) = [one["conditionThreshold"] for one in policy["conditions"]]
    text = policy["documentation"]["content"]
    assert len(text.encode()) <= 8192
    assert len(condition["filter"]) <= 2048
    assert 60 <= _seconds(condition["duration"]) == _seconds(condition["duration"]) // 60 * 60
    assert 1800 <= _seconds(policy["alertStrategy"]["autoClose"]) <= 604_800
    assert "${" not in text  # Cloud Monitoring would take it for a variable


# ------------------------------------------------------------------------------------------------- what they say


@every_policy
def test_both_say_what_to_look_at_first(kind: str) -> None:
    text = KINDS[kind](PLACE)["documentation"]["content"]
    assert "python -m notifier check --live" in text
    (first, *_) = re.findall(r"https://console\.cloud\.google\.com/logs/query;query=(\S+)\?project=acme-pager\)", text)
    assert unquote(first).startswith('resource.type="cloud_run_revision" AND resource.labels.service_name="notifier"')


def test_the_ticks_in_the_log_are_shown_whatever_they_were_answered() -> None:
    text = KINDS["ticks"](PLACE)["documentation"]["content"]
    shown = unquote(text.partition("query;query=")[2].partition("?project=")[0])
    assert shown == log_filter_of_ticks(PLACE, "")
    assert "httpRequest.status" not in shown


def test_who_is_told_of_silence_learns_how_the_job_is_put_right() -> None:
    text = " ".join(KINDS["ticks"](PLACE)["documentation"]["content"].split())
    assert "`gcloud scheduler jobs describe notifier-tick --location=us-central1 --project=acme-pager`" in text
    assert "Deleted, paused or changed: `./deploy.sh` sets it right" in text


# ------------------------------------------------------------------------------------------------- whom they tell


@pytest.mark.parametrize(
    ("live", "watchers", "own", "expected"),
    [
        (None, ["ann"], ["pager"], ["ann"]),
        (["ann"], ["ann"], ["pager", "ann"], ["ann"]),
        (["ann"], ["bob"], ["pager", "ann"], ["bob"]),
        (["pagerduty", "ann"], ["bob"], ["pager", "ann"], ["bob", "pagerduty"]),
        (["pager", "ann"], ["ann"], ["pager", "ann"], ["ann"]),
        (["pager", "ann", "pagerduty"], [], ["pager"], ["ann", "pagerduty"]),
        (None, [], ["pager"], []),
    ],
    ids=[
        "a new policy",
        "nothing changed",
        "another watcher",
        "chosen by hand: stays",
        "the pager itself: never",
        "nobody given: who was told still is",
        "nobody at all",
    ],
)
def test_whom_a_policy_tells(live: list[str] | None, watchers: list[str], own: list[str], expected: list[str]) -> None:
    policy = None if live is None else {"notificationChannels": live}
    assert channels_of(policy, watchers, own) == expected


# ------------------------------------------------------------------------------------------------- whether they differ


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        ({"a": 1, "mutationRecord": {}}, {"a": 1}, True),
        ({"a": 2}, {"a": 1}, False),
        ({}, {"a": 1}, False),
        (None, {"a": 1}, False),
        ({"a": {"b": 1.0, "trigger": {}}}, {"a": {"b": 1}}, True),
        ([{"a": 1, "name": "x"}], [{"a": 1}], True),
        ([{"a": 1}, {"a": 2}], [{"a": 1}], False),
        ([], [{"a": 1}], False),
        (None, [], False),
    ],
)
def test_what_is_added_does_not_matter_and_what_is_wanted_does(live: object, wanted: object, expected: bool) -> None:  # noqa: FBT001
    assert covers(live, wanted) is expected


def _run(tmp_path: Path, live: str, *options: str) -> tuple[str, dict[str, Any]]:
    (tmp_path / "live.json").write_text(live, "utf-8")
    paths = (f"--live={tmp_path / 'live.json'}", f"--out={tmp_path / 'out.json'}")
    said = _run_script("ticks", *paths, *options)
    return said, json.loads((tmp_path / "out.json").read_text("utf-8"))


@pytest.mark.parametrize("live", ["", "[]"])
def test_a_missing_policy_is_said_to_be_missing(tmp_path: Path, live: str) -> None:
    said, written = _run(tmp_path, live, "--tell=ann bob", "--own=pager")
    assert said == "missing 2"
    assert written == {**KINDS["ticks"](PLACE), "notificationChannels": ["ann", "bob"]}


def test_a_policy_of_another_pager_is_none_of_ours(tmp_path: Path) -> None:
    other = {**KINDS["ticks"](PLACE), "name": POLICY_NAME, "userLabels": {"notifier": "second", "watches": "ticks"}}
    assert _run(tmp_path, json.dumps([{"name": "no labels"}, other]), "--tell=ann")[0] == "missing 1"


def test_the_order_of_channels_is_no_difference(tmp_path: Path) -> None:
    live = {**KINDS["ticks"](PLACE), "name": POLICY_NAME, "notificationChannels": ["bob", "ann"]}
    assert _run(tmp_path, json.dumps([live]), "--tell=ann bob")[0] == f"same 2 {POLICY_NAME}"


@pytest.mark.parametrize(
    "drift",
    [
        {"enabled": False},
        {"severity": "WARNING"},
        {"conditions": []},
        {"documentation": {"content": "", "mimeType": "text/markdown"}},
        {"notificationChannels": []},
        {"alertStrategy": {"autoClose": "1800s"}},
    ],
    ids=lambda drift: next(iter(drift)),
)
def test_what_hands_have_changed_differs(tmp_path: Path, drift: dict[str, Any]) -> None:
    live = {**KINDS["ticks"](PLACE), "name": POLICY_NAME, "notificationChannels": ["ann"], **drift}
    assert _run(tmp_path, json.dumps([live]), "--tell=ann")[0] == f"differs 1 {POLICY_NAME}"
