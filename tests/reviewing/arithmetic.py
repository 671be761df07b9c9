"""The review's numbers, calculated with scipy, statsmodels and counting: nothing of Seedbed's."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from scipy.stats import binomtest
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa, fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from reviewing.book import Book

GOOD = ("ACCEPTED", "FIXED")


@dataclass(frozen=True)
class Survivor:
    """A candidate before people, as it was published."""

    id: str
    run: str
    stratum: str
    draw: float


def interval(n_good: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval, on which two libraries must agree; (0, 1) without data."""
    if n == 0:
        return 0.0, 1.0
    low, high = proportion_confint(n_good, n, method="wilson")
    other = binomtest(n_good, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((other.low, other.high), abs=1e-12)
    return float(low), float(high)


def counts(book: Book, survivors: Collection[Survivor], fraction: float) -> dict[str, Any]:
    """Count as a person would with a pencil."""
    sample = [s for s in survivors if s.draw < fraction]
    status = {s.id: said.status for s in survivors if (said := book.standing(s.id))}
    said = [status[s.id] for s in sample if s.id in status]
    n_good = sum(word in GOOD for word in said)
    low, high = interval(n_good, len(said))
    return {
        "n_survivors": len(survivors),
        "n_sampled": len(sample),
        "n_judged": len(said),
        "n_waiting": len(sample) - len(said),
        "n_skipped": sum(book.is_skipped(s.id) for s in sample),
        "n_outside": len(status) - len(said),
        "n_accepted": said.count("ACCEPTED"),
        "n_fixed": said.count("FIXED"),
        "n_rejected": said.count("REJECTED"),
        "rate": n_good / len(said) if said else None,
        "low": low,
        "high": high,
    }


def by(survivors: Iterable[Survivor], what: str) -> dict[str, list[Survivor]]:
    """Group survivors by run or stratum."""
    groups: defaultdict[str, list[Survivor]] = defaultdict(list)
    for survivor in survivors:
        groups[getattr(survivor, what)].append(survivor)
    return dict(groups)


def state(found: Mapping[str, Any], target: float) -> str:
    """Say what follows from counts."""
    if found["n_waiting"]:
        return "open"
    if found["low"] >= target:
        return "passed"
    return "held" if found["high"] < target else "needs_review"


def n_more(found: Mapping[str, Any], target: float) -> int | None:
    """Try one more verdict, two more, … until the interval decides; at the rate seen so far.

    Of k more verdicts as many are good as the rate says, in whole numbers, rounded to the side on
    which the decision comes later.
    """
    if state(found, target) != "needs_review":
        return None
    n, n_good = found["n_judged"], found["n_accepted"] + found["n_fixed"]
    for more in range(1, found["n_survivors"] - found["n_sampled"] + 1):
        exact, rest = divmod(n_good * more, n)
        good = n_good + exact + (1 if rest and n_good / n < target else 0)
        low, high = interval(good, n + more)
        if low >= target or high < target:
            return more
    return None


def reasons(book: Book, survivors: Collection[Survivor], fraction: float) -> dict[str, int]:
    """Count why candidates of the sample were rejected; one may have several reasons."""
    found: defaultdict[str, int] = defaultdict(int)
    for survivor in survivors:
        said = book.standing(survivor.id)
        if survivor.draw < fraction and said and said.status == "REJECTED":
            for reason in said.reasons:
                found[reason] += 1
    return dict(found)


def is_fair_share(survivors: Sequence[Survivor], fraction: float) -> bool:
    """Tell whether a stratum has its share in the sample: its size times the fraction, rounded."""
    n_sampled = sum(s.draw < fraction for s in survivors)
    exact = len(survivors) * fraction
    return n_sampled in (math.floor(exact), math.ceil(exact))


def kappa(pairs: Sequence[tuple[str, str]], words: Sequence[str]) -> float:
    """Return Cohen's kappa of two people over the same things."""
    table = [[sum(pair == (a, b) for pair in pairs) for b in words] for a in words]
    return float(cohens_kappa(table).kappa)


def alpha(pairs: Sequence[tuple[str, str]]) -> float:
    """Return Krippendorff's nominal alpha of things that two people judged each.

    From Fleiss' kappa, which for two ratings each is Scott's pi; alpha corrects it for the number of
    things: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011).
    """
    table, _ = aggregate_raters([list(pair) for pair in pairs])
    pi = float(fleiss_kappa(table))
    n = 2 * len(pairs)
    return 1 - (1 - pi) * (n - 1) / n
