"""The 10-20 % that people judge: a seeded, stratified draw, and what their verdicts say. Pure."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from seedbed.records import Verdict, content_id
from seedbed.technique import Technique

_BANDS = ((0.5, "low"), (0.75, "middle"))
"""Upper bounds, exclusive, of the score bands; above them it is "high"."""


def stratum(technique: Technique, group: str, score: float | None) -> str:
    """Name the stratum of a candidate: technique / source group / score band.

    Bands: low below 0.5, middle below 0.75, high from there on, unscored without a score.
    """
    return "/".join((technique.name, group or "-", _band(score)))


def _band(score: float | None) -> str:
    if score is None:
        return "unscored"
    return next((name for bound, name in _BANDS if score < bound), "high")


def draws(candidates: Sequence[tuple[str, str]], rng_seed: int) -> dict[str, float]:
    """Give every candidate, as (id, stratum), its draw in [0, 1); the order given does not matter.

    Within a stratum of n candidates the draws are (rank + offset) / n: `rank` is the candidate's
    place in a random order, `offset` one uniform number for the whole stratum. So n * f of the
    stratum, rounded up or down, are below a fraction f, and each candidate has a chance of exactly
    f. This holds for a stratum of one as well: tiny strata are neither skipped nor always taken. A
    larger sample contains the smaller one: enlarging it is a change of the filter `draw < f`.

    The random numbers depend on `rng_seed`, the stratum and the ids in it, so batches that are
    drawn one after the other are independent.
    """
    strata: defaultdict[str, list[str]] = defaultdict(list)
    for candidate_id, name in candidates:
        strata[name].append(candidate_id)
    placed: dict[str, float] = {}
    for name, ids in strata.items():
        order = sorted(set(ids))
        rng = random.Random(content_id("draw", rng_seed, name, order))  # noqa: S311 - a sample, not a secret
        rng.shuffle(order)
        offset = rng.random()
        placed |= {
            # rounded down, so that it stays below 1
            candidate_id: math.floor((rank + offset) / len(order) * 1e6) / 1e6
            for rank, candidate_id in enumerate(order)
        }
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
class Acceptance:
    """Acceptance rate (accepted or fixed ÷ judged; None if none judged) with its interval."""

    rate: float | None
    low: float
    high: float
    n_judged: int
    n_accepted: int
    n_fixed: int
    n_rejected: int

    def passes(self, target: float) -> bool:
        """Tell whether the lower bound of the interval reaches the target."""
        return self.n_judged > 0 and self.low >= target


def acceptance(verdicts: Iterable[Verdict], confidence: float = 0.95) -> Acceptance:
    """Count verdicts; of several on one candidate only the latest counts."""
    latest: dict[str, Verdict] = {}
    for verdict in verdicts:
        known = latest.get(verdict.candidate_id)
        if known is None or verdict.decided_at >= known.decided_at:
            latest[verdict.candidate_id] = verdict
    statuses = [verdict.status for verdict in latest.values()]
    n_accepted, n_fixed = statuses.count("ACCEPTED"), statuses.count("FIXED")
    n_judged = len(statuses)
    low, high = wilson_interval(n_accepted + n_fixed, n_judged, confidence)
    return Acceptance(
        rate=(n_accepted + n_fixed) / n_judged if n_judged else None,
        low=low,
        high=high,
        n_judged=n_judged,
        n_accepted=n_accepted,
        n_fixed=n_fixed,
        n_rejected=statuses.count("REJECTED"),
    )
