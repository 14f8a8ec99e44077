"""Every page a person can meet, in each of its states, as the real function makes it on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from notifier.pages import acknowledge, status
from tests.story import ADMIN_TOKEN, ORDERS, Stage, crowd, night, stage
from tests.web.pager import basic

LONG = "Replication of the orders database lags behind and grows: writes are refused in zone b " * 6
TURNED = "قاعدة البيانات لا تستجيب: فشل الاتصال بالخادم الرئيسي db-1 منذ دقيقتين " * 4
UNBROKEN = "x" * 500


def all_pages() -> dict[str, str]:
    """By name, each with its HTML."""
    return {**acknowledge_pages(), **status_pages()}


def acknowledge_pages() -> dict[str, str]:
    pages = {
        "no such link": acknowledge.no_such_link(),
        "not reachable": acknowledge.not_reachable(10, name=None),
        "perhaps not acknowledged": acknowledge.not_reachable(10, name="Ada"),
        "not understood": acknowledge.not_understood(),
    }
    for severity in ("critical", "error", "warning", "info"):
        with _opened(severity=severity) as on:
            pages[f"open, {severity}"] = _get(on, on.link("db"))
    for name, title in (("long", LONG), ("turned", TURNED), ("unbroken", UNBROKEN)):
        with _opened(title=title, text=title * 3) as on:
            pages[f"open, {name}"] = _get(on, on.link("db"))
    with stage() as on:
        on.post_by_google("orders", **ORDERS)
        pages["open, with documentation"] = _get(on, on.link("orders"))
        assert "kubectl rollout restart" in pages["open, with documentation"]
    with _opened() as on:
        path = on.link("db")
        pages["acknowledged"] = _call(on, "POST", path, data={"name": "Ada"})
        pages["already acknowledged"] = _get(on, path)
        on.close("db")
        pages["resolved"] = _get(on, path)
        on.clock.pass_time(minutes=5)
        on.post("db", title="Database unreachable", severity="critical")
        pages["over, and back"] = _get(on, path)
    with _opened() as on:
        path = on.link("db")
        on.clock.pass_time(days=9)
        on.let_pass(1)
        pages["expired"] = _get(on, path)
    return pages


def status_pages() -> dict[str, str]:
    pages = {
        "sign in": status.sign_in(),
        "no admin token": status.no_admin_token(),
        "status not reachable": status.not_reachable("Firestore does not answer", 10),
        **{f"sign in, {told.name}": status.sign_in(told) for told in status.Told},
    }
    with stage() as on:
        on.let_pass(1)
        pages["status, quiet"] = _status(on)
        on.clock.pass_time(hours=1)
        pages["status, no tick"] = _status(on)
    with stage() as on:
        night(on)
        pages["status, a night"] = _status(on)
    with stage() as on:
        for name, title in (("long", LONG), ("turned", TURNED), ("unbroken", UNBROKEN)):
            on.post(name, title=title, severity="error", url="https://example.com/incidents/1")
        on.let_pass(25)
        with on.store._database(on.clock.monotonic() + 5) as database:
            database.execute("UPDATE documents SET body = '{}' WHERE next_due = (SELECT max(next_due) FROM documents)")
        pages["status, long words"] = _status(on)
    with stage() as on:
        crowd(on, 60)
        pages["status, a crowd"] = _status(on)
    return pages


@contextmanager
def _opened(**changes: object) -> Iterator[Stage]:
    with stage() as on:
        text = "No connection for 60 s from three zones.\nSee the runbook."
        alert = {
            "title": "Database unreachable",
            "severity": "critical",
            "text": text,
            "url": "https://example.com/i/1",
        }
        on.post("db", **{**alert, **changes})
        on.clock.pass_time(minutes=4)
        yield on


def _status(on: Stage) -> str:
    token = {"Authorization": basic("anybody", ADMIN_TOKEN)}
    page = _get(on, "/status", headers=Headers(token))
    assert 'id="unresolved"' in page
    return page


def _get(on: Stage, path: str, **environ: object) -> str:
    return _call(on, "GET", path, **environ)


def _call(on: Stage, method: str, path: str, **environ: object) -> str:
    builder = EnvironBuilder(path=path, method=method, **environ)  # type: ignore[arg-type]
    answer: Response = on.app.web(Request(builder.get_environ()))
    assert answer.status_code == 200
    return answer.get_data(as_text=True)
