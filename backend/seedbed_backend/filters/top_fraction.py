"""The best part of what is left, by quality, within every group of sources."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from pydantic import Field

from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, ScreenContext


class TopFraction(Filter):
    """Keeps the best `keep_fraction` of each stratum (the sources' `group`), at least one of each.

    Quality is the mean of the scores that the earlier filters gave, 0 where none did; it is this
    filter's score. Counts are rounded up; equals are taken in the order of their ids.
    """

    name = "top_fraction"
    help = "Keeps the best-scored fraction within every group of sources."
    reasons = ("below_top_fraction",)
    scope = "final"

    keep_fraction: float = Field(default=0.65, gt=0.0, le=1.0)

    @property
    def expected_share(self) -> float:
        """See Filter."""
        return self.keep_fraction

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        qualities = [round(quality(context, candidate), 4) for candidate in candidates]
        strata: dict[str, list[int]] = defaultdict(list)
        for place, candidate in enumerate(candidates):
            strata[candidate.source.group].append(place)
        ranks: dict[int, tuple[int, int]] = {}
        for places in strata.values():
            places.sort(key=lambda place: (-qualities[place], candidates[place].id))
            ranks |= {place: (rank, len(places)) for rank, place in enumerate(places, start=1)}
        return [
            self._decide(candidate, qualities[place], *ranks[place])
            for place, candidate in enumerate(candidates)
        ]

    def _decide(self, candidate: Candidate, score: float, rank: int, n_stratum: int) -> Decision:
        # 0.65 of 20 is 13, not 13.000000000000002 rounded up.
        n_kept = math.ceil(round(self.keep_fraction * n_stratum, 9))
        if rank > n_kept:
            evidence = {"rank": rank, "n_kept": n_kept, "n_stratum": n_stratum}
            return self.drop(candidate, "below_top_fraction", score, **evidence)
        return self.keep(candidate, score, rank=rank, n_stratum=n_stratum)


def quality(context: ScreenContext, candidate: Candidate) -> float:
    """Return the mean of the candidate's scores, in [0, 1]; 0 where it has none."""
    scores = context.scores.get(candidate.id, {})
    return math.fsum(scores.values()) / len(scores) if scores else 0.0


FILTER = TopFraction
