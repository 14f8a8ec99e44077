"""Twilio on 127.0.0.1: takes texts, lists them, tells what becomes of them, and brings what people answer.

    with fake_twilio("https://pager.example.com", deliver_to=f"http://127.0.0.1:{port}") as twilio:
        ...                                            # start the function under twilio.settings, on that port
        twilio.plan(Course(steps=undelivered(30003)))  # how it goes with the next text
        twilio.receive(PHONES[0], "ack 7F3K").texts    # what the phone is answered

How it goes with a text is a `Course` (courses.py): `plan` sets it for the next ones, `usual` for all others. What is
posted to the customer, and what came back, is in `webhooks.posted` (webhooks.py).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import NamedTuple
from urllib.parse import urlencode

from tests.end_to_end import twilio_api
from tests.end_to_end.courses import DELIVERED, Course, Shown, Step, failed
from tests.end_to_end.serving import Answer, Lost, Reaction, Request, Server, json_answer, serving
from tests.end_to_end.twilio_account import Account
from tests.end_to_end.twilio_api import ACCOUNT, AUTH_TOKEN, NUMBER, PHONES, SERVICE, SERVICE_NUMBER, Text, error
from tests.end_to_end.webhooks import Webhook, Webhooks, read_twiml

KEYWORDS = {
    "STOP": {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"},
    "START": {"START", "YES", "UNSTOP"},
    "HELP": {"HELP", "INFO"},
}
"""What Twilio takes for itself, when it is all that a message says, in any case."""


class Reply(NamedTuple):
    """What came back for an inbound message."""

    webhook: Webhook
    texts: tuple[str, ...]
    """What the customer wants the phone to be answered."""
    error: int
    """What Twilio's debugger shows; 0: nothing."""


class FakeTwilio:
    """One account. Use it by `fake_twilio`; all of it may be set and read while it runs."""

    def __init__(self, webhooks: Webhooks) -> None:
        self.webhooks = webhooks
        self.usual = Course()
        self.shown = Shown()
        self.account = Account()
        self.advanced_opt_out = False
        """The service's inbound messages say whether they are a STOP, START or HELP (OptOutType)."""
        self.sms_url = f"{webhooks.public_url}/twilio/sms"
        """Where inbound messages are posted."""
        self.opted_out: set[tuple[str, str]] = set()
        """Number or service, and the phone that wants nothing from it."""
        self.server: Server
        self._messages: list[Text] = []
        self._plans: list[tuple[Course, str]] = []
        self._going: dict[Text, threading.Thread] = {}
        """The texts of which something is still to become."""
        self._numbers = count()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    @property
    def settings(self) -> dict[str, str]:
        """Settings that lead SMS here. TWILIO_FROM may be SERVICE, too."""
        public = {"PUBLIC_URL": self.webhooks.public_url} if self.webhooks.public_url else {}
        return {
            **public,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_FROM": NUMBER,
            "ONCALL_PHONE": ", ".join(PHONES),
            "TWILIO_API_URL": self.server.url,
        }

    @property
    def texts(self) -> list[Text]:
        """What was posted and taken, in the order it came."""
        return self._of("outbound-api")

    @property
    def replies(self) -> list[Text]:
        """What phones were answered by webhook."""
        return self._of("outbound-reply")

    def texts_of(self, ref: str) -> list[Text]:
        """Those about one incident: what stands behind its ref says how to answer."""
        return [text for text in self.texts if re.search(f"#{ref}(?![0-9A-Z])", text.body)]

    def forget(self) -> None:
        """As if nothing had ever been texted, opted out or planned."""
        self.rest()
        with self._lock:
            self._messages.clear()
            self._plans.clear()
            self.opted_out.clear()
            self.webhooks.posted.clear()

    def plan(self, course: Course, texts: int = 1, *, to: str = "") -> None:
        """So it goes with the next texts; `to`: with the next to this phone. What was planned earlier comes first."""
        with self._lock:
            self._plans += [(course, to)] * texts

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Refuses every connection, for the block."""
        self.server.refuse()
        try:
            yield
        finally:
            self.server.listen()

    def report(self, text: Text, status: str, error_code: int | None = None) -> Webhook:
        """This becomes of the text now, and its customer is told; what came back."""
        with self._lock:
            text.move(status, error_code)
            form = twilio_api.report(text, status, error_code)
        return self.webhooks.post(text.form["StatusCallback"], form)

    def receive(self, sender: str, body: str, *, to: str = "", opt_out_type: str = "") -> Reply:
        """A phone writes; what came back.

        `to`: one of our numbers; when empty, the one that last texted this phone. `opt_out_type`: what words mean
        that only Advanced Opt-Out knows.
        """
        kind = opt_out_type or next((kind for kind, words in KEYWORDS.items() if body.strip().upper() in words), "")
        with self._lock:
            to = to or self._last_number_to(sender)
            service = SERVICE if to == SERVICE_NUMBER else None
            pair = (service or to, sender)
            message = self._keep(Text(self._sid(), "inbound", to, sender, service, body, datetime.now(UTC), "received"))
            if kind == "STOP":
                self.opted_out.add(pair)
            elif kind == "START":
                self.opted_out.discard(pair)
        told = opt_out_type or (kind if service and self.advanced_opt_out else "")
        webhook = self.webhooks.post(self.sms_url, twilio_api.inbound(message, told))
        twiml = read_twiml(webhook.answer)
        with self._lock:
            for words in twiml.texts:
                now = datetime.now(UTC)
                reply = self._keep(Text(self._sid(), "outbound-reply", sender, to, service, words, now, "queued"))
                reply.move(*(("failed", 21610) if pair in self.opted_out else ("delivered", None)))
        return Reply(webhook, twiml.texts, twiml.error)

    def rest(self, seconds: float = 10) -> None:
        """Wait until all has become of the texts that was to."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._going, seconds), f"not within {seconds} s"

    def react(self, request: Request) -> Reaction:
        """The REST API."""
        if request.headers.get("Authorization") not in twilio_api.CREDENTIALS:
            return Reaction(error(20003))
        if request.method == "GET" and (refused := self.account.refusal(request)):
            return Reaction(refused)
        if request.method == "GET" and (shown := self.account.answer(request, self.sms_url)):
            return Reaction(shown)
        if request.path == f"{twilio_api.PATH}.json":
            return self._create(request.form) if request.method == "POST" else Reaction(self._list(request))
        one = re.fullmatch(f"{twilio_api.PATH}/([^/]+).json", request.path)
        with self._lock:
            found = [message for message in self._messages if one and message.sid == one[1]]
            return Reaction(json_answer(200, twilio_api.resource(found[0])) if found else error(20404))

    def _create(self, form: dict[str, str]) -> Reaction:
        code = twilio_api.mistake(form)
        if code:
            return Reaction(error(code))
        course = self._course_of(form)
        self.server.pause(course.delay)
        if course.refused and not (course.refused == error(21609) and "StatusCallback" not in form):
            return Reaction(course.refused)
        to, sender, service = form["To"], form.get("From"), form.get("MessagingServiceSid")
        usual = (Step("queued"), *DELIVERED) if service else DELIVERED
        steps = usual if course.steps is None else course.steps
        with self._lock:
            scope = SERVICE if sender == SERVICE_NUMBER else service or sender
            if (scope, to) in self.opted_out:
                if not service:
                    return Reaction(error(21610))
                steps = failed(21610)
            status = "accepted" if service else "queued"
            text = Text(self._sid(), "outbound-api", to, sender, service, form["Body"], datetime.now(UTC), status, form)
            text.listed_from = time.monotonic() + course.listed_after
            self._keep(text)
            late = [step for step in steps if not step.early]
            self._going[text] = threading.Thread(target=self._go, args=(text, late), daemon=True)
            created = json_answer(201, twilio_api.resource(text), ("Twilio-Request-Id", f"RQ{text.sid[2:]}"))
        for step in steps:
            if step.early:
                self._become(text, step)
        self.server.pause(course.answer_delay)
        return Reaction(course.answered or created, partial(self._going[text].start))

    def _course_of(self, form: dict[str, str]) -> Course:
        with self._lock:
            for number, (course, to) in enumerate(self._plans):
                if to in ("", form["To"]):
                    del self._plans[number]
                    return course
            return self.usual

    def _list(self, request: Request) -> Answer | Lost:
        shown, asked = self.shown, request.query
        self.server.pause(shown.delay)
        if shown.answer:
            return shown.answer
        if asked.keys() - {"To", "From", "PageSize", "Page", "PageToken"}:
            return error(20001)  # rather than seem to understand a filter
        size, number = int(asked.get("PageSize", 50)), int(asked.get("Page", 0))
        now = time.monotonic()
        with self._lock:
            found = [
                message
                for message in reversed(self._messages)
                if message.listed_from <= now
                and asked.get("To") in (None, message.to)
                and asked.get("From") in (None, message.sender)
            ]
            if "PageToken" in asked:  # The last one of the page before: what is new since moves no page.
                found = found[[f"PA{message.sid}" for message in found].index(asked["PageToken"]) + 1 :]
            page = [twilio_api.resource(message, with_body=shown.bodies) for message in found[:size]]
        following = None
        if len(found) > len(page):
            query = {**asked, "Page": number + 1, "PageToken": f"PA{found[size - 1].sid}"}
            following = f"{request.path}?{urlencode(query)}"
        content = {"messages": page, "next_page_uri": following, "page": number, "page_size": size}
        return json_answer(200, {**content, "uri": request.target})

    def _go(self, text: Text, steps: list[Step]) -> None:
        """Let the rest become of a text, beside whatever else goes on."""
        for step in steps:
            self.server.pause(step.after)
            if not self.server.ended.is_set():
                self._become(text, step)
        with self._changed:
            del self._going[text]
            self._changed.notify_all()

    def _become(self, text: Text, step: Step) -> None:
        if step.told and "StatusCallback" in text.form:
            webhook = self.report(text, step.status, step.error_code)
            for _ in range(step.told - 1):
                self.webhooks.repeat(webhook)
        else:
            with self._lock:
                text.move(step.status, step.error_code)

    def _sid(self) -> str:
        return f"SM{next(self._numbers):032x}"

    def _keep(self, message: Text) -> Text:
        self._messages.append(message)
        return message

    def _of(self, direction: str) -> list[Text]:
        with self._lock:
            return [message for message in self._messages if message.direction == direction]

    def _last_number_to(self, phone: str) -> str:
        senders = [text.sender or SERVICE_NUMBER for text in self.texts if text.to == phone]
        return senders[-1] if senders else NUMBER


@contextmanager
def fake_twilio(public_url: str = "", deliver_to: str = "") -> Iterator[FakeTwilio]:
    """Twilio, up until the block ends; nothing of it is left then.

    `public_url`: where the customer says to be. `deliver_to`: where it really is, when that is elsewhere.
    """
    twilio = FakeTwilio(Webhooks(AUTH_TOKEN, public_url, deliver_to))
    with serving(twilio.react) as server:
        twilio.server = server
        try:
            yield twilio
        finally:
            server.ended.set()
            twilio.webhooks.end()
            twilio.rest()
