"""What a body turned out to be: a Reading, or Unreadable."""

from __future__ import annotations

import msgspec

from notifier.core.alert import Alert, cut, printable

REASON_CHARACTERS = 300
_SHOWN_CHARACTERS = 40


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts of one body, each already `bounded`."""

    alerts: tuple[Alert, ...] = ()
    """In the sender's order; empty only for a ping."""
    unreadable: tuple[str, ...] = ()
    """Why some alerts of the body could not be read, each with its path ("... in alerts[2].status ...").

    At most 13. The alerts that could be read are in `alerts` and are owed as usual: one bad alert never
    costs the page of its neighbour.
    """
    pubsub: bool = False
    """It came in a Pub/Sub push envelope."""
    message_id: str = ""
    """The envelope's id, the same at each redelivery; empty without an envelope."""
    ping: bool = False
    """A `{}` body: somebody tries whether we are there."""


class Unreadable(Exception):
    """No dialect reads this body; nothing of it was accepted."""

    def __init__(self, reason: str, *, pubsub: bool = False, message_id: str = "") -> None:
        """Cut `reason` to one printable line of at most REASON_CHARACTERS."""
        self.reason = cut(" ".join(printable(reason).split()), REASON_CHARACTERS)
        """What was expected and where, in words the sender's owner can act on."""
        self.pubsub = pubsub
        """It came in a Pub/Sub push envelope: anything but a 2xx brings it back for a week."""
        self.message_id = message_id
        """The envelope's id, if it had one."""
        super().__init__(self.reason)


def shown(value: object) -> str:
    """`value` as a refusal may say it: its kind, or a short printable piece of a string or number."""
    match value:
        case str():
            return repr(value) if len(value) <= _SHOWN_CHARACTERS else repr(value[:_SHOWN_CHARACTERS] + "…")
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return cut(str(value), _SHOWN_CHARACTERS)
        case list():
            return "a list"
        case _:
            return "an object"
