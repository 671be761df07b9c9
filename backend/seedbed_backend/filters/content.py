"""What a rewrite left out, made up, or replaced by something else: clauses and rare terms. Pure.

Words alone say which clauses and terms are *in doubt*; the caller asks the encoder about those few.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from seedbed.contrasts import NEGATIVE
from seedbed.text import (
    STOPWORDS,
    is_close,
    language,
    plain,
    sentences,
    stem,
    word_set,
    words,
)
from seedbed_backend.english import is_word, ranks

_CLAUSE = re.compile(
    r"[,;:()]|\b(?:and|but|or|because|which|who|that|while|if|unless|when|where|although|though|so"
    r"|provided|since|despite|except)\b",
    re.IGNORECASE,
)
# Said or left out without a change of what is said.
_FILLERS = word_set(
    """
    able actually also basically currently deal dear doubt get gets getting go goes going good got
    great guess hello help hi just kind know let like little look lot made make makes making mean
    much need now oh ok okay please possible pretty quite really right said say saying says sort
    still sure take takes taking thank thanks thing things think thinks uh um want wanted wants way
    well whether yeah yes yet
    """
)
_MIN_RUN = 3
"""Content words in a row without an answer that are more than another wording."""
_MIN_SURPLUS = 3
"""How many more words must be without an answer on one side than on the other."""
_MIN_RATIO = 3
"""And how many times as many: a free rewording has words of its own on both sides."""
_MIN_CLAUSE = 2
_CLAUSE_SURPLUS = 2
_UNANSWERED = 0.7
"""Share of a clause's content words that the other text lacks."""
RARE_RANK = 16_000
"""Words beyond this place in the order of frequency are terms, as are those of no list."""
RECURRING_RANK = 8000
"""The same for words that recur in the project's own sources."""
_MIN_SOURCES = 3
_SOURCE_SHARE = 0.005


class Doubt(NamedTuple):
    """Words of one text that the other lacks. `is_certain`: without asking for their meaning."""

    text: str
    is_certain: bool


@lru_cache(maxsize=2048)
def lost_clauses(text: str, other: str) -> tuple[Doubt, ...]:
    """Find what `text` says in several words that have no answer in `other`.

    Only where more words went than came: a rewrite that says a clause in other words brings its own.
    """
    gone, come = _unanswered(text, other), _unanswered(other, text)
    surplus = len(gone) - len(come)
    if surplus < _CLAUSE_SURPLUS or len(gone) < _MIN_RATIO * len(come):
        return ()
    if surplus >= _MIN_SURPLUS:
        run = max(_runs(text, set(gone)), key=len, default=[])
        if len(run) >= _MIN_RUN:
            return (Doubt(" ".join(run), True),)
    return tuple(Doubt(clause, False) for clause in clauses(text) if _is_unanswered(clause, gone))


def clauses(text: str) -> list[str]:
    """Split at sentence ends, commas, brackets and conjunctions, into parts of two content words."""
    flat = plain(text)
    parts = [
        part.strip() for start, end in sentences(flat) for part in _CLAUSE.split(flat[start:end])
    ]
    return [part for part in parts if len(_said(part)) >= _MIN_CLAUSE]


def _is_unanswered(clause: str, gone: tuple[str, ...]) -> bool:
    said = _said(clause)
    return sum(word in gone for word in said) / len(said) >= _UNANSWERED


@lru_cache(maxsize=2048)
def _said(text: str) -> tuple[str, ...]:
    """Return the words that carry content: no function words, fillers, negations or numbers."""
    return tuple(
        word
        for word in words(text)
        if word not in STOPWORDS
        and word not in NEGATIVE
        and word.isalpha()
        and word not in _FILLERS
    )


@lru_cache(maxsize=2048)
def _unanswered(text: str, other: str) -> tuple[str, ...]:
    known = set(map(stem, words(other)))
    squeezed = "".join(words(other))
    return tuple(
        word
        for word in dict.fromkeys(_said(text))
        if stem(word) not in known and not (len(word) > 4 and word in squeezed)
    )


def _runs(text: str, gone: set[str]) -> Iterator[list[str]]:
    run: list[str] = []
    for word in _said(text):
        if word in gone:
            run.append(word)
        else:
            yield run
            run = []
    yield run


@lru_cache(maxsize=2048)
def lost_terms(
    text: str, other: str, recurring: frozenset[str] = frozenset()
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Find rare words of `text` that `other` lacks, each with the words that came instead.

    Of English texts only, by the list of English words; `recurring` words need not be as rare. A
    word is also in doubt where one that looks like it took its place ("stent" → "tent").
    """
    if language(text) != "en" or not is_close(text, other):
        return ()
    come = [word for word in _unanswered(other, text) if len(word) > 2]
    found = []
    for word in _unanswered(text, other) if come else ():
        alike = tuple(new for new in come if _looks_like(word, new))
        if alike or _rank(word) >= (RECURRING_RANK if word in recurring else RARE_RANK):
            found.append((word, alike or tuple(come)))
    return tuple(found)


def recurring_words(texts: Iterable[str]) -> frozenset[str]:
    """Return the words that occur in at least 3 texts and in 0.5 % of them."""
    counts: Counter[str] = Counter()
    n_texts = 0
    for text in texts:
        counts.update(set(_said(text)))
        n_texts += 1
    least = max(_MIN_SOURCES, _SOURCE_SHARE * n_texts)
    return frozenset(word for word, count in counts.items() if count >= least)


def _looks_like(word: str, new: str) -> bool:
    return (
        min(len(word), len(new)) >= 4
        and stem(word) != stem(new)
        and Levenshtein.distance(word, new, score_cutoff=1) <= 1
    )


@lru_cache(maxsize=8192)
def _rank(word: str) -> int:
    """Return the place of the commonest form in the order of frequency."""
    if len(word) < 4:
        return 0
    forms = {word, *(word.removesuffix(end) for end in ("s", "es", "d", "ed", "ing", "ly"))}
    known = [ranks()[form] for form in forms if form in ranks()]
    if known:
        return min(known)
    return RARE_RANK - 1 if is_word(word) else RARE_RANK * 2
