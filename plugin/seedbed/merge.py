"""Real and synthetic examples → one data set at a set share, with nothing held out in train. Pure.

The share is met per label, so that synthetic rows keep the proportions of the real ones. The result
depends on the examples and the rng seed, not on their order.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from seedbed.errors import UserError
from seedbed.export import training_row
from seedbed.records import Example, content_id

MIN_SYNTHETIC_FRACTION = 0.20
MAX_SYNTHETIC_FRACTION = 0.40
"""Within 20-40 % synthetic rows help; beyond, models begin to learn the generator's habits."""

MAX_TEST_FRACTION = 0.50

Group = tuple[str, str]
"""Technique and label; the label is empty where there are none."""


@dataclass(frozen=True, slots=True)
class GroupShare:
    """One label of one technique: real rows in train, synthetic rows wanted, usable and used."""

    technique: str
    label: str
    n_real: int
    n_wanted: int
    n_usable: int
    n_used: int

    @property
    def name(self) -> str:
        """Name the group for people."""
        return f"{self.technique}/{self.label}" if self.label else self.technique

    @property
    def is_met(self) -> bool:
        """Tell whether there were enough synthetic rows."""
        return self.n_used == self.n_wanted


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What went in, what came out, and why rows were left out.

    `target_fraction` is what was asked for, `synthetic_fraction` what train really holds.
    `n_real_duplicates` are real rows met before, `n_duplicates` synthetic rows that equal a real or
    an earlier synthetic one, `n_held_out` synthetic rows whose source is in test, `n_surplus`
    usable ones that the share has no room for.
    """

    target_fraction: float
    n_real: int
    n_test: int
    n_synthetic: int
    n_real_duplicates: int
    n_duplicates: int
    n_held_out: int
    n_surplus: int
    groups: tuple[GroupShare, ...]

    @property
    def synthetic_fraction(self) -> float:
        """Return the share of synthetic rows in train."""
        n = self.n_real + self.n_synthetic
        return self.n_synthetic / n if n else 0.0

    @property
    def is_met(self) -> bool:
        """Tell whether every group got its share."""
        return all(group.is_met for group in self.groups)

    def __str__(self) -> str:
        lines = [
            f"{self.n_real + self.n_synthetic} rows for training: {self.n_real} real, "
            f"{self.n_synthetic} synthetic ({self.synthetic_fraction:.1%}; "
            f"{self.target_fraction:.0%} wanted). {self.n_test} real rows for testing.",
            f"Left out: {self.n_real_duplicates} repeated real rows; of the synthetic rows "
            f"{self.n_duplicates} repeats, {self.n_held_out} with a source in the test set, "
            f"{self.n_surplus} beyond the share.",
        ]
        lines += [
            f"Too few for {g.name}: {g.n_used} of {g.n_wanted} wanted."
            for g in self.groups
            if not g.is_met
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class MergedDataset:
    """Rows to train on, shuffled, and real rows held out for testing."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    report: MergeReport


def merge(
    real: Iterable[Example],
    synthetic: Iterable[Example],
    synthetic_fraction: float = 0.30,
    rng_seed: int = 1,
    test_fraction: float = 0.0,
) -> MergedDataset:
    """Mix at `synthetic_fraction` of train (0.20-0.40), holding out `test_fraction` of the real rows.

    Test rows are chosen by source and per label, and no synthetic row of a held-out source is used.
    Where there are too few synthetic rows of a label, all are used and the report says so. Raises
    UserError for a fraction out of range, no real rows, or rows on the wrong side.
    """
    _check_range(
        "synthetic_fraction", synthetic_fraction, MIN_SYNTHETIC_FRACTION, MAX_SYNTHETIC_FRACTION
    )
    _check_range("test_fraction", test_fraction, 0.0, MAX_TEST_FRACTION)
    all_real, all_synthetic = _sorted(real, "real"), _sorted(synthetic, "synthetic")
    if not all_real:
        raise UserError(
            "There are no real examples to merge with.", hint="Get them with `seedbed pull --real`."
        )
    seen: set[str] = set()
    own_real, own_synthetic = _unseen(all_real, seen), _unseen(all_synthetic, seen)
    rng = random.Random(rng_seed)  # noqa: S311 - reproducible
    held_out = _held_out(own_real, test_fraction, rng)
    test = [e for e in own_real if source_of(e) in held_out]
    train = [e for e in own_real if source_of(e) not in held_out]
    usable = _by_group(e for e in own_synthetic if source_of(e) not in held_out)
    wanted = _wanted(Counter(map(_group, train)), synthetic_fraction)
    used = {g: rng.sample(usable[g], min(n, len(usable[g]))) for g, n in wanted.items()}
    n_usable = sum(map(len, usable.values()))
    n_used = sum(map(len, used.values()))
    report = MergeReport(
        target_fraction=synthetic_fraction,
        n_real=len(train),
        n_test=len(test),
        n_synthetic=n_used,
        n_real_duplicates=len(all_real) - len(own_real),
        n_duplicates=len(all_synthetic) - len(own_synthetic),
        n_held_out=len(own_synthetic) - n_usable,
        n_surplus=n_usable - n_used,
        groups=_shares(train, usable, wanted, used),
    )
    merged = [*train, *chain.from_iterable(used.values())]
    rng.shuffle(merged)
    return MergedDataset(tuple(merged), tuple(test), report)


def source_of(example: Example) -> str:
    """Return the id of the source that an example is, or descends from: its lineage."""
    return str(example.provenance.get("source_id") or example.id)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"{name} is {value:g}; it must lie in {low:.2f}-{high:.2f}.")


def _sorted(examples: Iterable[Example], origin: str) -> list[Example]:
    found = sorted(examples, key=lambda e: (e.id, e.technique))
    for example in found:
        if example.origin != origin:
            raise UserError(
                f"The example {example.id} is {example.origin}, but stands among the {origin} ones.",
                hint="Merge what `seedbed pull` and `seedbed pull --real` wrote.",
            )
    return found


def _unseen(examples: Sequence[Example], seen: set[str]) -> list[Example]:
    kept = []
    for example in examples:
        key = _key(example)
        if key not in seen:
            seen.add(key)
            kept.append(example)
    return kept


def _key(example: Example) -> str:
    """Identify the training row, white space, case and Unicode form aside."""
    row = training_row(example)
    texts = (row.prompt, row.completion, row.rejected or "")
    return content_id(
        *(" ".join(unicodedata.normalize("NFC", t).casefold().split()) for t in texts)
    )


def _group(example: Example) -> Group:
    return example.technique, example.label


def _by_group(examples: Iterable[Example]) -> defaultdict[Group, list[Example]]:
    groups: defaultdict[Group, list[Example]] = defaultdict(list)
    for example in examples:
        groups[_group(example)].append(example)
    return groups


def _held_out(real: Sequence[Example], test_fraction: float, rng: random.Random) -> set[str]:
    """Choose the sources to test on: whole sources, `test_fraction` of each group's."""
    groups: dict[Group, list[str]] = {}
    placed: set[str] = set()
    for example in real:
        source = source_of(example)
        if source not in placed:
            placed.add(source)
            groups.setdefault(_group(example), []).append(source)
    n_wanted = _apportioned(
        {group: len(sources) * test_fraction for group, sources in sorted(groups.items())}
    )
    return {source for group, n in n_wanted.items() for source in rng.sample(groups[group], n)}


def _wanted(n_real: Mapping[Group, int], synthetic_fraction: float) -> dict[Group, int]:
    ratio = synthetic_fraction / (1.0 - synthetic_fraction)
    return _apportioned({group: n * ratio for group, n in sorted(n_real.items())})


def _apportioned(shares: Mapping[Group, float]) -> dict[Group, int]:
    """Round shares to whole numbers whose sum is the rounded sum (largest remainder)."""
    floors = {group: int(share + 1e-9) for group, share in shares.items()}
    n_left = round(sum(shares.values())) - sum(floors.values())
    by_remainder = sorted(shares, key=lambda group: (floors[group] - shares[group], group))
    for group in by_remainder[:n_left]:
        floors[group] += 1
    return floors


def _shares(
    train: Sequence[Example],
    usable: Mapping[Group, Sequence[Example]],
    wanted: Mapping[Group, int],
    used: Mapping[Group, Sequence[Example]],
) -> tuple[GroupShare, ...]:
    n_real = Counter(map(_group, train))
    return tuple(
        GroupShare(
            technique=group[0],
            label=group[1],
            n_real=n_real[group],
            n_wanted=wanted.get(group, 0),
            n_usable=len(usable.get(group, ())),
            n_used=len(used.get(group, ())),
        )
        for group in sorted({*n_real, *usable})
    )
