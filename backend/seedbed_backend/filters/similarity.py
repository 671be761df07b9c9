"""How near a candidate is to its source: the cosine window, and the copy check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from seedbed.records import Candidate, Decision
from seedbed.text import letter_similarity, sentences, words
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.text import unpolished_similarity, word_similarity

MEANING_RISE = 0.10
"""Cosine above the minimum at which the meaning counts as kept in full."""
FULL_CHANGE = 0.40
"""Share of changed words from which a surface counts as new in full."""


class Similarity(Filter):
    """Keeps a candidate whose cosine with its source lies in [minimum, maximum] and that is no copy.

    `against` is the whole source text, or its nearest sentence. `window` says what happens above
    `maximum`, the realm of copies: "strict" drops all of it, as the textbook has it; "proven" keeps
    what passes the copy check. (FILTERS: 82 % of good clinical back-translations lie above 0.90.)
    There the evidence says under `strict_window` what the strict one says of each candidate.

    The copy check runs at every cosine: at least `1 - max_same_words` of the words must differ;
    with "proven" also the letters, and the words where articles, case, punctuation and slips of a
    letter make no difference.

    The score of "strict" is 1 from the middle of the window to its third quarter, and falls to 0 at
    both edges in a straight line; with `maximum` 1 it does not fall at the top. The score of
    "proven" is meaning x (1 + change) / 2: meaning rises from 0 at `minimum` to 1 at 0.10 above,
    change from 0 where `max_same_words` of the words are the same to 1 where 40 % differ.
    """

    name = "similarity"
    help = "Drops what strays from its source in meaning, and what only repeats it."
    reasons = ("too_far", "too_close", "near_copy")

    fields: tuple[str, ...] = Field(min_length=1)
    source_field: str
    against: Literal["text", "best_sentence"] = "text"
    window: Literal["strict", "proven"] = "strict"
    minimum: float = Field(default=0.70, ge=0.0, le=1.0)
    maximum: float = Field(default=0.90, ge=0.0, le=1.0)
    max_same_words: float = Field(default=0.90, ge=0.0, le=1.0)
    # Jaccard of character 5-grams; good rewrites reach .84, copies with one synonym lie above.
    max_same_letters: float = Field(default=0.85, ge=0.0, le=1.0)
    # What is left when articles and slips of a letter do not count as changes.
    max_same_beyond_polish: float = Field(default=0.95, ge=0.0, le=1.0)

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
        strict = self._strict(cosine)
        evidence: dict[str, object] = {
            "cosine": round(cosine, 4),
            "same_words": round(same_words, 4),
        }
        if self.window == "proven":
            evidence["strict_window"] = strict or "kept"
        if self.against == "best_sentence":
            evidence["nearest"] = nearest
        score = round(self.score(cosine, same_words), 4)
        if strict == "too_far":
            return self.drop(candidate, strict, score, **evidence)
        is_copy = same_words >= self.max_same_words
        if self.window == "proven":
            letters = letter_similarity(" ".join(words(own)), " ".join(words(source)))
            beyond = unpolished_similarity(own, source)
            evidence |= {"same_letters": round(letters, 4), "same_beyond_polish": round(beyond, 4)}
            is_copy |= letters >= self.max_same_letters or beyond >= self.max_same_beyond_polish
        if is_copy:
            return self.drop(candidate, "near_copy", score, **evidence)
        if strict and self.window == "strict":
            return self.drop(candidate, strict, score, **evidence)
        return self.keep(candidate, score, **evidence)

    def _strict(self, cosine: float) -> str:
        if cosine < self.minimum:
            return "too_far"
        return "too_close" if cosine > self.maximum and self.maximum < 1 else ""

    def score(self, cosine: float, same_words: float = 0.0) -> float:
        """Return the score in [0, 1]; see the class."""
        if self.window == "proven":
            meaning = _share(cosine - self.minimum, MEANING_RISE)
            least = 1 - self.max_same_words
            change = _share(1 - same_words - least, max(FULL_CHANGE - least, 0.01))
            return meaning * (1 + change) / 2
        width = self.maximum - self.minimum
        rise = (cosine - self.minimum) / (width / 2)
        fall = (self.maximum - cosine) / (width / 4) if self.maximum < 1 else 1.0
        return max(0.0, min(1.0, rise, fall))


def _share(part: float, whole: float) -> float:
    return max(0.0, min(1.0, part / whole))


FILTER = Similarity
