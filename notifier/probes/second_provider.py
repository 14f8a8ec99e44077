"""The second provider: whether it takes our credentials, and what is left to spend there. Nothing is texted."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from notifier.channels.sms import UNREADABLE
from notifier.channels.wire import Reply, Wire
from notifier.core.outcome import Outcome
from notifier.probes.probe import Probe, Shown, failed, odd, proven, unanswered, warned

LITTLE = 1
"""Of whatever currency: some ten texts."""


def vonage(wire: Wire, *, api_key: str, api_secret: str, api_url: str) -> Probe:
    """Its balance, in EUR (https://developer.vonage.com/en/api/account#getAccountBalance)."""

    def ask(deadline: float) -> Shown:
        answer = wire.get(
            f"{api_url}/account/get-balance", deadline=deadline, headers=_HEADERS, auth=(api_key, api_secret)
        )
        if isinstance(answer, Reply) and answer.status == 401:  # noqa: PLR2004 unauthorized
            return failed("Vonage did not accept the credentials: check VONAGE_API_KEY and VONAGE_API_SECRET")
        found = _read(answer, _VonageBalance, api_secret)
        return found if isinstance(found, Shown) else _left(found.value, "EUR")

    return Probe("Vonage", ask)


def messagebird(wire: Wire, *, access_key: str, api_url: str) -> Probe:
    """Its balance (https://developers.messagebird.com/api/balance)."""

    def ask(deadline: float) -> Shown:
        headers = {**_HEADERS, "Authorization": f"AccessKey {access_key}"}
        answer = wire.get(f"{api_url}/balance", deadline=deadline, headers=headers)
        if isinstance(answer, Reply) and answer.status == 401:  # noqa: PLR2004 unauthorized
            return failed("MessageBird did not accept the key: check MESSAGEBIRD_ACCESS_KEY")
        found = _read(answer, _BirdBalance, access_key)
        if isinstance(found, Shown):
            return found
        if found.payment == "postpaid":
            return proven("the key is taken; the account pays by invoice")
        return _left(found.amount, found.type)

    return Probe("MessageBird", ask)


Answer = TypeVar("Answer", bound=msgspec.Struct)

_HEADERS = {"Accept": "application/json"}


class _VonageBalance(msgspec.Struct):
    value: float


class _BirdBalance(msgspec.Struct):
    amount: float
    payment: str = ""
    type: str = ""


def _read(answer: Reply | Outcome, kind: type[Answer], secret: str) -> Answer | Shown:
    if isinstance(answer, Outcome):
        return unanswered(answer, "SMS_FALLBACK_URL")
    if answer.status != 200:  # noqa: PLR2004 OK
        return odd(answer, secret)
    try:
        return msgspec.json.decode(answer.body, type=kind, strict=False)
    except UNREADABLE:
        return odd(answer, secret)


def _left(amount: float, currency: str) -> Shown:
    money = f"the credentials are taken, and {amount:.2f} {currency} is left"
    return proven(money) if amount >= LITTLE else warned(f"{money}: top it up")
