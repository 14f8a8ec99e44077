"""Imports point one way (DESIGN.md, "Files"), so that nothing decided can come to depend on something sent."""

from __future__ import annotations

import ast
import re

import pytest

from tests.builders import ROOT

MAY_IMPORT = {
    "notifier/core": {"notifier.core"},
    "notifier/sources": {"notifier.core", "notifier.sources"},
    "notifier/stores": {"notifier.core", "notifier.ports", "notifier.stores"},
    # A channel may use the shared wire, what texts share, its own HTML and table of errors; never another channel.
    "notifier/channels": {
        "notifier.core",
        "notifier.ports",
        "notifier.channels.email_html",
        "notifier.channels.sms",
        "notifier.channels.wire",
        "notifier.channels.twilio_errors",
    },
    "notifier/ports.py": {"notifier.core"},
    "notifier/sending.py": {"notifier.core", "notifier.ports"},
    "notifier/degraded.py": {"notifier.core", "notifier.ports", "notifier.sending"},
    "notifier/relay.py": {"notifier.core", "notifier.ports", "notifier.sending", "notifier.degraded"},
    "notifier/digests.py": {"notifier.core", "notifier.ports", "notifier.sending", "notifier.relay"},
    "notifier/tick.py": {
        "notifier.core",
        "notifier.digests",
        "notifier.ports",
        "notifier.sending",
        "notifier.relay",
    },
    # A probe is handed its channel; nothing of the function imports one (below).
    "notifier/probes": {
        "notifier.channels.sms",
        "notifier.channels.twilio_errors",
        "notifier.channels.wire",
        "notifier.core",
        "notifier.ports",
        "notifier.probes",
    },
    "notifier/pages": {"notifier.core", "notifier.pages"},
    "notifier/auth.py": {"notifier.ports"},
    "notifier/callbacks.py": {"notifier.auth", "notifier.core"},
    "notifier/replies.py": {
        "notifier.callbacks",
        "notifier.core",
        "notifier.ports",
        "notifier.relay",
        "notifier.sending",
    },
    "notifier/admin.py": set(),
    "notifier/answers.py": {"notifier.pages"},
    "notifier/status.py": {
        "notifier.admin",
        "notifier.answers",
        "notifier.body",
        "notifier.core",
        "notifier.pages",
        "notifier.ports",
        "notifier.relay",
    },
    "notifier/body.py": set(),
    "notifier/web.py": {
        "notifier.answers",
        "notifier.status",
        "notifier.auth",
        "notifier.body",
        "notifier.callbacks",
        "notifier.core",
        "notifier.pages",
        "notifier.ports",
        "notifier.relay",
        "notifier.replies",
        "notifier.sending",
        "notifier.sources",
        "notifier.tick",
    },
    "notifier/settings.py": set(),
    "notifier/recording.py": {"notifier.body", "notifier.sources"},
    "notifier/rehearsal.py": {
        "notifier.core",
        "notifier.ports",
        "notifier.sending",
        "notifier.settings",
        "notifier.stores",
        "notifier.wiring",
    },
    "main.py": {"notifier.wiring"},
}
CORE_MAY_USE = {"__future__", "collections", "contextlib", "datetime", "difflib", "enum", "functools", "hashlib"}
CORE_MAY_USE |= {"html", "itertools", "math", "msgspec", "re", "tomllib", "unicodedata"}


def imports(file: str) -> set[str]:
    """Every module the file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they point"
            found.add(node.module or "")
    return found


def files_of(place: str) -> list[str]:
    return [place] if place.endswith(".py") else [str(file.relative_to(ROOT)) for file in (ROOT / place).rglob("*.py")]


@pytest.mark.parametrize(
    ("file", "allowed"), [(file, allowed) for place, allowed in MAY_IMPORT.items() for file in files_of(place)]
)
def test_imports_point_one_way(file: str, allowed: set[str]) -> None:
    ours = {name for name in imports(file) if name == "notifier" or name.startswith("notifier.")}
    assert not {name for name in ours if not any(name == one or name.startswith(f"{one}.") for one in allowed)}


@pytest.mark.parametrize("file", files_of("notifier/core"))
def test_the_core_reaches_nothing_outside(file: str) -> None:
    outside = {name.split(".")[0] for name in imports(file) if not name.startswith("notifier")}
    assert outside <= CORE_MAY_USE
    # The clock is in datetime, which values need.
    assert not re.search(r"\.(now|today|utcnow)\(|\bopen\(|__import__", (ROOT / file).read_text("utf-8"))


def test_the_function_imports_nothing_of_the_command_line() -> None:
    ours = [file for file in files_of("notifier") if not file.startswith(("notifier/cli/", "notifier/probes/"))]
    ours.remove("notifier/__main__.py")
    theirs = ("notifier.cli", "notifier.probes", "notifier.core.explaining")
    assert not {file for file in ["main.py", *ours] for name in imports(file) if name.startswith(theirs)}


def test_only_settings_reads_the_environment() -> None:
    readers = [
        file for file in files_of("notifier") if re.search(r"os\.environ|getenv", (ROOT / file).read_text("utf-8"))
    ]
    assert readers == ["notifier/settings.py"]


def test_the_check_itself_sees_an_import_inside_a_function() -> None:
    assert "notifier.stores.firestore" in imports("notifier/wiring.py")
