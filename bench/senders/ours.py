"""Texts by notifier's own channel (bench.sms): its address, account, token, sender, phone, how many, and where."""

# ruff: noqa: E402 - the import is what is measured
import sys
import time

if sys.argv.pop() == "pager":
    import notifier.channels.slack
    import notifier.relay  # noqa: F401 - what a pager without texts has imported anyway

BEGAN = time.perf_counter(), time.process_time()

from notifier.channels.twilio import Twilio
from notifier.channels.wire import Wire
from notifier.core.alert import Severity
from notifier.core.incident import Kind
from notifier.core.message import Message
from notifier.core.outcome import Result

url, account, token, sender, phone, texts = sys.argv[1:]
channel = Twilio(Wire(), account_sid=account, auth_token=token, sender=sender, phones=(phone,), api_url=url)


def send(body: str) -> None:
    message = Message(
        delivery="opened/sms/0/1",
        incident="00112233445566778899aabbccddeeff",
        generation=1,
        kind=Kind.OPENED,
        severity=Severity.CRITICAL,
        headline=body,
        body="",
        facts=(),
        url="",
        ref="7F3K",
        sms=body,
        phone=0,
    )
    outcome = channel.send(message, time.monotonic() + 10)
    if outcome.result is not Result.SENT:
        raise SystemExit(f"not sent: {outcome}")


if __name__ == "__main__":
    from bench.senders._sending import measure

    measure(BEGAN, send, int(texts))
