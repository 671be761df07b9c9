"""HTML → document: what a reader of the page reads; scripts, styles and navigation are left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed import decoding
from seedbed.documents.document import Document, Piece, assemble
from seedbed.documents.reading import check_size
from seedbed.errors import SourceError

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from bs4.element import Tag

MAX_BYTES = 16 << 20
"""Largest HTML file: its tree takes some 20 times as much memory. A long law is 3 MiB."""

_NO_READING = """
script style template noscript svg math head nav footer aside form button select iframe object audio
video canvas dialog
"""
_LEFT_OUT = _NO_READING.split()
_HIDDEN = "[hidden], [aria-hidden=true], [role=navigation], [role=banner], [role=contentinfo], [role=search]"
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_OWN_LINES = """
address article blockquote body caption center dd details div dl dt fieldset figcaption figure header
hr html li main ol p pre section summary table tbody tfoot thead tr ul
"""
_BLOCKS = frozenset(_OWN_LINES.split())
_BULLET = "- "
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{2,30})", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,100}encoding\s*=\s*[\"']([\w-]{2,30})")


def read_html(path: Path) -> Document:
    """Read an HTML file's text. Raises SourceError where it is too large, or no HTML."""
    from bs4 import BeautifulSoup
    from bs4.exceptions import ParserRejectedMarkup

    check_size(path, MAX_BYTES)
    encoding = _encoding(path)
    source = decoding.read_text(path, encoding)
    try:
        tree = BeautifulSoup(re.sub(r"^\s*<\?xml[^>]*\?>", "", source), "lxml")
        text = _Text()
        text.read(_main(tree))
        text.end()
    except (ParserRejectedMarkup, RecursionError, ValueError) as exc:
        raise SourceError("The file is no HTML, or damaged.", hint="Save the page again.") from exc
    return assemble(text.pieces, encoding=encoding.name, note=encoding.note)


def _encoding(path: Path) -> decoding.Encoding:
    """Take the page's own word for its encoding where its bytes bear that out."""
    found = decoding.detect(path)
    if found.mark or not found.is_assumed:
        return found
    with path.open("rb") as file:
        head = file.read(4096)
    declared = _CHARSET.search(head) or _XML_ENCODING.search(head)
    if not declared:
        return found
    name = declared[1].decode().lower()
    codec = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252"}.get(name, name)
    try:
        path.read_bytes().decode(codec)
    except (LookupError, UnicodeDecodeError):
        return found
    return decoding.Encoding(codec.replace("windows-", "cp"))


def _main(tree: BeautifulSoup) -> Tag:
    """Return what holds the page's content, without what is no reading matter."""
    for tag in [*tree.find_all(_LEFT_OUT), *tree.select(_HIDDEN)]:
        tag.decompose()
    whole = tree.body or tree
    mains = tree.select("main, [role=main]")
    if len(mains) == 1 and len(mains[0].get_text()) > len(whole.get_text()) / 4:
        return mains[0]
    for header in whole.find_all("header", recursive=False):
        if not header.find(list(_HEADINGS)):
            header.decompose()
    return whole


class _Text:
    """Collects a page's pieces: white space as a browser shows it."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._held: list[str] = []
        self._level = 0
        self._is_joined = False
        self._is_row = False
        self._is_verbatim = False

    def read(self, tag: Tag) -> None:
        """Read a tag and all in it."""
        from bs4.element import NavigableString, Tag

        for child in tag.children:
            if isinstance(child, Tag):
                self._read_tag(child)
            elif type(child) is NavigableString:  # its kinds are comments, doctypes and the like
                self._held.append(str(child) if self._is_verbatim else _collapsed(str(child)))

    def _read_tag(self, tag: Tag) -> None:
        name = tag.name
        if name == "br":
            self._held.append("\n")
        elif name == "tr" and not _is_layout(tag):
            self._row(tag)
        elif name in _BLOCKS or name in _HEADINGS:
            self._block(tag)
        else:
            self.read(tag)

    def _block(self, tag: Tag) -> None:
        self.end()
        self._level = _HEADINGS.get(tag.name, 0)
        self._is_verbatim = tag.name == "pre"
        if tag.name == "li":
            self._is_joined = tag.find_previous_sibling("li") is not None
            self._held = [_BULLET]
        self.read(tag)
        self.end()
        self._held, self._level, self._is_joined, self._is_verbatim = [], 0, False, False

    def _row(self, row: Tag) -> None:
        """Write a table's row in one line, cells apart by bars."""
        self.end()
        cells = [_collapsed(cell.get_text(" ")).strip() for cell in row.find_all(["td", "th"])]
        self._is_joined = row.find_previous_sibling("tr") is not None
        self._held = [" | ".join(cells) if any(cells) else ""]
        self._is_row = True
        self.end()
        self._is_joined = self._is_row = False

    def end(self) -> None:
        """End a piece; one without text leaves none. A bullet waits for its text."""
        text = "".join(self._held)
        if self._is_verbatim:
            text = text.strip("\r\n").rstrip()
        else:
            text = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", text)).strip()
        if text == _BULLET.strip():
            return
        self._held = []
        if text.strip():
            self.pieces.append(Piece(text, self._level, self._is_joined, self._is_row))


def _is_layout(row: Tag) -> bool:
    """Tell a table that only places paragraphs from one that holds data."""
    return row.find(["table", *_HEADINGS]) is not None or len(row.find_all("p")) > 3


def _collapsed(text: str) -> str:
    return re.sub(r"[ \t\r\n\f\u200b]+", " ", text)
