"""Whether a record's values may stand in their columns, and beside each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import permutations
from typing import Any

from pydantic import Field

from seedbed.columns import RANGE_MARGIN, Column, ValueProblem, as_date, significant_decimals
from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, ScreenContext


class RecordValues(Filter):
    """Keeps a record whose values their columns take, and which agree as the seeds' values do.

    A number or date may lie beyond its column's range by `margin` of the range's width.

    What belongs together is read off the seeds: where at least `n_seeds` of them with one value of
    a category, label or yes-no column all have numbers of one sign (and others have the other), or
    fewer decimals than the column, a new record with that value must have such a number; where the
    dates of two columns are always in one order, so must be a new record's. With 8 seeds and no
    exception, at most 31 % of real records break such a rule, with 95 % confidence (1 - 0.05^(1/8)).

    There is no score.
    """

    name = "record_values"
    help = (
        "Drops records with values out of range, unknown, impossible, or that do not go together."
    )
    reasons = (
        "wrong_type",
        "empty_field",
        "unknown_value",
        "impossible_date",
        "wrong_pattern",
        "value_out_of_range",
        "too_precise",
        "implausible_combination",
    )
    uses_sources = True

    margin: float = Field(default=RANGE_MARGIN, ge=0.0, le=1.0)
    n_seeds: int = Field(default=8, ge=2)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter. A technique without columns has nothing to check."""
        columns = context.recipe.spec.columns
        if not candidates or not columns:
            return [self.keep(candidate) for candidate in candidates]
        names = [column.name for column in columns]
        seeds = tuple(tuple(s.fields.get(name, "") for name in names) for s in context.sources)
        rules = _rules(columns, seeds, self.n_seeds)
        return [self._decide(candidate, columns, rules) for candidate in candidates]

    def _decide(
        self, candidate: Candidate, columns: Sequence[Column], rules: Sequence[_Rule]
    ) -> Decision:
        for column in columns:
            if column.type == "label":
                continue
            text = candidate.fields.get(column.name, "")
            reason, evidence = self._problem(column, text)
            if reason:
                return self.drop(candidate, reason, column=column.name, value=text, **evidence)
        for rule in rules:
            if rule.is_broken_by(candidate.fields):
                values = {name: candidate.fields.get(name, "") for name in rule.names}
                return self.drop(
                    candidate,
                    "implausible_combination",
                    values=values,
                    rule=str(rule),
                    n_seeds=rule.n_seeds,
                )
        return self.keep(candidate)

    def _problem(self, column: Column, text: str) -> tuple[str, dict[str, Any]]:
        try:
            value = column.read(text, is_own=True)
        except ValueProblem as problem:
            return problem.reason, {}
        if not value or not (column.is_number or column.is_date):
            return "", {}
        low, high = column.bounds(self.margin)
        place = column.place(value)
        if (low is not None and place < low) or (high is not None and place > high):
            shown = (as_date(b) if column.is_date and b is not None else b for b in (low, high))
            return "value_out_of_range", dict(zip(("minimum", "maximum"), shown, strict=True))
        if column.type == "number" and column.decimals is not None:
            places = significant_decimals(Decimal(value))
            if places > column.decimals:
                return "too_precise", {"decimals": places, "most": column.decimals}
        return "", {}


@dataclass(frozen=True, slots=True)
class _Rule:
    """What the seeds agree on without exception; `n_seeds` of them say so."""

    names: tuple[str, str]
    n_seeds: int

    def is_broken_by(self, fields: Mapping[str, str]) -> bool:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _Group(_Rule):
    """The numbers of one column where another has one value: their sign and decimals."""

    value: str
    sign: int = 0
    decimals: int | None = None

    def is_broken_by(self, fields: Mapping[str, str]) -> bool:
        group, number = fields.get(self.names[0], ""), _number(fields.get(self.names[1], ""))
        if group != self.value or number is None:
            return False
        return self.sign * number < 0 or (
            self.decimals is not None and significant_decimals(number) > self.decimals
        )

    def __str__(self) -> str:
        signs = {1: "is not negative", -1: "is not positive"}
        said = [signs[self.sign]] if self.sign else []
        if self.decimals is not None:
            said.append(f"has at most {self.decimals} decimals")
        return f"where {self.names[0]} is {self.value}, {self.names[1]} {' and '.join(said)}"


@dataclass(frozen=True, slots=True)
class _Order(_Rule):
    """Two columns of dates of which the first is never after the second."""

    def is_broken_by(self, fields: Mapping[str, str]) -> bool:
        earlier, later = (fields.get(name, "") for name in self.names)
        return bool(earlier and later) and earlier[: len(later)] > later[: len(earlier)]

    def __str__(self) -> str:
        return f"{self.names[0]} is not after {self.names[1]}"


@dataclass(slots=True)
class _Seen:
    numbers: list[Decimal] = field(default_factory=list)

    @property
    def sign(self) -> int:
        """Return 1 or -1 where all have that sign, or are 0; 0 where they have both, or are all 0."""
        signs = {1 if n > 0 else -1 for n in self.numbers if n}
        return signs.pop() if len(signs) == 1 else 0

    @property
    def decimals(self) -> int:
        return max(map(significant_decimals, self.numbers))


@lru_cache(maxsize=8)
def _rules(
    columns: tuple[Column, ...], seeds: tuple[tuple[str, ...], ...], n_seeds: int
) -> list[_Group | _Order]:
    """Read off the seeds' values, in the order of the columns, what belongs together."""
    records = [dict(zip((c.name for c in columns), seed, strict=True)) for seed in seeds]
    kinds = [c.name for c in columns if c.type in ("category", "label", "boolean")]
    numbers = [c.name for c in columns if c.is_number]
    dates = [c.name for c in columns if c.is_date]
    rules: list[_Group | _Order] = []
    for kind in kinds:
        for number in numbers:
            rules += _group_rules(kind, number, records, n_seeds)
    for earlier, later in permutations(dates, 2):
        pairs = [(r[earlier], r[later]) for r in records if r[earlier] and r[later]]
        order = _Order((earlier, later), len(pairs))
        is_strict = any(a[: len(b)] != b[: len(a)] for a, b in pairs)
        holds = not any(order.is_broken_by({earlier: a, later: b}) for a, b in pairs)
        if len(pairs) >= n_seeds and is_strict and holds:
            rules.append(order)
    return rules


def _group_rules(
    kind: str, number: str, records: Sequence[Mapping[str, str]], n_seeds: int
) -> Iterator[_Group]:
    groups: dict[str, _Seen] = defaultdict(_Seen)
    everything = _Seen()
    for record in records:
        value = _number(record[number])
        if value is not None and record[kind]:
            groups[record[kind]].numbers.append(value)
            everything.numbers.append(value)
    for name, seen in sorted(groups.items()):
        sign = seen.sign if not everything.sign else 0
        decimals = seen.decimals if seen.decimals < everything.decimals else None
        if len(seen.numbers) >= n_seeds and (sign or decimals is not None):
            yield _Group((kind, number), len(seen.numbers), name, sign, decimals)


def _number(text: str) -> Decimal | None:
    """Read canonical text; None for what is no number, as in sources from before the columns."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


FILTER = RecordValues
