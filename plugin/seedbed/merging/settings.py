"""What is asked of a merge."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from seedbed.errors import UserError
from seedbed.merging.near_duplicates import Nearness
from seedbed.records import content_id
from seedbed.sameness import NEAR_LONG, NEAR_SHORT

MIN_SYNTHETIC_FRACTION = 0.20
MAX_SYNTHETIC_FRACTION = 0.40
"""Within 20-40 % synthetic rows help; beyond, models begin to learn the generator's habits."""

MAX_SPLIT_FRACTION = 0.50
MAX_HELD_OUT_FRACTION = 0.80


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """What is asked of a merge. Fractions of real rows are of those that are no repeats.

    `allows_shown` uses synthetic rows whose prompt showed a held-out source beside their own.
    """

    synthetic_fraction: float = 0.30
    test_fraction: float = 0.0
    validation_fraction: float = 0.0
    split_by: Literal["auto", "document", "source"] = "auto"
    near: float = NEAR_LONG
    rng_seed: int = 1
    allows_shown: bool = False

    def __post_init__(self) -> None:
        _check_range(
            "synthetic_fraction",
            self.synthetic_fraction,
            MIN_SYNTHETIC_FRACTION,
            MAX_SYNTHETIC_FRACTION,
        )
        _check_range("test_fraction", self.test_fraction, 0.0, MAX_SPLIT_FRACTION)
        _check_range("validation_fraction", self.validation_fraction, 0.0, MAX_SPLIT_FRACTION)
        held_out = self.test_fraction + self.validation_fraction
        _check_range("test_fraction + validation_fraction", held_out, 0.0, MAX_HELD_OUT_FRACTION)
        _check_range("near", self.near, 0.3, 1.0)
        if self.split_by not in ("auto", "document", "source"):
            raise UserError(
                f"split_by is {self.split_by!r}.", hint="Known: auto, document, source."
            )

    @property
    def nearness(self) -> Nearness:
        """Return from when on texts are near; short ones need at least as much as long ones."""
        return Nearness(short=max(NEAR_SHORT, self.near), long=self.near)

    @property
    def fractions(self) -> dict[str, float]:
        """Return what share of the real rows goes to which split, where any does."""
        found = {"test": self.test_fraction, "validation": self.validation_fraction}
        return {name: value for name, value in found.items() if value}

    def random(self, *purpose: object) -> random.Random:
        """Return a generator of its own for each purpose, so that one choice moves no other."""
        return random.Random(content_id("merge", self.rng_seed, *purpose))  # noqa: S311 - reproducible


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"{name} is {value:g}; it must lie in {low:.2f}-{high:.2f}.")
