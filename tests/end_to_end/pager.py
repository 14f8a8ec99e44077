"""One pager and everybody it talks to: a real process, Google's Firestore emulator, the fake Twilio, Slack and mail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import requests

from notifier.core.incident import Delivery, Incident, incident_key
from notifier.core.ledger import Ledger
from notifier.relay import NO_INCIDENT
from notifier.stores.documents import State, from_fields, to_fields
from notifier.stores.firestore import FirestoreStore
from tests.end_to_end.alerts import cloud_monitoring
from tests.end_to_end.mailbox import Mailbox, mailbox, words_of
from tests.end_to_end.processes import emulator_settings, function, policy_setting
from tests.end_to_end.providers import Providers, providers, tells_of_several
from tests.end_to_end.twilio import FakeTwilio
from tests.end_to_end.twilio_api import Text
from tests.firestore_emulator import free_port

PUBLIC_URL = "https://pager.example.com/notify"
"""What Twilio calls, and signs: as on Google's front end, the process itself sees neither the name nor `/notify`."""
NEXT_TOKEN = "next-token-of-no-worth"
AT_ONCE = 8
"""Alerts that come at the same time, where there are many."""
PATIENCE = 20
"""Seconds for the store, on a busy machine."""


class Pager:
    """All of them. Use it by `pager`."""

    def __init__(self, host: str, settings: Mapping[str, str], folder: Path, port: int, stack: ExitStack) -> None:
        self._host = host
        self._settings = settings
        self._folder = folder
        self._port = port
        self._stack = stack
        self.providers: Providers
        self.mailbox: Mailbox
        self.store = FirestoreStore(settings["GOOGLE_CLOUD_PROJECT"])
        stack.callback(self.store.close)
        self.start()

    @property
    def twilio(self) -> FakeTwilio:
        return self.providers.twilio

    @property
    def ledger(self) -> Ledger:
        return self.store.gather(NO_INCIDENT, _soon()).ledger

    @property
    def mails(self) -> list[tuple[str, str]]:
        """What happened, and the ref, of each; one that tells of several incidents has several."""
        return [said for mail in self.mailbox.mails for said in _said_in(mail)]

    def start(self) -> None:
        """Start it; again, after it was killed."""
        self.function = self._stack.enter_context(function(self._settings, self._folder / "log", self._port))

    def alert(self, name: str, severity: str = "Critical") -> Told:
        """Something is wrong with a machine of this name."""
        body = cloud_monitoring(f"0.{name}", severity, on=name, started_at=int(time.time()))
        until = time.monotonic() + PATIENCE
        while (answer := self.function.post(body)).status_code == 503 and time.monotonic() < until:
            time.sleep(1)  # as a real sender
        assert answer.status_code == 200, answer.text
        return Told(self, incident_key("cloud-monitoring", f"0.{name}"), answer.json()["incidents"][0]["ref"])

    def tick(self) -> dict[str, Any]:
        answer = self.function.tick()
        assert answer.ok, answer.text
        done: dict[str, Any] = answer.json()
        return done

    def pass_time(self, seconds: float) -> None:
        """As if so many seconds had gone by: all that is open, counted or texted is that much older.

        No clock is changed, so the process works on it in real time.
        """
        self.twilio.rest()
        by = timedelta(seconds=seconds)
        for one in self.store.open_incidents(_soon()):
            seen = self.store.gather(one.key, _soon())
            assert seen.incident is not None
            self.store.commit(seen, _soon(), incident=_older(seen.incident, by))
        seen = self.store.gather(NO_INCIDENT, _soon())
        self.store.commit(seen, _soon(), ledger=_older(seen.ledger, by))
        for text in self.twilio.texts:
            text.at -= by

    def warm_up(self) -> None:
        """Post some alerts at once: a cold emulator lets them time out, and then texts go out without the store."""
        with ThreadPoolExecutor(AT_ONCE) as senders:
            list(senders.map(partial(self.alert, severity="Info"), map(str, range(2 * AT_ONCE))))
        self.forget()

    def forget(self) -> None:
        """As if nothing had ever happened, for the next test."""
        self.twilio.forget()
        project = self._settings["GOOGLE_CLOUD_PROJECT"]
        requests.delete(
            f"http://{self._host}/emulator/v1/projects/{project}/databases/(default)/documents", timeout=PATIENCE
        ).raise_for_status()
        for taken in (self.providers.slack, self.providers.discord, self.mailbox.mails):
            taken.clear()


class Told:
    """One incident, and who has heard of it."""

    def __init__(self, ours: Pager, key: str, ref: str) -> None:
        self._pager = ours
        self.key = key
        self.ref = ref

    @property
    def incident(self) -> Incident:
        """As it stands in the store."""
        found = self._pager.store.gather(self.key, _soon()).incident
        assert found is not None
        return found

    @property
    def state(self) -> str:
        return self.incident.state.value

    @property
    def title(self) -> str:
        return self.incident.title

    @property
    def page(self) -> Delivery:
        """Its first."""
        return self.incident.deliveries["opened/sms/0/1"]

    @property
    def texts(self) -> list[Text]:
        return self._pager.providers.texts_of(self.ref)

    @property
    def phones(self) -> list[str]:
        """That were texted, in that order."""
        return [text.to for text in self.texts]

    @property
    def posts(self) -> list[str]:
        """The first line of each, without the ref."""
        return [post.removesuffix(f" #{self.ref}") for post in self._pager.providers.posts_of(self.ref)]

    @property
    def mails(self) -> list[str]:
        """The first line of each."""
        return [first for first, last in self._pager.mails if last == f"#{self.ref}"]


@cache
def _said_in(mail: bytes) -> list[tuple[str, str]]:
    first, *paragraphs = words_of(mail).split("\n\n")
    if not tells_of_several(first):
        return [(first, paragraphs[-1])]
    lines = [paragraph.partition("\n")[0].rpartition(" ") for paragraph in paragraphs]
    return [(what, ref) for what, _, ref in lines]


def _soon() -> float:
    return time.monotonic() + PATIENCE


def _older(state: State, by: timedelta) -> State:
    """The same, if all of it had happened so much earlier."""

    def older(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: older(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [older(item) for item in value]
        return value - by if isinstance(value, datetime) else value

    return from_fields("what is made older", older(to_fields(state)), type(state))


@contextmanager
def pager(
    host: str,
    folder: Path,
    settings: Mapping[str, str],
    policy: Mapping[str, str],
    between: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda _: {},
) -> Iterator[Pager]:
    """A pager that keeps its state in the emulator at `host`, under a project of its own, up until the block ends.

    FIRESTORE_EMULATOR_HOST must be `host`, for looking into the store. `settings`: over the usual ones. `policy`: as
    of `policy_setting`. `between`: given all settings, those that lead to something in between instead.
    """
    port = free_port()
    with ExitStack() as stack:
        taken = stack.enter_context(providers(PUBLIC_URL, f"http://127.0.0.1:{port}"))
        mail = stack.enter_context(mailbox())
        whole = {
            **taken.settings,
            **mail.settings,
            **emulator_settings(host, ""),
            **policy_setting(folder, policy),
            "GOOGLE_CLOUD_PROJECT": f"notifier-{port}",
            "TWILIO_AUTH_TOKEN_NEXT": NEXT_TOKEN,
            "LEASE_SECONDS": "10",
            **settings,
        }
        one = Pager(host, {**whole, **between(whole)}, folder, port, stack)
        one.providers, one.mailbox = taken, mail
        one.warm_up()
        yield one
