"""HTTP in, HTTP out: which path does what, who may, and with which status."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs

import msgspec
from flask import Request, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from notifier.answers import (
    BASIC_CHALLENGE,
    RETRY_AFTER,
    RETRY_AFTER_SECONDS,
    credential_of,
    error_answer,
    json_answer,
    page_answer,
)
from notifier.auth import AcknowledgeLinks, Callers, Forged, Link, Refused, Unverifiable
from notifier.body import BODY_BYTES, Body, Late, TooLarge
from notifier.callbacks import STATUS_PATH, TEXT_PATH, Callbacks, Fields, Ignored, twiml
from notifier.core.alert import Alert, Severity
from notifier.core.answering import answerer
from notifier.core.events import Reported
from notifier.core.incident import Delivery, DeliveryState, Incident
from notifier.core.policy import Policy
from notifier.core.replying import NOT_HEEDED, heeds
from notifier.core.report import Progress
from notifier.core.unreadable import unreadable_alert
from notifier.core.wording import CHANNEL_NAMES
from notifier.pages import acknowledge
from notifier.ports import Clock, Log, StoreError, StoreRefused
from notifier.relay import Relay, Taken
from notifier.replies import Replies
from notifier.sending import Deadlines
from notifier.sources import Reading, Unreadable, read
from notifier.status import StatusDoor
from notifier.tick import Tick

BODY_SECONDS = 2
"""Pub/Sub and Cloud Monitoring send the body at once; the 9 s of a request are for people to be told."""
QUERY_FIELDS = 100
"""No sender has more than a few; a stranger's thousands are not read."""

_URLS = Map(
    [
        Rule("/", endpoint="alerts", methods=["POST"]),
        Rule("/tick", endpoint="tick", methods=["POST"]),
        Rule("/a/<token>", endpoint="acknowledge", methods=["GET", "POST"]),
        Rule("/status", endpoint="status", methods=["GET", "POST"]),
        Rule(STATUS_PATH, endpoint="report", methods=["POST"]),
        Rule(TEXT_PATH, endpoint="text", methods=["POST"]),
        Rule("/health", endpoint="health", methods=["GET"]),
    ],
    merge_slashes=False,
)


class Web:
    """The HTTP function: one call for each request."""

    def __init__(  # noqa: PLR0913 - one for each thing a path leads to
        self,
        *,
        relay: Relay,
        tick: Tick,
        replies: Replies,
        callers: Callers,
        links: AcknowledgeLinks,
        callbacks: Callbacks,
        status: StatusDoor,
        policy: Policy,
        clock: Clock,
        log: Log,
    ) -> None:
        self._relay = relay
        self._tick = tick
        self._callers = callers
        self._links = links
        self._callbacks = callbacks
        self._replies = replies
        self._policy = policy
        self._clock = clock
        self._log = log
        self._endpoints: dict[str, Callable[..., Response]] = {
            "alerts": self._take_alerts,
            "tick": self._do_what_is_due,
            "acknowledge": self._acknowledge,
            "status": status.answer,
            "report": self._take_report,
            "text": self._take_text,
            "health": lambda _request, _body, _started: json_answer(HTTPStatus.OK, {"status": "ok"}),
        }

    def __call__(self, request: Request) -> Response:
        """Answer `request`. Never raises: what we did not foresee is a 500, and in the log."""
        started = self._clock.monotonic()
        body = Body(request)
        answer = self._answered(request, body, started)
        for name, value in _SECURITY_HEADERS.items():
            answer.headers.setdefault(name, value)
        body.finish(answer)
        return answer

    def _answered(self, request: Request, body: Body, started: float) -> Response:  # noqa: PLR0911 - one for each end
        try:
            endpoint, parts = _URLS.bind("").match(request.path, request.method)
            return self._endpoints[endpoint](request, body, started, **parts)
        except MethodNotAllowed as error:
            allowed = ", ".join(sorted(error.valid_methods or ()))
            return error_answer(HTTPStatus.METHOD_NOT_ALLOWED, f"expected {allowed} for this path", {"Allow": allowed})
        except NotFound:
            return error_answer(HTTPStatus.NOT_FOUND, "no such path; alerts go to POST /")
        except Refused as refusal:
            return self._refuse(refusal)
        except (TooLarge, Late) as error:
            return self._refuse_body(error)
        except HTTPException as error:
            return error_answer(error.code or HTTPStatus.BAD_REQUEST, "the request broke off or is no HTTP we can read")
        except Exception as error:  # noqa: BLE001 - the framework would answer with the error's words, which may hold secrets
            self._log.write(
                Severity.CRITICAL,
                f"our own mistake: {type(error).__name__}; please report it with this log entry",
                frames=traceback.format_tb(error.__traceback__),
            )
            return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "our own mistake; it is in the log")

    def _take_alerts(self, request: Request, body: Body, started: float) -> Response:
        self._callers.admit(credential_of(request), _presented(request))
        content = body.take(started + BODY_SECONDS - self._clock.monotonic())
        # Only now: the store's time is not for the sender to use up.
        deadlines = Deadlines.of_request(started, self._clock.monotonic())
        try:
            reading = read(content)
        except Unreadable as refusal:
            return self._answer_unreadable(refusal, content, deadlines)
        if reading.ping:
            self._log.write(Severity.INFO, "a ping: {} came in, and is no alert")
        notices = [
            self._notice(reason, reading.message_id, content, number)
            for number, reason in enumerate(reading.unreadable)
        ]
        taken = self._relay.take_all(reading.alerts, deadlines)
        # Afterwards, so that no page waits for the ledger; too late to be sent, they are still stored as owed.
        taken += self._relay.take_all(notices, msgspec.structs.replace(deadlines, claim_by=deadlines.record_by))
        if through := [one for one in taken if not one.error]:
            last_tick = max((one.last_tick for one in through if one.last_tick), default=None)
            self._tick.catch_up(last_tick, deadlines.record_by)
        return self._answer_alerts(reading, taken)

    def _do_what_is_due(self, request: Request, _body: Body, started: float) -> Response:
        self._callers.admit(credential_of(request), _presented(request))
        done = self._tick.run(started)
        content: dict[str, object] = {
            "incidents": done.incidents,
            "sends": dict(done.sent),
            "unreadable": done.unreadable,
            "failed": done.failed,
            "left": done.left,
        }
        if done.error:
            words = "the store could not be searched; the next tick does it"
            return json_answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": words, **content}, RETRY_AFTER)
        return json_answer(HTTPStatus.OK, content)

    def _acknowledge(self, request: Request, body: Body, started: float, token: str) -> Response:
        """Show what the link is about; answer it only for a POST, which no link scanner or preview sends."""
        link = self._links.read(token)
        if link is None:
            self._log.write(Severity.WARNING, "an acknowledge link that is none of ours was opened")
            return page_answer(HTTPStatus.NOT_FOUND, acknowledge.no_such_link())
        posts = request.method == "POST"
        try:
            form = body.take(started + BODY_SECONDS - self._clock.monotonic()) if posts else b""
        except (TooLarge, Late):
            return page_answer(HTTPStatus.BAD_REQUEST, acknowledge.not_understood())
        name = _name(form)
        deadlines = Deadlines.of_request(started, self._clock.monotonic())
        try:
            before = self._relay.look(link.key, deadlines)
            incident = self._answered_by(name, link, before, deadlines) if posts and before else before
        except StoreError as error:
            what = "an acknowledgement could not be stored" if posts else "an acknowledge page could not be shown"
            self._log.write(Severity.ERROR, f"{what}: {error}")
            page = acknowledge.not_reachable(RETRY_AFTER_SECONDS, name=name if posts else None)
            return page_answer(HTTPStatus.SERVICE_UNAVAILABLE, page, RETRY_AFTER)
        if incident is None:
            return page_answer(HTTPStatus.NOT_FOUND, acknowledge.no_such_link())
        done = posts and before is not None and before.acknowledged_at != incident.acknowledged_at
        page = acknowledge.page_of(incident, link.generation, self._policy, self._clock.now(), done=done)
        return page_answer(HTTPStatus.OK, page)

    def _answered_by(self, name: str, link: Link, before: Incident, deadlines: Deadlines) -> Incident | None:
        by = answerer(name, f"by the link in {CHANNEL_NAMES[link.channel]}")
        return self._relay.acknowledge(before, link.generation, by, deadlines).incident

    def _take_report(self, request: Request, body: Body, started: float) -> Response:
        """What became of a text. A failure of ours is a 503: Twilio tries again (notifier.callbacks)."""
        fields = self._fields(request, body, started)
        report = self._callbacks.read_report(fields, _query(request))
        if isinstance(report, Ignored):
            self._log.write(Severity.WARNING, f"{report.reason}; nothing is done")
            return _nothing()
        event = Reported(
            delivery=report.delivery,
            generation=report.generation,
            number=report.number,
            id=report.sid,
            report=report.report,
        )
        try:
            self._relay.take_event(report.key, event, Deadlines.of_request(started, self._clock.monotonic()))
        except StoreError as error:
            self._log.write(Severity.ERROR, f"a delivery report could not be stored: {error}")
            return error_answer(HTTPStatus.SERVICE_UNAVAILABLE, "not stored; send it again", RETRY_AFTER)
        return _nothing()

    def _take_text(self, request: Request, body: Body, started: float) -> Response:
        """What somebody on call texts to us. Strangers get no answer."""
        text = self._callbacks.read_text(self._fields(request, body, started))
        if isinstance(text, Ignored):
            self._log.write(Severity.WARNING, f"{text.reason}; nothing is done")
            return _twiml("")
        try:
            answer = self._replies.take(text, Deadlines.of_request(started, self._clock.monotonic()))
        except StoreError as error:
            # Nobody tries again for them, so they must know. Counted by nobody, it is said to people only, who text.
            self._log.write(Severity.CRITICAL, f"a text from somebody on call could not be heeded: {error}")
            return _twiml(NOT_HEEDED if heeds(text.body, text.opt_out) else "")
        return _twiml(answer)

    def _fields(self, request: Request, body: Body, started: float) -> Fields:
        """The form that Twilio has posted. Raises Refused, TooLarge, Late."""
        signature = request.headers.get("X-Twilio-Signature")
        if not signature:
            # Nobody reads a stranger's body.
            raise Forged("expected a request of Twilio, with its X-Twilio-Signature")
        content = body.take(started + BODY_SECONDS - self._clock.monotonic())
        return self._callbacks.admit(request.path, _query(request), content, signature)

    def _answer_alerts(self, reading: Reading, taken: list[Taken]) -> Response:
        alerts = taken[: len(reading.alerts)]
        content: dict[str, object] = {"incidents": [_shown(one.incident) for one in alerts if one.incident]}
        if reading.unreadable:
            content["unreadable"] = reading.unreadable
        not_stored = [one for one in taken if one.error]
        words = f"{len(not_stored)} of {len(taken)} alerts could not be stored; send them again"
        return _store_failed(taken, words, content) or json_answer(HTTPStatus.OK, content)

    def _answer_unreadable(self, refusal: Unreadable, body: bytes, deadlines: Deadlines) -> Response:
        """Tell people once that something came that we could not read, and the sender what was expected."""
        notice = self._notice(refusal.reason, refusal.message_id, body)
        taken = self._relay.take_all([notice], deadlines)
        # Pub/Sub would bring a 400 back for a week.
        status = HTTPStatus.OK if refusal.pubsub else HTTPStatus.BAD_REQUEST
        return _store_failed(taken, refusal.reason, {}) or error_answer(status, refusal.reason)

    def _notice(self, reason: str, message_id: str, body: bytes, number: int | None = None) -> Alert:
        """What people are told of a body, or of alert `number` of those in it that we could not read."""
        self._log.write(Severity.ERROR, f"an alert we could not read: {reason}")
        identity = message_id or hashlib.sha256(body).hexdigest()
        return unreadable_alert(identity if number is None else f"{identity} {number}", reason, message_id)

    def _refuse_body(self, error: TooLarge | Late) -> Response:
        if isinstance(error, TooLarge):
            self._log.write(Severity.ERROR, f"a body over {BODY_BYTES} bytes was refused")
            return error_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {BODY_BYTES} bytes")
        self._log.write(Severity.WARNING, f"a body that was not all here after {BODY_SECONDS} s was refused")
        return error_answer(HTTPStatus.REQUEST_TIMEOUT, f"expected all of the body within {BODY_SECONDS} seconds")

    def _refuse(self, refusal: Refused) -> Response:
        self._log.write(Severity.WARNING, f"a caller was refused ({refusal.status}): {refusal.words}")
        headers = BASIC_CHALLENGE if refusal.status == HTTPStatus.UNAUTHORIZED else {}
        return error_answer(
            refusal.status, refusal.words, RETRY_AFTER if isinstance(refusal, Unverifiable) else headers
        )


_SECURITY_HEADERS = {
    # For every answer that does not set its own (a page's is in notifier.pages): kept by nobody, since it is about
    # incidents; taken for nothing but what it says it is; and where a browser shows it all the same, harmless there.
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def _presented(request: Request) -> str | None:
    """The `auth_token` of the query; the first, if there are several."""
    try:
        # Not Werkzeug's `args`: they raise for bytes that are no UTF-8.
        fields = parse_qs(_query(request), keep_blank_values=True, max_num_fields=QUERY_FIELDS)
    except ValueError:
        return None
    return fields.get("auth_token", [None])[0]


def _query(request: Request) -> str:
    """As it was requested: Twilio's signature is over that."""
    return request.query_string.decode("utf-8", "replace")


def _twiml(text: str) -> Response:
    return Response(twiml(text), content_type="text/xml; charset=utf-8")


def _nothing() -> Response:
    """Done, and nothing to say of it."""
    answer = Response(status=HTTPStatus.NO_CONTENT)
    # Flask's own would call nothing at all a page.
    del answer.headers["Content-Type"]
    return answer


def _name(form: bytes) -> str:
    """What stands in the field of the acknowledge page."""
    try:
        fields = parse_qs(form.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:  # more fields than the page has
        return ""
    return fields.get("name", [""])[0]


def _store_failed(taken: list[Taken], words: str, content: dict[str, object]) -> Response | None:
    """The answer when not all of it could be stored."""
    errors = [one.error for one in taken if one.error]
    if not errors:
        return None
    if any(isinstance(error, StoreRefused) for error in errors):
        return json_answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "our own mistake; it is in the log", **content})
    return json_answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": words, **content}, RETRY_AFTER)


def _shown(incident: Incident) -> dict[str, object]:
    return {
        "ref": incident.ref,
        "generation": incident.generation,
        "state": incident.state.value,
        "severity": incident.effective.value,
        "deliveries": {key: _end_of(delivery) for key, delivery in incident.deliveries.items()},
    }


def _end_of(delivery: Delivery) -> str:
    """How far a delivery has come; of a text that the phone has got, that it has."""
    arrived = delivery.state is DeliveryState.SENT and delivery.report is Progress.DELIVERED
    return Progress.DELIVERED.value if arrived else delivery.state.value
