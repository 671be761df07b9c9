"""How near a candidate is to its source: the cosine window, and the copy check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.text import sentences, word_similarity


class Similarity(Filter):
    """Keeps a candidate whose cosine with its source lies in [minimum, maximum] and that is no copy.

    `against` is the whole source text, or its nearest sentence. The copy check looks at words, not
    meaning: at least `1 - max_same_words` of them must differ (FILTERS: it does the ceiling's work
    better than the ceiling; set `maximum` to 1 to rely on it alone).

    The score is 1 from the middle of the window to its third quarter, and falls to 0 at both edges
    in a straight line; with `maximum` 1 it does not fall at the top.
    """

    name = "similarity"
    help = "Drops what strays from its source in meaning, and what only repeats it."
    reasons = ("too_far", "too_close", "near_copy")

    fields: tuple[str, ...] = Field(min_length=1)
    source_field: str
    against: Literal["text", "best_sentence"] = "text"
    minimum: float = Field(default=0.70, ge=0.0, le=1.0)
    maximum: float = Field(default=0.90, ge=0.0, le=1.0)
    max_same_words: float = Field(default=0.90, ge=0.0, le=1.0)

    @field_validator("maximum")
    @classmethod
    def _is_above_minimum(cls, maximum: float, info: ValidationInfo) -> float:
        minimum = info.data.get("minimum", 0.0)
        if maximum <= minimum:
            raise ValueError(f"should be greater than minimum ({minimum})")
        return maximum

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter. Encodes every distinct text of the batch once."""
        pairs = [(c.text(self.fields), self._parts(c)) for c in candidates]
        wanted = list(dict.fromkeys(text for own, parts in pairs for text in (own, *parts)))
        vectors = context.encoder.encode(wanted) if wanted else None
        place = {text: row for row, text in enumerate(wanted)}
        decisions = []
        for candidate, (own, parts) in zip(candidates, pairs, strict=True):
            cosine, nearest = 0.0, ""
            if vectors is not None and own.strip() and parts:
                cosines = vectors[[place[part] for part in parts]] @ vectors[place[own]]
                cosine, nearest = float(cosines.max()), parts[int(cosines.argmax())]
            decisions.append(self._decide(candidate, own, cosine, nearest))
        return decisions

    def _parts(self, candidate: Candidate) -> list[str]:
        source = candidate.source.fields.get(self.source_field, "")
        if self.against == "text":
            return [source] if source.strip() else []
        return [source[start:end] for start, end in sentences(source)]

    def _decide(self, candidate: Candidate, own: str, cosine: float, nearest: str) -> Decision:
        source = candidate.source.fields.get(self.source_field, "")
        same_words = word_similarity(own, source)
        evidence: dict[str, object] = {
            "cosine": round(cosine, 4),
            "same_words": round(same_words, 4),
        }
        if self.against == "best_sentence":
            evidence["nearest"] = nearest
        score = round(self.score(cosine), 4)
        if cosine < self.minimum:
            return self.drop(candidate, "too_far", score, **evidence)
        if same_words >= self.max_same_words:
            return self.drop(candidate, "near_copy", score, **evidence)
        if cosine > self.maximum and self.maximum < 1:
            return self.drop(candidate, "too_close", score, **evidence)
        return self.keep(candidate, score, **evidence)

    def score(self, cosine: float) -> float:
        """Return the place in the window, in [0, 1]; see the class."""
        width = self.maximum - self.minimum
        rise = (cosine - self.minimum) / (width / 2)
        fall = (self.maximum - cosine) / (width / 4) if self.maximum < 1 else 1.0
        return max(0.0, min(1.0, rise, fall))


FILTER = Similarity
