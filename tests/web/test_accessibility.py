"""Every page, for everybody: axe-core's rules, a keyboard, a small screen, the dark.

axe-core is a script, so it runs in a session with JavaScript; that the pages need none is proven in test_browser.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import product
from urllib.parse import quote, unquote

import pytest
from werkzeug import Request, Response
from werkzeug.serving import make_server

from notifier.pages.frame import SECURITY_HEADERS
from tests.story import Silent
from tests.web.axe import NoAxe, axe_script, violations
from tests.web.browser import DESK, ENTER, PHONE, TAB, Browser, NoBrowser, browser
from tests.web.pages import all_pages

pytestmark = pytest.mark.browser

PARTS = 4
"""In which axe looks at the pages, so that no test takes long on a busy machine."""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    try:
        opened = browser(tmp_path_factory.mktemp("browser") / "profile")
        window = opened.__enter__()
    except NoBrowser as error:
        pytest.skip(str(error))
    try:
        yield window
    finally:
        opened.__exit__(None, None, None)


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        return axe_script()
    except NoAxe as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return all_pages()


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """The paths that the browser has asked for."""
    return []


@pytest.fixture(scope="module")
def address(pages: dict[str, str], asked: list[str]) -> Iterator[str]:
    """Where each page is served under its name, with the headers of the real ones."""

    @Request.application
    def application(request: Request) -> Response:
        name = unquote(request.path.removeprefix("/"))
        asked.append(name)
        if name not in pages:
            return Response(status=404)
        return Response(pages[name], headers=SECURITY_HEADERS, content_type="text/html; charset=utf-8")

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("part", range(PARTS))
def test_axe_finds_nothing_wrong_on_any_page_on_any_screen(
    window: Browser, axe: str, pages: dict[str, str], address: str, part: int
) -> None:
    found = {}
    # Sixty incidents are sixty times the same to axe, and take it ten seconds.
    names = sorted(pages.keys() - {"status, a crowd"})[part::PARTS]
    for name in names:
        window.open(address + quote(name))
        # What is folded away is a part of the page as well.
        window.run("for (const one of document.querySelectorAll('details')) one.open = true")
        for size, dark in product((PHONE, DESK), (False, True)):
            window.size(*size)
            window.dark(on=dark)
            found[name, size, dark] = violations(window, axe)
    assert len(found) == 4 * len(names) > 12
    assert not {case: broken for case, broken in found.items() if broken}


def test_axe_itself_sees_what_is_wrong(window: Browser, axe: str) -> None:
    window.open("data:text/html,<p style='color:%23aaa;background:%23bbb'>words</p><input><img src=x>")
    found = " ".join(violations(window, axe))
    for rule in ("color-contrast", "label", "image-alt", "html-has-lang"):
        assert rule in found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_sticks_out_of_the_smallest_screen(
    window: Browser,
    pages: dict[str, str],
    address: str,
    dark: bool,  # noqa: FBT001
) -> None:
    window.size(*PHONE)
    window.dark(on=dark)
    wide = {}
    for name in pages:
        window.open(address + quote(name))
        window.run("for (const one of document.querySelectorAll('details')) one.open = true")
        # Also what scrolls by itself, and what is drawn: an SVG may stick out without the page growing.
        wide[name] = window.run(
            "return [document.documentElement.scrollWidth - innerWidth,"
            " ...[...document.querySelectorAll('body *')].map(one => one.getBoundingClientRect().right - innerWidth)"
            "].reduce((most, one) => Math.max(most, one))"
        )
    assert not {name: by for name, by in wide.items() if by > 0}


def test_whatever_is_pressed_is_44_px_high_and_wide(window: Browser, pages: dict[str, str], address: str) -> None:
    window.size(*PHONE)
    small = {}
    for name in pages:
        window.open(address + quote(name))
        small[name] = window.run(
            "return [...document.querySelectorAll('button, input, summary, a')]"
            ".map(one => [one.textContent, one.getBoundingClientRect()])"
            ".filter(([, box]) => box.width && (box.height < 44 || box.width < 44)).map(([words]) => words)"
        )
    assert not {name: words for name, words in small.items() if words}


def test_the_button_is_on_the_first_screen_of_the_smallest_phone(
    window: Browser, pages: dict[str, str], address: str
) -> None:
    window.size(*PHONE)
    buttons = {}
    for name in [name for name in pages if not name.startswith("status, ")]:
        window.open(address + quote(name))
        if window.is_there("button"):
            buttons[name] = window.run("return document.querySelector('button').getBoundingClientRect().bottom")
    assert len(buttons) >= 14
    assert not {name: bottom for name, bottom in buttons.items() if bottom > PHONE[1]}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["open, critical", "sign in", "status, a night", "open, long"])
def test_a_keyboard_reaches_everything_and_shows_where_it_is(
    window: Browser,
    pages: dict[str, str],
    address: str,
    name: str,
    dark: bool,  # noqa: FBT001
) -> None:
    window.size(*DESK)
    window.dark(on=dark)
    window.open(address + quote(name))
    stops = window.run(
        "const all = [...document.querySelectorAll('button, input, summary, a, [tabindex]')];"
        "return all.filter(one => one.checkVisibility()).map((one, stop) => one.dataset.stop = `${stop}`)"
    )
    reached = []
    for _ in stops:
        window.keys(TAB)
        stop, outline, width = window.run(
            "const one = document.activeElement, style = getComputedStyle(one);"
            "return [one.dataset.stop, style.outlineStyle, parseFloat(style.outlineWidth)]"
        )
        reached.append(stop)
        assert (outline, width >= 2) == ("solid", True)
    assert reached == stops


def test_a_keyboard_opens_what_is_folded_away(window: Browser, pages: dict[str, str], address: str) -> None:
    window.size(*DESK)
    window.open(address + quote("status, a night"))
    window.run("document.querySelector('summary').focus()")
    window.keys(ENTER)
    assert "text to phone 1: sent" in window.text("details")


def test_a_screen_reader_is_told_what_is_drawn(window: Browser, pages: dict[str, str], address: str) -> None:
    window.open(address + quote("status, a night"))
    unnamed, drawings, lists = window.run(
        "const drawn = [...document.querySelectorAll('svg[role=img]')];"
        "return [drawn.filter(one => one.getAttribute('aria-labelledby').split(' ')"
        ".some(id => !document.getElementById(id)?.textContent)).length,"
        " drawn.length, document.querySelectorAll('details ol.moments').length]"
    )
    assert (unnamed, drawings) == (0, lists)
    marks, items = window.run(
        "return [document.querySelectorAll('.plot use').length, document.querySelectorAll('.incident ol > li').length]"
    )
    assert marks == items > 20


def test_each_page_is_one_request(window: Browser, pages: dict[str, str], address: str, asked: list[str]) -> None:
    for name in ("open, critical", "status, a night", "sign in"):
        asked.clear()
        window.open(address + quote(name))
        assert window.run("return performance.getEntriesByType('resource').length") == 0
        assert asked == [name]


def test_the_style_is_let_through_by_its_hash(window: Browser, pages: dict[str, str], address: str) -> None:
    window.open(address + quote("open, critical"))
    assert window.run("return getComputedStyle(document.querySelector('button')).color") == "rgb(255, 255, 255)"


def test_no_style_but_ours_counts(window: Browser, pages: dict[str, str], address: str) -> None:
    pages["a foreign style"] = pages["open, critical"].replace("</head>", "<style>button{color:#123456}</style></head>")
    window.open(address + quote("a foreign style"))
    del pages["a foreign style"]
    assert window.run("return getComputedStyle(document.querySelector('button')).color") == "rgb(255, 255, 255)"
