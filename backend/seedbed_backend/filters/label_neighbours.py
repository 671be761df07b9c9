"""Whether a candidate still has its label: do the labelled examples nearest to it share it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Encoder, Filter, ScreenContext

Labelled = tuple[str, str, str]
"""Id, label and text of a labelled source."""

_MAX_TRIED = 50


class LabelNeighbours(Filter):
    """Drops a candidate among examples of another label than its own.

    The `k` labelled sources nearest in meaning vote, each with its cosine as weight; the candidate's
    own source has no vote. The candidate's label is in its output field `label_field`, or, where
    that is empty, that of its source. A label with n sources is judged by at most 2n - 1
    neighbours, so that a rare one can win.

    Dropped is a label with less than `min_share` of the votes, where another one has more than half
    of them and the nearest has another one, too. Not so where the source itself, with the same
    label, stands as much among strangers, or where labels do not lie together at all:
    `min_reliability` of the label's own sources must not be outvoted (up to 50 are tried). The
    evidence names the neighbours, the vote and the reliability. The score is the label's share;
    none, and no drop, with fewer than `min_labelled` sources or `min_of_label` of that label.
    """

    name = "label_neighbours"
    help = "Drops a labelled candidate whose nearest labelled examples have another label."
    reasons = ("label_disagrees",)
    uses_sources = True

    fields: tuple[str, ...] = Field(min_length=1)
    source_field: str
    label_field: str = ""
    k: int = Field(default=5, ge=1, le=100)
    min_share: float = Field(default=0.40, ge=0.0, le=1.0)  # of five alike votes, fewer than two
    min_reliability: float = Field(default=0.80, ge=0.0, le=1.0)
    min_labelled: int = Field(default=20, ge=2)
    min_of_label: int = Field(default=3, ge=2)

    def check(self, recipe: Recipe) -> None:
        """See Filter. Raises RecipeError where neither sources nor candidates have a label."""
        super().check(recipe)
        if not recipe.spec.label_field:
            raise RecipeError(
                f"Filter {self.name}: the sources of {recipe.spec.name} have no label.",
                hint="Mark a source field as the label, or leave this filter out.",
            )

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter. The sources are encoded once and remembered."""
        own = context.recipe.spec.label_field
        labelled = tuple(
            (s.id, s.fields[own], s.fields[self.source_field])
            for s in context.sources
            if s.fields.get(own) and s.fields.get(self.source_field, "").strip()
        )
        counts = Counter(label for _, label, _ in labelled)
        labels = [c.fields.get(self.label_field, "") or c.source.fields.get(own, "")
                  for c in candidates]  # fmt: skip
        judged = [
            (candidate, label)
            for candidate, label in zip(candidates, labels, strict=True)
            if len(labelled) >= self.min_labelled and counts[label] >= self.min_of_label
        ]
        encoder: Any = context.encoder  # an Encoder, told from others by identity
        known = _known(encoder, labelled) if judged else None
        votes = self._votes(judged, known, counts, own, context.encoder) if known else {}
        return [
            self._decide(candidate, *votes[candidate.id])
            if candidate.id in votes
            else self.keep(candidate, n_labelled=len(labelled), n_of_label=counts[label])
            for candidate, label in zip(candidates, labels, strict=True)
        ]

    def _votes(
        self,
        judged: Sequence[tuple[Candidate, str]],
        known: _Known,
        counts: Counter[str],
        own: str,
        encoder: Encoder,
    ) -> dict[str, tuple[_Vote, _Vote | None, float]]:
        """Take the vote on every candidate and, where it has the same label, on its source.

        The third is the reliability of the label.
        """
        texts = [candidate.text(self.fields) for candidate, _ in judged]
        texts += [c.source.fields.get(self.source_field, "") for c, _ in judged]
        place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        cosines = np.round(encoder.encode(list(place)) @ known.vectors.T, 5)
        reliable = {
            label: known.reliability(label, self._size(counts[label]), self.min_share)
            for label in {label for _, label in judged}
        }
        votes: dict[str, tuple[_Vote, _Vote | None, float]] = {}
        for candidate, label in judged:
            size = self._size(counts[label])
            source = candidate.source
            text, original = candidate.text(self.fields), source.fields.get(self.source_field, "")
            has_same = source.fields.get(own) == label and bool(original.strip())
            votes[candidate.id] = (
                _vote(cosines[place[text]], known.labelled, label, source.id, size),
                _vote(cosines[place[original]], known.labelled, label, source.id, size)
                if has_same
                else None,
                reliable[label],
            )
        return votes

    def _size(self, n_of_label: int) -> int:
        return min(self.k, 2 * n_of_label - 1)

    def _decide(
        self, candidate: Candidate, vote: _Vote, of_source: _Vote | None, reliability: float
    ) -> Decision:
        evidence = {
            "label": vote.label,
            "vote": vote.shares,
            "neighbours": vote.neighbours,
            "reliability": round(reliability, 4),
        }
        score = vote.shares.get(vote.label, 0.0)
        if not vote.is_lost(self.min_share):
            return self.keep(candidate, score, **evidence)
        if of_source and of_source.is_outvoted(self.min_share):
            return self.keep(candidate, score, **evidence, source_disagrees_too=True)
        if reliability < self.min_reliability:
            return self.keep(candidate, score, **evidence)
        return self.drop(candidate, "label_disagrees", score, **evidence)


@dataclass(frozen=True, slots=True)
class _Vote:
    """What the neighbours of a text say: each label's share of the votes, in [0, 1]."""

    label: str
    shares: dict[str, float]
    neighbours: list[dict[str, object]]

    def is_outvoted(self, min_share: float) -> bool:
        """Tell whether the label has less than `min_share` and less than another one."""
        share = self.shares.get(self.label, 0.0)
        return share < min_share and share < max(self.shares.values(), default=0.0)

    def is_lost(self, min_share: float) -> bool:
        """Tell whether it is outvoted by a majority, and the nearest has another label, too."""
        return (
            self.is_outvoted(min_share)
            and max(self.shares.values()) > 0.5
            and self.neighbours[0]["label"] != self.label
        )


def _vote(
    cosines: NDArray[np.float32], labelled: Sequence[Labelled], label: str, own_id: str, size: int
) -> _Vote:
    # One more than wanted, for the own source; equal cosines in the order of the sources.
    least = np.partition(cosines, -min(size + 1, len(cosines)))[-min(size + 1, len(cosines))]
    near = np.flatnonzero(cosines >= least)
    order = near[np.argsort(-cosines[near], kind="stable")]
    chosen = [place for place in order if labelled[place][0] != own_id][:size]
    weights: dict[str, float] = {}
    for place in chosen:
        name = labelled[place][1]
        weights[name] = weights.get(name, 0.0) + max(0.0, float(cosines[place]))
    total = sum(weights.values())
    ranked = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return _Vote(
        label,
        {name: round(weight / total, 4) for name, weight in ranked if total > 0},
        [
            {
                "source": labelled[place][0],
                "label": labelled[place][1],
                "cosine": round(float(cosines[place]), 4),
            }
            for place in chosen
        ],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """The labelled sources with their vectors, shape (n, d), and what was found about their labels."""

    labelled: tuple[Labelled, ...]
    vectors: NDArray[np.float32]
    found: dict[tuple[str, int, float], float] = field(default_factory=dict)

    def reliability(self, label: str, size: int, min_share: float) -> float:
        """Return the share of a label's own sources that keep it by the vote of the others.

        Of up to 50 of them, evenly over their order.
        """
        key = (label, size, min_share)
        if key not in self.found:
            places = [n for n, (_, name, _) in enumerate(self.labelled) if name == label]
            tried = places[:: -(-len(places) // _MAX_TRIED)]
            cosines = np.round(self.vectors[tried] @ self.vectors.T, 5)
            kept = [
                not _vote(row, self.labelled, label, self.labelled[n][0], size).is_outvoted(
                    min_share
                )
                for n, row in zip(tried, cosines, strict=True)
            ]
            self.found[key] = sum(kept) / len(kept)
        return self.found[key]


@lru_cache(maxsize=2)
def _known(encoder: Encoder, labelled: tuple[Labelled, ...]) -> _Known:
    return _Known(labelled, encoder.encode([text for _, _, text in labelled]))


FILTER = LabelNeighbours
