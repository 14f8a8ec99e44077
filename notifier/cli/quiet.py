"""The log of a command: what people read at a terminal is the answer, and not how it came about."""

from __future__ import annotations

from notifier.core.alert import Severity
from notifier.ports import Log


class QuietLog:
    """Passes on what SIMULATE=1 shows in place of a send, and nothing else."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def write(self, severity: Severity, message: str, **fields: object) -> None:
        if "preview" in fields:
            self._log.write(severity, message, **fields)
