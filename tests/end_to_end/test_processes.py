"""The whole main job on real processes: functions-framework, a store, and providers on 127.0.0.1."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from tests.end_to_end.alerts import cloud_monitoring
from tests.end_to_end.mailbox import Mailbox, mailbox
from tests.end_to_end.processes import TOKEN, Function, emulator_settings, function
from tests.end_to_end.providers import Providers, providers

SEVERITIES = [
    ("Critical", {"slack", "discord", "email", "sms"}),
    ("Error", {"slack", "discord", "email"}),
    ("Warning", {"slack", "discord"}),
    ("No severity", {"slack", "discord"}),
    ("info", {"slack", "discord"}),
]


class Everything:
    """A running function and everybody it talks to."""

    def __init__(self, running: Function, taken: Providers, mail: Mailbox) -> None:
        self.function = running
        self.providers = taken
        self.mailbox = mail

    def counts(self) -> Counter[str]:
        taken = self.providers
        return Counter(
            slack=len(taken.slack), discord=len(taken.discord), sms=len(taken.texts), email=len(self.mailbox.mails)
        )


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    folder = tmp_path_factory.mktemp("function")
    with ExitStack() as stack:
        taken, mail = stack.enter_context(providers()), stack.enter_context(mailbox())
        settings = {**taken.settings, **mail.settings, "STATE": f"sqlite:{folder / 'state.sqlite'}"}
        yield Everything(stack.enter_context(function(settings, folder / "log")), taken, mail)


@pytest.mark.parametrize(("severity", "told"), SEVERITIES, ids=[word for word, _ in SEVERITIES])
def test_a_severity_reaches_exactly_its_channels_once(everything: Everything, severity: str, told: set[str]) -> None:
    before = everything.counts()
    answer = everything.function.post(cloud_monitoring(f"0.{severity}", severity))
    assert answer.status_code == 200
    (incident,) = answer.json()["incidents"]
    assert set(incident["deliveries"].values()) == {"sent"}
    assert everything.counts() - before == Counter(told)


def test_the_same_alert_again_tells_nobody(everything: Everything) -> None:
    first = everything.function.post(cloud_monitoring("0.twice"))
    before = everything.counts()
    second = everything.function.post(cloud_monitoring("0.twice"))
    assert second.json() == first.json()
    assert everything.counts() == before


def test_a_close_is_told_where_it_was_heard_but_not_by_sms(everything: Everything) -> None:
    everything.function.post(cloud_monitoring("0.closing"))
    before = everything.counts()
    answer = everything.function.post(cloud_monitoring("0.closing", state="closed"))
    assert answer.json()["incidents"][0]["state"] == "resolved"
    assert everything.counts() - before == Counter({"slack", "discord", "email"})


def test_the_text_goes_to_the_first_phone_with_severity_title_and_ref(everything: Everything) -> None:
    ref = everything.function.post(cloud_monitoring("0.text")).json()["incidents"][0]["ref"]
    text = everything.providers.texts[-1]
    assert (text.to, text.sender) == ("+15555550101", "+15005550006")
    assert text.body.startswith("CRITICAL: Database CPU")
    assert text.body.endswith(f"#{ref}")


def test_the_log_is_json_for_cloud_logging_and_holds_no_secret(everything: Everything) -> None:
    everything.function.post(cloud_monitoring("0.log"))
    lines = [json.loads(line) for line in everything.function.log.splitlines()]
    assert {line["severity"] for line in lines} <= {"INFO", "WARNING", "ERROR", "CRITICAL"}
    assert any(line["message"].startswith("opened as critical: Database CPU") for line in lines)
    for secret in (TOKEN, "token-of-no-worth", "+15555550101", "/slack", "/discord"):
        assert secret not in everything.function.log


@pytest.mark.emulator
def test_four_processes_under_200_posts_send_exactly_the_cap(firestore_emulator: str, tmp_path: Path) -> None:
    """50 at once on each of 4 processes, 200 different critical incidents: five texts, and every other one said."""
    with ExitStack() as stack:
        taken = stack.enter_context(providers())
        settings = {**taken.settings, **emulator_settings(firestore_emulator, uuid4().hex)}
        functions = [stack.enter_context(function(settings, tmp_path / f"log{n}")) for n in range(4)]
        for number, one in enumerate(functions * 5):
            # A Java program begins slowly: on a cold emulator the first wave would time out, and prove nothing.
            one.post(cloud_monitoring(f"0.warm{number}", "Warning"))
        pool = stack.enter_context(ThreadPoolExecutor(200))

        def post(number: int) -> requests.Response:
            """As a real sender: a 503 is posted again."""
            for _ in range(5):
                answer = functions[number % 4].post(cloud_monitoring(f"0.storm{number}"))
                if answer.status_code != 503:
                    break
            return answer

        answers = list(pool.map(post, range(200)))
        assert len(taken.texts) == 5
        assert {answer.status_code for answer in answers} == {200}
        pages = Counter(answer.json()["incidents"][0]["deliveries"]["opened/sms/0/1"] for answer in answers)
        assert pages == {"sent": 5, "capped": 195}
        assert sum(post["text"].startswith("SMS rate cap (5/hr) hit") for post in taken.slack) == 195
        assert any("SMS rate cap (5/hr) hit" in one.log for one in functions)
