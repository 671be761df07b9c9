"""Which real rows are held out: what belongs together stays together, and labels keep their shares.

Rows belong together when they share a source (or a document), or when their texts are near. Pure.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping

_MAX_PART = 0.5
"""A part with more of the rows than this is never held out: it would be the training set."""


class Parts:
    """Items 0 to n - 1 that join into parts (disjoint sets: Galler and Fischer, 1964)."""

    def __init__(self, n: int) -> None:
        self._parents = list(range(n))
        self._owners: dict[Hashable, int] = {}

    def join(self, a: int, b: int) -> None:
        """Put two items into one part."""
        first, second = self._root(a), self._root(b)
        self._parents[max(first, second)] = min(first, second)

    def join_by(self, item: int, key: Hashable) -> None:
        """Put an item together with all others that were given the same key."""
        self.join(item, self._owners.setdefault(key, item))

    def all(self) -> list[list[int]]:
        """Return the parts in the order of their first items."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for item in range(len(self._parents)):
            found[self._root(item)].append(item)
        return list(found.values())

    def _root(self, item: int) -> int:
        while self._parents[item] != item:
            self._parents[item] = self._parents[self._parents[item]]
            item = self._parents[item]
        return item


def hold_out(
    parts: Iterable[Counter[str]], wanted: Mapping[str, Mapping[str, int]], rng: random.Random
) -> dict[int, str]:
    """Choose parts for each split, and return the split by the part's place.

    A part is given as how many rows of each label it has; `wanted` says how many each split shall
    have. In a random order, a part is taken where it fits, so that small parts make up what large
    ones leave; then those are taken that come nearer to what is wanted by going beyond it.
    """
    sizes = list(parts)
    limit = _MAX_PART * sum(part.total() for part in sizes)
    order = [place for place, part in enumerate(sizes) if part and part.total() <= limit]
    rng.shuffle(order)
    found: dict[int, str] = {}
    for split, shares in wanted.items():
        lacking = Counter(dict(shares))
        for is_good in (_fits, _helps):
            for place in order:
                if place not in found and is_good(sizes[place], lacking):
                    found[place] = split
                    lacking.subtract(sizes[place])
    return found


def _fits(part: Counter[str], lacking: Counter[str]) -> bool:
    return all(n <= lacking[label] for label, n in part.items())


def _helps(part: Counter[str], lacking: Counter[str]) -> bool:
    """Tell whether the numbers are nearer to what is wanted with the part than without it."""
    return sum(abs(lacking[label] - n) - abs(lacking[label]) for label, n in part.items()) < 0
