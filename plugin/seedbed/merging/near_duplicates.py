"""All pairs of near texts among many: exact, and quick in plain Python.

Two texts are near when the Jaccard of their character 5-grams reaches a threshold that depends on the
length of the shorter one. Nothing is sampled or hashed, so that no pair is missed:

- A text x with m 5-grams shares at least t x m of them with any text that is near to it, for no
  threshold of its pairs is below t, the one of its own length. So its commonest 5-grams, up to half
  of those t x m, need not be looked up: what is near shares the rest of them among the rarer ones
  (prefix filter: Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins", 2006).
- How many of the rarer ones each text has is counted for all texts at once: each 5-gram is one long
  integer with a bit for every text that has it, and the integers are summed column by column with
  full adders (the "sideways sum" of Kaser and Lemire, "Compressed bitmap indexes: beyond unions and
  intersections", 2014). 5-grams of few texts are counted one by one.
- The few texts that reach the count are compared in full.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from seedbed.sameness import NEAR_LONG, NEAR_SHORT, near_threshold
from seedbed.text import shingles

_BLOCK = 16_384  # texts that are looked up at a time: bounds the memory
_SKIPPED = (
    0.5  # share of the necessary 5-grams that is not looked up; more looks up less, compares more
)

_FEW = 4  # a quarter of the 5-grams that are needed may be listed ones


class NearPair(NamedTuple):
    """Places of two near texts, and the Jaccard of their 5-grams in [0, 1]."""

    probe: int
    known: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Nearness:
    """From which Jaccard on two texts are near: up to 40 characters, and from 120 on."""

    short: float = NEAR_SHORT
    long: float = NEAR_LONG

    def threshold(self, n_characters: int) -> float:
        """Return the Jaccard from which a text is near to others that are no shorter."""
        return near_threshold(n_characters, self.short, self.long)

    def similarity(self, a: str, b: str, grams_a: frozenset[str], grams_b: frozenset[str]) -> float:
        """Return the Jaccard of two texts where they are near, else 0."""
        n_shared = len(grams_a & grams_b)
        jaccard = n_shared / (len(grams_a) + len(grams_b) - n_shared)
        return jaccard if jaccard >= self.threshold(min(len(a), len(b))) else 0.0


def near_pairs(
    probes: Sequence[str], known: Sequence[str], nearness: Nearness
) -> Iterator[NearPair]:
    """Yield every pair of a probe with a near known text; equal texts are near.

    Texts are compared as they are: normalise them before. Needs about 3 KB of memory for each of up
    to 16,384 known texts.
    """
    for start in range(0, len(known), _BLOCK):
        block = _Block(known[start : start + _BLOCK], nearness)
        for probe, text in enumerate(probes):
            for place, similarity in block.near(text):
                yield NearPair(probe, start + place, similarity)


def near_pairs_within(texts: Sequence[str], nearness: Nearness) -> Iterator[NearPair]:
    """Yield every pair of near texts once, the later one as the probe."""
    for start in range(0, len(texts), _BLOCK):
        block = _Block(texts[start : start + _BLOCK], nearness)
        for probe in range(start + 1, len(texts)):
            for place, similarity in block.near(texts[probe]):
                if start + place < probe:
                    yield NearPair(probe, start + place, similarity)


class _Block:
    """Known texts, looked up by their 5-grams."""

    def __init__(self, texts: Sequence[str], nearness: Nearness) -> None:
        self._texts = texts
        self._nearness = nearness
        found: defaultdict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(texts):
            for gram in shingles.__wrapped__(text):
                found[gram].append(place)
        # Looking a place up costs about as much as an addition of 600 bits.
        self._n_listed = max(8, len(texts) // 600)
        # Of each 5-gram: how many texts have it, and their places as a list or as a mask.
        self._found = {
            gram: (len(places), self._places_or_mask(places)) for gram, places in found.items()
        }

    def near(self, text: str) -> Iterator[tuple[int, float]]:
        """Yield the places of the texts that are near, with their similarity, in their order."""
        grams = shingles(text)
        for place in self._candidates(text, grams):
            other = self._texts[place]
            similarity = self._nearness.similarity(text, other, grams, shingles(other))
            if similarity:
                yield place, similarity

    def _candidates(self, text: str, grams: frozenset[str]) -> list[int]:
        """Return the places of all texts that may be near, and of few others."""
        n_needed = math.ceil(self._nearness.threshold(len(text)) * len(grams) - 1e-9)
        present = sorted(filter(None, map(self._found.get, grams)), key=itemgetter(0))
        if len(present) < n_needed:
            return []
        n_skipped = int(n_needed * _SKIPPED)
        rarer = present[: len(present) - n_skipped]
        n_lists = bisect_right(rarer, self._n_listed, key=itemgetter(0))
        return self._with(rarer[:n_lists], rarer[n_lists:], n_needed - n_skipped)

    def _with(self, lists: Sequence[Any], masks: Sequence[Any], n_needed: int) -> list[int]:
        """Return the places of texts that have at least `n_needed` 5-grams; maybe of others.

        What has enough in all has more than a few of the listed ones, or almost enough of the others.
        """
        listed = Counter(chain.from_iterable(places for _, places in lists))
        n_few = n_needed // _FEW
        found = {place for place, n in listed.items() if n > n_few}
        planes = _planes([mask for _, mask in masks])
        found.update(_places(_at_least(planes, n_needed - n_few)))
        return sorted(found)

    def _places_or_mask(self, places: list[int]) -> list[int] | int:
        return places if len(places) <= self._n_listed else _mask(places, len(self._texts))


def _mask(places: Sequence[int], n: int) -> int:
    """Return an integer whose bits at `places`, all below `n`, are set."""
    bits = bytearray(n // 8 + 1)
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(bits, "little")


def _planes(masks: Sequence[int]) -> list[int]:
    """Add the masks up bit by bit: bit i of plane k is binary digit k of how many masks have bit i."""
    planes = []
    addends = list(masks)
    while addends:
        total = addends[0]
        carries = []
        for a, b in zip(addends[1::2], addends[2::2], strict=False):
            either = total ^ a
            carries.append((total & a) | (either & b))
            total = either ^ b
        if len(addends) % 2 == 0:
            carries.append(total & addends[-1])
            total ^= addends[-1]
        planes.append(total)
        addends = [carry for carry in carries if carry]
    return planes


def _at_least(planes: Sequence[int], n: int) -> int:
    """Return a mask of the columns whose sum is at least `n`, which is 1 or more."""
    if n >> len(planes):
        return 0
    above, equal = 0, -1
    for digit in range(len(planes) - 1, -1, -1):
        if n >> digit & 1:
            equal &= planes[digit]
        else:
            above |= equal & planes[digit]
            equal &= ~planes[digit]
    return above | equal


def _places(mask: int) -> Iterator[int]:
    bits = bin(mask)[:1:-1]
    place = bits.find("1")
    while place >= 0:
        yield place
        place = bits.find("1", place + 1)
