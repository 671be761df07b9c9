"""How much context fits into memory."""

from __future__ import annotations

from pathlib import Path

RESERVE = 0.2
"""Share of the free memory that is left alone: for compute buffers and for everything else."""

_CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Return the memory that this process may still take, None where the system does not say.

    The least of what Linux calls available and what the process's control group (a container's
    limit) leaves.
    """
    try:
        meminfo = dict(
            line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines()
        )
        available = int(meminfo["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    return min([available, *_cgroup_bytes()])


def _cgroup_bytes() -> list[int]:
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            left = int((_CGROUP / limit).read_text()) - int((_CGROUP / used).read_text())
        except (OSError, ValueError):  # absent, or "max": no limit
            continue
        return [max(0, left)]
    return []


def fitting_tokens(bytes_per_token: int, free_bytes: int | None) -> int | None:
    """Return how many tokens of key-value cache fit, None where nothing is known."""
    if free_bytes is None or bytes_per_token <= 0:
        return None
    return int(free_bytes * (1 - RESERVE)) // bytes_per_token
