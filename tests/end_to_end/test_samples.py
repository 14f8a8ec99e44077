"""Recorded alerts posted to the running function, each with the answer it must get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.builders import ROOT
from tests.end_to_end.processes import TOKEN, Function, function

OURS = sorted((ROOT / "tests" / "fixtures" / "alerts").glob("*.json"))
SHARED = sorted((ROOT.parent / "shared" / "samples").glob("*.json"))
"""Real bodies as they were published; here only where the project is developed."""

NO_ALERTS = {"budget-01": 400, "pubsub-01": 400, "pubsub-03": 200, "pubsub-08": 200}
"""What is none, by the beginning of its name: inside a Pub/Sub push 200, as a 400 would come back for a week."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("samples")
    settings = {"SIMULATE": "1", "STATE": f"sqlite:{folder / 'state.sqlite'}"}
    with function(settings, folder / "log") as one:
        yield one


@pytest.mark.parametrize("file", [*OURS, *SHARED], ids=lambda file: file.stem)
def test_a_recorded_body_gets_its_answer(running: Function, file: Path) -> None:
    answer = requests.post(running.url, data=file.read_bytes(), auth=("any", TOKEN), timeout=20)
    refused = next((status for name, status in NO_ALERTS.items() if file.stem.startswith(name)), None)
    if refused:
        assert answer.status_code == refused
        assert answer.json()["error"].startswith(("expected", "in a Pub/Sub message"))
        return
    assert answer.status_code == 200
    incidents = answer.json()["incidents"]
    # Counted by hand, so that no alert of a body is lost between reading and answering.
    assert len(incidents) == max(1, json.loads(file.read_bytes()).get("alerts", [{}]).__len__())
    for incident in incidents:
        assert incident["state"] in ("open", "resolved", "test")
        assert ("opened/sms/0/1" in incident["deliveries"]) <= (incident["severity"] == "critical")


def test_there_are_recorded_bodies() -> None:
    assert len(OURS) >= 10
