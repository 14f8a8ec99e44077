"""Every provider and the store fail in every way, one at a time or two, while a critical alert comes in.

A `World` is a real process behind proxies, with providers on 127.0.0.1 and Google's Firestore emulator. Everything but
the store is reached by TLS. While something fails the alert is posted once; then all is well again, time passes as
`pager.py` lets it, ticks come, and it is counted who has heard what.
"""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
import trustme

from notifier.core.incident import Delivery, DeliveryState, incident_key, ref_of
from notifier.core.unstored import WORDS
from tests.end_to_end.alerts import cloud_monitoring
from tests.end_to_end.courses import Course
from tests.end_to_end.fault_table import KEYS, SLOW, Failing, Seen
from tests.end_to_end.hostile import Fault, faults, hang
from tests.end_to_end.pager import PATIENCE, Pager, Told, pager
from tests.end_to_end.providers import first_lines_on_discord
from tests.end_to_end.serving import Answer, Reaction, serving
from tests.end_to_end.vonage import FakeVonage, fake_vonage
from tests.stores.fake_firestore import FailingFirestore
from tests.stores.proxy import Proxy

SPEAKS = {
    "slack": "http",
    "discord": "http",
    "sms": "http",
    "email": "smtp",
    "store": "grpc",
    "second": "http",
    "heartbeat": "http",
}
ADDRESSES = {
    "slack": "SLACK_WEBHOOK_URL",
    "discord": "DISCORD_WEBHOOK_URL",
    "sms": "TWILIO_API_URL",
    "second": "SMS_FALLBACK_URL",
    "heartbeat": "HEARTBEAT_URL",
}
ROUNDS = 6
ROUND_SECONDS = 31
"""Two lists of Twilio's must be 30 s apart; all of it together is less than what the next phone waits."""
NEXT_PHONE_SECONDS = 15 * 60
MOST_IN_A_ROUND = 12
"""Incidents of a world before time passes: the ledger holds 30 texts at most."""


class World:
    """One pager, behind a proxy for each of those it talks to. Use it by `world`."""

    def __init__(
        self, ours: Pager, second: FakeVonage | None, gates: dict[str, Proxy], known: dict[str, Fault]
    ) -> None:
        self._pager = ours
        self._second = second
        self._gates = gates
        self._known = known
        self._elsewhere = gates["elsewhere"]
        self._open: list[Seen] = []
        self._numbers = 0

    def take(self, failing: Failing) -> Seen:
        """Post an alert while `failing` is so; what came of it at once."""
        self._numbers += 1
        seen = Seen(failing, self._numbers)
        self._open.append(seen)
        strayed = self._elsewhere.connections
        with self._failing(failing):
            began = time.monotonic()
            answer = self._pager.function.post(self._body(seen))
            seen.seconds = time.monotonic() - began
            seen.at_once = self._heard(seen, unstored=None)
        seen.status = answer.status_code
        if answer.status_code == 200:
            seen.states = answer.json()["incidents"][0]["deliveries"]
            seen.waits = self._waits(seen)
        seen.strayed = self._elsewhere.connections - strayed
        return seen

    def tick(self, failing: Failing) -> Seen:
        """Tick while `failing` is so."""
        seen = Seen(failing, 0)
        strayed, logged = self._elsewhere.connections, len(self._pager.function.log)
        with self._failing(failing):
            began = time.monotonic()
            seen.status = self._pager.function.tick().status_code
            seen.seconds = time.monotonic() - began
        seen.unheard = "the heartbeat was not heard" in self._pager.function.log[logged:]
        seen.strayed = self._elsewhere.connections - strayed
        return seen

    def recover(self) -> None:
        """Let the senders of what was not stored try again, and then time pass until all is told; look what was."""
        for seen in self._open:
            self._repeat(seen)
        for _ in range(ROUNDS):
            self._pager.pass_time(ROUND_SECONDS)
            self._pager.tick()
            if not any(self._owed(seen) for seen in self._open):
                break
        for seen in self._open:
            self._judge(seen)
        if self._second:
            self._pager.pass_time(NEXT_PHONE_SECONDS)
            self._pager.tick()
        for seen in self._open:
            seen.a_walk_later = len(self._phones(self._told(seen).ref))
        if any(place == "store" for seen in self._open for place, _ in seen.failing):
            # It remembers for an hour what it texted without the store, which all others are now to forget.
            self._pager.function.kill()
            self._pager.start()
        self._open.clear()
        self._pager.forget()
        self._pager.tick()  # or each alert would do what the tick has not

    @property
    def is_full(self) -> bool:
        return len(self._open) >= MOST_IN_A_ROUND

    @contextmanager
    def _failing(self, failing: Failing) -> Iterator[None]:
        for place, name in failing:
            self._known[name].begin(self._gates[place], SPEAKS[place])
        try:
            yield
        finally:
            for place, name in failing:
                self._known[name].end(self._gates[place])

    def _body(self, seen: Seen) -> dict[str, Any]:
        return cloud_monitoring(f"0.fault{seen.number}", on=f"machine-{seen.number}", started_at=seen.started_at)

    def _told(self, seen: Seen) -> Told:
        key = incident_key("cloud-monitoring", f"0.fault{seen.number}")
        return Told(self._pager, key, ref_of(key, 1))

    def _heard(self, seen: Seen, *, unstored: bool | None) -> Counter[str]:
        """How often each has heard of it: without the store, with it, or (None) either way."""
        ref = self._told(seen).ref
        said = {
            place: [one for one in posts if one.startswith(("CRITICAL:", "**CRITICAL:"))]
            for place, posts in self._posts(ref).items()
        }
        counts = {
            place: sum(unstored is None or (WORDS in one) == unstored for one in posts) for place, posts in said.items()
        }
        return Counter({**counts, "sms": len(self._phones(ref))})

    def _posts(self, ref: str) -> dict[str, list[str]]:
        """The first lines of what each free channel got about it."""
        taken = self._pager.providers
        return {
            "slack": taken.posts_of(ref),
            "discord": [
                line for post in taken.discord for line in first_lines_on_discord(post) if line.endswith(f"#{ref}")
            ],
            "email": [first for first, last in self._pager.mails if last == f"#{ref}"],
        }

    def _phones(self, ref: str) -> list[str]:
        """Of each text about it."""
        phones = [text.to for text in self._pager.providers.texts_of(ref)]
        texts = self._second.texts if self._second else []
        return phones + [f"+{text['to']}" for text in texts if f"#{ref}" in text["text"]]

    def _waits(self, seen: Seen) -> float:
        incident = self._told(seen).incident
        deliveries = [incident.deliveries[KEYS[place]] for place, _ in seen.failing if place in KEYS]
        waits = [one.due_at - one.claimed_at for one in deliveries if one.due_at and one.claimed_at]
        return max(waits).total_seconds() if waits else 0

    def _repeat(self, seen: Seen) -> None:
        """As a real sender, after a 503."""
        status = seen.status
        until = time.monotonic() + PATIENCE
        while status != 200 and time.monotonic() < until:
            status = self._pager.function.post(self._body(seen)).status_code
        assert status == 200, seen

    def _deliveries(self, seen: Seen) -> dict[str, Delivery]:
        return self._told(seen).incident.deliveries

    def _owed(self, seen: Seen) -> list[str]:
        return [key for key, delivery in self._deliveries(seen).items() if delivery.due_at]

    def _judge(self, seen: Seen) -> None:
        ref = self._told(seen).ref
        seen.in_the_end = self._heard(seen, unstored=False)
        seen.unstored = self._heard(seen, unstored=True)
        notices = [
            key
            for key, one in self._deliveries(seen).items()
            if key.startswith("notice/") and one.state is DeliveryState.SENT
        ]
        seen.said = {key.rpartition("/")[2] for key in notices}
        seen.doubled = sum(count - 1 for count in Counter(self._phones(ref)).values())
        seen.open_ends = self._owed(seen)


class Trust(NamedTuple):
    """A process that trusts the authority of the test alone."""

    context: ssl.SSLContext
    """For servers."""
    settings: Mapping[str, str]
    """For the process."""


def trust(folder: Path) -> Trust:
    """An authority of our own, which stands in for all that certifi knows: there is no setting for that."""
    authority, package = trustme.CA(), folder / "trusted" / "certifi"
    package.mkdir(parents=True)
    authority.cert_pem.write_to_path(str(package / "ca.pem"))
    words = f"def where():\n    return {str(package / 'ca.pem')!r}\n"
    (package / "__init__.py").write_text(words, "utf-8")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Trust(context, {"PYTHONPATH": str(package.parent)})


@contextmanager
def world(
    host: str, folder: Path, trusted: Trust, firestores: Mapping[str, str], *, second: bool = False
) -> Iterator[World]:
    """A world with its state in the emulator at `host`, up until the block ends.

    FIRESTORE_EMULATOR_HOST must be `host`. `firestores`: as of `failing_firestores`. `second`: with a second provider
    of texts.
    """
    with ExitStack() as stack:
        gates = {"elsewhere": stack.enter_context(Proxy())}
        gates["elsewhere"].meet(hang)
        beats = stack.enter_context(serving(lambda _: Reaction(Answer(200))))
        vonage = stack.enter_context(fake_vonage()) if second else None

        def gate(place: str, target: str, tls: ssl.SSLContext | None) -> Proxy:
            gates[place] = stack.enter_context(Proxy(target, tls))
            return gates[place]

        def behind(place: str, url: str) -> str:
            address = urlsplit(url)
            netloc = gate(place, address.netloc, trusted.context).host
            return address._replace(scheme="https", netloc=netloc).geturl()

        def between(settings: Mapping[str, str]) -> Mapping[str, str]:
            mail = gate("email", f"{settings['SMTP_HOST']}:{settings['SMTP_PORT']}", trusted.context)
            return {
                **{name: behind(place, settings[name]) for place, name in ADDRESSES.items() if name in settings},
                "SMTP_PORT": str(mail.port),
                "SMTP_SECURITY": "tls",
                "FIRESTORE_EMULATOR_HOST": gate("store", host, None).host,
            }

        settings = {**trusted.settings, **(vonage.settings if vonage else {}), "HEARTBEAT_URL": f"{beats.url}/beat"}
        ours = stack.enter_context(pager(host, folder, settings, {"max_per_hour = 5 ": "max_per_hour = 30 "}, between))
        # What becomes of a text is not what this is about: a report would settle what the answer did not say.
        ours.twilio.usual = Course(steps=())
        ours.tick()
        yield World(ours, vonage, gates, faults(gates["elsewhere"].host, **firestores))


@contextmanager
def failing_firestores() -> Iterator[dict[str, str]]:
    """Where Firestores are that refuse each call, as `faults` wants them, up until the block ends."""
    with (
        FailingFirestore(grpc.StatusCode.INTERNAL) as broken,
        FailingFirestore(grpc.StatusCode.RESOURCE_EXHAUSTED) as overloaded,
    ):
        yield {"broken": broken.host, "overloaded": overloaded.host}


def run(
    host: str,
    folder: Path,
    rows: Sequence[Failing],
    worlds: Mapping[str, int],
    told: Callable[[Seen], None] = lambda _: None,
) -> list[Seen]:
    """What came of each of `rows`.

    `worlds`: how many of each kind run at the same time. `told`: of each when it is answered.
    """
    queues: dict[str, SimpleQueue[Failing]] = {kind: SimpleQueue() for kind in worlds}
    # The slow first, so that no world waits for the last of another.
    for failing in sorted(rows, key=lambda failing: not any(name in SLOW for _, name in failing)):
        queues[kind_of(failing)].put(failing)
    trusted = trust(folder)
    with ExitStack() as stack:
        firestores = stack.enter_context(failing_firestores())

        def live(kind: str, number: int) -> list[Seen]:
            place = folder / f"{kind}{number}"
            place.mkdir()
            with world(host, place, trusted, firestores, second=kind == "second") as one:
                return list(_all_of(one, queues[kind], told))

        tasks = [
            (kind, number) for kind, count in worlds.items() for number in range(count) if not queues[kind].empty()
        ]
        pool = stack.enter_context(ThreadPoolExecutor(len(tasks)))
        return [seen for done in pool.map(lambda task: live(*task), tasks) for seen in done]


def _all_of(one: World, rows: SimpleQueue[Failing], told: Callable[[Seen], None]) -> Iterator[Seen]:
    """Take rows up to the last, and let time pass in between when there are many."""
    while True:
        try:
            failing = rows.get_nowait()
        except Empty:
            one.recover()
            return
        seen = one.tick(failing) if failing[0][0] == "heartbeat" else one.take(failing)
        told(seen)
        yield seen
        if one.is_full:
            one.recover()


def kind_of(failing: Failing) -> str:
    """The kind of world that something fails in."""
    places = {place for place, _ in failing}
    if "store" in places:
        # That it was down once changes how an hour's pages are sent; and a text that is in no list, how the next is.
        return "blind" if "sms" in places else "store"
    return "second" if places & {"second", "heartbeat"} else "plain"
