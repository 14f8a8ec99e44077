"""Who hears what: policy.toml, checked."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from notifier.core.alert import Severity, cut, printable

CHANNELS = ("log", "slack", "discord", "email", "sms")
FREE_CHANNELS = ("slack", "discord", "email")
"""Cost nothing and can be told twice; `log` is not among them, as it is written at every step and owed to nobody."""

MAX_PER_HOUR = (1, 30)
MAX_SEGMENTS = (1, 6)
ROUNDS = (1, 10)
VALUE_CHARACTERS = 40
"""What is shown of a value that will not do."""

_WORDS = {severity.value: severity for severity in Severity} | {"good": Severity.INFO, "ok": Severity.INFO}
_UNITS = {"s": 1, "m": 60, "h": 3_600}


class PolicyError(ValueError):
    """The policy file cannot be used. `problems`: each with its line and what to do."""

    def __init__(self, file: str, problems: list[str]) -> None:
        super().__init__(
            f"notifier cannot start, {file} has mistakes:\n" + "\n".join(f"  - {problem}" for problem in problems)
        )
        self.file = file
        self.problems = problems


class SmsPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a text may be sent, and how often."""

    max_per_hour: int
    reserved: int
    """The last slots of the window: only for the first page of an incident its sender called critical."""
    max_segments: int
    next_phone: timedelta
    rounds: int


class Texting(msgspec.Struct, frozen=True, kw_only=True):
    """What the deployment's settings say about texts."""

    phones: tuple[str, ...] = ()
    """A mark for each on-call phone, in the order they are paged: the number itself stays in the settings."""
    replies: bool = False
    """Whether a text can be answered: the provider's word that one came can be trusted."""
    fallback: str = ""
    """The second provider; empty for none."""
    price: float = 0.0
    """USD for a segment, as a rough guide."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Who hears what, and when it gets louder."""

    routes: dict[Severity, tuple[str, ...]]
    unset: Severity
    unknown: Severity
    escalation: dict[Severity, timedelta]
    """How long after it was stored an unanswered incident is treated as this severity."""
    climbs_from: Severity
    sms: SmsPolicy
    texting: Texting = Texting()
    """Not in the file."""

    def severity_of(self, word: str) -> tuple[Severity, str]:
        """What a sender's word (lower case, may be empty) means, and a remark when that is not the word itself."""
        if not word:
            return self.unset, f"the sender set no severity, so it is taken as {self.unset.value}"
        known = _WORDS.get(word)
        if known is None:
            return (
                self.unknown,
                f"the sender's severity {word!r} is unknown, so it is taken as {self.unknown.value}",
            )
        return known, ""

    @property
    def channels(self) -> frozenset[str]:
        """Every channel that some severity is told on; of a deployed policy, the configured ones."""
        return frozenset(channel for route in self.routes.values() for channel in route)

    @property
    def free_channels(self) -> list[str]:
        """Those of `channels` that cost nothing, in the order of FREE_CHANNELS."""
        return [channel for channel in FREE_CHANNELS if channel in self.channels]

    @property
    def phones(self) -> int:
        """How many on-call phones there are."""
        return len(self.texting.phones)

    def mark_of(self, phone: int) -> str:
        """What stands for the phone in the store; empty where there is no such phone any more."""
        return self.texting.phones[phone] if phone < self.phones else ""

    def deployed(self, channels: set[str], texting: Texting) -> Policy:
        """This policy with only the channels that are configured."""
        routes = {
            severity: tuple(channel for channel in route if channel in channels)
            for severity, route in self.routes.items()
        }
        return msgspec.structs.replace(self, routes=routes, texting=texting)


def parse_policy(text: str, file: str = "policy.toml") -> Policy:
    """Check the words of a policy file. Raises PolicyError with every mistake, each with its line."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # tomllib's own words end in "(at line 3, column 5)".
        raise PolicyError(file, [f"not TOML: {error}"]) from None
    return _Checker(content, text, file).policy()


class _Checker:
    """Reads each key once and collects what is wrong on the way."""

    def __init__(self, content: dict[str, object], text: str, file: str) -> None:
        self._content = content
        self._file = file
        self._lines = _lines_of_keys(text)
        self._problems: set[tuple[int, str]] = set()

    def policy(self) -> Policy:
        keys = {
            "routes": {severity.value for severity in Severity},
            "severity": {"unset", "unknown"},
            "escalation": {"warning", "error", "critical", "from"},
            "sms": {"max_per_hour", "reserved", "max_segments", "next_phone", "rounds"},
        }
        for section in self._content.keys() - keys.keys():
            self._problem(section, "", f"no such section; there are {', '.join(keys)}")
        for section, allowed in keys.items():
            for key in self._section(section).keys() - allowed:
                self._problem(section, key, f"no such key; there are {', '.join(sorted(allowed))}")
        most = self._number("sms", "max_per_hour", *MAX_PER_HOUR)
        policy = Policy(
            routes={severity: self._route(severity) for severity in Severity},
            unset=self._severity("severity", "unset"),
            unknown=self._severity("severity", "unknown"),
            escalation=self._escalation(),
            climbs_from=self._severity("escalation", "from"),
            sms=SmsPolicy(
                max_per_hour=most,
                reserved=self._number("sms", "reserved", 0, most - 1),
                max_segments=self._number("sms", "max_segments", *MAX_SEGMENTS),
                next_phone=self._duration("sms", "next_phone"),
                rounds=self._number("sms", "rounds", *ROUNDS),
            ),
        )
        if self._problems:
            words = [f"line {line}: {words}" if line else words for line, words in sorted(self._problems)]
            raise PolicyError(self._file, words)
        return policy

    def _problem(self, section: str, key: str, words: str) -> None:
        name = f"[{section}] {key}".rstrip() if section else key
        self._problems.add((self._lines.get((section, key), self._lines.get((section, ""), 0)), f"{name}: {words}"))

    def _section(self, section: str) -> dict[str, object]:
        content = self._content.get(section, {})
        if not isinstance(content, dict):
            self._problem("", section, f"must be a section, written as [{section}]")
            return {}
        return content

    def _value(self, section: str, key: str) -> object:
        content = self._section(section)
        if key not in content and isinstance(self._content.get(section, {}), dict):
            self._problem(section, key, "is missing")
        return content.get(key)

    def _route(self, severity: Severity) -> tuple[str, ...]:
        route = self._value("routes", severity.value)
        if route is None:
            return ()
        if not isinstance(route, list):
            self._problem("routes", severity.value, f"must be a list of {', '.join(CHANNELS)}, and not {_shown(route)}")
            return ()
        if strangers := [channel for channel in route if channel not in CHANNELS]:
            known = f"there are {', '.join(CHANNELS)}{_did_you_mean(strangers[0], CHANNELS)}"
            self._problem("routes", severity.value, f"{_shown(strangers[0])} is no channel; {known}")
            return ()
        if len(set(route)) < len(route):
            self._problem("routes", severity.value, "names a channel twice")
        if "sms" in route and severity is not Severity.CRITICAL:
            self._problem("routes", severity.value, "sms is for critical alone: a text costs money and wakes somebody")
        return tuple(route)

    def _severity(self, section: str, key: str) -> Severity:
        word = self._value(section, key)
        if isinstance(word, str) and word in {severity.value for severity in Severity}:
            return Severity(word)
        if word is not None:
            words = [severity.value for severity in Severity]
            meant = _did_you_mean(word, words)
            self._problem(section, key, f"must be one of {', '.join(words)}, and not {_shown(word)}{meant}")
        return Severity.ERROR

    def _number(self, section: str, key: str, least: int, most: int) -> int:
        number = self._value(section, key)
        if type(number) is int and least <= number <= most:
            return number
        if number is not None:
            self._problem(section, key, f"must be a whole number from {least} to {most}, and not {_shown(number)}")
        return most

    def _duration(self, section: str, key: str) -> timedelta:
        words = self._value(section, key)
        parts = re.fullmatch("([1-9][0-9]{0,4})([smh])", words) if isinstance(words, str) else None
        if parts:
            return timedelta(seconds=int(parts[1]) * _UNITS[parts[2]])
        if words is not None:
            self._problem(section, key, f'must be a time such as "90s", "10m" or "1h", and not {_shown(words)}')
        return timedelta(hours=1)

    def _escalation(self) -> dict[Severity, timedelta]:
        steps = {
            severity: self._duration("escalation", severity.value)
            for severity in Severity
            if severity.value in self._section("escalation")
        }
        waits = list(steps.values())
        if waits != sorted(waits):
            self._problem("escalation", "", "a higher severity must not come before a lower one")
        return steps


def _shown(value: object) -> str:
    """A value as it stands in the file, cut where it is long."""
    match value:
        case str():
            return f'"{cut(printable(value), VALUE_CHARACTERS)}"'
        case bool():
            return str(value).lower()
        case int() | float() if abs(value) < 10**VALUE_CHARACTERS:  # Python writes no longer ones than 4300 digits.
            return str(value)
        case list() | dict():
            return "a list" if isinstance(value, list) else "a table"
        case _:
            return "that"


def _did_you_mean(word: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1) if isinstance(word, str) else []
    return f"; did you mean {near[0]}?" if near else ""


def _lines_of_keys(text: str) -> dict[tuple[str, str], int]:
    """(section, key) -> line, for a text that tomllib has accepted; a section alone is (section, "")."""
    lines: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*\"?([\w-]+)", line):
            section = header[1]
            lines.setdefault((section, ""), number)
        elif key := re.match(r"\s*\"?([\w-]+)\"?\s*=", line):
            lines.setdefault((section, key[1]), number)
    return lines
