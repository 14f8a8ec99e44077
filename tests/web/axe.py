"""axe-core (https://github.com/dequelabs/axe-core), which finds what bars people from a page; fetched, never committed.

It comes out of a package on PyPI that carries it, with pip as it is set up here; what that package itself needs (a
browser driver we have no use for) is left out.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import msgspec

from tests.firestore_emulator import CACHE
from tests.web.browser import Browser

PACKAGE = "axe-playwright-python==0.1.8"
"""Carries axe-core 4.12.1."""
WHEEL = "axe_playwright_python-0.1.8-py3-none-any.whl"
SHA256 = "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8"
SECONDS = 60
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


class NoAxe(Exception):
    """axe-core is not to be had here; the text says why."""


class Violation(msgspec.Struct, frozen=True):
    """A rule that a page breaks, and where."""

    id: str
    help: str
    impact: str | None
    nodes: list[_Node]


class _Node(msgspec.Struct, frozen=True):
    html: str


def axe_script() -> str:
    """The script. Raises NoAxe."""
    wheel = CACHE / WHEEL
    if not (wheel.is_file() and _sha256(wheel) == SHA256):
        _fetch(wheel)
    with zipfile.ZipFile(wheel) as content:
        return content.read("axe_playwright_python/axe.min.js").decode()


def violations(browser: Browser, script: str) -> list[str]:
    """What `script` (axe_script) finds wrong on the page that the browser shows, as it shows it now."""
    if browser.run("return typeof axe === 'undefined'"):
        browser.run(f"{script}; return null")
    options = msgspec.json.encode({"runOnly": RULES, "resultTypes": ["violations"]}).decode()
    found = browser.run_until_done(f"axe.run(document, {options}).then(found => done(found.violations))")
    broken = msgspec.convert(found, list[Violation])
    return [f"{one.id} ({one.impact}): {one.help}: {node.html}" for one in broken for node in one.nodes]


def _fetch(wheel: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", PACKAGE]
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wheel.parent) as folder:
        done = subprocess.run([*pip, "--dest", folder], capture_output=True, text=True, timeout=SECONDS, check=False)
        part = Path(folder) / WHEEL
        if done.returncode or not part.is_file():
            raise NoAxe(f"pip could not download {PACKAGE}: {done.stderr.strip()[-500:]}")
        if _sha256(part) != SHA256:
            raise NoAxe(f"the SHA-256 of {WHEEL} is not {SHA256}: deleted, not used")
        part.replace(wheel)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
