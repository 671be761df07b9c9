"""A first recipe for a project, derived from a file of seeds: its labels and typed columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from seedbed import registry, row_files
from seedbed.column_derivation import derive, headers_of
from seedbed.columns import Column
from seedbed.errors import SourceError, UserError
from seedbed.row_files import BadRow, Row, RowFile
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
    rows, notes = _rows(path)
    if not rows:
        raise SourceError(f"{path.name} holds no rows.", hint="Put a header and seeds in it.")
    headers_of(rows, label)
    if technique.of_records is None or _is_plain(technique, rows[0]):
        counts = _counts(rows, label or technique.label_field)
        labels = {"labels": sorted(counts)} if counts else {}
        return FirstRecipe({"technique": technique_name, **labels}, (), counts, len(rows), notes)
    found = derive(rows, label=label)
    header = next((c.header or c.name for c in found.columns if c.type == "label"), "")
    recipe: dict[str, Any] = {"technique": technique_name}
    if found.labels:
        recipe["labels"] = list(found.labels)
    recipe["columns"] = [c.model_dump(mode="json", exclude_defaults=True) for c in found.columns]
    counts = _counts(rows, header)
    return FirstRecipe(recipe, found.columns, counts, len(rows), (*notes, *found.notes))


def _is_plain(technique: Technique, row: Mapping[str, Any]) -> bool:
    own = {field.name for field in technique.source_fields} | {"text"}
    return set(row) <= own and bool({"text", technique.text_field} & set(row))


def _counts(rows: list[dict[str, Any]], header: str) -> dict[str, int]:
    texts = (str(row.get(header) or "").strip() for row in rows)
    counts = Counter(text for text in texts if text)
    return dict(counts.most_common()) if len(counts) <= MAX_LABELS else {}


def _rows(path: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the first rows of a file, and what was assumed in reading them."""
    if path.suffix.lower() not in row_files.SUFFIXES:
        raise UserError(
            f"Files of type {path.suffix or '(none)'} are not read: "
            f"{', '.join(row_files.SUFFIXES)}, .txt.",
            hint="Save the seeds as CSV (UTF-8).",
        )
    try:
        file = RowFile(path)
        rows = [_row(path, row) for row in islice(file, MAX_ROWS)]
    except OSError as exc:
        raise SourceError(f"{path} cannot be read: {exc.strerror}.") from exc
    note = file.lines.encoding.note
    return rows, (f"{path.name}: {note}",) if note else ()


def _row(path: Path, row: Row | BadRow) -> dict[str, Any]:
    if isinstance(row, BadRow):
        raise SourceError(f"{path.name}, line {row.line}: {row.problem}")
    if nested := [key for key, value in row.values.items() if isinstance(value, list | dict)]:
        raise SourceError(
            f"{path.name}, line {row.line}: {nested[0]!r} is nested.",
            hint="A record's fields are texts, numbers, dates and yes or no.",
        )
    return dict(row.values)
