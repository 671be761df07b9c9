"""Seed selection: a few sources that stand for all: representative, sound, and unlike each other."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import SourceError
from seedbed.recipe import Recipe, parse
from seedbed.records import SourceTask, content_id
from seedbed.sameness import changed_fact
from seedbed.text import shortened, words
from seedbed_backend.filters.base import Encoder
from seedbed_backend.filters.defects import defect
from seedbed_backend.insights.distribution import form
from seedbed_backend.insights.sets import real_text, sample
from seedbed_backend.selection import Vectors, apportion, cosines, nearest, stand_for
from seedbed_backend.services import Services
from seedbed_backend.store import Analysis
from seedbed_backend.topics import find_topics

N_SEEDS = 40
MAX_SEEDS = 1000
"""How many seeds are selected if nothing is said, and at most."""

MAX_SOURCES = 5000
"""Most sources that are looked at; more are sampled. All pairs of them take 100 MB."""

NEAR_DUPLICATE = 0.95
"""Cosine from which two sources that differ in no fact are too alike to be both seeds.

FILTERS: .83 balanced accuracy without a look at the facts.
"""

N_NEIGHBOURS, MIN_SIMILARITY, MIN_AGREEING = 5, 0.4, 4
"""A label is doubted where 4 of the 5 nearest others, all within that cosine, agree on another."""

SHORTEST, LONGEST = 0.25, 5.0
"""Lengths, in medians of all, outside which a source is no typical example."""

MAX_FLAWED = 0.2
"""What more of the sources have than that share is their style, and no defect."""

_LENGTH_WEIGHT, _FORM_WEIGHT = 0.15, 0.10  # the rest is meaning
_N_DRAWS = 20
_ROWS_AT_ONCE = 500
_N_ASKED = 3
_MAX_NAMED = 200


@dataclass(frozen=True, slots=True)
class Avoided:
    """A source that is not to be a seed.

    `reason` is one of the defects of `filters.defects`, or: too_short, too_long (beside the others),
    near_duplicate, label_conflict (a near duplicate with another label), label_doubtful (its nearest
    neighbours agree on another label). `detail` is the other one's id, or says more.
    """

    source: SourceTask
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The seeds in the order in which they were chosen, what was avoided, and what they cover."""

    seeds: Sequence[SourceTask]
    avoided: Sequence[Avoided]
    report: Mapping[str, Any] = field(default_factory=dict)


def select(
    recipe: Recipe, sources: Sequence[SourceTask], encoder: Encoder, n: int = N_SEEDS
) -> Selection:
    """Choose `n` seeds, fewer where fewer are sound.

    Labels get seats in proportion to their numbers, at least one each where `n` allows it. Within
    that, greedy facility location: the next seed is the one that brings the most sources nearer to a
    seed, times its quality, which is 1 less up to 0.4 where its neighbours carry other labels. Near
    means alike in meaning (weight 0.75), of one quarter of the lengths (0.15) and of one form (0.10).
    The same sources give the same seeds, in whatever order they come. Raises SourceError where there
    is no source.
    """
    if not sources:
        raise SourceError("There are no sources to select seeds from.", hint="Import some first.")
    ordered = sorted(sources, key=lambda source: source.id)
    seen = sample(ordered, [source.id for source in ordered], MAX_SOURCES)
    pool = _Pool(recipe, seen, encoder)
    avoided = pool.avoided()
    sound = [place for place in range(len(seen)) if place not in avoided]
    quotas = quotas_of(Counter(pool.labels), Counter(pool.labels[place] for place in sound), n)
    chosen = stand_for(
        pool.shaped(),
        n,
        candidates=sound,
        qualities=pool.qualities(),
        groups=pool.labels,
        quotas=quotas,
    )
    report = {
        "n_sources": len(sources),
        "n_seen": len(seen),
        "n_sound": len(sound),
        "n_asked": n,
        **pool.report(chosen, sound, list(avoided.values())),
    }
    return Selection([seen[p] for p in chosen], list(avoided.values()), report)


def perform(services: Services, analysis: Analysis) -> dict[str, Any]:
    """Select the seeds that an analysis asks for (`n`); return their report."""
    project = services.store.project(analysis.project_id)
    sources = services.store.sources(project.id)
    n = int(analysis.options.get("n", N_SEEDS))
    return dict(select(parse(project.recipe), sources, services.encoder, n).report)


class _Pool:
    """The sources that are looked at, measured."""

    def __init__(self, recipe: Recipe, sources: Sequence[SourceTask], encoder: Encoder) -> None:
        self.sources = sources
        self.texts = [real_text(recipe, source) for source in sources]
        # Of a record, the free text alone can be broken.
        self.free_texts = [s.fields.get(recipe.spec.text_field, "") for s in sources]
        self.labels = [s.fields.get(recipe.spec.label_field, "") for s in sources]
        self.lengths = [len(words(text)) for text in self.texts]
        self.quarters = quarters(self.lengths)
        self.forms = [form(text) for text in self.texts]
        self.vectors = encoder.encode(self.texts)
        self._near, self._near_values = neighbours(self.vectors, N_NEIGHBOURS)

    def avoided(self) -> dict[int, Avoided]:
        """Return what is not to be a seed, by place."""
        found: dict[int, Avoided] = {}
        middle = float(np.median(self.lengths))
        broken = [defect(text) for text in self.free_texts]
        counts = Counter(broken)
        habits = {reason for reason, n in counts.items() if n > MAX_FLAWED * len(broken)}
        for place, source in enumerate(self.sources):
            reason, detail = self._flaw(place, middle)
            if broken[place] and broken[place] not in habits:
                reason, detail = broken[place], ""
            if reason:
                found[place] = Avoided(source, reason, detail)
        found |= self._duplicates([p for p in range(len(self.sources)) if p not in found])
        return dict(sorted(found.items()))

    def qualities(self) -> list[float]:
        """Return 0.6 + 0.4 x the share of the five nearest others that carry the same label."""
        if len(set(self.labels)) < 2:
            return [1.0] * len(self.labels)
        return [
            0.6 + 0.4 * sum(self.labels[n] == label for n in self._near[place]) / max(1, self._k)
            for place, label in enumerate(self.labels)
        ]

    def shaped(self) -> Vectors:
        """Return unit vectors whose cosine weighs meaning, length (by quarter) and form."""
        parts = (
            np.sqrt(1 - _LENGTH_WEIGHT - _FORM_WEIGHT) * self.vectors,
            np.sqrt(_LENGTH_WEIGHT) * _one_hot(self.quarters),
            np.sqrt(_FORM_WEIGHT) * _one_hot(self.forms),
        )
        shaped: Vectors = np.concatenate(parts, axis=1).astype(np.float32)
        return shaped

    def report(
        self, chosen: Sequence[int], sound: Sequence[int], avoided: Sequence[Avoided]
    ) -> dict[str, Any]:
        """Say what the seeds cover, beside as many sources drawn at random."""
        topics = find_topics(self.texts, self.vectors)
        names = [topics.names[topic] for topic in topics.of_text]
        owner, _ = nearest(self.vectors, self.vectors[list(chosen)])
        stands_for = Counter(owner.tolist())
        counts = Counter(item.reason for item in avoided)
        return {
            "coverage": self._coverage(chosen, sound, topics.of_text),
            "labels": _counted(self.labels, chosen) if any(self.labels) else [],
            "lengths": _counted(self.quarters, chosen, is_sorted=True),
            "forms": _counted(self.forms, chosen),
            "topics": _counted(names, chosen),
            "seeds": [
                {
                    "id": self.sources[place].id,
                    "task": self.sources[place].label_studio_task,
                    "fields": dict(self.sources[place].fields),
                    "n_words": self.lengths[place],
                    "form": self.forms[place],
                    "topic": names[place],
                    "stands_for": stands_for[rank],
                }
                for rank, place in enumerate(chosen)
            ],
            "avoided": dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
            "avoided_sources": [
                {
                    "id": item.source.id,
                    "task": item.source.label_studio_task,
                    "text": shortened(next(iter(item.source.fields.values()), ""), 200),
                    "reason": item.reason,
                    "detail": self._told(item),
                }
                for item in avoided[:_MAX_NAMED]
            ],
        }

    def _told(self, item: Avoided) -> str:
        if item.reason not in {"near_duplicate", "label_conflict"}:
            return item.detail
        place = next(n for n, source in enumerate(self.sources) if source.id == item.detail)
        task = self.sources[place].label_studio_task
        name = f"task {task}" if task else item.detail[:8]
        is_same = item.reason == "near_duplicate"
        return f"of {name}" if is_same else f"{name} is {self.labels[place] or 'without label'}"

    @property
    def _k(self) -> int:
        return int(self._near.shape[1])

    def _flaw(self, place: int, middle: float) -> tuple[str, str]:
        length = self.lengths[place]
        if length < SHORTEST * middle or length > LONGEST * middle:
            which = "too_short" if length < middle else "too_long"
            return which, f"{length} words; {middle:.0f} in the middle"
        other = self._doubtful(place)
        return ("label_doubtful", f"{other} and not {self.labels[place]}") if other else ("", "")

    def _doubtful(self, place: int) -> str:
        """Return the label that the nearest neighbours agree on against a source's own, or ''."""
        if self._k < N_NEIGHBOURS or self._near_values[place].min() < MIN_SIMILARITY:
            return ""
        around = Counter(self.labels[n] for n in self._near[place])
        label, n = around.most_common(1)[0]
        is_other = label and self.labels[place] and label != self.labels[place]
        return label if is_other and n >= MIN_AGREEING else ""

    def _duplicates(self, places: Sequence[int]) -> dict[int, Avoided]:
        """Keep one of each group of near duplicates: the one whose label is the surest."""
        qualities = self.qualities()
        order = sorted(places, key=lambda p: (-qualities[p], p))
        of_rank = near_earlier(
            self.vectors[order],
            NEAR_DUPLICATE,
            lambda a, b: not changed_fact(self.texts[order[a]], self.texts[order[b]]),
        )
        found = {}
        for rank, other_rank in of_rank.items():
            place, other = order[rank], order[other_rank]
            is_same = self.labels[place] == self.labels[other]
            reason = "near_duplicate" if is_same else "label_conflict"
            found[place] = Avoided(self.sources[place], reason, self.sources[other].id)
        return found

    def _coverage(
        self, chosen: Sequence[int], sound: Sequence[int], topics: NDArray[np.int64]
    ) -> dict[str, Any]:
        rng = random.Random(content_id("seeds", len(sound), len(chosen)))  # noqa: S311
        draws = [self._covered(rng.sample(list(sound), len(chosen))) for _ in range(_N_DRAWS)]
        return {
            "nearest_similarity": round(self._covered(chosen), 4),
            "random_similarity": round(float(np.mean(draws)), 4) if draws else None,
            "n_topics": len(set(topics.tolist())),
            "n_topics_covered": len({int(topics[place]) for place in chosen}),
        }

    def _covered(self, chosen: Sequence[int]) -> float:
        """Return the mean cosine of all sources with the nearest chosen one."""
        return float(nearest(self.vectors, self.vectors[list(chosen)])[1].mean())


def quarters(lengths: Sequence[int]) -> list[str]:
    """Name for each length the quarter of all lengths that it lies in, as "8 to 11 words"."""
    edges = sorted({int(q) for q in np.quantile(lengths, [0.25, 0.5, 0.75])})
    bounds = [min(lengths), *(edge + 1 for edge in edges), max(lengths) + 1]
    names = [
        (low, f"{low} to {after - 1} words" if after - 1 > low else f"{low} words")
        for low, after in pairwise(bounds)
        if after > low
    ]
    return [max(pair for pair in names if pair[0] <= n)[1] for n in lengths]


def _one_hot(kinds: Sequence[str]) -> Vectors:
    names = sorted(set(kinds))
    rows = np.zeros((len(kinds), len(names)), dtype=np.float32)
    rows[np.arange(len(kinds)), [names.index(kind) for kind in kinds]] = 1.0
    return rows


def near_earlier(
    vectors: Vectors, least: float, is_same: Callable[[int, int], bool]
) -> dict[int, int]:
    """Return the rows that are the same as an earlier row that is not among them, and which one.

    Those within the cosine `least` are asked about, the three nearest of each row.
    """
    found: dict[int, int] = {}
    kept: list[int] = []
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        block = range(start, min(start + _ROWS_AT_ONCE, len(vectors)))
        columns = np.array([*kept, *block])
        similar = cosines(vectors[block.start : block.stop], vectors[columns])
        is_kept = np.arange(len(columns)) < len(kept)
        for row in block:
            values = np.where(is_kept, similar[row - start], -1.0)
            nearest_ones = np.argsort(-values, kind="stable")[:_N_ASKED]
            near = [int(columns[n]) for n in nearest_ones if values[n] >= least]
            other = next((n for n in near if is_same(row, n)), None)
            if other is None:
                is_kept[len(kept) + row - start] = True
            else:
                found[row] = other
        kept = columns[is_kept].tolist()
    return found


def neighbours(vectors: Vectors, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the `k` nearest other rows of each (fewer where there are fewer), and the cosines."""
    n = len(vectors)
    k = min(k, n - 1)
    places, values = np.zeros((n, k), dtype=np.int64), np.zeros((n, k))
    for start in range(0, n if k else 0, 1000):
        similar = cosines(vectors[start : start + 1000], vectors)
        similar[np.arange(len(similar)), np.arange(start, start + len(similar))] = -1.0
        order = np.argsort(-similar, axis=1, kind="stable")[:, :k]
        places[start : start + 1000] = order
        values[start : start + 1000] = np.take_along_axis(similar, order, axis=1)
    return places, values


def quotas_of(counts: Mapping[str, int], sound: Mapping[str, int], n: int) -> dict[str, int]:
    """Return the most seeds of each label: its share of all, at least one, as far as there are sound.

    What a label lacks goes to the others in proportion. One each where labels outnumber seeds.
    """
    labels = sorted(sound, key=lambda label: (-counts[label], label))
    if n < len(labels):
        return dict.fromkeys(labels, 1)
    seats = apportion([counts[label] for label in labels], n)
    while 0 in seats:
        seats[seats.index(0)] = 1
        seats[seats.index(max(seats))] -= 1
    seats = [min(seat, sound[label]) for seat, label in zip(seats, labels, strict=True)]
    room = [sound[label] - seat for seat, label in zip(seats, labels, strict=True)]
    more = apportion(room, n - sum(seats))
    return {label: seats[place] + more[place] for place, label in enumerate(labels)}


def _counted(
    kinds: Sequence[str], chosen: Sequence[int], *, is_sorted: bool = False
) -> list[dict[str, Any]]:
    everywhere, among = Counter(kinds), Counter(kinds[place] for place in chosen)
    order = sorted(everywhere, key=lambda kind: (-everywhere[kind], kind))
    if is_sorted:
        order = sorted(everywhere, key=lambda kind: int(kind.split()[0]))
    return [{"name": kind, "n_sources": everywhere[kind], "n_seeds": among[kind]} for kind in order]
