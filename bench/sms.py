"""notifier's Twilio channel beside Twilio's own library (python -m bench.sms).

What its import costs, each text, and the memory in the end; the same texts to the same fake Twilio on 127.0.0.1, each
sender in a process of its own, in turns. Plain http, and the fake closes each connection, so both connect anew for
every text, as notifier always does (docs/decisions/one-connection-a-send.md); the library would keep one to the real
Twilio while texts follow each other, and save a TLS handshake.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from functools import partial

from bench._turns import MILLISECONDS, Figure, Measured, in_turns, rounds, show
from tests.builders import ROOT
from tests.end_to_end.twilio import FakeTwilio, fake_twilio
from tests.end_to_end.twilio_api import ACCOUNT, AUTH_TOKEN, NUMBER, PHONES

FIGURES = [
    Figure("import", "ms", MILLISECONDS),
    Figure("import CPU", "ms", MILLISECONDS),
    Figure("text", "ms", MILLISECONDS),
    Figure("text CPU", "ms", MILLISECONDS),
    Figure("memory", "MiB", 2**-20),
]
PLACES = {"alone": "in a process that has imported nothing", "pager": "in a pager that had no texts before"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=rounds, default=15, help="processes of each, twice (default: 15)")
    parser.add_argument("--texts", type=int, default=40, help="texts of each process (default: 40)")
    asked = parser.parse_args()
    with fake_twilio() as twilio:
        for where, words in PLACES.items():
            contenders = {name: partial(sent, twilio, name, asked.texts, where) for name in ("ours", "official")}
            show(f"{asked.texts} texts, {words}", in_turns(contenders, asked.rounds, warm_up=1), FIGURES, "official")


def sent(twilio: FakeTwilio, sender: str, texts: int, where: str) -> Measured:
    """What one process says of its texts, once the fake has taken all of them."""
    twilio.forget()
    arguments = [twilio.server.url, ACCOUNT, AUTH_TOKEN, NUMBER, PHONES[0], str(texts), where]
    command = [sys.executable, "-m", f"bench.senders.{sender}", *arguments]
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    if len(twilio.texts) != texts:
        raise SystemExit(f"{sender} sent {len(twilio.texts)} texts of {texts}")
    values: dict[str, float] = json.loads(done.stdout)
    return values


if __name__ == "__main__":
    main()
