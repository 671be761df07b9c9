"""What the machine offers to llama.cpp."""

from __future__ import annotations

import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")


def n_threads() -> int:
    """Return how many threads llama.cpp takes: the physical cores that this process may use.

    A second thread on the same core shares its arithmetic units and only waits.
    """
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if not usable:
        return os.cpu_count() or 1
    return max(1, len({_core_of(cpu) for cpu in usable}))


def _core_of(cpu: int) -> str:
    try:
        return (_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)
