"""The manifest of an exported data set: what each file holds, to the byte, and what it was made of.

No time, no path and no machine stands in it: the same input gives the same manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedbed.errors import SourceError, UserError
from seedbed.export.files import put_json

NAME = "manifest.json"

VERSION = 1
"""Of the manifest's own form; it stands under the key `seedbed_manifest`."""


def write(folder: Path, n_rows: Mapping[str, int], made_of: Mapping[str, Any]) -> None:
    """Write the manifest of the files that lie in a folder.

    `n_rows` gives the rows of those files that have rows; `made_of` is kept as it is.
    """
    files = {
        file.name: fingerprint(file) | ({"rows": n_rows[file.name]} if file.name in n_rows else {})
        for file in sorted(folder.iterdir())
    }
    put_json(folder / NAME, {"seedbed_manifest": VERSION, **made_of, "files": files})


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder. Raises SourceError where it has none that can be read."""
    path = folder / NAME
    try:
        found = json.loads(path.read_bytes())
    except OSError as exc:
        raise SourceError(
            f"Cannot read {path}: {exc.strerror}.",
            hint="Give a folder that `seedbed export` wrote.",
        ) from exc
    except (ValueError, RecursionError) as exc:
        raise SourceError(f"{path} is damaged: it is no JSON ({exc}).") from exc
    if not _is_manifest(found):
        raise SourceError(
            f"{path} is not a manifest of Seedbed, version {VERSION}.",
            hint="Give a folder that this version of `seedbed export` wrote.",
        )
    return dict(found)


def verify(folder: Path) -> list[str]:
    """Compare a folder with its manifest; return what differs, in words, or nothing.

    Raises SourceError where there is no manifest to compare with.
    """
    listed = read(folder)["files"]
    found = [
        difference
        for name, said in listed.items()
        if (difference := _difference(folder / name, said))
    ]
    return found + [f"{name} is not in the manifest" for name in _others(folder, listed)]


def check_replaceable(folder: Path) -> None:
    """Raise UserError where a folder is there already and holds what no export wrote."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise UserError(
            f"{folder} is not a folder.",
            hint="Give the name of a folder, or a file name that ends in .jsonl.",
        )
    if not any(folder.iterdir()):
        return
    try:
        others = _others(folder, read(folder)["files"])
    except SourceError as exc:
        raise UserError(
            f"{folder} is there already, and `seedbed export` did not write it.",
            hint="Give another name, or move it away.",
        ) from exc
    if others:
        raise UserError(
            f"{folder} also holds {', '.join(others)}, which `seedbed export` did not write.",
            hint="Give another name, or move that away: the folder is replaced as a whole.",
        )


def fingerprint(path: Path) -> dict[str, Any]:
    """Return a file's SHA-256 and its size in bytes."""
    digest, n_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            n_bytes += len(block)
    return {"sha256": digest.hexdigest(), "bytes": n_bytes}


def _is_manifest(found: object) -> bool:
    if not isinstance(found, dict) or found.get("seedbed_manifest") != VERSION:
        return False
    files = found.get("files")
    return isinstance(files, dict) and all(
        Path(name).name == name and isinstance(said, dict) for name, said in files.items()
    )


def _others(folder: Path, listed: Mapping[str, Any]) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name not in {*listed, NAME})


def _difference(path: Path, said: Mapping[str, Any]) -> str:
    try:
        found = fingerprint(path)
    except OSError as exc:
        return f"{path.name} cannot be read: {exc.strerror}"
    if found["bytes"] != said.get("bytes"):
        return f"{path.name} has {found['bytes']} bytes, not {said.get('bytes')}"
    if found["sha256"] != said.get("sha256"):
        return f"{path.name} has other contents: SHA-256 {found['sha256'][:12]}…"
    return ""
