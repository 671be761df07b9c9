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
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import NamedTuple

from seedbed.sameness import NEAR_LONG, NEAR_SHORT, near_threshold
from seedbed.text import N_LETTERS

_BLOCK = 16_384
"""Texts that are looked up at a time: bounds the memory, to about 5 KB for each."""

_SKIPPED = 0.5
"""Share of the necessary 5-grams that is not looked up; the more, the more texts are compared."""

_FEW = 4
"""Of the 5-grams that are needed, a quarter may be listed ones."""


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


def near_pairs(
    probes: Sequence[str], known: Sequence[str], nearness: Nearness
) -> Iterator[NearPair]:
    """Yield every pair of a probe with a near known text; equal texts are near.

    Texts are compared as they are: normalise them before.
    """
    for start in range(0, len(known), _BLOCK):
        block = _Block(known[start : start + _BLOCK], nearness)
        for probe, text in enumerate(probes):
            for place, similarity in block.near(block.probe(text)):
                yield NearPair(probe, start + place, similarity)


def near_pairs_within(texts: Sequence[str], nearness: Nearness) -> Iterator[NearPair]:
    """Yield every pair of near texts once, the later one as the probe.

    When a text comes as the known one, all pairs with it as the probe have come before.
    """
    for start in range(0, len(texts), _BLOCK):
        block = _Block(texts[start : start + _BLOCK], nearness)
        for probe in range(start + 1, len(texts)):
            own = probe - start
            is_known = own < len(block)
            read = block.known(own) if is_known else block.probe(texts[probe])
            for place, similarity in block.near(read):
                if not is_known or place < own:
                    yield NearPair(probe, start + place, similarity)


class _Probe(NamedTuple):
    """A text to look up: its length, how many 5-grams it has, and the ranks of the known ones."""

    n_characters: int
    n_grams: int
    ranks: array[int]


class _Block:
    """Known texts, looked up by their 5-grams, which are ranked from the rarest, 1, upwards."""

    def __init__(self, texts: Sequence[str], nearness: Nearness) -> None:
        self._nearness = nearness
        self._lengths = [len(text) for text in texts]
        numbers: defaultdict[str, int] = defaultdict(count().__next__)
        numbered = [array("I", map(numbers.__getitem__, _grams(text))) for text in texts]
        counts = Counter(chain.from_iterable(numbered))
        ranks = array("I", bytes(4 * len(counts)))
        for rank, number in enumerate(sorted(counts, key=lambda n: (counts[n], n)), start=1):
            ranks[number] = rank
        self._ranks = {gram: ranks[number] for gram, number in numbers.items()}
        self._known = [array("I", sorted(map(ranks.__getitem__, own))) for own in numbered]
        # Looking a place up costs about as much as an addition of 600 bits.
        n_listed = max(8, len(texts) // 600)
        self._n_lists = 1 + sum(n <= n_listed for n in counts.values())
        self._lists, self._masks = self._inverted(len(counts) + 1)

    def __len__(self) -> int:
        return len(self._known)

    def known(self, place: int) -> _Probe:
        """Return one of the known texts as it is looked up."""
        ranks = self._known[place]
        return _Probe(self._lengths[place], len(ranks), ranks)

    def probe(self, text: str) -> _Probe:
        """Return any text as it is looked up."""
        grams = _grams(text)
        ranks = array("I", sorted(filter(None, map(self._ranks.get, grams))))
        return _Probe(len(text), len(grams), ranks)

    def near(self, probe: _Probe) -> Iterator[tuple[int, float]]:
        """Yield the places of the texts that are near, with their similarity, in their order."""
        candidates = self._candidates(probe)
        grams = set(probe.ranks) if candidates else set()
        for place in candidates:
            own = self._known[place]
            n_shared = len(grams.intersection(own))
            similarity = n_shared / (probe.n_grams + len(own) - n_shared)
            n_characters = min(probe.n_characters, self._lengths[place])
            if similarity >= self._nearness.threshold(n_characters):
                yield place, similarity

    def _candidates(self, probe: _Probe) -> list[int]:
        """Return the places of all texts that may be near, and of few others."""
        share = self._nearness.threshold(probe.n_characters)
        n_needed = math.ceil(share * probe.n_grams - 1e-9)
        if len(probe.ranks) < n_needed:
            return []
        n_skipped = int(n_needed * _SKIPPED)
        rarer = probe.ranks[: len(probe.ranks) - n_skipped]
        return self._with(rarer, n_needed - n_skipped)

    def _with(self, ranks: array[int], n_needed: int) -> list[int]:
        """Return the places of texts that have at least `n_needed` of the 5-grams; maybe of others.

        What has enough in all has more than a few of the listed ones, or almost enough of the others.
        """
        n_lists = bisect_left(ranks, self._n_lists)
        listed = Counter(chain.from_iterable(map(self._lists.__getitem__, ranks[:n_lists])))
        n_few = n_needed // _FEW
        found = {place for place, n in listed.items() if n > n_few}
        others = [rank - self._n_lists for rank in ranks[n_lists:]]
        planes = _planes([self._masks[place] for place in others])
        found.update(_places(_at_least(planes, n_needed - n_few)))
        return sorted(found)

    def _inverted(self, n_ranks: int) -> tuple[list[array[int]], list[int]]:
        """Return, by rank, the places of the rare 5-grams as lists, of the others as masks."""
        places: list[array[int]] = [array("I") for _ in range(n_ranks)]
        for place, own in enumerate(self._known):
            for rank in own:
                places[rank].append(place)
        lists = places[: self._n_lists]
        return lists, [_mask(found, len(self)) for found in places[self._n_lists :]]


def _grams(text: str) -> set[str]:
    """Return the character 5-grams, as `seedbed.text.shingles` does, without keeping them."""
    return {text[at : at + N_LETTERS] for at in range(max(1, len(text) - N_LETTERS + 1))}


def _mask(places: Iterable[int], n: int) -> int:
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
