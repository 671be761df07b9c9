"""Does the synthetic set give its training rows away? Nearest neighbours, against unseen real rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.review import wilson_interval
from seedbed.sameness import normalise
from seedbed.text import sentences
from seedbed_backend.filters.base import Encoder
from seedbed_backend.insights.base import Finding, Insight, ReportData
from seedbed_backend.insights.sets import real_text, sample, synthetic_text

MAX_ROWS = 1500
"""Rows of each set that are compared, drawn by the hash of their text."""

MIN_ROWS = 20
"""Fewer held-out or synthetic rows say nothing about a nearest 5 %."""

_REPEATED = 0.02
"""A distance below it is a repetition: the same words but for a slip or a number."""

_N_BOOTSTRAPS = 500
_Distances = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    source_id: str


def _find(data: ReportData) -> Finding | None:
    """Compare the distance synthetic → training row with that of held-out real row → training row.

    Training rows are the sources that were grown from, held out are the others; where fewer than
    `MIN_ROWS` of those are left, each real row is held out in turn and compared with all others (a
    split into halves would see only half of what is given away). Distance is 1 - cosine. A candidate
    is near its own source by design, so that one does not count. Where candidates are of another
    kind than sources (an answer, a document), sentences of the source stand for real rows. None
    without survivors or with fewer than two sources.
    """
    synthetic = _sample(_synthetic_rows(data))
    used = {stored.candidate.source.id for stored in data.candidates}
    real = _real_rows(data)
    train = _sample([row for row in real if row.source_id in used])
    held_out = _sample([row for row in real if row.source_id not in used])
    is_held_out = len(held_out) >= MIN_ROWS
    if not is_held_out:
        train = held_out = _sample(real)
    if not synthetic or len({row.source_id for row in train}) < 2:
        return None
    space = _Space(data.encoder, [*synthetic, *train, *held_out])
    to_train = space.nearest(synthetic, train)
    baseline = space.nearest(held_out, train)
    return _finding(synthetic, to_train, baseline, is_held_out=is_held_out)


def _finding(
    synthetic: Sequence[_Row],
    to_train: _Distances,
    baseline: _Distances,
    *,
    is_held_out: bool,
) -> Finding:
    n_held_out = len(baseline)
    owners = [row.source_id for row in synthetic]
    shares = {}
    for name, quantile in (("nearest_5_percent", 0.05), ("median", 0.5)):
        share, low, high = _share_below(to_train, owners, baseline, quantile)
        shares[name] = {"share": share, "low": low, "high": high, "by_chance": quantile}
    near = shares["nearest_5_percent"]
    ratio = _ratio(float(np.median(to_train)), float(np.median(baseline)))
    is_small = len(synthetic) < MIN_ROWS or n_held_out < MIN_ROWS
    is_nearer = near["low"] > near["by_chance"] and not is_small
    kind = "held-out real rows" if is_held_out else "the real rows themselves"
    lines = [
        f"{near['share']:.1%} [{near['low']:.1%}, {near['high']:.1%}] of {len(synthetic)} synthetic "
        f"rows lie nearer to a real row that is not their own source than the nearest 5 % of {kind} "
        "do; chance gives 5 %.",
        f"Median distance: synthetic {np.median(to_train):.3f}, {kind} {np.median(baseline):.3f}"
        + (f" (ratio {ratio:.2f}; below 1 is nearer)." if ratio is not None else "."),
        _verdict(
            is_small=is_small,
            is_nearer=is_nearer,
            is_repeated=bool(np.quantile(baseline, 0.05) < _REPEATED),
            high=near["high"],
        ),
    ]
    if not is_held_out:
        lines.append(
            "Too few sources were held out, so each real row was compared with all others; hold some "
            "out, and the comparison is with rows that no prompt has shown."
        )
    return Finding(
        "membership",
        "Nearness to real rows",
        lines,
        ("distance to the nearest training row", "rows", "5 %", "median"),
        [_table_row("synthetic", len(synthetic), to_train), _table_row(kind, n_held_out, baseline)],
        ["Synthetic rows lie nearer to real ones than unseen rows do."] if is_nearer else [],
        {
            "n_synthetic": len(synthetic),
            "n_held_out": n_held_out,
            "is_held_out": is_held_out,
            "is_small": is_small,
            "is_nearer": is_nearer,
            "median_ratio": ratio,
            **shares,
        },
    )


def _verdict(*, is_small: bool, is_nearer: bool, is_repeated: bool, high: float) -> str:
    if is_small:
        return f"Too few rows for a verdict: {MIN_ROWS} of each are needed."
    if is_repeated:
        return (
            "No verdict: 5 % of the real rows and more repeat others, so nothing could be nearer."
        )
    if is_nearer:
        return (
            "More than chance gives: some rows may give a real row away. Read the nearest ones, or "
            "lower `min_words` of `memorization` and the upper end of `similarity`."
        )
    return f"No sign that real rows are given away; up to {high:.1%} would not have been noticed."


def _table_row(name: str, n: int, distances: _Distances) -> tuple[str, int, float, float]:
    low, median = (round(float(np.quantile(distances, q)), 3) for q in (0.05, 0.5))
    return name, n, low, median


def _ratio(a: float, b: float) -> float | None:
    return round(a / b, 4) if b > 1e-6 else None


def _synthetic_rows(data: ReportData) -> list[_Row]:
    recipe = data.recipe
    rows = []
    for candidate in (stored.candidate for stored in data.survivors):
        if recipe.spec.real_field:
            text = synthetic_text(recipe, candidate)
        else:  # of several fields the last: the answer, which is most like a sentence of the source
            text = candidate.text(recipe.spec.dedup_fields[-1:])
        rows.append(_Row(text, candidate.source.id))
    return [row for row in rows if row.text.strip()]


def _real_rows(data: ReportData) -> list[_Row]:
    recipe = data.recipe
    rows = []
    for source in data.sources:
        text = real_text(recipe, source)
        is_row = bool(recipe.spec.real_field)
        parts = [text] if is_row else [text[start:end] for start, end in sentences(text)]
        rows += [_Row(part, source.id) for part in parts if part.strip()]
    if recipe.spec.real_field:
        return rows
    # Headings and other boilerplate: what several documents say gives none of them away.
    sources_of: dict[str, set[str]] = {}
    for row in rows:
        sources_of.setdefault(normalise(row.text), set()).add(row.source_id)
    return [row for row in rows if len(sources_of[normalise(row.text)]) == 1]


def _sample(rows: Sequence[_Row]) -> Sequence[_Row]:
    return sample(rows, [row.text for row in rows], MAX_ROWS)


class _Space:
    """The rows as vectors, each text encoded once."""

    def __init__(self, encoder: Encoder, rows: Sequence[_Row]) -> None:
        texts = list(dict.fromkeys(row.text for row in rows))
        self.place = {text: n for n, text in enumerate(texts)}
        self.owner = {row.source_id: n for n, row in enumerate(rows)}
        self.vectors = encoder.encode(texts)

    def nearest(self, rows: Sequence[_Row], others: Sequence[_Row]) -> _Distances:
        """Return for each row the distance (0-2) to the nearest of `others` of another source.

        2 where there is none.
        """
        left, right = self._vectors(rows), self._vectors(others)
        cosines = left @ right.T
        cosines[self._owners(rows)[:, None] == self._owners(others)[None, :]] = -1.0
        distances: _Distances = np.clip(1.0 - cosines.max(axis=1), 0.0, 2.0).astype(np.float32)
        return distances

    def _vectors(self, rows: Sequence[_Row]) -> NDArray[np.float32]:
        return self.vectors[[self.place[row.text] for row in rows]]

    def _owners(self, rows: Sequence[_Row]) -> NDArray[np.int64]:
        return np.array([self.owner[row.source_id] for row in rows])


def _share_below(
    distances: _Distances, owners: Sequence[str], baseline: _Distances, quantile: float
) -> tuple[float, float, float]:
    """Return the share of distances below a quantile of the baseline, with its 95 % interval.

    Bootstrap: both sets are drawn again, the synthetic rows source by source, since the candidates
    of one source are alike.
    """
    rng = np.random.default_rng(7)
    _, group = np.unique(np.array(owners), return_inverse=True)
    n_groups = int(group.max()) + 1
    shares = []
    for _ in range(_N_BOOTSTRAPS):
        limit = np.quantile(rng.choice(baseline, baseline.size), quantile)
        weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups))[group]
        shares.append(float(np.average(distances < limit, weights=weights)))
    share = float((distances < np.quantile(baseline, quantile)).mean())
    low, high = np.quantile(shares, [0.025, 0.975])
    if not share:  # drawing again finds none either: Wilson's bound for none of as many sources
        high = max(high, wilson_interval(0, n_groups)[1])
    return round(share, 4), round(float(low), 4), round(float(high), 4)


INSIGHT = Insight("membership", _find)
