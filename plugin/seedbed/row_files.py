"""Files of rows → one mapping a row, with the line that it begins at.

    .jsonl .ndjson   one JSON object a line; NaN, which some programs write, is no value
    .csv .tsv        a header line, then rows

A table's delimiter is the one that finds most of the columns that are looked for, else most columns;
a first line such as `sep=;`, by which Excel is told, decides. The encoding is found out (decoding.py).
Rows are streamed. What is wrong with one comes out in its place, and the rest goes on.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from seedbed.decoding import MAX_LINE_BYTES, Lines
from seedbed.errors import SourceError

TABLES = (".csv", ".tsv")
SUFFIXES = (".jsonl", ".ndjson", *TABLES)

_DELIMITERS = ",;\t"
_HEADER_LINES = 20
"""A header with line breaks in its cells goes on for no more lines than that."""

_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row by column or key; a table's columns without a name are left out. Lines count from 1."""

    line: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """What is wrong at a line, and what to do."""

    line: int
    problem: str


class RowFile:
    """The rows of one file.

    `known` are the names that are looked for: of several columns, one must not be named twice, and
    where no column is named so, one that differs in upper and lower case alone stands for it. None
    means any. `limit` is the longest line and cell, in bytes. Raises OSError, and SourceError for a
    file that is no text or whose header cannot be read.
    """

    def __init__(
        self, path: Path, known: Collection[str] = (), *, limit: int = MAX_LINE_BYTES
    ) -> None:
        self.lines = Lines(path, limit=limit)
        self.header: tuple[str, ...] = ()
        self._is_table = path.suffix.lower() in TABLES
        self._known = frozenset(known)
        self._by_case = {name.casefold(): name for name in sorted(known)}

    def __iter__(self) -> Iterator[Row | BadRow]:
        return self._table() if self._is_table else self._objects()

    def _objects(self) -> Iterator[Row | BadRow]:
        for line in self.lines:
            if self.lines.problems:
                yield from self._damaged()
            elif line.strip():
                yield self._object(line)

    def _object(self, line: str) -> Row | BadRow:
        number = self.lines.number
        try:
            row = json.loads(line, parse_constant=lambda _: None)
        except (ValueError, RecursionError) as exc:
            said = getattr(exc, "msg", "nested too deeply")
            column = f" at column {exc.colno}" if isinstance(exc, json.JSONDecodeError) else ""
            return BadRow(
                number, f"The line is not valid JSON: {said}{column}. Write one object a line."
            )
        if not isinstance(row, dict):
            kind = type(row).__name__
            return BadRow(
                number, f"The line is a JSON {kind}, not an object. Write one object a line."
            )
        return Row(number, dict(zip(self._named(list(row)), row.values(), strict=True)))

    def _table(self) -> Iterator[Row | BadRow]:
        stream = iter(self.lines)
        first = next(stream, "")
        separator = _SEPARATOR.fullmatch(first)
        first = next(stream, "") if separator else first
        while first.count('"') % 2 and self.lines.number < _HEADER_LINES:
            more = next(stream, "")
            if not more:
                break
            first += more
        if self.lines.problems:
            yield from self._damaged()
            return
        delimiter = separator[1] if separator else self._delimiter(first)
        csv.field_size_limit(self.lines.limit)
        reader = csv.reader(chain([first], stream), delimiter=delimiter, strict=True)
        self.header = self._read_header(reader)
        while True:
            begin = self.lines.number + 1
            try:
                cells = next(reader, None)
            except csv.Error as exc:
                yield self._invalid(begin, exc)
                continue
            if self.lines.problems:
                yield from self._damaged()
            elif cells is None:
                return
            elif any(cell.strip() for cell in cells):
                yield self._row(begin, cells, delimiter)

    def _read_header(self, reader: Iterator[list[str]]) -> tuple[str, ...]:
        try:
            names = [" ".join(name.split()) for name in next(reader, [])]
        except csv.Error as exc:
            raise SourceError(
                f"The header is not valid CSV: {exc}.", hint="Save the file as CSV (UTF-8)."
            ) from exc
        header = self._named(names)
        counts = Counter(name for name in header if name in (self._known or {*header} - {""}))
        if twice := [name for name, n in counts.items() if n > 1]:
            raise SourceError(
                f"Several columns are named {twice[0]!r}.", hint="Rename those that are not meant."
            )
        return header

    def _row(self, line: int, cells: list[str], delimiter: str) -> Row | BadRow:
        while len(cells) > len(self.header) and not cells[-1].strip():
            cells.pop()
        if len(cells) > len(self.header):
            return BadRow(
                line,
                f"The row has {len(cells)} cells, the header {len(self.header)}. Put text that "
                f"holds {delimiter!r} in quotes.",
            )
        cells += [""] * (len(self.header) - len(cells))
        named = zip(self.header, cells, strict=True)
        return Row(line, {name: cell for name, cell in named if name})

    def _invalid(self, begin: int, exc: csv.Error) -> BadRow:
        end = self.lines.number
        lost = f" Nothing of lines {begin} to {end} was read." if end > begin else ""
        return BadRow(
            begin,
            f"The row is not valid CSV: {exc}. Close its quotes, and double inner ones.{lost}",
        )

    def _damaged(self) -> Iterator[BadRow]:
        found = [BadRow(number, problem) for number, problem in self.lines.problems]
        self.lines.problems.clear()
        return iter(found)

    def _delimiter(self, first_line: str) -> str:
        def found(delimiter: str) -> tuple[int, int]:
            names = _cells(first_line, delimiter)
            return len(self._known.intersection(self._named(names))), len(names)

        return max(_DELIMITERS, key=found)

    def _named(self, names: Sequence[str]) -> tuple[str, ...]:
        """Spell names as they are looked for, where only upper and lower case differ."""
        return tuple(
            name
            if name in self._known or (known := self._by_case.get(name.casefold(), name)) in names
            else known
            for name in names
        )


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        cells: Iterable[str] = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:  # quotes end elsewhere than at this delimiter
        return []
    return [cell.strip() for cell in cells]
