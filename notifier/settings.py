"""Environment to Settings. The only reader of os.environ; every mistake is reported at once."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, get_args
from urllib.parse import urlsplit

import msgspec
import phonenumbers

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRETS = (
    "TWILIO_AUTH_TOKEN",
    "TWILIO_AUTH_TOKEN_NEXT",
    "TWILIO_API_SECRET",
    "SLACK_WEBHOOK_URL",
    "DISCORD_WEBHOOK_URL",
    "SMTP_PASSWORD",
    "WEBHOOK_TOKEN",
    "ADMIN_TOKEN",
    "HEARTBEAT_URL",
)
"""Never printed, and kept in Secret Manager by deploy.sh."""

PLAIN = (
    "TWILIO_ACCOUNT_SID",
    "TWILIO_API_KEY",
    "TWILIO_FROM",
    "TWILIO_API_URL",
    "ONCALL_PHONE",
    "SMTP_HOST",
    "SMTP_PORT",
    "SMTP_USER",
    "SMTP_SECURITY",
    "EMAIL_FROM",
    "EMAIL_TO",
    "OIDC_EMAILS",
    "PUBLIC_URL",
    "GOOGLE_CLOUD_PROJECT",
    "FIRESTORE_DATABASE",
    "FIRESTORE_PREFIX",
    "STATE",
    "POLICY_FILE",
    "SIMULATE",
    "LEASE_SECONDS",
    "LOG_FORMAT",
    "SMS_FALLBACK",
    "SMS_PRICE",
)
NAMES = SECRETS + PLAIN

WITHOUT_USE_YET = ("ADMIN_TOKEN", "TWILIO_AUTH_TOKEN_NEXT", "SMS_FALLBACK", "SMS_PRICE", "HEARTBEAT_URL")
"""Accepted, so that a settings file is written once; their features are still to come, and the start-up log says so."""

WEBHOOK_TOKEN_CHARACTERS = 16
"""Fewer can be guessed: the function is open to the internet."""
LEASE_SECONDS = 30
LEASE_SECONDS_LEAST = 10
"""Longer than a request (9 s): else a tick would take over a text that is still being sent."""
Security = Literal["starttls", "tls", "none"]
LogFormat = Literal["auto", "json", "text"]
PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}

_Word = TypeVar("_Word", bound=str)

PHONE_HINT = "write it as +60123456789: + and country code, no spaces"


class SettingsError(ValueError):
    """The settings cannot be used. `problems`: each says what is wrong and what to do, and shows no secret."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "notifier cannot start, its settings have mistakes:\n" + "\n".join(f"  - {line}" for line in problems)
        )
        self.problems = problems


class TwilioAccount(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Twilio. An API key, where there is one, signs in instead of the account's token."""

    account_sid: str
    auth_token: str
    api_key: str
    api_secret: str
    sender: str
    """An E.164 number, or the sid of a Messaging Service (MG...)."""
    api_url: str


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the mail server."""

    host: str
    port: int
    user: str
    password: str
    security: Security
    sender: str
    recipients: tuple[str, ...]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the environment decides. A channel that is None or empty is not configured."""

    twilio: TwilioAccount | None
    oncall_phones: tuple[str, ...]
    """E.164, in the order they are paged."""
    slack_webhook_url: str
    discord_webhook_url: str
    mail: MailServer | None
    webhook_token: str
    oidc_emails: tuple[str, ...]
    public_url: str
    google_cloud_project: str
    firestore_database: str
    firestore_prefix: str
    sqlite_path: str
    """Empty: state is in Firestore."""
    policy_file: str
    """Empty: the policy.toml beside main.py."""
    simulate: bool
    lease_seconds: int
    log_format: LogFormat
    """auto: text on a terminal, else json."""
    on_cloud_run: bool
    warnings: tuple[str, ...]
    """What is allowed but should be read, for the start-up log."""


def settings_from_environment(env_file: Path = Path(".env.yaml")) -> Settings:
    """Settings of this process: the environment, and on a local run what `.env.yaml` adds to it.

    Raises SettingsError.
    """
    values = dict(os.environ)
    if "K_SERVICE" not in values and env_file.is_file():
        values = read_env_file(env_file) | values
    return read_settings(values)


def read_env_file(path: Path) -> dict[str, str]:
    """The settings of a file in gcloud's --env-vars-file form (YAML, one name and text a line).

    Raises SettingsError: no YAML, a value that is no text, or a name that is no setting.
    """
    try:
        import yaml  # noqa: PLC0415 - a local run only: no cold start pays for it
    except ImportError:
        raise SettingsError([f"reading {path.name} needs PyYAML: pip install pyyaml, or use ./dev run"]) from None
    try:
        # BaseLoader leaves every scalar the text it is: +15550100 stays a phone number.
        content = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - makes no objects
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path.name} cannot be read: {type(error).__name__}"]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise SettingsError([f'{path.name} is not YAML{place}: write each setting as NAME: "value"']) from None
    if content in (None, ""):
        return {}
    if not isinstance(content, dict):
        raise SettingsError([f'{path.name}: write each setting as NAME: "value", one a line'])
    problems = [
        f'{path.name}: {name} must be one text, as in {name}: "value"'
        for name, value in content.items()
        if not isinstance(value, str)
    ]
    problems += [
        f"{path.name}: {name} is no setting of notifier{_did_you_mean(name)}" for name in content if name not in NAMES
    ]
    if problems:
        raise SettingsError(problems)
    return content


def _did_you_mean(name: str) -> str:
    near = difflib.get_close_matches(str(name), NAMES, n=1)
    return f"; did you mean {near[0]}?" if near else "; see .env.yaml.example for all of them"


def read_settings(values: Mapping[str, str]) -> Settings:
    """Check `values` (names as in DESIGN.md; an empty text is unset) and make Settings of them.

    Raises SettingsError with every mistake at once.
    """
    return _Reader(values).settings()


class _Reader:
    """Reads each setting once and collects what is wrong on the way."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._problems: list[str] = []
        self._warnings: list[str] = []
        self._on_cloud_run = bool(values.get("K_SERVICE"))

    def settings(self) -> Settings:
        simulate = self._flag("SIMULATE")
        public_url = self._url("PUBLIC_URL")
        settings = Settings(
            oncall_phones=(phones := self._phones("ONCALL_PHONE")),
            twilio=self._twilio(phones, simulate=simulate),
            slack_webhook_url=self._url("SLACK_WEBHOOK_URL"),
            discord_webhook_url=self._url("DISCORD_WEBHOOK_URL"),
            mail=self._mail(simulate=simulate),
            webhook_token=self._token("WEBHOOK_TOKEN"),
            oidc_emails=self._oidc_emails(public_url),
            public_url=public_url.rstrip("/"),
            google_cloud_project=self._text("GOOGLE_CLOUD_PROJECT"),
            firestore_database=self._matching(
                "FIRESTORE_DATABASE", r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]", "(default)"
            ),
            firestore_prefix=self._matching("FIRESTORE_PREFIX", r"[A-Za-z0-9-][A-Za-z0-9_-]{0,49}", ""),
            sqlite_path=self._state(),
            policy_file=self._text("POLICY_FILE"),
            simulate=simulate,
            lease_seconds=self._number("LEASE_SECONDS", LEASE_SECONDS, LEASE_SECONDS_LEAST, 600),
            log_format=self._choice("LOG_FORMAT", get_args(LogFormat)),
            on_cloud_run=self._on_cloud_run,
            warnings=(),
        )
        self._token("ADMIN_TOKEN")
        self._url("HEARTBEAT_URL")
        self._price("SMS_PRICE")
        self._warnings += [f"{name} is set, but nothing uses it yet" for name in WITHOUT_USE_YET if self._text(name)]
        if self._problems:
            raise SettingsError(self._problems)
        return msgspec.structs.replace(settings, warnings=tuple(self._warnings))

    def _text(self, name: str) -> str:
        return self._values.get(name, "").strip()

    def _problem(self, name: str, words: str) -> None:
        self._problems.append(f"{name} {words}")

    def _matching(self, name: str, pattern: str, default: str) -> str:
        text = self._text(name)
        if text and not re.fullmatch(pattern, text):
            self._problem(name, f"has a form that Firestore does not take; leave it out for {default or 'none'}")
        return text or default

    def _flag(self, name: str) -> bool:
        text = self._text(name).lower()
        if text not in ("", "0", "1", "true", "false"):
            self._problem(name, "must be 1 or 0")
        return text in ("1", "true")

    def _choice(self, name: str, allowed: tuple[_Word, ...]) -> _Word:
        text = self._text(name).lower() or allowed[0]
        if text not in allowed:
            self._problem(name, f"must be one of {', '.join(allowed)}")
        return next((word for word in allowed if word == text), allowed[0])

    def _number(self, name: str, default: int, least: int, most: int) -> int:
        text = self._text(name)
        if not text:
            return default
        if not (re.fullmatch("[0-9]{1,6}", text) and least <= int(text) <= most):
            self._problem(name, f"must be a whole number from {least} to {most}")
            return default
        return int(text)

    def _price(self, name: str) -> None:
        text = self._text(name)
        if text and not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text):
            self._problem(name, "must be the price of a segment in USD, as 0.0083")

    def _token(self, name: str) -> str:
        text = self._text(name)
        if text and (len(text) < WEBHOOK_TOKEN_CHARACTERS or not re.fullmatch("[!-~]+", text)):
            self._problem(
                name,
                f"must be at least {WEBHOOK_TOKEN_CHARACTERS} ASCII characters without spaces;"
                " make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        if name == "WEBHOOK_TOKEN" and not text:
            if self._on_cloud_run:
                self._problem(name, "is missing: anybody on the internet could page you; set it before deploying")
            else:
                self._warnings.append("WEBHOOK_TOKEN is not set: anybody who reaches this port can send alerts")
        return text

    def _url(self, name: str) -> str:
        """An https address without user, query or fragment where those make no sense; http to this machine only."""
        text = self._text(name)
        if not text:
            return ""
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            host, parts = "", urlsplit("")
        if not host or not re.fullmatch("[!-~]+", text):
            self._problem(name, "must be a web address, as https://example.com/path")
        elif parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
            self._problem(name, "must begin with https:// (http:// only to 127.0.0.1)")
        elif parts.username or parts.password or parts.fragment:
            self._problem(name, "must have no user name and no # part")
        elif name == "TWILIO_API_URL" and (parts.path not in ("", "/") or parts.query):
            self._problem(name, "must be the base without a path, as https://api.twilio.com")
        elif name == "PUBLIC_URL" and parts.query:
            self._problem(name, "must have no ? part: it is the address the function is reached under")
        return text

    def _phones(self, name: str) -> tuple[str, ...]:
        numbers = [part.strip() for part in self._text(name).split(",") if part.strip()]
        for place, number in enumerate(numbers, 1):
            if not _is_e164(number):
                which = f"number {place} ({number[:3]}...)" if len(numbers) > 1 else f"({number[:3]}...)"
                self._problem(name, f"{which} is no phone number in E.164 form; {PHONE_HINT}")
        if len(set(numbers)) < len(numbers):
            self._problem(name, "names a number twice; each phone is paged once a round")
        return tuple(numbers)

    def _twilio(self, phones: tuple[str, ...], *, simulate: bool) -> TwilioAccount | None:
        account_sid, sender = self._text("TWILIO_ACCOUNT_SID"), self._text("TWILIO_FROM")
        key, secret, token = (self._text(f"TWILIO_{name}") for name in ("API_KEY", "API_SECRET", "AUTH_TOKEN"))
        api_url = self._url("TWILIO_API_URL").rstrip("/") or "https://api.twilio.com"
        if account_sid and not re.fullmatch("AC[0-9a-fA-F]{32}", account_sid):
            self._problem("TWILIO_ACCOUNT_SID", "must be AC and 32 hexadecimal digits, from Twilio's console")
        if key and not re.fullmatch("SK[0-9a-fA-F]{32}", key):
            self._problem("TWILIO_API_KEY", "must be SK and 32 hexadecimal digits, from Twilio's console")
        if bool(key) != bool(secret):
            self._problem("TWILIO_API_KEY", "and TWILIO_API_SECRET go together: set both or neither")
        if sender and not (re.fullmatch("MG[0-9a-fA-F]{32}", sender) or _is_e164(sender)):
            self._problem("TWILIO_FROM", f"is neither a Messaging Service (MG...) nor a phone number; {PHONE_HINT}")
        if sender and sender in phones:
            self._problem("TWILIO_FROM", "stands in ONCALL_PHONE too: Twilio sends no text from a number to itself")
        given = {
            "TWILIO_ACCOUNT_SID": account_sid,
            "TWILIO_AUTH_TOKEN": token or key,
            "TWILIO_FROM": sender,
            "ONCALL_PHONE": phones,
        }
        if not any((account_sid, token, key, phones)):
            return None
        missing = [name for name, value in given.items() if not value]
        if missing and not simulate:
            self._problem(" and ".join(missing), f"missing: SMS needs {', '.join(given)} together")
        return (
            None
            if missing
            else TwilioAccount(
                account_sid=account_sid,
                auth_token=token,
                api_key=key,
                api_secret=secret,
                sender=sender,
                api_url=api_url,
            )
        )

    def _mail(self, *, simulate: bool) -> MailServer | None:
        host, user, password = (self._text(f"SMTP_{name}") for name in ("HOST", "USER", "PASSWORD"))
        sender = self._text("EMAIL_FROM")
        recipients = tuple(part.strip() for part in self._text("EMAIL_TO").split(",") if part.strip())
        security = self._choice("SMTP_SECURITY", tuple(PORTS))
        port = self._number("SMTP_PORT", PORTS[security], 1, 65_535)
        for name, addresses in (("EMAIL_FROM", (sender,) if sender else ()), ("EMAIL_TO", recipients)):
            for address in addresses:
                if not re.fullmatch(r"[^\s@,;:<>()\[\]\"\\\x00-\x1f\x7f-\uffff]+@[A-Za-z0-9.-]+", address):
                    self._problem(name, "must hold plain addresses, as oncall@example.com, with commas between them")
        if bool(user) != bool(password):
            self._problem("SMTP_USER", "and SMTP_PASSWORD go together: set both, or neither for a server without login")
        if password and security == "none" and not _is_loopback(host):
            self._problem("SMTP_SECURITY", "none would send SMTP_PASSWORD in clear; use starttls or tls")
        given = {"SMTP_HOST": host, "EMAIL_FROM": sender, "EMAIL_TO": recipients}
        if not any(given.values()):
            return None
        missing = [name for name, value in given.items() if not value]
        if missing and not simulate:
            self._problem(" and ".join(missing), f"missing: email needs {', '.join(given)} together")
        return (
            None
            if missing
            else MailServer(
                host=host,
                port=port,
                user=user,
                password=password,
                security=security,
                sender=sender,
                recipients=recipients,
            )
        )

    def _oidc_emails(self, public_url: str) -> tuple[str, ...]:
        emails = tuple(part.strip().lower() for part in self._text("OIDC_EMAILS").split(",") if part.strip())
        if emails and not public_url:
            self._problem("PUBLIC_URL", "is missing: tokens of OIDC_EMAILS are checked against it as their audience")
        return emails

    def _state(self) -> str:
        default = "firestore" if self._on_cloud_run else "sqlite:notifier.sqlite"
        state = self._text("STATE") or default
        if state == "firestore":
            return ""
        if not (state.startswith("sqlite:") and len(state) > len("sqlite:")):
            self._problem("STATE", "must be firestore, or sqlite:PATH")
        elif self._on_cloud_run:
            self._problem("STATE", "must be firestore on Cloud Run: a file there does not survive a cold start")
        return state.removeprefix("sqlite:")


def _is_e164(number: str) -> bool:
    """E.164 and possible in its country's plan.

    Not `is_valid_number`: that refuses Twilio's own documentation and test numbers, and numbers newer than its tables.
    """
    if not re.fullmatch(r"\+[1-9][0-9]{1,14}", number):
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
