"""One drill: a page through the deployed pager over HTTP, as any sender posts one, watched until it is answered."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

from notifier.cli.drill_steps import End, Stand, Step, Trouble, end_of, stand_of, steps
from notifier.ports import Clock

_TITLE = "DRILL: please acknowledge"
_TEXT = "Nothing is wrong: somebody tries whether a page arrives, and how soon it is answered."
_LOOKS_EVERY = 2.0
_AFTER_TROUBLE = 10.0
"""Seconds, as the pager's Retry-After."""
_STORED_WITHIN = 60.0
"""Seconds; a pager that does not take an alert for so long will not take this one."""
_BLINK = 0.1
_ANSWERS_WITHIN = 30.0
"""Seconds: 9 of a request's own, and a cold start."""
_CLOSES_AT_MOST = 5


class Drill:
    """One drill. Run it once, and close it however that ends."""

    def __init__(self, address: str, token: str, say: Callable[[str], object], clock: Clock) -> None:
        """`say`: tells a person each step, as it happens."""
        self._clock = clock
        self._address = address
        self._token = token
        self._say = say
        self._id = f"drill-{secrets.token_hex(8)}"
        self._session = requests.Session()
        self._began = self._clock.monotonic()
        self._may_be_open = False
        self.broken_off = False
        self.ref = ""
        self.steps: list[tuple[Step, float]] = []
        self.trouble = ""
        """Why it cannot go on, or could not up to its end; in words."""

    def run(self, seconds: float) -> End | None:
        """Page, and wait for an end of it; None when none came in time, or the pager could not be heard."""
        self._began = self._clock.monotonic()
        known: Stand | None = None
        while not self.broken_off:
            answer = self._post({"severity": "critical", "title": _TITLE, "text": _TEXT})
            if isinstance(answer, Trouble):
                self._heard_nothing(answer)
                if not answer.passes or (known is None and self._passed >= _STORED_WITHIN):
                    return None
            else:
                self.trouble, self.ref = "", answer.ref
                for step in steps(known, answer):
                    self._took(step)
                known = answer
                if end := end_of(answer):
                    return end
            if self._passed >= seconds:
                return None
            pause = _AFTER_TROUBLE if isinstance(answer, Trouble) else _LOOKS_EVERY
            self._wait_until(min(self._passed + pause, seconds))
        return None

    def break_off(self) -> None:
        """Let the wait be over, soon: a post that is under way has its answer first, or it would overtake the close."""
        self.broken_off = True

    def close(self) -> bool:
        """End the drill's incident; False if it may be open still."""
        for attempt in range(_CLOSES_AT_MOST if self._may_be_open else 0):
            if attempt:
                self._clock.sleep(_LOOKS_EVERY)
            answer = self._post({"state": "closed"})
            if isinstance(answer, Stand) and answer.state == "resolved":
                self._took(Step("closed", "closed"))
                return True
        return not self._may_be_open

    @property
    def _passed(self) -> float:
        return self._clock.monotonic() - self._began

    def _wait_until(self, seconds: float) -> None:
        while not self.broken_off and self._passed < seconds:
            self._clock.sleep(_BLINK)

    def _post(self, content: dict[str, str]) -> Stand | Trouble:
        try:
            answer = self._session.post(
                self._address,
                json={"id": self._id, **content},
                auth=("drill", self._token),
                timeout=_ANSWERS_WITHIN,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            certain = _was_not_sent(error)
            self._may_be_open |= not certain
            return Trouble(f"it cannot be reached ({type(error).__name__})", passes=self._may_be_open)
        stand = stand_of(answer.status_code, answer.content)
        self._may_be_open |= isinstance(stand, Stand) or stand.passes
        return stand

    def _took(self, step: Step) -> None:
        seconds = round(self._passed, 1)
        self.steps.append((step, seconds))
        self._say(f"{seconds:>7.1f} s  {step.words}")

    def _heard_nothing(self, answer: Trouble) -> None:
        words = f"The pager could not be heard: {answer.words}."
        if words != self.trouble:
            self._say(f"{self._passed:>7.1f} s  {answer.words}")
        self.trouble = words


def _was_not_sent(error: requests.RequestException) -> bool:
    """Whether there was no connection to send anything on."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError | ConnectTimeoutError | SSLError)
