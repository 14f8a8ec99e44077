"""Settings and policy to the app. The only file that names every concrete class.

What only some settings need is imported where they ask for it: an import is paid at each cold start.
"""

from __future__ import annotations

import hmac
import secrets
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TextIO

import msgspec

from notifier.admin import Admin
from notifier.auth import AcknowledgeLinks, Callers, TwilioSignatures
from notifier.callbacks import Callbacks
from notifier.channels.log import StreamLog
from notifier.channels.slack import Slack
from notifier.channels.twilio import Twilio
from notifier.channels.twilio_errors import report_of
from notifier.channels.wire import Wire, mask_phone
from notifier.core.alert import Severity
from notifier.core.incident import Incident
from notifier.core.policy import Policy, Texting
from notifier.degraded import Degraded
from notifier.policy_file import read_policy
from notifier.ports import Channel, Clock, Heartbeat, Ids, Log, ProvableStore, Store, TextList
from notifier.relay import Relay
from notifier.replies import Replies
from notifier.sending import AtOnce, Deadlines, Sender, at_once
from notifier.settings import MailServer, Settings, TwilioAccount, settings_from_environment
from notifier.sources import Unreadable, read
from notifier.status import StatusDoor
from notifier.tick import Tick
from notifier.web import Web

# What stands in, with SIMULATE=1, for what is not set: nothing is ever sent there.
_NOWHERE = "https://simulated.invalid/webhook"
_SIMULATED_PHONE = "+15555550100"
_SIMULATED_TWILIO = TwilioAccount(
    account_sid="AC" + "0" * 32,
    auth_token="",
    api_key="",
    api_secret="",
    sender="+15005550006",
    api_url="https://simulated.invalid",
)
_SIMULATED_MAIL = MailServer(
    host="simulated.invalid",
    port=587,
    user="",
    password="",
    security="starttls",
    sender="notifier@example.com",
    recipients=("oncall@example.com",),
)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class RandomIds:
    """From the operating system: two instances never make the same."""

    def claim(self) -> str:
        return secrets.token_hex(16)

    def fraction(self) -> float:
        return secrets.randbits(53) / 2**53


class App(msgspec.Struct, frozen=True):
    """One instance's parts, put together."""

    web: Web
    relay: Relay
    tick: Tick
    replies: Replies
    store: Store
    clock: Clock
    policy: Policy
    """The deployed one: only of what is configured."""

    def take(self, body: bytes) -> Incident:
        """Take a body with one alert, from within this process: nobody is asked for a token.

        Raises sources.Unreadable, StoreError.
        """
        started = self.clock.monotonic()
        alerts = read(body).alerts
        if len(alerts) != 1:
            raise Unreadable(f"expected one alert, got {len(alerts)}")
        return self.relay.take(alerts[0], Deadlines.of_request(started, started))


@cache
def app_from_environment(log_to: TextIO | None = None) -> App:
    """The app of this process. No network: clients are made on first use.

    `log_to`: default standard output, as Cloud Run reads it.
    Raises SettingsError, PolicyError.
    """
    settings = settings_from_environment()
    log = StreamLog(settings.log_format, stream=log_to)
    return build(settings, read_policy(settings.policy_file), Outside(log=log))


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """What an app is put together with in place of the real thing; None: the real thing."""

    store: Store | None = None
    channels: dict[str, Channel] | None = None
    texts: TextList | None = None
    clock: Clock | None = None
    ids: Ids | None = None
    log: Log | None = None
    all_at_once: AtOnce = at_once


def build(settings: Settings, policy: Policy, outside: Outside = Outside()) -> App:  # noqa: B008 - frozen
    """Put an app together."""
    clock = outside.clock or SystemClock()
    log = outside.log or StreamLog(settings.log_format)
    ids = outside.ids or RandomIds()
    store = outside.store or store_of(settings)
    phones = settings.oncall_phones or ((_SIMULATED_PHONE,) if settings.simulate else ())
    channels, texts = (
        channels_of(settings, phones, clock, log) if outside.channels is None else (outside.channels, outside.texts)
    )
    account_sid = settings.twilio.account_sid if settings.twilio else ""
    signatures = TwilioSignatures(auth_tokens=settings.twilio_auth_tokens, public_url=settings.public_url)
    texting = Texting(
        phones=tuple(_mark(phone, account_sid) for phone in phones),
        replies=signatures.usable,
        fallback=settings.fallback.provider if settings.fallback else "",
        price=settings.sms_price,
    )
    deployed = policy.deployed({"log", *channels}, texting)
    callbacks = Callbacks(
        account_sid=account_sid,
        sender=settings.twilio.sender if settings.twilio else "",
        signatures=signatures,
        phones=phones,
        judge=report_of,
    )
    links = AcknowledgeLinks(webhook_token=settings.webhook_token, public_url=settings.public_url)
    sender = Sender(channels=channels, texts=texts, clock=clock, log=log, all_at_once=outside.all_at_once)
    relay = Relay(
        policy=deployed,
        store=store,
        sender=sender,
        degraded=Degraded(policy=deployed, sender=sender, clock=clock, ids=ids, log=log),
        clock=clock,
        ids=ids,
        log=log,
        lease=timedelta(seconds=settings.lease_seconds),
        acknowledge_url=links.url,
        report_url=callbacks.report_url,
    )
    tick = Tick(
        relay=relay,
        store=store,
        policy=deployed,
        clock=clock,
        log=log,
        all_at_once=outside.all_at_once,
        heartbeat=_heartbeat(settings),
    )
    callers = Callers(
        webhook_token=settings.webhook_token,
        oidc_emails=settings.oidc_emails,
        audience=settings.public_url,
        clock=clock,
    )
    _tell_start(settings, policy, channels, log)
    replies = Replies(relay=relay, store=store, policy=deployed, clock=clock, log=log)
    status = StatusDoor(
        admin=Admin(admin_token=settings.admin_token, public_url=settings.public_url),
        store=store,
        policy=deployed,
        phones=[mask_phone(phone) for phone in phones],
        clock=clock,
        log=log,
    )
    web = Web(
        relay=relay,
        tick=tick,
        replies=replies,
        callers=callers,
        links=links,
        callbacks=callbacks,
        status=status,
        policy=deployed,
        clock=clock,
        log=log,
    )
    return App(web, relay, tick, replies, store, clock, deployed)


def channels_of(
    settings: Settings, phones: tuple[str, ...], clock: Clock, log: Log
) -> tuple[dict[str, Channel], TextList | None]:
    """The channels that are configured, and Twilio's list; with SIMULATE=1 all of them, and none sends."""
    simulate = settings.simulate
    slack_url = settings.slack_webhook_url or (_NOWHERE if simulate else "")
    discord_url = settings.discord_webhook_url or (_NOWHERE if simulate else "")
    mail = settings.mail or (_SIMULATED_MAIL if simulate else None)
    twilio = settings.twilio or (_SIMULATED_TWILIO if simulate else None)
    wire = Wire()
    channels: dict[str, Channel] = {}
    texts: TextList | None = None
    if slack_url:
        channels["slack"] = Slack(wire, slack_url)
    if discord_url:
        from notifier.channels.discord import Discord

        channels["discord"] = Discord(wire, discord_url)
    if mail:
        from notifier.channels.email import Email

        channels["email"] = Email(clock=clock, **msgspec.structs.asdict(mail))
    if twilio and phones:
        channels["sms"] = texts = first = Twilio(wire, phones=phones, **msgspec.structs.asdict(twilio))
        if second := _second_provider(settings, phones, wire):
            from notifier.channels.either_provider import EitherProvider

            channels["sms"] = EitherProvider(first, second)
    if simulate:
        from notifier.channels.simulated import Simulated

        simulated = {name: Simulated(channel, log) for name, channel in channels.items()}
        return dict(simulated), simulated.get("sms")
    return channels, texts


def _second_provider(settings: Settings, phones: tuple[str, ...], wire: Wire) -> Channel | None:
    fallback = settings.fallback
    if fallback is None:
        return None
    to: dict[str, Any] = {"sender": fallback.sender, "phones": phones, "api_url": fallback.api_url}
    if fallback.provider == "vonage":
        from notifier.channels.vonage import Vonage

        return Vonage(wire, api_key=fallback.api_key, api_secret=fallback.api_secret, **to)
    from notifier.channels.messagebird import MessageBird

    return MessageBird(wire, access_key=fallback.access_key, **to)


def _heartbeat(settings: Settings) -> Heartbeat | None:
    # Nobody is to believe that a simulated pager watches over anything.
    if not settings.heartbeat_url or settings.simulate:
        return None
    from notifier.channels.heartbeat import HttpHeartbeat

    return HttpHeartbeat(Wire(), settings.heartbeat_url)


def store_of(settings: Settings) -> ProvableStore:
    """Where these settings keep the state. Nothing is opened before it is used."""
    if settings.sqlite_path:
        from notifier.stores.sqlite import SqliteStore

        return SqliteStore(settings.sqlite_path)
    from notifier.stores.firestore import FirestoreStore

    return FirestoreStore(settings.google_cloud_project or None, settings.firestore_database, settings.firestore_prefix)


def _mark(phone: str, account_sid: str) -> str:
    """What stands for a number in the store: the same after ONCALL_PHONE is put in another order.

    Keyed, so that nobody who has the store alone can try all numbers; by what outlives each change of a token.
    """
    return hmac.digest(account_sid.encode(), phone.encode(), "sha256").hex()[:16]


def _tell_start(settings: Settings, policy: Policy, channels: dict[str, Channel], log: Log) -> None:
    missing = sorted(policy.channels - {"log"} - channels.keys())
    for warning in settings.warnings:
        log.write(Severity.WARNING, warning)
    if missing:
        log.write(Severity.WARNING, f"not configured, so skipped: {', '.join(missing)}")
    if not channels:
        log.write(Severity.ERROR, "no channel is configured: alerts go to this log, and nobody is told")
    state = "SQLite" if settings.sqlite_path else "Firestore"
    how = "simulated, nothing is sent" if settings.simulate else "real"
    log.write(Severity.INFO, f"notifier is up: channels {how}; state in {state}", channels=["log", *sorted(channels)])
