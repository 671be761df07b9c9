"""Which reader reads a file, and how large files may be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seedbed.documents.document import Document
from seedbed.errors import SourceError

MAX_CHARACTERS = 10_000_000
"""Most text of one document: about ten thick books. It is held as a whole; cutting it takes about 11
bytes a character at the peak (measured)."""

SUFFIXES = (".txt", ".md", ".pdf", ".docx", ".html", ".htm")


def read_document(path: Path) -> Document:
    """Read a file of one of the types in SUFFIXES.

    Raises SourceError where it is damaged, locked, too large or holds no text, and OSError.
    """
    document = _reader(path.suffix.lower())(path)
    if len(document.text) > MAX_CHARACTERS:
        raise SourceError(
            f"The document has {len(document.text):,} characters, more than {MAX_CHARACTERS:,}.",
            hint="Split it.",
        )
    return document


def check_size(path: Path, most: int) -> None:
    """Raise SourceError for a file of more than `most` bytes, OSError where there is none."""
    if (size := path.stat().st_size) > most:
        raise SourceError(
            f"The file has {size / 2**20:.0f} MiB, more than {most / 2**20:.0f}.", hint="Split it."
        )


def _reader(suffix: str) -> Callable[[Path], Document]:
    if suffix == ".pdf":
        from seedbed.documents.pdf import read_pdf

        return read_pdf
    if suffix == ".docx":
        from seedbed.documents.word import read_docx

        return read_docx
    if suffix in {".html", ".htm"}:
        from seedbed.documents.html import read_html

        return read_html
    from seedbed.documents.plain import read_markdown, read_plain

    return read_markdown if suffix == ".md" else read_plain
