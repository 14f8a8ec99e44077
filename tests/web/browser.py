"""A real Chromium, driven over WebDriver (https://www.w3.org/TR/webdriver2), whose few calls need no library."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

WAIT_SECONDS = 30
_USUAL_PHONE = (390, 844, 2)
_DESKS_FROM = 600
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element's name in WebDriver's answers."""


class NoBrowser(Exception):
    """Chromium or its driver is not installed."""


PHONE = (320, 568)
"""The smallest screen in use: width and height."""
DESK = (1280, 800)
TAB, ENTER = "\ue004", "\ue007"
"""Keys, as WebDriver names them."""


class Browser:
    """One window, at first of the size of a usual phone's."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self._call("POST", "/url", {"url": url})

    def reload(self) -> None:
        self._call("POST", "/refresh", {})

    @property
    def title(self) -> str:
        shown: str = self._call("GET", "/title")
        return shown

    def text(self, css: str = "body") -> str:
        """What a person reads in the first element that matches."""
        shown: str = self._call("GET", f"/element/{self._find(css)}/text")
        return shown

    def is_there(self, css: str) -> bool:
        return bool(self._call("POST", "/elements", {"using": "css selector", "value": css}))

    def press(self, css: str) -> None:
        """Press a button as a finger does, and wait for the page it leads to."""
        button = self._find(css)
        self._call("POST", f"/element/{button}/click", {})
        until = time.monotonic() + WAIT_SECONDS
        while requests.get(f"{self._session}/element/{button}/name", timeout=WAIT_SECONDS).ok:
            assert time.monotonic() < until, "the button led nowhere"
            time.sleep(0.02)

    def type(self, css: str, words: str) -> None:
        self._call("POST", f"/element/{self._find(css)}/value", {"text": words})

    def run(self, script: str) -> Any:
        """What a script of ours returns in the page."""
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def run_until_done(self, script: str) -> Any:
        """What a script of ours hands to its function `done`, which it calls later."""
        script = f"const done = arguments[arguments.length - 1]; {script}"
        return self._call("POST", "/execute/async", {"script": script, "args": []})

    def keys(self, keys: str) -> None:
        """Press keys, whatever has the focus."""
        presses = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": presses}]})

    def size(self, width: int, height: int, scale: float = 1) -> None:
        """Take the size of a screen; what is narrow is a phone's. `scale`: pixels of a picture for each."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < _DESKS_FROM}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self, *, on: bool = True) -> None:
        """Ask for pages as a phone does at night."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]
        self._devtools("Emulation.setEmulatedMedia", {"features": features})

    def without_scripts(self) -> None:
        """From the next page on no page's script runs, for whoever has switched that off."""
        self._devtools("Emulation.setScriptExecutionDisabled", {"value": True})

    def forget(self) -> None:
        """Drop all cookies."""
        self._devtools("Network.clearBrowserCookies", {})

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of the screen; `whole`: of all of the page, however long."""
        taken = self._devtools("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        return base64.b64decode(taken["data"])

    def close(self) -> None:
        self._call("DELETE", "")

    def _find(self, css: str) -> str:
        found: dict[str, str] = self._call("POST", "/element", {"using": "css selector", "value": css})
        return found[_ELEMENT]

    def _devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        """Chromium's own protocol (https://chromedevtools.github.io/devtools-protocol)."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _call(self, method: str, path: str, content: object = None) -> Any:
        answer = requests.request(method, self._session + path, json=content, timeout=WAIT_SECONDS)
        value = answer.json()["value"]
        assert answer.ok, value["message"]
        return value


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with the empty folder `profile` for all that it keeps. Raises NoBrowser."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise NoBrowser("chromium and chromedriver are not installed; on Debian: apt-get install chromium-driver")
    # Port 0: the driver takes a free one, and says which.
    with subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            opened = Browser(_session(_address(process), chromium, profile))
            opened.size(*_USUAL_PHONE)
            try:
                yield opened
            finally:
                opened.close()
        finally:
            process.terminate()


def _address(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout is not None
    for line in driver.stdout:
        if found := re.search(r"started successfully on port (\d+)", line):
            return f"http://127.0.0.1:{found[1]}"
    raise AssertionError("chromedriver did not start")


def _session(driver: str, chromium: str, profile: Path) -> str:
    """The address of a new session."""
    arguments = [
        "headless",
        "no-sandbox",
        "disable-gpu",
        "hide-scrollbars",
        "disable-quic",
        "no-first-run",
        "disable-sync",
    ]
    arguments += ["disable-background-networking", "disable-component-update", "disable-dev-shm-usage"]
    arguments.append(f"user-data-dir={profile}")
    options = {"binary": chromium, "args": arguments}
    wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
    answer = requests.post(f"{driver}/session", json=wanted, timeout=WAIT_SECONDS)
    value = answer.json()["value"]
    assert answer.ok, value["message"]
    return f"{driver}/session/{value['sessionId']}"
