"""How far the judge agrees with the people who judged the same candidates."""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.review import wilson_interval
from seedbed_backend import calibrate, judging
from seedbed_backend.insights.base import Finding, Insight, ReportData
from seedbed_backend.store import StoredCandidate

APPROVING_GRADE = 4
"""The judge approves of what it grades 4 ("mostly") or better on every criterion. What it disliked
most was dropped before people saw it, so that "the judge kept it" would always be true here."""

MIN_VERDICTS = 20
"""Below that, no figure of agreement is worth a number."""

N_RESAMPLES = 1000
LOW_KAPPA = 0.4
"""Landis and Koch (Biometrics 33, 1977, 159): up to 0.40 agreement is no more than fair."""


def find(data: ReportData) -> Finding | None:
    """Report AUROC, agreement rate and Cohen's kappa with 95 % intervals, on the review sample."""
    judged = [c for c in data.candidates if c.verdict is not None and judging.NAME in c.scores]
    sample = calibrate.in_sample(judged, data.sampled_fraction)
    if not sample:
        return None
    title = "Judge and people"
    n_accepted = sum(map(calibrate.is_accepted, sample))
    if len(sample) < MIN_VERDICTS or n_accepted in (0, len(sample)):
        return Finding(
            "judge_agreement",
            title,
            lines=[
                f"People have judged {len(sample)} candidates that the judge graded, and accepted "
                f"{n_accepted}: agreement is reported from {MIN_VERDICTS}, some of each kind."
            ],
            data={"n": len(sample), "n_accepted": n_accepted},
        )
    people = [calibrate.is_accepted(stored) for stored in sample]
    judge = [approves(stored, data.recipe.criteria) for stored in sample]
    n_agreed = sum(one == other for one, other in zip(people, judge, strict=True))
    low, high = wilson_interval(n_agreed, len(sample))
    ranked = calibrate.auroc(
        [s.scores[judging.NAME] for s, is_in in zip(sample, people, strict=True) if is_in],
        [s.scores[judging.NAME] for s, is_in in zip(sample, people, strict=True) if not is_in],
    )
    kappa, kappa_low, kappa_high = kappa_interval(people, judge)
    counts = {
        (accepted, approved): sum(
            pair == (accepted, approved) for pair in zip(people, judge, strict=True)
        )
        for accepted in (True, False)
        for approved in (True, False)
    }
    warnings = []
    if kappa < LOW_KAPPA:
        warnings.append(
            f"The judge agrees with people hardly better than chance (kappa {kappa:.2f}): look at "
            "its rubric, or leave it out."
        )
    return Finding(
        "judge_agreement",
        title,
        lines=[
            f"Judge and people agree on {n_agreed} of {len(sample)}: {n_agreed / len(sample):.0%} "
            f"[{low:.0%}, {high:.0%}]; Cohen's kappa {kappa:.2f} [{kappa_low:.2f}, {kappa_high:.2f}].",
            f"The judge's score tells accepted from rejected with AUROC {ranked.value:.2f} "
            f"[{ranked.low:.2f}, {ranked.high:.2f}] (0.5 is chance).",
            f"The judge approves where every grade is {APPROVING_GRADE} or 5; what it dropped, "
            "nobody has judged. Intervals are 95 %.",
        ],
        columns=["people", "the judge approved", "it did not"],
        rows=[
            ["accepted", counts[True, True], counts[True, False]],
            ["rejected", counts[False, True], counts[False, False]],
        ],
        warnings=warnings,
        data={
            "n": len(sample),
            "n_accepted": n_accepted,
            "n_agreed": n_agreed,
            "agreement": n_agreed / len(sample),
            "agreement_low": low,
            "agreement_high": high,
            "kappa": kappa,
            "kappa_low": kappa_low,
            "kappa_high": kappa_high,
            "auroc": ranked.value,
            "auroc_low": ranked.low,
            "auroc_high": ranked.high,
        },
    )


def approves(stored: StoredCandidate, criteria: Sequence[str] | dict[str, str]) -> bool:
    """Tell whether the judge graded every criterion "mostly" or better."""
    said = stored.evidence.get(judging.NAME, {})
    return all(said.get(name, APPROVING_GRADE) >= APPROVING_GRADE for name in criteria)


def kappa_interval(one: Sequence[bool], other: Sequence[bool]) -> tuple[float, float, float]:
    """Return Cohen's kappa and its 95 % bootstrap interval (percentiles, reproducible).

    Where both always say the same one thing, kappa is undefined and 0 here.
    """
    import numpy as np

    first, second = np.asarray(one), np.asarray(other)
    rng = np.random.default_rng(1)
    places = rng.integers(0, len(first), size=(N_RESAMPLES, len(first)))
    sampled = np.array([_kappa(first[p].tolist(), second[p].tolist()) for p in places])
    low, high = np.percentile(sampled, [2.5, 97.5])
    return _kappa(list(one), list(other)), float(low), float(high)


def _kappa(one: list[bool], other: list[bool]) -> float:
    n = len(one)
    observed = sum(a == b for a, b in zip(one, other, strict=True)) / n
    yes, also = sum(one) / n, sum(other) / n
    expected = yes * also + (1 - yes) * (1 - also)
    return (observed - expected) / (1 - expected) if expected < 1 else 0.0


INSIGHT = Insight("judge_agreement", find)
