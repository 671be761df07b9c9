"""Examples → files that trainers read. Written whole or not at all, the same bytes every time.

Every row keeps a `metadata` object: whether it is synthetic, and where it came from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed import recipe, registry
from seedbed.errors import SourceError, UserError
from seedbed.records import Example
from seedbed.technique import TrainingRow


@dataclass(frozen=True, slots=True)
class Format:
    """How a trainer wants one row; `fits` says whether a training row has what it takes."""

    name: str
    help: str
    fits: Callable[[TrainingRow], bool]
    build: Callable[[TrainingRow], dict[str, Any]]


def _is_pair(row: TrainingRow) -> bool:
    return row.rejected is not None


def _is_answer(row: TrainingRow) -> bool:
    return row.rejected is None


def _is_record(row: TrainingRow) -> bool:
    return row.record is not None


def _record(row: TrainingRow) -> dict[str, Any]:
    return {"record": dict(row.record or {})}


def _preference(row: TrainingRow) -> dict[str, Any]:
    return {"prompt": row.prompt, "chosen": row.completion, "rejected": row.rejected}


def _messages(row: TrainingRow) -> dict[str, Any]:
    asked = [{"role": "user", "content": row.prompt}] if row.prompt else []
    return {"messages": [*asked, {"role": "assistant", "content": row.completion}]}


def _alpaca(row: TrainingRow) -> dict[str, Any]:
    return {"instruction": row.prompt, "input": "", "output": row.completion}


FORMATS: Mapping[str, Format] = {
    format_.name: format_
    for format_ in (
        Format(
            "trl-preference",
            "prompt, chosen, rejected: for TRL's DPO trainer.",
            _is_pair,
            _preference,
        ),
        Format(
            "openai-messages",
            "messages of user and assistant: for chat fine-tuning.",
            _is_answer,
            _messages,
        ),
        Format(
            "alpaca",
            "instruction, input, output: for supervised fine-tuning.",
            _is_answer,
            _alpaca,
        ),
        Format(
            "records",
            "record: the typed fields as a JSON object, for tables and your own templates.",
            _is_record,
            _record,
        ),
    )
}
"""Every format by name."""


def rows(examples: Iterable[Example], format_name: str) -> Iterator[dict[str, Any]]:
    """Stream the rows of a format, in the order of the examples.

    Raises NotFoundError for an unknown format, and UserError at the first example that does not fit
    it, naming the formats that do.
    """
    format_: Format = registry.choose(FORMATS, format_name, "format")
    return (_row(example, format_) for example in examples)


def export(examples: Iterable[Example], format_name: str, path: Path) -> int:
    """Write the examples to a JSONL file and return how many there were. Raises like `rows`."""
    return write_jsonl(path, rows(examples, format_name))


def training_row(example: Example) -> TrainingRow:
    """Return the example as its technique trains it. Raises UserError when it lacks a field."""
    try:
        technique = recipe.technique_of(example.technique, example.record)
        return technique.row(example.source, example.output)
    except KeyError as exc:
        raise UserError(
            f"The example {example.id} of technique {example.technique} lacks the field {exc}.",
            hint="Pull it again, or leave it out.",
        ) from exc


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as UTF-8 JSON lines and return their number.

    The file appears under its name when it is complete; until then, and if anything fails, what was
    there before stays. Raises UserError when it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    n = 0
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                n += 1
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as exc:
        raise UserError(
            f"Cannot write {path}: {exc.strerror}.", hint="Check the folder and its free space."
        ) from exc
    finally:
        part.unlink(missing_ok=True)
    return n


def read_examples(path: Path) -> Iterator[Example]:
    """Stream the examples of a file that `pull` or `merge` wrote.

    Raises SourceError naming file and line.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _example(line, f"{path}, line {number}")
    except OSError as exc:
        raise SourceError(
            f"Cannot read {path}: {exc.strerror}.", hint="Write it with `seedbed pull`."
        ) from exc


def _example(line: bytes, where: str) -> Example:
    try:
        return Example.from_dict(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise SourceError(
            f"{where}: this is not an example ({type(exc).__name__}: {exc}).",
            hint="Examples are written by `seedbed pull` and `seedbed merge`.",
        ) from exc


def _row(example: Example, format_: Format) -> dict[str, Any]:
    row = training_row(example)
    if not format_.fits(row):
        fitting = ", ".join(f.name for f in FORMATS.values() if f.fits(row))
        raise UserError(
            f"The format {format_.name} does not fit the technique {example.technique}.",
            hint=f"Use {fitting}." if fitting else "",
        )
    return {**format_.build(row), "metadata": _metadata(example)}


def _metadata(example: Example) -> dict[str, Any]:
    return {
        "origin": example.origin,
        "technique": example.technique,
        "id": example.id,
        "source_id": str(example.provenance.get("source_id", "")),
        "label": example.label,
        "provenance": dict(sorted(example.provenance.items())),
    }
