"""Whether an answer, and what it did, may follow from a request."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import time
from datetime import datetime, timedelta
from http import HTTPStatus

import msgspec

from notifier.callbacks import FIELDS, FORM_BYTES
from notifier.core.alert import Severity
from notifier.core.conversation import ANSWERS_AN_HOUR
from notifier.core.sms_text import size_of
from notifier.web import QUERY_FIELDS
from tests.any_request.asked import Asked
from tests.any_request.function import Answer, Fuzzed
from tests.any_request.making import WRONG, Known
from tests.any_request.places import ELSEWHERE, Place, Who, place_of
from tests.any_request.rightful import SECRETS, Keys, may
from tests.any_request.signed_in import form_of, set_cookie_for
from tests.web.pager import POLICY
from tests.web.twilio_posts import PHONES

SLOW_SECONDS = 1.0
HOUR = timedelta(hours=1)
ANSWERED = {200, 204, 303, 400, 401, 403, 404, 405, 408, 413}
REFUSED = {400, 401, 403, 404, 405, 408, 413}
TYPES = {"application/json", "text/html; charset=utf-8", "text/xml; charset=utf-8", None}
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""On every answer, whoever asks for whatever."""
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_LIKE_A_LINK = re.compile(r"(?<![\w-])[\w-]{50}(?![\w-])", re.ASCII)
_TOUCHING = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.remove",
)


class Judged(msgspec.Struct, frozen=True):
    """What came of one request."""

    problems: tuple[str, ...]
    seconds: float
    cpu_seconds: float
    """Of all threads of the process; 0 where it was not measured."""
    status: int
    place: str
    admitted: bool
    """Whoever asked had shown what the path asks for."""
    sent: int
    texts: int


class _Watch:
    """Notes what the process asks of the network and of other processes, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.touched: list[str] = []
        self._hooked = False

    def start(self) -> None:
        if not self._hooked:
            # A hook cannot be taken out again: so there is one, and a switch.
            sys.addaudithook(self._heard)
            self._hooked = True
        self.touched.clear()
        self.on = True

    def _heard(self, event: str, _arguments: object) -> None:
        if self.on and event in _TOUCHING:
            self.touched.append(event)


_WATCH = _Watch()


class Judge:
    """Asks one instance one request after the other, and looks at each."""

    def __init__(self, fuzzed: Fuzzed, *, cpu: bool = False) -> None:
        """`cpu`: whether to measure what an answer takes of the processor, which itself may take as long."""
        self._fuzzed = fuzzed
        self._cpu_time = time.process_time if cpu else lambda: 0.0
        self._texts_at: list[datetime] = []
        self._answered_at: dict[str, list[datetime]] = {}
        self._refusals: dict[tuple[object, ...], bytes] = {}

    def ask(self, asked: Asked, known: Known) -> Judged:
        """Ask, and find what is wrong with it."""
        fuzzed = self._fuzzed
        place = place_of(asked.path)
        acts = asked.method.upper() in place.acts
        now = fuzzed.clock.now()
        admitted = may(asked, place, Keys(frozenset(known.links), frozenset(known.identities), now))
        changes, sent = fuzzed.changes, len(fuzzed.sent)
        fuzzed.log.lines.clear()
        problems: list[str] = []
        answer = Answer(0, (), b"")
        _WATCH.start()
        begun, worked = time.perf_counter(), self._cpu_time()
        try:
            answer = fuzzed.ask(asked)
        except Exception as error:  # noqa: BLE001 - any that gets through is what is looked for
            problems.append(f"it raised {type(error).__name__}: {error}")
        seconds, worked = time.perf_counter() - begun, self._cpu_time() - worked
        _WATCH.on = False
        new = fuzzed.sent[sent:]
        problems += [f"it touched {event}" for event in _WATCH.touched]
        if seconds > SLOW_SECONDS:
            problems.append(f"slow: {seconds:.2f} s")
        if fuzzed.changes != changes and not (admitted and acts):
            problems.append(f"{fuzzed.changes - changes} documents were written for somebody who may not")
        if new and not (admitted and acts):
            problems.append(f"{', '.join(name for name, _ in new)} told for somebody who may not")
        if answer.status:
            problems += _of_the_answer(asked, place, answer, admitted=admitted)
            problems += _of_the_session(asked, place, answer, now)
            problems += self._of_the_status_page(asked, place, answer)
        problems += self._of_the_texts(sent)
        problems += self._of_the_reply(asked, place, answer)
        problems += _of_the_words(str(fuzzed.log), answer, known)
        texts = sum(name == "sms" for name, _ in new)
        return Judged(tuple(problems), seconds, worked, answer.status, place.name, admitted, len(new), texts)

    def _of_the_texts(self, since: int) -> list[str]:
        """Never above the cap, never below critical, never longer than the policy lets it be."""
        problems = []
        now = self._fuzzed.clock.now()
        for name, message in self._fuzzed.sent[since:]:
            if name != "sms":
                continue
            self._texts_at.append(now)
            if message.severity is not Severity.CRITICAL:
                problems.append(f"a text of severity {message.severity.value}")
            if message.phone not in range(len(PHONES)):
                problems.append("a text to no phone of ONCALL_PHONE")
            if not message.sms or size_of(message.sms).segments > POLICY.sms.max_segments:
                problems.append(f"a text of {size_of(message.sms).segments} segments: {message.sms!r}")
        self._texts_at = [at for at in self._texts_at if now - at < HOUR]
        if len(self._texts_at) > POLICY.sms.max_per_hour:
            problems.append(f"{len(self._texts_at)} texts within an hour")
        return problems

    def _of_the_status_page(self, asked: Asked, place: Place, answer: Answer) -> list[str]:
        """It says what was asked for, and to whom it says nothing, always the same: not what is open."""
        method = asked.method.upper()
        if place.who is not Who.ADMIN or method not in place.methods or (method == "POST" and not asked.whole):
            return []
        problems = []
        accept, kind = asked.header("Accept") or "", answer.header("Content-Type")
        if answer.body and accept == "application/json" and kind != accept:
            problems.append(f"{kind} for a machine")
        if answer.body and accept.startswith("text/html,") and kind == "application/json":
            problems.append(f"{kind} for a browser")
        # A browser would open its dialog, which nobody can sign out of.
        challenge = answer.header("WWW-Authenticate") or ""
        if "text/html" in accept.lower() and challenge.startswith("Basic"):
            problems.append("a browser is asked for a password by its dialog")
        if answer.status in REFUSED and answer.body:
            form = form_of(asked) if method == "POST" else None
            if self._refusals.setdefault((answer.status, kind, form), answer.body) != answer.body:
                problems.append("a refusal that is not like the one before")
        return problems

    def _of_the_reply(self, asked: Asked, place: Place, answer: Answer) -> list[str]:
        if place.name != "text" or b"<Message>" not in answer.body:
            return []
        now = self._fuzzed.clock.now()
        phones = [phone for phone in PHONES if phone[1:].encode() in asked.body]
        for phone in phones:
            recent = [at for at in self._answered_at.get(phone, []) if now - at < HOUR]
            self._answered_at[phone] = [*recent, now]
        if phones and min(len(self._answered_at[phone]) for phone in phones) > ANSWERS_AN_HOUR:
            return [f"more than {ANSWERS_AN_HOUR} answers by text within an hour"]
        return []


def _of_the_answer(asked: Asked, place: Place, answer: Answer, *, admitted: bool) -> list[str]:
    problems = []
    if answer.status not in ANSWERED:
        problems.append(f"status {answer.status}")
    rightful = admitted and place is not ELSEWHERE and asked.method.upper() in place.methods
    if not rightful and answer.status not in REFUSED:
        problems.append(f"status {answer.status} for somebody who may not")
    # A true credential is never turned away: an alert would be lost over it.
    if rightful and _must_be_taken(asked, place) and answer.status in {401, 403, 404, 405}:
        problems.append(f"status {answer.status} for somebody who may")
    return problems + _of_the_headers(place, answer) + _of_the_content(answer)


def _of_the_headers(place: Place, answer: Answer) -> list[str]:
    problems = [f"{name}: {answer.header(name)}" for name, value in HEADERS.items() if answer.header(name) != value]
    if "default-src 'none'" not in (answer.header("Content-Security-Policy") or ""):
        problems.append("no Content-Security-Policy")
    if answer.status == HTTPStatus.UNAUTHORIZED and not answer.header("WWW-Authenticate"):
        problems.append("401 without WWW-Authenticate")
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED and not answer.header("Allow"):
        problems.append("405 without Allow")
    if any(character in value for _, value in answer.headers for character in "\r\n\0"):
        problems.append("a header of several lines")
    return problems


def _of_the_content(answer: Answer) -> list[str]:
    kind = answer.header("Content-Type")
    if kind not in TYPES:
        return [f"Content-Type: {kind}"]
    if kind == "application/json" and answer.body and not isinstance(json.loads(answer.body), dict):
        return ["the answer is no JSON object"]
    if kind == "text/html; charset=utf-8" and answer.body:
        return _of_the_page(answer)
    return []


def _of_the_page(answer: Answer) -> list[str]:
    """Its one style sheet is let through by its hash, and nothing else."""
    styles = _STYLE.findall(answer.body)
    policy = answer.header("Content-Security-Policy") or ""
    allowed = {name: rest.split() for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(style).digest()).decode()}'" for style in styles]
    if len(styles) != 1 or allowed.get("style-src") != hashes or "script-src" in allowed:
        return [f"a page of {len(styles)} style sheets under {policy}"]
    return []


def _of_the_session(asked: Asked, place: Place, answer: Answer, now: datetime) -> list[str]:
    """Who signs in or out gets the one cookie for it, to the letter, and nobody else gets any."""
    form = form_of(asked) if place.who is Who.ADMIN and asked.method.upper() == "POST" else None
    wanted = set_cookie_for(form, now) if form else None
    given = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    problems = []
    if answer.status == HTTPStatus.SEE_OTHER and wanted is None:
        problems.append("status 303 for somebody who has posted no true form")
    if given != ([wanted] if wanted and answer.status == HTTPStatus.SEE_OTHER else []):
        problems.append(f"it sets {len(given)} cookies, of which {wanted or 'none'} was to be")
    if answer.status == HTTPStatus.SEE_OTHER and answer.header("Location") != "status":
        problems.append(f"Location: {answer.header('Location')}")
    if form and asked.whole and answer.status != form.status:
        problems.append(f"status {answer.status} for a form that is {form.name}")
    return problems


def _must_be_taken(asked: Asked, place: Place) -> bool:
    """Whether a request that shows what its path asks for has nothing else about it that may be refused."""
    if place.who is Who.TWILIO:
        return asked.whole and len(asked.body) <= FORM_BYTES and asked.body.count(b"&") < FIELDS
    if place.who is Who.ADMIN:
        # A form must have come whole; what comes with a GET is not looked at.
        return asked.whole or asked.method.upper() != "POST"
    return asked.query.count("&") < QUERY_FIELDS


def _of_the_words(log: str, answer: Answer, known: Known) -> list[str]:
    """What may stand nowhere."""
    problems = []
    said = answer.body.decode("utf-8", "replace") + str(answer.headers)
    for secret in (*SECRETS, *PHONES, WRONG):
        if secret in log:
            problems.append(f"{secret} in the log")
        if secret in said:
            problems.append(f"{secret} in the answer")
    shown = answer.body.decode("utf-8", "replace") + str([one for one in answer.headers if one[0] != "Set-Cookie"])
    for cookie in filter(None, {*known.cookies, answer.cookie}):
        problems += ["a cookie's value in the log"] * (cookie in log)
        problems += ["a cookie's value in the answer"] * (cookie in shown)
    # Of all links that there are by then a log is searched faster for anything like one.
    problems += ["an acknowledge link in the log"] * bool(set(known.links).intersection(_LIKE_A_LINK.findall(log)))
    problems += ["an identity token in the log" for token in (*known.identities, *known.forged) if token in log]
    if "our own mistake" in log:
        problems.append(f"our own mistake in the log: {log[log.index('our own mistake') :][:2_000]}")
    return problems
