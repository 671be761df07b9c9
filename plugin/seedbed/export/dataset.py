"""Writes a data set: a folder with a file a split, its card and its manifest; or one file alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import seedbed
from seedbed.errors import UserError
from seedbed.export import llama_factory, manifest
from seedbed.export.about import About
from seedbed.export.card import DataSet, card
from seedbed.export.files import put_json, put_jsonl, put_lines, restore, whole_file, whole_folder
from seedbed.export.formats import RowBuilder
from seedbed.export.parquet import put_parquet
from seedbed.export.source import Source, open_source
from seedbed.export.tally import Tally
from seedbed.records import Example

CARD = "README.md"

_PUT = {".jsonl": put_jsonl, ".parquet": put_parquet}
"""How rows are written, by suffix."""


def export(
    data: str | Path | Mapping[str, Iterable[Example]] | Iterable[Example] | Any,
    format_name: str,
    output: str | Path,
    *,
    chat: bool = False,
    about: About | None = None,
) -> dict[str, int]:
    """Write examples as a trainer reads them; return the number of rows by split.

    `data` is a folder that `seedbed merge` wrote, a file of examples, the result of `merge`,
    examples by split, or just examples, which become the split train. `output` is a folder, which
    gets a dataset card and a manifest, or a file name that ends in .jsonl or .parquet. It appears
    when it is complete, and replaces only what an earlier export wrote. `chat` writes messages where
    the format has both. Splits without rows are left out.

    Raises NotFoundError for an unknown format, UserError where an example does not fit it, where
    there is none, or where `output` cannot be written or holds something else.
    """
    builder = RowBuilder(format_name, chat=chat)
    source, path = open_source(data), Path(output).absolute()
    if path.suffix in _PUT:
        return _write_one(builder, source, path)
    return _write_folder(builder, source, path, chat, about or About())


def _write_one(builder: RowBuilder, source: Source, path: Path) -> dict[str, int]:
    if path.suffix != builder.format.suffix:
        raise UserError(
            f"The format {builder.format.name} is written to {builder.format.suffix} files.",
            hint=f"Name the file so, or give a folder: -o {path.with_suffix('')}.",
        )
    if len(source.splits) > 1:
        raise UserError(
            f"One file cannot hold {len(source.splits)} splits ({', '.join(source.splits)}).",
            hint=f"Give a folder: -o {path.with_suffix('')}.",
        )
    ((split, examples),) = source.splits.items()
    with whole_file(path) as part:
        return {split: _PUT[path.suffix](part, builder.rows(examples))}


def _write_folder(
    builder: RowBuilder, source: Source, path: Path, chat: bool, about: About
) -> dict[str, int]:
    restore(path)
    manifest.check_replaceable(path)
    tally = Tally()
    with whole_folder(path) as folder:
        n_rows = _write_splits(builder, source, folder, tally)
        files = {split: f"{split}{builder.format.suffix}" for split in n_rows}
        if builder.format.name == "llama-factory":
            put_json(folder / llama_factory.NAME, llama_factory.dataset_info(builder.keys, files))
        data = DataSet(builder.format, chat, n_rows, files, tally, source.merge, about)
        put_lines(folder / CARD, [card(data)])
        made_of = {
            "seedbed": seedbed.__version__,
            "format": builder.format.name,
            "chat": chat,
            **about.made_of(tally),
            "merge": {key: said for key, said in source.merge.items() if key != "examples"},
            "inputs": dict(source.files),
        }
        manifest.write(folder, {files[split]: n for split, n in n_rows.items()}, made_of)
    return n_rows


def _write_splits(
    builder: RowBuilder, source: Source, folder: Path, tally: Tally
) -> dict[str, int]:
    suffix, n_rows = builder.format.suffix, {}
    for split, examples in source.splits.items():
        file = folder / f"{split}{suffix}"
        n = _PUT[suffix](file, builder.rows(tally.counting(split, examples)))
        if n:
            n_rows[split] = n
        else:
            file.unlink()
    if not n_rows:
        raise UserError(
            "There are no examples to export.",
            hint="Review some candidates, then `seedbed pull` again.",
        )
    return n_rows
