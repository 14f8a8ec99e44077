"""What the documents say of the tests is so."""

from __future__ import annotations

import ast
import re

import pytest

from tests.builders import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "POLICY.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMED = r"\b(tests/[\w/]+\.py)(?:::(\w+))?"


def named_in(text: str) -> set[tuple[str, str]]:
    """Each file of tests that is named, with the test, if one is."""
    return {(file, test) for file, test in re.findall(NAMED, text)}


def defined_in(file: str) -> set[str]:
    path = ROOT / file
    if not path.is_file():
        return set()
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_a_document_names_is_there(document: object) -> None:
    text = (ROOT / str(document)).read_text("utf-8")
    missing = {
        f"{file}::{test}"
        for file, test in named_in(text)
        if not (ROOT / file).is_file() or (test and test not in defined_in(file))
    }
    assert missing == set()


def test_every_threat_has_a_test() -> None:
    """In the tables of docs/security.md, whose last column it is."""
    rows = [line for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\) \| ", row.strip("| ")) for row in rows if not set(row) <= set("|- ")]
    threats = [row for row in cells if row[-1].strip() != "test"]
    assert len(threats) > 30
    assert [row[0] for row in threats if not named_in(row[-1])] == []


def test_a_test_that_is_not_there_is_found() -> None:
    assert named_in("see `tests/test_docs.py::test_nothing` and tests/test_docs.py") == {
        ("tests/test_docs.py", "test_nothing"),
        ("tests/test_docs.py", ""),
    }
    assert "test_nothing" not in defined_in("tests/test_docs.py")
    assert "test_every_threat_has_a_test" in defined_in("tests/test_docs.py")
    assert defined_in("tests/none.py") == set()
