"""A document as one text with its blocks and pages, whatever its file was.

All positions are code points in `Document.text`.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

from seedbed.text import shortened

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


def _title(text: str) -> str:
    return shortened(" ".join(text.split()).strip("#=*_- "), _MAX_TITLE)


def _path(titles: list[str]) -> str:
    """Join titles to a path, leaving out upper ones where it gets too long."""
    while len(titles) > 1 and len(" > ".join(titles)) > MAX_HEADING:
        titles = titles[1:]
    return " > ".join(titles)
