"""drill: a real page to whoever is on call, through the deployed pager, and how long each step of it took."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from urllib.parse import urlsplit

import click
import msgspec
import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

from notifier.cli.drill_steps import End, Stand, Step, Trouble, advice, end_of, stand_of, steps
from notifier.cli.length import LENGTH
from notifier.cli.pager import give_up
from notifier.core.wording import duration
from notifier.settings import SettingsError, read_settings, settings_from_environment

_LOOKS_EVERY = 2.0
_AFTER_TROUBLE = 10.0
"""Seconds, as the pager's Retry-After."""
_STORED_WITHIN = 60.0
"""Seconds; a pager that does not take an alert for so long will not take this one."""
_BLINK = 0.1
_ANSWERS_WITHIN = 30.0
"""Seconds: 9 of a request's own, and a cold start."""
_CLOSES_AT_MOST = 5
_ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@click.command()
@click.option("--url", metavar="URL", help="Where the pager is.  [default: PUBLIC_URL]")
@click.option("--wait", type=LENGTH, metavar="TIME", default="15m", show_default=True, help="For the acknowledgement.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for machines, at the end.")
def drill(url: str | None, wait: timedelta, *, yes: bool, as_json: bool) -> None:
    """Page whoever is on call, marked DRILL, and say how many seconds each step took.

    A critical alert of a name of its own goes to the deployed pager on the road of every other one: it is stored, told
    on Slack, Discord and by email, and texted. Then the drill waits until somebody acknowledges it, by text or by the
    link, and closes it. However it ends (Ctrl-C too), nothing of it goes on paging.

    Needs PUBLIC_URL (or --url) and WEBHOOK_TOKEN as they are deployed, from the environment or .env.yaml, and nothing
    else: no account of Google's or Twilio's. It asks how the drill stands every 2 s, by posting the same alert again,
    which changes nothing and costs the store one read.

    Exits with 0 when it was acknowledged, with 1 when it was not or something failed, with 2 if the settings do not do.
    """
    address, token = _where(url)
    host = urlsplit(address).netloc
    click.echo(
        f"A real page goes out through {host}, marked DRILL: the phone on call gets a text (and the next one, if nobody"
        " answers), Slack, Discord and email are told. It takes one of the hour's texts, and costs as much as one.",
        err=True,
    )
    if not yes and not click.confirm("Go on?", err=True):
        give_up("nothing was sent")
    call = _Drill(address, token, say=(lambda _: None) if as_json else click.echo)
    with _told_to_end(call.break_off):
        try:
            end = call.run(wait.total_seconds())
        finally:
            closed = call.close()
    content = {
        "pager": host,
        "ref": call.ref,
        "outcome": end.value if end else call.trouble or "not acknowledged",
        "steps": [{"step": step.name, "what": step.words, "seconds": seconds} for step, seconds in call.steps],
        "closed": closed,
    }
    words = call.trouble or advice(end, call.ref)
    if end is None and not call.trouble:
        words = f"After {duration(wait)}: {words}"
    if as_json:
        click.echo(msgspec.json.encode(content))
    elif words:
        click.echo(words, err=True)
    if not closed:
        click.echo(_still_open(call.ref), err=True)
    sys.exit(0 if end is End.ACKNOWLEDGED and closed else 1)


class _Drill:
    """One drill. Run it once, and close it however that ends."""

    def __init__(self, address: str, token: str, say: Callable[[str], object]) -> None:
        self._address = address
        self._token = token
        self._say = say
        self._id = f"drill-{secrets.token_hex(8)}"
        self._session = requests.Session()
        self._began = time.monotonic()
        self._may_be_open = False
        self._broken_off = False
        self.ref = ""
        self.steps: list[tuple[Step, float]] = []
        self.trouble = ""
        """Why it cannot go on, or could not up to its end; in words."""

    def run(self, seconds: float) -> End | None:
        """Page, and wait for an end of it; None when none came in time, or the pager could not be heard."""
        self._began = time.monotonic()
        known: Stand | None = None
        while not self._broken_off:
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
        self.trouble = "Broken off."
        return None

    def break_off(self) -> None:
        """Let the wait be over, soon: a post that is under way has its answer first, or it would overtake the close."""
        if not self._broken_off:
            self._broken_off = True
            self._say("breaking off: closing the drill first")

    def close(self) -> bool:
        """End the drill's incident; False if it may be open still."""
        for attempt in range(_CLOSES_AT_MOST if self._may_be_open else 0):
            if attempt:
                time.sleep(_LOOKS_EVERY)
            answer = self._post({"state": "closed"})
            if isinstance(answer, Stand) and answer.state == "resolved":
                self._took(Step("closed", "closed"))
                return True
        return not self._may_be_open

    @property
    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _wait_until(self, seconds: float) -> None:
        while not self._broken_off and self._passed < seconds:
            time.sleep(_BLINK)

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


_TITLE = "DRILL: please acknowledge"
_TEXT = "Nothing is wrong: somebody tries whether a page arrives, and how soon it is answered."


def _where(url: str | None) -> tuple[str, str]:
    """Where the pager is, and its token; exits with 2 where that is not known."""
    try:
        settings = settings_from_environment()
        address = read_settings({"PUBLIC_URL": url}).public_url if url else settings.public_url
    except SettingsError as error:
        give_up(error)
    missing = [
        words
        for words, value in (("PUBLIC_URL (or --url)", address), ("WEBHOOK_TOKEN", settings.webhook_token))
        if not value
    ]
    if missing:
        give_up(f"{' and '.join(missing)} must be set, as for the deployed pager: in the environment or in .env.yaml")
    return address, settings.webhook_token


def _still_open(ref: str) -> str:
    which = f"#{ref}" if ref else "it"
    return f"IT MAY GO ON PAGING: the drill could not be closed. Acknowledge {which}: reply `ack`, or use the link."


@contextmanager
def _told_to_end(end: Callable[[], None]) -> Iterator[None]:
    """Let every signal that ends a process call `end` instead, so that nothing is left paging."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        end()

    before = {one: signal.signal(one, handle) for one in _ENDS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
