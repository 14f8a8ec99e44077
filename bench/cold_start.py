"""From the start of the process to the answer of its first critical alert (python -m bench.cold_start).

notifier against bench/floor, the least that can do the same: both under functions-framework as they are deployed, in
turns, with the state on Google's Firestore emulator and a Slack and a Twilio on 127.0.0.1. Shown are the time until the
port is open (imports), until the answer, the CPU of all processes until then, and their memory. Then what notifier
imports and the floor does not.

Each is put into a folder as Google's buildpack does it: bytecode is made by `compileall`, and then the exporter sets
all times of the source to 1980 (https://github.com/buildpacks/lifecycle/issues/249), so that only bytecode which is
checked by hash is still valid. deploy.sh asks for that; --stale shows what it is worth.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from google.cloud.firestore import Client

from bench._turns import MILLISECONDS, Figure, Measured, in_turns, rounds, show
from notifier.stores.documents import TICK_ID, TICKS
from tests.builders import ROOT
from tests.end_to_end.processes import PROJECT, TOKEN, emulator_settings
from tests.end_to_end.providers import Providers, providers
from tests.firestore_emulator import any_emulator, free_port

SOURCES = {"notifier": ("main.py", "policy.toml", "notifier"), "floor": ("bench/floor/main.py",)}
HASHED = {"SOURCE_DATE_EPOCH": "315532801"}
"""As deploy.sh has it: bytecode is then checked by hash (https://docs.python.org/3/library/py_compile.html)."""
EXPORTED_AT = 315_532_801
"""1980-01-01 00:00:01 UTC."""
FIGURES = [
    Figure("port open", "ms", MILLISECONDS),
    Figure("answer", "ms", MILLISECONDS),
    Figure("CPU", "ms", MILLISECONDS),
    Figure("peak memory", "MiB", 2**-20),
    Figure("all memory", "MiB", 2**-20),
]
"""Peak: the greatest resident set of one process. All: what both hold at the answer, shared pages once."""
PROFILES = 5
START_SECONDS = 60
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
INCIDENT = {
    "incident_id": "0.sample000001",
    "state": "open",
    "severity": "Critical",
    "policy_name": "Database unreachable",
    "condition_name": "Uptime check on db-1",
    "resource_display_name": "db-1",
    "summary": "An uptime check on sample-project db-1 is failing.",
    "documentation": {"content": "Runbook: restart the proxy first.", "mime_type": "text/markdown"},
    "url": "https://console.cloud.google.com/monitoring/alerting/alerts/0.sample000001?project=sample-project",
}


class Started(NamedTuple):
    """One process that answered."""

    port_open: float
    """Seconds after its start."""
    answered: float
    cpu: float
    peak: int
    """Bytes."""
    held: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=rounds, default=25, help="starts of each (default: 25)")
    parser.add_argument("--stale", action="store_true", help="also with bytecode that the exporter has made invalid")
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host = stack.enter_context(any_emulator())
        there = stack.enter_context(providers())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = {name: deployed(folder / name, sources, HASHED) for name, sources in SOURCES.items()}
        if asked.stale:
            places["notifier, stale"] = deployed(folder / "stale", SOURCES["notifier"], {})
        start = partial(first_answer, host, Client(project=PROJECT), there)
        contenders = {name: partial(measured, start, place) for name, place in places.items()}
        show("first critical alert", in_turns(contenders, asked.rounds, warm_up=1), FIGURES, "floor")
        show_imports(*(import_times(start, places[name]) for name in ("notifier", "floor")))


def deployed(folder: Path, sources: tuple[str, ...], build: Mapping[str, str]) -> Path:
    """`sources` in `folder`, as an image holds them that was built with the environment `build`."""
    folder.mkdir()
    for source in sources:
        target = folder / Path(source).name
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)
    subprocess.run(
        [sys.executable, "-m", "compileall", "-f", "-q", "."], cwd=folder, env={**clean(), **build}, check=True
    )
    for file in folder.rglob("*"):
        os.utime(file, (EXPORTED_AT, EXPORTED_AT))
    return folder


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}


def measured(start: partial[Started], place: Path) -> Measured:
    one = start(place)
    return dict(zip((figure.name for figure in FIGURES), one, strict=True))


def first_answer(host: str, store: Client, there: Providers, place: Path, log: Path | None = None) -> Started:
    """Start what is deployed at `place`, and send it the first alert of its life, a minute's tick after the last one.

    `log`: where its output goes; then it tells the time of each import, too.
    """
    there.slack.clear()
    there.twilio.forget()
    port = free_port()
    prefix = uuid4().hex
    store.document(f"{prefix}{TICKS}", TICK_ID).set({"at": datetime.now(UTC)})
    environment = {
        **clean(),
        **emulator_settings(host, prefix),
        **there.twilio.settings,
        "SLACK_WEBHOOK_URL": f"{there.server.url}/slack",
        "WEBHOOK_TOKEN": TOKEN,
        "ONCALL_PHONE": there.twilio.settings["ONCALL_PHONE"].partition(",")[0],
        "THREADS": "16",
        # Whoever compiles anew does so at each start: what an instance writes ends with it.
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"PYTHONPROFILEIMPORTTIME": "1"} if log else {}),
    }
    command = [sys.executable, "-m", "functions_framework", "--target=notify", "--host=127.0.0.1", f"--port={port}"]
    with (log or Path(os.devnull)).open("ab") as out:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=place, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        connection = connected(port, process)
        port_open = time.perf_counter() - began
        credential = b64encode(f"cloud-monitoring:{TOKEN}".encode()).decode()
        headers = {"Authorization": f"Basic {credential}", "Content-Type": "application/json"}
        # Begun just now: after 5 s it may be a second try, and Twilio's list is read first (core/opening.py).
        alert = {"incident": {**INCIDENT, "started_at": int(time.time())}, "version": "1.2"}
        connection.request("POST", "/", json.dumps(alert), headers)
        answer = connection.getresponse()
        body = answer.read()
        answered = time.perf_counter() - began
        if answer.status != 200 or (len(there.slack), len(there.texts)) != (1, 1):
            raise SystemExit(f"{place.name} answered {answer.status} {body.decode()}: that is no page")
        connection.close()
        family = list(processes(process.pid))
        return Started(
            port_open,
            answered,
            sum(map(cpu_of, family)),
            max(kilobytes(one, "status", "VmHWM") for one in family) * 1024,
            sum(kilobytes(one, "smaps_rollup", "Pss") for one in family) * 1024,
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def connected(port: int, process: subprocess.Popen[bytes]) -> HTTPConnection:
    """As Cloud Run does it: a request is passed on as soon as the port takes connections."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        try:
            connection.connect()
        except OSError:
            time.sleep(0.002)
        else:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    raise SystemExit("the function did not start")


def processes(pid: int) -> Iterator[int]:
    """The process and all that it has started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from processes(int(child))


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def kilobytes(pid: int, file: str, field: str) -> int:
    line = re.search(rf"^{field}:\s*(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    if line is None:
        raise SystemExit(f"this kernel says no {field} of a process")
    return int(line[1])


def import_times(start: partial[Started], place: Path) -> dict[str, float]:
    """Milliseconds that each module's own code takes, up to the first answer: the least of some starts."""
    runs: dict[str, list[float]] = defaultdict(list)
    for _ in range(PROFILES):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            start(place, log)
            lines = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)", log.read_text("utf-8"), re.MULTILINE)
            for own, module in lines:
                runs[module].append(int(own) / 1_000)
    return {module: min(times) for module, times in runs.items()}


def show_imports(ours: Mapping[str, float], floor: Mapping[str, float]) -> None:
    """What notifier imports beside what the floor does, by package."""
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for module in ours.keys() - floor.keys():
        top = module.partition(".")[0]
        group = "notifier" if top in ("notifier", "main") else top
        groups["standard library" if group.lstrip("_") in sys.stdlib_module_names else group][module] = ours[module]
    total = sum(sum(group.values()) for group in groups.values())
    print(f"imported by notifier and not by the floor: {total:.1f} ms of {sum(ours.values()):.1f} ms (import profile)")
    for group, modules in sorted(groups.items(), key=lambda item: -sum(item[1].values())):
        slowest = sorted(modules.items(), key=lambda item: -item[1])[:4]
        words = ", ".join(f"{module} {time:.1f}" for module, time in slowest)
        print(f"  {group:18} {sum(modules.values()):6.1f} ms in {len(modules):3} modules: {words}")


if __name__ == "__main__":
    main()
