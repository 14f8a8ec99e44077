"""Many messages on one channel, told in a few: each named, the loudest first.

A storm owes a channel more messages than it takes: Slack one a second, Discord five in two seconds
(https://docs.slack.dev/apis/web-api/rate-limits, https://discord.com/developers/docs/topics/rate-limits). Told one by
one, the last would come when nobody needs it any more; and nobody reads a thousand posts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from notifier.core.alert import cut
from notifier.core.direction import ended
from notifier.core.incident import Kind
from notifier.core.message import Message

Name = tuple[str, str]
"""An incident's key, and the delivery's."""

APART = 4
"""So many that are due at once on one channel are told one by one."""
MOST = {"slack": 40, "discord": 15, "email": 100}
"""Named in one roundup of a channel: so many are certain to fit, with their links and whatever has to be escaped."""
LINE_CHARACTERS = 100


def in_posts(due: Mapping[Name, Message], channel: str) -> list[tuple[Name, ...]]:
    """The messages that one channel is owed, parted into what is told in one post each.

    The most severe first, and of one severity in the order given.
    """
    loudest_first = sorted(due, key=lambda name: due[name].severity, reverse=True)
    size = MOST[channel] if len(loudest_first) > APART else 1
    return [tuple(loudest_first[first : first + size]) for first in range(0, len(loudest_first), size)]


def as_one(messages: Sequence[Message]) -> Message:
    """The one message that tells all of `messages`, at least one; of a single one it is that itself."""
    if len(messages) == 1:
        return messages[0]
    names = "\n".join(f"{one.incident}/{one.generation}/{one.delivery}" for one in messages)
    return Message(
        delivery="roundup",
        # Told again with the same members it is the same message.
        incident=hashlib.sha256(names.encode()).hexdigest()[:32],
        generation=1,
        kind=Kind.NOTICE,
        severity=max(one.severity for one in messages),
        headline=f"{len(messages)} alerts: {_counted(messages)}",
        ref="",
        roundup=tuple(
            msgspec.structs.replace(one, headline=ended(cut(one.headline, LINE_CHARACTERS))) for one in messages
        ),
    )


def _counted(messages: Sequence[Message]) -> str:
    """As "2 critical, 5 warning, 1 resolved"; in the order of the messages, so the loudest first."""
    counts = Counter(_word(one) for one in messages)
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _word(message: Message) -> str:
    opens = message.kind in (Kind.OPENED, Kind.ESCALATED)
    return message.severity.value if opens else message.kind.value
