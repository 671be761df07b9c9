"""Rows in Parquet: typed columns, written group by group, so that memory does not grow with them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from seedbed.errors import UserError
from seedbed.export.metadata import KEYS

N_ROWS = 2_000
"""Rows per group: some megabytes, of which a reader takes one at a time."""

TEXT_COLUMNS = ("prompt", "completion", "chosen", "rejected", "source", "output", "record")


def put_parquet(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as the format `parquet` makes them to a file that nobody reads yet.

    Returns their number. Raises OSError, and UserError where pyarrow is not installed.
    """
    pyarrow, parquet = _pyarrow()
    schema = _schema(pyarrow)
    n = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))
            n += len(group)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return n


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    remaining = iter(rows)
    while group := list(islice(remaining, N_ROWS)):
        yield group


def _schema(pyarrow: Any) -> Any:
    types = {"integer": pyarrow.int64(), "number": pyarrow.float64()}
    texts = [(name, pyarrow.string()) for name in TEXT_COLUMNS]
    return pyarrow.schema(
        [*texts, *((key.name, types.get(key.kind, pyarrow.string())) for key in KEYS)]
    )


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as exc:
        raise UserError(
            "Parquet files need pyarrow, which is not installed.",
            hint='Install it: pip install "seedbed[parquet]".',
        ) from exc
    return pyarrow, pyarrow.parquet
