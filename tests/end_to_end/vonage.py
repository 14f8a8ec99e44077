"""Vonage's SMS API on 127.0.0.1: takes texts, and remembers them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from tests.end_to_end.serving import Answer, Reaction, Request, Server, json_answer, serving

KEY, SECRET, SENDER = "abcd1234", "vonage-secret-of-no-worth", "Pager"


class FakeVonage:
    """One account. Use it by `fake_vonage`."""

    def __init__(self) -> None:
        self.texts: list[dict[str, str]] = []
        """The form of each that was taken."""
        self.balance = 3.14
        self.server: Server

    @property
    def settings(self) -> dict[str, str]:
        """Settings that make it stand in for Twilio."""
        return {
            "SMS_FALLBACK": "vonage",
            "SMS_FALLBACK_FROM": SENDER,
            "SMS_FALLBACK_URL": self.server.url,
            "VONAGE_API_KEY": KEY,
            "VONAGE_API_SECRET": SECRET,
        }

    def react(self, request: Request) -> Reaction:
        """It answers 200 to whatever is posted there (https://developer.vonage.com/en/api/sms)."""
        if (request.method, request.path) == ("GET", "/account/get-balance"):
            return Reaction(self._balance(request))
        if (request.method, request.path) != ("POST", "/sms/json"):
            return Reaction(Answer(404))
        form = request.form
        if request.headers.get("Authorization") != _CREDENTIALS:
            return Reaction(_answer({"status": "4", "error-text": "Bad Credentials"}))
        missing = [name for name in ("to", "from", "text") if not form.get(name)]
        if missing or not form["to"].isdecimal():
            return Reaction(_answer({"status": "3" if form.get("to") else "2", "error-text": "Invalid parameter"}))
        self.texts.append(form)
        taken = {"to": form["to"], "message-id": f"0A00000012345{len(self.texts):03}", "status": "0"}
        return Reaction(_answer({**taken, "remaining-balance": "3.14159265", "message-price": "0.03330000"}))

    def _balance(self, request: Request) -> Answer:
        """https://developer.vonage.com/en/api/account#getAccountBalance."""
        if request.headers.get("Authorization") != _CREDENTIALS:
            return json_answer(401, {"error-code": "401", "error-code-label": "authentication failed"})
        return json_answer(200, {"value": self.balance, "autoReload": False})


_CREDENTIALS = f"Basic {b64encode(f'{KEY}:{SECRET}'.encode()).decode()}"


def _answer(part: dict[str, str]) -> Answer:
    """Of a text that is not cut into parts."""
    return json_answer(200, {"message-count": "1", "messages": [part]})


@contextmanager
def fake_vonage() -> Iterator[FakeVonage]:
    """Vonage, up until the block ends."""
    vonage = FakeVonage()
    with serving(vonage.react) as server:
        vonage.server = server
        yield vonage
