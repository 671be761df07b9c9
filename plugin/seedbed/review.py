"""The 10-20 % that people judge: a seeded, stratified draw, and what their verdicts say. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING

from seedbed.gate_notice import GateState
from seedbed.records import content_id

if TYPE_CHECKING:
    from seedbed.technique import Technique

MIN_FRACTION, MAX_FRACTION = 0.10, 0.20
"""The share of survivors that people judge, unless somebody insists on another one."""

_BANDS = ((0.5, "low"), (0.75, "middle"))
"""Upper bounds, exclusive, of the score bands; above them it is "high"."""

_OFFSETS = 16**24
"""How many values a content id can have."""


def stratum(technique: Technique, group: str, score: float | None) -> str:
    """Name the stratum of a candidate: technique / source group / score band.

    Bands: low below 0.5, middle below 0.75, high from there on, unscored without a score.
    """
    return "/".join((technique.name, group or "-", _band(score)))


def _band(score: float | None) -> str:
    if score is None:
        return "unscored"
    return next((name for bound, name in _BANDS if score < bound), "high")


def is_usual(review_fraction: float) -> bool:
    """Tell whether a share of survivors is one that needs no insisting."""
    return MIN_FRACTION <= review_fraction <= MAX_FRACTION


def draws(candidates: Sequence[tuple[str, str]], rng_seed: int) -> dict[str, float]:
    """Give every candidate, as (id, stratum), its draw in [0, 1); the order given does not matter.

    Within a stratum of n candidates the draws are (rank + offset) / n: `rank` is the candidate's
    place in a random order, `offset` one uniform number for the whole stratum. So n * f of the
    stratum, rounded up or down, are below a fraction f, and each candidate has a chance of exactly
    f. This holds for a stratum of one as well: tiny strata are neither skipped nor always taken. A
    larger sample contains the smaller one: enlarging it is a change of the filter `draw < f`.

    All chance comes from SHA-256 of the seed, the stratum and the ids in it, so that anybody can
    draw again, in any language (docs/review.md), and batches that are drawn one after the other are
    independent.
    """
    strata: defaultdict[str, set[str]] = defaultdict(set)
    for candidate_id, name in candidates:
        strata[name].add(candidate_id)
    placed: dict[str, float] = {}
    for name, ids in strata.items():
        order = sorted(ids, key=lambda id_: content_id("draw", rng_seed, name, id_))
        offset = int(content_id("offset", rng_seed, name, sorted(ids)), 16)
        for rank, candidate_id in enumerate(order):
            # In whole numbers, rounded down to six decimals: exact, and below 1.
            millionths = (rank * _OFFSETS + offset) * 10**6 // (len(order) * _OFFSETS)
            placed[candidate_id] = millionths / 10**6
    return placed


def wilson_interval(
    n_accepted: int, n_judged: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return Wilson's score interval for a rate; (0, 1) when nothing was judged.

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209: it holds for small n and for rates near 0 and 1.
    """
    if n_judged == 0:
        return 0.0, 1.0
    if not 0 <= n_accepted <= n_judged:
        raise ValueError(f"{n_accepted} accepted of {n_judged} judged")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = n_accepted / n_judged
    centre = rate + z * z / (2 * n_judged)
    margin = z * math.sqrt(rate * (1 - rate) / n_judged + z * z / (4 * n_judged**2))
    scale = 1 + z * z / n_judged
    low = 0.0 if n_accepted == 0 else (centre - margin) / scale
    high = 1.0 if n_accepted == n_judged else (centre + margin) / scale
    return low, high


@dataclass(frozen=True, slots=True)
class Counts:
    """What is known of a run, a stratum or a project. Verdicts are those on the random sample.

    `n_skipped` of the sample were looked at and left undecided, so they are waiting like those that
    nobody has seen. `n_outside` counts verdicts on other survivors, which prove nothing about the
    whole: people look at the lowest scores as well.
    """

    n_survivors: int = 0
    n_sampled: int = 0
    n_accepted: int = 0
    n_fixed: int = 0
    n_rejected: int = 0
    n_skipped: int = 0
    n_outside: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, n) + getattr(other, n) for n in Counts.__slots__))

    @property
    def n_judged(self) -> int:
        """Count the sampled ones with a verdict."""
        return self.n_accepted + self.n_fixed + self.n_rejected

    @property
    def n_waiting(self) -> int:
        """Count the sampled ones without a verdict."""
        return self.n_sampled - self.n_judged

    @property
    def n_good(self) -> int:
        """Count the accepted ones, as they were or corrected."""
        return self.n_accepted + self.n_fixed

    @property
    def rate(self) -> float | None:
        """Return the acceptance rate, accepted or fixed ÷ judged; None where none is judged."""
        return self.n_good / self.n_judged if self.n_judged else None

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % Wilson interval of the rate."""
        return wilson_interval(self.n_good, self.n_judged)


def judgement(
    n_accepted: int, n_judged: int, n_waiting: int, target: float, confidence: float = 0.95
) -> GateState:
    """Say how a sample stands to the target: open, passed, held or needs_review.

    It is open while verdicts are missing, however clear they look so far: who looks at every new
    verdict and stops at a good moment is wrong far more often than the interval says (Armitage,
    McPherson and Rowe, J. R. Stat. Soc. A 132 (1969) 235). Enlarging the sample is a second look, at
    a price that stays small for one or two.
    """
    if n_waiting:
        return "open"
    low, high = wilson_interval(n_accepted, n_judged, confidence)
    if n_judged and low >= target:
        return "passed"
    return "held" if high < target else "needs_review"


def n_more(
    n_accepted: int, n_judged: int, target: float, n_left: int, confidence: float = 0.95
) -> int | None:
    """Return how many further verdicts decide, if they go on at the observed rate.

    Of k further ones, as many are taken to be accepted as the rate says, rounded to the side that
    decides later. Returns the least k, 0 where it is decided already, and None where no k up to
    `n_left` decides, as at a rate that equals the target.
    """
    if n_judged == 0 or judgement(n_accepted, n_judged, 0, target, confidence) != "needs_review":
        return None if n_judged == 0 else 0
    rate = n_accepted / n_judged
    if rate == target:
        return None
    round_off = math.floor if rate > target else math.ceil
    # Rounding only delays, so that nothing below the bound for a fractional count can decide.
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    bound = z * z * target * (1 - target) / (rate - target) ** 2
    for more in range(max(1, math.floor(bound) - n_judged), n_left + 1):
        # The rate in whole numbers: 0.3 of 10 is not to become 2 or 4 by a rounding error.
        n_then = n_accepted + round_off(Fraction(n_accepted * more, n_judged))
        if judgement(n_then, n_judged + more, 0, target, confidence) != "needs_review":
            return more
    return None
