"""Plain text as filters and merge see it: words, sentences, letters, where a passage stands. Pure.

Everything here takes any string, never raises on it, and costs well under a millisecond a sentence.
The word lists are English; on other languages they find little, which drops nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from seedbed.alignment import n_common


class Span(NamedTuple):
    """A piece of a text in code points: `start` inclusive, `end` exclusive."""

    start: int
    end: int


def word_set(text: str) -> frozenset[str]:
    """Return the words of a list written with spaces."""
    return frozenset(text.split())


STOPWORDS = word_set(
    """
    a about above after again all also am an and any are as at be because been before being below
    between both but by can could did do does doing done down during each either else ever few for
    from further had has have having he her here hers him his how however i if in into is it its
    itself just let may me might more most must my of off on once only or other our ours out over
    own per shall she should so some such than that the their theirs them then there therefore these
    they this those though through to too under until up upon us very was we were what when where
    whether which while who whom whose why will with within would yes you your yours
    """
)

_FUNCTION_WORDS = {
    "en": STOPWORDS | word_set("no not never none nor neither without cannot nobody nothing"),
    "de": word_set(
        "der die das und ist nicht ein eine zu mit den von dem sie ich wir auf für kein"
    ),
    "fr": word_set("le la les de des et est une un pas que pour dans du sur vous nous au ne il ce"),
    "es": word_set("el la los las de y es una un que por para con del en se su al lo se hay"),
    "it": word_set("il lo la gli le di che è e un una per non con del della sono al si nel"),
    "nl": word_set("de het een en van ik te dat die niet zijn op met voor aan er wordt door"),
    "pt": word_set("o a os as de que e do da em um uma para não com ao se na foi por"),
}

# Plain forms only, so that typography never makes two texts differ.
TYPOGRAPHY = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2013\u2014\u2212", "-")
    | dict.fromkeys("\u200b\u200c\u200d\ufeff\u00ad")  # invisible
)
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def plain(text: str) -> str:
    """Unify typography (quotes, dashes, widths, spaces) and keep case, wording and punctuation."""
    return " ".join(unicodedata.normalize("NFKC", text.translate(TYPOGRAPHY)).split())


@lru_cache(maxsize=2048)
def words(text: str) -> tuple[str, ...]:
    """Return the words and numbers of `text` in order, case folded, without punctuation."""
    return tuple(WORD.findall(plain(text).casefold()))


def shortened(text: str, length: int) -> str:
    """Return `text` on one line, cut to at most `length` characters with "…" at its end."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


@lru_cache(maxsize=2048)
def language(text: str) -> str:
    """Guess the language by its smallest words: en, de, fr, es, it, nl, pt, or "".

    Counted are the distinct ones, over the first 200 words. Two must be there, and more than of any
    other language; but English needs no more than to be unopposed.
    """
    seen = set(words(text)[:200])
    counts = sorted((len(seen & small), code) for code, small in _FUNCTION_WORDS.items())
    (second, _), (first, code) = counts[-2:]
    if code == "en" and first > second:
        return "en"
    if first == 0:
        return "en" if text.isascii() else ""
    return code if first >= 2 and first > second else ""


_ENDINGS = ("'s", "ies", "ing", "ied", "ed", "es", "ly", "s", "e", "y")


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Cut the common English endings, so that forms of one word meet; 3 letters stay."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


@lru_cache(maxsize=2048)
def content_words(text: str) -> tuple[str, ...]:
    """Return the stems of the words that carry content (no function words), in order."""
    return tuple(stem(word) for word in words(text) if word not in STOPWORDS)


N_LETTERS = 5
"""How many characters a shingle has."""

_FEW_WORDS = 4
_CLOSE = 0.6


@lru_cache(maxsize=4096)
def shingles(text: str) -> frozenset[str]:
    """Return the character 5-grams; a shorter text is its own."""
    n = max(1, len(text) - N_LETTERS + 1)
    return frozenset([text[at : at + N_LETTERS] for at in range(n)])


def letter_similarity(a: str, b: str) -> float:
    """Return the Jaccard of the character 5-grams, in [0, 1]; case and punctuation count."""
    first, second = shingles(a), shingles(b)
    n_shared = len(first & second)
    return n_shared / (len(first) + len(second) - n_shared)


def is_reordered(a: str, b: str) -> bool:
    """Tell whether the two say nearly the same words in another order ("A pays B", "B pays A").

    Limits as measured: content-word Jaccard ≥ .75, bigram Jaccard < .75, and at least 12 % of the
    shared words outside the longest common order.
    """
    first, second = content_words(a), content_words(b)
    if jaccard(first, second) < 0.75 or jaccard(pairwise(first), pairwise(second)) >= 0.75:
        return False
    common = set(first) & set(second)
    kept_a = [word for word in first if word in common]
    kept_b = [word for word in second if word in common]
    in_order = n_common(kept_a, kept_b)
    return 1 - in_order / min(len(kept_a), len(kept_b)) >= 0.12


@lru_cache(maxsize=2048)
def is_close(a: str, b: str) -> bool:
    """Tell whether the shorter text shares 60 % of its content words with the other.

    Of texts with fewer than 4 of them, all words count. Only in close texts does one word stand for
    another; a free rewording says "must pay" of one side as "may ask" of the other.
    """
    first, second = set(content_words(a)), set(content_words(b))
    if min(len(first), len(second)) < _FEW_WORDS:
        first, second = set(words(a)), set(words(b))
    return len(first & second) >= _CLOSE * min(len(first), len(second))


def jaccard(a: Iterable[object], b: Iterable[object]) -> float:
    """Return the shared ÷ all distinct items, in [0, 1]; two empty sets are equal."""
    first, second = set(a), set(b)
    union = len(first | second)
    return len(first & second) / union if union else 1.0


_ABBREVIATIONS = word_set(
    """
    al approx art cf co corp dept dr e.g eg etc fig hon i.e ie inc jr ltd max min mr mrs ms no nos p
    para pp prof sec sr st u.k u.s vol vs v
    """
)
_CLOSING = "\"')\\]\u201d\u2019"
_OPENING = "\"'(\\[\u201c\u2018\u00a7"
_STOP = re.compile(
    rf"[.!?\u2026]+[{_CLOSING}]*(?=\s+[{_OPENING}]?[^\W_a-z])|[\u3002\uff01\uff1f]+|\n+"
)


def sentences(text: str) -> list[Span]:
    """Return the sentences and lines of `text` as spans without surrounding space, in order."""
    spans: list[Span] = []
    start = 0
    for stop in _STOP.finditer(text):
        if _is_abbreviation(text[start : stop.start()], stop.group()):
            continue
        _add_span(spans, text, start, stop.end())
        start = stop.end()
    _add_span(spans, text, start, len(text))
    return spans


def _is_abbreviation(before: str, stop: str) -> bool:
    last = before.rsplit(None, 1)[-1:] if stop == "." else []
    word = last[0].casefold().lstrip("([\"'“") if last else ""
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i")


def _add_span(spans: list[Span], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    if piece.strip():
        lead = len(piece) - len(piece.lstrip())
        spans.append(Span(start + lead, start + len(piece.rstrip())))


def locate(passage: str, text: str) -> Span | None:
    """Find `passage` in `text`: exactly, or else regardless of case, spacing, punctuation."""
    if not passage.strip():
        return None
    start = text.find(passage)
    if start >= 0:
        return Span(start, start + len(passage))
    wanted, _ = _letters(passage)
    letters, places = _letters(text)
    start = letters.find(wanted) if wanted.strip() else -1
    if start < 0:
        return None
    # Both ends of `wanted` are spaces.
    return Span(places[start + 1], places[start + len(wanted) - 2] + 1)


def _letters(text: str) -> tuple[str, list[int]]:
    """Reduce to folded letters and digits with single spaces, and where each came from."""
    kept: list[str] = [" "]
    places: list[int] = [0]
    for place, character in enumerate(text):
        folded = unicodedata.normalize("NFKC", character).casefold()
        for letter in folded if character.isalnum() else " ":
            if letter != " " or kept[-1] != " ":
                kept.append(letter)
                places.append(place)
    # A space at both ends makes a passage match whole words only.
    if kept[-1] != " ":
        kept.append(" ")
        places.append(len(text))
    return "".join(kept), places
