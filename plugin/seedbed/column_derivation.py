"""Derives the typed columns of a record from rows of examples. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from seedbed.columns import FALSE, MAX_DIGITS, NUMBER, RESERVED, TRUE, Column, parse_number
from seedbed.errors import UserError

MAX_CATEGORIES = 20
"""A column with more distinct values than that, or with each value fewer than twice on average, is
text."""

_LABEL_NAMES = ("label", "class", "category", "intent", "target", "sentiment")
_ISO = {"date": "%Y-%m-%d", "datetime": "%Y-%m-%dT%H:%M"}
_DATE_FORMATS = (
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y%m%d",
)  # fmt: skip
_TIME_FORMATS = (" %H:%M", "T%H:%M", " %H:%M:%S", "T%H:%M:%S")
_YEARS = range(1900, 2101)
_RUN = re.compile(r"[0-9]+|[A-Z]+|[a-z]+|[^0-9A-Za-z]")
_CLASSES = {"0": "[0-9]", "A": "[A-Z]", "a": "[a-z]"}


@dataclass(frozen=True, slots=True)
class Derived:
    """What a set of rows says about its columns. `labels` are the values of the label column."""

    columns: tuple[Column, ...]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def derive(rows: Sequence[Mapping[str, Any]], *, label: str = "") -> Derived:
    """Derive the columns of a set of rows, in the order of their keys.

    `label` names the column that holds the class; else it is the one called label, class, category
    or the like whose values repeat. Columns that are empty or only count the rows are left out, and
    a note says so. Raises UserError without rows, or where `label` is no column.
    """
    headers = headers_of(rows, label)
    columns: list[Column] = []
    notes: list[str] = []
    for header in headers:
        texts = ["" if row.get(header) is None else str(row[header]).strip() for row in rows]
        filled = [unicodedata.normalize("NFC", text) for text in texts if text]
        if not filled or _counts_rows(filled):
            what = "is empty" if not filled else "only numbers the rows"
            notes.append(f"The column {header!r} {what}; it is left out.")
            continue
        name = _name(header, [c.name for c in columns])
        found, said = _column(name, filled)
        notes += [f"{header}: {note}" for note in said]
        if len(filled) < len(texts):
            found["optional"] = True
        if header != name:
            found["header"] = header
        columns.append(Column.model_validate(found))
    if not columns or all(column.optional for column in columns):
        raise UserError(
            "No column is filled in every row.", hint="Leave out the rows that are not complete."
        )
    return _labelled(columns, rows, label, notes)


def headers_of(rows: Sequence[Mapping[str, Any]], label: str = "") -> list[str]:
    """Return the keys of the rows. Raises UserError without any, or where `label` is none of them."""
    headers = list(dict.fromkeys(key for row in rows for key in row if key.strip()))
    if not headers:
        raise UserError("There are no records to derive columns from.")
    if label and label not in headers:
        raise UserError(
            f"There is no column {label!r} for the label.", hint=f"There are: {', '.join(headers)}."
        )
    return headers


def _labelled(
    columns: list[Column], rows: Sequence[Mapping[str, Any]], label: str, notes: list[str]
) -> Derived:
    headers = {column.name: column.header or column.name for column in columns}
    fitting = [c.name for c in columns if c.type == "category" and c.name in _LABEL_NAMES]
    by_rank = sorted(fitting, key=_LABEL_NAMES.index)
    chosen = next((n for n, h in headers.items() if h == label), "") or next(iter(by_rank), "")
    if not chosen:
        return Derived(tuple(columns), (), tuple(notes))
    texts = (str(row.get(headers[chosen]) or "").strip() for row in rows)
    counts = Counter(text for text in texts if text)
    if sum(counts.values()) < len(rows):
        notes.append(f"{headers[chosen]}: some rows have no label; their new records get any.")
    kept = {"name": chosen, "type": "label"}
    if headers[chosen] != chosen:
        kept["header"] = headers[chosen]
    replaced = [Column.model_validate(kept) if c.name == chosen else c for c in columns]
    return Derived(tuple(replaced), tuple(sorted(counts)), tuple(notes))


def _column(name: str, texts: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the options of a column, and notes on what was guessed."""
    words = {text.casefold() for text in texts}
    if words <= TRUE | FALSE and (words & TRUE and words & FALSE):
        return {"name": name, "type": "boolean"}, []
    if dates := _dates(name, texts):
        return dates
    if number := _numbers(name, texts):
        return number, []
    distinct = sorted(set(texts))
    if len(distinct) <= min(MAX_CATEGORIES, len(texts) / 2) and max(map(len, distinct)) <= 40:
        return {"name": name, "type": "category", "values": distinct}, []
    if pattern := _pattern(texts):
        return {"name": name, "type": "text", "pattern": pattern}, []
    longest = max(map(len, texts))
    room = min(8000, max(20, -(-longest * 3 // 20) * 10))
    return {"name": name, "type": "text", "max_length": room}, []


def _dates(name: str, texts: Sequence[str]) -> tuple[dict[str, Any], list[str]] | None:
    fitting = [f for f in _DATE_FORMATS if _all_dates(texts, f)]
    kind = "date"
    if not fitting:
        kind = "datetime"
        both = (d + t for t in _TIME_FORMATS for d in _DATE_FORMATS)
        fitting = [f for f in both if _all_dates(texts, f)]
    if not fitting:
        return None
    format_ = fitting[0]
    found: dict[str, Any] = {"name": name, "type": kind}
    if format_ != _ISO[kind]:
        found["format"] = format_
    column = Column.model_validate(found)
    read = sorted(column.read(text) for text in texts)
    notes = [f"read as {format_}; it may be {other}, see `format`" for other in fitting[1:2]]
    return found | {"minimum": read[0], "maximum": read[-1]}, notes


def _all_dates(texts: Iterable[str], format_: str) -> bool:
    n_least = 8 if format_ == "%Y%m%d" else 0
    try:
        return all(
            datetime.strptime(text, format_).year in _YEARS and len(text) >= n_least
            for text in texts
        )
    except ValueError:
        return False


def _numbers(name: str, texts: Sequence[str]) -> dict[str, Any] | None:
    mark = next((m for m in ".," if all(_is_number(text, m) for text in texts)), "")
    if not mark:
        return None
    numbers = [parse_number(text, mark) for text in texts]
    written = [len(text.rpartition(mark)[2]) if mark in text else 0 for text in texts]
    decimals = max(written)
    low, high = min(numbers), max(numbers)
    if not decimals:
        return {"name": name, "type": "integer", "minimum": int(low), "maximum": int(high)}
    found = {
        "name": name,
        "type": "number",
        "minimum": float(low),
        "maximum": float(high),
        "decimals": decimals,
    }
    if min(written) == decimals:
        found["fixed_decimals"] = True
    if mark == ",":
        found["decimal_mark"] = ","
    return found


def _is_number(text: str, mark: str) -> bool:
    digits = re.sub(r"\D", "", text)
    starts_with_zero = re.match(r"[-+]?0\d", text)  # a postcode, an account
    is_long = len(digits) > MAX_DIGITS or text.startswith("+")
    return bool(NUMBER[mark].fullmatch(text)) and not starts_with_zero and not is_long


def _pattern(texts: Sequence[str]) -> str:
    """Return a pattern that all texts share, for references and the like; "" for plain words.

    Runs of digits and letters may differ in content and length; everything else is literal.
    """
    runs = [_RUN.findall(text) for text in texts]
    kinds = [[_kind(run) for run in row] for row in runs]
    has_digits, is_prose = "0" in kinds[0], " " in kinds[0] and "a" in kinds[0]
    if not has_digits or is_prose or len(runs[0]) > 24 or any(row != kinds[0] for row in kinds):
        return ""
    return "".join(_piece(k, [row[i] for row in runs]) for i, k in enumerate(kinds[0]))


def _kind(run: str) -> str:
    if not run[0].isascii() or not run[0].isalnum():
        return run
    return "0" if run[0].isdigit() else "A" if run[0].isupper() else "a"


def _piece(kind: str, runs: Sequence[str]) -> str:
    same = len(set(runs)) == 1
    if kind not in _CLASSES or (same and kind != "0"):
        return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", runs[0])
    low, high = min(map(len, runs)), max(map(len, runs))
    return _CLASSES[kind] + (f"{{{low}}}" if low == high else f"{{{low},{high}}}")


def _counts_rows(texts: Sequence[str]) -> bool:
    if len(texts) < 3 or not all(re.fullmatch(r"0|[1-9]\d{0,8}", text) for text in texts):
        return False
    numbers = [int(text) for text in texts]
    return all(b - a == 1 for a, b in pairwise(numbers))


def _name(header: str, taken: Sequence[str]) -> str:
    plain = unicodedata.normalize("NFKD", header.casefold().replace("ß", "ss"))
    slug = re.sub(r"[^a-z0-9]+", "_", plain.encode("ascii", "ignore").decode()).strip("_")[:34]
    name = slug if slug[:1].isalpha() else f"field_{slug}".rstrip("_")
    name = f"{name}_value" if name in RESERVED else name
    n = 1
    while (unique := name if n == 1 else f"{name}_{n}") in taken:
        n += 1
    return unique
