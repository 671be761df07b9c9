"""Whether a text reads like written language: spelling, spaces, word order, function words. Pure.

`fluency` counts what no careful writer leaves in a text. Most checks know English; in a text that
is not mostly English only stray symbols count. Words that the source has too are never held against
a text. Limits are shares of the words; they lie between what clean texts have (99 % of 1,700 from
contracts, regulations, clinical notes, articles, bank questions and assistant answers) and what
damaged ones have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from seedbed.text import STOPWORDS, TYPOGRAPHY, word_set
from seedbed_backend.english import intended, is_nonword, is_word, pieces
from seedbed_backend.filters.word_order import cannot_end, is_impossible, is_wrong_article

PROBLEMS = ("misspelt", "missing_spaces", "word_order", "missing_words")

_MAX_MISSPELT = 0.08  # clean 0.03, one character in twenty damaged 0.14 and more
_MAX_GLUED = 0.06  # clean 0.02, one space in five lost 0.20 and more
_MAX_DISORDERED = 0.02  # clean 0, shuffled 0.04 and more
_SHORT = 30  # words: up to here one impossible pair is enough
_MIN_FUNCTION_WORDS = 0.025  # clean 0.10
_FEWEST = 9  # words: a shorter text may do without function words ("Last flu vaccine given 1999.")
_ENOUGH = 18  # words: a shorter text may, unless it is a whole sentence

_EDGES = "\"'.,;:!?()[]-\u2026\u2013\u2014/%$\u20ac\u00a3&\u2022"
_ADDRESS = re.compile(
    r"\S@\S+\.\w|https?:|www\.|\w\.(?:com|org|net|gov|edu|io|pdf|py|html?)\b|[\\=_<>]|//"
)
_SYMBOL = re.compile(
    r"[A-Za-z][~@#^*|{}]+[A-Za-z]|[A-Za-z0-9][~^|{}@#]+\Z|\A[~^|{}]+[A-Za-z]|\A[A-Za-z\d]+[#@]\W*\Z"
)
_EMPHASIS = re.compile(r"\A\W*([*#@])[\w-]+\1?\W*\Z")  # *so*, #topic, @somebody
_CODE = re.compile(r"\A[A-Za-z]#\W*\Z|\A[\w.]+\([\w.]*\)\W*\Z")  # C#, len(items)
_GLUED = re.compile(
    r"[a-z]{2}[.?!][A-Z][a-z]|[a-z]{3}[,;:)][A-Za-z]{2}|[a-z]{2}\([a-z]{3}|\d[a-z]{5,}"
)
_PLAIN_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
# What English cannot do without; a list, a heading or shorthand can, for a while.
_FRAME = word_set(
    "the of a an to in and is was for by on with that as are be were from at it has i"
)
_FOREIGN = word_set(
    """
    der die das und den dem ein eine einen ist nicht mit sich auf von zu f\u00fcr im des sind wird oder
    le les des une est dans que qui pour pas sur avec vous nous ce cette au aux je et du sont mais
    el los las una es por con para del se su en lo como pero sus al il che di della per non sono
    o os um uma n\u00e3o em da dos das het een van niet met voor zijn er op te aan ik je
    """
)


class Problem(NamedTuple):
    """What is wrong, as one of `PROBLEMS`, and the words that show it, in order."""

    reason: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fluency:
    """What was found in a text of `n_words`.

    `misspelt`: one slip away from a common word, with a symbol inside, "a" for "an", or like no
    word (half the weight). `glued`: several words without a space; `n_lost_spaces` counts those.
    `disordered`: pairs of words that do not follow each other. `bare`: a run of words, where nearly
    all function words are missing.
    """

    n_words: int
    misspelt: tuple[str, ...] = ()
    misspelt_weight: float = 0.0
    glued: tuple[str, ...] = ()
    n_lost_spaces: int = 0
    disordered: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """Return 1 for a text without findings, falling to 0 at three findings in ten words."""
        found = len(self.misspelt) + len(self.glued) + len(self.disordered)
        share = found / max(self.n_words, 10)
        return max(0.0, 1.0 - share / 0.3) * (0.5 if self.bare else 1.0)

    @property
    def problem(self) -> Problem | None:
        """Return the first problem beyond its limit; one slip alone is never one."""
        is_sure = self.misspelt_weight >= 1.5
        if is_sure and len(self.misspelt) >= max(2.0, _MAX_MISSPELT * self.n_words):
            return Problem("misspelt", self.misspelt)
        if self.n_lost_spaces >= max(2.0, _MAX_GLUED * self.n_words):
            return Problem("missing_spaces", self.glued)
        enough = 1.0 if self.n_words <= _SHORT else 2.0
        if len(self.disordered) >= max(enough, _MAX_DISORDERED * self.n_words):
            return Problem("word_order", self.disordered)
        return Problem("missing_words", self.bare) if self.bare else None


class _Token(NamedTuple):
    """One word as written, without the punctuation around it, and folded."""

    raw: str
    core: str
    word: str

    @property
    def is_led(self) -> bool:
        """Tell whether no punctuation stands before it."""
        return self.raw.startswith(self.core)


@lru_cache(maxsize=512)
def _tokens(text: str) -> tuple[_Token, ...]:
    made = []
    for raw in text.translate(TYPOGRAPHY).split():
        core = raw.strip(_EDGES)
        made.append(_Token(raw, core, core.casefold()))
    return tuple(made)


@lru_cache(maxsize=512)
def fluency(text: str, source: str = "") -> Fluency:
    """Look for what is wrong with `text`, forgiving the words that `source` has too."""
    tokens = _tokens(text)
    n_words = sum(bool(token.core) for token in tokens)
    known = frozenset(token.word for token in _tokens(source))
    symbols = list(_symbols(tokens, known))
    if not is_english(text):
        return Fluency(n_words, tuple(symbols), float(len(symbols)))
    glued = list(_glued(tokens, known))
    misspelt = [*((raw, 1.0) for raw in symbols), *_misspelt(tokens, known)]
    return Fluency(
        n_words,
        tuple(word for word, _ in misspelt),
        sum(weight for _, weight in misspelt),
        tuple(raw for raw, _ in glued),
        sum(n_lost for _, n_lost in glued),
        tuple(_disordered(tokens)),
        _bare(tokens) if _function_share(_tokens(source)) >= _MIN_FUNCTION_WORDS else (),
    )


@lru_cache(maxsize=512)
def is_english(text: str) -> bool:
    """Tell whether the text is English, be it damaged: half of its words are, and few are foreign.

    One word in ten must be an English function word, or four in five must be known.
    """
    plain = [token.word for token in _tokens(text) if _PLAIN_WORD.fullmatch(token.core)]
    n_known = sum(is_word(word) or bool(pieces(word)) for word in plain)
    n_foreign = sum(word in _FOREIGN or not word.isascii() for word in plain)
    n_function = sum(word in STOPWORDS and word not in _FOREIGN for word in plain)
    if not plain or n_known < 0.5 * len(plain) or n_foreign > max(n_function, 1) / 2:
        return False
    return n_function >= 0.1 * len(plain) or n_known >= 0.8 * len(plain)


def _symbols(tokens: Sequence[_Token], known: frozenset[str]) -> Iterator[str]:
    for token in tokens:
        if not _SYMBOL.search(token.raw) or token.word in known:
            continue
        if not any(each.search(token.raw) for each in (_ADDRESS, _EMPHASIS, _CODE)):
            yield token.raw


def _misspelt(tokens: Sequence[_Token], known: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Yield what is misspelt with its weight: a word that is like no other may be a new one."""
    for token in tokens:
        if token.word in known or _ADDRESS.search(token.raw):
            continue
        for part in token.core.split("-"):
            if part in known or not part.islower() or pieces(part):
                continue
            if is_nonword(part):
                yield part, 0.5 if not intended(part) else 1.0
            elif intended(part):
                yield part, 1.0
    for before, token in pairwise(tokens):
        if before.raw == before.core and token.is_led and is_wrong_article(before.core, token.core):
            yield f"{before.core} {token.core}", 1.0


def _glued(tokens: Sequence[_Token], known: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Yield what is run together, and how many spaces it lost."""
    for token in tokens:
        if token.word in known or _ADDRESS.search(token.raw) or _CODE.search(token.raw):
            continue
        parts = [part for part in _PLAIN_WORD.findall(token.core) if part.casefold() not in known]
        n_lost = sum(max(0, len(pieces(part)) - 1) for part in parts)
        n_lost += len(_GLUED.findall(token.raw))
        if n_lost:
            yield token.raw, n_lost


def _disordered(tokens: Sequence[_Token]) -> Iterator[str]:
    has_case = any(t.core.istitle() and t.word in STOPWORDS and t.word != "i" for t in tokens)
    # Several single letters are names ("if p then q"), one alone is a piece of a word.
    has_letters = (
        sum(len(t.core) == 1 and t.core.islower() and t.core not in "ai" for t in tokens) > 1
    )
    for before, token in pairwise(tokens):
        if not before.core or not token.core:
            continue
        mark = before.raw[-1]
        if before.raw.endswith(before.core) and token.is_led:
            is_cut = token is tokens[-1] and token.raw == token.core
            if len(token.core) == 1 and (has_letters or is_cut or token.raw[1:2] == "/"):
                continue  # "w/ CAD"
            if is_impossible(before.core, token.core):
                yield f"{before.core} {token.core}"
        elif mark in ".;,?!" and before.core.islower() and cannot_end(before.word, mark):
            yield before.raw
        elif has_case and mark in ".?!" and _goes_on(before, token):
            yield f"{before.raw} {token.core}"
    if tokens and tokens[-1].raw.endswith(".") and cannot_end(tokens[-1].word, "."):
        yield tokens[-1].raw


def _goes_on(before: _Token, token: _Token) -> bool:
    """Tell whether a sentence ends and the next one begins with a small letter."""
    return (
        before.core.islower()
        and before.core.isalpha()
        and len(before.core) > 3
        and before.raw.endswith(before.core + before.raw[-1])
        and token.core.islower()
        and token.core.isalpha()
        and len(token.core) > 1
        and token.is_led
    )


def _function_share(tokens: Sequence[_Token]) -> float:
    return sum(t.word in _FRAME for t in tokens) / len(tokens) if len(tokens) >= 8 else 1.0


def _bare(tokens: Sequence[_Token]) -> tuple[str, ...]:
    """Return the longest run without function words, where hardly one is left in a longer text.

    Lists and shorthand, whose parts between punctuation are short, are let be. A shorter text must
    be a whole sentence, with a longer run: a heading or a ticket's title has no function words.
    """
    if len(tokens) < _FEWEST or _function_share(tokens) >= _MIN_FUNCTION_WORDS:
        return ()
    is_short = len(tokens) < _ENOUGH
    if is_short and not (tokens[-1].raw[-1] in ".?!" and tokens[0].core[:1].isalpha()):
        return ()
    n_parts = sum(token.raw[-1:] in ",.;:)" for token in tokens)
    if len(tokens) < 4 * n_parts:
        return ()
    longest: list[str] = []
    run: list[str] = []
    for token in tokens:
        if token.word in STOPWORDS or not token.core.islower():
            run = []
            continue
        run.append(token.core)
        longest = max(longest, run, key=len)[:]
        if not token.raw.endswith(token.core):
            run = []
    return tuple(longest) if len(longest) >= (5 if is_short else 4) else ()
