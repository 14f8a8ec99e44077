"""A sign of life to somebody else's watchdog, which tells people when it stops coming.

Any service that waits for a GET will do, as https://healthchecks.io/docs/http_api/ does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifier.core.outcome import Outcome

if TYPE_CHECKING:
    from notifier.channels.wire import Wire


class HttpHeartbeat:
    """ports.Heartbeat: one GET."""

    def __init__(self, wire: Wire, url: str) -> None:
        """`url`: a secret, as whoever knows it can say that all is well."""
        self._wire = wire
        self._url = url

    def beat(self, deadline: float) -> str:
        answer = self._wire.get(self._url, deadline=deadline, headers={"Accept": "*/*"})
        if isinstance(answer, Outcome):
            return answer.detail
        if not 200 <= answer.status < 300:  # noqa: PLR2004 the class of HTTP
            return f"{answer.host} answered {answer.status}; check HEARTBEAT_URL"
        return ""
