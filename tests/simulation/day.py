"""What happens from outside on one simulated day: drawn before anything runs, so that it can be taken apart."""

from __future__ import annotations

from random import Random

import msgspec

DAY = 86_400.0
INCIDENTS = (10, 15)


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, or a close, that a sender posts until it is answered with 200."""

    at: float
    incident: str
    severity: str = ""
    closed: bool = False
    started_ago: float | None = None
    """Seconds between its start, as its sender says, and `begun`."""
    begun: float = 0.0
    one_off: bool = False

    def __str__(self) -> str:
        what = "closes" if self.closed else f"opens as {self.severity or 'unset'}"
        return f"the sender {what} {self.incident}"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody acknowledges, by the link of the newest message about an incident."""

    at: float
    incident: str

    def __str__(self) -> str:
        return f"somebody acknowledges {self.incident}"


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler is not as punctual as it should be, from `at` on."""

    at: float
    until: float
    how: str
    """missing, doubled or late."""

    def __str__(self) -> str:
        return f"the tick is {self.how} until {clock(self.until)}"


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A provider is out, or the store for every instance."""

    at: float
    until: float
    what: str
    """sms, unreachable (no connection to Twilio), vonage, slack, discord, email, list, empty (the list shows texts
    without their words), or store."""

    def __str__(self) -> str:
        return f"{self.what} is out until {clock(self.until)}"


class Says(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on call sends a text."""

    at: float
    phone: int
    words: str
    again_after: float | None = None
    """When Twilio brings the same text once more."""

    def __str__(self) -> str:
        return f"phone {self.phone + 1} texts: {self.words}"


Happening = Post | Answer | Tick | Outage | Says


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One run's outside."""

    seed: int
    max_per_hour: int
    reserved: int
    phones: int
    fallback: bool
    """Whether there is a second provider."""
    reports: bool
    """Whether Twilio's delivery reports reach us."""
    happenings: tuple[Happening, ...]


def clock(at: float) -> str:
    """A moment of virtual time as a trace shows it."""
    seconds = int(at)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{at % 60:06.3f}"


def draw_day(seed: int) -> Day:
    """The day of a seed."""
    random = Random(f"day {seed}")
    happenings: list[Happening] = []
    storms = [random.uniform(0, DAY * 0.8) for _ in range(random.choice((0, 1, 1, 2)))]
    for number in range(random.randint(*INCIDENTS)):
        in_storm = bool(storms) and random.random() < 0.6
        at = random.choice(storms) + random.expovariate(1 / 40) if in_storm else random.uniform(0, DAY * 0.9)
        happenings += _incident(random, f"i{number}", at, storm=in_storm)
    phones = random.choice((1, 2, 2, 3))
    happenings += _texts(random, [one.at for one in happenings], phones)
    happenings += _troubles(random, [one.at for one in happenings])
    cap = random.choice((2, 3, 5, 5))
    return Day(
        seed=seed,
        max_per_hour=cap,
        reserved=random.choice((0, 1, min(2, cap - 1))),
        phones=phones,
        fallback=random.random() < 0.5,
        reports=random.random() < 0.5,
        # The last senders' tries are over when the healthy days begin.
        happenings=tuple(sorted((one for one in happenings if one.at < DAY - 600), key=lambda one: one.at)),
    )


def _incident(random: Random, name: str, at: float, *, storm: bool) -> list[Happening]:
    words = ("critical",) * 5 + (() if storm else ("warning", "warning", "error", "info", ""))
    severity = random.choice(words)
    one_off = random.random() < 0.1
    starts = None if one_off or random.random() < 0.2 else random.choice((0.0, 5.0, 90.0, 600.0))
    opening = Post(at=at, incident=name, severity=severity, started_ago=starts, begun=at, one_off=one_off)
    happenings: list[Happening] = [opening]
    for _ in range(random.choice((0, 0, 1, 2))):
        again = at + random.choice((0.0, random.uniform(0, 2), random.uniform(0, 1_500)))
        happenings.append(msgspec.structs.replace(opening, at=again))
    if random.random() < 0.1 and severity != "critical":
        raised = msgspec.structs.replace(opening, at=at + random.uniform(1, 3_000), severity="critical")
        happenings.append(raised)
    if random.random() < 0.4:
        happenings.append(
            Answer(at=at + random.choice((random.uniform(0, 20), random.uniform(20, 4_000))), incident=name)
        )
    if random.random() < 0.5 and not one_off:
        close_at = at + random.choice((-3.0, random.uniform(0, 15), random.uniform(15, 7_000)))
        close = msgspec.structs.replace(opening, at=max(close_at, 0.0), closed=True)
        happenings += [close] * random.choice((1, 1, 2))
        if random.random() < 0.4:
            reopened = close_at + random.choice((random.uniform(1, 30), random.uniform(30, 6_000)))
            starts = None if starts is None else random.choice((0.0, 5.0))
            happenings.append(
                msgspec.structs.replace(opening, at=max(reopened, 1.0), begun=max(reopened, 1.0), started_ago=starts)
            )
    return happenings


def _texts(random: Random, moments: list[float], phones: int) -> list[Happening]:
    """What people on call text to us: mostly an answer some minutes after something happened."""
    texts: list[Happening] = []
    for _ in range(random.choice((0, 2, 4, 8))):
        at = random.choice(moments) + random.choice((random.uniform(5, 60), random.uniform(60, 2_400)))
        words = random.choice(("ack",) * 6 + ("ack all", "status", "stop", "start", "lunch?"))
        again = random.uniform(1, 3_000) if random.random() < 0.2 else None
        phone = random.randrange(phones)
        texts.append(Says(at=at, phone=phone, words=words, again_after=again))
        if words == "stop" and random.random() < 0.8:
            texts.append(Says(at=at + random.uniform(60, 20_000), phone=phone, words="start"))
    if random.random() < 0.1:
        at = random.choice(moments)
        texts += [Says(at=at + number * 30, phone=0, words="status") for number in range(9)]
    return texts


def _troubles(random: Random, moments: list[float]) -> list[Happening]:
    """What is out and when: mostly when something is going on."""
    troubles: list[Happening] = []

    def some(rate: float, longest: float) -> tuple[float, float] | None:
        if random.random() >= rate:
            return None
        near = random.choice(moments) + random.uniform(-120, 1_200)
        at = max(near if random.random() < 0.7 else random.uniform(0, DAY), 0.0)
        return at, min(at + random.uniform(30, longest), DAY)

    for how, rate, longest in (
        ("missing", 0.3, 6_000),
        ("missing", 0.3, 600),
        ("doubled", 0.6, 20_000),
        ("late", 0.6, 20_000),
    ):
        if span := some(rate, longest):
            troubles.append(Tick(at=span[0], until=span[1], how=how))
    for what, rate, longest in (
        ("sms", 0.3, 3_000),
        ("unreachable", 0.2, 3_000),
        ("vonage", 0.1, 3_000),
        ("slack", 0.15, 30_000),
        ("discord", 0.1, 3_000),
        ("email", 0.1, 3_000),
        ("list", 0.25, 3_000),
        ("empty", 0.1, 3_000),
        ("store", 0.1, 400),
    ):
        if span := some(rate, longest):
            troubles.append(Outage(at=span[0], until=span[1], what=what))
    return troubles
