"""Text and Markdown → document: verbatim, cut into paragraphs, with the headings that can be told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from seedbed import decoding
from seedbed.documents.document import Block, Document
from seedbed.documents.reading import MAX_CHARACTERS, check_size


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
