"""What every insight is: it takes a project's data and returns one finding in plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from seedbed.recipe import Recipe
from seedbed.records import SourceTask
from seedbed_backend.filters.base import Encoder
from seedbed_backend.store import StoredCandidate


@dataclass(frozen=True, slots=True)
class ReportData:
    """A project as an insight sees it; candidates of trials are not among them.

    `review_fraction` is the share that people judge, where that is not the recipe's.
    """

    recipe: Recipe
    sources: Sequence[SourceTask]
    candidates: Sequence[StoredCandidate]
    encoder: Encoder
    review_fraction: float | None = None

    @property
    def sampled_fraction(self) -> float:
        """Return the share of survivors that people judge now."""
        changed = self.review_fraction
        return self.recipe.review_fraction if changed is None else changed

    @property
    def survivors(self) -> list[StoredCandidate]:
        """Return the candidates that came through every filter."""
        return [c for c in self.candidates if c.state == "survivor"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What an insight found, ready to be shown: JSON values only.

    `lines` are sentences, `columns` and `rows` one table, `warnings` what somebody should look at.
    `data` holds all figures by name, for programs.
    """

    name: str
    title: str
    lines: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str | int | float]] = ()
    warnings: Sequence[str] = ()
    data: dict[str, Any] = field(default_factory=dict)


def percent(share: float) -> str:
    """Put a share in [0, 1] in words: "12 %"."""
    return f"{100 * share:.0f} %"


@dataclass(frozen=True, slots=True)
class Insight:
    """One part of the report. `find` returns None where it has nothing to say."""

    name: str
    find: Callable[[ReportData], Finding | None]
