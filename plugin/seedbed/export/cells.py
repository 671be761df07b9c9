"""How the dataset card writes values and long lists."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from seedbed.sections import Cell

N_LISTED = 50
"""Documents and labels beyond so many are summed up in one line."""


def shown(value: Any) -> Cell:
    """Return a value as a table shows it; lists and objects as JSON."""
    if isinstance(value, str | int | float):
        return value
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def most(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return counts, the largest first, equal ones by name."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def more(rows: Sequence[Any]) -> list[str]:
    """Say how many rows a table leaves out, if any."""
    n = len(rows) - N_LISTED
    return [f"The first {N_LISTED} of {len(rows)}; {n} are not listed."] if n > 0 else []


def percent(n: int, n_all: int) -> str:
    """Write a share with one decimal."""
    return f"{n / n_all:.1%}" if n_all else "-"
