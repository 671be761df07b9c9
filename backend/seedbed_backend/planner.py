"""How many attempts a run needs, and how they are spread over sources (pure).

A run wants N survivors. Its first wave makes `over_generation` x N attempts (3-5, the recipe's word);
later waves are sized by the yield seen so far, until N are expected or the budget is spent.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from seedbed.records import content_id
from seedbed_backend.store import Batch

MAX_OVER_GENERATION = 5.0
SOURCES_PER_BATCH = 8
SAFETY_MARGIN = 1.1
"""A later wave asks for this much more than the yield says: yields scatter."""


def budget(target: int) -> int:
    """Return the most attempts that a run for `target` survivors may make."""
    return math.ceil(MAX_OVER_GENERATION * target)


def wave_size(
    *, target: int, over_generation: float, budget: int, n_attempts: int, n_expected: float
) -> int:
    """Return how many attempts the next wave makes; 0 ends the run.

    `n_attempts` were made so far and `n_expected` survivors are expected of them. A run that made a
    whole first wave without any survivor stops: more of the same would be wasted.
    """
    remaining = budget - n_attempts
    if n_attempts == 0:
        return min(math.ceil(over_generation * target), budget)
    if n_expected >= target or n_expected <= 0 or remaining <= 0:
        return 0
    attempts_per_survivor = n_attempts / n_expected
    missing = target - n_expected
    wanted = math.ceil(round(missing * attempts_per_survivor * SAFETY_MARGIN, 6))
    return min(wanted, remaining)


def spread(
    *,
    run_id: str,
    wave: int,
    n_attempts: int,
    source_ids: Sequence[str],
    n_done: Mapping[str, int],
) -> list[Batch]:
    """Deal `n_attempts` over the sources as evenly as can be, in batches of 8 sources.

    `n_done` counts the completions that each source has already had in this run, so that indices go
    on from there. Which sources get one more than the others is a seeded shuffle.
    """
    order = list(source_ids)
    random.Random(content_id(run_id, wave)).shuffle(order)  # noqa: S311 - reproducible, not secret
    share, n_extra = divmod(n_attempts, len(order))
    counts = {source: share + (place < n_extra) for place, source in enumerate(order)}
    items = [(s, n_done.get(s, 0), counts[s]) for s in source_ids if counts[s]]
    return [
        Batch(
            id=content_id("batch", run_id, wave, start),
            run_id=run_id,
            wave=wave,
            items=tuple(items[start : start + SOURCES_PER_BATCH]),
            state="queued",
        )
        for start in range(0, len(items), SOURCES_PER_BATCH)
    ]
