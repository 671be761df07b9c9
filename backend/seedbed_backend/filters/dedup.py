"""Duplicates: of what was kept, of real data, of what reviewers rejected, and of each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import Field

from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, Reference, ScreenContext
from seedbed_backend.filters.facts import is_negation_changed, missing_names, opposites, quantities
from seedbed_backend.filters.top_fraction import quality
from seedbed_backend.text import jaccard, plain, words

_LEAD = re.compile(
    r"\A\s*(?:\(?\d{1,3}[.):]\s+|\(?[a-z][.)]\s+|[-*>#\u2022]+\s+|q(?:uestion)?\s*\d*\s*[:.]\s*)+",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-z][^<>]{0,80}>", re.IGNORECASE)
_N_PERMUTATIONS = 128
_SHORT, _LONG = 40, 150  # characters


class Dedup(Filter):
    """Drops what says the same as another text in nearly the same letters, keeping one of them.

    Equal after normalising (case, punctuation, typography, list numbers, markup), or near: Jaccard
    of character 5-grams at least `near_short` up to 40 characters, falling to `near_long` from 150
    on. Texts that differ in a number, a name or a negation are never near duplicates. With its own
    source (a real reference of the same source) a candidate is compared for equality alone, since
    a good paraphrase is near it.

    Among the candidates the one with the better mean score stays, equals by id. Not scored.
    """

    name = "dedup"
    help = "Drops exact and near duplicates of kept, real and rejected texts, and of each other."
    reasons = ("duplicate_of_kept", "duplicate_of_real", "duplicate_of_rejected", "duplicate")
    scope = "set"

    fields: tuple[str, ...] = Field(min_length=1)
    # FILTERS: .70 for short bank questions; .40 has the best balanced accuracy on longer texts.
    near_short: float = Field(default=0.70, gt=0.0, le=1.0)
    near_long: float = Field(default=0.40, gt=0.0, le=1.0)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        index = _Index(self)
        for reference in context.references:
            index.add(_Entry.of_reference(reference))
        decisions: dict[int, Decision] = {}
        order = sorted(
            range(len(candidates)),
            key=lambda place: (-quality(context, candidates[place]), candidates[place].id, place),
        )
        for place in order:
            candidate = candidates[place]
            entry = _Entry(candidate.id, candidate.text(self.fields), "", candidate.source.id)
            match = index.find(entry)
            if match is None:
                index.add(entry)
                decisions[place] = self.keep(candidate)
                continue
            other, similarity = match
            reason = f"duplicate_of_{other.kind}" if other.kind else "duplicate"
            decisions[place] = self.drop(
                candidate,
                reason,
                match=other.id,
                kind=other.kind or "candidate",
                similarity=round(similarity, 4),
            )
        return [decisions[place] for place in range(len(candidates))]

    def threshold(self, n_characters: int) -> float:
        """Return the Jaccard from which texts of that length (the shorter one) are near."""
        way = min(1.0, max(0.0, (n_characters - _SHORT) / (_LONG - _SHORT)))
        return self.near_short + way * (self.near_long - self.near_short)


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    text: str
    kind: str
    source_id: str

    @staticmethod
    def of_reference(reference: Reference) -> _Entry:
        return _Entry(reference.id, reference.text, reference.kind, reference.source_id)


class _Index:
    """The texts seen so far, found by equality and by MinHash."""

    def __init__(self, options: Dedup) -> None:
        self.options = options
        self.entries: list[_Entry] = []
        self.exact: dict[str, int] = {}
        from datasketch import MinHashLSH  # brings scipy, which the web process can do without

        bands = _bands(min(options.near_short, options.near_long))
        self.near = MinHashLSH(num_perm=_N_PERMUTATIONS, params=bands)

    def add(self, entry: _Entry) -> None:
        key = normalise(entry.text)
        place = len(self.entries)
        self.entries.append(entry)
        self.exact.setdefault(key, place)
        if key:
            self.near.insert(place, _minhash(key))

    def find(self, entry: _Entry) -> tuple[_Entry, float] | None:
        """Return the most similar duplicate (the first among equals) and its Jaccard."""
        key = normalise(entry.text)
        if key in self.exact:
            return self.entries[self.exact[key]], 1.0
        if not key:
            return None
        found: list[tuple[float, int]] = []
        for place in sorted(self.near.query(_minhash(key))):
            other = self.entries[place]
            if other.kind == "real" and other.source_id == entry.source_id:
                continue
            similarity = is_near(entry.text, other.text, self.options)
            if similarity:
                found.append((-similarity, place))
        if not found:
            return None
        similarity, place = min(found)
        return self.entries[place], -similarity


def _bands(threshold: float) -> tuple[int, int]:
    """Return (bands, rows a band) that propose at least 90 % of the pairs at the threshold.

    Nearer pairs are found more surely (0.996 at Jaccard .50 for the default .40). What is proposed
    is measured exactly.
    """
    rows = max(r for r in range(1, 17) if r == 1 or _recall(threshold, r) >= 0.90)
    return _N_PERMUTATIONS // rows, rows


def _recall(threshold: float, rows: int) -> float:
    return float(1 - (1 - threshold**rows) ** (_N_PERMUTATIONS // rows))


def is_near(a: str, b: str, options: Dedup) -> float:
    """Return the Jaccard of two near duplicates, 0 where they are not."""
    first, second = normalise(a), normalise(b)
    similarity = jaccard(shingles(first), shingles(second))
    if similarity < options.threshold(min(len(first), len(second))):
        return 0.0
    return 0.0 if differ_in_fact(_bare(a), _bare(b)) else similarity


def differ_in_fact(a: str, b: str) -> bool:
    """Tell whether the texts differ in a number, a name, a negation or an opposite.

    In longer texts a number or name that only one of them has is an addition, which keeps them
    near; it must be exchanged for another.
    """
    first, second = quantities(a), quantities(b)
    differ = any if min(len(a), len(b)) < _LONG else all
    return bool(
        differ([first.missing_from(second), second.missing_from(first)])
        or differ([missing_names(a, b), missing_names(b, a)])
        or is_negation_changed(a, b)
        or opposites(a, b)
    )


def _bare(text: str) -> str:
    return _LEAD.sub("", _TAG.sub(" ", plain(text)))


@lru_cache(maxsize=16_384)
def normalise(text: str) -> str:
    """Reduce to what is said: no case, punctuation, typography, list number or markup.

    A text without any word keeps its characters.
    """
    return " ".join(words(_bare(text))) or plain(text).casefold()


@lru_cache(maxsize=1024)
def shingles(text: str) -> frozenset[str]:
    """Return the character 5-grams; a shorter text is its own."""
    return frozenset(text[i : i + 5] for i in range(max(1, len(text) - 4)))


@lru_cache(maxsize=16_384)  # about 1 KB each
def _minhash(text: str) -> Any:
    from datasketch import LeanMinHash, MinHash

    made = MinHash(num_perm=_N_PERMUTATIONS)
    made.update_batch([s.encode("utf-8", "surrogatepass") for s in shingles(text)])
    return LeanMinHash(made)


FILTER = Dedup
