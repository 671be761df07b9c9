"""How much two columns of a table hang together. Pure; a table has shape (n, 2), without empty rows."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def spearman(table: Floats) -> float | None:
    """Return the rank correlation in [-1, 1]; None where a column does not vary."""
    from scipy.stats import rankdata  # type: ignore[import-untyped]

    if not _varies(table):
        return None
    ranks = np.column_stack([rankdata(table[:, 0]), rankdata(table[:, 1])])
    return float(np.corrcoef(ranks.T)[0, 1])


def pearson(table: Floats) -> float:
    """Return the linear correlation in [-1, 1] of two columns that vary."""
    return float(np.corrcoef(table.T)[0, 1])


def cramers_v(table: Floats) -> float | None:
    """Return the association of two categories in [0, 1]; None where one does not vary.

    With Bergsma's correction for few records (J. Korean Stat. Soc. 42 (2013) 323).
    """
    if not _varies(table):
        return None
    counts = np.zeros([len(np.unique(table[:, side])) for side in (0, 1)])
    places = [np.unique(table[:, side], return_inverse=True)[1] for side in (0, 1)]
    np.add.at(counts, tuple(places), 1)
    n = counts.sum()
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / n
    phi2 = float(((counts - expected) ** 2 / expected).sum() / n)
    r, k = counts.shape
    phi2 = max(0.0, phi2 - (k - 1) * (r - 1) / (n - 1))
    r, k = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    least = min(r - 1, k - 1)
    return min(1.0, math.sqrt(phi2 / least)) if least > 0 else 0.0


def correlation_ratio(table: Floats) -> float | None:
    """Return the share of a number's spread (as standard deviations) that its category explains.

    The first column is the category. In [0, 1]; None where one does not vary.
    """
    if not _varies(table):
        return None
    values = table[:, 1]
    groups = [values[table[:, 0] == code] for code in np.unique(table[:, 0])]
    between = sum(len(g) * (g.mean() - values.mean()) ** 2 for g in groups)
    return math.sqrt(min(1.0, float(between / ((values - values.mean()) ** 2).sum())))


def _varies(table: Floats) -> bool:
    return len(table) >= 3 and bool((table.max(axis=0) > table.min(axis=0)).all())
