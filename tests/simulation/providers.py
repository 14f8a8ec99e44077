"""Twilio, and the free channels, as they behave on their worst day; and what they really took."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

import msgspec

from notifier.core.listing import Listing, Text
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.core.report import Progress, Report


class Line(Protocol):
    """What an instance's way to a provider needs of the instance."""

    @property
    def random(self) -> Random: ...

    def monotonic(self) -> float: ...

    def touch(self, what: str, seconds: float) -> None: ...

    def draw(self, kind: str) -> str: ...

    def tried(self, message: Message) -> None:
        """The request has handed this to its channel."""
        ...

    def looks(self) -> None:
        """The request begins to read the list of one phone: an earlier list of that is old."""
        ...

    def looked(self) -> None:
        """It has read it."""
        ...

    def has_looked(self) -> bool:
        """Whether it has read those of all phones."""
        ...

    def offers_another(self) -> bool:
        """Whether what Twilio cannot do now another provider may."""
        ...

    def open_since(self) -> datetime | None:
        """The start of the alert it is about; None for none, and for what is about no alert."""
        ...


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """One message a provider took."""

    id: str
    at: float
    """Seconds of virtual time."""
    channel: str
    instance: str
    message: Message
    stored: bool
    """Sent by the road, and not without the store."""
    looked: bool
    """Its request had read the list, and could."""
    open_since: datetime | None
    """The start of the alert its request was about."""
    listed_at: float = 0.0
    listed_empty: bool = False
    fate: tuple[tuple[float, Report], ...] = ()
    """What Twilio knows of it from which moment on."""

    def report(self, now: float) -> Report:
        """What Twilio knows of it."""
        return next((report for at, report in reversed(self.fate) if at <= now), Report())


class Provider:
    """Everything that was taken, by whom."""

    def __init__(self, now: Callable[[], float], clock: Callable[[float], datetime], random: Random) -> None:
        """`clock`: the provider's own, of a moment of virtual time."""
        self.taken: list[Accepted] = []
        self.out_until: dict[str, float] = {}
        """Until when a channel, or the "list", is out."""
        self.empty_until = 0.0
        """Until when texts are listed without their words."""
        self.opted_out: set[int] = set()
        """Phones that have answered STOP."""
        self.watch: Callable[[Accepted], None] = lambda _: None
        """Told of each text that is taken."""
        self._now = now
        self._clock = clock
        self._random = random

    def take(
        self,
        channel: str,
        instance: str,
        message: Message,
        *,
        stored: bool,
        looked: bool = False,
        open_since: datetime | None = None,
    ) -> str:
        """Take a message; its id."""
        now = self._now()
        self.taken.append(
            Accepted(
                id=f"SM{len(self.taken)}",
                at=now,
                channel=channel,
                instance=instance,
                message=message,
                stored=stored,
                looked=looked,
                open_since=open_since,
                listed_at=now + self._random.choice((0.0, self._random.uniform(0, 2), self._random.uniform(15, 25))),
                listed_empty=now < self.empty_until,
                fate=self._fate(now) if channel == "sms" and not message.via else (),
            )
        )
        self.watch(self.taken[-1])
        return self.taken[-1].id

    def _fate(self, now: float) -> tuple[tuple[float, Report], ...]:
        """What becomes of a text; most arrive."""
        sent_at = now + self._random.uniform(0.1, 3)
        end_at = sent_at + self._random.choice((self._random.uniform(0.1, 20), self._random.uniform(20, 299)))
        end = self._random.choices(
            (
                Report(progress=Progress.DELIVERED),
                Report(progress=Progress.SENT),
                Report(progress=Progress.FAILED, trouble="30003: the phone is off", passes=True),
                Report(progress=Progress.FAILED, trouble="30005: no such phone"),
                Report(progress=Progress.FAILED, trouble="21610: it has answered STOP", opted_out=True),
            ),
            (80, 8, 6, 3, 3),
        )[0]
        return ((sent_at, Report(progress=Progress.SENT)), (end_at, end))

    def is_out(self, what: str) -> bool:
        return self._now() < self.out_until.get(what, 0.0)

    def texts_to(self, phone: int, since: datetime) -> tuple[Text, ...]:
        """As the list shows them now, newest first."""
        texts = [one for one in self.taken if one.channel == "sms" and one.message.phone == phone]
        texts = [one for one in texts if not one.message.via]
        return tuple(
            Text(
                id=one.id,
                created_at=made_at,
                body="" if one.listed_empty else one.message.sms,
                report=one.report(self._now()),
            )
            for one in reversed(texts)
            if one.listed_at <= self._now()
            and (made_at := self._clock(one.at).replace(microsecond=0)) >= since - timedelta(seconds=1)
        )


class Phone:
    """ports.Channel and TextList: Twilio and the second provider, over one instance's line."""

    name = "sms"

    def __init__(self, provider: Provider, line: Line, instance: str, *, stored: bool = True) -> None:
        self._provider = provider
        self._line = line
        self._instance = instance
        self._stored = stored

    def send(self, message: Message, deadline: float) -> Outcome:  # noqa: PLR0911 - each fault ends in its own way
        line = self._line
        line.tried(message)
        fault = line.draw("text")
        stalled = fault == "stalled past the deadline"
        line.touch("connect to Twilio", line.random.uniform(8, 120) if stalled else line.random.uniform(0.01, 0.3))
        # What notifier.channels.wire does before the first byte of the body.
        if line.monotonic() >= deadline:
            return Outcome(Result.RETRY, "no time was left")
        if not message.via and self._provider.is_out("unreachable"):
            return Outcome(Result.RETRY, "no connection", elsewhere=True)
        if self._provider.is_out(message.via or "sms"):
            return Outcome(Result.UNKNOWN, "Twilio has an internal failure")
        if not message.via and message.phone in self._provider.opted_out:
            return Outcome(Result.REJECTED, "21610: it has answered STOP", opted_out=True)
        answer_in = line.random.uniform(2, 12) if fault == "slow" else line.random.uniform(0.02, 0.4)
        if fault == "refused":
            line.touch("Twilio's answer", answer_in)
            return Outcome(Result.REJECTED, "Twilio refuses it", elsewhere=not message.via and line.offers_another())
        if fault == "429":
            line.touch("Twilio's answer", answer_in)
            return Outcome(Result.RETRY, "too many requests", line.random.choice((None, 1.0, 30.0)))
        if fault == "not taken, answer lost":
            line.touch("no answer from Twilio", max(deadline - line.monotonic(), 0.0))
            return Outcome(Result.UNKNOWN, "no answer")
        # Twilio gives up on a request of its own after some 26 s.
        line.touch("Twilio thinks", line.random.uniform(12, 22) if fault == "taken late" else 0.01)
        sid = self._provider.take(
            "sms",
            self._instance,
            message,
            stored=self._stored,
            looked=line.has_looked(),
            open_since=line.open_since(),
        )
        if fault == "taken, answer lost":
            line.touch("no answer from Twilio", max(deadline - line.monotonic(), 0.0))
            return Outcome(Result.UNKNOWN, "no answer")
        line.touch("Twilio's answer", answer_in)
        if line.monotonic() >= deadline:
            return Outcome(Result.UNKNOWN, "the answer came too late")
        return Outcome(Result.SENT, provider_id=sid)

    def look_up(self, phone: int, since: datetime, deadline: float) -> Listing:
        line = self._line
        fault = line.draw("list_texts")
        line.looks()
        line.touch("ask for the list", line.random.uniform(1, 4) if fault == "list slow" else 0.05)
        if fault == "list refused" or self._provider.is_out("list"):
            return Listing(trouble="Twilio does not show the list")
        texts = self._provider.texts_to(phone, since)
        line.touch("the list", 0.05)
        if line.monotonic() >= deadline:
            return Listing(trouble="no answer in time")
        line.looked()
        return Listing(texts=texts)

    def preview(self, message: Message) -> str:
        return message.sms


def told_in(message: Message) -> tuple[Message, ...]:
    """What somebody who has read `message` has been told."""
    return message.roundup or (message,)


class Board:
    """ports.Channel: Slack, Discord or email, over one instance's line."""

    def __init__(self, name: str, provider: Provider, line: Line, instance: str, *, stored: bool = True) -> None:
        self.name = name
        self._provider = provider
        self._line = line
        self._instance = instance
        self._stored = stored

    def send(self, message: Message, deadline: float) -> Outcome:
        line = self._line
        for one in told_in(message):
            line.tried(one)
        fault = line.draw("free")
        stalled = fault == "post stalled past the deadline"
        line.touch(f"connect to {self.name}", line.random.uniform(8, 40) if stalled else line.random.uniform(0.01, 0.3))
        if line.monotonic() >= deadline:
            return Outcome(Result.RETRY, "no time was left")
        if fault == "post refused":
            return Outcome(Result.REJECTED, "the webhook was removed")
        if fault == "post 429" or self._provider.is_out(self.name):
            return Outcome(Result.RETRY, "too many requests", line.random.choice((None, 1.0, 60.0)))
        if fault == "not posted, answer lost":
            return Outcome(Result.UNKNOWN, "no answer")
        for one in told_in(message):
            self._provider.take(self.name, self._instance, one, stored=self._stored)
        line.touch(f"{self.name}'s answer", line.random.uniform(0.01, 0.3))
        if fault == "posted, answer lost" or line.monotonic() >= deadline:
            return Outcome(Result.UNKNOWN, "no answer")
        return Outcome(Result.SENT)

    def preview(self, message: Message) -> str:
        return message.headline
