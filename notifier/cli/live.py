"""What `check --live` tries, and how: all at once, each for a few seconds at most, told in their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone

import msgspec

from notifier.callbacks import TEXT_PATH
from notifier.channels.discord import Discord
from notifier.channels.email import Email
from notifier.channels.slack import Slack
from notifier.channels.wire import Wire, host_of
from notifier.cli.overview import masked
from notifier.core.policy import Policy
from notifier.probes import channels, second_provider, state
from notifier.probes.probe import Probe, Shown, Verdict, failed, skipped
from notifier.probes.twilio import TwilioProbes
from notifier.sending import our_mistake
from notifier.settings import Settings
from notifier.wiring import SystemClock, store_of

SECONDS = 10.0
"""What each may take."""
GRACE = 0.5
"""Seconds one may come back late: it has given up by its deadline, and its thread is on the way."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe has shown."""

    name: str
    verdict: Verdict
    words: str
    seconds: float


def probes_of(settings: Settings, policy: Policy, by: str) -> Iterator[Probe]:
    """What can be tried under these settings. `by`: whose name the test messages carry."""
    clock, store, wire = SystemClock(), store_of(settings), Wire()
    yield state.state(store)
    yield state.tick(store, clock)
    if settings.public_url:
        yield state.address(wire, settings.public_url)
    if settings.heartbeat_url:
        words = f"{host_of(settings.heartbeat_url)} is set; not called, as that would be a false sign of life"
        yield Probe("heartbeat", lambda _: skipped(words))
    if settings.simulate:
        yield Probe("channels", lambda _: failed("SIMULATE is set: none of them is live; take it out to try them"))
        return
    if settings.slack_webhook_url:
        yield channels.chat("Slack", Slack(wire, settings.slack_webhook_url), by)
    if settings.discord_webhook_url:
        yield channels.chat("Discord", Discord(wire, settings.discord_webhook_url), by)
    if mail := settings.mail:
        to = ", ".join(map(masked, mail.recipients))
        yield channels.mail(Email(clock=clock, **msgspec.structs.asdict(mail)), to)
    yield from _texting(settings, policy, wire)


def _texting(settings: Settings, policy: Policy, wire: Wire) -> Iterator[Probe]:
    if settings.twilio:
        # Where no callback can be trusted, or there is no address for it, it is no matter where answers go.
        takes_answers = settings.public_url and settings.twilio_auth_tokens
        yield from TwilioProbes(
            wire,
            **msgspec.structs.asdict(settings.twilio),
            answers_url=f"{settings.public_url}{TEXT_PATH}" if takes_answers else "",
            text_price=settings.sms_price * policy.sms.max_segments,
        ).all()
    fallback = settings.fallback
    if fallback and fallback.provider == "vonage":
        yield second_provider.vonage(
            wire, api_key=fallback.api_key, api_secret=fallback.api_secret, api_url=fallback.api_url
        )
    elif fallback:
        yield second_provider.messagebird(wire, access_key=fallback.access_key, api_url=fallback.api_url)


def prove(probes: Sequence[Probe], seconds: float | None = None) -> Iterator[Proof]:
    """Run all `probes` at once, within `seconds` (default SECONDS); each as soon as it and those before it are done."""
    seconds = SECONDS if seconds is None else seconds
    began = time.monotonic()
    running = [(probe, _started(probe, began + seconds)) for probe in probes]
    for probe, future in running:
        try:
            shown, ended = future.result(timeout=max(began + seconds + GRACE - time.monotonic(), 0))
        except NotDone:
            # A name server that does not answer: nothing can end that wait.
            shown, ended = failed(f"no answer within {seconds:.0f} s"), time.monotonic()
        yield Proof(name=probe.name, verdict=shown.verdict, words=shown.words, seconds=round(ended - began, 2))


def _started(probe: Probe, deadline: float) -> Future[tuple[Shown, float]]:
    future: Future[tuple[Shown, float]] = Future()

    def run() -> None:
        try:
            shown = probe.run(deadline)
        except Exception as error:  # noqa: BLE001 - our own bug in one must not hide what the others have shown
            shown = failed(our_mistake(error))
        future.set_result((shown, time.monotonic()))

    # Not from a pool: Python waits for a pool's threads at its end, however long they hang.
    threading.Thread(target=run, daemon=True).start()
    return future
