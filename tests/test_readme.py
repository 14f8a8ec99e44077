"""README and the pages in docs point only at what is there: the tests that prove a line, and other files."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.builders import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEST = re.compile(r"(tests/[\w/]+\.py)((?:::\w+)+)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
a_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def defined_in(file: Path) -> set[str]:
    """`::test_name` and `::Class::test_name`, as pytest calls them."""
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(f"::{node.name}")
        elif isinstance(node, ast.ClassDef):
            found |= {f"::{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


@a_page
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    named = sorted(set(TEST.findall(page.read_text("utf-8"))))
    assert not [
        f"{file}{name}" for file, name in named if not (ROOT / file).is_file() or name not in defined_in(ROOT / file)
    ]


@a_page
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    assert not [target for target in LINK.findall(page.read_text("utf-8")) if not (page.parent / target).exists()]


def test_readme_names_tests() -> None:
    """Else a change of how they are written would leave the tests above with nothing to look at."""
    assert len(set(TEST.findall((ROOT / "README.md").read_text("utf-8")))) > 20
