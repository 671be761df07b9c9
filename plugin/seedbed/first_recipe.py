"""A first recipe for a project, derived from a file of seeds: its labels and typed columns."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from seedbed import registry
from seedbed.column_derivation import derive, headers_of
from seedbed.columns import Column
from seedbed.decoding import MAX_LINE_BYTES
from seedbed.errors import SourceError, UserError
from seedbed.ingest import DELIMITERS
from seedbed.technique import Technique

MAX_ROWS = 20_000
"""More rows than that change a column's type or range no more; the rest is not read."""

MAX_LABELS = 100
"""A column with more distinct values than that is no class."""


@dataclass(frozen=True, slots=True)
class FirstRecipe:
    """What a file says: the recipe as plain values, and what somebody should know of it.

    `counts` are the rows of each label.
    """

    recipe: Mapping[str, Any]
    columns: tuple[Column, ...]
    counts: Mapping[str, int]
    n_rows: int
    notes: tuple[str, ...] = ()

    @property
    def yaml(self) -> str:
        """Return the recipe as people edit it."""
        return yaml.safe_dump(dict(self.recipe), sort_keys=False, allow_unicode=True, width=100)


def first_recipe(path: Path, technique_name: str, *, label: str = "") -> FirstRecipe:
    """Derive a recipe from a JSONL, CSV or text file of seeds.

    A file that holds nothing but the technique's own fields gives its labels alone; another one, for
    a technique that grows records, gives columns too. `label` names the column of the class. Raises
    SourceError for a file that cannot be read, UserError where nothing can be derived from it.
    """
    technique = registry.technique(technique_name)
    if path.suffix.lower() in (".txt", ".md"):
        return FirstRecipe({"technique": technique_name}, (), {}, 0)
    rows = []
    for row in _rows(path):
        rows.append(row)
        if len(rows) == MAX_ROWS:
            break
    if not rows:
        raise SourceError(f"{path.name} holds no rows.", hint="Put a header and seeds in it.")
    headers_of(rows, label)
    if technique.of_records is None or _is_plain(technique, rows[0]):
        counts = _counts(rows, label or technique.label_field)
        labels = {"labels": sorted(counts)} if counts else {}
        return FirstRecipe({"technique": technique_name, **labels}, (), counts, len(rows))
    found = derive(rows, label=label)
    header = next((c.header or c.name for c in found.columns if c.type == "label"), "")
    recipe: dict[str, Any] = {"technique": technique_name}
    if found.labels:
        recipe["labels"] = list(found.labels)
    recipe["columns"] = [c.model_dump(mode="json", exclude_defaults=True) for c in found.columns]
    return FirstRecipe(recipe, found.columns, _counts(rows, header), len(rows), found.notes)


def _is_plain(technique: Technique, row: Mapping[str, Any]) -> bool:
    own = {field.name for field in technique.source_fields} | {"text"}
    return set(row) <= own and bool({"text", technique.text_field} & set(row))


def _counts(rows: list[dict[str, Any]], header: str) -> dict[str, int]:
    texts = (str(row.get(header) or "").strip() for row in rows)
    counts = Counter(text for text in texts if text)
    return dict(counts.most_common()) if len(counts) <= MAX_LABELS else {}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    read = {".csv": _csv_rows, ".tsv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows}
    if path.suffix.lower() not in read:
        raise UserError(
            f"Files of type {path.suffix or '(none)'} are not read: {', '.join(read)}, .txt.",
            hint="Save the seeds as CSV (UTF-8).",
        )
    try:
        yield from read[path.suffix.lower()](path)
    except OSError as exc:
        raise SourceError(f"{path} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise SourceError(f"{path.name} is not UTF-8.", hint="Save it as CSV UTF-8.") from exc


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(MAX_LINE_BYTES)
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(DELIMITERS, key=lambda mark: _n_cells(first, mark))
        reader = csv.DictReader(file, delimiter=delimiter, restkey="")
        try:
            for row in reader:
                cells = {(key or "").strip(): value for key, value in row.items()}
                if "" in cells and cells.pop(""):
                    raise SourceError(
                        f"{path.name}, line {reader.line_num}: the row has more cells than the "
                        "header.",
                        hint=f"Put text that holds {delimiter!r} in quotes.",
                    )
                if any((value or "").strip() for value in cells.values()):
                    yield cells
        except csv.Error as exc:
            raise SourceError(f"{path.name}, line {reader.line_num}: {exc}.") from exc


def _n_cells(header: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([header], delimiter=delimiter, strict=True), []))
    except csv.Error:  # quotes end elsewhere than at this delimiter
        return 0


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise SourceError(f"{path.name}, line {number} is not valid JSON.") from exc
            if not isinstance(row, dict):
                raise SourceError(f"{path.name}, line {number} is no JSON object.")
            if nested := [key for key, value in row.items() if isinstance(value, list | dict)]:
                raise SourceError(
                    f"{path.name}, line {number}: {nested[0]!r} is nested.",
                    hint="A record's fields are texts, numbers, dates and yes or no.",
                )
            yield row
