"""Texts by Twilio's own library (bench.sms): its address, account, token, sender, phone, how many, and where."""

# ruff: noqa: E402 - the import is what is measured
import sys
import time

if sys.argv.pop() == "pager":
    import notifier.channels.slack
    import notifier.relay  # noqa: F401 - what a pager without texts has imported anyway

BEGAN = time.perf_counter(), time.process_time()

from typing import Any

from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

url, account, token, sender, phone, texts = sys.argv[1:]


class Here(TwilioHttpClient):  # type: ignore[misc]  # the library is untyped
    """The library's own client, but for where Twilio is."""

    def request(self, method: str, address: str, *args: Any, **options: Any) -> Any:
        return super().request(method, address.replace("https://api.twilio.com", url), *args, **options)


client = Client(account, token, http_client=Here(timeout=10))


def send(body: str) -> None:
    client.messages.create(to=phone, from_=sender, body=body, validity_period=300, risk_check="disable")


if __name__ == "__main__":
    from bench.senders._sending import measure

    measure(BEGAN, send, int(texts))
