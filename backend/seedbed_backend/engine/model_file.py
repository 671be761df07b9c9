"""Looks at a GGUF file before llama.cpp does, so that a wrong file gets a clear answer."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from seedbed.errors import ModelError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
"""Container versions that current llama.cpp reads."""

_READ_BYTES = 1 << 22


def check(path: Path) -> None:
    """Raise ModelError when the file is missing or its first bytes are not those of a GGUF."""
    try:
        with path.open("rb") as file:
            header = file.read(24)
    except FileNotFoundError as exc:
        raise ModelError(
            f"There is no model file at {path}.", hint="Check the path, or copy the GGUF there."
        ) from exc
    except OSError as exc:
        raise ModelError(f"Cannot read the model file {path}: {exc.strerror}.") from exc
    if header.startswith(b"version https://git-l"):
        raise ModelError(
            f"{path} is a Git LFS pointer, not the model itself.", hint="Run `git lfs pull`."
        )
    if not header.startswith(MAGIC):
        raise ModelError(
            f"{path} is not a GGUF model: it starts with {header[:4]!r}, not {MAGIC!r}.",
            hint="Convert the model to GGUF, or download its GGUF file.",
        )
    if len(header) < 24:
        raise ModelError(f"{path} is cut off after {len(header)} bytes.", hint="Copy it again.")
    version = int.from_bytes(header[4:8], "little")
    if version not in VERSIONS:
        is_big_endian = int.from_bytes(header[4:8], "big") in VERSIONS
        found = "big-endian" if is_big_endian else f"GGUF version {version}"
        raise ModelError(
            f"{path} is {found}; llama.cpp here reads little-endian versions "
            f"{' and '.join(map(str, VERSIONS))}.",
            hint="Convert the model again with a current llama.cpp.",
        )


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hex; read once per (path, size, modification time)."""
    status = path.stat()
    return _sha256(path.resolve(), status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
