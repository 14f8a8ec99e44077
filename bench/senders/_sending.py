"""What both senders do with what they have imported: send texts, and print what it took (bench.sms)."""

from __future__ import annotations

import json
import resource
import statistics
import time
from collections.abc import Callable


def measure(began: tuple[float, float], send: Callable[[str], object], texts: int) -> None:
    """Print what the import took, each text (the median), and the memory. `began`: wall clock and CPU before it."""
    imported = {"import": time.perf_counter() - began[0], "import CPU": time.process_time() - began[1]}
    wall, cpu = [], []
    for number in range(texts):
        before = time.perf_counter(), time.process_time()
        send(f"CRITICAL: Database unreachable #{number:04}")
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    each = {"text": statistics.median(wall), "text CPU": statistics.median(cpu)}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({**imported, **each, "memory": memory}))
