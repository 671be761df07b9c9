"""Where a passage, or a piece of one, stands in its document, read back from a row's provenance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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
