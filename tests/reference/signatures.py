"""Our answer to X-Twilio-Signature beside that of Twilio's own library, on random requests.

`python -m tests.reference.signatures --requests 10000 --seed 1` makes them, and ends with 1 when one was answered in
another way. Ours goes the whole way from the bytes of a request, theirs is given the address and the fields.

No difference is expected. Left out are addresses of which their library cuts the port in the wrong place, and which
PUBLIC_URL cannot have or Twilio cannot reach: with a user name, and of an IPv6 host; and a "?" that nothing follows,
which no server shows to its application.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, quote_plus, urlencode

from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from notifier.auth import Forged, TwilioSignatures, twilio_signature
from notifier.callbacks import Callbacks
from notifier.core.report import Report

HOSTS = (
    "pager.example.com",
    "notifier-000000000000.europe-west1.run.app",
    "Pager.Example.com",
    "127.0.0.1",
    "localhost",
)
PORTS = ("", "", "", ":443", ":80", ":8443", ":1234", ":0443")
FOLDERS = ("", "", "/alert", "/a/b.c~d_e-f", "/%41/x")
PATHS = ("/twilio/status", "/twilio/sms", "/", "//", "/a;b=c", "/a%2Fb")
QUERY_LETTERS = "abcXYZ019-._~%/&&==++'!$*,;:@?()[]|\\^`{}\"<>"
NAMES = ("MessageSid", "MessageStatus", "Body", "body", "From", "FromCity", "Sid", "SidAccount", "_", "é", "a b", "")
LETTERS = "abAB01  ++&=%#;\n\t\r\0\"'é\u0301你👍\ufffd\u00a0\u2028\uffff"


class Request(NamedTuple):
    """One that Twilio may make."""

    token: str
    public_url: str
    path: str
    query: str
    fields: tuple[tuple[str, str], ...]

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def url(self) -> str:
        return self.public_url + self.target


def ours(request: Request, signature: str, encode: Callable[..., str]) -> bool:
    """Whether the pager lets it in. `encode`: how the form's signs are written, one of the two in use."""
    callbacks = Callbacks(
        account_sid="",
        signatures=TwilioSignatures(auth_tokens=(request.token,), public_url=request.public_url),
        phones=(),
        judge=lambda _status, _code: Report(),
    )
    body = urlencode(request.fields, quote_via=encode).encode()
    try:
        callbacks.admit(request.path, request.query, body, signature)
    except Forged:
        return False
    return True


def theirs(request: Request, signature: str) -> bool:
    """Whether Twilio's library says that it is Twilio's."""
    return bool(RequestValidator(request.token).validate(request.url, MultiDict(request.fields), signature))


def signed_by_theirs(request: Request) -> str:
    return str(RequestValidator(request.token).compute_signature(request.url, MultiDict(request.fields)))


def signed_by_ours(request: Request) -> str:
    return twilio_signature(request.token, request.url, request.fields)


class Maker:
    """Makes requests, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def request(self) -> Request:
        choose = self._random.choice
        return Request(
            token=choose(("not-a-real-auth-token", "0" * 32, "é", self._word())) or "x",
            public_url=f"{choose(('https', 'https', 'http'))}://{choose(HOSTS)}{choose(PORTS)}{choose(FOLDERS)}",
            path=choose(PATHS),
            query=self._text(QUERY_LETTERS, 30),
            fields=tuple(self._field() for _ in range(self._random.randrange(16))),
        )

    def otherwise_addressed(self, request: Request) -> Request:
        """The same to the same host, with another port or none: some of them the libraries let pass."""
        scheme, _, rest = request.public_url.partition("://")
        host, slash, folder = rest.partition("/")
        port = self._random.choice(PORTS)
        return request._replace(public_url=f"{scheme}://{host.partition(':')[0]}{port}{slash}{folder}")

    def changed(self, request: Request) -> Request:
        """Another one, which mostly differs in one letter."""
        kinds = [self._with_other_query, self._with_other_path, self._with_other_token, self._with_one_field_more]
        if request.fields:
            kinds += [
                self._with_other_field,
                self._with_moved_letter,
                self._with_field_twice,
                self._with_fields_shuffled,
            ]
        return self._random.choice(kinds)(request)

    def changed_signature(self, signature: str) -> str:
        place = self._random.randrange(len(signature))
        return signature[:place] + self._random.choice("Aa0+/=-_ ") + signature[place + 1 :]

    def encoding(self) -> Callable[..., str]:
        return self._random.choice((quote, quote_plus))

    def _with_other_query(self, request: Request) -> Request:
        return request._replace(query=self._edited(request.query, QUERY_LETTERS))

    def _with_other_path(self, request: Request) -> Request:
        return request._replace(path="/" + self._edited(request.path[1:], "abc/._-"))

    def _with_other_token(self, request: Request) -> Request:
        return request._replace(token=self._edited(request.token, "abc019"))

    def _with_one_field_more(self, request: Request) -> Request:
        return request._replace(fields=(*request.fields, self._field()))

    def _with_other_field(self, request: Request) -> Request:
        place = self._random.randrange(len(request.fields))
        name, value = request.fields[place]
        if self._random.random() < 0.5:
            name = self._edited(name, LETTERS)
        else:
            value = self._edited(value, LETTERS)
        return self._with_field(request, place, name, value)

    def _with_moved_letter(self, request: Request) -> Request:
        """Where a name ends is not signed: this one alone may be let in by both."""
        place = self._random.randrange(len(request.fields))
        name, value = request.fields[place]
        return self._with_field(request, place, name + value[:1], value[1:])

    def _with_field_twice(self, request: Request) -> Request:
        return request._replace(fields=(*request.fields, self._random.choice(request.fields)))

    def _with_fields_shuffled(self, request: Request) -> Request:
        return request._replace(fields=tuple(self._random.sample(request.fields, len(request.fields))))

    def _with_field(self, request: Request, place: int, name: str, value: str) -> Request:
        return request._replace(fields=(*request.fields[:place], (name, value), *request.fields[place + 1 :]))

    def _field(self) -> tuple[str, str]:
        return self._random.choice((*NAMES, self._word())), self._random.choice(("", "a", self._word(), self._word()))

    def _word(self) -> str:
        return self._text(LETTERS, 12)

    def _text(self, letters: str, most: int) -> str:
        return "".join(self._random.choices(letters, k=self._random.randrange(most)))

    def _edited(self, text: str, letters: str) -> str:
        """With one letter changed, left out or put in."""
        place = self._random.randrange(len(text) + 1)
        choices: list[str] = [*letters, ""]
        return text[:place] + self._random.choice(choices) + text[place + self._random.randrange(2) :]


class Comparison:
    """Asks both, and counts."""

    def __init__(self, seed: int) -> None:
        self.made = Maker(seed)
        self.counts: Counter[str] = Counter()
        self.differences: list[str] = []

    def run(self, requests: int) -> None:
        for _ in range(requests):
            self._compare(self.made.request())

    def _compare(self, request: Request) -> None:
        signature = signed_by_theirs(request)
        self._expect("our signature is theirs", request, holds=signed_by_ours(request) == signature)
        self._expect("what they sign we let in", request, holds=ours(request, signature, self.made.encoding()))
        self._expect("what we sign they let in", request, holds=theirs(request, signed_by_ours(request)))
        addressed = self.made.otherwise_addressed(request)
        self._both("signed for another port", request, signed_by_theirs(addressed))
        changed = self.made.changed(request)
        let_in = self._both("another request than was signed", changed, signature)
        same = changed.token == request.token and signed_text(changed) == signed_text(request)
        self._expect("    let in just where what is signed is the same", changed, holds=let_in == same)
        other = self.made.changed_signature(signature)
        let_in = self._both("another signature", request, other)
        self._expect("    let in just where it is the same", request, holds=let_in == (other == signature))

    def _both(self, what: str, request: Request, signature: str) -> bool:
        """Both answers, which must be one."""
        answer = theirs(request, signature)
        words = f"{what}: {'let in' if answer else 'refused'} by both"
        self._expect(words, request, holds=ours(request, signature, self.made.encoding()) == answer)
        return answer

    def _expect(self, what: str, request: Request, *, holds: bool) -> None:
        self.counts[what] += 1
        if not holds:
            self.differences.append(f"not so: {what.strip()}: {request}")


def signed_text(request: Request) -> str:
    """What the signature of a request without tolerance is over, written down for a second time."""
    by_name: dict[str, set[str]] = {}
    for name, value in request.fields:
        by_name.setdefault(name, set()).add(value)
    return request.url + "".join(name + value for name in sorted(by_name) for value in sorted(by_name[name]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.monotonic()
    comparison = Comparison(asked.seed)
    comparison.run(asked.requests)
    for what, count in comparison.counts.items():
        sys.stdout.write(f"{count:8,}  {what}\n")
    for difference in comparison.differences[:5]:
        sys.stdout.write(f"{difference}\n")
    sys.stdout.write(
        f"{asked.requests:,} requests of seed {asked.seed} in {time.monotonic() - began:.0f} s:"
        f" {len(comparison.differences)} differences\n"
    )
    sys.exit(1 if comparison.differences else 0)


if __name__ == "__main__":
    main()
