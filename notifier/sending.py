"""Step 4 of the road: everything that may be sent now is sent at the same time, each within the request's deadline."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from notifier.core.alert import Severity
from notifier.core.listing import Listing
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.core.roundup import Name, as_one, in_posts
from notifier.ports import Channel, Clock, Log, TextList

T = TypeVar("T")

GRACE = 0.25
"""Seconds a send may come back late: it has stopped writing by its deadline, and its thread is on the way."""
PATIENCE_SECONDS = 1.0
"""The least that a channel that is too busy is left alone, also if it asks for no time at all (`Retry-After: 0`)."""
LATE = "no answer before the deadline"
LOOK_UP_SECONDS = 2.5
"""What reading the provider's list may take: the page that waits for it has its own sending still before it."""


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """When each stretch of the road ends, in seconds of the monotonic clock."""

    claim_by: float
    send_by: float
    record_by: float

    @classmethod
    def of_request(cls, started: float, now: float) -> Deadlines:
        """For a request that began at `started` and is authorised `now`."""
        send_by = started + SEND_SECONDS
        claim_by = max(min(now + CLAIM_SECONDS, send_by - SENDS_SECONDS), now + 1)
        return cls(claim_by=claim_by, send_by=send_by, record_by=started + RECORD_SECONDS)

    @classmethod
    def within(cls, now: float, until: float) -> Deadlines:
        """For one incident of several, the last of which must be recorded by `until`."""
        record_by = min(now + RECORD_SECONDS, until)
        send_by = record_by - (RECORD_SECONDS - SEND_SECONDS)
        return cls(claim_by=min(now + CLAIM_SECONDS, send_by), send_by=send_by, record_by=record_by)

    def to_store_only(self, now: float) -> Deadlines:
        """The same, but past the time to send: what is owed is stored, and left to whoever looks next."""
        return msgspec.structs.replace(self, send_by=now - 1)


CLAIM_SECONDS = 4.0
SENDS_SECONDS = 3.0
"""What is left to send, or to wake somebody without the store, however late the claim is."""
SEND_SECONDS = 7.5
RECORD_SECONDS = 9.0
"""Pub/Sub gives up on a push at 10 s by default (ackDeadlineSeconds)."""


class AtOnce(Protocol):
    """How several things are done at the same time; the simulator has a way of its own."""

    def __call__(self, tasks: Sequence[Callable[[], T]], seconds: float) -> list[T | None]:
        """Run all `tasks`; None for one that is not back after `seconds`."""
        ...


THREADS = 1_000
"""At most: 16 requests at once (deploy.sh), of 8 alerts each, with 5 channels, would be 768. So a thread that is held
by a name server that does not answer delays nobody else."""

_threads = ThreadPoolExecutor(THREADS)
"""Made as they are needed, and used again: to begin a thread costs as much as all that is decided on a page."""


def at_once(tasks: Sequence[Callable[[], T]], seconds: float) -> list[T | None]:
    """Run all `tasks`, each in its own thread; None for one that is not back after `seconds`."""
    futures = [_threads.submit(task) for task in tasks]
    wait(futures, timeout=max(seconds, 0))
    return [future.result() if future.done() else None for future in futures]


class Sender:
    """Sends messages and reads the provider's list; whatever happens there is an answer and never an exception."""

    def __init__(
        self, *, channels: Mapping[str, Channel], texts: TextList | None, clock: Clock, log: Log, all_at_once: AtOnce
    ) -> None:
        """`texts`: the provider's list of texts; None where there is no SMS."""
        self._channels = channels
        self._texts = texts
        self._clock = clock
        self._log = log
        self._all_at_once = all_at_once

    def send(self, messages: Mapping[str, tuple[str, Message]], deadline: float) -> dict[str, Outcome]:
        """Send each message (by any name: channel and words); how each ended."""
        tasks = [partial(self.send_one, channel, message, deadline) for channel, message in messages.values()]
        outcomes = self.run(tasks, deadline)
        late = Outcome(Result.UNKNOWN, LATE)
        return {name: outcome or late for name, outcome in zip(messages, outcomes, strict=True)}

    def send_together(self, messages: Mapping[Name, tuple[str, Message]], deadline: float) -> dict[Name, Outcome]:
        """Send what several incidents owe the free channels, on each of them one post after the other; how each ended.

        Where a channel is owed more than a few, a post tells several. One that a channel is too busy for comes again
        when it has asked for, so that it gets no more than it takes. What has become a page since the incidents were
        chosen is texted by itself, and waits for nothing.
        """
        in_turn: dict[tuple[str, Name | None], dict[Name, Message]] = {}
        for name, (channel, message) in messages.items():
            alone = None if message.phone is None else name
            in_turn.setdefault((channel, alone), {})[name] = message
        outcomes: dict[Name, Outcome] = {}
        begun: set[Name] = set()

        def send_all(channel: str, due: dict[Name, Message]) -> None:
            posts = in_posts(due, channel)
            while posts:
                names = posts.pop(0)
                begun.update(names)
                outcome = self._send_patiently(channel, as_one([due[name] for name in names]), deadline)
                if len(names) > 1 and outcome.result is Result.REJECTED:
                    # It may be one of them that cannot be told: that must not silence the others.
                    posts[:0] = [(name,) for name in names]
                    continue
                if len(names) > 1 and outcome.result is Result.SENT:
                    words = f"in one message with {len(names) - 1} others"
                    outcome = msgspec.structs.replace(outcome, detail=words)
                outcomes.update(dict.fromkeys(names, outcome))

        self.run([partial(send_all, channel, due) for (channel, _), due in in_turn.items()], deadline)
        late, not_begun = Outcome(Result.UNKNOWN, LATE), Outcome(Result.RETRY, "no time was left")
        # A copy: a send that is not back goes on.
        ended = dict(outcomes)
        return {name: ended.get(name, late if name in begun else not_begun) for name in messages}

    def _send_patiently(self, channel: str, message: Message, deadline: float) -> Outcome:
        """Send one message, and as often as its channel asks for a moment's patience."""
        while True:
            if self._clock.monotonic() >= deadline:
                return Outcome(Result.RETRY, "no time was left")
            outcome = self.send_one(channel, message, deadline)
            if outcome.result is not Result.RETRY or outcome.retry_after is None:
                return outcome
            wait = max(outcome.retry_after, PATIENCE_SECONDS)
            if self._clock.monotonic() + wait >= deadline:
                return outcome
            self._clock.sleep(wait)

    def send_one(self, channel: str, message: Message, deadline: float) -> Outcome:
        """Send one message."""
        to = self._channels.get(channel)
        if to is None:
            return Outcome(Result.REJECTED, f"{channel} is no longer configured")
        try:
            return to.send(message, deadline)
        except Exception as error:  # noqa: BLE001 - our own bug in one channel must not silence the others
            return Outcome(Result.UNKNOWN, self._our_mistake(channel, error, message.ref))

    def look_up(self, phones: Sequence[int], since: datetime, deadline: float) -> dict[int, Listing]:
        """The provider's list of what was texted to each of `phones` from `since` on."""
        tasks = [partial(self._look_up_one, phone, since, deadline) for phone in phones]
        listings = self.run(tasks, deadline)
        late = Listing(trouble=LATE)
        return {phone: listing or late for phone, listing in zip(phones, listings, strict=True)}

    def run(self, tasks: Sequence[Callable[[], T]], deadline: float) -> list[T | None]:
        """Run all `tasks` at the same time, until a little past `deadline` (seconds of the monotonic clock)."""
        return self._all_at_once(tasks, deadline - self._clock.monotonic() + GRACE) if tasks else []

    def _look_up_one(self, phone: int, since: datetime, deadline: float) -> Listing:
        if self._texts is None:
            return Listing(trouble="SMS is no longer configured")
        try:
            return self._texts.look_up(phone, since, deadline)
        except Exception as error:  # noqa: BLE001 - as of a channel: unreadable, which the rules know what to do with
            return Listing(trouble=self._our_mistake("sms", error, ""))

    def _our_mistake(self, channel: str, error: Exception, ref: str) -> str:
        words = our_mistake(error)
        self._log.write(Severity.CRITICAL, f"{channel}: {words}", ref=ref)
        return words


def our_mistake(error: Exception) -> str:
    """Where it went wrong. Its own words stay out of the log: they may hold an address or a number."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"our own mistake: {type(error).__name__} in {where.name}, line {where.lineno}"
