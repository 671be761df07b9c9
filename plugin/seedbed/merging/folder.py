"""A merged data set as a folder: a JSONL file of examples for each split, and merge.json."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seedbed.errors import UserError
from seedbed.export.files import restore, whole_folder
from seedbed.records import Example

REPORT = "merge.json"
"""The file that tells a merged folder from others."""

_FORMAT = 1


def check_replaceable(folder: Path) -> None:
    """Raise UserError where something stands in the folder's place that merge did not write."""
    if folder.is_dir():
        if (folder / REPORT).is_file() or not any(folder.iterdir()):
            return
        raise UserError(
            f"The folder {folder} is there already, and it has no {REPORT}: merge did not write it.",
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
        whole = {"format": _FORMAT, "files": files, **report}
        _write(part / REPORT, [json.dumps(whole, ensure_ascii=False, indent=2) + "\n"])


def _write_examples(path: Path, examples: Iterable[Example]) -> dict[str, Any]:
    lines = (json.dumps(e.to_dict(), ensure_ascii=False) + "\n" for e in examples)
    n, digest = _write(path, lines)
    return {"n_rows": n, "sha256": digest}


def _write(path: Path, lines: Iterable[str]) -> tuple[int, str]:
    """Write lines to the disk; return their number and the file's SHA-256."""
    n, digest = 0, hashlib.sha256()
    with path.open("wb") as file:
        for n, line in enumerate(lines, start=1):  # noqa: B007 - counted
            encoded = line.encode()
            digest.update(encoded)
            file.write(encoded)
        file.flush()
        os.fsync(file.fileno())
    return n, digest.hexdigest()
