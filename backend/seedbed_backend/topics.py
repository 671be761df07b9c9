"""Topics of a set of texts: k-means over their vectors, each named by its most telling words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from seedbed.text import STOPWORDS, stem, word_set, words
from seedbed_backend.selection import Vectors

MAX_TOPICS = 30

_N_WORDS = 3
_OUTSIDE = 0.05
_SLACK = 0.05  # texts as near as that to the farthest ones are of the topic too
_PHRASE_BONUS = 1.4
"""What a phrase of two words says more than its parts."""


_UNTELLING = STOPWORDS | word_set(
    "also cannot get gets got many much need needs never not one please really two want wants yet"
)


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics, the largest first.

    `of_text` is the topic of each text, `examples` the place of each topic's most typical text;
    `centres` have shape (topics, d). `reach` is the cosine with the nearest centre that a text of
    these topics has at least.
    """

    names: list[str]
    of_text: NDArray[np.int64]
    examples: list[int]
    centres: Vectors
    reach: float

    def place(self, vectors: Vectors) -> NDArray[np.int64]:
        """Return the topic that each of `vectors` belongs to; -1 where it is far from all.

        Far is beyond `reach` of the nearest centre.
        """
        similar = vectors @ _unit(self.centres).T
        places: NDArray[np.int64] = similar.argmax(axis=1)
        places[similar.max(axis=1) < self.reach] = -1
        return places

    def count(self, topics: NDArray[np.int64]) -> list[int]:
        """Count how many of `topics` are each topic; those of none are not counted."""
        counts: list[int] = np.bincount(topics[topics >= 0], minlength=len(self.names)).tolist()
        return counts


def n_topics(n_texts: int) -> int:
    """Return how many topics are looked for: the root of half the number of texts, 1 to 30.

    The rule of thumb of Mardia, Kent and Bibby (1979): 4 for 40 texts, 16 for 500.
    """
    return max(1, min(MAX_TOPICS, round(math.sqrt(n_texts / 2))))


def find_topics(texts: Sequence[str], vectors: Vectors, n: int | None = None) -> Topics:
    """Find `n` topics (by default `n_topics`), fewer where there are fewer distinct vectors.

    Raises ValueError where there is no text.
    """
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]

    if not len(texts):
        raise ValueError("no texts, no topics")
    n_distinct = len(np.unique(np.round(vectors, 4), axis=0))
    k = min(n or n_topics(len(texts)), n_distinct)
    fitted = KMeans(n_clusters=k, n_init=4, random_state=0).fit(np.asarray(vectors, np.float64))
    sizes = np.bincount(fitted.labels_, minlength=k)
    order = sorted(range(k), key=lambda topic: (-sizes[topic], topic))
    centres = fitted.cluster_centers_[order].astype(np.float32)
    of_text = np.argsort(order)[fitted.labels_]
    distances = _distances(vectors, centres)
    examples = []
    for topic in range(k):
        members = np.flatnonzero(of_text == topic)
        examples.append(int(members[distances[members, topic].argmin()]))
    reach = _reach(vectors, centres, of_text)
    names = name_groups(texts, of_text.tolist(), k)
    return Topics(names, of_text, examples, centres, reach)


def name_groups(texts: Sequence[str], groups: Sequence[int], n: int) -> list[str]:
    """Name each of `n` groups of texts by up to three words or phrases that set it apart.

    A term's weight is the share of the group's texts that have it x the logarithm of how much more
    frequent it is there than in all (a tf-idf with groups as documents). Groups without any telling
    word are named by number.
    """
    everywhere: Counter[str] = Counter()
    within: list[Counter[str]] = [Counter() for _ in range(n)]
    surface: dict[str, Counter[str]] = {}
    for text, group in zip(texts, groups, strict=True):
        terms = _terms(text)
        for key, shown in terms.items():
            surface.setdefault(key, Counter())[shown] += 1
        everywhere.update(terms.keys())
        within[group].update(terms.keys())
    names: list[str] = []
    for group, counts in enumerate(within):
        size = sum(1 for g in groups if g == group)
        # Words that two texts share, where there are any.
        least = 2 if size > 3 and max(counts.values(), default=0) > 1 else 1
        weighed = sorted(
            (-_weight(key, count, size, everywhere[key], len(texts)), key)
            for key, count in counts.items()
            if count >= least
        )
        chosen = _distinct(key for weight, key in weighed if weight < 0)
        shown = ", ".join(
            max(surface[k].items(), key=lambda item: (item[1], item[0]))[0] for k in chosen
        )
        name = shown or f"topic {group + 1}"
        names.append(name if name not in names else f"{name} ({group + 1})")
    return names


def _weight(key: str, n_within: int, size: int, n_all: int, total: int) -> float:
    share = n_within / size
    # With half a text more everywhere, a term of one text alone does not win.
    lift = math.log(share * (total + 1) / (n_all + 1)) if total > size else share
    return share * lift * (_PHRASE_BONUS if " " in key else 1.0)


def _distinct(keys: Iterable[str]) -> list[str]:
    chosen: list[str] = []
    used: set[str] = set()
    for key in keys:
        if used.isdisjoint(key.split()):
            chosen.append(key)
            used.update(key.split())
        if len(chosen) == _N_WORDS:
            break
    return chosen


def _terms(text: str) -> dict[str, str]:
    """Return the words and phrases of two words that carry content: stems → as written."""
    said = words(text)
    is_telling = [w not in _UNTELLING and len(w) > 2 and w.isalpha() for w in said]
    terms = {stem(word): word for word, is_one in zip(said, is_telling, strict=True) if is_one}
    for (first, is_one), (second, is_two) in pairwise(zip(said, is_telling, strict=True)):
        if is_one and is_two and stem(first) != stem(second):
            terms[f"{stem(first)} {stem(second)}"] = f"{first} {second}"
    return terms


def _reach(vectors: Vectors, centres: Vectors, of_text: NDArray[np.int64]) -> float:
    """Return what all texts but one in twenty have, each left out of its own topic's centre."""
    similar = vectors @ _unit(centres).T
    rows = np.arange(len(vectors))
    sizes = np.bincount(of_text, minlength=len(centres))[of_text][:, None]
    without = centres[of_text] * sizes - vectors
    similar[rows, of_text] = np.where(sizes[:, 0] > 1, (vectors * _unit(without)).sum(axis=1), -1.0)
    return float(np.quantile(similar.max(axis=1), _OUTSIDE)) - _SLACK


def _unit(centres: Vectors) -> Vectors:
    unit: Vectors = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    return unit


def _distances(vectors: Vectors, centres: Vectors) -> NDArray[np.float64]:
    """Return the squared distances less each row's own length, shape (rows, centres)."""
    found: NDArray[np.float64] = (centres**2).sum(axis=1) - 2.0 * (vectors @ centres.T)
    return found
