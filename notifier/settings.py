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

if TYPE_CHECKING:
    from collections.abc import Mapping

    import yaml

SECRETS = (
    "TWILIO_AUTH_TOKEN",
    "TWILIO_AUTH_TOKEN_NEXT",
    "TWILIO_API_SECRET",
    "VONAGE_API_SECRET",
    "MESSAGEBIRD_ACCESS_KEY",
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
    "SMS_FALLBACK_FROM",
    "SMS_FALLBACK_URL",
    "VONAGE_API_KEY",
    "SMS_PRICE",
)
NAMES = SECRETS + PLAIN

WEBHOOK_TOKEN_CHARACTERS = 16
"""Fewer can be guessed: the function is open to the internet."""
LEASE_SECONDS = 30
LEASE_SECONDS_LEAST = 10
"""Longer than a request (9 s): else a tick would take over a text that is still being sent."""
Security = Literal["starttls", "tls", "none"]
LogFormat = Literal["auto", "json", "text"]
PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
Provider = Literal["vonage", "messagebird"]
PROVIDERS: dict[Provider, str] = {"vonage": "https://rest.nexmo.com", "messagebird": "https://rest.messagebird.com"}
"""Who can stand in for Twilio, and where their API is."""
CREDENTIALS: dict[Provider, tuple[str, ...]] = {
    "vonage": ("VONAGE_API_KEY", "VONAGE_API_SECRET"),
    "messagebird": ("MESSAGEBIRD_ACCESS_KEY",),
}
BASES = {"TWILIO_API_URL": "https://api.twilio.com", "SMS_FALLBACK_URL": PROVIDERS["vonage"]}
"""Addresses to which a channel adds the path, each as one may look."""
SMS_PRICE = 0.0083
"""USD: https://www.twilio.com/en-us/sms/pricing/us."""
SMS_PRICE_MOST = 10

_Word = TypeVar("_Word", bound=str)

EXAMPLE_PHONES = ("+15555550100", "+15555550101", "+15555550102")
"""Of .env.yaml.example and README.md: nobody's."""
TWILIO_TEST_SENDER = "+15005550006"
"""Also there: https://www.twilio.com/docs/iam/test-credentials. An account that is real has no such number."""

PHONE_HINT = "write it as +60123456789: + and country code, no spaces"

_ADDRESSES = ("SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL", "HEARTBEAT_URL", "PUBLIC_URL")
_EXAMPLE_HOST = re.compile(r"(?i)(?:^|[@/.])(?:example\.com|[a-z0-9-]+\.invalid)(?![a-z0-9.-])")
"""https://www.rfc-editor.org/rfc/rfc2606."""
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN_ADDRESS = rf"{_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
_MAIL_ADDRESS = rf"{_PLAIN_ADDRESS}|(?:[^<>@,;:()\[\]\"\\]*|\"[^\"\\]*\" *)<{_PLAIN_ADDRESS}>"
"""As the email channel takes them: `name@example.com` or `Name <name@example.com>`."""
_BETWEEN_ADDRESSES = r',(?=(?:[^"]*"[^"]*")*[^"]*$)'
"""A comma outside of quotation marks."""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """Settings as somebody wrote them, with every mistake in them."""

    settings: Settings | None
    """None when there are mistakes."""
    problems: tuple[str, ...]
    """Each says what is wrong and what to do, and shows no secret."""
    policy_file: str
    """What POLICY_FILE says, also beside mistakes; empty for the policy.toml beside main.py."""


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


class SmsFallback(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the provider that stands in for Twilio."""

    provider: Provider
    api_key: str
    """Vonage's, with the secret. What only the other provider needs may be empty."""
    api_secret: str
    access_key: str
    """MessageBird's."""
    sender: str
    """An E.164 number, or a name of up to 11 letters and digits."""
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
    twilio_auth_tokens: tuple[str, ...]
    """What Twilio may sign its callbacks with: two while the token is changed; none if only an API key is known."""
    fallback: SmsFallback | None
    """Never without `twilio`, unless simulated."""
    sms_price: float
    """USD a segment."""
    oncall_phones: tuple[str, ...]
    """E.164, in the order they are paged."""
    slack_webhook_url: str
    discord_webhook_url: str
    mail: MailServer | None
    heartbeat_url: str
    """Called after each good tick; empty for nobody."""
    webhook_token: str
    admin_token: str
    """What the status page is seen with; empty: nobody may."""
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
    warnings: tuple[str, ...]
    """What is allowed but should be read, for the start-up log."""


def settings_from_environment(env_file: Path = Path(".env.yaml")) -> Settings:
    """Settings of this process: the environment, and on a local run what `.env.yaml` adds to it.

    Raises SettingsError.
    """
    values = dict(os.environ)
    if not values.get("K_SERVICE") and env_file.is_file():
        values = read_env_file(env_file) | values
    return read_settings(values)


def examine(env_file: Path, *, deployed: bool) -> Examined:
    """Every mistake at once: in the form of `env_file`, where there is one, and in what is set.

    `deployed`: as Cloud Run will see the file alone; else as a run on this machine, where the environment stands above
    the file. Where the file cannot be read at all nothing else is judged: half of the settings would seem missing.
    """
    values = {} if deployed else dict(os.environ)
    problems: list[str] = []
    if env_file.is_file():
        try:
            written, problems = _settings_in(_pairs_in(env_file), env_file.name)
        except SettingsError as error:
            return Examined(settings=None, problems=tuple(error.problems), policy_file="")
        values = written | values
    reader = _Reader(values | ({"K_SERVICE": "notifier"} if deployed else {}))
    settings = None
    try:
        settings = reader.settings()
    except SettingsError as error:
        problems += error.problems
    return Examined(
        settings=None if problems else settings, problems=tuple(problems), policy_file=reader.text("POLICY_FILE")
    )


def read_env_file(path: Path) -> dict[str, str]:
    """The settings of a file in gcloud's --env-vars-file form (YAML, one name and text a line).

    Raises SettingsError: no YAML, a value that is no text, or a name that is no setting.
    """
    content, problems = _settings_in(_pairs_in(path), path.name)
    if problems:
        raise SettingsError(problems)
    return content


def _pairs_in(path: Path) -> list[tuple[yaml.Node, yaml.Node]]:
    """Name and value of each line. Raises SettingsError where the file is none of pairs."""
    try:
        import yaml  # noqa: PLC0415 - a local run only: no cold start pays for it
    except ImportError:
        raise SettingsError([f"reading {path.name} needs PyYAML: pip install pyyaml, or use ./dev run"]) from None
    try:
        # Composed only, and nothing made of it: every value stays the text it is, so +15555550101 a phone number.
        top = yaml.compose(path.read_text("utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path.name} cannot be read: {type(error).__name__}"]) from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise SettingsError([f'{path.name} is not YAML{place}: write each setting as NAME: "value"']) from None
    if top is None or (isinstance(top, yaml.ScalarNode) and not top.value):
        return []
    if not isinstance(top, yaml.MappingNode):
        raise SettingsError([f'{path.name}: write each setting as NAME: "value", one a line'])
    pairs: list[tuple[yaml.Node, yaml.Node]] = top.value
    return pairs


def _settings_in(pairs: list[tuple[yaml.Node, yaml.Node]], file: str) -> tuple[dict[str, str], list[str]]:
    """The settings, and what is wrong with the others."""
    content: dict[str, str] = {}
    problems: list[str] = []
    for key, value in pairs:
        place = f"{file}, line {key.start_mark.line + 1}:"
        name = str(key.value)
        if name not in NAMES:
            problems.append(f"{place} {shown_name(name)} is no setting of notifier{_did_you_mean(name)}")
        elif name in content:
            problems.append(f"{place} {name} stands there twice; leave one")
        elif not isinstance(value.value, str):
            problems.append(f'{place} {name} must be one text, as in {name}: "value"')
        else:
            content[name] = value.value
    return content, problems


def shown_name(name: str) -> str:
    """A name we do not know, as it may be shown: a value in its place may be a secret."""
    return name if re.fullmatch("[A-Za-z][A-Za-z0-9_ -]{0,29}", name) else "that"


def _did_you_mean(name: str) -> str:
    near = difflib.get_close_matches(name.upper(), NAMES, n=1)
    return f"; did you mean {near[0]}?" if near else "; see .env.yaml.example for all of them"


def read_settings(values: Mapping[str, str]) -> Settings:
    """Check `values` (names as in DESIGN.md; an empty text is unset) and make Settings of them.

    Raises SettingsError with every mistake at once.
    """
    return _Reader(values).settings()


class _Reader:
    """Reads each setting once and collects what is wrong on the way."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._problems: list[str] = []
        self._warnings: list[str] = []
        self._values = {name: self._cleaned(name, values.get(name, "")) for name in NAMES}
        self._on_cloud_run = bool(values.get("K_SERVICE"))

    def settings(self) -> Settings:
        simulate = self._flag("SIMULATE")
        public_url = self._url("PUBLIC_URL")
        settings = Settings(
            oncall_phones=(phones := self._phones("ONCALL_PHONE")),
            twilio=(twilio := self._twilio(phones, simulate=simulate)),
            twilio_auth_tokens=self._auth_tokens(),
            fallback=self._fallback(phones, twilio, simulate=simulate),
            sms_price=self._price("SMS_PRICE"),
            slack_webhook_url=self._url("SLACK_WEBHOOK_URL"),
            discord_webhook_url=self._url("DISCORD_WEBHOOK_URL"),
            mail=self._mail(simulate=simulate),
            heartbeat_url=self._url("HEARTBEAT_URL"),
            webhook_token=self._token("WEBHOOK_TOKEN"),
            admin_token=self._token("ADMIN_TOKEN"),
            oidc_emails=self._oidc_emails(public_url),
            public_url=public_url.rstrip("/"),
            google_cloud_project=self._project("GOOGLE_CLOUD_PROJECT"),
            firestore_database=self._matching(
                "FIRESTORE_DATABASE", r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]", "(default)"
            ),
            firestore_prefix=self._matching("FIRESTORE_PREFIX", r"[A-Za-z0-9-][A-Za-z0-9_-]{0,49}", ""),
            sqlite_path=self._state(),
            policy_file=self.text("POLICY_FILE"),
            simulate=simulate,
            lease_seconds=self._number("LEASE_SECONDS", LEASE_SECONDS, LEASE_SECONDS_LEAST, 600),
            log_format=self._choice("LOG_FORMAT", get_args(LogFormat)),
            warnings=(),
        )
        if simulate and self._on_cloud_run:
            self._warnings.append("SIMULATE is set: nothing is sent, and nobody will be paged")
        if settings.admin_token and settings.admin_token == settings.webhook_token:
            words = "ADMIN_TOKEN is WEBHOOK_TOKEN: whoever sends alerts sees the status page, too; make another"
            self._warnings.append(words)
        if not simulate:
            self._warn_of_examples()
        if self._problems:
            raise SettingsError(self._problems)
        return msgspec.structs.replace(settings, warnings=tuple(self._warnings))

    def _warn_of_examples(self) -> None:
        """Warnings alone: a test means such values, and a person has forgotten them."""
        for name in NAMES:
            if why := _example_in(name, self.text(name)):
                self._warnings.append(f"{name} still holds an example: {why}")

    def _cleaned(self, name: str, value: str) -> str:
        """`value` without what pasting adds around it; what pasting adds inside of it is a mistake."""
        text = value.strip()
        if re.fullmatch("\"[^\"]*\"|'[^']*'", text):
            self._problem(name, "stands in quotation marks; leave them out")
            text = text[1:-1].strip()
        if "XXXXXX" in text:
            self._problem(name, "still holds the placeholder of .env.yaml.example; fill it in, or leave the line out")
        if not text.isprintable():
            self._problem(name, "holds a line end or another invisible character; copy it again, as one line")
            text = "".join(letter for letter in text if letter.isprintable())
        return text

    def text(self, name: str) -> str:
        """What is set under `name`, cleaned; empty for nothing."""
        return self._values[name]

    def _problem(self, name: str, words: str) -> None:
        self._problems.append(f"{name} {words}")

    def _matching(self, name: str, pattern: str, default: str) -> str:
        text = self.text(name)
        if text and not re.fullmatch(pattern, text):
            self._problem(name, f"has a form that Firestore does not take; leave it out for {default or 'none'}")
        return text or default

    def _project(self, name: str) -> str:
        text = self.text(name)
        if text and not re.fullmatch("[a-z0-9][a-z0-9.:-]*", text):
            self._problem(name, "must be the project's id, as my-project-123456, and not its name")
        return text

    def _flag(self, name: str) -> bool:
        text = self.text(name).lower()
        if text not in ("", "0", "1", "true", "false"):
            self._problem(name, "must be 1 or 0")
        return text in ("1", "true")

    def _choice(self, name: str, allowed: tuple[_Word, ...]) -> _Word:
        text = self.text(name).lower() or allowed[0]
        if text not in allowed:
            self._problem(name, f"must be one of {', '.join(allowed)}")
        return next((word for word in allowed if word == text), allowed[0])

    def _number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not (re.fullmatch("[0-9]{1,6}", text) and least <= int(text) <= most):
            self._problem(name, f"must be a whole number from {least} to {most}")
            return default
        return int(text)

    def _price(self, name: str) -> float:
        text = self.text(name)
        if not text:
            return SMS_PRICE
        if not (re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,6})?", text) and float(text) <= SMS_PRICE_MOST):
            self._problem(name, f"must be the price of a segment in USD, from 0 to {SMS_PRICE_MOST}, as {SMS_PRICE}")
            return SMS_PRICE
        return float(text)

    def _token(self, name: str) -> str:
        text = self.text(name)
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

    def _secret(self, name: str, refused: str = "") -> str:
        """Printable ASCII without the characters `refused`: all that basic authentication and SMTP carry safely."""
        text = self.text(name)
        if not text.isascii() or any(letter in text for letter in refused):
            self._problem(name, f"must be ASCII{' without spaces' if refused else ''}; copy it again")
        return text

    def _url(self, name: str) -> str:
        """An https address without user, query or fragment where those make no sense; http to this machine only."""
        text = self.text(name)
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
        elif name in BASES and (parts.path not in ("", "/") or parts.query):
            self._problem(name, f"must be the base without a path, as {BASES[name]}")
        elif name == "PUBLIC_URL" and parts.query:
            self._problem(name, "must have no ? part: it is the address the function is reached under")
        return text

    def _phones(self, name: str) -> tuple[str, ...]:
        numbers = [part.strip() for part in self.text(name).split(",") if part.strip()]
        for place, number in enumerate(numbers, 1):
            if not _is_e164(number):
                which = f"number {place} ({number[:3]}...)" if len(numbers) > 1 else f"({number[:3]}...)"
                self._problem(name, f"{which} is no phone number in E.164 form; {PHONE_HINT}")
        if len(numbers) == 1 and re.search(r"[;/|]|\S\s+\+", numbers[0]):
            self._problem(name, "must have commas between its numbers")
        if len(set(numbers)) < len(numbers):
            self._problem(name, "names a number twice; each phone is paged once a round")
        return tuple(numbers)

    def _twilio(self, phones: tuple[str, ...], *, simulate: bool) -> TwilioAccount | None:
        account_sid, sender = self.text("TWILIO_ACCOUNT_SID"), self.text("TWILIO_FROM")
        key = self.text("TWILIO_API_KEY")
        secret, token = self._secret("TWILIO_API_SECRET", " "), self._secret("TWILIO_AUTH_TOKEN", " ")
        api_url = self._url("TWILIO_API_URL").rstrip("/") or BASES["TWILIO_API_URL"]
        if account_sid and not re.fullmatch("AC[0-9a-fA-F]{32}", account_sid):
            self._problem(
                "TWILIO_ACCOUNT_SID", "must be AC in capitals and 32 hexadecimal digits, from Twilio's console"
            )
        if key and not re.fullmatch("SK[0-9a-fA-F]{32}", key):
            self._problem("TWILIO_API_KEY", "must be SK in capitals and 32 hexadecimal digits, from Twilio's console")
        if bool(key) != bool(secret):
            self._problem("TWILIO_API_KEY", "and TWILIO_API_SECRET go together: set both or neither")
        if sender and not (re.fullmatch("MG[0-9a-fA-F]{32}", sender) or _is_e164(sender)):
            words = "is neither a Messaging Service (MG in capitals and 32 hexadecimal digits) nor a phone number"
            self._problem("TWILIO_FROM", f"{words}; {PHONE_HINT}")
        if sender and sender in phones:
            self._problem("TWILIO_FROM", "stands in ONCALL_PHONE too: Twilio sends no text from a number to itself")
        given = {
            "TWILIO_ACCOUNT_SID": account_sid,
            "TWILIO_AUTH_TOKEN": token or key,
            "TWILIO_FROM": sender,
            "ONCALL_PHONE": phones,
        }
        if not any((account_sid, token, key, secret, sender, phones)):
            return None
        missing = [name for name, value in given.items() if not value]
        if missing and not simulate:
            self._missing(missing, f"SMS needs {', '.join(given)} together")
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

    def _auth_tokens(self) -> tuple[str, ...]:
        # The first is checked with the account; one that is named twice is one.
        tokens = (self.text("TWILIO_AUTH_TOKEN"), self._secret("TWILIO_AUTH_TOKEN_NEXT", " "))
        return tuple(dict.fromkeys(filter(None, tokens)))

    def _fallback(self, phones: tuple[str, ...], twilio: TwilioAccount | None, *, simulate: bool) -> SmsFallback | None:
        provider = self._provider("SMS_FALLBACK")
        values = {
            "VONAGE_API_KEY": self._vonage_key("VONAGE_API_KEY"),
            "VONAGE_API_SECRET": self._secret("VONAGE_API_SECRET", " "),
            "MESSAGEBIRD_ACCESS_KEY": self._messagebird_key("MESSAGEBIRD_ACCESS_KEY"),
            "SMS_FALLBACK_FROM": self._fallback_sender("SMS_FALLBACK_FROM", phones),
            "SMS_FALLBACK_URL": self._url("SMS_FALLBACK_URL").rstrip("/"),
        }
        idle = [name for name, value in values.items() if value]
        if idle and not self.text("SMS_FALLBACK"):
            words = f"{', '.join(idle)} would do nothing; set it to one of {', '.join(PROVIDERS)}"
            self._missing(["SMS_FALLBACK"], words)
        if provider is None:
            return None
        if twilio is None and not simulate:
            words = "stands in for Twilio, for what Twilio certainly did not send; set up Twilio first"
            self._problem("SMS_FALLBACK", words)
        needed = (*CREDENTIALS[provider], "SMS_FALLBACK_FROM")
        missing = [name for name in needed if not values[name]]
        if missing and not simulate:
            self._missing(missing, f"SMS_FALLBACK={provider} needs {', '.join(needed)} together")
        return (
            None
            if missing
            else SmsFallback(
                provider=provider,
                api_key=values["VONAGE_API_KEY"],
                api_secret=values["VONAGE_API_SECRET"],
                access_key=values["MESSAGEBIRD_ACCESS_KEY"],
                sender=values["SMS_FALLBACK_FROM"],
                api_url=values["SMS_FALLBACK_URL"] or PROVIDERS[provider],
            )
        )

    def _provider(self, name: str) -> Provider | None:
        text = self.text(name).lower()
        provider = next((known for known in PROVIDERS if known == text), None)
        if text and not provider:
            self._problem(name, f"must be one of {', '.join(PROVIDERS)}, or left out")
        return provider

    def _vonage_key(self, name: str) -> str:
        text = self.text(name)
        if text and not re.fullmatch("[0-9A-Za-z]{8}", text):
            self._problem(name, "must be 8 letters and digits, from Vonage's dashboard")
        return text

    def _messagebird_key(self, name: str) -> str:
        text = self._secret(name, " ")
        if text.startswith("test_"):
            # https://support.messagebird.com/hc/en-us/articles/360000670709
            self._problem(name, "is a test key, for which MessageBird sends nothing; make a live key")
        return text

    def _fallback_sender(self, name: str, phones: tuple[str, ...]) -> str:
        sender = self.text(name)
        is_name = re.fullmatch("(?=[0-9]*[A-Za-z])[0-9A-Za-z]{1,11}", sender)
        if sender and not (is_name or _is_e164(sender)):
            words = "is neither a name (at most 11 letters and digits, no spaces) nor a phone number"
            self._problem(name, f"{words}; {PHONE_HINT}")
        if sender and sender in phones:
            self._problem(name, "stands in ONCALL_PHONE too: no text goes from a number to itself")
        return sender

    def _mail(self, *, simulate: bool) -> MailServer | None:
        host, user, password = self._host("SMTP_HOST"), self._secret("SMTP_USER"), self._secret("SMTP_PASSWORD")
        senders, recipients = self._mail_addresses("EMAIL_FROM"), self._mail_addresses("EMAIL_TO")
        if len(senders) > 1:
            self._problem("EMAIL_FROM", "must be one mail address")
        security = self._choice("SMTP_SECURITY", tuple(PORTS))
        port = self._number("SMTP_PORT", PORTS[security], 1, 65_535)
        if bool(user) != bool(password):
            self._problem("SMTP_USER", "and SMTP_PASSWORD go together: set both, or neither for a server without login")
        if password and security == "none" and not _is_loopback(host):
            self._problem("SMTP_SECURITY", "none would send SMTP_PASSWORD in clear; use starttls or tls")
        given = {"SMTP_HOST": host, "EMAIL_FROM": senders, "EMAIL_TO": recipients}
        if not any((*given.values(), user, password)):
            return None
        missing = [name for name, value in given.items() if not value]
        if missing and not simulate:
            self._missing(missing, f"email needs {', '.join(given)} together")
        return (
            None
            if missing
            else MailServer(
                host=host,
                port=port,
                user=user,
                password=password,
                security=security,
                sender=senders[0],
                recipients=recipients,
            )
        )

    def _missing(self, names: list[str], words: str) -> None:
        self._problem(" and ".join(names), f"{'is' if len(names) == 1 else 'are'} missing: {words}")

    def _host(self, name: str) -> str:
        text = self.text(name)
        if text and not (re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", text) or _is_ip_address(text)):
            self._problem(name, "must be a host's name alone, as smtp.example.com; the port goes into SMTP_PORT")
        return text

    def _mail_addresses(self, name: str) -> tuple[str, ...]:
        addresses = [part.strip() for part in re.split(_BETWEEN_ADDRESSES, self.text(name)) if part.strip()]
        for place, address in enumerate(addresses, 1):
            if not re.fullmatch(_MAIL_ADDRESS, address):
                which = f"address {place} of {len(addresses)} is" if len(addresses) > 1 else "is"
                words = "no mail address; write oncall@example.com or Name <oncall@example.com>"
                self._problem(name, f"{which} {words}, with commas between several")
        return tuple(addresses)

    def _oidc_emails(self, public_url: str) -> tuple[str, ...]:
        emails = tuple(part.strip().lower() for part in self.text("OIDC_EMAILS").split(",") if part.strip())
        for place, email in enumerate(emails, 1):
            if not re.fullmatch(_PLAIN_ADDRESS, email):
                words = "is no service account's address, as caller@my-project.iam.gserviceaccount.com"
                self._problem("OIDC_EMAILS", f"address {place} {words}; write commas between several")
        if emails and not public_url:
            self._problem("PUBLIC_URL", "is missing: tokens of OIDC_EMAILS are checked against it as their audience")
        return emails

    def _state(self) -> str:
        default = "firestore" if self._on_cloud_run else "sqlite:notifier.sqlite"
        state = self.text("STATE") or default
        if state == "firestore":
            return ""
        if not (state.startswith("sqlite:") and len(state) > len("sqlite:")):
            self._problem("STATE", "must be firestore, or sqlite:PATH")
        elif self._on_cloud_run:
            self._problem("STATE", "must be firestore on Cloud Run: a file there does not survive a cold start")
        return state.removeprefix("sqlite:")


def _example_in(name: str, text: str) -> str:
    """What of `text` is an example of ours, and what that would do; empty for nothing."""
    if name in ("ONCALL_PHONE", "TWILIO_FROM", "SMS_FALLBACK_FROM"):
        numbers = [part.strip() for part in text.split(",")]
        if name == "TWILIO_FROM" and TWILIO_TEST_SENDER in numbers:
            return f"...{TWILIO_TEST_SENDER[-4:]} is Twilio's number for tests; no text reaches anybody from it"
        if examples := [number for number in numbers if number in EXAMPLE_PHONES]:
            which = " and ".join(f"...{number[-4:]}" for number in examples)
            return f"{which} {'is' if len(examples) == 1 else 'are'} nobody's"
    elif _EXAMPLE_HOST.search(text):
        return "nobody is reached at example.com, or under .invalid"
    elif "..." in text and name in (*_ADDRESSES, "TWILIO_AUTH_TOKEN"):
        return "where it says ... something of yours belongs"
    return ""


def _is_e164(number: str) -> bool:
    """E.164 and possible in its country's plan.

    Not `is_valid_number`: that refuses Twilio's own documentation and test numbers, and numbers newer than its tables.
    """
    if not re.fullmatch(r"\+[1-9][0-9]{1,14}", number):
        return False
    import phonenumbers  # noqa: PLC0415 - a third of what notifier imports: only for who has phones

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
