"""Beside Twilio's own library: `python -m tests.reference.signatures` asks it many more times."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl

import pytest

from notifier import auth, callbacks
from tests.reference.signatures import Comparison

REQUESTS = 200


def compared() -> Comparison:
    comparison = Comparison(seed=1)
    comparison.run(REQUESTS)
    return comparison


def test_we_answer_as_twilios_library_does() -> None:
    assert compared().differences == []


def test_every_kind_of_answer_comes_up() -> None:
    assert len(compared().counts) == 11


def _altered(alter: Callable[[list[tuple[str, str]]], list[tuple[str, str]]]) -> Callable[..., str]:
    right = auth.twilio_signature

    def signature(token: str, url: str, fields: Iterable[tuple[str, str]]) -> str:
        return right(token, url, alter(list(fields)))

    return signature


@pytest.mark.parametrize(
    ("place", "name", "bug"),
    [
        (callbacks, "parse_qsl", lambda form, **_: parse_qsl(form)),
        (callbacks, "parse_qsl", lambda form, **how: [(name, value.strip()) for name, value in parse_qsl(form, **how)]),
        (callbacks, "parse_qsl", lambda form, **how: list(dict(parse_qsl(form, **how)).items())),
        (auth, "twilio_signature", _altered(lambda fields: [(name, value.lower()) for name, value in fields])),
        (auth, "_with_and_without_port", lambda public_url: (public_url,)),
        (auth, "_target", lambda path, _query: path),
        (auth.TwilioSignatures, "check", lambda *_: None),
    ],
    ids=["blanks lost", "trimmed", "repeats lost", "small letters", "one port", "no query", "all let in"],
)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, place: object, name: str, bug: object) -> None:
    monkeypatch.setattr(place, name, bug)
    assert compared().differences
