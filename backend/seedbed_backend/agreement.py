"""How far people who judge the same things agree beyond chance. Pure.

Cohen's kappa for two people (Educ. Psychol. Meas. 20 (1960) 37), Krippendorff's alpha for any number
of them, also where not everybody judged everything (Content Analysis, 1980, chapter 12). Both are 1
where people always agree, 0 where they agree as often as chance would have it, and below 0 where they
agree less. Neither says who is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Judgements = Mapping[str, Mapping[int, str]]
"""What each person (by id) said of each thing (by id)."""

MIN_PAIRS = 5
"""Things that two people judged, at least. With five, one more disagreement moves the share of
agreement by 20 points; with fewer the coefficient says nothing."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A coefficient over `n` things, or None and the reason in words."""

    value: float | None
    n: int
    reason: str = ""


def doubly_judged(judgements: Judgements) -> dict[str, Mapping[int, str]]:
    """Return what two people at least have judged."""
    return {thing: said for thing, said in judgements.items() if len(said) > 1}


def alpha(judgements: Judgements) -> Coefficient:
    """Return Krippendorff's alpha for categories without an order.

    The library takes 5 seconds and 170 MB to import, once a process and only here; other requests of
    a web process go on meanwhile (0.2 s was the longest that one waited).
    """
    double = doubly_judged(judgements)
    if reason := _undefined(
        len(double), {word for said in double.values() for word in said.values()}
    ):
        return Coefficient(None, len(double), reason)
    from nltk.metrics.agreement import AnnotationTask  # type: ignore[import-untyped]

    triples = [(person, id_, word) for id_, said in double.items() for person, word in said.items()]
    return Coefficient(float(AnnotationTask(triples).alpha()), len(double))


def kappas(judgements: Judgements) -> dict[tuple[int, int], Coefficient]:
    """Return Cohen's kappa of every two people who judged the same things, by their ids."""
    people = sorted({person for said in judgements.values() for person in said})
    pairs = {
        (a, b): [(said[a], said[b]) for said in judgements.values() if a in said and b in said]
        for place, a in enumerate(people)
        for b in people[place + 1 :]
    }
    return {pair: kappa(both) for pair, both in pairs.items() if both}


def kappa(both: list[tuple[str, str]]) -> Coefficient:
    """Return Cohen's kappa of two people from what they said of the same things."""
    if reason := _undefined(len(both), {word for pair in both for word in pair}):
        return Coefficient(None, len(both), reason)
    from sklearn.metrics import cohen_kappa_score  # type: ignore[import-untyped]

    first, second = zip(*both, strict=True)
    return Coefficient(float(cohen_kappa_score(first, second)), len(both))


def _undefined(n: int, words: set[str]) -> str:
    if n < MIN_PAIRS:
        return f"{n} judged by two people; it takes {MIN_PAIRS} at least"
    if len(words) < 2:
        return f"everybody said {next(iter(words))}, so agreement by chance cannot be told apart"
    return ""
