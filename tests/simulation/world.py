"""One simulated day: several instances of the real app, the senders, the scheduler's tick and the people on call."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import TypeVar

import msgspec
from greenlet import GreenletExit

from notifier.callbacks import ReceivedText
from notifier.core.alert import Alert, Severity
from notifier.core.beginning import key_of
from notifier.core.digest import to_collect
from notifier.core.escalation import pages_with_room
from notifier.core.events import Reported
from notifier.core.incident import Incident
from notifier.core.message import Message
from notifier.core.policy import Policy
from notifier.core.report import Report
from notifier.policy_file import read_policy
from notifier.ports import StoreDown
from notifier.relay import Taken
from notifier.sending import Deadlines, Sender
from notifier.settings import Settings, read_settings
from notifier.wiring import App, Outside, build
from tests.simulation.checks import Checks
from tests.simulation.day import DAY, Answer, Day, Happening, Outage, Post, Says, Tick, clock
from tests.simulation.faults import HEALTHY, ROUGH, Faults
from tests.simulation.providers import Accepted, Board, Phone, Provider
from tests.simulation.scheduler import Scheduler, Task
from tests.simulation.store import Documents, FaultyStore

T = TypeVar("T")

MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)
INSTANCES = 3
SKEW_SECONDS = 1.0
"""A clock is off by up to this either way, so two of them by up to 2 s."""
STORE_DEAD_SECONDS = 90.0
SENDER_TRIES = 8
REPORT_TRIES = 6
"""As `#rc=5&rp=all` asks Twilio for."""
PATIENCE_SECONDS = 60.0
"""Cloud Run ends a request then (deploy.sh)."""
HEALTHY_DAYS = 6
FREE = ("slack", "discord", "email")
TOKEN = "token-of-the-simulator"


class Silent:
    """A log nobody reads: the trace says what happened."""

    def write(self, severity: Severity, message: str, **fields: object) -> None:
        """Nothing."""


class Request:
    """One request to an instance, with its own draws: they stay the same when other requests are taken away."""

    def __init__(self, random: Random, dies_at: int, store_dies_at: int) -> None:
        self.random = random
        self.dies_at = dies_at
        """At which touch of the outside its instance dies; 0: never."""
        self.store_dies_at = store_dies_at
        """At which touch the instance's channel to the store goes dead; 0: never."""
        self.touches = 0
        self.store_was_down = False
        self.lists_asked = 0
        self.lists_read = 0
        self.claims: set[str] = set()
        """The claim ids made for it."""
        self.tried: set[tuple[str, int, str]] = set()
        """What it handed to a channel: incident, generation, delivery."""
        self.open_since: datetime | None = None
        """The start of its alert, as the sender says."""


class Instance:
    """One process: the real app on a clock, a store and channels of the simulator. Dies with all its memory."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.alive = True
        self.store_dead_until = 0.0
        self.clients: set[Task] = set()
        self._world = world
        draws = Random(f"{world.day.seed} {name}")
        self._ahead = draws.uniform(-SKEW_SECONDS, SKEW_SECONDS)
        self._booted = draws.uniform(0, 1_000)
        self._claims = 0
        self.app = self._build()

    def _build(self) -> App:
        world = self._world
        outside = Outside(
            store=FaultyStore(world.documents, self),
            channels={name: Board(name, world.provider, self, self.name) for name in FREE}
            | {"sms": (phone := Phone(world.provider, self, self.name))},
            texts=phone,
            clock=self,
            ids=self,
            log=Silent(),
            all_at_once=world.scheduler.all_at_once,
        )
        app = build(world.settings, world.policy, outside)
        # What is sent without the store goes the same ways, and is told apart by who sent it.
        unstored = {name: Board(name, world.provider, self, self.name, stored=False) for name in FREE} | {
            "sms": Phone(world.provider, self, self.name, stored=False)
        }
        app.relay._degraded._sender = Sender(
            channels=unstored, texts=phone, clock=self, log=Silent(), all_at_once=world.scheduler.all_at_once
        )
        return app

    # Clock and Ids

    def now(self) -> datetime:
        return MIDNIGHT + timedelta(seconds=self._world.scheduler.now + self._ahead)

    def monotonic(self) -> float:
        return self._world.scheduler.now + self._booted

    def sleep(self, seconds: float) -> None:
        self.touch("sleep", seconds)

    def claim(self) -> str:
        self._claims += 1
        claim_id = f"{self.name}-{self._claims}"
        self._request.claims.add(claim_id)
        return claim_id

    def fraction(self) -> float:
        return self.random.random()

    # The line to the outside

    @property
    def random(self) -> Random:
        return self._request.random

    @property
    def _request(self) -> Request:
        request: Request = self._world.scheduler.current().request
        return request

    def store_is_down(self) -> StoreDown:
        self._request.store_was_down = True
        return StoreDown("no answer in time")

    def looks(self) -> None:
        self._request.lists_asked += 1

    def looked(self) -> None:
        self._request.lists_read += 1

    def has_looked(self) -> bool:
        # One that failed since may be the one it went by: then nobody can say what it knew.
        return 0 < self._request.lists_asked == self._request.lists_read

    def open_since(self) -> datetime | None:
        return self._request.open_since

    def tried(self, message: Message) -> None:
        self._request.tried.add((message.incident, message.generation, message.delivery))

    def draw(self, kind: str) -> str:
        faults = self._world.faults
        fault = faults.draw(self.random, getattr(faults.rates, kind))
        if fault:
            self._world.trace(self.name, f"fault: {fault}")
        return fault

    def touch(self, what: str, seconds: float) -> None:
        world, request = self._world, self._request
        request.touches += 1
        if request.touches == request.dies_at:
            world.crash(self, what)
        if request.touches == request.store_dies_at:
            world.faults.hit("channel to the store dead for 90 s")
            world.trace(self.name, "fault: its channel to the store is dead for 90 s")
            self.store_dead_until = self.monotonic() + STORE_DEAD_SECONDS
        world.scheduler.pause(seconds)

    def offers_another(self) -> bool:
        return self._world.day.fallback and self.random.random() < 0.5

    # What the HTTP side would do

    def take(self, alert: Alert) -> Taken:
        self._request.open_since = alert.started_at
        started = self.monotonic()
        deadlines = Deadlines.of_request(started, started)
        (taken,) = self.app.relay.take_all([alert], deadlines)
        if not taken.error:
            self.app.tick.catch_up(taken.last_tick, deadlines.record_by)
        return taken

    def tick(self) -> bool:
        self.app.tick.run(self.monotonic())
        return True

    def report(self, url: str, text_id: str, report: Report) -> Taken:
        started = self.monotonic()
        key, generation, number, delivery = url.partition("delivery=")[2].partition("#")[0].split(".")
        event = Reported(
            delivery=delivery.replace("-", "/"),
            generation=int(generation),
            number=int(number),
            id=text_id,
            report=report,
        )
        return self.app.relay.take_event(key, event, Deadlines.of_request(started, started))

    def text(self, text: ReceivedText) -> str:
        started = self.monotonic()
        return self.app.replies.take(text, Deadlines.of_request(started, started))

    def acknowledge(self, key: str, generation: int) -> Taken:
        started = self.monotonic()
        deadlines = Deadlines.of_request(started, started)
        known = self.app.relay.look(key, deadlines)
        return Taken(None) if known is None else self.app.relay.acknowledge(known, generation, "Ana", deadlines)


@cache
def _settings(phones: int, fallback: bool) -> Settings:  # noqa: FBT001 - of a cached function
    numbers = ",".join(f"+1555555010{number}" for number in range(phones))
    twilio = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "none", "TWILIO_FROM": "+15005550006"}
    urls = {"PUBLIC_URL": "https://pager.example.com", "WEBHOOK_TOKEN": TOKEN}
    second = {
        "SMS_FALLBACK": "vonage",
        "SMS_FALLBACK_FROM": "pager",
        "VONAGE_API_KEY": "0" * 8,
        "VONAGE_API_SECRET": "none",
    }
    more = second if fallback else {}
    return read_settings({**twilio, **urls, **more, "ONCALL_PHONE": numbers, "STATE": "firestore"})


@cache
def _policy(max_per_hour: int, reserved: int) -> Policy:
    policy = read_policy()
    sms = msgspec.structs.replace(policy.sms, max_per_hour=max_per_hour, reserved=reserved)
    return msgspec.structs.replace(policy, sms=sms)


class World:
    """Runs one day, then providers that are healthy and ticks that come, until nothing is owed any more."""

    def __init__(self, day: Day, hits: Counter[str] | None = None, lines: list[str] | None = None) -> None:
        """`lines`: where the trace goes; None: nobody reads it."""
        self.day = day
        self.scheduler = Scheduler()
        self.documents = Documents()
        self.settings = _settings(day.phones, day.fallback)
        self.policy = _policy(day.max_per_hour, day.reserved)
        self.faults = Faults(ROUGH, Counter() if hits is None else hits)
        random = Random(f"{day.seed} world")
        ahead = timedelta(seconds=random.uniform(-SKEW_SECONDS, SKEW_SECONDS))
        self.provider = Provider(
            lambda: self.scheduler.now, lambda at: MIDNIGHT + timedelta(seconds=at) + ahead, Random(f"{day.seed} list")
        )
        self.provider.watch = self._taken
        self._lines = lines
        self._births = 0
        self._random = random
        self._asked = 0
        self.checks = Checks(self)
        self.documents.watch = self._committed
        self.documents.last_tick = self._last_tick
        self._ticks = [one for one in day.happenings if isinstance(one, Tick)]
        self._ticker: Task | None = None
        self._sleeps_until = 0.0
        self.instances = [self._born() for _ in range(INSTANCES)]
        # As it is deployed: with the phones that the settings name.
        self.policy = self.instances[0].app.relay._policy

    def run(self) -> list[str]:
        """Run it all; what was wrong."""
        for number, happening in enumerate(self.day.happenings):
            self.scheduler.spawn(lambda number=number, one=happening: self._happen(number, one), at=happening.at)  # type: ignore[misc]
        self._ticker = self.scheduler.spawn(self._keep_ticking)
        self.scheduler.run(DAY)
        self.faults.rates = HEALTHY
        self.provider.out_until.clear()
        self.provider.empty_until = 0.0
        self.trace("world", "from here on everything is healthy")
        self.scheduler.run(DAY * (1 + HEALTHY_DAYS))
        return self.checks.verdict()

    @property
    def now(self) -> datetime:
        """By a clock that is right."""
        return MIDNIGHT + timedelta(seconds=self.scheduler.now)

    @property
    def traces(self) -> bool:
        """Whether anybody reads the trace."""
        return self._lines is not None

    def trace(self, who: str, what: str) -> None:
        if self._lines is not None:
            self._lines.append(f"{clock(self.scheduler.now)} {who:9} {what}")

    def crash(self, instance: Instance, where: str) -> None:
        """The instance dies, with everything in it; the running task is one of its own."""
        self.faults.hit("crash")
        self.trace(instance.name, f"fault: killed at: {where}")
        instance.alive = False
        self.instances[self.instances.index(instance)] = self._born()
        self.scheduler.kill(instance)
        for client in instance.clients:
            self.scheduler.wake(client)
        raise GreenletExit

    def _born(self) -> Instance:
        self._births += 1
        return Instance(self, f"inst{self._births}")

    def _taken(self, text: Accepted) -> None:
        """Twilio reports on what it took: once for each step, or as the day will have it."""
        if not text.message.report_url or not self.day.reports:
            return
        random = Random(f"{self.day.seed} report {text.id}")
        for place, (at, report) in enumerate(text.fate[-1:] if random.random() < 0.2 else text.fate):
            fault = self.faults.draw(random, self.faults.rates.report)
            if fault == "report lost":
                continue
            if fault == "report before the answer":
                at = text.at + 0.001  # noqa: PLW2901
            late = random.uniform(0, 120) if fault == "report late" else random.uniform(0, 1)
            for twin in range(2 if fault == "report twice" else 1):
                name = f"report {text.id} {place} {twin}"
                self.scheduler.spawn(
                    lambda name=name, report=report: self._report(name, text, report),  # type: ignore[misc]
                    at=max(at + late, self.scheduler.now),
                )

    def _report(self, name: str, text: Accepted, report: Report) -> None:
        for again in range(REPORT_TRIES):
            taken = self._ask(
                f"{name} {again}", lambda instance: instance.report(text.message.report_url, text.id, report)
            )
            if taken is not None:
                self.trace("Twilio", f"reported {text.id}: {report.progress.value}")
                self.checks.reported(text, report)
                return
            self.scheduler.pause(2.0 * 2**again)

    def _says(self, number: int, says: Says) -> None:
        if says.words in ("stop", "start"):
            (self.provider.opted_out.add if says.words == "stop" else self.provider.opted_out.discard)(says.phone)
        text = ReceivedText(phone=says.phone, sid=f"SMin{number}", body=says.words)
        moments = (0.0,) if says.again_after is None else (0.0, says.again_after)
        for again, wait in enumerate(moments):
            self.scheduler.pause(wait)
            answer = self._ask(f"text {number} {again}", lambda instance: instance.text(text))
            if answer:
                self.trace("Twilio", f"answers phone {says.phone + 1}: {answer}")
                self.checks.answered_by_text(says.phone, answer)

    def _happen(self, number: int, happening: Happening) -> None:
        self.trace("world", str(happening))
        match happening:
            case Post():
                self._post(number, happening)
            case Answer():
                self._answer(number, happening)
            case Says():
                self._says(number, happening)
            case Outage(what="empty"):
                self.provider.empty_until = happening.until
            case Outage(what="store"):
                for instance in self.instances:
                    instance.store_dead_until = instance.monotonic() + happening.until - happening.at
            case Outage():
                self.provider.out_until[happening.what] = happening.until
            case Tick():
                pass  # _keep_ticking looks at the day
        if isinstance(happening, Outage):
            self.faults.hit(f"outage of {happening.what}")

    def _post(self, number: int, post: Post) -> None:
        alert = _alert(post)
        for again in range(SENDER_TRIES):
            taken = self._ask(f"{number} {again}", lambda instance: instance.take(alert))
            if taken is not None and taken.error is None:
                self.trace("world", f"200: {post}")
                self.checks.answered(post, alert, taken)
                return
            self.trace("world", f"{'no answer' if taken is None else '503'}: {post}")
            self.scheduler.pause(Random(f"{self.day.seed} {number} {again} wait").uniform(5, 20))

    def _answer(self, number: int, answer: Answer) -> None:
        key = key_of(_alert(Post(at=0, incident=answer.incident)), "")
        links = [
            one.message for one in self.provider.taken if one.message.incident == key and one.message.acknowledge_url
        ]
        if not links:
            return
        generation = links[-1].generation
        for again in range(SENDER_TRIES):
            taken = self._ask(f"{number} {again}", lambda instance: instance.acknowledge(key, generation))
            if taken is not None:
                return
            self.scheduler.pause(5)

    def _committed(self, before: Incident | None, after: Incident) -> None:
        self.checks.committed(before, after)
        waits = any(incident.waiting_since for incident, _ in self.documents.incidents.values())
        sooner = after.next_due is not None and (after.next_due - MIDNIGHT).total_seconds() < self._sleeps_until
        if self._ticker is not None and (waits or sooner):
            self.scheduler.wake(self._ticker)

    def _last_tick(self) -> datetime:
        """The last minute at which the tick came, whether it found anything or not."""
        minute = self.scheduler.now // 60 * 60
        for one in self._ticks:
            if one.how == "missing" and one.at <= minute < one.until:
                minute = one.at // 60 * 60
        return MIDNIGHT + timedelta(seconds=minute)

    def _keep_ticking(self) -> None:
        """Tick each minute in which something is due; in the others it would find nothing: they are passed over."""
        ticked = 0
        while True:
            minute = max(ticked + 1, self._due_minute())
            self._sleeps_until = minute * 60.0
            self.scheduler.wait_until(self._sleeps_until)
            if self.scheduler.now < self._sleeps_until or self._due_minute() > minute:
                continue  # something changed: it may be due at another time
            ticked = minute
            how = self._how_the_tick_comes()
            if how == "missing":
                continue
            for twin in range(2 if how == "doubled" else 1):
                late = self._random.uniform(0, 50) if how == "late" else 0.0
                name = f"tick {minute} {twin}"
                self.scheduler.spawn(lambda name=name: self._ask(name, Instance.tick), at=self.scheduler.now + late)  # type: ignore[misc]

    def _how_the_tick_comes(self) -> str:
        now = self.scheduler.now
        for one in self._ticks:
            if one.at <= now < one.until:
                self.faults.hit(f"tick {one.how}")
                return one.how
        return ""

    def _due_minute(self) -> int:
        """The first minute, this one or later, in which something is due as things stand."""
        incidents = [incident for incident, _ in self.documents.incidents.values()]
        moments = [incident.next_due for incident in incidents if incident.next_due]
        waiting = [incident for incident in incidents if incident.waiting_since]
        if waiting:
            now = self.now
            ledger = self.documents.ledger
            if pages_with_room(waiting, ledger, self.policy, now) or to_collect(waiting, ledger, self.policy, now):
                moments.append(now)
            ends = (slot.counts_until for slot in self.documents.ledger.slots.values())
            moments += [end for end in ends if end > now]
        earliest = min(moments, default=MIDNIGHT + timedelta(days=2 + HEALTHY_DAYS))
        return max(int(-(-(earliest - MIDNIGHT).total_seconds() // 60)), int(self.scheduler.now // 60))

    def _ask(self, name: str, work: Callable[[Instance], T]) -> T | None:
        """What an instance answers; None when it dies first, or takes too long."""
        random = Random(f"{self.day.seed} {name}")
        instance = random.choice(self.instances)
        rates = self.faults.rates.request
        dies_at = random.randint(1, 14) if random.random() < rates.get("crash", 0) else 0
        goes_dead = random.random() < rates.get("channel to the store dead for 90 s", 0)
        request = Request(random, dies_at, random.randint(1, 6) if goes_dead else 0)
        client = self.scheduler.current()
        answers: list[T] = []

        def serve() -> None:
            try:
                answers.append(work(instance))
                if not request.store_was_down:
                    self.checks.done(request.claims, request.tried)
            except Exception as error:  # noqa: BLE001 - a mistake of ours is what we look for
                if not self.checks.expected(error):
                    self.checks.wrong(f"our own mistake: {traceback.format_exc(limit=-3)}")
            if client in instance.clients:
                self.scheduler.wake(client)

        instance.clients.add(client)
        self.scheduler.spawn(serve, group=instance, request=request)
        self.scheduler.wait_until(self.scheduler.now + PATIENCE_SECONDS)
        instance.clients.discard(client)
        return answers[0] if answers else None


def _alert(post: Post) -> Alert:
    started_at = None
    if post.started_ago is not None:
        started_at = MIDNIGHT + timedelta(seconds=int(post.begun - post.started_ago))
    return Alert(
        source="simulator",
        incident_id=post.incident,
        closed=post.closed,
        severity=post.severity,
        title=f"{post.incident} is down",
        started_at=started_at,
        one_off=post.one_off,
    )
