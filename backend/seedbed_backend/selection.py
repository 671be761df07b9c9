"""Choosing some of many: good ones, unlike each other, that stand for the rest. Pure.

Vectors are unit rows, shape (n, d). Everything is deterministic: of equals the first is taken, and
similarities count to four places, so that no rounding of the encoder decides.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_BLOCK = 512
"""Rows that are compared with each other at once: 1 MB."""

_ROWS_AT_ONCE = 1024


def spread_out(vectors: Vectors, qualities: Sequence[float], n: int, spread: float) -> list[int]:
    """Choose `n` rows by greedy maximal marginal relevance (Carbonell and Goldstein, 1998).

    The next one is always the one with the highest (1 - spread) x quality + spread x (1 - cosine
    with the nearest one chosen so far). Returns rows in the order in which they were chosen.

    A value can only fall, so a block of the best is worked through alone until one outside could be
    better: the result is exactly that of the plain greedy way, in matrix products.
    """
    worth = (1.0 - spread) * np.asarray(qualities, dtype=np.float64)
    similarity = np.zeros(len(worth))
    free = np.arange(len(worth))
    order: list[int] = []
    n = min(n, len(worth))
    while len(order) < n:
        values = worth[free] - spread * similarity[free]
        ranked = np.argsort(-values, kind="stable")
        block = np.sort(free[ranked[:_BLOCK]])  # of equals the first is taken
        bound = values[ranked[_BLOCK]] if len(ranked) > _BLOCK else -np.inf
        picked = _work_through(vectors[block], worth[block], similarity[block], spread, bound)
        chosen = block[picked[: n - len(order)]]
        order += chosen.tolist()
        free = np.setdiff1d(free, chosen, assume_unique=True)
        for start in range(0, len(free), _ROWS_AT_ONCE):
            part = free[start : start + _ROWS_AT_ONCE]
            found = cosines(vectors[part], vectors[chosen]).max(axis=1)
            similarity[part] = np.maximum(similarity[part], found)
    return order


def _work_through(
    vectors: Vectors,
    worth: NDArray[np.float64],
    similarity: NDArray[np.float64],
    spread: float,
    bound: float,
) -> list[int]:
    """Choose greedily within a block while no row outside, which is worth `bound`, can be better."""
    among = cosines(vectors, vectors)
    nearest = similarity.copy()
    values = worth - spread * nearest
    picked: list[int] = []
    while len(picked) < len(worth):
        best = int(np.argmax(values))
        if picked and values[best] <= bound:
            break
        picked.append(best)
        np.maximum(nearest, among[best], out=nearest)
        values = worth - spread * nearest
        values[picked] = -np.inf
    return picked


def stand_for(
    vectors: Vectors,
    n: int,
    *,
    candidates: Sequence[int],
    qualities: Sequence[float],
    groups: Sequence[str],
    quotas: dict[str, int],
) -> list[int]:
    """Choose up to `n` of `candidates` by greedy facility location, at most `quotas` of each group.

    The next one is always the one with the highest quality x gain, where the gain is what it adds to
    the sum, over all rows, of the cosine with the nearest one chosen (0 below 0). A gain can only
    fall, so it is computed anew for the most promising alone (Minoux, 1978). `qualities` and `groups`
    are by row, in [0, 1]. Returns rows in the order in which they were chosen; memory is
    4 bytes x rows x candidates.
    """
    left = dict(quotas)
    sources = np.asarray(candidates, dtype=np.int64)
    similar = cosines(vectors[sources], vectors)
    best = np.zeros(len(vectors), dtype=np.float32)
    heap = [
        (-round(float(similar[row].sum(dtype=np.float64)) * qualities[place], 6), row, 0)
        for row, place in enumerate(candidates)
    ]
    heapq.heapify(heap)
    chosen: list[int] = []
    while heap and len(chosen) < n:
        _, row, n_known = heapq.heappop(heap)
        place = int(sources[row])
        if left.get(groups[place], 0) < 1:
            continue
        if n_known == len(chosen):
            chosen.append(place)
            left[groups[place]] -= 1
            np.maximum(best, similar[row], out=best)
            continue
        gain = float(np.maximum(similar[row] - best, 0.0).sum(dtype=np.float64))
        heapq.heappush(heap, (-round(gain * qualities[place], 6), row, len(chosen)))
    return chosen


def apportion(sizes: Sequence[int], n: int, ties: Sequence[float] | None = None) -> list[int]:
    """Share `n` seats out in proportion to `sizes` (largest remainders); none gets more than its size.

    Of what is left over after rounding down, groups that would have none come first, then those with
    the larger remainder, then those with the larger of `ties`, then the earlier ones.
    """
    total = sum(sizes)
    n = min(n, total)
    if n < 1:
        return [0] * len(sizes)
    seats = [n * size // total for size in sizes]
    order = sorted(
        range(len(sizes)),
        key=lambda i: (seats[i] > 0, -(n * sizes[i] % total), -(ties[i] if ties else 0.0), i),
    )
    for place in [i for i in order if seats[i] < sizes[i]][: n - sum(seats)]:
        seats[place] += 1
    return seats


def nearest(
    rows: Vectors, others: Vectors, own: Sequence[int] | NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for each of `rows` the place of the nearest of `others`, and the cosine, in [0, 1].

    `own` is by row the place among `others` that does not count, itself (-1: all count). Where
    nothing is left the place is -1 and the cosine 0.
    """
    places, values = np.full(len(rows), -1, dtype=np.int64), np.zeros(len(rows))
    skipped = np.full(len(rows), -1) if own is None else np.asarray(own, dtype=np.int64)
    for start in range(0, len(rows) if len(others) else 0, _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        found = cosines(rows[part], others)
        itself = np.flatnonzero(skipped[part] >= 0)
        found[itself, skipped[part][itself]] = -1.0
        best = found.argmax(axis=1)
        values[part] = found[np.arange(len(found)), best]
        places[part] = np.where(values[part] < 0, -1, best)
    return places, np.maximum(values, 0.0)


def cosines(rows: Vectors, others: Vectors) -> Vectors:
    """Return the cosines of all pairs to four places, in [0, 1], shape (rows, others)."""
    found: Vectors = rows @ others.T
    np.round(found, 4, out=found)
    return np.clip(found, 0.0, 1.0, out=found)
