"""The pages of a running function in a real browser, as whoever is woken meets them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path

import pytest
import requests

from notifier.core.incident import Incident, IncidentState, incident_key
from notifier.stores.sqlite import SqliteStore
from tests.channels.support import soon
from tests.end_to_end.processes import Function, function
from tests.web.browser import DESK, PHONE, Browser, NoBrowser, browser

pytestmark = pytest.mark.browser

PUBLIC_URL = "https://pager.example.com"
ADMIN_TOKEN = "admin-token-of-no-worth"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser") / "state.sqlite"


@pytest.fixture(scope="module")
def running(state: Path) -> Iterator[Function]:
    settings = {
        "SIMULATE": "1",
        "STATE": f"sqlite:{state}",
        "PUBLIC_URL": PUBLIC_URL,
        "ADMIN_TOKEN": ADMIN_TOKEN,
    }
    with function(settings, state.parent / "log") as running:
        yield running


@pytest.fixture(scope="module")
def window(state: Path) -> Iterator[Browser]:
    with opened(state.parent / "profile") as window:
        yield window


@pytest.fixture(scope="module")
def without_scripts(state: Path) -> Iterator[Browser]:
    """A session of its own, as JavaScript is off in it for good."""
    with opened(state.parent / "profile without scripts") as window:
        window.without_scripts()
        yield window


@contextmanager
def opened(profile: Path) -> Iterator[Browser]:
    try:
        opened = browser(profile)
        window = opened.__enter__()
    except NoBrowser as error:
        pytest.skip(str(error))
    try:
        yield window
    finally:
        opened.__exit__(None, None, None)


def link(running: Function, incident_id: str, **changes: str) -> str:
    """The link that Slack gets with a new alert."""
    alert = {"id": incident_id, "title": "Database unreachable", "severity": "critical", **changes}
    (incident,) = running.post(alert).json()["incidents"]
    lines = [json.loads(line) for line in running.log.splitlines()]
    told = [line for line in lines if (line.get("ref"), line.get("delivery")) == (incident["ref"], "opened/slack")]
    (shown,) = [line["preview"] for line in told if "preview" in line]
    found = re.search(rf"{PUBLIC_URL}(/a/[\w-]+)", shown)
    assert found
    return running.url + found[1]


def stored(state: Path, incident_id: str) -> Incident:
    incident = SqliteStore(state).gather(incident_key("plain", incident_id), soon()).incident
    assert incident is not None
    return incident


def test_opening_the_page_acknowledges_nothing(running: Function, window: Browser, state: Path) -> None:
    url = link(running, "opened")
    window.open(url)
    window.reload()
    assert requests.get(url, timeout=10).ok
    assert "CRITICAL" in window.text("h1")
    assert window.text("h2") == "Database unreachable"
    assert stored(state, "opened").state is IncidentState.OPEN


def test_the_button_acknowledges_with_the_name_that_was_typed(running: Function, window: Browser, state: Path) -> None:
    window.open(link(running, "pressed"))
    window.type("input", "Ada")
    window.press("button")
    assert window.text("h1") == f"Acknowledged #{stored(state, 'pressed').ref}"
    assert "by Ada, by the link in Slack" in window.text()
    assert not window.is_there("button")
    assert stored(state, "pressed").state is IncidentState.ACKNOWLEDGED
    assert stored(state, "pressed").acknowledged_by == "Ada, by the link in Slack"


def test_one_tap_is_enough(running: Function, window: Browser, state: Path) -> None:
    window.open(link(running, "tapped"))
    window.press("button")
    assert stored(state, "tapped").state is IncidentState.ACKNOWLEDGED


SCREENS = [*product((PHONE, DESK), (False, True))]
NAMES = [f"{width} px, {'dark' if dark else 'light'}" for (width, _), dark in SCREENS]


@pytest.mark.parametrize(("size", "dark"), SCREENS, ids=NAMES)
def test_the_button_acknowledges_without_javascript(
    running: Function,
    without_scripts: Browser,
    state: Path,
    size: tuple[int, int],
    dark: bool,  # noqa: FBT001
    request: pytest.FixtureRequest,
) -> None:
    window, name = without_scripts, request.node.name
    window.size(*size)
    window.dark(on=dark)
    window.open(link(running, name))
    assert window.text("h1").startswith("CRITICAL")
    window.press("button")
    assert window.text("h1") == f"Acknowledged #{stored(state, name).ref}"
    assert stored(state, name).state is IncidentState.ACKNOWLEDGED


def test_javascript_is_off_where_it_is_said_to_be(without_scripts: Browser) -> None:
    without_scripts.open("data:text/html,<title>off</title><script>document.title='on'</script><p>words</p>")
    assert without_scripts.title == "off"


def test_the_status_page_is_signed_in_to_and_out_of_without_javascript(
    running: Function, without_scripts: Browser
) -> None:
    window = without_scripts
    link(running, "shown", title="Shown on the status page")
    window.open(f"{running.url}/status")
    window.type("input", "not the token")
    window.press("button")
    assert "That is not ADMIN_TOKEN" in window.text("[role=alert]")
    window.type("input", ADMIN_TOKEN)
    window.press("button")
    assert "Shown on the status page" in window.text("main")
    window.open(f"{running.url}/status")
    assert "open" in window.text("h1")
    window.press("header button")
    assert window.text("h1") == "Pager status"
    window.open(f"{running.url}/status")
    assert "Shown on the status page" not in window.text("main")


def test_the_page_opened_again_says_who_was_first(running: Function, window: Browser) -> None:
    url = link(running, "again")
    window.open(url)
    window.press("button")
    window.open(url)
    assert window.text("h1").startswith("Already acknowledged")
    assert "by somebody, by the link in Slack" in window.text()


def test_however_long_the_title_the_button_is_on_the_first_screen_and_nothing_sticks_out(
    running: Function, window: Browser
) -> None:
    window.open(link(running, "long", title="x" * 500, text="y" * 8_000))
    bottom, width = window.run(
        "return [document.querySelector('button').getBoundingClientRect().bottom, document.documentElement.scrollWidth]"
    )
    assert bottom < 844
    assert width <= 390


def test_no_word_of_an_alert_runs_as_script(running: Function, window: Browser) -> None:
    hostile = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    window.open(link(running, "hostile", title=hostile, text=f"text {hostile}"))
    assert window.run("return document.title").startswith("CRITICAL #")
    assert window.text("h2") == hostile
    assert not window.is_there("img")


def test_at_night_the_page_is_dark(running: Function, window: Browser) -> None:
    window.dark()
    window.open(link(running, "night"))
    colours = window.run("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
    window.dark(on=False)
    background, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert background < ink / 5


def test_where_the_store_does_not_answer_another_press_is_enough(window: Browser, tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    settings = {"SIMULATE": "1", "STATE": f"sqlite:{state}", "PUBLIC_URL": PUBLIC_URL}
    with function(settings, tmp_path / "log") as running:
        window.open(link(running, "db"))
        window.type("input", "Ada")
        with closing(sqlite3.connect(state)) as other:
            other.execute("BEGIN IMMEDIATE")  # nobody else writes meanwhile
            window.press("button")
        assert window.text("h1") == "Perhaps not acknowledged"
        assert stored(state, "db").state is IncidentState.OPEN
        window.press("button")
        assert "by Ada, by the link in Slack" in window.text()
        assert stored(state, "db").state is IncidentState.ACKNOWLEDGED
