"""Files and folders that appear under their name when they are complete, and examples read back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedbed.errors import SourceError, UserError
from seedbed.records import Example

SPLITS = ("train", "validation", "test")
"""The splits of a data set, in the order in which they are read and listed."""


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as UTF-8 JSON lines and return their number.

    The file appears under its name when it is complete; until then, and if anything fails, what was
    there before stays. Raises UserError when it cannot be written.
    """
    with whole_file(path) as part:
        return put_jsonl(part, rows)


def put_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSON lines to a file that nobody reads yet. Raises OSError."""
    return put_lines(path, (json.dumps(row, ensure_ascii=False) for row in rows))


def put_lines(path: Path, lines: Iterable[str]) -> int:
    """Write lines, or a text, as UTF-8 to a file that nobody reads yet. Raises OSError."""
    n = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(f"{line}\n")
            n += 1
        file.flush()
        os.fsync(file.fileno())
    return n


def put_json(path: Path, value: Any) -> None:
    """Write a JSON value for people to read, keys in the order given. Raises OSError."""
    put_lines(path, [json.dumps(value, ensure_ascii=False, indent=2)])


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a place to write to, which becomes `path` in the end, unless something goes wrong."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    except OSError as exc:
        raise unwritable(path, exc) from exc
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of `path` in the end.

    Until then, and if anything fails, what was there before stays. No system call that Python has
    exchanges two folders, so the old one is first moved aside, to a name that the next export
    moves back should the machine stop between the two. Raises UserError when it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    old = path.with_name(f".{path.name}.old")
    try:
        part.mkdir()
        yield part
        _sync_folder(part)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        try:
            part.rename(path)
        except OSError:
            restore(path)
            raise
        _sync_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as exc:
        raise unwritable(path, exc) from exc
    finally:
        shutil.rmtree(part, ignore_errors=True)


def restore(path: Path) -> None:
    """Move a folder back that an interrupted export moved aside."""
    old = path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.rename(path)


def unwritable(path: Path, exc: OSError) -> UserError:
    """Return the error that says why a file or folder cannot be written."""
    return UserError(
        f"Cannot write {path}: {exc.strerror or exc}.", hint="Check the folder and its free space."
    )


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


def split_files(path: Path) -> dict[str, Path]:
    """Return the files of examples by split: those of a merged folder, or one file as train.

    Raises SourceError for a folder that has none.
    """
    if not path.is_dir():
        return {SPLITS[0]: path}
    found = {split: path / f"{split}.jsonl" for split in SPLITS}
    present = {split: file for split, file in found.items() if file.exists()}
    if not present:
        raise SourceError(
            f"{path} has no {', '.join(f.name for f in found.values())}.",
            hint="Give a folder that `seedbed merge` wrote, or a file of `seedbed pull`.",
        )
    return present


def _example(line: bytes, where: str) -> Example:
    try:
        return Example.from_dict(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise SourceError(
            f"{where}: this is not an example ({type(exc).__name__}: {exc}).",
            hint="Examples are written by `seedbed pull` and `seedbed merge`.",
        ) from exc


def _sync_folder(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
