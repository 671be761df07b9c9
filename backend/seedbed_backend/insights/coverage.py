"""Does the synthetic set cover what the real set covers, or does it cluster?"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.records import Candidate, content_id
from seedbed.text import locate, sentences, shortened, words
from seedbed_backend import redaction
from seedbed_backend.insights.base import Finding, Insight, ReportData, percent
from seedbed_backend.insights.sets import Sets, compare, synthetic_text
from seedbed_backend.selection import Vectors, nearest
from seedbed_backend.topics import Topics, find_topics

N_NEIGHBOURS = 5
"""Neighbours that say how near is near (Naeem et al., 2020, take 5)."""

MAX_OUTSIDE = 0.15
"""Share of synthetic texts that may be about no topic: of one half of a real set it is 0.02-0.05 by
the topics of the other half, of texts of another field 0.88-1.00 (three sets, MiniLM)."""

MIN_SYNTHETIC = 20
"""Survivors below which the report warns of nothing but their number."""

_CHANCE = 0.05  # below it, an absence or a surplus is not put down to chance
_MAX_NAMED = 5
_SHOWN = 60  # characters of a text
_MAX_WORDS = 20_000


def find(data: ReportData) -> Finding | None:
    """Compare topics, distances, sameness and lengths; None where there is nothing to compare.

    Topics are k-means clusters of the real texts. A synthetic text counts for the topic it is
    nearest to, if it is as near as real ones are, or for its source's where it is of another kind
    (a question on a passage).
    """
    sets = compare(data)
    if sets is None:
        return None
    topics = find_topics(sets.real, sets.real_vectors)
    grown = _topics_of(sets, topics)
    rows, by_topic = _table(sets, topics, grown)
    warnings = _topic_warnings(by_topic, len(sets.synthetic), _noun(sets))
    outside = np.flatnonzero(grown < 0)
    outside_fraction = len(outside) / len(sets.synthetic)
    if len(outside):
        counted = f"{percent(outside_fraction)} ({len(outside)})"
        example = shortened(_as_shown(data, sets.candidates[outside[0]]), _SHOWN)
        rows.append(["none of these", example, "", counted])
        if outside_fraction > MAX_OUTSIDE:
            warnings.append(
                f"{percent(outside_fraction)} of the synthetic examples are about none of your "
                f"topics; for example: “{example}”"
            )
    n_covered = sum(topic["n_synthetic"] > 0 for topic in by_topic)
    lines = [
        f"{n_covered} of {len(by_topic)} topics have synthetic examples; they hold "
        f"{percent(_share_covered(by_topic))} of your {_noun(sets)}."
    ]
    figures: dict[str, Any] = {
        "n_real": sets.n_real,
        "n_synthetic": sets.n_synthetic,
        "n_real_seen": len(sets.real),
        "n_synthetic_seen": len(sets.synthetic),
        "n_topics": len(by_topic),
        "n_topics_covered": n_covered,
        "covered_fraction": round(_share_covered(by_topic), 4),
        "outside_fraction": round(outside_fraction, 4),
        "topics": by_topic,
    }
    for part in (_distances if sets.is_same_kind else _lineage, _sameness, _histograms):
        more_lines, more_warnings, more_figures = part(sets)
        lines += more_lines
        warnings += more_warnings
        figures |= more_figures
    if sets.is_sampled:
        lines.append(
            f"Measured on a sample: {len(sets.real)} real, {len(sets.synthetic)} synthetic."
        )
    if len(sets.synthetic) < MIN_SYNTHETIC:
        warnings = [f"Only {len(sets.synthetic)} synthetic examples: too few to judge coverage by."]
    return Finding(
        "coverage",
        "Coverage and diversity",
        lines,
        ("topic", "a typical one", "real", "synthetic"),
        rows,
        warnings,
        figures,
    )


def _as_shown(data: ReportData, candidate: Candidate) -> str:
    """Return what stands for a survivor, with its personal data replaced."""
    stored = next(each for each in data.survivors if each.candidate.id == candidate.id)
    return synthetic_text(data.recipe, redaction.redacted(stored).candidate)


def _topics_of(sets: Sets, topics: Topics) -> NDArray[np.int64]:
    if sets.is_same_kind:
        return topics.place(sets.synthetic_vectors)
    place = {source.id: n for n, source in enumerate(sets.sources)}
    return topics.of_text[[place[candidate.source.id] for candidate in sets.candidates]]


def _table(
    sets: Sets, topics: Topics, grown: NDArray[np.int64]
) -> tuple[list[list[str | int | float]], list[dict[str, Any]]]:
    n_real, n_synthetic = topics.count(topics.of_text), topics.count(grown)
    by_topic: list[dict[str, Any]] = [
        {
            "name": name,
            "example": shortened(sets.real[topics.examples[n]], 200),
            "n_real": n_real[n],
            "n_synthetic": n_synthetic[n],
            "real_fraction": round(n_real[n] / len(sets.real), 4),
            "synthetic_fraction": round(n_synthetic[n] / len(sets.synthetic), 4),
        }
        for n, name in enumerate(topics.names)
    ]
    rows: list[list[str | int | float]] = [
        [
            topic["name"],
            shortened(topic["example"], _SHOWN),
            f"{percent(topic['real_fraction'])} ({topic['n_real']})",
            f"{percent(topic['synthetic_fraction'])} ({topic['n_synthetic']})",
        ]
        for topic in by_topic
    ]
    return rows, by_topic


def _share_covered(by_topic: Sequence[dict[str, Any]]) -> float:
    total = sum(topic["n_real"] for topic in by_topic)
    return float(sum(t["n_real"] for t in by_topic if t["n_synthetic"]) / total)


def _topic_warnings(by_topic: Sequence[dict[str, Any]], n: int, noun: str) -> list[str]:
    """Name topics that are missing, thin (below a third) or swollen (above three times).

    By the binomial distribution, with the share that the topic has among the real texts.
    """
    from scipy.stats import binom  # type: ignore[import-untyped]

    missing, thin, swollen = [], [], []
    for topic in by_topic:
        share, here = topic["real_fraction"], topic["n_synthetic"]
        at_most = float(binom.cdf(here, n, share))
        at_least = float(binom.sf(here - 1, n, share))
        if here == 0 and at_most < _CHANCE:
            missing.append(
                f"The cluster around “{topic['name']}” ({percent(share)} of your {noun}) has no "
                "synthetic example."
            )
        elif 0 < here < share * n / 3 and at_most < _CHANCE:
            thin.append(
                f"The cluster around “{topic['name']}” is thin: {percent(share)} of your {noun}, "
                f"{percent(here / n)} of the synthetic ones."
            )
        elif here > 3 * share * n and here >= 10 and at_least < _CHANCE:
            swollen.append(
                f"The synthetic set clusters around “{topic['name']}”: {percent(here / n)} of it, "
                f"{percent(share)} of your {noun}."
            )
    return [*_some(missing), *_some(thin), *_some(swollen)]


def _distances(sets: Sets) -> tuple[list[str], list[str], dict[str, Any]]:
    """Measure the cosine distance to the nearest one of the other set, both ways.

    `near_fraction` is the share of real texts with a synthetic one no farther off than their fifth
    nearest real one ("coverage" of Naeem et al., 2020).
    """
    _, to_synthetic = nearest(sets.real_vectors, sets.synthetic_vectors)
    _, to_real = nearest(sets.synthetic_vectors, sets.real_vectors)
    radius = _radius(sets.real_vectors)
    is_near = to_synthetic >= radius
    figures: dict[str, Any] = {
        "real_to_synthetic": _quantiles(1 - to_synthetic),
        "synthetic_to_real": _quantiles(1 - to_real),
        "near_fraction": round(float(is_near.mean()), 4),
    }
    lines = [
        f"From a real example to the nearest synthetic one: {_told(figures['real_to_synthetic'])}.",
        f"From a synthetic example to the nearest real one: {_told(figures['synthetic_to_real'])}.",
        f"{percent(figures['near_fraction'])} of the real examples have a synthetic one no farther "
        f"off than their {N_NEIGHBOURS}th nearest real one.",
    ]
    warnings = []
    if figures["near_fraction"] < 0.5 and len(sets.synthetic) >= len(sets.real):
        warnings.append(
            f"{percent(1 - figures['near_fraction'])} of your examples have no synthetic example "
            "near them, though there are as many of these as of yours."
        )
    return lines, warnings, figures


def _radius(vectors: Vectors) -> NDArray[np.float64]:
    """Return for each row the cosine with its fifth nearest other row (the last, where fewer)."""
    n = len(vectors)
    k = min(N_NEIGHBOURS, n - 1)
    if k < 1:
        return np.ones(n)
    found = np.empty(n)
    for start in range(0, n, 1000):
        similar = vectors[start : start + 1000] @ vectors.T
        similar[np.arange(len(similar)), np.arange(start, start + len(similar))] = -2.0
        found[start : start + 1000] = np.partition(similar, n - k, axis=1)[:, n - k]
    return found


def _lineage(sets: Sets) -> tuple[list[str], list[str], dict[str, Any]]:
    """Count the sources and groups that have survivors, and how much of them is quoted."""
    used = {candidate.source.id for candidate in sets.candidates}
    groups = Counter(source.group for source in sets.sources if source.group)
    used_groups = {candidate.source.group for candidate in sets.candidates}
    unused = sorted((g for g in groups if g not in used_groups), key=lambda g: (-groups[g], g))
    quoted = _quoted_fraction(sets)
    lines = [
        f"{len(used)} of {len(sets.sources)} sources have synthetic examples"
        + (f", in {len(groups) - len(unused)} of {len(groups)} documents." if groups else ".")
    ]
    if quoted is not None:
        lines.append(f"{percent(quoted)} of the sentences of these sources serve as evidence.")
    warnings = [
        f"The document “{group}” ({groups[group]} sources) has no synthetic example."
        for group in unused
    ]
    figures = {
        "n_sources": len(sets.sources),
        "n_sources_used": len(used),
        "groups_without": unused,
        "evidence_fraction": quoted,
    }
    return lines, _some(warnings), figures


def _quoted_fraction(sets: Sets) -> float | None:
    """Return the share of sentences, of sources with survivors, that an output stands in verbatim.

    None where no output does.
    """
    texts = {source.id: text for source, text in zip(sets.sources, sets.real, strict=True)}
    places: dict[str, set[int]] = {}
    n_sentences = 0
    for candidate in sets.candidates:
        text = texts[candidate.source.id]
        parts = sentences(text)
        if candidate.source.id not in places:
            places[candidate.source.id] = set()
            n_sentences += len(parts)
        for value in candidate.fields.values():
            span = locate(value, text)
            if span:
                places[candidate.source.id] |= {
                    n for n, s in enumerate(parts) if s.start < span.end and span.start < s.end
                }
    n_quoted = sum(map(len, places.values()))
    return round(n_quoted / n_sentences, 4) if n_quoted else None


def _sameness(sets: Sets) -> tuple[list[str], list[str], dict[str, Any]]:
    """Measure how alike each set is in itself, on as many texts (and words) of both.

    `nearest` is the mean cosine with the nearest other text of the set; `distinct_2` the share of
    different ones among all word pairs (Li et al., 2016). Both grow or fall with the size of a set,
    so the larger one is sampled down.
    """
    n = min(len(sets.real), len(sets.synthetic))
    real, synthetic = _chosen(sets.real, n), _chosen(sets.synthetic, n)
    near_real = _self_similarity(sets.real_vectors[real])
    near_synthetic = _self_similarity(sets.synthetic_vectors[synthetic])
    pairs_real, pairs_synthetic = _pairs(sets.real, real), _pairs(sets.synthetic, synthetic)
    size = min(len(pairs_real), len(pairs_synthetic), _MAX_WORDS)
    distinct_real, distinct_synthetic = (
        _distinct(pairs_real[:size]),
        _distinct(pairs_synthetic[:size]),
    )
    figures = {
        "self_similarity": {"real": near_real, "synthetic": near_synthetic},
        "distinct_2": {"real": distinct_real, "synthetic": distinct_synthetic},
        "n_compared": n,
    }
    lines = [
        "Alike within the set (mean cosine with the nearest other one): synthetic "
        f"{near_synthetic:.2f}, your {_noun(sets)} {near_real:.2f}, {n} of each.",
        f"Different word pairs: synthetic {percent(distinct_synthetic)}, your {_noun(sets)} "
        f"{percent(distinct_real)}, of {size} each.",
    ]
    warnings = []
    if sets.is_same_kind and near_synthetic > near_real + 0.10:
        warnings.append(
            f"Synthetic examples are more alike than yours: {near_synthetic:.2f} against "
            f"{near_real:.2f}. A higher temperature, more sources or a higher `spread` of "
            "top_fraction helps."
        )
    if sets.is_same_kind and distinct_synthetic < 0.7 * distinct_real:
        warnings.append(
            f"Synthetic examples repeat phrases: {percent(distinct_synthetic)} of their word pairs "
            f"are different ones, {percent(distinct_real)} of yours."
        )
    return lines, warnings, figures


def _histograms(sets: Sets) -> tuple[list[str], list[str], dict[str, Any]]:
    """Count words a text in ten classes, and labels."""
    lengths = [[len(words(text)) for text in texts] for texts in (sets.real, sets.synthetic)]
    # Texts of another kind are of another length: then the classes are those of the synthetic ones.
    basis = [*lengths[0], *lengths[1]] if sets.is_same_kind else lengths[1]
    width = -(-(max(basis) - min(basis) + 1) // 10)
    edges = min(basis) + width * np.arange(-(-(max(basis) - min(basis) + 1) // width) + 1)
    histogram = {
        "edges": edges.tolist(),
        "synthetic": np.histogram(lengths[1], edges)[0].tolist(),
    }
    if sets.is_same_kind:
        histogram["real"] = np.histogram(lengths[0], edges)[0].tolist()
    median = [int(np.median(values)) for values in lengths]
    line = (
        f"Length: synthetic {median[1]} words in the middle, {min(lengths[1])} to {max(lengths[1])}; "
        f"your {_noun(sets)} {median[0]}, {min(lengths[0])} to {max(lengths[0])}."
    )
    labels = {
        "real": dict(sorted(Counter(filter(None, sets.real_labels)).items())),
        "synthetic": dict(sorted(Counter(filter(None, sets.synthetic_labels)).items())),
    }
    warnings = [
        f"The label “{label}” ({n} of your examples) has no synthetic example."
        for label, n in labels["real"].items()
        if label not in labels["synthetic"]
    ]
    return [line], _some(warnings), {"length_histogram": histogram, "label_histogram": labels}


def _self_similarity(vectors: Vectors) -> float:
    return round(float(nearest(vectors, vectors, range(len(vectors)))[1].mean()), 4)


def _chosen(texts: Sequence[str], n: int) -> list[int]:
    """Choose `n` places at random, always the same for the same texts."""
    rng = random.Random(content_id("same size", len(texts), n))  # noqa: S311 - reproducible
    return sorted(rng.sample(range(len(texts)), n))


def _pairs(texts: Sequence[str], places: Sequence[int]) -> list[tuple[str, str]]:
    return [pair for place in places for pair in pairwise(words(texts[place]))]


def _distinct(pairs: Sequence[tuple[str, str]]) -> float:
    return round(len(set(pairs)) / len(pairs), 4) if pairs else 0.0


def _quantiles(distances: NDArray[np.float64]) -> dict[str, float]:
    return {
        "median": round(float(np.median(distances)), 4),
        "p90": round(float(np.quantile(distances, 0.9)), 4),
    }


def _told(quantiles: dict[str, float]) -> str:
    return (
        f"cosine distance {quantiles['median']:.2f}, at most {quantiles['p90']:.2f} for nine of ten"
    )


def _some(warnings: Sequence[str]) -> list[str]:
    more = len(warnings) - _MAX_NAMED
    return [*warnings[:_MAX_NAMED], *([f"… and {more} more like that."] if more > 0 else [])]


def _noun(sets: Sets) -> str:
    return "examples" if sets.is_same_kind else "sources"


INSIGHT = Insight("coverage", find)
