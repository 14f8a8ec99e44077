"""Every path of the function, and who may do what there: the table that the requests are made and judged by."""

from __future__ import annotations

from enum import Enum

import msgspec

from notifier.callbacks import STATUS_PATH, TEXT_PATH


class Who(Enum):
    """Whose word a path takes."""

    SENDER = "WEBHOOK_TOKEN, or a Google identity of OIDC_EMAILS"
    LINK = "whoever has the link"
    TWILIO = "Twilio's signature"
    ADMIN = "ADMIN_TOKEN, or the cookie given for it"
    ANYBODY = "anybody"


class Place(msgspec.Struct, frozen=True):
    """One path, or all that begin with it."""

    name: str
    path: str
    who: Who
    methods: tuple[str, ...]
    """Those that are answered; any other must be refused."""
    acts: tuple[str, ...] = ()
    """Those that may change the state or tell people, when whoever asks may."""
    weight: int = 1
    """How often it is asked, beside the others."""
    below: bool = False
    """Whether all paths below it are meant; else this path alone."""

    def has(self, path: str) -> bool:
        """Whether `path` is here."""
        return path.startswith(self.path) and "/" not in path[len(self.path) :] if self.below else path == self.path


PLACES = (
    Place("alerts", "/", Who.SENDER, ("POST",), ("POST",), weight=36),
    Place("tick", "/tick", Who.SENDER, ("POST",), ("POST",), weight=8),
    Place("link", "/a/", Who.LINK, ("GET", "HEAD", "POST"), ("POST",), weight=12, below=True),
    Place("report", STATUS_PATH, Who.TWILIO, ("POST",), ("POST",), weight=10),
    Place("text", TEXT_PATH, Who.TWILIO, ("POST",), ("POST",), weight=12),
    Place("health", "/health", Who.ANYBODY, ("GET", "HEAD"), weight=3),
    # A POST signs in or out, and changes a browser's cookie, never the state.
    Place("status", "/status", Who.ADMIN, ("GET", "HEAD", "POST"), weight=12),
)
ELSEWHERE = Place("elsewhere", "", Who.ANYBODY, ())
"""Where nothing is."""


def place_of(path: str) -> Place:
    """The place that `path` leads to."""
    # Werkzeug takes any number of slashes at the beginning for one.
    path = f"/{path.lstrip('/')}"
    return next((place for place in PLACES if place.has(path)), ELSEWHERE)
