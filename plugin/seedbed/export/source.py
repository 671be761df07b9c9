"""What `export` is given: a merged folder, a file, a merge, or examples; by split."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedbed.errors import SourceError, UserError
from seedbed.export.files import SPLITS, read_examples, split_files
from seedbed.export.manifest import fingerprint
from seedbed.records import Example

MERGE_REPORT = "merge.json"
"""The file that tells a merged folder from others."""


@dataclass(frozen=True, slots=True)
class Source:
    """Examples by split; the report of the merge, if any; fingerprints of what was read, by split.

    The report's own fingerprint stands under "merge".
    """

    splits: Mapping[str, Iterable[Example]]
    merge: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def open_source(data: object) -> Source:
    """Open what is to be exported: a path, a result of `merge`, examples by split, or examples.

    Raises SourceError for a path that cannot be read, UserError for an unknown split.
    """
    if isinstance(data, str | Path):
        return _of_path(Path(data))
    if isinstance(data, Mapping):
        return Source(_known_splits(data))
    if hasattr(data, "train"):
        splits = {split: rows for split in SPLITS if (rows := getattr(data, split, ()))}
        report: Any = getattr(data, "report", None)
        return Source(splits, report.to_dict() if hasattr(report, "to_dict") else {})
    if isinstance(data, Iterable):
        return Source({SPLITS[0]: data})
    raise UserError(
        f"A {type(data).__name__} holds no examples.",
        hint="Give a path, the result of merge, or examples.",
    )


def _of_path(path: Path) -> Source:
    files = split_files(path)
    report = path / MERGE_REPORT
    inputs = {**files, **({"merge": report} if report.exists() else {})}
    try:
        fingerprints = {name: fingerprint(file) for name, file in inputs.items()}
    except OSError as exc:
        raise SourceError(
            f"Cannot read {exc.filename}: {exc.strerror}.", hint="Write it with `seedbed pull`."
        ) from exc
    splits = {split: read_examples(file) for split, file in files.items()}
    return Source(splits, _merge_report(report) if report.exists() else {}, fingerprints)


def _merge_report(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as exc:
        raise SourceError(f"{path} cannot be read: {exc}.", hint="Merge again.") from exc
    if not isinstance(found, dict):
        raise SourceError(f"{path} is no report of a merge.", hint="Merge again.")
    return found


def _known_splits(data: Mapping[Any, Any]) -> dict[str, Iterable[Example]]:
    if unknown := [str(name) for name in data if name not in SPLITS]:
        raise UserError(f"No split is named {unknown[0]!r}.", hint=f"Known: {', '.join(SPLITS)}.")
    return {split: data[split] for split in SPLITS if split in data}
