"""Twilio, Slack and Discord on 127.0.0.1: they take what is posted, answer as the real ones do, and remember it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.end_to_end.serving import Answer, Reaction, Request, Server, json_answer, serving
from tests.end_to_end.twilio import FakeTwilio, fake_twilio
from tests.end_to_end.twilio_api import Text


class Providers:
    """What the providers took, in the order it came."""

    def __init__(self, twilio: FakeTwilio) -> None:
        self.twilio = twilio
        self.slack: list[dict[str, Any]] = []
        self.discord: list[dict[str, Any]] = []
        self.server: Server
        self._lock = threading.Lock()

    @property
    def settings(self) -> dict[str, str]:
        """Settings that lead every HTTP channel here."""
        url = self.server.url
        return {**self.twilio.settings, "SLACK_WEBHOOK_URL": f"{url}/slack", "DISCORD_WEBHOOK_URL": f"{url}/discord"}

    @property
    def texts(self) -> list[Text]:
        return self.twilio.texts

    def set_latency(self, latency: Callable[[], float]) -> None:
        """Seconds before something is taken, and again before it is answered."""
        self.server.latency = self.twilio.server.latency = latency

    def posts_of(self, ref: str) -> list[str]:
        """The first lines of what Slack took about one incident, alone or among others."""
        return [line for post in self.slack for line in first_lines(post) if line.endswith(f"#{ref}")]

    def texts_of(self, ref: str) -> list[Text]:
        return self.twilio.texts_of(ref)

    def react(self, request: Request) -> Reaction:
        """Slack's and Discord's."""
        post = json.loads(request.body)
        with self._lock:
            if request.path == "/slack":
                self.slack.append(post)
                return Reaction(Answer(200, "text/plain", b"ok"))
            self.discord.append(post)
            return Reaction(json_answer(200, {"id": "1"}))


def tells_of_several(first_line: str) -> bool:
    """Whether a message that begins so is one of many told in one."""
    return first_line.partition(" ")[2].startswith("alerts: ")


def first_lines(post: dict[str, Any]) -> list[str]:
    """The first line of a post of Slack's; of one that tells of several incidents, those of each."""
    if not tells_of_several(post["text"]):
        return [post["text"]]
    blocks = post["attachments"][0]["blocks"]
    return [block["text"]["text"].partition(" · <")[0] for block in blocks]


def first_lines_on_discord(post: dict[str, Any]) -> list[str]:
    """The same of a post of Discord's, without its marks."""
    lines = [post["content"]]
    if tells_of_several(post["content"]):
        lines = [line.partition(" · [")[0] for line in post["embeds"][0]["description"].splitlines()]
    return [line.replace("**", "").replace("\\", "") for line in lines]


@contextmanager
def providers(public_url: str = "", deliver_to: str = "") -> Iterator[Providers]:
    """The providers, up until the block ends. The addresses are those of `fake_twilio`."""
    with fake_twilio(public_url, deliver_to) as twilio:
        taken = Providers(twilio)
        with serving(taken.react) as server:
            taken.server = server
            yield taken
