"""A merged data set as a folder: a JSONL file of examples for each split, and merge.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seedbed.errors import UserError
from seedbed.export.files import put_json, put_jsonl, restore, whole_folder
from seedbed.export.manifest import fingerprint
from seedbed.export.source import MERGE_REPORT
from seedbed.records import Example

_FORMAT = 1


def check_replaceable(folder: Path) -> None:
    """Raise UserError where something stands in the folder's place that merge did not write."""
    if folder.is_dir():
        if (folder / MERGE_REPORT).is_file() or not any(folder.iterdir()):
            return
        raise UserError(
            f"The folder {folder} is there already, and it has no {MERGE_REPORT}: merge did not write it.",
            hint="Give a new folder, or remove that one yourself.",
        )
    if folder.exists():
        raise UserError(
            f"{folder} is a file; merge writes a folder.", hint="Give -o the name of a new folder."
        )


def write_dataset(
    folder: Path, splits: Mapping[str, Iterable[Example]], report: Mapping[str, Any]
) -> None:
    """Write the folder, whole or not at all. Raises UserError where that cannot be."""
    folder = folder.absolute()
    restore(folder)
    check_replaceable(folder)
    with whole_folder(folder) as part:
        files = {
            f"{name}.jsonl": _write_examples(part / f"{name}.jsonl", rows)
            for name, rows in splits.items()
        }
        put_json(part / MERGE_REPORT, {"format": _FORMAT, "files": files, **report})


def _write_examples(path: Path, examples: Iterable[Example]) -> dict[str, Any]:
    n = put_jsonl(path, (example.to_dict() for example in examples))
    return {"n_rows": n, "sha256": fingerprint(path)["sha256"]}
