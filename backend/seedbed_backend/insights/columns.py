"""Do synthetic records follow the seeds, column by column and in how columns hang together?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.columns import Column, as_date
from seedbed_backend.association import Floats, correlation_ratio, cramers_v, pearson, spearman
from seedbed_backend.balance import round_shares
from seedbed_backend.insights.base import Finding, Insight, ReportData

MIN_RECORDS = 8
"""Records of each set below which nothing is compared."""

FEW_RECORDS = 50
"""Below that the finding says that chance alone moves shares by 10 % and more (1/√(4·50) = 0.07 is
one standard deviation of a share of a half)."""

CLEAR = 0.20
"""From this difference on a column or pair is warned of, where chance does not explain it."""

_N_RESAMPLES = 200
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Record = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """How far one column of the two sets lies apart.

    `difference` is in [0, 1]: Kolmogorov-Smirnov's D of numbers, dates and text lengths, half the
    summed difference of the shares (total variation) of all others; the larger of that and the
    difference in empty values. `by_chance` is what two sets of these sizes, both drawn from the
    seeds, stay below in 95 % of draws.
    """

    column: str
    measure: str
    difference: float
    by_chance: float
    real: str
    synthetic: str
    details: Mapping[str, Any]

    @property
    def is_clear(self) -> bool:
        """Tell whether it is large, and more than chance."""
        return self.difference >= CLEAR and self.difference > self.by_chance


@dataclass(frozen=True, slots=True)
class PairDifference:
    """How two columns hang together in each set.

    `measure` is Spearman's rank correlation of numbers, in [-1, 1] (`pearson` beside it), Cramér's V
    of categories with Bergsma's correction, or the correlation ratio of a number by a category, both
    in [0, 1]. `difference` is in [0, 1]: of correlations the half.
    """

    columns: tuple[str, str]
    measure: str
    real: float
    synthetic: float
    difference: float
    by_chance: float
    pearson: tuple[float, float] | None = None

    @property
    def is_clear(self) -> bool:
        """Tell whether it is large, and more than chance."""
        return self.difference >= CLEAR and self.difference > self.by_chance


def find(data: ReportData) -> Finding | None:
    """Compare the survivors with the seeds; None without columns or enough records of both."""
    columns = data.recipe.spec.columns
    seeds: list[Record] = [source.fields for source in data.sources]
    made: list[Record] = [stored.candidate.fields for stored in data.survivors]
    if not columns or min(len(seeds), len(made)) < MIN_RECORDS:
        return None
    label = next((c.name for c in columns if c.type == "label"), "")
    steered = bool(data.recipe.label_shares and label)
    reference = _with_shares_of(seeds, made, label) if steered else seeds
    rng = np.random.default_rng(1)
    draws = [
        (
            rng.integers(len(reference), size=len(seeds)),
            rng.integers(len(reference), size=len(made)),
        )
        for _ in range(_N_RESAMPLES)
    ]
    compared = [c for c in columns if not (steered and c.name == label)]
    found = [_column(column, reference, made, draws) for column in compared]
    pairs = [
        pair
        for a, b in combinations([c for c in columns if not _is_words(c)], 2)
        if (pair := _pair(a, b, reference, made, draws[:50]))
    ]
    return _finding(data, found, pairs, len(seeds), len(made), steered=steered)


def _with_shares_of(seeds: Sequence[Record], made: Sequence[Record], label: str) -> list[Record]:
    """Repeat the seeds so that their labels have the synthetic records' shares.

    Else every column that depends on the label would seem to differ, as it was meant to.
    """
    n_made, n_seeds = (
        Counter(r.get(label, "") for r in made),
        Counter(r.get(label, "") for r in seeds),
    )
    weights = {
        str(i): n_made[r.get(label, "")] / n_seeds[r.get(label, "")] for i, r in enumerate(seeds)
    }
    total = sum(weights.values())
    if not total:
        return list(seeds)
    counts = round_shares({i: w * max(1000, len(seeds)) / total for i, w in weights.items()})
    return [seeds[int(i)] for i, n in counts.items() for _ in range(n)]


# --- columns -------------------------------------------------------------------------------------


def _column(
    column: Column, real: Sequence[Record], made: Sequence[Record], draws: Sequence[Any]
) -> ColumnDifference:
    a, b = [r.get(column.name, "") for r in real], [r.get(column.name, "") for r in made]
    if column.is_number or column.is_date or _is_words(column):
        measure, place = "KS", _placing(column)
        x, y = np.array([place(t) for t in a]), np.array([place(t) for t in b])
        distance: Callable[[Any, Any], float] = _ks
        shown = [_spread(column, values) for values in (x, y)]
        details: dict[str, Any] = {
            "quantiles": list(_QUANTILES),
            "real": _quantiles(x),
            "synthetic": _quantiles(y),
            "empty": [float(np.isnan(v).mean()) for v in (x, y)],
        }
    else:
        measure, distance = "total variation", _total_variation
        names = sorted({*a, *b})
        numbers = {name: place for place, name in enumerate(names)}
        x, y = np.array([numbers[t] for t in a]), np.array([numbers[t] for t in b])
        counts = [Counter(texts) for texts in (a, b)]
        shown = [_shares_line(counted) for counted in counts]
        details = {
            side: {name: round(counted[name] / counted.total(), 4) for name in names}
            for side, counted in zip(("real", "synthetic"), counts, strict=True)
        }
    if column.is_date:
        days = [_weekdays(values) for values in (x, y)]
        details["weekdays"] = {"names": _WEEKDAYS, "real": days[0], "synthetic": days[1]}
        details["weekday_difference"] = round(
            sum(abs(p - q) for p, q in zip(*days, strict=True)) / 2, 4
        )
    chance = float(np.quantile([distance(x[i], x[j]) for i, j in draws], 0.95))
    return ColumnDifference(
        column.name,
        measure,
        round(distance(x, y), 4),
        round(chance, 4),
        shown[0],
        shown[1],
        details,
    )


def _placing(column: Column) -> Callable[[str], float]:
    """Return how a text becomes a place on the line: NaN for an empty one, or one that does not fit."""

    def place(text: str) -> float:
        if not text:
            return math.nan
        if _is_words(column):
            return float(len(text.split()))
        try:
            return column.place(text)
        except ValueError:
            return math.nan

    return place


def _ks(x: Floats, y: Floats) -> float:
    """Return the largest difference between the cumulative shares, and between the shares of NaN."""
    gap = abs(float(np.isnan(x).mean()) - float(np.isnan(y).mean()))
    x, y = x[~np.isnan(x)], y[~np.isnan(y)]
    if not len(x) or not len(y):
        return gap if len(x) == len(y) else 1.0
    x, y = np.sort(x), np.sort(y)
    places = np.concatenate([x, y])
    below = [np.searchsorted(side, places, side="right") / len(side) for side in (x, y)]
    return max(gap, float(np.abs(below[0] - below[1]).max()))


def _total_variation(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    n = int(max(x.max(), y.max())) + 1
    p, q = np.bincount(x, minlength=n) / len(x), np.bincount(y, minlength=n) / len(y)
    return float(np.abs(p - q).sum() / 2)


def _quantiles(values: Floats) -> list[float]:
    values = values[~np.isnan(values)]
    return [round(float(q), 4) for q in np.quantile(values, _QUANTILES)] if len(values) else []


def _spread(column: Column, values: Floats) -> str:
    """Put median and the middle 90 % in words."""
    found = _quantiles(values)
    if not found:
        return "all empty"
    spell = as_date if column.is_date else lambda v: f"{v:.{column.decimals or 0}f}"
    unit = " words" if _is_words(column) else ""
    return f"{spell(found[2])} ({spell(found[0])} to {spell(found[4])}){unit}"


def _shares_line(counts: Counter[str]) -> str:
    n = counts.total()
    listed = [f"{name or '(empty)'} {c / n:.0%}" for name, c in counts.most_common(4)]
    return ", ".join(listed) + (", …" if len(counts) > 4 else "")


def _weekdays(values: Floats) -> list[float]:
    days = [(int(v) - 1) % 7 for v in values if not math.isnan(v)]  # day 1 of year 1 was a Monday
    return [round(days.count(d) / max(1, len(days)), 4) for d in range(7)]


def _is_words(column: Column) -> bool:
    return column.type == "text"


# --- pairs ---------------------------------------------------------------------------------------


def _pair(
    a: Column, b: Column, real: Sequence[Record], made: Sequence[Record], draws: Sequence[Any]
) -> PairDifference | None:
    """Compare how two columns hang together; None where a set has no two values in one of them."""
    x, y = _table(a, b, real), _table(a, b, made)
    n_lines = sum(c.is_number or c.is_date for c in (a, b))
    measure, of = (
        ("Cramér's V", cramers_v),
        ("correlation ratio", correlation_ratio),
        ("Spearman", spearman),
    )[n_lines]
    if n_lines == 1 and (a.is_number or a.is_date):
        x, y = x[:, ::-1], y[:, ::-1]  # the category first
    said, told = of(x), of(y)
    if said is None or told is None:
        return None
    scale = 2.0 if n_lines == 2 else 1.0
    by_chance = [
        abs(p - q) / scale
        for i, j in draws
        if (p := of(_rows(x, i))) is not None and (q := of(_rows(x, j))) is not None
    ]
    chance = float(np.quantile(by_chance, 0.95)) if by_chance else 1.0
    linear = (round(pearson(x), 4), round(pearson(y), 4)) if n_lines == 2 else None
    return PairDifference(
        (a.name, b.name),
        measure,
        round(said, 4),
        round(told, 4),
        round(min(1.0, abs(said - told) / scale), 4),
        round(chance, 4),
        linear,
    )


def _rows(table: Floats, places: NDArray[np.int64]) -> Floats:
    """Return a resample; rows with an empty value are not in the table, so places wrap around."""
    return table[places % len(table)]


def _table(a: Column, b: Column, records: Sequence[Record]) -> Floats:
    """Return shape (n, 2): places on the line, or codes of categories; rows with an empty one out."""
    sides = []
    for column in (a, b):
        texts = [record.get(column.name, "") for record in records]
        if column.is_number or column.is_date:
            place = _placing(column)
            sides.append([place(text) for text in texts])
        else:
            codes = {text: float(code) for code, text in enumerate(sorted({*texts} - {""}))}
            sides.append([codes.get(text, math.nan) for text in texts])
    table = np.array(sides, dtype=np.float64).T
    return table[~np.isnan(table).any(axis=1)]


# --- in words ------------------------------------------------------------------------------------


def _finding(
    data: ReportData,
    found: Sequence[ColumnDifference],
    pairs: Sequence[PairDifference],
    n_real: int,
    n_made: int,
    *,
    steered: bool,
) -> Finding:
    shapes = 1 - float(np.mean([c.difference for c in found])) if found else 1.0
    together = 1 - float(np.mean([p.difference for p in pairs])) if pairs else None
    score = shapes if together is None else (shapes + together) / 2
    lines = [
        f"{n_made} synthetic against {n_real} seed records: score {score:.2f} of 1 (columns "
        f"{shapes:.2f}" + ("" if together is None else f", pairs of columns {together:.2f}") + ")."
    ]
    if pairs:
        worst = max(pairs, key=lambda p: p.difference)
        lines.append(
            f"The pair that differs most is {worst.columns[0]} and {worst.columns[1]}: {worst.measure} "
            f"{worst.real:.2f} in the seeds, {worst.synthetic:.2f} in the synthetic records."
        )
    if steered:
        lines.append("The seeds are weighted to the synthetic labels, which follow label_shares.")
    if min(n_real, n_made) < FEW_RECORDS:
        lines.append(
            f"With {min(n_real, n_made)} records, chance moves these figures much; the table says how far."
        )
    rows: list[list[str | int | float]] = [
        [c.column, c.real, c.synthetic, c.measure, c.difference, c.by_chance, _verdict(c)]
        for c in found
    ]
    warnings = [
        f"{c.column}: {c.synthetic} in the synthetic records, {c.real} in the seeds."
        for c in found
        if c.is_clear
    ] + [
        f"{p.columns[0]} and {p.columns[1]} hang together {_more(p)} than in the seeds "
        f"({p.measure} {p.synthetic:.2f}, seeds {p.real:.2f})."
        for p in pairs
        if p.is_clear
    ]
    return Finding(
        "columns",
        "Records: columns and how they hang together",
        lines=lines,
        columns=(
            "column",
            "seeds",
            "synthetic",
            "measure",
            "difference",
            "by chance up to",
            "told",
        ),
        rows=rows,
        warnings=warnings,
        data={
            "score": round(score, 4),
            "columns_score": round(shapes, 4),
            "pairs_score": None if together is None else round(together, 4),
            "max_difference": max((c.difference for c in found), default=0.0),
            "max_pair_difference": max((p.difference for p in pairs), default=0.0),
            "n_real": n_real,
            "n_synthetic": n_made,
            "columns": [asdict(c) for c in found],
            "pairs": [asdict(p) for p in pairs],
        },
    )


def _verdict(column: ColumnDifference) -> str:
    if column.is_clear:
        return "different"
    return "alike" if column.difference <= column.by_chance else "slightly different"


def _more(pair: PairDifference) -> str:
    if pair.real * pair.synthetic < 0:
        return "the other way round"
    return "more" if abs(pair.synthetic) > abs(pair.real) else "less"


INSIGHT = Insight("columns", find)
