"""HTTP in, HTTP out: which path does what, who may, how large, and with which status."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable
from http import HTTPStatus

import msgspec
from flask import Request, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from notifier.auth import Callers, Refused, Unverifiable
from notifier.core.alert import Severity
from notifier.core.incident import Incident
from notifier.core.unreadable import unreadable_alert
from notifier.ports import Clock, Log, StoreRefused
from notifier.relay import Deadlines, Relay, Taken
from notifier.sources import Reading, Unreadable, read

BODY_BYTES = 1_048_576
RETRY_AFTER_SECONDS = 10

_URLS = Map(
    [Rule("/", endpoint="alerts", methods=["POST"]), Rule("/health", endpoint="health", methods=["GET"])],
    merge_slashes=False,
)


class Web:
    """The HTTP function: one call for each request."""

    def __init__(self, *, relay: Relay, callers: Callers, clock: Clock, log: Log) -> None:
        self._relay = relay
        self._callers = callers
        self._clock = clock
        self._log = log
        self._endpoints: dict[str, Callable[[Request, float], Response]] = {
            "alerts": self._take_alerts,
            "health": lambda _request, _started: _answer(HTTPStatus.OK, {"status": "ok"}),
        }

    def __call__(self, request: Request) -> Response:
        """Answer `request`. Never raises: what we did not foresee is a 500, and in the log."""
        started = self._clock.monotonic()
        try:
            endpoint, _ = _URLS.bind("").match(request.path, request.method)
            return self._endpoints[endpoint](request, started)
        except MethodNotAllowed as error:
            allowed = ", ".join(error.valid_methods or ())
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, f"expected {allowed} for this path", {"Allow": allowed})
        except NotFound:
            return _error(HTTPStatus.NOT_FOUND, "no such path; alerts go to POST /")
        except Refused as refusal:
            return self._refuse(refusal)
        except HTTPException as error:
            return _error(error.code or HTTPStatus.BAD_REQUEST, "the request broke off or is no HTTP we can read")
        except Exception as error:  # noqa: BLE001 - the framework would answer with the error's words, which may hold secrets
            self._log.write(
                Severity.CRITICAL,
                f"our own mistake: {type(error).__name__}; please report it with this log entry",
                frames=traceback.format_tb(error.__traceback__),
            )
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "our own mistake; it is in the log")

    def _take_alerts(self, request: Request, started: float) -> Response:
        credential = request.authorization
        presented = (credential.token or credential.password) if credential else None
        self._callers.admit(presented, request.args.get("auth_token"))
        deadlines = Deadlines.of_alert(started, self._clock.monotonic())
        body = _body(request)
        if body is None:
            self._log.write(Severity.ERROR, f"a body over {BODY_BYTES} bytes was refused")
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {BODY_BYTES} bytes")
        try:
            reading = read(body)
        except Unreadable as refusal:
            return self._tell_unreadable(refusal, body, deadlines)
        if reading.ping:
            self._log.write(Severity.INFO, "a ping: {} came in, and is no alert")
        for number, reason in enumerate(reading.unreadable):
            part = Unreadable(reason, pubsub=reading.pubsub, message_id=reading.message_id)
            self._tell_unreadable(part, body + b"#%d" % number, deadlines)
        return self._answer_alerts(reading, self._relay.take_all(reading.alerts, deadlines))

    def _answer_alerts(self, reading: Reading, taken: list[Taken]) -> Response:
        content: dict[str, object] = {"incidents": [_shown(one.incident) for one in taken if one.incident]}
        if reading.unreadable:
            content["unreadable"] = reading.unreadable
        errors = [one.error for one in taken if one.error]
        if not errors:
            return _answer(HTTPStatus.OK, content)
        if any(isinstance(error, StoreRefused) for error in errors):
            return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "our own mistake; it is in the log", **content})
        words = f"{len(errors)} of {len(taken)} alerts could not be stored; send them again"
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": words, **content}, _RETRY_AFTER)

    def _tell_unreadable(self, refusal: Unreadable, body: bytes, deadlines: Deadlines) -> Response:
        """Tell people once that something came that we could not read, and the sender what was expected."""
        identity = refusal.message_id or hashlib.sha256(body).hexdigest()
        self._log.write(Severity.ERROR, f"an alert we could not read: {refusal.reason}")
        told = self._relay.take_all([unreadable_alert(identity, refusal.reason, refusal.message_id)], deadlines)
        if told[0].error:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, refusal.reason, _RETRY_AFTER)
        # Pub/Sub would bring a 400 back for a week.
        return _error(HTTPStatus.OK if refusal.pubsub else HTTPStatus.BAD_REQUEST, refusal.reason)

    def _refuse(self, refusal: Refused) -> Response:
        self._log.write(Severity.WARNING, f"a caller was refused ({refusal.status}): {refusal.words}")
        headers = {"WWW-Authenticate": 'Basic realm="notifier"'} if refusal.status == HTTPStatus.UNAUTHORIZED else {}
        return _error(refusal.status, refusal.words, _RETRY_AFTER if isinstance(refusal, Unverifiable) else headers)


_RETRY_AFTER = {"Retry-After": str(RETRY_AFTER_SECONDS)}


def _body(request: Request) -> bytes | None:
    """The body, or None when it is larger than anybody's alert; never more than the limit is read."""
    if (request.content_length or 0) > BODY_BYTES:
        return None
    body = request.stream.read(BODY_BYTES + 1)
    return body if len(body) <= BODY_BYTES else None


def _shown(incident: Incident) -> dict[str, object]:
    return {
        "ref": incident.ref,
        "generation": incident.generation,
        "state": incident.state.value,
        "severity": incident.effective.value,
        "deliveries": {key: delivery.state.value for key, delivery in incident.deliveries.items()},
    }


def _error(status: int, words: str, headers: dict[str, str] | None = None) -> Response:
    return _answer(status, {"error": words}, headers)


def _answer(status: int, content: dict[str, object], headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(content) + b"\n",
        status=int(status),
        headers={"Cache-Control": "no-store", **(headers or {})},
        content_type="application/json",
    )
