"""Two sequences side by side: what they have in common, in order. Pure, and quick without C code.

Bit vectors hold a whole column of the table of edit distances or common subsequences, so that a
step costs a few operations on one long integer (Hyyrö, "A bit-vector algorithm for computing
Levenshtein and Damerau edit distances", 2003; "Bit-parallel LCS-length computation revisited", 2004).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence


def changes(a: Sequence[Hashable], b: Sequence[Hashable]) -> Iterator[tuple[int, int, int, int]]:
    """Yield (start, end, start, end) of the places where `a` and `b` differ, as long as possible.

    Between those, items are equal; the fewest items are inserted, deleted or replaced.
    """
    at_a = at_b = 0
    for start_a, start_b in [*_matches(a, b), (len(a), len(b))]:
        if start_a > at_a or start_b > at_b:
            yield at_a, start_a, at_b, start_b
        at_a, at_b = start_a + 1, start_b + 1


def n_common(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return the length of the longest common subsequence."""
    places = _places(a)
    full = (1 << len(a)) - 1
    free = full
    for item in b:
        met = free & places.get(item, 0)
        free = ((free + met) | (free - met)) & full
    return len(a) - bin(free).count("1")


def is_one_edit(a: str, b: str) -> bool:
    """Tell whether one letter was changed, left out or added, or two neighbours were swapped."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    n = _n_equal(a, b)
    m = min(_n_equal(a[::-1], b[::-1]), len(a) - n, len(b) - n)
    gone, come = a[n : len(a) - m], b[n : len(b) - m]
    is_swap = len(gone) == len(come) == 2 and gone == come[::-1]
    return max(len(gone), len(come)) <= 1 or is_swap


def _matches(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return the places of the items that stay, in order."""
    n = _n_equal(a, b)
    m = min(_n_equal(a[::-1], b[::-1]), len(a) - n, len(b) - n)
    middle = _middle_matches(a[n : len(a) - m], b[n : len(b) - m])
    return [
        *((i, i) for i in range(n)),
        *((n + i, n + j) for i, j in middle),
        *((len(a) - i, len(b) - i) for i in range(m, 0, -1)),
    ]


def _middle_matches(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Walk back through the table; ties go to a deletion, then to an insertion."""
    if not a or not b:
        return []
    columns = _columns(a, b)
    found = []
    i, j = len(a), len(b)
    while i and j:
        if columns[j - 1][0] >> (i - 1) & 1:
            i -= 1
        elif j > 1 and columns[j - 2][1] >> (i - 1) & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            if a[i] == b[j]:
                found.append((i, j))
    return found[::-1]


def _columns(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return, after each item of `b`, at which items of `a` the distance grows, and where it falls."""
    places = _places(a)
    full = (1 << len(a)) - 1
    up, down = full, 0
    found = []
    for item in b:
        same = places.get(item, 0)
        diagonal = (((same & up) + up) ^ up) | same | down
        right_up = down | (full & ~(diagonal | up))
        right_down = diagonal & up
        right_up = (right_up << 1) | 1
        right_down <<= 1
        up = (right_down | ~(diagonal | right_up)) & full
        down = right_up & diagonal & full
        found.append((up, down))
    return found


def _places(items: Sequence[Hashable]) -> dict[Hashable, int]:
    """Map each item to the bits of its places."""
    found: dict[Hashable, int] = {}
    for place, item in enumerate(items):
        found[item] = found.get(item, 0) | 1 << place
    return found


def _n_equal(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return how many items are equal from the start on."""
    for n, (first, second) in enumerate(zip(a, b, strict=False)):
        if first != second:
            return n
    return min(len(a), len(b))
