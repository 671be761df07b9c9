"""What the machine offers to llama.cpp, and what is made of it."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

SPIN_COUNT = 2000
"""How often an OpenMP thread looks before it sleeps, when it waits for the others.

llama.cpp's threads wait for each other hundreds of times for each token. By default they look for
milliseconds, and where another process has one of the cores, the others burn theirs meanwhile:
with one busy neighbour on two cores that made generation 2 to 5 times slower than this, which costs
nothing on an idle machine (benchmarks/README.md).
"""

_CPUS = Path("/sys/devices/system/cpu")


def limit_spinning(environment: MutableMapping[str, str]) -> None:
    """Tell OpenMP how long to spin; only before its library is loaded, and not against the user."""
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & environment.keys():
        environment["GOMP_SPINCOUNT"] = str(SPIN_COUNT)


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
