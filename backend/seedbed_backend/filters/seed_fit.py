"""How near a new example is to the seeds: of their kind, and no copy of any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from seedbed.records import Candidate, Decision, SourceTask
from seedbed.technique import Technique
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.text import word_similarity

MIN_SEEDS = 8
"""Fewer seeds tell nothing about how near they are to each other."""

MAX_SEEDS = 2000
"""How many seeds are compared with each other to read the range off them: about 50 ms, once."""

_QUANTILE = 0.05
_FLOORS = (0.20, 0.60)
_NO_SEEDS = (0.30, 0.90)


class SeedFit(Filter):
    """Keeps what is as near to its nearest seed as seeds are to each other.

    The nearest of *all* seeds counts, not only the one that the prompt ended with. `minimum` and
    `maximum` bound its cosine. Where one is not set, it is read off the seeds: each seed's cosine
    with the nearest other seed, of which `minimum` is the 5 % quantile, held within 0.20-0.60, and
    `maximum` the 95 % quantile, 0.90 at least. Below 8 seeds they are 0.30 and 0.90. (Measured with
    MiniLM on seven sets of real texts, one half as seeds and the other as new examples: this keeps
    50-94 % of the real ones, and 0-22 % of the texts of other sets for sets of one topic; a range of
    0.60-0.90 keeps 0-69 %. Rewordings of one text are at 0.90-0.99.)

    A copy is judged by words: at least `1 - max_same_words` of them must differ from each of the
    five nearest seeds, over all the fields that make two candidates the same.

    The score is 1 from the middle of the range to its third quarter, and falls to 0 at both edges.
    """

    name = "seed_fit"
    help = "Drops what is of another kind than the seeds, and what copies one of them."
    reasons = ("too_far", "too_close", "near_copy")
    uses_sources = True

    fields: tuple[str, ...] = Field(min_length=1)
    minimum: float | None = Field(default=None, ge=0.0, le=1.0)
    maximum: float | None = Field(default=None, ge=0.0, le=1.0)
    max_same_words: float = Field(default=0.90, ge=0.0, le=1.0)

    @field_validator("maximum")
    @classmethod
    def _is_above_minimum(cls, maximum: float | None, info: ValidationInfo) -> float | None:
        minimum = info.data.get("minimum")
        if maximum is not None and minimum is not None and maximum <= minimum:
            raise ValueError(f"should be greater than minimum ({minimum})")
        return maximum

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter. Encodes every seed and every distinct text of the batch once."""
        technique = context.recipe.spec
        known = {s.id: s for s in context.sources}
        # A project's own sources are all known; one opened in Label Studio this moment may not be.
        listed = known | {c.source.id: c.source for c in candidates}
        seeds = [(s, text) for s in listed.values() if (text := self._text(s, technique)).strip()]
        texts = [candidate.text(self.fields) for candidate in candidates]
        if not candidates or not seeds:
            return [self.drop(c, "too_far", 0.0, cosine=0.0) for c in candidates]
        vectors = context.encoder.encode([*(text for _, text in seeds), *texts])
        of_seeds, of_texts = vectors[: len(seeds)], vectors[len(seeds) :]
        n_known = sum(source.id in known for source, _ in seeds)
        low, high = self._range(context.encoder, tuple(text for _, text in seeds[:n_known]))
        cosines = of_texts @ of_seeds.T
        for column, (source, _) in enumerate(seeds[n_known:], start=n_known):
            cosines[[c.source.id != source.id for c in candidates], column] = -1.0
        decisions = []
        for candidate, text, row in zip(candidates, texts, cosines, strict=True):
            places = np.argsort(-row, kind="stable")[:5]
            near = [
                (seeds[int(i)], max(0.0, round(float(row[i]), 4))) for i in places if row[i] > -1
            ]
            decisions.append(self._decide(candidate, text, near, _Range(low, high), technique))
        return decisions

    def _text(self, source: SourceTask, technique: Technique) -> str:
        return technique.own_text(source.fields, self.fields)

    def _range(self, encoder: Any, seeds: tuple[str, ...]) -> tuple[float, float]:
        """Return the range in force; what is not set is read off the seeds."""
        is_set = self.minimum is not None and self.maximum is not None
        low, high = _NO_SEEDS if is_set else _range_of(encoder, seeds)
        low = low if self.minimum is None else self.minimum
        high = high if self.maximum is None else self.maximum
        return min(low, high), high

    def _decide(
        self,
        candidate: Candidate,
        text: str,
        near: Sequence[tuple[tuple[SourceTask, str], float]],
        range_: _Range,
        technique: Technique,
    ) -> Decision:
        if not near:
            return self.drop(candidate, "too_far", 0.0, cosine=0.0)
        (nearest, nearest_text), cosine = near[0]
        whole = candidate.text(technique.dedup_fields)
        same_words = max(
            word_similarity(whole, technique.own_text(seed.fields)) for (seed, _), _ in near
        )
        evidence: Mapping[str, Any] = {
            "cosine": cosine,
            "nearest": nearest_text[:300],
            "nearest_id": nearest.id,
            "same_words": round(same_words, 4),
            "minimum": round(range_.low, 4),
            "maximum": round(range_.high, 4),
        }
        score = round(range_.score(cosine), 4)
        if not text.strip() or cosine < range_.low:
            return self.drop(candidate, "too_far", score, **evidence)
        if same_words >= self.max_same_words:
            return self.drop(candidate, "near_copy", score, **evidence)
        if cosine > range_.high:
            return self.drop(candidate, "too_close", score, **evidence)
        return self.keep(candidate, score, **evidence)


@lru_cache(maxsize=4)
def _range_of(encoder: Any, seeds: tuple[str, ...]) -> tuple[float, float]:
    if len(seeds) < MIN_SEEDS:
        return _NO_SEEDS
    vectors = encoder.encode(seeds[:: -(-len(seeds) // MAX_SEEDS)])
    among = vectors @ vectors.T
    np.fill_diagonal(among, -1.0)
    low, high = np.quantile(among.max(axis=1), [_QUANTILE, 1 - _QUANTILE])
    return min(max(float(low), _FLOORS[0]), _FLOORS[1]), max(_NO_SEEDS[1], float(high))


@dataclass(frozen=True, slots=True)
class _Range:
    """Where the cosine with the nearest seed may lie."""

    low: float
    high: float

    def score(self, cosine: float) -> float:
        width = max(self.high - self.low, 1e-6)
        rise, fall = (cosine - self.low) / (width / 2), (self.high - cosine) / (width / 4)
        return max(0.0, min(1.0, rise, fall))


FILTER = SeedFit
