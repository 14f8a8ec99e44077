"""drill: a real page to whoever is on call, through the deployed pager, and how long each step of it took."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from urllib.parse import urlsplit

import click
import msgspec

from notifier.cli.drill_steps import End, advice
from notifier.cli.drilling import Drill
from notifier.cli.length import LENGTH
from notifier.cli.pager import give_up
from notifier.core.wording import duration
from notifier.settings import SettingsError, read_settings, settings_from_environment
from notifier.wiring import SystemClock

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
        click.echo("nothing was sent", err=True)
        sys.exit(1)
    call = Drill(address, token, say=(lambda _: None) if as_json else click.echo, clock=SystemClock())
    with _told_to_end(call.break_off):
        try:
            end = call.run(wait.total_seconds())
        finally:
            closed = call.close()
    why = call.trouble or advice(end, call.ref)
    if end is None and not call.trouble:
        why = "Broken off." if call.broken_off else f"After {duration(wait)}: {why}"
    if as_json:
        steps = [{"step": step.name, "what": step.words, "seconds": seconds} for step, seconds in call.steps]
        outcome = end.value if end else "unheard" if call.trouble else "not acknowledged"
        content = {"pager": host, "ref": call.ref, "outcome": outcome, "why": why, "steps": steps, "closed": closed}
        click.echo(msgspec.json.encode(content))
    elif why:
        click.echo(why, err=True)
    if not closed:
        click.echo(_still_open(call.ref), err=True)
    sys.exit(0 if end is End.ACKNOWLEDGED and closed else 1)


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
        # Not by click: the signal may come in the middle of what that prints.
        os.write(2, b"closing the drill first ...\n")
        end()

    before = {one: signal.signal(one, handle) for one in _ENDS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
