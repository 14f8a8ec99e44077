"""What settings and policy come to: who hears what, by which way, and what should be read about it."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parseaddr

import msgspec

from notifier.channels.email import mask_address
from notifier.channels.wire import host_of, mask_phone
from notifier.core.alert import Severity
from notifier.core.policy import CHANNELS, Policy
from notifier.core.wording import CHANNEL_NAMES, duration, some
from notifier.settings import Settings

SETTINGS = {
    "slack": "SLACK_WEBHOOK_URL",
    "discord": "DISCORD_WEBHOOK_URL",
    "email": "SMTP_HOST, EMAIL_FROM and EMAIL_TO",
    "sms": "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM and ONCALL_PHONE",
}
"""Of each channel, what has to be set for it."""


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What one severity reaches."""

    severity: str
    told: tuple[str, ...]
    """The channels of its route that are configured."""
    not_configured: tuple[str, ...]
    """The others of its route."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, fit to be shown: no secret, no whole number or address, of web addresses the host alone."""

    severities: tuple[Reach, ...]
    """The worst first."""
    channels: dict[str, str]
    """By the name of each that is configured: by which way, from whom and to whom."""
    decided: dict[str, str]
    """What else the settings and the policy say, each under a word for it."""
    warnings: tuple[str, ...]

    @property
    def pages_nobody(self) -> bool:
        """Whether what is critical reaches no person."""
        return not set(self.severities[0].told) - {"log"}


def overview(settings: Settings, policy: Policy, *, deployed: bool) -> Overview:
    """`deployed`: the address is filled in by deploy.sh, so nobody need hear that it is missing."""
    channels = configured(settings)
    severities = tuple(
        Reach(
            severity=severity.value,
            told=tuple(one for one in CHANNELS if one in policy.routes[severity] and (one in channels or one == "log")),
            not_configured=tuple(
                one for one in CHANNELS if one in policy.routes[severity] and one not in channels and one != "log"
            ),
        )
        for severity in reversed(Severity)
    )
    return Overview(
        severities=severities,
        channels=channels,
        decided=_decided(settings, policy),
        warnings=(*settings.warnings, *_warnings(settings, policy, set(channels), deployed=deployed)),
    )


def configured(settings: Settings) -> dict[str, str]:
    """By the name of each channel that these settings make: by which way, from whom and to whom."""
    made_up = dict.fromkeys(SETTINGS, "made up, as SIMULATE is set") if settings.simulate else {}
    return made_up | dict(_channels(settings))


def _channels(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.slack_webhook_url:
        yield "slack", host_of(settings.slack_webhook_url)
    if settings.discord_webhook_url:
        yield "discord", host_of(settings.discord_webhook_url)
    if mail := settings.mail:
        to = ", ".join(map(masked, mail.recipients))
        login = "with a login" if mail.user else "without a login"
        yield "email", f"{masked(mail.sender)} to {to}, by {mail.host}:{mail.port} ({mail.security}, {login})"
    if twilio := settings.twilio:
        phones = ", then ".join(map(mask_phone, settings.oncall_phones))
        service = twilio.sender.startswith("MG")
        sender = f"the Messaging Service {twilio.sender[:6]}..." if service else mask_phone(twilio.sender)
        by = "an API key" if twilio.api_key else "the account's token"
        yield "sms", f"Twilio, from {sender} to {phones}; signs in with {by}"


def _decided(settings: Settings, policy: Policy) -> dict[str, str]:
    sms = policy.sms
    kept = f", the last {sms.reserved} kept for new critical alerts" if sms.reserved else ""
    climbs = [f"{severity.value} after {duration(after)}" for severity, after in policy.escalation.items()]
    database = f"database {settings.firestore_database}, prefix {settings.firestore_prefix or 'none'}"
    project = settings.google_cloud_project or "the project of this machine's credentials"
    decided = {
        "state": f"the SQLite file {settings.sqlite_path}"
        if settings.sqlite_path
        else f"Firestore: {project}, {database}",
        "cap": f"{some(sms.max_per_hour, 'text')} an hour over all instances{kept};"
        f" at most {some(sms.max_segments, 'segment')} each",
        "next phone": f"{duration(sms.next_phone)} after an unanswered page; the list {some(sms.rounds, 'time')}",
        "unanswered": f"from {policy.climbs_from.value} up: {', '.join(climbs)}" if climbs else "nothing climbs",
    }
    if fallback := settings.fallback:
        sender = mask_phone(fallback.sender) if fallback.sender.startswith("+") else fallback.sender
        decided["second provider"] = f"{fallback.provider}, from {sender}"
    if settings.public_url:
        decided["address"] = host_of(settings.public_url)
    if settings.heartbeat_url:
        decided["heartbeat"] = host_of(settings.heartbeat_url)
    return decided


def _warnings(settings: Settings, policy: Policy, channels: set[str], *, deployed: bool) -> Iterator[str]:
    missing = [name for name in CHANNELS if name in policy.channels - channels - {"log"}]
    if settings.simulate:
        yield "SIMULATE is set: nothing is sent, and nobody is ever paged"
    yield from (f"{CHANNEL_NAMES[name]} is not configured, so it is skipped: set {SETTINGS[name]}" for name in missing)
    if not set(policy.routes[Severity.CRITICAL]) & channels:
        yield "what is critical reaches nobody: it goes to the log alone"
    elif channels == {"sms"}:
        yield "texts are the only channel: nobody can be told why a text was not sent; set SLACK_WEBHOOK_URL"
    if not settings.public_url and not deployed:
        yield (
            "PUBLIC_URL is not set: messages have no Acknowledge links, and no text is reported on or answered"
            " (deploy.sh sets it)"
        )
    if not settings.heartbeat_url:
        yield "HEARTBEAT_URL is not set: nobody notices when the pager itself has stopped"
    if settings.twilio:
        yield from _of_texts(settings, policy, channels)


def _of_texts(settings: Settings, policy: Policy, channels: set[str]) -> Iterator[str]:
    if "sms" not in policy.routes[Severity.CRITICAL]:
        yield "texts are configured, and no severity of the policy reaches them"
    if len(settings.oncall_phones) == 1:
        yield "ONCALL_PHONE holds one phone: when that is off, nobody is woken"
    if not settings.twilio_auth_tokens:
        yield (
            "TWILIO_AUTH_TOKEN is not set: what Twilio reports on a text cannot be trusted and is refused, so nobody"
            " hears of one that did not arrive, and nobody can answer by text"
        )
    if "slack" not in channels and "discord" not in channels and "email" in channels:
        yield "what was not texted is told by email alone: set SLACK_WEBHOOK_URL or DISCORD_WEBHOOK_URL"


def masked(written: str) -> str:
    """A mail address as it may be shown, with or without a name."""
    return mask_address(parseaddr(written)[1] or written)
