"""Which labels a run asks for next, so that its survivors get the recipe's shares (pure).

A label's quota is its share of what the run wants. Attempts go to the labels that lack most, by how
many each still needs at the yield that it has shown: a rare or hard label is asked more often. What
a label cannot give is not made up for by others, whose shares would be wrong then: such a run ends
short, and the report says which label was the reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedbed.recipe import Recipe
from seedbed_backend.planner import MAX_OVER_GENERATION, PRIOR_ATTEMPTS, Goal, Progress, Yield
from seedbed_backend.store import Run, Store

BARREN_ATTEMPTS = math.ceil(3 * MAX_OVER_GENERATION)
"""A label without any survivor after 15 attempts is given up: by then its yield is below 1 in 5, the
least that the budget can pay for, with 95 % (the rule of three, as in `planner.wave_size`)."""


@dataclass(frozen=True, slots=True)
class LabelState:
    """How far a label is in a run: `share` is wanted (0-1), `n_kept` by all but the final filters."""

    label: str
    share: float
    n_sources: int
    n_attempts: int = 0
    n_kept: int = 0


@dataclass(frozen=True, slots=True)
class Need:
    """What a label still lacks: `n_missing` of `quota`, and the attempts that takes, as it looks.

    `n_allowed` is how many it may still make: 5 for each one of its quota. `is_closed` says that no
    more are made: it has enough, has no source, has spent that, or has not given a single one.
    """

    label: str
    quota: int
    n_missing: int
    n_needed: float
    n_allowed: int
    is_closed: bool


def wanted_shares(
    label_shares: Mapping[str, float], n_sources: Mapping[str, int]
) -> dict[str, float]:
    """Return the share of every label; those without one share the rest as the sources do.

    `n_sources` counts the sources of each label; '' are those without.
    """
    others = {label: n for label, n in n_sources.items() if label not in label_shares and n}
    rest, total = max(0.0, 1.0 - sum(label_shares.values())), sum(others.values())
    return dict(label_shares) | {label: rest * n / total for label, n in others.items()}


def states(
    store: Store, run: Run, recipe: Recipe, source_ids: Sequence[str], final: frozenset[str]
) -> list[LabelState]:
    """Read how far each label is; empty where the recipe sets no shares, or one label has all.

    `final` names the final filters. A source's group is its label.
    """
    if not recipe.label_shares or run.kind == "trial":
        return []
    groups = store.source_groups(run.project_id)
    n_sources = Counter(groups[id_] for id_ in source_ids)
    if len(n_sources) < 2:  # a single task that somebody opened
        return []
    places = store.group_places(run.id)
    found = []
    for label, share in wanted_shares(recipe.label_shares, n_sources).items():
        counted = places.get(label, {})
        n_dropped = sum(
            n for (state, stage), n in counted.items() if state == "dropped" and stage not in final
        )
        n = sum(counted.values())
        found.append(LabelState(label, share, n_sources[label], n, n - n_dropped))
    return found


def needs(labels: Sequence[LabelState], goal: Goal) -> list[Need]:
    """Return what each label lacks of its quota.

    Its yield is that of all labels, with the weight of 4 attempts, updated by its own counts.
    """
    quotas = round_shares({s.label: s.share * goal.n_wanted for s in labels})
    n, n_kept = sum(s.n_attempts for s in labels), sum(s.n_kept for s in labels)
    prior = min(0.95, 1 / (goal.over_generation * goal.final_share))
    overall = (PRIOR_ATTEMPTS * prior + n_kept) / (PRIOR_ATTEMPTS + n)
    found = []
    for state in labels:
        quota = quotas[state.label]
        missing = max(0, quota - state.n_kept)
        own = (PRIOR_ATTEMPTS * overall + state.n_kept) / (PRIOR_ATTEMPTS + state.n_attempts)
        most = max(BARREN_ATTEMPTS, math.ceil(MAX_OVER_GENERATION * quota))
        allowed = max(0, most - state.n_attempts)
        is_barren = not state.n_kept and state.n_attempts >= BARREN_ATTEMPTS
        is_closed = not (missing and state.n_sources and allowed) or is_barren
        found.append(Need(state.label, quota, missing, missing / own, allowed, is_closed))
    return found


def counted(found: Sequence[Need], progress: Progress) -> Progress:
    """Return the progress towards the quotas, for sizing the next wave.

    What a label has beyond its quota counts for nothing, what a closed one lacks is not waited for,
    and the evidence has the yield of the labels that are still to be asked.
    """
    n_open = sum(need.n_missing for need in found if not need.is_closed)
    n_needed = sum(need.n_needed for need in found if not need.is_closed)
    done, evidence = progress.done, progress.evidence
    n_reached = sum(need.quota for need in found) - n_open
    rate = n_open / n_needed if n_needed else 0.0
    return Progress(
        Yield(done.n_attempts, n_reached, done.n_sources),
        Yield(evidence.n_attempts, evidence.n_attempts * rate, evidence.n_sources),
    )


def allot(n_attempts: int, found: Sequence[Need]) -> dict[str, int]:
    """Deal a wave's attempts to the labels that lack some, by need, none beyond what it may make."""
    open_ = {need.label: need for need in found if not need.is_closed}
    dealt: Counter[str] = Counter()
    while open_ and (left := n_attempts - dealt.total()) > 0:
        total = sum(need.n_needed for need in open_.values())
        parts = round_shares({k: left * need.n_needed / total for k, need in open_.items()})
        for label, n in parts.items():
            dealt[label] += min(n, open_[label].n_allowed - dealt[label])
        full = [label for label, need in open_.items() if dealt[label] >= need.n_allowed]
        if not full:
            break
        for label in full:
            del open_[label]
    return {label: n for label, n in dealt.items() if n}


def round_shares(shares: Mapping[str, float]) -> dict[str, int]:
    """Round to whole numbers with the same (rounded) sum: the largest remainders go up."""
    floors = {label: int(share + 1e-9) for label, share in shares.items()}
    n_left = round(sum(shares.values())) - sum(floors.values())
    by_remainder = sorted(shares, key=lambda label: (floors[label] - shares[label], label))
    for label in by_remainder[: max(0, n_left)]:
        floors[label] += 1
    return floors
