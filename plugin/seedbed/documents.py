"""A document as one text with its blocks and pages, whatever its file was, and places within it.

    .txt .md      here
    .pdf          pdf_document.py
    .docx         word_document.py
    .html .htm    html_document.py

All positions are code points in `Document.text`. The same file gives the same text again, so that a
position that was stored still means the same.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

from seedbed import decoding
from seedbed.errors import SourceError
from seedbed.text import shortened

MAX_CHARACTERS = 10_000_000
"""Most text of one document: about ten thick books. It is held as a whole; cutting it takes about 11
bytes a character at the peak (measured)."""

MAX_HEADING = 120
"""Longest path of headings in the provenance."""

_MAX_TITLE = 60


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, paragraph or table row, with the white space behind it; blocks tile the document.

    `level` is a heading's, 1 for the highest, and 0 for anything else. `is_joined` is set where it
    goes on what stands before it: a further row of a table, a further item of a list. `is_row` is
    set for a table's row, which is no running text.
    """

    start: int
    end: int
    level: int = 0
    is_joined: bool = False
    is_row: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page's share of the document; pages tile it.

    `number` counts from 1. text[start:end] is `own[offset : offset + end - start]`, where `own` is
    the page's own text: all of it, with the running header and footer that the document leaves out.
    """

    number: int
    start: int
    end: int
    offset: int = 0


@dataclass(frozen=True)
class Document:
    """What was read of a file: `n_pages` counts those without text too, and is 0 without pages.

    `notes` say what a person should know of the reading.
    """

    text: str
    blocks: tuple[Block, ...]
    pages: tuple[Page, ...] = ()
    notes: tuple[str, ...] = ()
    encoding: str = ""
    n_pages: int = 0

    def heading(self, position: int) -> str:
        """Return the path of headings that a position stands under, such as `Lease > Deposit`."""
        place = bisect.bisect_right(self._sections, position, key=lambda section: section[0])
        return self._sections[place - 1][1] if place else ""

    @cached_property
    def _sections(self) -> list[tuple[int, str]]:
        """Return where each heading starts, with the path down to it."""
        sections: list[tuple[int, str]] = []
        path: list[tuple[int, str]] = []
        for block in self.blocks:
            if block.level:
                path = [each for each in path if each[0] < block.level]
                path.append((block.level, _title(self.text[block.start : block.end])))
                sections.append((block.start, _path([title for _, title in path])))
        return sections

    def page_spans(self, start: int, end: int) -> list[list[int]]:
        """Return [page, start, end] for each page that text[start:end] touches, in its own text.

        Their lengths add up to end - start.
        """
        spans = []
        first_page = bisect.bisect_right(self.pages, start, key=lambda page: page.start) - 1
        for page in self.pages[max(0, first_page) :]:
            if page.start >= end:
                break
            first, last = max(start, page.start), min(end, page.end)
            if first < last:
                shift = page.offset - page.start
                spans.append([page.number, first + shift, last + shift])
        return spans

    def provenance(self, start: int, end: int) -> dict[str, Any]:
        """Say where text[start:end] stands; `locate` reads it."""
        where: dict[str, Any] = {"char_start": start, "char_end": end}
        if spans := self.page_spans(start, end):
            where |= {"page": spans[0][0], "page_end": spans[-1][0], "page_spans": spans}
        if heading := self.heading(start):
            where["heading"] = heading
        return where


@dataclass(slots=True)
class Piece:
    """A block as a reader finds it, without white space around; `turns` are where pages begin in it."""

    text: str
    level: int = 0
    is_joined: bool = False
    is_row: bool = False
    turns: tuple[int, ...] = ()


def assemble(pieces: Sequence[Piece], *, encoding: str = "", note: str = "") -> Document:
    """Put pieces together: a blank line between them, a line end where one is joined to the other."""
    blocks, turns, at = [], [0], 0
    parts: list[str] = []
    for piece, after in zip_longest(pieces, pieces[1:]):
        parts += [piece.text, "\n" if after is None or after.is_joined else "\n\n"]
        end = at + len(piece.text) + len(parts[-1])
        blocks.append(Block(at, end, piece.level, piece.is_joined, piece.is_row))
        turns += [at + turn for turn in piece.turns]
        at = end
    bounds = list(zip(turns, [*turns[1:], at], strict=True)) if len(turns) > 1 else []
    pages = [Page(n, start, end) for n, (start, end) in enumerate(bounds, 1) if start < end]
    notes = (note,) if note else ()
    return Document("".join(parts), tuple(blocks), tuple(pages), notes, encoding, len(bounds))


# --- places --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece of a passage stands in its document.

    `start` and `end` count in the document's text, those of `pages` (page, start, end) in each
    page's own; there are none where the format has no pages.
    """

    file: str
    start: int
    end: int
    pages: tuple[tuple[int, int, int], ...] = ()
    heading: str = ""

    def __str__(self) -> str:
        if not self.pages:
            return f"{self.file}, characters {self.start}-{self.end}"
        spans = [
            f"page {page}, characters {start}-{end} of that page" for page, start, end in self.pages
        ]
        return f"{self.file}, {'; '.join(spans)}"


def locate(
    provenance: Mapping[str, Any], start: int | None = None, end: int | None = None
) -> Place | None:
    """Return where passage[start:end] stands in the document; the whole passage if none is given.

    `provenance` is a source's, or an example's, which holds the source's under `source` or, out of
    Label Studio, under keys like `source.page`. A span is clipped to the passage. None where the
    source is no piece of a document.
    """
    where = _of_source(provenance)
    try:
        first, last = int(where["char_start"]), int(where["char_end"])
        spans = _spans(where.get("page_spans"))
    except (KeyError, TypeError, ValueError):
        return None
    length = last - first
    begin = min(max(0, start or 0), length)
    stop = length if end is None else min(max(begin, end), length)
    return Place(
        file=str(where.get("file", "")),
        start=first + begin,
        end=first + stop,
        pages=tuple(_within(spans, begin, stop)),
        heading=str(where.get("heading", "")),
    )


def _of_source(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    if "char_start" in provenance:
        return provenance
    nested = provenance.get("source")
    if isinstance(nested, Mapping):
        return nested
    prefix = "source."
    return {k.removeprefix(prefix): v for k, v in provenance.items() if k.startswith(prefix)}


def _spans(value: Any) -> list[tuple[int, int, int]]:
    """Read page spans as lists, or as the text that Label Studio's table shows of them."""
    if isinstance(value, str):
        numbers = [int(number) for number in re.findall(r"\d+", value)]
        return [tuple(numbers[i : i + 3]) for i in range(0, len(numbers) - 2, 3)]  # type: ignore[misc]
    return [(int(page), int(start), int(end)) for page, start, end in value or ()]


def _within(
    spans: Sequence[tuple[int, int, int]], begin: int, stop: int
) -> Iterator[tuple[int, int, int]]:
    """Clip spans that tile a passage to passage[begin:stop]."""
    at = 0
    for page, start, end in spans:
        first, last = max(begin, at), min(stop, at + end - start)
        if first < last or (begin == stop == first == at):
            yield page, start + first - at, start + last - at
        at += end - start


def _title(text: str) -> str:
    return shortened(" ".join(text.split()).strip("#=*_- "), _MAX_TITLE)


def _path(titles: list[str]) -> str:
    """Join titles to a path, leaving out upper ones where it gets too long."""
    while len(titles) > 1 and len(" > ".join(titles)) > MAX_HEADING:
        titles = titles[1:]
    return " > ".join(titles)


# --- files ---------------------------------------------------------------------------------------

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
        from seedbed.pdf_document import read_pdf

        return read_pdf
    if suffix == ".docx":
        from seedbed.word_document import read_docx

        return read_docx
    if suffix in {".html", ".htm"}:
        from seedbed.html_document import read_html

        return read_html
    return read_markdown if suffix == ".md" else read_plain


def read_markdown(path: Path) -> Document:
    """Read a Markdown file verbatim; its headings are those with # or underlined, out of code."""
    return _read_lines(path, _markdown_level)


def read_plain(path: Path) -> Document:
    """Read a text file verbatim.

    A heading is a short line by itself, in capitals or numbered, without a full stop.
    """
    return _read_lines(path, _plain_level)


def _read_lines(path: Path, level_of: Callable[[str], int]) -> Document:
    check_size(path, 4 * MAX_CHARACTERS)
    encoding = decoding.detect(path)
    text = decoding.read_text(path, encoding)
    blocks = tuple(_paragraphs(text, level_of))
    note = (encoding.note,) if encoding.note else ()
    return Document(text, blocks, notes=note, encoding=encoding.name)


_ATX = re.compile(r" {0,3}(#{1,6})(?:\s|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)\s*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_NUMBERED = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,3})*\.?|[IVXLC]{1,6}\.|§+ ?\d[\w.-]*|(?i:article|section|chapter|part|annex|"
    r"schedule|appendix|exhibit|artikel|abschnitt|kapitel|anhang) [\dIVXLCA-Z][\w.]*[:.]?)\s+\w"
)
_MAX_PLAIN_HEADING = 80


def _markdown_level(paragraph: str) -> int:
    lines = paragraph.strip().splitlines()
    if match := _ATX.match(paragraph):
        return len(match[1])
    if len(lines) == 2 and (match := _UNDERLINE.match(lines[1])):
        return 1 if match[1][0] == "=" else 2
    return 0


def _plain_level(paragraph: str) -> int:
    lines = [line.strip() for line in paragraph.strip().splitlines()]
    if len(lines) == 2 and len(lines[1]) > 2 and _UNDERLINE.match(lines[1]):
        return 1 if lines[1][0] == "=" else 2
    if len(lines) != 1 or len(lines[0]) > _MAX_PLAIN_HEADING:
        return 0
    line = lines[0]
    is_loud = line.isupper() and sum(map(str.isalpha, line)) > 2
    is_open = line[-1] not in ".;,!?…" or line[0] == "§"  # laws close their titles
    return 2 if (is_loud or _NUMBERED.match(line)) and is_open else 0


def _paragraphs(text: str, level_of: Callable[[str], int]) -> Iterator[Block]:
    """Yield paragraphs with the blank lines behind them; a Markdown heading is one of its own."""
    start, at, is_ended, is_code = 0, 0, False, False
    is_markdown = level_of is _markdown_level
    for line in text.splitlines(keepends=True):
        is_blank = not line.strip()
        is_heading = is_markdown and not is_code and bool(_ATX.match(line))
        if at > start and not is_blank and (is_heading or (is_ended and not is_code)):
            yield _block(text, start, at, level_of)
            start = at
        is_code ^= is_markdown and bool(_FENCE.match(line))
        # leading blank lines belong to the first paragraph
        is_ended = bool(is_heading or (is_blank and (is_ended or text[start:at].strip())))
        at += len(line)
    if at > start:
        yield _block(text, start, at, level_of)


def _block(text: str, start: int, end: int, level_of: Callable[[str], int]) -> Block:
    return Block(start, end, level_of(text[start:end]))
