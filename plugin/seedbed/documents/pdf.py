"""PDF → document: paragraphs found again from lines, running headers left out, pages kept.

pdfium gives the characters of a page with their places. Lines that belong to one paragraph are
joined by spaces in place of line ends, so that the length stays and every position in the document
is one in its page's own text. A page's own text has a line end behind every paragraph; its running
header and footer are in it, but not in the document. What is filled in in a form is read as if it
were printed.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed.documents.document import Block, Document, Page
from seedbed.documents.reading import MAX_CHARACTERS, check_size
from seedbed.errors import SourceError

if TYPE_CHECKING:
    import pypdfium2 as pdfium  # type: ignore[import-untyped]

MAX_BYTES = 512 << 20
"""Largest PDF: scans of a thick folder. pdfium reads it from the disk as it goes."""

MAX_PAGES = 5_000

_ACRO_FORM = 1  # pdfium's FORMTYPE_ACRO_FORM
_MIN_LETTERS = 3  # fewer on a page are dirt of a scan
_GARBLED = 0.3  # a page with this share of characters without a meaning has a font without a table
_RUNNING_SHARE = 0.6  # a line is a running one if it stands on most pages that have text,
_MIN_RUNNING = 3  # of so many or more
_RUNNING_LINES = 4  # at a page's beginning or end, counted in lines
_SAME_PLACE = 4.0  # points of height that make no difference
_LOOSE = 1.3  # a gap of more than this many usual line pitches separates paragraphs
_LARGER = 1.12  # a heading's letters are at least this much larger than the body's
_MAX_HEADING = 150  # characters

_HYPHENS = "\x02\ufffe"  # how pdfium marks a hyphen at a line's end; the next line follows at once
_NUMBER_SIGN = "\x00"  # stands for a page number where lines are compared
_PAGE_NUMBERS = (
    re.compile(r"^\W*(\d{1,4})\W*$"),
    re.compile(r"^\W*(\d{1,4})\W*(?:of|von|de|sur|/)\W*\d{1,4}\W*$"),
    re.compile(r"\b(?:page|seite|blatt|p[aá]gina|p\.|s\.) ?(\d{1,4})\b"),
    re.compile(r"^(?:[^\W\d]+\W+){3,}(\d{1,4})$"),  # beside words; "Part 3" may be a title
)
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)
_MEANINGLESS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd\ufffe\uffff]")
_BULLETS = "-*•‣▪●○\u2013"
_ITEM = re.compile(
    rf"(?:[{re.escape(_BULLETS)}]|\(?(?:\d{{1,3}}|[a-zA-Z]|[ivxIVX]{{1,5}})[.)]|\d+(?:\.\d+)+\.?)\s"
)
_CLOSED = (".", "!", "?", ":", ";", "…", ".”", '."', ".)", "\u3002", "\uff01", "\uff1f")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a page: its text without line end, and where and how it is printed (points)."""

    text: str
    left: float
    right: float
    base: float
    size: float
    is_bold: bool = False
    is_hyphenated: bool = False


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A page: its lines in reading order, those of header and footer to be left out, and its kind."""

    number: int
    lines: list[_Line]
    has_image: bool = False
    is_garbled: bool = False
    n_head: int = 0
    n_foot: int = 0

    @property
    def body(self) -> list[_Line]:
        return self.lines[self.n_head : len(self.lines) - self.n_foot]


def read_pdf(path: Path) -> Document:
    """Read a PDF's text. Raises SourceError where it is damaged, locked, scanned or too large."""
    check_size(path, MAX_BYTES)
    sheets = _sheets(path)
    scanned = [sheet.number for sheet in sheets if not sheet.lines and sheet.has_image]
    garbled = [sheet.number for sheet in sheets if sheet.is_garbled]
    readable = [sheet for sheet in sheets if sheet.lines]
    if not readable:
        raise SourceError(_without_text(scanned, garbled), hint="")
    notes = [_without_text(scanned, garbled)] if scanned or garbled else []
    document = _document(_mended(_without_running_lines(readable)))
    return replace(document, notes=tuple(notes), n_pages=len(sheets))


def _without_text(scanned: Sequence[int], garbled: Sequence[int]) -> str:
    said = []
    if scanned:
        said.append(f"{_pages(scanned)} no text: scanned; run OCR first.")
    if garbled:
        said.append(f"{_pages(garbled)} letters that cannot be read (a font without a table); OCR.")
    return " ".join(said) or "The file holds no text. Leave it out, or fill it."


def _pages(numbers: Sequence[int]) -> str:
    """Put page numbers in words, ranges joined: "Pages 2-7 and 9 have"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in ranges]
    listed = ", ".join(shown[:-1]) + (" and " if shown[:-1] else "") + shown[-1]
    return f"Page {listed} has" if len(numbers) == 1 else f"Pages {listed} have"


# --- pages → lines -------------------------------------------------------------------------------


def _sheets(path: Path) -> list[_Sheet]:
    import pypdfium2 as pdfium

    try:
        with pdfium.PdfDocument(path) as pdf:
            if len(pdf) > MAX_PAGES:
                raise SourceError(
                    f"The PDF has {len(pdf)} pages, more than {MAX_PAGES}.", hint="Split it."
                )
            if pdf.get_formtype() == _ACRO_FORM:
                pdf.init_forms()
            sheets, n = [], 0
            for number in range(1, len(pdf) + 1):
                sheets.append(_sheet(pdf, number))
                n += sum(len(line.text) for line in sheets[-1].lines)
                if n > MAX_CHARACTERS:
                    raise SourceError(
                        f"The document has more than {MAX_CHARACTERS:,} characters.",
                        hint="Split it.",
                    )
            return sheets
    except pdfium.PdfiumError as exc:
        raise _refusal(exc) from exc


def _refusal(exc: pdfium.PdfiumError) -> SourceError:
    if "assword" in str(exc) or "ecurity" in str(exc):
        return SourceError("The PDF is encrypted.", hint="Save it without a password.")
    return SourceError(
        "The PDF is damaged or none at all.", hint="Open it in a viewer and save it again."
    )


def _sheet(pdf: pdfium.PdfDocument, number: int) -> _Sheet:
    page = _page(pdf, number)
    try:
        text = page.get_textpage()
        try:
            lines = list(_lines(text, page.get_rotation()))
        finally:
            text.close()
        shown = "".join(line.text for line in lines)
        n_bad = len(_MEANINGLESS.findall(shown))
        is_garbled = len(shown) > _MIN_LETTERS and n_bad > _GARBLED * len(shown)
        n_letters = sum(map(str.isalnum, shown))
        if is_garbled or n_letters < _MIN_LETTERS:
            # whatever is drawn there is no text; an empty page is nothing to warn of
            has_image = not is_garbled and next(page.get_objects(max_depth=3), None) is not None
            return _Sheet(number, [], has_image, is_garbled)
        return _Sheet(number, [replace(line, text=_clean(line.text)) for line in lines])
    finally:
        page.close()


def _page(pdf: pdfium.PdfDocument, number: int) -> pdfium.PdfPage:
    """Open a page, what is filled in in its form printed on it; the file stays as it is."""
    page = pdf[number - 1]
    if not pdf.formenv:
        return page
    page.flatten()
    page.close()  # a handle from before knows nothing of it
    return pdf[number - 1]


def _lines(text: pdfium.PdfTextPage, turn: int) -> Iterator[_Line]:
    start, characters = 0, _characters(text)
    for at, char in enumerate([*characters, "\n"]):
        is_hyphen = char in _HYPHENS and at < len(characters)
        if char not in "\r\n" and not is_hyphen:
            continue
        if "".join(characters[start:at]).strip():
            yield _measured(text, characters[start:at], start, is_hyphen, turn)
        start = at + 1


def _characters(text: pdfium.PdfTextPage) -> list[str]:
    """Return the page's characters at pdfium's own indices; half pairs where it has such."""
    said, n = text.get_text_range(), text.count_chars()
    if len(said) == n:
        return list(said)
    import pypdfium2.raw as raw  # type: ignore[import-untyped]

    return [chr(raw.FPDFText_GetUnicode(text, i)) for i in range(n)]


def _joined(characters: Sequence[str]) -> str:
    """Put characters together; those beyond the first plane may come as pairs."""
    text = "".join(characters)
    if any("\ud800" <= char <= "\udfff" for char in text):
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _measured(
    text: pdfium.PdfTextPage, characters: Sequence[str], start: int, is_hyphen: bool, turn: int
) -> _Line:
    """Measure a line as it is shown: a landscape page may be an upright one that is turned."""
    inked = [i for i, char in enumerate(characters, start) if not char.isspace()]
    first, last = inked[0], inked[-1]
    letter = next((i for i in inked if characters[i - start].isalnum()), first)  # no bullet
    left, _, _, _ = _box(text, first, turn)
    _, bottom, _, top = _box(text, letter, turn)
    _, _, right, _ = _box(text, last, turn)
    return _Line(
        text=_joined(characters).strip(),
        left=left,
        right=right,
        base=bottom,
        size=round(top - bottom, 1),  # as printed: the font's own size may be scaled
        is_bold=_is_bold(text, letter) and _is_bold(text, last),
        is_hyphenated=is_hyphen,
    )


def _box(text: pdfium.PdfTextPage, index: int, turn: int) -> tuple[float, float, float, float]:
    """Return a character's left, bottom, right and top on the page turned clockwise by degrees."""
    left, bottom, right, top = text.get_charbox(index, loose=True)
    if turn == 90:
        return bottom, -right, top, -left
    if turn == 180:
        return -right, -top, -left, -bottom
    if turn == 270:
        return -top, left, -bottom, right
    return left, bottom, right, top


def _is_bold(text: pdfium.PdfTextPage, index: int) -> bool:
    import pypdfium2.raw as raw

    name = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(text, index, name, 128, flags)
    return b"bold" in name.value.lower() or b"black" in name.value.lower()


def _clean(text: str) -> str:
    """Spell ligatures out; what is no character becomes a space."""
    return " ".join(_MEANINGLESS.sub(" ", text.translate(_LIGATURES)).replace("\u00ad", "").split())


# --- running lines, hyphens ----------------------------------------------------------------------


def _without_running_lines(sheets: Sequence[_Sheet]) -> list[_Sheet]:
    """Mark the lines that stand on most pages: at the beginning or end, in the same place.

    Of two pages, only where they are numbered: what stands on both may be a title.
    """
    counts: Counter[str] = Counter()
    for sheet in sheets:
        ends = sheet.lines[:_RUNNING_LINES] + sheet.lines[_RUNNING_LINES:][-_RUNNING_LINES:]
        counts.update({pattern for line in ends for pattern in _patterns(line, sheet.number)})
    n_wanted = max(2.0, _RUNNING_SHARE * len(sheets))
    running = {pattern for pattern, n in counts.items() if n >= n_wanted}
    if len(sheets) < _MIN_RUNNING and not any(_NUMBER_SIGN in pattern for pattern in running):
        return list(sheets)
    marked = [_marked(sheet, running) for sheet in sheets]
    return marked if any(sheet.body for sheet in marked) else list(sheets)  # the same page thrice


def _marked(sheet: _Sheet, running: set[str]) -> _Sheet:
    is_running = [bool(running & set(_patterns(line, sheet.number))) for line in sheet.lines]
    n_head, n_foot = _n_running(is_running), _n_running(is_running[::-1])
    if n_head + n_foot >= len(is_running):  # nothing else on this page
        return replace(sheet, n_head=len(is_running), n_foot=0)
    return replace(sheet, n_head=n_head, n_foot=n_foot)


def _patterns(line: _Line, page: int) -> list[str]:
    """Return what makes a line the same on other pages: its words, or those around a page number.

    Any other number makes it another line: the balance of a statement is no running header.
    """
    place, words = round(line.base / _SAME_PLACE), line.text.lower()
    patterns = [f"{place} {words}"]
    number = next((found for form in _PAGE_NUMBERS if (found := form.search(words))), None)
    if number:
        start, end = number.span(1)
        counted = f"{_NUMBER_SIGN}{int(number[1]) - page}"
        patterns.append(f"{place} {words[:start]}{counted}{words[end:]}")
    return patterns


def _n_running(is_running: Sequence[bool]) -> int:
    n = 0
    while n < min(_RUNNING_LINES, len(is_running)) and is_running[n]:
        n += 1
    return n


def _mended(sheets: Sequence[_Sheet]) -> list[_Sheet]:
    """Join words that a line's end cuts: without the hyphen where the document has the word so.

    The first word of the next line moves up; elsewhere the hyphen stays, and nothing is lost.
    """
    known = Counter(
        word.lower()
        for sheet in sheets
        for line in sheet.lines
        for word in _WORD.findall(line.text)
    )
    return [replace(sheet, lines=_mended_parts(sheet, known)) for sheet in sheets]


def _mended_parts(sheet: _Sheet, known: Counter[str]) -> list[_Line]:
    """Mend header, body and footer each by itself: no word goes on in a footer."""
    head, foot = sheet.lines[: sheet.n_head], sheet.lines[len(sheet.lines) - sheet.n_foot :]
    return [line for part in (head, sheet.body, foot) for line in _mended_lines(part, known)]


_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def _mended_lines(lines: Sequence[_Line], known: Counter[str]) -> Iterator[_Line]:
    moved = ""
    for place, line in enumerate(lines):
        text = line.text.removeprefix(moved).lstrip() if moved else line.text
        moved = ""
        if line.is_hyphenated and place + 1 < len(lines):
            moved = lines[place + 1].text.split(" ")[0]
            text += ("" if _is_one_word(text, moved, known) else "-") + moved
        elif line.is_hyphenated:
            text += "-"
        yield replace(line, text=text)


def _is_one_word(text: str, rest: str, known: Counter[str]) -> bool:
    head, tail = _WORD.findall(text)[-1:], _WORD.findall(rest)[:1]
    if not head or not tail:
        return False
    joined, hyphenated = f"{head[0]}{tail[0]}".lower(), f"{head[0]}-{tail[0]}".lower()
    return known[joined] > known[hyphenated]


# --- lines → paragraphs --------------------------------------------------------------------------


def _document(sheets: Sequence[_Sheet]) -> Document:
    text = _Text()
    for sheet in sheets:
        text.add(sheet)
    whole = "".join(text.parts)
    blocks = _blocks(whole, text.starts, [line for sheet in sheets for line in sheet.body])
    return Document(whole, tuple(blocks), tuple(text.pages))


class _Text:
    """Collects the document's text, where its paragraphs start, and its pages."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.starts: list[tuple[int, _Line]] = []
        self.pages: list[Page] = []
        self._at = 0
        self._before: _Line | None = None

    def add(self, sheet: _Sheet) -> None:
        start, shape = self._at, _shape(sheet.body)
        for line in sheet.body:
            if line.text:
                self._add_line(line, shape)
        if self._at > start:
            offset = sum(len(line.text) + 1 for line in sheet.lines[: sheet.n_head] if line.text)
            self.pages.append(Page(sheet.number, start, self._at, offset))
        if self._before:  # the next page's first line has nothing above it to compare
            self._before = replace(self._before, base=nan)

    def _add_line(self, line: _Line, shape: _Shape) -> None:
        if self._before is None or _begins(line, self._before, shape):
            self.starts.append((self._at, line))
        else:  # the paragraph goes on: no line end
            self.parts[-1] = f"{self.parts[-1][:-1]} "
        self.parts.append(f"{line.text}\n")
        self._at += len(line.text) + 1
        self._before = line


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a page is set: the usual distance of lines (points), and its lines."""

    pitch: float
    lines: Sequence[_Line]

    def would_fit(self, line: _Line, before: _Line) -> bool:
        """Tell whether a line's first word had room at the end of the line before.

        Then the break was meant. The room ends where the longest line does that begins as far left.
        """
        near = 3 * before.size
        right = max(o.right for o in self.lines if abs(o.left - before.left) < near)
        letter = (before.right - before.left) / max(1, len(before.text))
        return before.right + 1.2 * (len(line.text.split()[0]) + 1) * letter < right


def _shape(lines: Sequence[_Line]) -> _Shape:
    """Take the distance of most lines within paragraphs: those between paragraphs are larger."""
    steps = [a.base - b.base for a, b in pairwise(lines)]
    largest = max((line.size for line in lines), default=0.0)
    usual = sorted(step for step in steps if 0 < step < 4 * largest)
    return _Shape(usual[len(usual) // 5] if usual else 0.0, lines)


def _begins(line: _Line, before: _Line, shape: _Shape) -> bool:
    """Tell whether a line begins a paragraph."""
    if abs(line.size - before.size) > 0.1 * before.size:
        return not _goes_on(line, before)
    step = before.base - line.base
    if isnan(step) or step < 0:  # another page or column
        return not _goes_on(line, before)
    if step > _LOOSE * max(shape.pitch, line.size):
        return True
    if before.is_hyphenated:
        return False
    is_closed, is_meant = before.text.endswith(_CLOSED), shape.would_fit(line, before)
    is_indented = line.left > before.left + 0.8 * line.size
    if is_closed and (is_indented or before.text.endswith(":")):
        return True
    if _ITEM.match(line.text):  # "(b)" may stand in running text
        return is_meant or (is_closed and line.text[0] != "(")
    is_other = line.is_bold != before.is_bold or not line.text[0].islower()
    return is_meant and (is_closed or is_other)


def _goes_on(line: _Line, before: _Line) -> bool:
    """Tell whether a sentence goes on where the print says nothing."""
    if before.is_hyphenated:
        return True
    if before.text.endswith(_CLOSED):
        return False
    return line.text[:1].islower() or before.text.endswith(",")


def _body_size(lines: Sequence[_Line]) -> float:
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _blocks(
    text: str, starts: Sequence[tuple[int, _Line]], lines: Sequence[_Line]
) -> Iterator[Block]:
    """Tell headings from paragraphs: larger letters than the body's, or bold ones in a short line."""
    body_size = _body_size(lines)
    sizes = sorted({line.size for line in lines if line.size >= _LARGER * body_size}, reverse=True)
    levels = {size: level for level, size in enumerate(sizes[:5], start=1)}
    ends = [*(start for start, _ in starts[1:]), len(text)]
    for (start, line), end in zip(starts, ends, strict=True):
        said = text[start:end].strip()
        level = levels.get(line.size, len(levels) + 1 if line.is_bold else 0)
        if len(said) > _MAX_HEADING or said.endswith((".", ",", ";", ":")) or said[0] in _BULLETS:
            level = 0
        yield Block(start, end, level, is_joined=not level and bool(_ITEM.match(said)))
