"""Each threat that docs/security.md names has a test; that it is there, tests/test_readme.py sees to."""

from __future__ import annotations

import re

from tests.builders import ROOT
from tests.test_readme import TEST


def test_every_threat_has_a_test() -> None:
    """In the tables of docs/security.md, whose last column it is."""
    rows = [line for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\) \| ", row.strip("| ")) for row in rows if not set(row) <= set("|- ")]
    threats = [row for row in cells if row[-1].strip() != "test"]
    assert len(threats) > 30
    assert [row[0] for row in threats if not TEST.search(row[-1])] == []
