"""What else an account at Twilio shows: its state, its numbers, its Messaging Service, and what is left to spend.

Read only, as the pager reads it. Shapes: https://www.twilio.com/docs/iam/api/account, .../phone-numbers/api/
incomingphonenumber-resource, .../messaging/api/service-resource, .../usage/api/balance (as recorded in help articles).
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field

from tests.end_to_end.serving import Answer, Lost, Request, json_answer
from tests.end_to_end.twilio_api import ACCOUNT, KEY, KEY_SECRET, NUMBER, PATH, SERVICE, SERVICE_NUMBER, error

_BASE = f"/2010-04-01/Accounts/{ACCOUNT}"
_BY_KEY = f"Basic {b64encode(f'{KEY}:{KEY_SECRET}'.encode()).decode()}"


@dataclass(eq=False)
class Account:
    """All of it may be set while the fake runs."""

    status: str = "active"
    kind: str = "Full"
    balance: str | None = "12.29"
    currency: str = "USD"
    numbers: list[str] = field(default_factory=lambda: [NUMBER, SERVICE_NUMBER])
    can_text: bool = True
    sms_method: str = "POST"
    application: str = ""
    """A TwiML app that takes what is texted to the numbers."""
    pool: list[str] = field(default_factory=lambda: [SERVICE_NUMBER])
    number_decides: bool = False
    """Each number of the service says for itself where its texts go."""
    key_reads: frozenset[str] = frozenset({"Messages", "IncomingPhoneNumbers", "Services", "Balance"})
    """What the API key may read: all but the account, as a Standard key."""
    lost: dict[str, Lost | Answer] = field(default_factory=dict)
    """By resource: what comes back instead."""

    def refusal(self, request: Request) -> Answer | Lost | None:
        """Why this is not answered, or how else; None where it is."""
        resource = _resource_of(request.path)
        if resource in self.lost:
            return self.lost[resource]
        if request.headers.get("Authorization") != _BY_KEY or resource in self.key_reads:
            return None
        return error(20003 if resource == "Account" else 70051)

    def answer(self, request: Request, sms_url: str) -> Answer | None:
        """What is shown; None for a path of something else. `sms_url`: where what is texted to us goes."""
        match _resource_of(request.path):
            case "Account" if request.path == f"{_BASE}.json":
                return json_answer(200, {"sid": ACCOUNT, "status": self.status, "type": self.kind})
            case "Balance":
                return json_answer(200, {"account_sid": ACCOUNT, "balance": self.balance, "currency": self.currency})
            case "IncomingPhoneNumbers":
                return self._numbers(request.query.get("PhoneNumber", ""), sms_url)
            case "Services":
                return self._service(request.path, sms_url)
        return None

    def _numbers(self, part: str, sms_url: str) -> Answer:
        found = [number for number in self.numbers if part in number]
        shown = [
            {
                "phone_number": number,
                "capabilities": {"voice": True, "sms": self.can_text, "mms": False, "fax": False},
                "sms_url": sms_url,
                "sms_method": self.sms_method,
                "sms_application_sid": self.application,
            }
            for number in found
        ]
        return json_answer(200, {"incoming_phone_numbers": shown, "page": 0, "page_size": 50})

    def _service(self, path: str, sms_url: str) -> Answer:
        found = re.fullmatch("/v1/Services/([^/]+)(/PhoneNumbers)?", path)
        if not found or found[1] != SERVICE:
            return error(20404)
        if found[2]:
            pool = [{"phone_number": number, "capabilities": ["SMS"]} for number in self.pool]
            return json_answer(200, {"phone_numbers": pool, "meta": {"page": 0}})
        service = {"sid": SERVICE, "inbound_request_url": sms_url, "inbound_method": self.sms_method}
        return json_answer(200, {**service, "use_inbound_webhook_on_number": self.number_decides})


def _resource_of(path: str) -> str:
    if path.startswith("/v1/Services/"):
        return "Services"
    if path.startswith(PATH):
        return "Messages"
    named = re.match(f"{_BASE}/([A-Za-z]+)", path)
    return named[1] if named else "Account"
