"""A pager on a virtual clock, to which a night happens: for pictures and for the browser. Nothing in it is random."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from notifier.core.answering import answerer
from notifier.core.incident import Incident
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import Policy
from notifier.sending import Deadlines
from notifier.settings import read_settings
from notifier.stores.sqlite import SqliteStore
from notifier.wiring import Outside, build
from tests.builders import SHIPPED
from tests.instances import CountingIds, RecordedList, RecordingChannel, RecordingLog, VirtualClock

T = TypeVar("T")

ADMIN_TOKEN = "made-up-admin-token-of-the-story"
SETTINGS = {
    "WEBHOOK_TOKEN": "made-up-webhook-token-of-the-story",
    "ADMIN_TOKEN": ADMIN_TOKEN,
    "PUBLIC_URL": "https://pager.example.com",
    "ONCALL_PHONE": "+15555550101,+15555550102",
    "SIMULATE": "1",
}


def one_by_one(tasks: Sequence[Callable[[], T]], seconds: float) -> list[T | None]:
    """In their order, so that each run of a story is the same."""
    return [task() for task in tasks]


class HexIds(CountingIds):
    """As the real ones look."""

    def claim(self) -> str:
        return f"{int(super().claim().rpartition('-')[2]):032x}"


class Stage:
    """One instance, and the time that passes on it."""

    def __init__(self, policy: Policy = SHIPPED) -> None:
        self.clock = VirtualClock()
        self._keys: dict[str, str] = {}
        self.channels = {name: RecordingChannel(name) for name in ("slack", "discord", "email", "sms")}
        self.store = SqliteStore(":memory:")  # nothing of a story is to outlive it, and a disk makes a night long
        self.app = build(
            read_settings(SETTINGS),
            policy,
            Outside(
                store=self.store,
                channels=dict(self.channels),
                texts=RecordedList(),
                clock=self.clock,
                ids=HexIds(),
                log=RecordingLog(),
                all_at_once=one_by_one,
            ),
        )

    def post(self, incident_id: str, **alert: object) -> Incident:
        """An alert comes in."""
        return self._take(incident_id, {"id": incident_id, **alert})

    def post_by_google(self, incident_id: str, **incident: object) -> Incident:
        """Cloud Monitoring opens an incident, this minute."""
        fields = {"incident_id": incident_id, "state": "open", "started_at": int(self.clock.now().timestamp())}
        return self._take(incident_id, {"incident": {**fields, **incident}, "version": "1.2"})

    def _take(self, incident_id: str, body: object) -> Incident:
        incident = self.app.take(msgspec.json.encode(body))
        self._keys[incident_id] = incident.key
        return incident

    def close(self, incident_id: str) -> None:
        self.app.take(msgspec.json.encode({"id": incident_id, "state": "closed"}))

    def let_pass(self, minutes: int) -> None:
        """The scheduler ticks once each minute."""
        for _ in range(minutes):
            self.clock.pass_time(minutes=1)
            assert self.app.tick.run(self.clock.monotonic()).error is None

    def acknowledge(self, incident_id: str, name: str, how: str) -> None:
        started = self.clock.monotonic()
        known = self.stored(incident_id)
        self.app.relay.acknowledge(known, known.generation, answerer(name, how), Deadlines.of_request(started, started))

    def stored(self, incident_id: str) -> Incident:
        incident = self.store.gather(self._keys[incident_id], self.clock.monotonic() + 5).incident
        assert incident is not None
        return incident

    def link(self, incident_id: str) -> str:
        """The path of the Acknowledge link that Slack was told last."""
        urls = [one.acknowledge_url for one in self.told("slack", incident_id)]
        return [url for url in urls if url][-1].removeprefix(SETTINGS["PUBLIC_URL"])

    def told(self, channel: str, incident_id: str) -> list[Message]:
        """What a channel was told of one incident, in its order."""
        return [one for one in self.channels[channel].told if one.incident == self._keys[incident_id]]

    @contextmanager
    def served(self) -> Iterator[str]:
        """Its address while it answers HTTP."""

        @Request.application
        def application(request: Request) -> Response:
            return self.app.web(request)  # type: ignore[arg-type] # Flask's requests are Werkzeug's

        server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Silent)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Silent(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nobody reads it."""


@contextmanager
def stage(policy: Policy = SHIPPED) -> Iterator[Stage]:
    """An empty one."""
    opened = Stage(policy)
    try:
        yield opened
    finally:
        opened.store.close()


RUNBOOK = """\
**Orders are kept, and delivered late.**
1. Restart the worker: `kubectl rollout restart deploy/worker`
2. No better? [Call payments](https://wiki.example.com/pay)
"""
ORDERS = {
    "severity": "Critical",
    "policy_name": "Orders wait",
    "condition_name": "over 30 min",
    "policy_user_labels": {"team": "shop"},
    "resource": {
        "type": "pubsub_subscription",
        "labels": {"project_id": "larch-prod", "subscription_id": "shop-orders"},
    },
    "resource_name": "larch-prod shop-orders",
    "resource_type_display_name": "Cloud Pub/Sub Subscription",
    "summary": (
        "Oldest unacked message age for larch-prod shop-orders is above the threshold of 1800.000"
        " with a value of 2412.000."
    ),
    "documentation": {"content": RUNBOOK, "mime_type": "text/markdown"},
    "url": "https://console.cloud.google.com/monitoring/alerting/alerts/0.example?project=larch-prod",
}
"""The night's last incident, as Cloud Monitoring tells it."""


def night(on: Stage) -> None:
    """What happens from 22:05 on; it ends at 03:41, with one page held back, as the last slots are kept."""
    on.clock.pass_time(hours=10)
    on.let_pass(5)
    on.post("disk", title="Disk of db-1 is 81 % full", severity="warning")
    on.let_pass(7)
    on.acknowledge("disk", "Ben", "by the link in Slack")
    on.let_pass(58)
    on.close("disk")
    on.let_pass(80)
    on.post("backup", title="The nightly backup has not begun", severity="error", text="Expected at 00:15 UTC.")
    on.let_pass(23)
    on.acknowledge("backup", "Ada", "by text from phone 1")
    on.let_pass(41)
    on.close("backup")
    on.let_pass(62)
    on.channels["sms"].ends.append(Outcome(Result.REJECTED, "30003: the phone is switched off or out of reach"))
    on.post("checkout", title="Checkout answers 502 to 9 % of requests", severity="critical")
    on.let_pass(4)
    on.acknowledge("checkout", "Ben", "by the link in Slack")
    on.let_pass(15)
    on.close("checkout")
    on.let_pass(7)
    on.post(
        "db",
        title="Database unreachable: primary db-1 does not answer",
        severity="critical",
        text="No connection for 60 s from three zones.",
        url="https://console.cloud.google.com/monitoring/alerting/incidents/0.example",
    )
    on.let_pass(4)
    on.post("web", title="Web is slow: p95 over 4 s", severity="warning")
    on.let_pass(13)
    on.channels["discord"].ends += [Outcome(Result.REJECTED, "404: the webhook is gone; make a new one")]
    on.post("login", title="Login errors over 5 %", severity="critical")
    on.let_pass(3)
    on.acknowledge("db", "Ada", "by the link in Slack")
    on.let_pass(2)
    on.acknowledge("login", "Ben", "by text from phone 2")
    on.let_pass(7)
    on.close("login")
    on.let_pass(4)
    on.post_by_google("orders", **ORDERS)
    on.let_pass(6)


def crowd(on: Stage, number: int) -> None:
    """So many incidents, a minute apart."""
    severities = ("critical", "error", "warning", "info")
    for index in range(number):
        on.post(f"one-{index}", title=f"Service {index} does not answer", severity=severities[index % 4])
        on.let_pass(1)
    on.clock.pass_time(seconds=20)
