"""How many attempts a run needs, and how they are spread over sources and batches (pure).

A run wants N survivors. Its first wave is a warm-up, a small model of the whole run: few sources,
each asked as often as it will be in the end, because a source that is asked again repeats itself.
Its yield sizes the main wave; small ones top that up, until N are expected or the budget is spent.
A plan follows from what was seen alone, so that a run that was stopped is planned again as it was.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from seedbed.records import content_id
from seedbed_backend.store import Batch

MAX_OVER_GENERATION = 5.0
"""Attempts per wanted survivor that no run exceeds."""

WARM_UP_ATTEMPTS = 40
"""Twice what an engine has under way at once on a CPU (20). The yield is known to ± 10 % (80 %)."""

WARM_UP_SOURCES = 8
"""How many sources a warm-up asks at least, where there are so many: sources differ."""

SOURCE_CORRELATION = 0.2
"""How alike the fates of two completions of one source are, 0-1 (intraclass correlation)."""

ATTEMPTS_PER_BATCH = 160
"""Eight times what an engine has under way at once: it is idle for a small part of a batch's end."""

N_BATCHES = 4
"""A wave is cut into that many batches where it is large enough, so that screening overlaps."""

PRIOR_ATTEMPTS = 4.0
"""What the recipe's own over-generation weighs, in attempts, against what is seen: as many as
Agresti and Coull (Am. Stat. 52 (1998) 119) add to an observed rate to make its interval honest."""

ASSURANCE = 0.8
"""The chance with which a wave shall be the last one."""

MAX_SPARE = 20
"""How many attempts more than expected that may cost: as many as an engine has under way at once,
which is about what one more small wave costs in time."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a run is to reach: `target` survivors with at most `budget` attempts.

    `over_generation` is what the recipe starts with, in attempts per survivor; `final_share` (0-1]
    what the final filters keep of what all others kept.
    """

    target: int
    budget: int
    over_generation: float
    final_share: float = 1.0

    @property
    def n_wanted(self) -> int:
        """Return how many must be kept by all filters but the final ones."""
        return math.ceil(round(self.target / self.final_share, 6))


@dataclass(frozen=True, slots=True)
class Yield:
    """Attempts made, those of them that all filters but the final ones kept, and sources asked.

    Evidence may be weighed: then these are no whole numbers.
    """

    n_attempts: float = 0
    n_kept: float = 0
    n_sources: float = 0

    def __add__(self, other: Yield) -> Yield:
        return Yield(
            self.n_attempts + other.n_attempts,
            self.n_kept + other.n_kept,
            self.n_sources + other.n_sources,
        )

    def at_most(self, n_attempts: float) -> Yield:
        """Return the same share with the weight of that many attempts, or less."""
        weight = min(1.0, max(0.0, n_attempts) / self.n_attempts) if self.n_attempts else 1.0
        return Yield(self.n_attempts * weight, self.n_kept * weight, self.n_sources * weight)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: all that it made, and what of it tells how it goes on.

    The evidence is the last wave, filled up to 40 attempts with what was before: the yield falls as
    a run grows, because what it makes must be new.
    """

    done: Yield = Yield()
    evidence: Yield = Yield()

    def after(self, wave: Yield) -> Progress:
        """Return the progress when one more wave is closed."""
        older = self.evidence.at_most(WARM_UP_ATTEMPTS - wave.n_attempts)
        return Progress(self.done + wave, older + wave)


def budget(target: int) -> int:
    """Return the most attempts that a run for `target` survivors may make."""
    return math.ceil(MAX_OVER_GENERATION * target)


def posterior(goal: Goal, evidence: Yield) -> tuple[float, float]:
    """Return what is believed of the share that is kept, as (a, b) of a beta distribution.

    The conjugate update of a beta prior by a binomial count (Gelman et al., Bayesian Data Analysis,
    2.4). The prior's mean is what the recipe's over-generation implies, its weight 4 attempts. The
    completions of one source are alike, so m of each count for less, by Kish's design effect
    1 + (m - 1)·correlation (Survey Sampling (1965), 5.4).
    """
    per_source = evidence.n_attempts / evidence.n_sources if evidence.n_sources else 1.0
    effect = 1 + max(0.0, per_source - 1) * SOURCE_CORRELATION
    prior = min(0.95, 1 / (goal.over_generation * goal.final_share))
    n_kept = PRIOR_ATTEMPTS * prior + evidence.n_kept / effect
    return n_kept, PRIOR_ATTEMPTS + evidence.n_attempts / effect - n_kept


def wave_size(goal: Goal, progress: Progress) -> int:
    """Return how many attempts the next wave makes; 0 ends the run.

    Enough to reach the goal with a chance of 80 %, but no more than 20 attempts beyond what is
    expected to be needed, and never beyond the budget. A run without any survivor stops after 15
    attempts: by then its yield is below 1 in 5, the least that the budget can pay for, with 95 %
    (the rule of three: Hanley and Lippman-Hand, JAMA 249 (1983) 1743).
    """
    done = progress.done
    remaining = goal.budget - round(done.n_attempts)
    if not done.n_attempts:
        wanted = math.ceil(round(goal.over_generation * goal.target, 6))
        return min(WARM_UP_ATTEMPTS, wanted, goal.budget)
    missing = goal.n_wanted - round(done.n_kept)
    is_barren = done.n_kept == 0 and done.n_attempts >= 3 * MAX_OVER_GENERATION
    if missing <= 0 or remaining <= 0 or is_barren:
        return 0
    a, b = posterior(goal, progress.evidence)
    expected = math.ceil(missing * (a + b) / a)
    choices = range(expected, expected + MAX_SPARE)
    place = bisect_left(choices, True, key=lambda m: chance(m, missing, a, b) >= ASSURANCE)
    return min(expected + place, remaining)


def chance(n_attempts: int, missing: int, a: float, b: float) -> float:
    """Return the chance that at least `missing` of the attempts are kept.

    Their number is beta-binomial, of which this is the normal approximation with continuity
    correction: mean n·a/(a+b), variance n·a·b·(a+b+n) / ((a+b)²·(a+b+1)) (Johnson, Kemp and Kotz,
    Univariate Discrete Distributions, 6.2.2).
    """
    total = a + b
    mean = n_attempts * a / total
    variance = n_attempts * a * b * (total + n_attempts) / (total * total * (total + 1))
    return 1 - NormalDist(mean, math.sqrt(variance)).cdf(missing - 0.5)


def warm_up_share(goal: Goal, n_sources: int) -> int:
    """Return how often a warm-up asks each source: as often as the whole run is likely to.

    At most so often that 8 sources are asked.
    """
    in_the_end = math.ceil(goal.over_generation * goal.target / n_sources)
    return max(1, min(in_the_end, WARM_UP_ATTEMPTS // WARM_UP_SOURCES))


def spread(
    *,
    run_id: str,
    wave: int,
    n_attempts: int,
    source_ids: Sequence[str],
    n_done: Mapping[str, int],
    per_source: int = 1,
    by_group: Mapping[str, int] | None = None,
    groups: Mapping[str, str] | None = None,
) -> list[Batch]:
    """Deal attempts over the sources, so that their totals are as even as can be; cut into batches.

    They are dealt `per_source` at a time. `n_done` counts the completions that each source has
    already had in this run, so that indices go on from there. Who comes first is a seeded shuffle.
    With `by_group`, so many go to the sources of each group, evenly within it; `groups` maps
    sources to groups.
    """
    order = list(source_ids)
    random.Random(content_id(run_id, wave)).shuffle(order)  # noqa: S311 - reproducible, not secret
    counts = dict.fromkeys(order, 0)
    if by_group and groups:
        for group, n in by_group.items():
            members = [source for source in order if groups[source] == group]
            counts |= _dealt(members, n, n_done, per_source)
    else:
        counts |= _dealt(order, n_attempts, n_done, per_source)
    parts: list[list[tuple[str, int, int]]] = [[] for _ in range(n_batches(n_attempts))]
    n_dealt = 0
    for item in _pieces(source_ids, counts, n_done, math.ceil(n_attempts / len(parts))):
        parts[n_dealt * len(parts) // n_attempts].append(item)
        n_dealt += item[2]
    return [
        Batch(content_id("batch", run_id, wave, number), run_id, wave, tuple(items))
        for number, items in enumerate(parts)
        if items
    ]


def _dealt(
    order: Sequence[str], n_attempts: int, n_done: Mapping[str, int], per_source: int
) -> dict[str, int]:
    """Deal attempts to those that have had fewest; the first in order where that is equal."""
    totals = [(n_done.get(source, 0), place) for place, source in enumerate(order)]
    heapq.heapify(totals)
    counts = dict.fromkeys(order, 0)
    for start in range(0, n_attempts, per_source):
        n = min(per_source, n_attempts - start)
        total, place = totals[0]
        heapq.heapreplace(totals, (total + n, place))
        counts[order[place]] += n
    return counts


def n_batches(n_attempts: int) -> int:
    """Return into how many batches a wave is cut: of 40 attempts and more, if there are that many.

    A large wave's batches have about 160, a small one is cut into up to 4.
    """
    smallest = ATTEMPTS_PER_BATCH // N_BATCHES
    return max(
        1, math.ceil(n_attempts / ATTEMPTS_PER_BATCH), min(N_BATCHES, n_attempts // smallest)
    )


def _pieces(
    source_ids: Sequence[str], counts: Mapping[str, int], n_done: Mapping[str, int], size: int
) -> Iterator[tuple[str, int, int]]:
    """Yield (source id, first index, count); a source that would fill batches alone is cut."""
    for source in source_ids:
        first = n_done.get(source, 0)
        for start in range(0, counts[source], size):
            yield source, first + start, min(size, counts[source] - start)
