"""What verdicts teach about scores: precision and yield by threshold, AUROC, and a recipe to propose.

Only verdicts on the random review sample count: people also look at the lowest scores, and rates of
those would say nothing about the rest. All are on survivors, so that nothing can be learned about
what the filters have dropped: a threshold can be proposed that is stricter, never a looser one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

from seedbed import review
from seedbed.errors import UserError
from seedbed.recipe import Recipe, parse
from seedbed_backend import judging
from seedbed_backend.filters import filters
from seedbed_backend.store import Project, Store, StoredCandidate

MIN_VERDICTS = 50
MIN_EACH = 10
"""Below 50 verdicts, or 10 of either kind, the intervals are too wide to choose anything by."""

N_SHOWN = 6
"""How many thresholds of a score are shown; all of them are searched."""

NOTE = (
    "Only survivors are judged, so nothing is known about what was dropped: a stricter threshold "
    "can be proposed, a looser one cannot. The threshold was chosen on these very verdicts; expect "
    "slightly less of new ones."
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """What would be left at a minimum score: `precision` is the accepted share, with its interval."""

    threshold: float
    n_kept: int
    n_accepted: int
    precision: float
    low: float
    high: float
    kept_fraction: float


@dataclass(frozen=True, slots=True)
class Auroc:
    """The chance that an accepted candidate scores higher than a rejected one, ties counted half.

    The 95 % interval is Hanley and McNeil's (Radiology 143, 1982, 29).
    """

    value: float
    low: float
    high: float
    n_accepted: int
    n_rejected: int


def calibrate(store: Store, project: Project, target: float) -> dict[str, Any]:
    """Return what the project's verdicts say about every score, and a proposal for `target`.

    Raises UserError below the minimum of verdicts.
    """
    recipe = parse(project.recipe)
    judged = store.judged_candidates(project.id)
    sample = in_sample(judged, project.sampled_fraction)
    n_accepted = sum(is_accepted(stored) for stored in sample)
    _require(len(sample), n_accepted, len(judged) - len(sample))
    low, high = review.wilson_interval(n_accepted, len(sample))
    scores = [_score(name, sample, recipe, target) for name in _names(sample, recipe)]
    is_reached = low >= target
    return {
        "project": project.id,
        "target": target,
        "n_judged": len(sample),
        "n_accepted": n_accepted,
        "n_rejected": len(sample) - n_accepted,
        "n_outside_sample": len(judged) - len(sample),
        "rate": n_accepted / len(sample),
        "low": low,
        "high": high,
        "scores": scores,
        "is_reached": is_reached,
        "proposal": None if is_reached else _proposal(scores),
        "note": NOTE,
    }


def in_sample(judged: Sequence[StoredCandidate], review_fraction: float) -> list[StoredCandidate]:
    """Return the judged candidates that belong to the random review sample, as the gate counts them."""
    return [
        s for s in judged if s.draw is not None and s.draw < review_fraction and not s.is_withdrawn
    ]


def is_accepted(stored: StoredCandidate) -> bool:
    """Tell whether a person accepted the candidate, as it was or corrected."""
    return stored.verdict is not None and stored.verdict.status != "REJECTED"


def auroc(accepted: Sequence[float], rejected: Sequence[float]) -> Auroc:
    """Compare two groups of scores. Raises ValueError where one is empty."""
    n, m = len(accepted), len(rejected)
    if not n or not m:
        raise ValueError(f"{n} accepted and {m} rejected scores: both kinds are needed")
    order = sorted([(score, 1) for score in accepted] + [(score, 0) for score in rejected])
    wins, place = 0.0, 0
    n_below = 0
    while place < len(order):
        end = place
        while end < len(order) and order[end][0] == order[place][0]:
            end += 1
        tied = [is_one for _, is_one in order[place:end]]
        n_ones, n_zeros = sum(tied), len(tied) - sum(tied)
        wins += n_ones * (n_below + n_zeros / 2)
        n_below += n_zeros
        place = end
    value = wins / (n * m)
    q1, q2 = value / (2 - value), 2 * value * value / (1 + value)
    variance = value * (1 - value) + (n - 1) * (q1 - value**2) + (m - 1) * (q2 - value**2)
    margin = NormalDist().inv_cdf(0.975) * math.sqrt(max(0.0, variance) / (n * m))
    return Auroc(value, max(0.0, value - margin), min(1.0, value + margin), n, m)


def thresholds(sample: Sequence[StoredCandidate], name: str) -> list[Threshold]:
    """Return what is left at every minimum, in steps of 0.01 where the scores are, lowest first.

    A candidate without that score passes, as it does the filter `minimum_scores`.
    """
    scored = [(s.scores.get(name), is_accepted(s)) for s in sample]
    steps = sorted({math.floor(round(score * 100, 6)) for score, _ in scored if score is not None})
    found = []
    for step in steps:
        minimum = step / 100
        kept = [accepted for score, accepted in scored if score is None or score >= minimum]
        low, high = review.wilson_interval(sum(kept), len(kept))
        found.append(
            Threshold(
                minimum,
                len(kept),
                sum(kept),
                sum(kept) / len(kept),
                low,
                high,
                len(kept) / len(scored),
            )
        )
    return found


def _names(sample: Sequence[StoredCandidate], recipe: Recipe) -> list[str]:
    """Name the scores that there are, in the order in which the filters run."""
    scored = {name for stored in sample for name in stored.scores}
    order = [*recipe.filter_options(), judging.NAME]
    return sorted(scored, key=lambda name: (order.index(name) if name in order else 99, name))


def _score(
    name: str, sample: Sequence[StoredCandidate], recipe: Recipe, target: float
) -> dict[str, Any]:
    scored = [(s.scores[name], is_accepted(s)) for s in sample if name in s.scores]
    accepted = [score for score, is_in in scored if is_in]
    rejected = [score for score, is_in in scored if not is_in]
    found = thresholds(sample, name)
    best = next((each for each in found if each.low >= target), None)
    return {
        "name": name,
        "n": len(scored),
        "auroc": asdict(auroc(accepted, rejected)) if accepted and rejected else None,
        "changes": _changes(name, best, recipe),
        "best": asdict(best) if best else None,
        "thresholds": [asdict(each) for each in _shown(found, best)],
    }


def _shown(found: Sequence[Threshold], best: Threshold | None) -> list[Threshold]:
    """Choose a few that divide the yield evenly, and the best one."""
    wanted = [1 - place / N_SHOWN for place in range(N_SHOWN)]
    chosen = {
        min(found, key=lambda t: (abs(t.kept_fraction - share), t.threshold)) for share in wanted
    }
    return sorted(chosen | ({best} if best else set()), key=lambda t: t.threshold)


def _changes(name: str, best: Threshold | None, recipe: Recipe) -> dict[str, Any] | None:
    """Return the recipe settings that bring a threshold about, where one setting does."""
    if best is None:
        return None
    if name == judging.NAME:
        return {"judge": {"minimum": best.threshold}} if recipe.judge.enabled else None
    if name in recipe.filter_options() and filters()[name].scope == "candidate":
        return {"filters": {"minimum_scores": {"minimums": {name: best.threshold}}}}
    return None


def _proposal(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Choose the score that keeps most at the target; of equals the one that tells better."""
    possible = [score for score in scores if score["changes"] and score["auroc"]]
    if not possible:
        return None
    chosen = max(possible, key=lambda s: (s["best"]["kept_fraction"], s["auroc"]["value"]))
    return {"name": chosen["name"], **chosen["best"], "changes": chosen["changes"]}


def _require(n: int, n_accepted: int, n_outside: int) -> None:
    n_rejected = n - n_accepted
    if n >= MIN_VERDICTS and min(n_accepted, n_rejected) >= MIN_EACH:
        return
    outside = (
        f" ({n_outside} more are not in the random sample and do not count)" if n_outside else ""
    )
    raise UserError(
        f"The review sample has {n} verdicts so far, {n_accepted} accepted and {n_rejected} "
        f"rejected{outside}; calibrating takes {MIN_VERDICTS}, at least {MIN_EACH} of each kind.",
        hint="Judge more of the tab Review sample; with fewer, chance would choose the threshold.",
    )
