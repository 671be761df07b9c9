"""The best part of what is left, by quality and spread, within every group of sources."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.selection import Vectors, apportion, nearest, spread_out

_MAX_WEIGHT = 100.0


class TopFraction(Filter):
    """Keeps the best `keep_fraction` of all, shared out over the strata (the sources' `group`).

    Quality, this filter's score, is the mean of the scores that the earlier filters and the judge
    gave, weighted by `weights` (filter name → 0 to 100; 1 where none is given); 0 without scores.

    Within a stratum the next one kept is always the one with the highest
    (1 - spread) x quality + spread x (1 - cosine with the nearest one kept before it), so with
    `spread` 0 quality alone decides. Equals are taken in the order of their ids.

    In all, keep_fraction x the number of candidates, rounded up, are kept: of each stratum its share
    rounded down, and what is left over goes first to strata that would have none, then by largest
    remainder, then by quality. So no stratum outgrows its share by more than one, and many strata of
    one candidate are ranked against each other.
    """

    name = "top_fraction"
    help = "Keeps the best-scored fraction within every group of sources, spread over its topics."
    reasons = ("below_top_fraction", "redundant")
    scope = "final"

    keep_fraction: float = Field(default=0.65, gt=0.0, le=1.0)
    # As measured on five sets with MiniLM: the mean quality falls by at most 0.008, and what was
    # left out lies nearer to what was kept (mean cosine up by 0.000 to 0.025).
    spread: float = Field(default=0.3, ge=0.0, le=1.0)
    weights: dict[str, float] = Field(default_factory=dict)

    @property
    def expected_share(self) -> float:
        """See Filter."""
        return self.keep_fraction

    def check(self, recipe: Recipe) -> None:
        """See Filter. Also raises where `weights` names a filter that the recipe does not run."""
        super().check(recipe)
        known = [name for name in recipe.filter_options() if name != self.name]
        known += ["judge"] if recipe.judge.enabled else []
        for name, weight in self.weights.items():
            if name not in known:
                raise RecipeError(
                    f"Filter {self.name}: weights names {name!r}, which this recipe does not run.",
                    hint=f"Known: {', '.join(known)}.",
                )
            if not 0.0 <= weight <= _MAX_WEIGHT:
                raise RecipeError(
                    f"Filter {self.name}: the weight of {name} must be 0 to {_MAX_WEIGHT:.0f}, "
                    f"not {weight:g}."
                )

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        groups: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in candidates:
            groups[candidate.source.group].append(candidate)
        total = len(candidates)
        # 0.65 of 20 is 13, not 13.000000000000002 rounded up.
        n_kept = math.ceil(round(self.keep_fraction * total, 9))
        chosen = [groups[group] for group in sorted(groups)]
        sizes = [len(group) for group in chosen]
        floors = [n_kept * size // total for size in sizes]
        strata = [
            _Stratum(group, n + 1, context, self) for group, n in zip(chosen, floors, strict=True)
        ]
        ties = [stratum.quality_at(n) for stratum, n in zip(strata, floors, strict=True)]
        decisions: dict[str, Decision] = {}
        for stratum, n in zip(strata, apportion(sizes, n_kept, ties), strict=True):
            decisions |= {d.candidate_id: d for d in stratum.decide(n)}
        return [decisions[candidate.id] for candidate in candidates]


class _Stratum:
    """The candidates of one group, best first, and the first `n` of them in the order to be kept."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        n: int,
        context: ScreenContext,
        options: TopFraction,
    ) -> None:
        measured = [(round(quality(context, c, options.weights), 4), c) for c in candidates]
        measured.sort(key=lambda pair: (-pair[0], pair[1].id))
        self.options = options
        self.scores = context.scores
        self.candidates = [candidate for _, candidate in measured]
        self.qualities = [value for value, _ in measured]
        self.vectors = self.encode(context) if options.spread else None
        self.order = (
            list(range(min(n, len(measured))))
            if self.vectors is None
            else spread_out(self.vectors, self.qualities, n, options.spread)
        )

    def encode(self, context: ScreenContext) -> Vectors:
        fields = context.recipe.spec.dedup_fields
        return context.encoder.encode([candidate.text(fields) for candidate in self.candidates])

    def quality_at(self, place: int) -> float:
        """Return the quality of the one that comes after `place` others; 0 after the last."""
        return self.qualities[self.order[place]] if place < len(self.order) else 0.0

    def decide(self, n: int) -> Iterator[Decision]:
        """Keep the first `n`."""
        kept = self.order[:n]
        near = self._near(kept)
        is_kept = set(kept)
        for place, candidate in enumerate(self.candidates):
            score = self.qualities[place]
            evidence = {
                "rank": place + 1,
                "n_kept": n,
                "n_stratum": len(self.candidates),
                "scores": dict(self.scores.get(candidate.id, {})),
                **near[place],
            }
            if place in is_kept:
                yield self.options.keep(candidate, score, **evidence)
            else:
                reason = "redundant" if place < n else "below_top_fraction"
                yield self.options.drop(candidate, reason, score, **evidence)

    def _near(self, kept: Sequence[int]) -> list[dict[str, Any]]:
        """Name for each candidate the kept one that is nearest to it, but for itself."""
        if self.vectors is None:
            return [{} for _ in self.candidates]
        own = np.full(len(self.candidates), -1)
        own[kept] = np.arange(len(kept))
        places, values = nearest(self.vectors, self.vectors[kept], own)
        return [
            {"nearest": self.candidates[kept[place]].id, "similarity": float(round(value, 4))}
            if place >= 0
            else {}
            for place, value in zip(places.tolist(), values.tolist(), strict=True)
        ]


def quality(
    context: ScreenContext, candidate: Candidate, weights: Mapping[str, float] | None = None
) -> float:
    """Return the weighted mean of the candidate's scores, in [0, 1]; 0 where it has none.

    A filter without a weight counts 1.
    """
    weighted = [
        ((weights or {}).get(name, 1.0), score)
        for name, score in context.scores.get(candidate.id, {}).items()
    ]
    total = math.fsum(weight for weight, _ in weighted)
    return math.fsum(weight * score for weight, score in weighted) / total if total else 0.0


FILTER = TopFraction
