"""Whether length alone gives the preferred side away, over the whole set of pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from seedbed.records import Candidate, Decision
from seedbed.text import words
from seedbed_backend.filters.base import Filter, ScreenContext

_MIN_GAIN = 0.02  # of accuracy; less is not worth any pair


@dataclass(frozen=True, slots=True)
class Tell:
    """How pairs split by length, in words: which side is shorter, or neither."""

    n_shorter: int
    n_longer: int
    n_equal: int

    @property
    def n_pairs(self) -> int:
        """Return the number of all pairs."""
        return self.n_shorter + self.n_longer + self.n_equal

    @property
    def direction(self) -> str:
        """Name the side that is chosen more often: "shorter" or "longer"."""
        return "shorter" if self.n_shorter >= self.n_longer else "longer"

    @property
    def accuracy(self) -> float:
        """Return how often length alone finds the chosen side, in [0.5, 1]; equals count half."""
        if not self.n_pairs:
            return 0.5
        return (max(self.n_shorter, self.n_longer) + self.n_equal / 2) / self.n_pairs

    def without(self, n_pairs: int) -> Tell:
        """Return the split with so many pairs of the more frequent direction left out."""
        if self.direction == "shorter":
            return Tell(self.n_shorter - n_pairs, self.n_longer, self.n_equal)
        return Tell(self.n_shorter, self.n_longer - n_pairs, self.n_equal)


def length_gap(chosen: str, rejected: str) -> float:
    """Return the logarithm of words chosen ÷ rejected: below 0 the chosen side is the shorter."""
    return math.log((len(words(chosen)) + 1) / (len(words(rejected)) + 1))


def tell_of(gaps: Sequence[float]) -> Tell:
    """Count how pairs split by `length_gap`."""
    n_shorter, n_longer = sum(gap < 0 for gap in gaps), sum(gap > 0 for gap in gaps)
    return Tell(n_shorter, n_longer, len(gaps) - n_shorter - n_longer)


class LengthTell(Filter):
    """Caps how well the length of the two sides tells which one is chosen.

    A model trained on pairs whose chosen side is nearly always the shorter one learns to be short,
    and nothing else. Where "the shorter (or longer) side is chosen" is right in more than
    `max_accuracy` of at least `min_pairs` pairs, those of that direction are dropped, the largest
    difference in length (as a ratio) first, until it is not, or `max_dropped` of the pairs are gone.
    Where that would lower the accuracy by less than 0.02, as where all pairs point one way, nothing
    is dropped: the report's part `length_tell` warns. Not scored; equals go by their ids.
    """

    name = "length_tell"
    help = "Drops the pairs that most give the chosen side away by length, where nearly all do."
    reasons = ("length_tell",)
    scope = "final"

    chosen_field: str
    rejected_field: str
    max_accuracy: float = Field(default=0.80, ge=0.5, le=1.0)
    min_pairs: int = Field(default=50, ge=2)  # below, the accuracy has an interval of 0.2 and more
    max_dropped: float = Field(default=0.20, ge=0.0, le=1.0)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        gaps = [
            length_gap(c.fields.get(self.chosen_field, ""), c.fields.get(self.rejected_field, ""))
            for c in candidates
        ]
        tell = tell_of(gaps)
        n_dropped = self.surplus(tell)
        sign = -1.0 if tell.direction == "shorter" else 1.0
        telling = sorted(
            (place for place, gap in enumerate(gaps) if gap * sign > 0),
            key=lambda place: (-abs(gaps[place]), candidates[place].id),
        )
        dropped = set(telling[:n_dropped])
        evidence: dict[str, Any] = {
            "direction": tell.direction,
            "accuracy": round(tell.accuracy, 4),
            "accuracy_after": round(tell.without(n_dropped).accuracy, 4),
            "n_pairs": tell.n_pairs,
        }
        return [
            self._decide(candidate, gaps[place], evidence, is_dropped=place in dropped)
            for place, candidate in enumerate(candidates)
        ]

    def surplus(self, tell: Tell) -> int:
        """Return how many pairs of the more frequent direction are too many, within the bound."""
        if tell.n_pairs < self.min_pairs or tell.accuracy <= self.max_accuracy:
            return 0
        most = math.floor(round(self.max_dropped * tell.n_pairs, 9))
        n_dropped = next(
            (n for n in range(most + 1) if tell.without(n).accuracy <= self.max_accuracy), most
        )
        gain = tell.accuracy - tell.without(n_dropped).accuracy
        return n_dropped if gain >= _MIN_GAIN or tell.accuracy - gain <= self.max_accuracy else 0

    def _decide(
        self, candidate: Candidate, gap: float, evidence: dict[str, Any], *, is_dropped: bool
    ) -> Decision:
        ratio = {"length_ratio": round(math.exp(gap), 4)}
        if is_dropped:
            return self.drop(candidate, "length_tell", **ratio, **evidence)
        return self.keep(candidate, **ratio)


FILTER = LengthTell
