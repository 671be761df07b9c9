"""Typed columns of a record: read from a file, written as JSON Schema, held as canonical text.

A record's values travel as text everywhere, in one canonical spelling a value (see `read`), so that
equal values are equal texts; `typed` gives them back as JSON values for prompts and training rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

ColumnType = Literal[
    "text", "integer", "number", "date", "datetime", "category", "boolean", "label"
]

RANGE_MARGIN = 0.10
"""How far beyond the seeds' range a value may lie, as a share of the range's width. A few dozen
seeds hardly hold the extremes: of n draws from one distribution the next one is a new maximum with
chance 1/(n + 1). A range that starts at 0 or above never reaches below 0."""

TASK_KEYS = frozenset(
    {
        "source",  # Label Studio shows the raw JSON of the whole task for `$source`
        *("cid", "technique", "candidate", "score", "draw", "stratum", "batch", "run"),
        *("scores_line", "diff_html", "guide", "provenance", "record", "shown", "seal"),
        *("verdict", "reasons", "approved", "like_rejected"),
    }
)
"""Keys that a review task's data have beside the source's fields."""

RESERVED = (
    TASK_KEYS
    | {"reject_reason", "quality", "note", "seed", "prov"}
    | {"peers", "labels", "columns", "glossary", "style_guide"}
    | {"similarity", "seed_fit", "label_neighbours", "preference", "grounding", "record_values"}
)
"""Names that Label Studio tasks, screens and prompts use themselves."""

_TAKES: Mapping[str, tuple[str, ...]] = {
    "text": ("max_length", "pattern"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum", "decimals", "fixed_decimals", "decimal_mark"),
    "date": ("minimum", "maximum", "format"),
    "datetime": ("minimum", "maximum", "format"),
    "category": ("values",),
    "boolean": (),
    "label": (),
}
TRUE = frozenset({"true", "yes", "y", "t", "1", "ja", "oui", "sí", "si"})
FALSE = frozenset({"false", "no", "n", "f", "0", "nein", "non"})
NUMBER = {
    ".": re.compile(r"[-+]?(?:[1-9]\d{0,2}(?:[, '\u00a0\u202f]\d{3})+|\d+)(?:\.\d+)?"),
    ",": re.compile(r"[-+]?(?:[1-9]\d{0,2}(?:[. '\u00a0\u202f]\d{3})+|\d+)(?:,\d+)?"),
}
"""How numbers are written in files, by their decimal mark; thousands may be set apart."""

MAX_DIGITS = 15  # what a double holds exactly; longer ones are account numbers


class ValueProblem(ValueError):
    """A value that its column does not take. `reason` is a reason code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


Bound = int | float | str | None


class Column(BaseModel):
    """One typed field of a record.

    `name` is the key in prompts, tasks and training rows, `header` what files call it. `minimum` and
    `maximum` are the seeds' range (dates as in ISO 8601). A column that is `optional` may be empty.
    `decimals` is the most that a value has; with `fixed_decimals` every value is written with as
    many. `format` is how files spell a date (strptime), `decimal_mark` how they write fractions.
    `pattern` is a regular expression for the whole text. `max_length` counts characters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
    type: ColumnType
    header: str = ""
    help: str = ""
    optional: bool = False
    values: tuple[str, ...] = ()
    minimum: Bound = None
    maximum: Bound = None
    decimals: Annotated[int, Field(ge=0, le=10)] | None = None
    fixed_decimals: bool = False
    decimal_mark: Literal[".", ","] = "."
    format: str = ""
    pattern: str = ""
    max_length: Annotated[int, Field(ge=1, le=8000)] | None = None

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in RESERVED:
            raise ValueError(f"{name!r} is a name that Seedbed uses itself; call it {name}_value")
        return name

    @field_validator("minimum", "maximum", mode="before")
    @classmethod
    def _is_plain(cls, bound: object) -> object:
        # YAML reads a bare date as a date.
        if isinstance(bound, datetime):
            return bound.isoformat(timespec="minutes")
        return bound.isoformat() if isinstance(bound, date) else bound

    @field_validator("values", mode="before")
    @classmethod
    def _are_texts(cls, values: object) -> object:
        # YAML reads a bare NO as false, and 5411 as a number.
        if isinstance(values, list | tuple):
            if any(isinstance(v, bool) or v is None for v in values):
                raise ValueError(
                    "write the values in quotes: YAML reads yes, no and null otherwise"
                )
            return tuple(str(v) for v in values)
        return values

    @model_validator(mode="after")
    def _fits_its_type(self) -> Column:
        for option in sorted({name for names in _TAKES.values() for name in names}):
            is_set = getattr(self, option) != type(self).model_fields[option].default
            if is_set and option not in _TAKES[self.type]:
                takes = ", ".join(_TAKES[self.type]) or "no options"
                raise ValueError(
                    f"the {self.type} column {self.name!r} has no {option}; it takes {takes}"
                )
        if self.type == "category" and not self.values:
            raise ValueError(f"the category column {self.name!r} needs `values`")
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"the values of column {self.name!r} repeat")
        if self.pattern:
            _compiled(self.pattern)
        low, high = (self._bound(b) for b in (self.minimum, self.maximum))
        if low is not None and high is not None and low > high:
            raise ValueError(
                f"column {self.name!r}: minimum {self.minimum} is above maximum {self.maximum}"
            )
        return self

    def _bound(self, bound: Bound) -> Any:
        if bound is None:
            return None
        try:
            return self.place(str(bound))
        except ValueError as exc:
            raise ValueError(f"column {self.name!r}: {bound!r} is no {self.type}") from exc

    @property
    def title(self) -> str:
        """Name the column for people."""
        return self.header or self.name.replace("_", " ").capitalize()

    @property
    def is_number(self) -> bool:
        """Tell whether the values are numbers."""
        return self.type in ("integer", "number")

    @property
    def is_date(self) -> bool:
        """Tell whether the values are dates."""
        return self.type in ("date", "datetime")

    def read(self, value: object, *, is_own: bool = False) -> str:
        """Return a value in its canonical spelling; "" where there is none and none is needed.

        Numbers have a point and no more zeros than their column asks for, dates are ISO 8601 to the
        day or minute, booleans "true" or "false", texts NFC without space at the ends. `is_own`
        reads ISO dates and decimal points only: what models and screens write.
        Raises ValueProblem.
        """
        text = "" if value is None else unicodedata.normalize("NFC", str(value)).strip()
        if not text:
            if self.optional:
                return ""
            raise ValueProblem("empty_field", f"{self.name!r} is missing or empty")
        if self.type == "boolean":
            return self._read_boolean(text)
        if self.is_number:
            # With three decimals, only the point of our own spelling tells 1.250 from 1,250.
            is_own = is_own or bool(self.decimals == 3 and re.fullmatch(r"-?\d+\.\d{3}", text))
            return self._read_number(text, "." if is_own else self.decimal_mark)
        if self.is_date:
            return self._read_date(text, "" if is_own else self.format)
        if self.type == "category" and text not in self.values:
            known = ", ".join(self.values)
            raise ValueProblem("unknown_value", f"{self.name!r} is {text!r}, not one of: {known}")
        if self.pattern and not _compiled(self.pattern).fullmatch(text):
            raise ValueProblem(
                "wrong_pattern", f"{self.name!r} is {text[:60]!r}, which is not {self.pattern}"
            )
        return text

    def typed(self, text: str) -> str | int | float | bool | None:
        """Return canonical text as a JSON value; None for "". Text that does not fit stays text."""
        if not text:
            return None
        if self.type == "boolean" and text in ("true", "false"):
            return text == "true"
        if not self.is_number:
            return text
        try:
            number = Decimal(text)
        except InvalidOperation:
            return text
        return int(number) if self.type == "integer" and number % 1 == 0 else float(number)

    def place(self, text: str) -> float:
        """Return a number, or a date as days since year 1, on the line. Raises ValueError."""
        if self.is_number:
            return float(Decimal(self._read_number(text, ".")))
        when = datetime.fromisoformat(text)
        return when.toordinal() + (when.hour * 60 + when.minute) / 1440

    def bounds(self, margin: float = RANGE_MARGIN) -> tuple[float | None, float | None]:
        """Return the range, widened by `margin` of its width at each end, as places on the line."""
        low, high = self._bound(self.minimum), self._bound(self.maximum)
        width = high - low if low is not None and high is not None else 0.0
        if low is not None:
            wider = low - margin * width
            low = max(0.0, wider) if low >= 0 and self.is_number else wider
        if high is not None:
            wider = high + margin * width
            high = min(0.0, wider) if high <= 0 and self.is_number else wider
        return low, high

    def answer_schema(self, labels: Sequence[str] = ()) -> dict[str, Any]:
        """Return the JSON schema of a value; an empty one is null."""
        rule = self._schema(labels)
        if not self.optional:
            return rule
        if "enum" in rule:
            return {"enum": [*rule["enum"], None]}
        return rule | {"type": [rule["type"], "null"]}

    def _schema(self, labels: Sequence[str]) -> dict[str, Any]:
        if self.type == "label":
            return {"type": "string", "enum": list(labels)}
        if self.type == "category":
            return {"type": "string", "enum": list(self.values)}
        if self.type == "boolean":
            return {"type": "boolean"}
        if self.is_number:
            names = ("minimum", "maximum")
            limits = {
                n: b for n, b in zip(names, self._number_bounds(), strict=True) if b is not None
            }
            return {"type": self.type, **limits}
        if self.is_date:
            digits = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
            clock = "T([01][0-9]|2[0-3]):[0-5][0-9]" if self.type == "datetime" else ""
            return {"type": "string", "pattern": f"^{digits}{clock}$"}
        if self.pattern:
            return {"type": "string", "pattern": f"^{self.pattern}$"}
        return {"type": "string", "minLength": 1, "maxLength": self.max_length or 2000}

    def _number_bounds(self) -> list[int | float | None]:
        """Return the bounds with no more decimals than the values have, never beyond the range."""
        places = 0 if self.type == "integer" else self.decimals
        found: list[int | float | None] = []
        for bound, inwards in zip(self.bounds(), (ROUND_CEILING, ROUND_FLOOR), strict=True):
            if bound is not None and places is not None:
                step = Decimal(1).scaleb(-places)
                bound = float(Decimal(str(bound)).quantize(step, rounding=inwards))
            found.append(bound if bound is None or bound % 1 else int(bound))
        return found

    def describe(self) -> str:
        """Say in words what a value is: type, range or choices; for people and for models."""
        said = {"text": "text", "integer": "whole number", "label": "label", "boolean": "yes or no"}
        parts = [said.get(self.type, self.type)]
        if self.type == "category":
            parts = [f"one of {', '.join(self.values)}"]
        elif self.pattern:
            parts.append(f"like {self.pattern}")
        elif self.max_length:
            parts.append(f"up to {self.max_length} characters")
        if self.is_date:
            parts.append("YYYY-MM-DD" + ("THH:MM" if self.type == "datetime" else ""))
        if self.decimals:
            parts.append(f"{self.decimals} decimals")
        if self.minimum is not None and self.maximum is not None:
            parts.append(f"{self.minimum} to {self.maximum}")
        if self.optional:
            parts.append("may be empty")
        return ", ".join(parts) + (f" ({self.help})" if self.help else "")

    def _read_boolean(self, text: str) -> str:
        if text.casefold() in TRUE:
            return "true"
        if text.casefold() in FALSE:
            return "false"
        raise ValueProblem("wrong_type", f"{self.name!r} is {text[:60]!r}, not yes or no")

    def _read_number(self, text: str, mark: str) -> str:
        try:
            number = parse_number(text, mark)
        except (InvalidOperation, ValueError):
            kind = "a whole number" if self.type == "integer" else "a number"
            raise ValueProblem(
                "wrong_type", f"{self.name!r} is {text[:60]!r}, not {kind}"
            ) from None
        if self.type == "integer" and number % 1:
            raise ValueProblem("wrong_type", f"{self.name!r} is {text[:60]}, not a whole number")
        places = significant_decimals(number)
        if self.decimals and (places or self.fixed_decimals):
            places = max(places, self.decimals)
        return f"{number:.{places}f}" if number else f"{Decimal(0):.{places}f}"

    def _read_date(self, text: str, format_: str) -> str:
        try:
            found = datetime.strptime(text, format_) if format_ else datetime.fromisoformat(text)
        except ValueError:
            if format_:  # the canonical spelling is read too
                return self._read_date(text, "")
            raise ValueProblem(
                "impossible_date", f"{self.name!r} is {text[:60]!r}, which is no {self.type}"
            ) from None
        if self.type == "date":
            return found.date().isoformat()
        return found.replace(tzinfo=None).isoformat(timespec="minutes")


def significant_decimals(number: Decimal) -> int:
    """Count the decimals of a number, zeros at its end aside."""
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def parse_number(text: str, mark: str) -> Decimal:
    """Read a number as files write it. Raises ValueError or InvalidOperation."""
    if len(text) > 40:
        raise ValueError(text[:40])
    if NUMBER[mark].fullmatch(text):
        other = "," if mark == "." else "."
        text = re.sub(rf"[{other} '\u00a0\u202f]", "", text).replace(mark, ".")
    number = Decimal(text)
    if not number.is_finite() or number.adjusted() > 2 * MAX_DIGITS:
        raise ValueError(text)
    return number


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"{pattern!r} is no regular expression: {exc}") from exc


def as_date(place: float) -> str:
    """Spell a place on the line of dates as people read it, to the day."""
    return (date.min + timedelta(days=int(place) - 1)).isoformat()


def is_free_text(column: Column) -> bool:
    """Tell whether a column holds words, not a reference of a set form."""
    return column.type == "text" and not column.pattern
