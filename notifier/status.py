"""`/status`: three reads of the store, for whoever has ADMIN_TOKEN; a page in a browser, JSON for a machine."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import parse_qs

from flask import Request, Response

from notifier.admin import Admin
from notifier.answers import (
    BASIC_CHALLENGE,
    RETRY_AFTER,
    RETRY_AFTER_SECONDS,
    credential_of,
    error_answer,
    json_answer,
    page_answer,
)
from notifier.body import Body, Late, TooLarge
from notifier.core.alert import Severity
from notifier.core.policy import Policy
from notifier.core.status import ENDED_AT_MOST, ENDED_WITHIN, Known, Status, Unreadable, status_of
from notifier.pages import status as pages
from notifier.ports import Clock, Log, Store, StoreError
from notifier.relay import NO_INCIDENT

BODY_SECONDS = 2
STORE_SECONDS = 6.0
"""For the three reads together."""
# A browser knows no such scheme, so it shows the page with the form and no dialog of its own, as it does for Basic.
_FORM_CHALLENGE = {"WWW-Authenticate": 'Form realm="notifier"'}
_NO_TOKEN = "there is no status page: set ADMIN_TOKEN, and deploy again"  # noqa: S105 - words about it
_SIGN_IN = "expected ADMIN_TOKEN as the basic-auth password or as a bearer token"


class StatusDoor:
    """Answers what comes to `/status`."""

    def __init__(
        self, *, admin: Admin, store: Store, policy: Policy, phones: Sequence[str], clock: Clock, log: Log
    ) -> None:
        """`phones`: masked, in the order they are paged."""
        self._admin = admin
        self._store = store
        self._policy = policy
        self._phones = phones
        self._clock = clock
        self._log = log

    def answer(self, request: Request, body: Body, started: float) -> Response:
        """Show how all stands, or ask for the token. A POST signs in or out, and shows nothing."""
        if not self._admin.usable:
            return self._refused(request, HTTPStatus.NOT_FOUND, _NO_TOKEN, pages.no_admin_token())
        if request.method == "POST":
            return self._sign_in_or_out(request, body, started)
        by_cookie = self._admin.is_signed_in(request.cookies.get(self._admin.cookie_name, ""), self._clock.now())
        presented = credential_of(request)
        if not by_cookie and not self._admin.is_token(presented):
            if presented:
                self._log.write(Severity.WARNING, "a wrong ADMIN_TOKEN was shown for the status page")
            return self._ask_for_token(request, pages.sign_in())
        try:
            status = self._read(started)
        except StoreError as error:
            self._log.write(Severity.ERROR, f"the status page could not be shown: {error}")
            page = pages.not_reachable(str(error), RETRY_AFTER_SECONDS)
            return self._refused(request, HTTPStatus.SERVICE_UNAVAILABLE, f"no status: {error}", page, RETRY_AFTER)
        if _wants_json(request):
            return json_answer(HTTPStatus.OK, status)
        return page_answer(HTTPStatus.OK, pages.page_of(status, can_sign_out=by_cookie))

    def _read(self, started: float) -> Status:
        """Raises StoreError."""
        by, now = started + STORE_SECONDS, self._clock.now()
        # What ends meanwhile is found twice, and what is opened meanwhile perhaps not: the other way round it would be
        # what ends that is found nowhere.
        unresolved = self._store.unresolved(by)
        ended = self._store.ended_since(now - ENDED_WITHIN, ENDED_AT_MOST + 1, by)
        seen = self._store.gather(NO_INCIDENT, by)
        found = unresolved + ended
        known = Known(
            incidents=[one.incident for one in found if one.incident],
            unreadable=tuple(Unreadable(one.key, one.trouble) for one in found if one.incident is None),
            ended_left_out=len(ended) > ENDED_AT_MOST,
            ledger=seen.ledger,
            last_tick=seen.last_tick,
        )
        return status_of(known, self._policy, self._phones, now)

    def _sign_in_or_out(self, request: Request, body: Body, started: float) -> Response:
        # Only our own form signs in: whoever lures a browser here may not have it try tokens.
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            self._log.write(Severity.WARNING, "a form of another site was posted to the status page")
            return self._refused(
                request, HTTPStatus.FORBIDDEN, "this form is of another site", pages.sign_in(pages.Told.OTHER_SITE)
            )
        try:
            content = body.take(started + BODY_SECONDS - self._clock.monotonic())
            form = parse_qs(content.decode("utf-8", "replace"), max_num_fields=10)
        except (TooLarge, Late, ValueError):
            return self._refused(
                request, HTTPStatus.BAD_REQUEST, "expected a form with a token", pages.sign_in(pages.Told.NOT_WHOLE)
            )
        if "sign-out" in form:
            return _see_status(self._admin.signed_out())
        if not self._admin.is_token(form.get("token", [""])[0].strip()):
            self._log.write(Severity.WARNING, "a wrong ADMIN_TOKEN was typed at the status page")
            return self._ask_for_token(request, pages.sign_in(pages.Told.WRONG))
        self._log.write(Severity.INFO, "somebody signed in to the status page")
        return _see_status(self._admin.signed_in(self._clock.now()))

    def _ask_for_token(self, request: Request, page: str) -> Response:
        asks_for_page = "text/html" in request.headers.get("Accept", "").lower()
        challenge = _FORM_CHALLENGE if asks_for_page else BASIC_CHALLENGE
        return self._refused(request, HTTPStatus.UNAUTHORIZED, _SIGN_IN, page, challenge)

    @staticmethod
    def _refused(
        request: Request, status: HTTPStatus, words: str, page: str, headers: dict[str, str] | None = None
    ) -> Response:
        return error_answer(status, words, headers) if _wants_json(request) else page_answer(status, page, headers)


def _wants_json(request: Request) -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _see_status(cookie: str) -> Response:
    """Back to the page by a GET, so that to reload it posts nothing. Relative: a proxy may put a path before it."""
    headers = {"Location": "status", "Set-Cookie": cookie, "Cache-Control": "no-store"}
    return Response(status=HTTPStatus.SEE_OTHER, headers=headers)
