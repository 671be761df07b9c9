"""Passages that a candidate has word for word from a source that is not its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seedbed.records import Candidate, Decision, SourceTask
from seedbed.text import locate, words
from seedbed_backend.filters.base import Filter, ScreenContext

logger = logging.getLogger(__name__)

_GRAM = 8
"""Words in a row that are looked up; shorter runs are not seen."""
MAX_WORDS = 8_000_000
"""Words of sources that are kept in memory at most, about 16 bytes each; later sources are left out."""

_Hashes: TypeAlias = NDArray[np.uint64]


class Memorization(Filter):
    """Drops what repeats a long passage of another source: the model gives away what it has seen.

    Too long are `min_words` words in a row, in any case and punctuation, or nearly the whole text
    (`max_fraction` of it, at least eight words). What the own source says too does not count, nor
    what more than `max_sources` sources say: that is boilerplate. Sources that were shown in the
    prompt beside the own one count as others. Not scored.
    """

    name = "memorization"
    help = "Drops what repeats a long passage of a source other than its own."
    reasons = ("memorized_passage",)
    uses_sources = True

    fields: tuple[str, ...] = ()  # none: every output field
    # Of 592 real paragraphs of contracts, rules, notes and articles 51 have 8 words in a row with
    # another one, 25 have 10, 18 have 12 and 14 have 15; of 1,121 real candidates none has 12.
    min_words: int = Field(default=12, ge=_GRAM, le=200)
    max_fraction: float = Field(default=0.8, gt=0.0, le=1.0)
    max_sources: int = Field(default=2, ge=1)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        index = _index(context.sources, self.max_sources)
        return [self._decide(candidate, index) for candidate in candidates]

    def _decide(self, candidate: Candidate, index: Index) -> Decision:
        own = _grams(words(_text(candidate.source)))
        longest: Overlap | None = None
        for name, text in candidate.fields.items():
            if not isinstance(text, str) or (self.fields and name not in self.fields):
                continue
            found = index.longest(words(text), own)
            if found and (longest is None or found.n_words > longest.n_words):
                longest, where, whole = found, name, text
        if longest is None:
            return self.keep(candidate)
        said = words(whole)
        span = locate(" ".join(said[longest.start : longest.start + longest.n_words]), whole)
        fraction = longest.n_words / len(said)
        evidence = {
            "field": where,
            "source": longest.source_id,
            "n_words": longest.n_words,
            "fraction": round(fraction, 4),
            "passage": whole[span.start : span.end] if span else "",
        }
        if longest.n_words >= self.min_words or fraction >= self.max_fraction:
            return self.drop(candidate, "memorized_passage", None, **evidence)
        return self.keep(candidate, None, **evidence)


@dataclass(frozen=True, slots=True)
class Overlap:
    """The words from `start` on that a source has in the same order."""

    source_id: str
    start: int
    n_words: int


class Index:
    """Every run of eight words of many sources, but for those that more than `max_sources` have."""

    def __init__(self, sources: Sequence[SourceTask], max_sources: int) -> None:
        self.ids: list[str] = []
        parts: list[_Hashes] = []
        n_words = 0
        for source in sources:
            said = words(_text(source))
            n_words += len(said)
            if n_words > MAX_WORDS:
                logger.warning(
                    "memorization looks at %d of %d sources", len(self.ids), len(sources)
                )
                break
            grams = _grams(said)
            if grams.size:
                self.ids.append(source.id)
                parts.append(grams)
        sizes = np.array([part.size for part in parts], dtype=np.int64)
        # Between two sources lies a gap, so that no run goes from one into the next.
        self.starts = np.concatenate(([0], np.cumsum(sizes + 1)[:-1])) if parts else sizes
        grams = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
        owners = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
        places = np.arange(grams.size, dtype=np.int64) + owners
        order = np.lexsort((owners, grams))
        grams, owners, places = grams[order], owners[order], places[order]
        # One place a source is enough; a text that goes round in circles has thousands.
        is_wanted = _is_first_of_rare(grams, owners, max_sources)
        self.grams, self.places = grams[is_wanted], places[is_wanted]

    def longest(self, said: Sequence[str], own: _Hashes) -> Overlap | None:
        """Return the longest run of `said` that a source has and that is not among `own`."""
        grams = _grams(said)
        if not grams.size or not self.grams.size:
            return None
        first = np.searchsorted(self.grams, grams, side="left")
        last = np.searchsorted(self.grams, grams, side="right")
        last[np.isin(grams, own)] = 0
        runs: dict[int, tuple[int, int]] = {}  # by shift: where it began, where it ended
        best: tuple[int, int, int] | None = None
        for start in np.flatnonzero(last > first):
            for place in self.places[first[start] : last[start]]:
                shift = int(place) - int(start)
                began, ended = runs.get(shift, (int(start), int(start) - 1))
                began = began if ended == start - 1 else int(start)
                runs[shift] = (began, int(start))
                found = (int(start) - began + _GRAM, began, int(place))
                if best is None or found[0] > best[0]:
                    best = found
        if best is None:
            return None
        owner = int(np.searchsorted(self.starts, best[2], side="right")) - 1
        return Overlap(self.ids[owner], start=best[1], n_words=best[0])


def _is_first_of_rare(
    grams: _Hashes, owners: NDArray[np.int32], max_sources: int
) -> NDArray[np.bool_]:
    """Mark in rows sorted by gram and owner the first of each pair whose gram has few owners."""
    if not grams.size:
        return np.empty(0, dtype=np.bool_)
    is_new_gram = np.concatenate(([True], grams[1:] != grams[:-1]))
    is_new_owner = is_new_gram | np.concatenate(([True], owners[1:] != owners[:-1]))
    group = np.cumsum(is_new_gram) - 1
    n_owners = np.bincount(group, weights=is_new_owner)[group]
    marked: NDArray[np.bool_] = is_new_owner & (n_owners <= max_sources)
    return marked


def _text(source: SourceTask) -> str:
    return "\n".join(text for text in source.fields.values() if isinstance(text, str))


def _grams(said: Sequence[str]) -> _Hashes:
    """Hash every run of eight words to 64 bits (Python's hash: the same within one process)."""
    n_grams = len(said) - _GRAM + 1
    if n_grams <= 0:
        return np.empty(0, dtype=np.uint64)
    hashes = np.array([hash(word) for word in said], dtype=np.int64).view(np.uint64)
    total: _Hashes = np.zeros(n_grams, dtype=np.uint64)
    for place in range(_GRAM):
        total *= np.uint64(0x9E3779B97F4A7C15)
        total += hashes[place : place + n_grams]
    return total


_cached: tuple[object, Index] | None = None


def _index(sources: Iterable[SourceTask], max_sources: int) -> Index:
    """Return the index of a set of sources, built once as long as the same set is asked for."""
    global _cached
    sources = list(sources)
    key = (max_sources, *(source.id for source in sources))
    if _cached is None or _cached[0] != key:
        _cached = (key, Index(sources, max_sources))
    return _cached[1]


FILTER = Memorization
