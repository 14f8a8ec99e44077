"""Every kind of request that the pager makes of Twilio, at a strict mock of Twilio's API.

`python -m tests.reference.prism` starts Prism (https://github.com/stoplightio/prism) on 127.0.0.1 with Twilio's own
description of its API, and sends it what the real channel sends. It ends with 1 if one request was not accepted.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import click
import msgspec

from notifier.channels.twilio import Twilio
from notifier.channels.wire import Reply, Wire
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from tests.builders import ROOT
from tests.channels.support import PHONE, make_message, soon

PRISM = "@stoplight/prism-cli@5.14.2"
SPEC = ROOT.parent / "shared" / "vectors" / "twilio_messages_openapi.augmented.json"
HOW_TO_GET_THE_SPEC = (
    "Twilio publishes it as spec/json/twilio_api_v2010.json in https://github.com/twilio/twilio-oai: "
    "download it and give its path with --spec. It lets some wrong requests pass; which ones is shown at the end"
)
UP_WITHIN = 180.0
"""Seconds. The first time npx installs 185 packages."""
PATH = "/2010-04-01/Accounts/{AccountSid}/Messages.json"

ACCOUNT = "AC" + "a" * 32
SERVICE = "MG" + "a" * 32
KEY = "SK" + "0" * 32
SECRET = "not-a-real-auth-token"
SENDER = "+15005550006"
REPORT_URL = (
    "https://pager.example.com/twilio/status?incident=00112233445566778899aabbccddeeff&delivery=opened%2Fsms%2F0%2F1"
)

BY_TOKEN: dict[str, Any] = {"account_sid": ACCOUNT, "auth_token": SECRET, "sender": SENDER, "phones": (PHONE,)}
BY_SERVICE = BY_TOKEN | {"sender": SERVICE}
BY_KEY = BY_TOKEN | {"auth_token": "", "api_key": KEY, "api_secret": SECRET}

SENT: dict[str, tuple[dict[str, Any], Message]] = {
    "from a number": (BY_TOKEN, make_message()),
    "from a service": (BY_SERVICE, make_message()),
    "from a number, all fields": (BY_TOKEN, make_message(report_url=REPORT_URL)),
    "from a service, all fields": (BY_SERVICE, make_message(report_url=REPORT_URL)),
    "signed in with a key": (BY_KEY, make_message(report_url=REPORT_URL)),
    "in UCS-2, with a line feed": (BY_TOKEN, make_message(sms="Größe & Co: 100% + 1 = 2 (π) 😀\nnext line #7F3K")),
    "of ten segments": (BY_TOKEN, make_message(sms="x" * 1_524 + " #7F3K")),
}

WRONG = (
    {"To": "banana"},
    {"Body": ""},
    {"Body": "x" * 1_601},
    {"ValidityPeriod": "soon"},
    {"ValidityPeriod": "36001"},
    {"RiskCheck": "maybe"},
)
"""What the mock has to refuse, one field each: from one that refuses none of them, to be accepted means nothing."""
RIGHT = {"To": PHONE, "From": SENDER, "Body": "hello"}


class Seen(msgspec.Struct, frozen=True):
    """One request of ours, and what the mock made of it."""

    method: str
    fields: frozenset[str]
    status: int | None
    """None: no answer."""


class Case(msgspec.Struct, frozen=True):
    """One kind of request."""

    name: str
    seen: tuple[Seen, ...]
    trouble: str
    """Empty: all as it should be."""


class Watched(Wire):
    """The real wire, which remembers what went over it.

    `refuse_callback`: the answers to a post with an address for reports become Twilio's 21609, once the mock has
    judged the request.
    """

    def __init__(self, *, refuse_callback: bool = False) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self._refuse_callback = refuse_callback

    def post(
        self,
        url: str,
        body: bytes,
        *,
        deadline: float,
        headers: Mapping[str, str],
        auth: tuple[str, str] | None = None,
    ) -> Reply | Outcome:
        answer = super().post(url, body, deadline=deadline, headers=headers, auth=auth)
        fields = self._note("POST", body.decode(), answer)
        if self._refuse_callback and "StatusCallback" in fields and isinstance(answer, Reply):
            return Reply(host=answer.host, status=400, body=b'{"code": 21609, "status": 400}')
        return answer

    def get(
        self,
        url: str,
        *,
        deadline: float,
        headers: Mapping[str, str],
        auth: tuple[str, str] | None = None,
        most: int = 0,
    ) -> Reply | Outcome:
        answer = super().get(url, deadline=deadline, headers=headers, auth=auth, most=most)
        self._note("GET", urlsplit(url).query, answer)
        return answer

    def _note(self, method: str, form: str, answer: Reply | Outcome) -> frozenset[str]:
        fields = frozenset(name for name, _ in parse_qsl(form, keep_blank_values=True, strict_parsing=True))
        self.seen.append(Seen(method, fields, answer.status if isinstance(answer, Reply) else None))
        return fields


def cases(api_url: str, spec: dict[str, Any]) -> Iterator[Case]:
    """Send every kind of request to the mock at `api_url`, and judge each. `spec`: what it serves."""
    known = {"POST": _fields_of_a_text(spec), "GET": _fields_of_the_list(spec)}
    for name, (settings, message) in SENT.items():
        yield _case(f"a text {name}", known, Watched(), _sending(message, api_url, settings))
    for name, settings in (("a number", BY_TOKEN), ("a service", BY_SERVICE)):
        message = make_message(report_url=REPORT_URL)
        watched = Watched(refuse_callback=True)
        case = _case(f"a text from {name}, refused with 21609", known, watched, _sending(message, api_url, settings))
        yield case if len(case.seen) == 2 else msgspec.structs.replace(case, trouble="it was not sent again")
    for name, settings in (("the token", BY_TOKEN), ("a key", BY_KEY)):
        yield _case(f"the list, signed in with {name}", known, Watched(), _listing(api_url, settings))


def wrongly_accepted(api_url: str) -> list[str]:
    """What a mock that is strict would have refused, and this one did not."""
    accepted = []
    for wrong in WRONG:
        answer = Wire().post(
            api_url + PATH.replace("{AccountSid}", ACCOUNT),
            urlencode(RIGHT | wrong).encode(),
            deadline=soon(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            auth=(ACCOUNT, SECRET),
        )
        if not isinstance(answer, Reply) or answer.status < 400:
            accepted.append(", ".join(f"{name}={value[:20]}" for name, value in wrong.items()))
    return accepted


def _sending(message: Message, api_url: str, settings: dict[str, Any]) -> Callable[[Wire], str]:
    def send(wire: Wire) -> str:
        outcome = Twilio(wire, api_url=api_url, **settings).send(message, soon())
        return "" if outcome.result is Result.SENT and outcome.provider_id else f"{outcome.result}: {outcome.detail}"

    return send


def _listing(api_url: str, settings: dict[str, Any]) -> Callable[[Wire], str]:
    def look_up(wire: Wire) -> str:
        # Up to now: the example the mock answers with is old, and has more pages than one.
        return Twilio(wire, api_url=api_url, **settings).look_up(0, datetime.now(UTC), soon()).trouble

    return look_up


def _case(name: str, known: dict[str, set[str]], wire: Watched, send: Callable[[Wire], str]) -> Case:
    trouble = send(wire)
    for one in wire.seen:
        expected = {"POST": 201, "GET": 200}[one.method]
        if one.status != expected:
            trouble = f"a {one.method} was answered with {one.status}, and not with {expected}: {trouble}"
        if strange := one.fields - known[one.method]:
            # Prism lets a field pass that the description does not name.
            trouble = f"Twilio knows no {', '.join(sorted(strange))}"
    return Case(name, tuple(wire.seen), trouble)


def _fields_of_a_text(spec: dict[str, Any]) -> set[str]:
    content = spec["paths"][PATH]["post"]["requestBody"]["content"]
    return set(content["application/x-www-form-urlencoded"]["schema"]["properties"])


def _fields_of_the_list(spec: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in spec["paths"][PATH]["get"]["parameters"] if parameter["in"] == "query"}


@contextmanager
def prism(spec: Path) -> Iterator[str]:
    """The base URL of Prism serving `spec`, up until the block ends. Raises click.ClickException."""
    if not shutil.which("npx"):
        raise click.ClickException(
            "Prism needs npx, which comes with Node.js; on Debian and Ubuntu: apt-get install npm"
        )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    command = ["npx", "--yes", PRISM, "mock", "-h", "127.0.0.1", "-p", str(port), str(spec)]
    with tempfile.TemporaryFile() as output:
        # A session of its own: npx has children, and all of them are ended by its number.
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            _wait(process, port, output)
            yield f"http://127.0.0.1:{port}"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)


def _wait(process: subprocess.Popen[bytes], port: int, output: IO[bytes]) -> None:
    until = time.monotonic() + UP_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.2)
    output.seek(0)
    said = output.read()[-2_000:].decode(errors="replace").strip()
    raise click.ClickException(f"Prism did not come up ({' '.join(process.args)}):\n{said}")  # type: ignore[arg-type]


@click.command()
@click.option(
    "--spec", default=SPEC, show_default=True, type=click.Path(path_type=Path), help="The API's OpenAPI file."
)
@click.option("--url", help="A mock that runs already, instead of one of our own.")
def main(*, spec: Path, url: str | None) -> None:
    """Send every kind of request to Twilio's API, as Prism mocks it, and see that each is accepted."""
    if not spec.is_file():
        raise click.ClickException(f"{spec} is not here. {HOW_TO_GET_THE_SPEC}")
    described = json.loads(spec.read_text("utf-8"))
    if url:
        sys.exit(_show(url.rstrip("/"), described))
    with prism(spec) as base:
        wrong = _show(base, described)
    sys.exit(wrong)


def _show(api_url: str, spec: dict[str, Any]) -> bool:
    shown = list(cases(api_url, spec))
    for case in shown:
        statuses = ", ".join(f"{one.method} {one.status}" for one in case.seen)
        click.echo(f"{case.name}: {statuses}{f'  NOT ACCEPTED: {case.trouble}' if case.trouble else ''}")
    lax = wrongly_accepted(api_url)
    for what in lax:
        click.echo(f"the mock is not strict: it accepts {what}")
    requests = sum(len(case.seen) for case in shown)
    refused = sum(bool(case.trouble) for case in shown)
    click.echo(
        f"{requests} requests of {len(shown)} kinds, {refused} kinds not accepted;"
        f" {len(WRONG) - len(lax)} of {len(WRONG)} wrong requests refused"
    )
    return bool(refused) or len(lax) == len(WRONG)


if __name__ == "__main__":
    main()
