"""check --live: each channel proven end to end on servers that answer as the real ones do, and nobody paged."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from notifier.cli import live
from notifier.probes.probe import Probe, Verdict, proven
from notifier.settings import SECRETS
from notifier.stores.firestore import FirestoreStore
from notifier.stores.sqlite import SqliteStore
from tests.cli.conftest import Run
from tests.end_to_end.mailbox import Mailbox, mailbox
from tests.end_to_end.providers import Providers, providers
from tests.end_to_end.serving import Answer, Lost, Reaction, Request, Server, serving
from tests.end_to_end.vonage import FakeVonage, fake_vonage
from tests.stores.places import PROJECT

NAMES = ["state", "tick", "address", "heartbeat", "Slack", "Discord", "email"]
NAMES += ["Twilio account", "Twilio texts", "Twilio sender", "Twilio answers", "Twilio balance", "Vonage"]


class Outside:
    """Everybody the pager talks to, and the settings that lead there."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.asked: list[str] = []
        self.function: Server = stack.enter_context(serving(self._function))
        self.providers: Providers = stack.enter_context(providers(self.function.url))
        self.mailbox: Mailbox = stack.enter_context(mailbox())
        self.vonage: FakeVonage = stack.enter_context(fake_vonage())
        self.state = folder / "state.sqlite"
        self.settings = {
            "WEBHOOK_TOKEN": "made-up-token-of-the-tests",
            "STATE": f"sqlite:{self.state}",
            "HEARTBEAT_URL": f"{self.function.url}/heartbeat-made-up",
            **self.providers.settings,
            **self.mailbox.settings,
            **self.vonage.settings,
        }

    def _function(self, request: Request) -> Reaction:
        self.asked.append(request.target)
        return Reaction(Answer(200, "text/plain", b"ok"))

    def ticked(self, **ago: float) -> None:
        store = SqliteStore(self.state)
        store.ticked(datetime.now(UTC) - timedelta(**ago), time.monotonic() + 10)
        store.close()


@pytest.fixture
def outside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """Everything works, and the tick has just been through."""
    with ExitStack() as stack:
        outside = Outside(stack, folder)
        for name, value in outside.settings.items():
            monkeypatch.setenv(name, value)
        outside.ticked(seconds=20)
        yield outside


def verdicts(run: Run) -> dict[str, str]:
    return {proof["name"]: proof["verdict"] for proof in json.loads(run("check", "--live", "--json").stdout)["proofs"]}


def words(run: Run, name: str) -> str:
    proofs = json.loads(run("check", "--live", "--json").stdout)["proofs"]
    return next(str(proof["words"]) for proof in proofs if proof["name"] == name)


def test_all_that_works_is_proven_and_nobody_is_paged(run: Run, outside: Outside) -> None:
    done = run("check", "--live")
    assert done.exit_code == 0, done.stdout
    shown = re.findall(r"^  (ok|not tried) +(.+) \(\d+\.\d s\): ", done.stdout, re.MULTILINE)
    assert shown == [("not tried" if name == "heartbeat" else "ok", name) for name in NAMES]
    assert "\nnothing failed\n" in done.stdout
    assert outside.providers.texts == []
    assert outside.vonage.texts == []
    assert outside.mailbox.mails == []
    assert len(outside.providers.slack) == len(outside.providers.discord) == 1


def test_the_watchdog_hears_no_false_sign_of_life(run: Run, outside: Outside) -> None:
    run("check", "--live")
    assert outside.asked == ["/health"]


def test_for_machines_each_proof_has_its_verdict_and_its_time(run: Run, outside: Outside) -> None:
    proofs = json.loads(run("check", "--live", "--json").stdout)["proofs"]
    assert [proof["name"] for proof in proofs] == NAMES
    assert all(0 <= proof["seconds"] < 10 for proof in proofs)


def test_the_test_messages_carry_the_name_of_who_asked(
    run: Run, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ana")
    run("check", "--live")
    assert outside.providers.slack[0]["text"] == "notifier check --live: this is only a test, by ana #TEST"


def test_no_secret_is_shown_whatever_fails(run: Run, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"TWILIO_AUTH_TOKEN": "wrong-token-of-twilio", "VONAGE_API_SECRET": "wrong-secret-of-vonage"}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{outside.function.url}/services/made-up-and-secret")
    done = run("check", "--live")
    assert done.exit_code == 1
    secrets = [value for name, value in {**outside.settings, **wrong}.items() if name in SECRETS]
    secrets += ["made-up-and-secret", *outside.settings["ONCALL_PHONE"].split(", ")]
    assert not [secret for secret in secrets if secret in done.output]


FAILURES = {
    "a wrong token": ({"TWILIO_AUTH_TOKEN": "another"}, "Twilio account", "check TWILIO_ACCOUNT_SID"),
    "a number of somebody else": ({"TWILIO_FROM": "+15005550001"}, "Twilio sender", "is not a number of this Twilio"),
    "another address": ({"PUBLIC_URL": "http://localhost:9"}, "Twilio answers", "goes elsewhere (127.0.0.1)"),
    "an address where nobody is": ({"PUBLIC_URL": "http://localhost:9"}, "address", "connection refused"),
    "a wrong secret at Vonage": ({"VONAGE_API_SECRET": "another"}, "Vonage", "check VONAGE_API_KEY"),
    "a mail server that is not there": ({"SMTP_PORT": "9"}, "email", "connection refused"),
    "a state that is none": ({"STATE": "sqlite:none/state"}, "state", "make it, or correct STATE"),
}


@pytest.mark.parametrize(("changes", "name", "said"), FAILURES.values(), ids=FAILURES.keys())
def test_what_does_not_work_exits_with_1_and_says_what_to_do(
    run: Run, outside: Outside, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], name: str, said: str
) -> None:
    for setting, value in changes.items():
        monkeypatch.setenv(setting, value)
    done = run("check", "--live")
    assert done.exit_code == 1
    (line,) = [line for line in done.stdout.splitlines() if f" {name} (" in line]
    assert line.startswith("  FAILED")
    assert said in line
    assert re.search(rf"\n\d of {len(NAMES)} proofs failed\n", done.stdout)


def test_one_that_fails_costs_no_other_its_proof(run: Run, outside: Outside) -> None:
    outside.mailbox.settings.clear()
    outside.providers.twilio.account.status = "suspended"
    found = verdicts(run)
    assert [name for name, verdict in found.items() if verdict == "failed"] == ["Twilio account"]


def test_a_tick_that_has_stopped_fails(run: Run, outside: Outside) -> None:
    outside.ticked(minutes=4)
    assert verdicts(run)["tick"] == "failed"
    assert "4 min ago, and it should come every minute" in words(run, "tick")


def test_a_warning_exits_with_0(run: Run, outside: Outside) -> None:
    outside.providers.twilio.account.kind = "Trial"
    done = run("check", "--live")
    assert done.exit_code == 0
    assert "  warning    Twilio account" in done.stdout


def test_a_simulation_proves_no_channel(run: Run, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATE", "1")
    done = run("check", "--live")
    assert done.exit_code == 1
    assert "SIMULATE is set: none of them is live; take it out to try them" in done.stdout
    assert outside.providers.slack == []


def test_only_what_is_configured_is_tried(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with providers() as taken:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{taken.server.url}/slack")
        assert list(verdicts(run)) == ["state", "tick", "Slack"]


def test_a_black_hole_holds_up_nobody_and_is_told_in_its_place(
    run: Run, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SECONDS", 1.0)
    outside.providers.twilio.account.lost["Balance"] = Lost.NO_ANSWER
    began = time.monotonic()
    found = verdicts(run)
    assert time.monotonic() - began < 8
    assert [name for name, verdict in found.items() if verdict == "failed"] == ["Twilio balance"]
    assert list(found) == NAMES


@pytest.mark.emulator
def test_the_state_in_firestore_is_proven(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, firestore_emulator: str
) -> None:
    prefix = f"t{uuid.uuid4().hex}_"
    for name, value in {"STATE": "firestore", "GOOGLE_CLOUD_PROJECT": PROJECT, "FIRESTORE_PREFIX": prefix}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    assert verdicts(run) == {"state": "proven", "tick": "failed"}
    store = FirestoreStore(PROJECT, prefix=prefix)
    store.ticked(datetime.now(UTC), time.monotonic() + 30)
    store.close()
    assert verdicts(run) == {"state": "proven", "tick": "proven"}


# How they are run


def test_proofs_come_in_their_order_each_as_soon_as_those_before_it_are_done() -> None:
    first, last = threading.Event(), threading.Event()

    def wait(event: threading.Event) -> Probe:
        return Probe("waits", lambda _: proven("") if event.wait(10) else proven("never"))

    last.set()
    proofs = live.prove([wait(last), wait(first), wait(last)], seconds=10)
    assert next(proofs).words == ""
    first.set()
    assert [proof.words for proof in proofs] == ["", ""]


def test_one_that_nothing_can_end_is_given_up() -> None:
    never = threading.Event()
    began = time.monotonic()
    (proof,) = live.prove(
        [Probe("hangs", lambda _: proven("late") if never.wait(10) else proven("later"))], seconds=0.1
    )
    assert time.monotonic() - began < 5
    assert (proof.verdict, proof.words) == (Verdict.FAILED, "no answer within 0 s")
    never.set()


def test_our_own_mistake_in_one_is_a_failure_without_its_words() -> None:
    def broken(_: float) -> None:
        raise RuntimeError("https://hooks.slack.example/services/secret")

    proofs = list(live.prove([Probe("broken", broken), Probe("fine", lambda _: proven("fine"))]))  # type: ignore[arg-type]
    assert [proof.verdict for proof in proofs] == [Verdict.FAILED, Verdict.PROVEN]
    assert proofs[0].words.startswith("our own mistake: RuntimeError in broken")
    assert "secret" not in proofs[0].words
