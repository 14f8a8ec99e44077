"""Twilio: who we are there, from which number, where its answers go, what we may read, and what is left to spend.

Everything is a GET: nothing is texted, and nothing is changed. What none of it shows is whether a text arrives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from notifier.channels.sms import UNREADABLE
from notifier.channels.twilio_errors import ERRORS, words_of
from notifier.channels.wire import Reply, Wire, mask_phone
from notifier.core.outcome import Outcome
from notifier.probes.probe import Probe, Shown, failed, odd, proven, skipped, unanswered, warned

ENOUGH = 100
"""Texts: with money for fewer somebody should look, as a bad week takes a few hundred."""
_HEADERS = {"Accept": "application/json"}
_BAD_CREDENTIALS = 20003

Answer = TypeVar("Answer", bound=msgspec.Struct)


class TwilioProbes:
    """What can be tried of one account."""

    def __init__(  # noqa: PLR0913 what Twilio needs to know
        self,
        wire: Wire,
        *,
        account_sid: str,
        auth_token: str,
        api_key: str,
        api_secret: str,
        sender: str,
        api_url: str,
        answers_url: str,
        text_price: float,
    ) -> None:
        """`answers_url`: where Twilio is to post what people text; empty where nobody could take it.

        `text_price`: USD for the longest text that is sent. The others as of channels.twilio.
        """
        self._wire = wire
        self._api_url = api_url.rstrip("/")
        self._account = f"{self._api_url}/2010-04-01/Accounts/{quote(account_sid, safe='')}"
        self._sends_as = (api_key, api_secret) if api_key else (account_sid, auth_token)
        self._token = (account_sid, auth_token) if auth_token else None
        self._sender = sender
        self._answers_url = answers_url
        self._text_price = text_price

    def all(self) -> Iterator[Probe]:
        yield Probe("Twilio account", self.account)
        yield Probe("Twilio texts", self.texts)
        service = self._sender.startswith("MG")
        yield Probe("Twilio sender", self.service_sender if service else self.number_sender)
        if self._answers_url:
            yield Probe("Twilio answers", self.service_answers if service else self.number_answers)
        yield Probe("Twilio balance", self.balance)

    def account(self, deadline: float) -> Shown:
        """Its state (https://www.twilio.com/docs/iam/api/account).

        Asked with the token where there is one: of all keys a Main key alone may read it
        (https://www.twilio.com/docs/api/errors/20003).
        """
        answer = self._get(f"{self._account}.json", deadline, self._token or self._sends_as)
        if isinstance(answer, Reply) and not self._token and answer.status in (401, 403):
            words = (
                "the API key may not read the account, as is usual for a key: its state is shown in the console only"
            )
            return skipped(words)
        found = self._read(answer, _Account)
        if isinstance(found, Shown):
            return found
        if found.status != "active":
            return failed(f"the account is {found.status or 'in no known state'}: top it up, or ask Twilio's support")
        if (found.type or "").casefold() == "trial":
            words = "it is a trial account, which texts verified numbers alone, and may refuse our words: upgrade it"
            return warned(words)
        return proven("the credentials are taken, the account is active")

    def texts(self, deadline: float) -> Shown:
        """Whether the credentials that send may read the list
        (https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources).
        """  # noqa: D205 - an address is long
        answer = self._get(f"{self._account}/Messages.json?PageSize=1", deadline, self._sends_as)
        found = self._read(answer, _Messages)
        if isinstance(found, Shown):
            return found
        by = "the API key is" if self._sends_as[0].startswith("SK") else "the credentials are"
        return proven(f"{by} taken, and may read the list of texts, in which a lost answer is looked up")

    def number_sender(self, deadline: float) -> Shown:
        """Whether the number is the account's, and can text."""
        number = self._number(deadline)
        if isinstance(number, Shown):
            return number
        return self._can_text(number)

    def number_answers(self, deadline: float) -> Shown:
        """Whether what is texted to the number comes to us."""
        number = self._number(deadline)
        if isinstance(number, Shown):
            return number
        where = "the number's Messaging, A message comes in"
        if number.sms_application_sid:
            # "we ignore all of the sms_*_url urls and use those of the application"
            return failed(
                f"a TwiML app takes what is texted to it, so nobody can answer by text: take it out of {where}"
            )
        return self._goes_to(number.sms_url, number.sms_method, where)

    def service_sender(self, deadline: float) -> Shown:
        """Whether the service is there, and has a number in its pool."""
        answer = self._get(f"{self._service}/PhoneNumbers?PageSize=50", deadline, self._sends_as)
        found = self._read(answer, _Pool, {20404: 21701})
        if isinstance(found, Shown):
            return found
        numbers = [mask_phone(one.phone_number or "") for one in found.phone_numbers]
        if not numbers:
            # A short code, or a name: those are listed elsewhere, and neither is usual here.
            return warned("the Messaging Service has no number in its pool: add one, unless another kind of sender is")
        return proven(f"the Messaging Service has {len(numbers)} of our numbers: {', '.join(numbers[:3])}")

    def service_answers(self, deadline: float) -> Shown:
        """Whether what is texted to a number of the service comes to us
        (https://www.twilio.com/docs/messaging/api/service-resource).
        """  # noqa: D205
        answer = self._get(self._service, deadline, self._sends_as)
        found = self._read(answer, _Service, {20404: 21701})
        if isinstance(found, Shown):
            return found
        where = "the service's Integration, Send a webhook"
        if found.use_inbound_webhook_on_number:
            words = f"each number of the service says for itself where its texts go: see that each says {self._answers}"
            return warned(words)
        return self._goes_to(found.inbound_request_url, found.inbound_method, where)

    def balance(self, deadline: float) -> Shown:
        """What is left (https://help.twilio.com/articles/360025294494)."""
        answer = self._get(f"{self._account}/Balance.json", deadline, self._token or self._sends_as)
        if isinstance(answer, Reply) and answer.status in (401, 403):
            return skipped("these credentials may not read the balance: see it in the console")
        found = self._read(answer, _Balance)
        if isinstance(found, Shown):
            return found
        try:
            left = float(found.balance or "")
        except ValueError:
            return skipped("Twilio tells no balance, as of a subaccount: see its main account's in the console")
        money = f"{left:.2f} {found.currency or ''}".strip()
        texts = int(left / self._text_price) if self._text_price and found.currency == "USD" else None
        if left <= 0:
            return warned(f"{money} is left: top it up, unless the account is one that pays by invoice")
        if texts is not None and texts < ENOUGH:
            return warned(f"{money} is left, about {texts} texts: top it up")
        return proven(f"{money} is left" + (f", about {texts} texts" if texts is not None else ""))

    @property
    def _service(self) -> str:
        # Another host of the same region: api.dublin.ie1.twilio.com has messaging.dublin.ie1.twilio.com beside it.
        base = re.sub(r"^https://api\.", "https://messaging.", self._api_url)
        return f"{base}/v1/Services/{quote(self._sender, safe='')}"

    def _number(self, deadline: float) -> _Number | Shown:
        """Ours, as the account has it (https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource)."""
        query = urlencode({"PhoneNumber": self._sender})
        answer = self._get(f"{self._account}/IncomingPhoneNumbers.json?{query}", deadline, self._sends_as)
        found = self._read(answer, _Numbers)
        if isinstance(found, Shown):
            return found
        # The filter finds parts of numbers, too.
        numbers = [one for one in found.incoming_phone_numbers if one.phone_number == self._sender]
        return numbers[0] if numbers else failed(f"{mask_phone(self._sender)}: {words_of(21606)}")

    def _can_text(self, number: _Number) -> Shown:
        shown = mask_phone(self._sender)
        if not number.capabilities.sms:
            return failed(f"{shown} is the account's, but can send no texts: set TWILIO_FROM to one that can")
        return proven(f"{shown} is the account's, and can text; whether the US lets it, the first text shows (30034)")

    @property
    def _answers(self) -> str:
        return "PUBLIC_URL/twilio/sms"

    def _goes_to(self, url: str | None, method: str | None, where: str) -> Shown:
        if not url:
            return failed(f"what is texted to it goes nowhere: set {where} to {self._answers}, by POST")
        if url.partition("#")[0] != self._answers_url:
            host = urlsplit(url).hostname or "no web address"
            words = f"what is texted to it goes elsewhere ({host}): set {where} to {self._answers}, by POST"
            return failed(words)
        if (method or "POST").upper() != "POST":
            return failed(f"what is texted to it comes by {method}, which we do not take: set {where} to POST")
        return proven("what is texted to it comes to PUBLIC_URL/twilio/sms by POST, as replies need it")

    def _get(self, url: str, deadline: float, auth: tuple[str, str]) -> Reply | Outcome:
        return self._wire.get(url, deadline=deadline, headers=_HEADERS, auth=auth)

    def _read(
        self, answer: Reply | Outcome, kind: type[Answer], instead: dict[int, int] | None = None
    ) -> Answer | Shown:
        """What an answer holds; what is to be shown where it holds none. `instead`: codes that mean another here."""
        if isinstance(answer, Outcome):
            return unanswered(answer, "TWILIO_API_URL")
        try:
            if answer.status == 200:  # noqa: PLR2004 OK
                return msgspec.json.decode(answer.body, type=kind, strict=False)
            code = msgspec.json.decode(answer.body, type=_Error, strict=False).code
        except UNREADABLE:
            return odd(answer, *self._secrets)
        code = (instead or {}).get(code or 0, code)
        if code is None or (code not in ERRORS and answer.status == 401):  # noqa: PLR2004 unauthorized
            code = _BAD_CREDENTIALS if answer.status == 401 else code  # noqa: PLR2004
        return failed(words_of(code)) if code in ERRORS else odd(answer, *self._secrets)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._sends_as[1], *(self._token or ()))


class _Error(msgspec.Struct):
    code: int | None = None


class _Account(msgspec.Struct):
    status: str | None = None
    type: str | None = None


class _Messages(msgspec.Struct):
    messages: list[object]


class _Capabilities(msgspec.Struct):
    sms: bool = False


class _Number(msgspec.Struct):
    phone_number: str | None = None
    capabilities: _Capabilities = msgspec.field(default_factory=_Capabilities)
    sms_url: str | None = None
    sms_method: str | None = None
    sms_application_sid: str | None = None


class _Numbers(msgspec.Struct):
    incoming_phone_numbers: list[_Number]


class _Pooled(msgspec.Struct):
    """Its capabilities are a list here, and no object."""

    phone_number: str | None = None


class _Pool(msgspec.Struct):
    phone_numbers: list[_Pooled]


class _Service(msgspec.Struct):
    sid: str
    inbound_request_url: str | None = None
    inbound_method: str | None = None
    use_inbound_webhook_on_number: bool = False


class _Balance(msgspec.Struct):
    balance: str | None = None
    currency: str | None = None
