"""Duplicates: of what was kept, of real data, of what reviewers rejected, and of each other."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seedbed.records import Candidate, Decision
from seedbed.sameness import NEAR_LONG, NEAR_SHORT, changed_fact, near_threshold, normalise
from seedbed.text import letter_similarity
from seedbed_backend.filters.base import Encoder, Filter, Near, Reference, ScreenContext
from seedbed_backend.filters.top_fraction import quality

_SHOWN = 200  # characters of the matched text that the evidence shows

Kind = Literal["candidate", "kept", "real", "rejected"]


class Dedup(Filter):
    """Drops what says the same as another text in nearly the same letters, keeping one of them.

    Equal after normalising (case, punctuation, typography, list numbers, markup), or near: Jaccard
    of character 5-grams at least `near_short` up to 40 characters, falling to `near_long` from 120
    on, or a cosine of `near_cosine` with a Jaccard of `near_cosine_letters`. Texts that differ in a
    number, a name, a negation or, where little else changed, in a content word are never near
    duplicates; with `siblings_agree` content words count for nothing between candidates of one
    source, which say the same by design. With its own source (a real reference of the same source)
    a candidate is compared for equality alone, since a good paraphrase is near it.

    The one with the better mean score stays, equals by id; so does a better one than what an
    earlier wave of the same run has kept, which it replaces. Not scored. The evidence shows the
    match, or the nearest text that differs in a fact.
    """

    name = "dedup"
    help = "Drops exact and near duplicates of kept, real and rejected texts, and of each other."
    reasons = ("duplicate_of_kept", "duplicate_of_real", "duplicate_of_rejected", "duplicate")
    scope = "set"
    uses_neighbours = True

    fields: tuple[str, ...] = Field(min_length=1)
    near_short: float = Field(default=NEAR_SHORT, gt=0.0, le=1.0)
    near_long: float = Field(default=NEAR_LONG, gt=0.0, le=1.0)
    # FILTERS: the best rule with an embedding.
    near_cosine: float = Field(default=0.90, gt=0.0, le=1.0)
    near_cosine_letters: float = Field(default=0.30, gt=0.0, le=1.0)
    siblings_agree: bool = False

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        if not candidates:
            return []
        wave = _Wave(self, candidates, context)
        return [wave.decide(place, candidate) for place, candidate in enumerate(candidates)]

    def threshold(self, n_characters: int) -> float:
        """Return the Jaccard from which texts of that length (the shorter one) are near."""
        return near_threshold(n_characters, self.near_short, self.near_long)

    def likeness(self, a: str, b: str, cosine: float) -> float:
        """Return the Jaccard of two normalised texts where they are near, else 0."""
        letters = letter_similarity(a, b)
        by_meaning = cosine >= self.near_cosine and letters >= self.near_cosine_letters
        return letters if by_meaning or letters >= self.threshold(min(len(a), len(b))) else 0.0


@dataclass(frozen=True, slots=True)
class _Text:
    """One text that is compared: a candidate, or a reference. An infinite quality always stays."""

    id: str
    text: str
    source_id: str
    kind: Kind
    quality: float

    @staticmethod
    def of(reference: Reference) -> _Text:
        quality = math.inf if reference.quality is None else reference.quality
        return _Text(reference.id, reference.text, reference.source_id, reference.kind, quality)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A text near to another one. `fact` is what they differ in, or ""."""

    other: int
    similarity: float
    cosine: float
    fact: str


class _Wave:
    """The candidates of one call beside all that is near to them, by their place in `texts`.

    The candidates come first. From the best one down, each stays unless one that stays is the same.
    """

    def __init__(
        self, options: Dedup, candidates: Sequence[Candidate], context: ScreenContext
    ) -> None:
        self.options = options
        self.texts = [
            _Text(c.id, c.text(options.fields), c.source.id, "candidate", quality(context, c))
            for c in candidates
        ]
        self.n_candidates = len(candidates)
        self.near: defaultdict[int, dict[int, float]] = defaultdict(dict)
        self._find(context)
        self.matches: dict[int, _Pair] = {}
        self.variants: dict[int, _Pair] = {}
        self.replaced: defaultdict[int, list[_Pair]] = defaultdict(list)
        self._settle()

    def decide(self, place: int, candidate: Candidate) -> Decision:
        """Say what became of one candidate."""
        match = self.matches.get(place)
        if match is not None:
            kind = self.texts[match.other].kind
            reason = "duplicate" if kind == "candidate" else f"duplicate_of_{kind}"
            return self.options.drop(candidate, reason, **self._evidence(match))
        evidence: dict[str, Any] = {}
        if place in self.variants:
            variant = self.variants[place]
            evidence["nearest"] = {**self._evidence(variant), "differs": variant.fact}
        if place in self.replaced:
            own = _shown(self.texts[place].text)
            evidence["replaces"] = [
                {**self._evidence(pair), "by": own} for pair in self.replaced[place]
            ]
        return self.options.keep(candidate, **evidence)

    def _evidence(self, pair: _Pair) -> dict[str, Any]:
        other = self.texts[pair.other]
        return {
            "match": other.id,
            "kind": other.kind,
            "similarity": round(pair.similarity, 4),
            "cosine": pair.cosine,
            "text": _shown(other.text),
        }

    def _find(self, context: ScreenContext) -> None:
        """Note which texts may be the same, in both directions."""
        from seedbed_backend import text_index

        texts = [text.text for text in self.texts]
        vectors, codes = context.encoder.encode(texts), text_index.encode(texts)
        limits = {
            "min_letters": min(self.options.near_short, self.options.near_long),
            "min_cosine": self.options.near_cosine,
        }
        own = text_index.TextIndex(vectors.shape[1])
        own.add([str(place) for place in range(len(texts))], texts, vectors, codes)
        for place, found in enumerate(own.search(texts, vectors, codes, **limits)):
            for match in found:
                self._note(place, int(match.id), match.cosine)
        places: dict[tuple[str, str], int] = {}
        known = [context.neighbours] if context.neighbours else []
        if context.references:
            known.append(ListedNeighbours(context.references, context.encoder))
        for neighbours in known:
            for place, near in enumerate(neighbours.near(texts, vectors, codes, **limits)):
                for reference, cosine in near:
                    key = (reference.kind, reference.id)
                    if key not in places:
                        places[key] = len(self.texts)
                        self.texts.append(_Text.of(reference))
                    self._note(place, places[key], cosine)

    def _note(self, place: int, other: int, cosine: float) -> None:
        if place != other:
            self.near[place][other] = self.near[other][place] = cosine

    def _settle(self) -> None:
        """Decide who stays."""
        kept: set[int] = set()
        for place in sorted(range(len(self.texts)), key=self._rank):
            pairs = self._pairs(place, [other for other in self.near[place] if other in kept])
            match, variant = _first(pairs)
            if match is None:
                kept.add(place)
            else:
                self.matches[place] = match
                if place >= self.n_candidates:
                    self.replaced[match.other].append(replace(match, other=place))
            if variant is not None:
                self.variants[place] = variant

    def _rank(self, place: int) -> tuple[float, str, int]:
        text = self.texts[place]
        return -text.quality, text.id, place

    def _pairs(self, place: int, others: Sequence[int]) -> Iterator[_Pair]:
        """Yield those of the others that are the same or differ in a fact alone, nearest first."""
        own = self.texts[place]
        key = normalise(own.text)
        found = []
        for other in others:
            text = self.texts[other]
            other_key = normalise(text.text)
            cosine = self.near[place][other]
            is_own_source = text.kind == "real" and text.source_id == own.source_id
            if key == other_key:
                found.append((-2.0, text.id, other, 1.0))
            elif not is_own_source:
                similarity = self.options.likeness(key, other_key, cosine)
                if similarity:
                    found.append((-similarity, text.id, other, similarity))
        for rank, _, other, similarity in sorted(found):
            fact = "" if rank == -2.0 else self._fact(own, self.texts[other])
            yield _Pair(other, similarity, self.near[place][other], fact)

    def _fact(self, own: _Text, other: _Text) -> str:
        is_sibling = other.kind != "real" and own.source_id == other.source_id
        is_same_content = self.options.siblings_agree and is_sibling
        return changed_fact(own.text, other.text, is_same_content=is_same_content)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\u2026"


def _first(pairs: Iterator[_Pair]) -> tuple[_Pair | None, _Pair | None]:
    """Return the first pair that is the same, or else the first that differs in a fact."""
    variant = None
    for pair in pairs:
        if not pair.fact:
            return pair, None
        variant = variant or pair
    return None, variant


class ListedNeighbours:
    """References that are there as a list; they are encoded once, however often it is asked."""

    def __init__(self, references: Sequence[Reference], encoder: Encoder) -> None:
        from seedbed_backend.text_index import TextIndex

        self.references = references
        texts = [reference.text for reference in references]
        vectors = encoder.encode(texts)
        self.index = TextIndex(vectors.shape[1])
        self.index.add([str(place) for place in range(len(texts))], texts, vectors)

    def near(
        self,
        texts: Sequence[str],
        vectors: NDArray[np.float32],
        codes: NDArray[np.uint8],
        *,
        min_letters: float,
        min_cosine: float,
    ) -> list[list[Near]]:
        """See Neighbours."""
        found = self.index.search(
            texts, vectors, codes, min_letters=min_letters, min_cosine=min_cosine
        )
        return [[Near(self.references[int(m.id)], m.cosine) for m in near] for near in found]


FILTER = Dedup
