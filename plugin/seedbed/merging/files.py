"""Files of examples → a merged data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedbed.decoding import detect
from seedbed.errors import SourceError
from seedbed.export.manifest import fingerprint
from seedbed.merging.dataset import MergedDataset, merge
from seedbed.merging.example_files import Plain, read
from seedbed.records import Example, Origin


def merge_files(
    real: Sequence[Path], synthetic: Sequence[Path], test: Sequence[Path] = (), **settings: Any
) -> MergedDataset:
    """Merge what the files hold, as `merge` does with these settings.

    Plain rows among the real ones are read as rows of the technique of the synthetic ones, or where
    there are none, of the real ones of `seedbed pull`. The report names every file with its SHA-256.
    Raises UserError, for a line SourceError with its file and number.
    """
    made, read_made = _read(synthetic, "synthetic", None)
    plain = Plain.like(made)
    own, read_own = _read(real, "real", plain)
    held, read_held = _read(test, "real", plain or Plain.like(own))
    merged = merge(own, made, test=held if test else None, **settings)
    inputs = {"real": read_own, "synthetic": read_made, "test": read_held}
    report = replace(merged.report, inputs={name: found for name, found in inputs.items() if found})
    return replace(merged, report=report)


def _read(
    paths: Sequence[Path], origin: Origin, plain: Plain | None
) -> tuple[list[Example], list[dict[str, Any]]]:
    """Return the examples, and what is said of each file, sorted by name."""
    examples: list[Example] = []
    inputs = []
    kinds: dict[str, str] = {}
    for path in paths:
        found = []
        for example in read(path, origin, plain or Plain.like(examples)):
            kinds.setdefault(example.technique, path.name)
            if len(kinds) > 1:
                (first, file), (second, other) = kinds.items()
                raise SourceError(
                    f"{other} has an example of the technique {second} ({example.id}), {file} "
                    f"those of {first}.",
                    hint="Merge each technique by itself.",
                )
            found.append(example)
        examples += found
        said = {"file": path.name, "sha256": fingerprint(path)["sha256"], "n_rows": len(found)}
        inputs.append({**said, "note": detect(path).note})
    return examples, sorted(inputs, key=lambda said: (said["file"], said["sha256"]))
