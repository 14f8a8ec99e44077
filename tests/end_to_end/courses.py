"""How it can go with a text at the fake Twilio, from its request to its last report; and with the list of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tests.end_to_end.serving import Answer, Lost


class Step(NamedTuple):
    """One thing that becomes of a text, and whether its customer hears of it."""

    status: str
    error_code: int | None = None
    after: float = 0.02
    """Seconds after the step before; after the answer, for the first."""
    told: int = 1
    """How often: 0 is never, 2 is once too often."""
    early: bool = False
    """Told before the request that made the text is answered."""


DELIVERED = (Step("sent"), Step("delivered"))


def undelivered(code: int) -> tuple[Step, ...]:
    """The carrier or the phone did not take it."""
    return Step("sent"), Step("undelivered", code)


def failed(code: int) -> tuple[Step, ...]:
    """It never left Twilio."""
    return (Step("failed", code),)


@dataclass(frozen=True)
class Course:
    """How it goes with one text."""

    delay: float = 0
    """Seconds before it is taken."""
    refused: Answer | Lost | None = None
    """It is not taken, and this is the answer."""
    answer_delay: float = 0
    """Seconds before the answer, when it is taken."""
    answered: Answer | Lost | None = None
    """It is taken, and this is the answer instead of Twilio's."""
    listed_after: float = 0
    """Seconds before it is in the list."""
    steps: tuple[Step, ...] | None = None
    """What becomes of it, in the order its reports are posted; its status never goes back. None: it is sent and
    delivered, as most are; a service's text is queued before."""


@dataclass(frozen=True)
class Shown:
    """How the list is shown."""

    delay: float = 0
    answer: Answer | Lost | None = None
    """Instead of the list."""
    bodies: bool = True
