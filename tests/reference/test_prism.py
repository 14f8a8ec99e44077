"""The command that asks Prism, without Prism: it must see what it is there to see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tests.channels.support import Server, answer
from tests.reference.prism import PATH, SENT, Case, cases, main, wrongly_accepted

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

FIELDS = ("To", "StatusCallback", "ValidityPeriod", "RiskCheck", "From", "MessagingServiceSid", "Body")
CREATED = answer(json.dumps({"sid": "SM" + "0" * 32, "status": "queued"}).encode(), "201 Created")
LIST = answer(json.dumps({"messages": []}).encode())
REFUSED = answer(b'{"code": 20422, "message": "prism: no"}', "400 Bad Request")


def described(*, without: str = "") -> dict[str, Any]:
    """As much of the API's description as the command reads."""
    properties = {name: {"type": "string"} for name in FIELDS if name != without}
    content = {"application/x-www-form-urlencoded": {"schema": {"properties": properties}}}
    query = [{"name": name, "in": "query"} for name in ("To", "PageSize") if name != without]
    return {"paths": {PATH: {"post": {"requestBody": {"content": content}}, "get": {"parameters": query}}}}


def asked(
    posted: Callable[[Server, socket.socket], None], spec: dict[str, Any], listed: Callable[..., None] = LIST
) -> list[Case]:
    def run(server: Server, connection: socket.socket) -> None:
        (listed if server.requests[-1].startswith(b"GET") else posted)(server, connection)

    with Server(run) as server:
        return list(cases(f"http://127.0.0.1:{server.port}", spec))


def test_what_is_accepted_has_no_trouble() -> None:
    shown = asked(CREATED, described())
    assert [case.name for case in shown if case.trouble] == []
    assert sum(len(case.seen) for case in shown) == len(SENT) + 2 * 2 + 2


def test_every_field_of_ours_is_tried() -> None:
    shown = asked(CREATED, described())
    assert {field for case in shown for one in case.seen for field in one.fields} == {*FIELDS, "PageSize"}


def test_what_is_refused_is_seen() -> None:
    assert all(case.trouble for case in asked(REFUSED, described(), REFUSED))


@pytest.mark.parametrize("field", ["RiskCheck", "StatusCallback", "PageSize"])
def test_a_field_that_twilio_does_not_know_is_seen_though_the_mock_lets_it_pass(field: str) -> None:
    trouble = {case.trouble for case in asked(CREATED, described(without=field)) if case.trouble}
    assert trouble == {f"Twilio knows no {field}"}


def test_a_text_that_is_not_sent_again_without_its_bad_address_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.channels.twilio.BAD_CALLBACK", 0)
    trouble = {case.name: case.trouble for case in asked(CREATED, described()) if case.trouble}
    assert trouble == {
        f"a text from {sender}, refused with 21609": "it was not sent again" for sender in ("a number", "a service")
    }


def test_a_mock_that_accepts_everything_is_seen() -> None:
    with Server(CREATED) as server:
        assert "RiskCheck=maybe" in wrongly_accepted(f"http://127.0.0.1:{server.port}")


def test_without_the_description_it_says_how_to_get_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--spec", str(tmp_path / "none.json")])
    assert result.exit_code == 1
    assert "twilio_api_v2010.json" in result.output


def test_without_node_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(described()))
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, ["--spec", str(spec)])
    assert result.exit_code == 1
    assert "apt-get install npm" in result.output
