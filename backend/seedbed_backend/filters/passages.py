"""Where in a document a text is supported: sentences and windows of them, indexed once. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from seedbed.facts import NUMBER_STEMS
from seedbed.text import STOPWORDS, Span, sentences, stem, words
from seedbed_backend.filters.wording import is_answer_word, is_light, keys

MAX_WINDOW = 3
"""Most sentences of a passage that counts as one piece of evidence."""
_LIGHT_WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class Document:
    """A source text, split into sentences and indexed by word keys.

    `places` maps each key to the sentences that have it, ascending; `bigrams` holds the content
    words that follow each other.
    """

    text: str
    spans: tuple[Span, ...]
    stems: tuple[tuple[str, ...], ...]
    places: dict[str, tuple[int, ...]]
    bigrams: frozenset[tuple[str, str]]

    def sentence(self, place: int) -> str:
        """Return the text of one sentence."""
        span = self.spans[place]
        return self.text[span.start : span.end]

    def passage(self, first: int, last: int) -> str:
        """Return the text from sentence `first` to sentence `last`, cut to those that exist."""
        if not self.spans:
            return ""
        return self.text[
            self.spans[max(0, first)].start : self.spans[min(last, len(self.spans) - 1)].end
        ]

    def has(self, stemmed: str) -> bool:
        """Tell whether a sentence has the word, a form of it, or a synonym."""
        return any(key in self.places for key in keys(stemmed))

    def idf(self, stemmed: str) -> float:
        """Return how much a word tells one sentence from the others: 1 for all, rising to rare."""
        n = len(self.places.get(stemmed, ()))
        return 1.0 + math.log((len(self.spans) + 1) / (n + 1))


@lru_cache(maxsize=256)
def document(text: str) -> Document:
    """Index a source text."""
    spans = tuple(sentences(text))
    stems = tuple(said(text[span.start : span.end]) for span in spans)
    places: dict[str, list[int]] = defaultdict(list)
    for place, own in enumerate(stems):
        for key in {key for stemmed in own for key in keys(stemmed)}:
            places[key].append(place)
    return Document(
        text, spans, stems, {key: tuple(p) for key, p in places.items()},
        frozenset(pairwise(s for own in stems for s in own)),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def said(text: str) -> tuple[str, ...]:
    """Return the stems of the content words, in order; yes, no and their like left out."""
    return tuple(
        stem(word) for word in words(text) if word not in STOPWORDS and not is_answer_word(word)
    )


def is_number(stemmed: str) -> bool:
    """Tell whether a stem is a number, which is compared by value and not as a word."""
    return stemmed[0].isdigit() or stemmed in NUMBER_STEMS


def weight(stemmed: str) -> float:
    """Return how much a word counts when support is measured."""
    return _LIGHT_WEIGHT if is_light(stemmed) else 1.0


def coverage(stems: Sequence[str], source: Document) -> float:
    """Return the weighted share of the words that the document has; 1 where there are none."""
    own = [s for s in stems if not is_number(s)]
    total = sum(map(weight, own))
    return sum(weight(s) for s in own if source.has(s)) / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive sentences: `first` to `last` inclusive, and the share of a text they cover."""

    first: int
    last: int
    share: float


def best_window(
    wanted: Mapping[str, float], source: Document, size: int = MAX_WINDOW, penalty: float = 0.05
) -> Window | None:
    """Return the one to `size` sentences that cover most of the weight, the first among equals.

    Each further sentence must cover the share `penalty` more. None where no sentence has anything.
    """
    found = best_windows(wanted, source, size, 1, penalty)
    return found[0] if found else None


def best_windows(
    wanted: Mapping[str, float],
    source: Document,
    size: int,
    n: int,
    penalty: float = 0.05,
) -> list[Window]:
    """Return the `n` best windows, best first, with different first sentences; see `best_window`."""
    shares = sentence_shares(wanted, source)
    total = sum(wanted.values()) or 1.0
    ranked: list[tuple[float, int, Window]] = []
    for first in sorted(shares):
        have: set[str] = set()
        best: tuple[float, Window] | None = None
        for last in range(first, min(first + size, len(source.spans))):
            have |= shares.get(last, set())
            share = sum(wanted[s] for s in have) / total
            value = round(share - penalty * (last - first), 9)
            if best is None or value > best[0]:
                best = value, Window(first, last, share)
        if best is not None:
            ranked.append((-best[0], first, best[1]))
    ranked.sort(key=lambda each: each[:2])
    return [window for _, _, window in ranked[:n]]


def passages_of(text: str, span: Span | None, source: Document) -> list[Window]:
    """Return every sentence that has all that the best one has of a text; with a span, its own too.

    A text that is spread over several sentences has one window of up to `MAX_WINDOW`.
    """
    wanted = wanted_words(text) or dict.fromkeys(said(text), 1.0)
    best = best_window(wanted, source)
    found = [best] if best else []
    if best and best.first == best.last:
        shares = sentence_shares(wanted, source)
        most = sum(wanted[s] for s in shares[best.first])
        found += [
            Window(place, place, best.share)
            for place, have in sorted(shares.items())
            if sum(wanted[s] for s in have) >= most - 1e-9
        ]
    touched = [
        place
        for place, each in enumerate(source.spans)
        if span and each.start < span.end and span.start < each.end
    ]
    return [*found, Window(touched[0], touched[-1], 1.0)] if touched else found


def wanted_words(text: str) -> dict[str, float]:
    """Return the content words of a text with their weight; numbers are left out."""
    return {s: weight(s) for s in said(text) if not is_number(s)}


def sentence_shares(wanted: Iterable[str], source: Document) -> dict[int, set[str]]:
    """Return which of the wanted stems each sentence has, for those that have any."""
    found: dict[int, set[str]] = defaultdict(set)
    for stemmed in wanted:
        for key in keys(stemmed):
            for place in source.places.get(key, ()):
                found[place].add(stemmed)
    return found
