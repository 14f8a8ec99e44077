"""The pager a small team owns, as a library: the same road as an alert that comes by HTTP.

from notifier import alert, resolve

alert("Database unreachable", "critical", id="db")
resolve("db")
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from notifier.core.incident import Incident
from notifier.core.policy import PolicyError
from notifier.ports import StoreError
from notifier.settings import SettingsError
from notifier.sources import Unreadable

__all__ = ["Incident", "PolicyError", "SettingsError", "StoreError", "Unreadable", "alert", "resolve"]


def alert(
    text: str,
    severity: str = "",
    *,
    id: str = "",  # noqa: A002 - the sender's word
    title: str = "",
    url: str = "",
    labels: Mapping[str, str] | None = None,
) -> Incident:
    """Tell the channels that `severity` deserves, and text the on-call phone if that is critical.

    Settings come from the environment, as for the function. The call is back within 9 s. Without an `id` it is a
    one-off, which nothing can resolve.

    Returns the incident as stored, with how each delivery ended. The log goes to standard error.
    Raises SettingsError, PolicyError; Unreadable when it says nothing; StoreError when nobody can tell whether it was
    stored, and then nothing was sent: call again.
    """
    return _send(
        {"text": text, "severity": severity, "id": id, "title": title, "url": url, "labels": dict(labels or {})}
    )


def resolve(id: str, text: str = "resolved") -> Incident:  # noqa: A002
    """Say that the incident `id` is over. Returns and raises as `alert`."""
    return _send({"text": text, "id": id, "state": "closed"})


def _send(content: Mapping[str, object]) -> Incident:
    # Here, as `notifier` itself is imported by every one of its modules.
    from notifier.wiring import app_from_environment  # noqa: PLC0415

    given = {name: value for name, value in content.items() if value}
    return app_from_environment(sys.stderr).take(json.dumps(given).encode())
