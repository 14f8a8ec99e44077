"""Bodies as Cloud Monitoring sends them."""

from __future__ import annotations

from typing import Any


def cloud_monitoring(
    incident_id: str,
    severity: str = "Critical",
    state: str = "open",
    *,
    on: str = "db-1",
    started_at: int = 1_769_860_800,
) -> dict[str, Any]:
    """A schema 1.2 body of a metric threshold. `on`: the machine it is about."""
    return {
        "incident": {
            "condition": {
                "conditionThreshold": {"comparison": "COMPARISON_GT", "thresholdValue": 0.9, "duration": "60s"},
                "displayName": "CPU utilization",
                "name": "projects/example-project/alertPolicies/1/conditions/2",
            },
            "condition_name": "CPU utilization",
            "documentation": {"content": "", "mime_type": "", "subject": f"[ALERT - {severity}] CPU on {on}"},
            "ended_at": None if state == "open" else 1_769_861_000,
            "incident_id": incident_id,
            "metadata": {"system_labels": {}, "user_labels": {}},
            "metric": {"displayName": "CPU", "labels": {}, "type": "compute.googleapis.com/instance/cpu/utilization"},
            "observed_value": "0.974",
            "policy_name": "Database CPU",
            "resource": {"labels": {"project_id": "example-project", "zone": "europe-west1-b"}, "type": "gce_instance"},
            "resource_display_name": on,
            "resource_id": "",
            "resource_name": f"example-project {on}",
            "resource_type_display_name": "VM Instance",
            "scoping_project_id": "example-project",
            "scoping_project_number": 123456789012,
            "severity": severity,
            "started_at": started_at,
            "state": state,
            "summary": f"CPU utilization for example-project {on} is above the threshold of 0.9 with a value of 0.974.",
            "threshold_value": "0.9",
            "url": f"https://console.cloud.google.com/monitoring/alerting/alerts/{incident_id}?project=example-project",
        },
        "version": "1.2",
    }
