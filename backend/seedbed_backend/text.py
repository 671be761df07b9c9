"""How alike the wording of two texts is, for filters that ask this of every candidate. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz.distance import OSA, Levenshtein

from seedbed.text import word_set, words

_ARTICLES = word_set("a an the this that these those")


def word_similarity(a: str, b: str) -> float:
    """Return 1 minus the share of words that differ (edit distance ÷ longer text), in [0, 1]."""
    return float(Levenshtein.normalized_similarity(words(a), words(b)))


def unpolished_similarity(a: str, b: str) -> float:
    """Return `word_similarity` where articles and one wrong letter in a word make no difference."""
    first = [word for word in words(a) if word not in _ARTICLES]
    second = [word for word in words(b) if word not in _ARTICLES]
    known = set(first)
    mended = [word if word in known else _meant(word, known) for word in second]
    return float(Levenshtein.normalized_similarity(first, mended))


def _meant(word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` misspells by one letter or two swapped ones, or itself."""
    if len(word) < 5 or not word.isalpha():
        return word
    near = (other for other in known if OSA.distance(word, other, score_cutoff=1) <= 1)
    return min(near, default=word)
