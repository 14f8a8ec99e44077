"""README and the pages in docs name the tests that prove them: each of those tests is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.builders import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMED = re.compile(r"(tests/[\w/]+\.py)((?:::\w+)+)")


def tests_of(file: Path) -> set[str]:
    """`::test_name` and `::Class::test_name`, as pytest calls them."""
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(f"::{node.name}")
        elif isinstance(node, ast.ClassDef):
            found |= {f"::{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    named = set(NAMED.findall(page.read_text("utf-8")))
    missing = [
        f"{file}{name}"
        for file, name in sorted(named)
        if not (ROOT / file).is_file() or name not in tests_of(ROOT / file)
    ]
    assert not missing


def test_readme_names_some() -> None:
    """Else a change of how they are written would leave the test above with nothing to look at."""
    assert len(set(NAMED.findall((ROOT / "README.md").read_text("utf-8")))) > 20
