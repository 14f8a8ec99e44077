"""What a send can end in (DESIGN.md): told to the road by a channel, settled by the core."""

from __future__ import annotations

from enum import Enum

import msgspec


class Result(Enum):
    SENT = "sent"
    """The provider took it."""
    REJECTED = "rejected"
    """Certainly not sent, and never will be: a human has to change something."""
    RETRY = "retry"
    """Certainly not sent, may work later."""
    UNKNOWN = "unknown"
    """May have been sent."""


SIMULATED = "simulated: nothing was sent"
"""The detail of what SIMULATE=1 calls sent."""


class Outcome(msgspec.Struct, frozen=True):
    """How one send ended."""

    result: Result
    detail: str = ""
    """Plain words for a human, redacted: no secret, no phone number or webhook URL in full."""
    retry_after: float | None = None
    """Seconds the provider asked us to wait."""
    provider_id: str = ""
    """The provider's own id of what it took (Twilio's sid)."""
    warning: str = ""
    """For `sent`: what a human must know all the same, in words as `detail`."""
    opted_out: bool = False
    """For `rejected`: the phone has answered STOP, and takes no text before it answers START."""
    elsewhere: bool = False
    """For `rejected` and `retry` of a text: it is this provider that cannot; another one may."""
