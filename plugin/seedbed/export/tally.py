"""What the examples of a data set are, counted while they stream by."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seedbed.export.chunks import has_passage
from seedbed.export.metadata import compact
from seedbed.records import Example


@dataclass(slots=True)
class Scores:
    """How many examples a filter scored, their mean and their lowest score."""

    n: int = 0
    total: float = 0.0
    lowest: float = 1.0

    def add(self, score: float) -> None:
        """Count one score in 0-1."""
        self.n += 1
        self.total += score
        self.lowest = min(self.lowest, score)

    @property
    def mean(self) -> float:
        """Return the mean; there is one score at least."""
        return self.total / self.n


def _counts() -> Counter[str]:
    return Counter()


@dataclass(slots=True)
class Tally:
    """Counts by what the examples say; values that they do not say are counted as ""."""

    splits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By split and origin."""
    labels: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By technique, label and origin."""
    models: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Synthetic rows by the model's name and the SHA-256 of its file."""
    recipes: Counter[str] = field(default_factory=_counts)
    screened_by: Counter[str] = field(default_factory=_counts)
    sampling: Counter[str] = field(default_factory=_counts)
    """As JSON."""
    verdicts: Counter[str] = field(default_factory=_counts)
    unreviewed: Counter[str] = field(default_factory=_counts)
    """Synthetic rows without a verdict, by the state of their run's acceptance gate."""
    reviewers: set[str] = field(default_factory=set)
    documents: Counter[str] = field(default_factory=_counts)
    """All rows by document."""
    sources: set[str] = field(default_factory=set)
    scores: defaultdict[str, Scores] = field(default_factory=lambda: defaultdict(Scores))
    n_of_passages: int = 0

    def counting(self, split: str, examples: Iterable[Example]) -> Iterator[Example]:
        """Pass examples on, and count them."""
        for example in examples:
            self.add(split, example)
            yield example

    def add(self, split: str, example: Example) -> None:
        """Count one example."""
        said = example.provenance
        self.splits[split, example.origin] += 1
        self.labels[example.technique, example.label, example.origin] += 1
        self.sources.add(_text(said, "source_id"))
        self.documents[_text(said, "document") or example.source.get("document", "")] += 1
        self.n_of_passages += has_passage(example)
        if example.origin == "synthetic":
            self._add_synthetic(example)

    def _add_synthetic(self, example: Example) -> None:
        said = example.provenance
        self.models[_text(said, "model"), _text(said, "model_sha256")] += 1
        self.recipes[_text(said, "recipe")] += 1
        self.screened_by[_text(said, "screened_by") or _text(said, "recipe")] += 1
        self.sampling[compact(said["sampling"]) if said.get("sampling") else ""] += 1
        verdict = _text(said, "verdict")
        self.verdicts[verdict] += 1
        if not verdict:
            self.unreviewed[_text(said, "gate")] += 1
        self.reviewers |= {str(said["reviewer"])} if said.get("reviewer") else set()
        scores = said.get("scores")
        for name, score in (scores if isinstance(scores, dict) else {}).items():
            if isinstance(score, int | float):
                self.scores[name].add(float(score))

    @property
    def n(self) -> int:
        """Return the number of rows."""
        return sum(self.splits.values())

    @property
    def n_synthetic(self) -> int:
        """Return the number of synthetic rows."""
        return self.verdicts.total()

    @property
    def n_unreviewed(self) -> int:
        """Return the number of synthetic rows that nobody has judged."""
        return self.unreviewed.total()

    def by_split(self, split: str) -> tuple[int, int]:
        """Return the numbers of real and of synthetic rows of a split."""
        return self.splits[split, "real"], self.splits[split, "synthetic"]


def _text(said: Mapping[str, Any], name: str) -> str:
    return str(said.get(name) or "")
