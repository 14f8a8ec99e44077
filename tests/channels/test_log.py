from __future__ import annotations

import io
import json
import threading
import time
from datetime import UTC, date, datetime, timedelta
from enum import Enum, IntEnum
from typing import Any

import msgspec
import pytest

from notifier.channels.log import StreamLog
from notifier.core.alert import Label, Severity
from notifier.core.outcome import Outcome, Result
from notifier.ports import Log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logged(message: str = "hello", **fields: object) -> dict[str, Any]:
    stream = io.StringIO()
    StreamLog("json", stream=stream).write(Severity.ERROR, message, **fields)
    (line,) = stream.getvalue().splitlines()
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def shown(message: str = "hello", **fields: object) -> str:
    stream = Terminal()
    StreamLog("text", stream=stream).write(Severity.ERROR, message, **fields)
    return stream.getvalue()


def test_it_is_the_log_of_the_ports() -> None:
    log: Log = StreamLog()
    assert log


@pytest.mark.parametrize("severity", list(Severity))
def test_severities_have_googles_names(severity: Severity) -> None:
    stream = io.StringIO()
    StreamLog("json", stream=stream).write(severity, "hello")
    assert json.loads(stream.getvalue())["severity"] in {"INFO", "WARNING", "ERROR", "CRITICAL"}


def test_fields_stand_flat_beside_the_message() -> None:
    assert logged("sent", channel="slack", attempt=2) == {
        "severity": "ERROR",
        "message": "sent",
        "channel": "slack",
        "attempt": 2,
    }


class Number(IntEnum):
    ONE = 1


class Word(Enum):
    TUPLE = (1, 2)


class Rude:
    def __str__(self) -> str:
        raise RuntimeError


class Empty(msgspec.Struct):
    inside: object = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (2**70, hex(2**70)),
        pytest.param(10**5000, hex(10**5000), id="5000 digits"),
        ("a\nb", "a\nb"),
        ("lone \ud800", "lone \\ud800"),
        (b"\xff\x00raw", "\\xff\x00raw"),
        (Severity.CRITICAL, "critical"),
        (Number.ONE, 1),
        (Word.TUPLE, [1, 2]),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00"),
        (date(2026, 1, 31), "2026-01-31"),
        (timedelta(minutes=1), 60.0),
        (
            Outcome(Result.SENT),
            {
                "result": "sent",
                "detail": "",
                "retry_after": None,
                "provider_id": "",
                "warning": "",
                "opted_out": False,
                "elsewhere": False,
            },
        ),
        ((Label("a", "b"),), [{"name": "a", "value": "b"}]),
        ({Severity.INFO: {1}}, {"info": [1]}),
        ({1: frozenset({2})}, {"1": [2]}),
        (ValueError("no"), "no"),
        (Rude(), "<Rude>"),
    ],
)
def test_any_value_is_written(value: object, expected: object) -> None:
    assert logged(value=value)["value"] == expected


def test_what_holds_itself_is_written_to_a_depth() -> None:
    circle: list[object] = []
    circle.append(circle)
    struct = Empty()
    struct.inside = struct
    assert "[...]" in json.dumps(logged(value=circle))
    assert "{...}" in json.dumps(logged(value=struct))


def test_long_strings_and_lists_are_cut() -> None:
    line = logged("x" * 100_000, many=list(range(1_000)), raw=b"x" * 100_000)
    assert (len(line["message"]), len(line["many"]), len(line["raw"])) == (20_000, 200, 20_000)


@pytest.mark.parametrize("hostile", ["a\nb", "a\r\nb", "a\u2028b", "a\x1b[2Jb", "a\u202eb", "a\x85b", "a\ud800b"])
def test_text_is_printable_and_no_line_of_it_can_pass_for_an_entry(hostile: str) -> None:
    text = shown(hostile, field=f"first{hostile}", **{"na\nme": 1})
    assert text.endswith("\n")
    first, *below = text.splitlines()
    assert all(line.startswith("         | ") for line in below)
    assert all(line.isprintable() for line in (first, *below))


def test_a_field_of_several_lines_stands_below_its_entry_as_text() -> None:
    assert shown("sent it", channel="slack", preview="{\n  1\n}\n", ref="7F3K") == (
        "ERROR    sent it channel=slack ref=7F3K\n         | {\n         |   1\n         | }\n"
    )


def test_text_is_plain_and_readable() -> None:
    assert shown("sent it", channel="slack", detail="two words", waits=[1]) == (
        'ERROR    sent it channel=slack detail="two words" waits=[1]\n'
    )


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        StreamLog("auto", stream=stream).write(Severity.INFO, "hello")
    assert terminal.getvalue() == "INFO     hello\n"
    assert json.loads(file.getvalue())["message"] == "hello"


def test_it_goes_to_standard_output_and_is_flushed(capsys: pytest.CaptureFixture[str]) -> None:
    StreamLog("json").write(Severity.INFO, "hello")
    assert json.loads(capsys.readouterr().out)["message"] == "hello"


def test_a_stream_of_few_letters_is_no_error() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    StreamLog("text", stream=stream).write(Severity.INFO, "Größe")
    assert raw.getvalue() == b"INFO     Gr\\xf6\\xdfe\n"


def test_a_closed_stream_is_no_error() -> None:
    stream = io.StringIO()
    stream.close()
    StreamLog("json", stream=stream).write(Severity.INFO, "hello")


def test_threads_do_not_mix_their_lines() -> None:
    class Slow(io.StringIO):
        """Writes a letter at a time, as a pipe may."""

        def write(self, text: str) -> int:
            for letter in text:
                super().write(letter)
                time.sleep(0)
            return len(text)

    stream = Slow()
    log = StreamLog("json", stream=stream)

    def write() -> None:
        for _ in range(20):
            log.write(Severity.INFO, "x" * 50)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["x" * 50] * 160
