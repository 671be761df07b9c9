"""Do synthetic examples follow the real ones in length, topic, format and complexity?"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seedbed.recipe import Recipe
from seedbed.text import sentences, words
from seedbed_backend.insights.base import Finding, Insight, ReportData, percent
from seedbed_backend.insights.sets import Sets, compare
from seedbed_backend.topics import find_topics

ALPHA = 0.05
"""Share of false alarms over all features together (Holm, 1979)."""

SLIGHT, CLEAR, STRONG = 0.10, 0.20, 0.40
"""From these effects on a difference is called slight, clear or strong.

The effect is the largest difference between the two cumulative shares (Kolmogorov-Smirnov's D), or
half the summed difference of the shares (total variation): in both, the share of examples that would
have to be other ones. In [0, 1].
"""

GIVEN_AWAY = 0.90
"""AUROC of a classifier from which the sets are called easy to tell apart."""

MIN_TEXTS = 5
"""Texts of each set below which nothing is compared."""

_N_DIVISIONS = 4999
_MAX_CLASSIFIED = 1000
_LIST_ITEM = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S", re.MULTILINE)
_LETTER = re.compile(r"[^\W\d_]")


def find(data: ReportData) -> Finding | None:
    """Compare the two sets feature by feature; None where they are not of one kind, or too small."""
    sets = compare(data)
    if (
        sets is None
        or not sets.is_same_kind
        or min(len(sets.real), len(sets.synthetic)) < MIN_TEXTS
    ):
        return None
    sets = _of_free_text(data.recipe, sets)
    results = [*_numeric(sets), *_categorical(sets)]
    if data.recipe.label_shares:  # labels follow those, not the real set
        results = [result for result in results if result.key != "label"]
    if not results:
        return None
    adjusted = holm([result.p for result in results])
    n_real, n_synthetic = len(sets.real), len(sets.synthetic)
    least = detectable(n_real, n_synthetic, len(results))
    verdicts = [
        verdict(r, p, detectable(n_real, n_synthetic))
        for r, p in zip(results, adjusted, strict=True)
    ]
    rows: list[list[str | int | float]] = [
        [r.name, r.real, r.synthetic, round(r.effect, 2), _p(p), told]
        for r, p, told in zip(results, adjusted, verdicts, strict=True)
    ]
    differing = [
        r for r, p in zip(results, adjusted, strict=True) if p < ALPHA and r.effect >= CLEAR
    ]
    differing.sort(key=lambda result: -result.effect)
    lines = [
        f"{n_synthetic} synthetic against {n_real} real examples. The effect is the share of "
        "examples that would have to be other ones for both sets to agree; p is corrected for the "
        f"number of features ({len(results)}). Numbers: the middle, and where eight of ten lie; kinds: "
        "the one that differs most."
    ]
    if least > CLEAR:
        lines.append(
            f"With so few, effects below about {least:.2f} cannot be told from chance: a large p is "
            "no proof that the sets agree."
        )
    auroc = tell_apart(sets)
    warnings = [r.warning for r in differing]
    if auroc is not None:
        lines.append(
            f"A classifier that sees their vectors tells synthetic from real with AUROC {auroc:.2f} "
            "(0.5 is guessing, 1 is always right)."
        )
        if auroc >= GIVEN_AWAY:
            warnings.append(
                f"Something gives synthetic examples away: AUROC {auroc:.2f}. Compare some of both "
                "side by side."
            )
    return Finding(
        "distribution",
        "Synthetic against real, feature by feature",
        lines,
        ("feature", "real", "synthetic", "effect", "p", "verdict"),
        rows,
        warnings,
        {
            "classifier_auroc": auroc,
            "n_real": n_real,
            "n_synthetic": n_synthetic,
            "detectable_effect": round(least, 4),
            "features": {
                r.key: {
                    "test": r.test,
                    "statistic": round(r.statistic, 4),
                    "effect": round(r.effect, 4),
                    "p": r.p,
                    "p_adjusted": p,
                    "verdict": told,
                    **r.figures,
                }
                for r, p, told in zip(results, adjusted, verdicts, strict=True)
            },
        },
    )


def _of_free_text(recipe: Recipe, sets: Sets) -> Sets:
    """Return the sets with a record's free text alone; its other columns have a report of their own.

    Topics still go by the whole record.
    """
    if not recipe.spec.columns:
        return sets
    name = recipe.spec.text_field
    return replace(
        sets,
        real=[source.fields.get(name, "") for source in sets.sources],
        synthetic=[candidate.fields.get(name, "") for candidate in sets.candidates],
    )


@dataclass(frozen=True, slots=True)
class Result:
    """One feature compared. `real` and `synthetic` are for people; `p` is not corrected yet."""

    key: str
    name: str
    test: str
    statistic: float
    effect: float
    p: float
    real: str
    synthetic: str
    warning: str
    figures: Mapping[str, Any]


# --- numbers -------------------------------------------------------------------------------------


def _n_words(text: str) -> float:
    return len(words(text))


def _n_sentences(text: str) -> float:
    return len(sentences(text))


def _words_per_sentence(text: str) -> float:
    return len(words(text)) / max(1, len(sentences(text)))


def _letters_per_word(text: str) -> float:
    said = words(text)
    return sum(map(len, said)) / max(1, len(said))


def readability(text: str) -> float:
    """Return the automated readability index (Smith and Senter, 1967): about the US school year."""
    if not words(text):
        return 0.0
    return float(4.71 * _letters_per_word(text) + 0.5 * _words_per_sentence(text) - 21.43)


def _per_word(pattern: str) -> Callable[[str], float]:
    found = re.compile(pattern)
    return lambda text: len(found.findall(text)) / max(1, len(words(text)))


def _capitals(text: str) -> float:
    letters = _LETTER.findall(text)
    n_upper = sum(1 for letter in letters if letter.isupper())
    return n_upper / max(1, len(letters))


NUMERIC: Mapping[str, tuple[str, Callable[[str], float]]] = {
    "words": ("length, words", _n_words),
    "sentences": ("length, sentences", _n_sentences),
    "lines": ("format, lines", lambda text: float(len(text.strip().splitlines()))),
    "punctuation": ("format, marks a word", _per_word(r"[^\w\s]")),
    "numbers": ("format, numbers a word", _per_word(r"\d[\d.,:/-]*")),
    "capitals": ("format, share of capitals", _capitals),
    "words_per_sentence": ("complexity, words a sentence", _words_per_sentence),
    "letters_per_word": ("complexity, letters a word", _letters_per_word),
    "readability": ("complexity, readability index", readability),
}
"""Features by key: the name that people read, and how a text is measured."""


def _numeric(sets: Sets) -> list[Result]:
    from scipy.stats import ks_2samp  # type: ignore[import-untyped]

    results = []
    for key, (name, measure) in NUMERIC.items():
        real = np.array([measure(text) for text in sets.real])
        synthetic = np.array([measure(text) for text in sets.synthetic])
        if np.ptp(np.concatenate([real, synthetic])) == 0:
            continue  # every text is alike: nothing to compare
        found = ks_2samp(real, synthetic, method="auto")
        middle = float(np.median(real)), float(np.median(synthetic))
        effect = float(found.statistic)
        moved = "higher" if middle[1] > middle[0] else "lower" if middle[1] < middle[0] else ""
        how = f"{moved} ({_figure(middle[1])} against {_figure(middle[0])} in the middle)"
        results.append(
            Result(
                key,
                name,
                "Kolmogorov-Smirnov",
                effect,
                effect,
                float(found.pvalue),
                _spread(real),
                _spread(synthetic),
                f"Synthetic examples differ in {name}: "
                + (how if moved else "spread otherwise around the same middle")
                + ".",
                {
                    "real": _summary(real),
                    "synthetic": _summary(synthetic),
                },
            )
        )
    return results


def _summary(values: np.ndarray[Any, Any]) -> dict[str, float]:
    quantiles = np.quantile(values, [0.1, 0.5, 0.9])
    return {
        "mean": round(float(values.mean()), 4),
        **{
            name: round(float(value), 4)
            for name, value in zip(("p10", "median", "p90"), quantiles, strict=True)
        },
    }


def _spread(values: np.ndarray[Any, Any]) -> str:
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return f"{_figure(middle)} ({_figure(low)} to {_figure(high)})"


# --- kinds ---------------------------------------------------------------------------------------


def form(text: str) -> str:
    """Name the form of a text: list, several paragraphs or lines, question, sentence or fragment."""
    stripped = text.strip()
    if len(_LIST_ITEM.findall(stripped)) >= 2:
        return "list"
    if "\n" in stripped:
        return "several lines"
    if stripped.endswith(("?", "\uff1f", "\u061f")):
        return "question"
    return (
        "sentences"
        if re.search(r"[.!\u2026\u3002\uff01][\"')\]\u201d]*\Z", stripped)
        else "fragment"
    )


def opening(text: str) -> str:
    """Name the case and kind of the first character: capital, lower case, digit or other."""
    first = next((c for c in text if not c.isspace()), "")
    if first.isupper() or first.istitle():
        return "capital"
    return "lower case" if first.islower() else "digit" if first.isdigit() else "other"


def _categorical(sets: Sets) -> list[Result]:
    topics = find_topics(sets.real, sets.real_vectors)
    names = [*topics.names, "none of these"]
    of_real = [names[n] for n in topics.place(sets.real_vectors)]
    of_synthetic = [names[n] for n in topics.place(sets.synthetic_vectors)]
    pairs = {
        "topic": (of_real, of_synthetic),
        "label": (sets.real_labels, sets.synthetic_labels),
        "form": ([form(t) for t in sets.real], [form(t) for t in sets.synthetic]),
        "opening": ([opening(t) for t in sets.real], [opening(t) for t in sets.synthetic]),
    }
    titles = {"form": "format, form", "opening": "format, first character"}
    return [
        _compare_shares(key, titles.get(key, key), real, synthetic)
        for key, (real, synthetic) in pairs.items()
        if len({*real, *synthetic}) > 1
    ]


def _compare_shares(key: str, name: str, real: Sequence[str], synthetic: Sequence[str]) -> Result:
    counts = Counter(real), Counter(synthetic)
    kinds = sorted({*counts[0], *counts[1]}, key=lambda k: (-counts[0][k], -counts[1][k], k))
    table = np.array([[count[kind] for kind in kinds] for count in counts], dtype=float)
    shares = table / table.sum(axis=1, keepdims=True)
    gaps = shares[1] - shares[0]
    statistic, p = _chi_squared(table)
    widest = int(np.abs(gaps).argmax())
    more, less = kinds[int(gaps.argmax())], kinds[int(gaps.argmin())]
    return Result(
        key,
        name,
        "chi-squared",
        statistic,
        float(np.abs(gaps).sum() / 2),
        p,
        f"{_quoted(kinds[widest])} {percent(shares[0][widest])}",
        f"{_quoted(kinds[widest])} {percent(shares[1][widest])}",
        f"Synthetic examples differ in {name}: {_quoted(more)} {percent(shares[1][gaps.argmax()])} "
        f"against {percent(shares[0][gaps.argmax()])}, {_quoted(less)} "
        f"{percent(shares[1][gaps.argmin()])} against {percent(shares[0][gaps.argmin()])}.",
        {
            "real": {k: int(counts[0][k]) for k in kinds},
            "synthetic": {k: int(counts[1][k]) for k in kinds},
        },
    )


def _chi_squared(table: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return chi-squared and its p for counts of shape (2, kinds).

    Where a kind is expected fewer than five times, p is the share of 4,999 random divisions of the
    same texts (and the one at hand) that are at least as uneven.
    """
    from scipy.stats import chi2_contingency

    found = chi2_contingency(table, correction=False)
    statistic, expected = float(found.statistic), found.expected_freq
    if expected.min() >= 5:
        return statistic, float(found.pvalue)
    n_first = int(table[0].sum())
    drawn = np.random.default_rng(0).multivariate_hypergeometric(
        table.sum(axis=0).astype(int), n_first, size=_N_DIVISIONS, method="marginals"
    )
    gaps = (drawn - expected[0]) ** 2
    uneven = (gaps / expected[0] + gaps / expected[1]).sum(axis=1)
    return statistic, float((1 + (uneven >= statistic - 1e-9).sum()) / (1 + _N_DIVISIONS))


def tell_apart(sets: Sets) -> float | None:
    """Return how well a classifier tells the sets apart by their vectors: AUROC in [0, 1].

    Logistic regression, cross-validated in five parts; what goes back to one source stays in one
    part. None below 20 texts or 5 sources of a set. At most 1,000 of each are looked at.
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]
    from sklearn.model_selection import (  # type: ignore[import-untyped]
        StratifiedGroupKFold,
        cross_val_predict,
    )

    n = _MAX_CLASSIFIED
    groups = [s.id for s in sets.sources[:n]] + [c.source.id for c in sets.candidates[:n]]
    n_grown = len({candidate.source.id for candidate in sets.candidates[:n]})
    if min(len(sets.real), len(sets.synthetic)) < 20 or n_grown < 5:
        return None
    vectors = np.concatenate([sets.real_vectors[:n], sets.synthetic_vectors[:n]])
    is_synthetic = np.arange(len(vectors)) >= len(sets.real_vectors[:n])
    scores = cross_val_predict(
        LogisticRegression(class_weight="balanced", max_iter=1000),
        vectors,
        is_synthetic,
        groups=groups,
        cv=StratifiedGroupKFold(n_splits=5, shuffle=True, random_state=0),
        method="decision_function",
    )
    return round(float(roc_auc_score(is_synthetic, scores)), 4)


# --- words ---------------------------------------------------------------------------------------


def holm(ps: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm, 1979), in their order."""
    order = sorted(range(len(ps)), key=lambda place: ps[place])
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = largest
    return adjusted


def detectable(n: int, m: int, n_features: int = 1) -> float:
    """Return the effect from which two samples are told apart (D's critical value).

    At 5 % over all features: 1.358 x √((n + m) ÷ nm) for one, 1.731 for ten.
    """
    critical = math.sqrt(-math.log(ALPHA / max(1, n_features) / 2) / 2)
    return critical * math.sqrt((n + m) / (n * m))


def verdict(result: Result, p: float, least: float) -> str:
    """Put a result in words; `p` is the corrected one, `least` the effect that is told."""
    if p >= ALPHA:
        if result.effect >= CLEAR or least > CLEAR:
            return "too few to tell"
        return "alike" if result.effect < SLIGHT else "no difference shown"
    if result.effect < SLIGHT:
        return "tiny difference"
    strength = "slightly" if result.effect < CLEAR else "clearly"
    return f"{'strongly' if result.effect >= STRONG else strength} different"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 20 or value == round(value) else f"{value:.2g}"


def _quoted(name: str) -> str:
    return f"“{name}”" if name else "without"


INSIGHT = Insight("distribution", find)
