"""DOCX → document: headings by their style, tables as rows, pages where Word left its breaks.

Word writes where its pages broke when it last saved a file; other programs mostly do not, and then
there are no page numbers. Text that was deleted under tracked changes is left out, what was
inserted is in. Numbers and bullets that Word makes up for lists are not in the file's text.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.documents.document import Document, Piece, assemble
from seedbed.documents.reading import check_size
from seedbed.errors import SourceError

if TYPE_CHECKING:
    from docx.document import Document as WordFile

MAX_BYTES = 256 << 20
"""Largest DOCX: mostly pictures, which are not read."""

MAX_TEXT_BYTES = 64 << 20
"""Largest part of text when unpacked. A page of text is about 20 KiB of it, and in memory ten times
that; a small file that unpacks to more is made to break programs."""

MAX_UNPACKED_BYTES = 512 << 20
"""All parts together, pictures too: python-docx holds them all."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_LEFT_OUT = frozenset(
    {
        f"{_W}del",  # tracked changes
        f"{_W}moveFrom",
        f"{_W}instrText",  # what a field calculates
        f"{_W}rPr",
        f"{_W}pPr",
        "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",  # a second copy
    }
)
_SIGNS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_PAGE_BREAK = f"{_W}lastRenderedPageBreak"
_CELL_BORDER = " | "


def read_docx(path: Path) -> Document:
    """Read a DOCX file's text. Raises SourceError where it is damaged, locked or too large."""
    check_size(path, MAX_BYTES)
    _check_package(path)
    text = _Text()
    try:
        _read_body(_opened(path), text)
    except (LookupError, ValueError, AttributeError, RecursionError, NotImplementedError) as exc:
        raise _damaged() from exc
    return assemble(text.pieces)


def _check_package(path: Path) -> None:
    """Raise SourceError for what is no DOCX, and before anything unpacks to more than fits."""
    try:
        with zipfile.ZipFile(path) as package:
            sizes = {part.filename: part.file_size for part in package.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
        with path.open("rb") as file:
            is_ole = file.read(4) == b"\xd0\xcf\x11\xe0"
        if is_ole:  # the container of old .doc files, and of locked .docx files
            raise SourceError(
                "The file is encrypted, or an old .doc file.",
                hint="Save it as .docx without a password.",
            ) from exc
        raise _damaged() from exc
    if "[Content_Types].xml" not in sizes:
        raise _damaged()
    text = max((n for name, n in sizes.items() if name.endswith((".xml", ".rels"))), default=0)
    for size, most in ((text, MAX_TEXT_BYTES), (sum(sizes.values()), MAX_UNPACKED_BYTES)):
        if size > most:
            raise SourceError(
                f"The file unpacks to {size >> 20} MiB, more than {most >> 20}.", hint="Split it."
            )


def _damaged() -> SourceError:
    return SourceError(
        "The file is no DOCX, or damaged.", hint="Open it in a word processor and save it again."
    )


def _opened(path: Path) -> WordFile:
    import docx
    from docx.opc.exceptions import OpcError
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    try:
        return docx.Document(str(path))
    except (OpcError, LxmlError, zipfile.BadZipFile, zlib.error, EOFError, TypeError) as exc:
        raise _damaged() from exc


def _read_body(file: WordFile, text: _Text) -> None:
    from docx.table import Table

    for item in file.iter_inner_content():
        if isinstance(item, Table):
            _read_table(item, text)
        else:
            _read_runs(item._p, text)
            text.end(level=_level(item))


def _read_table(table: Any, text: _Text) -> None:
    """Write a row a block, cells apart by bars; a cell that spans several columns comes once."""
    for place, row in enumerate(table.rows):
        for number, cell in enumerate(row._tr.tc_lst):
            text.write(_CELL_BORDER if number else "")
            for paragraph_number, paragraph in enumerate(cell.iter(f"{_W}p")):
                text.write(" " if paragraph_number else "")
                _read_runs(paragraph, text, breaks=" ")
        text.end(is_joined=place > 0, is_row=True)


def _read_runs(element: Any, text: _Text, breaks: str = "\n") -> None:
    for child in element:
        if child.tag == f"{_W}t":
            text.write(child.text or "")
        elif child.tag == _PAGE_BREAK:
            text.turn_page()
        elif child.tag in _SIGNS:
            text.write(breaks if _SIGNS[child.tag] == "\n" else _SIGNS[child.tag])
        elif child.tag not in _LEFT_OUT:
            _read_runs(child, text, breaks)


def _level(paragraph: Any) -> int:
    """Return a heading's level: of its style, of a style that this one is made of, or its outline."""
    style = paragraph.style
    for _ in range(10):
        if style is None:
            break
        name = str(style.name or "")
        if name == "Title":
            return 1
        if name.startswith("Heading ") and name[8:].isdigit():
            return min(6, int(name[8:]))
        style = style.base_style
    outline = paragraph._p.find(f"{_W}pPr/{_W}outlineLvl")
    value = "" if outline is None else str(outline.get(f"{_W}val"))
    return int(value) + 1 if value.isdigit() and int(value) < 6 else 0


class _Text:
    """Collects a document's pieces and where its pages begin."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._parts: list[str] = []
        self._turns: list[int] = []

    def write(self, text: str) -> None:
        self._parts.append(text)

    def turn_page(self) -> None:
        self._turns.append(sum(map(len, self._parts)))

    def end(self, *, level: int = 0, is_joined: bool = False, is_row: bool = False) -> None:
        """End a piece; one without text leaves its page turns to the next."""
        whole = "".join(self._parts)
        text = whole.strip()
        self._parts = []
        if not text.strip("| "):
            self._turns = [0] * len(self._turns)
            return
        n_before = len(whole) - len(whole.lstrip())
        turns = tuple(min(max(0, turn - n_before), len(text)) for turn in self._turns)
        self.pieces.append(Piece(text, level, is_joined, is_row, turns))
        self._turns = []
