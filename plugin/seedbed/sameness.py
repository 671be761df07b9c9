"""When two texts are the same one: in what letters, and in what facts. Pure.

The word lists are English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from seedbed.alignment import changes, is_one_edit
from seedbed.contrasts import is_negation_changed, opposites
from seedbed.facts import missing_names, quantities
from seedbed.text import STOPWORDS, is_reordered, jaccard, plain, stem, word_set, words

NEAR_SHORT, NEAR_LONG = 0.70, 0.40
"""Jaccard of character 5-grams from which texts are near: of 40 characters and less, 120 and more.

Measured: .70 touches 133 of 3,079 distinct bank questions, .50 would 736; on longer texts .40 has the
best balanced accuracy (.943).
"""

_SHORT, _LONG = 40, 120  # characters

LONG_TEXT = 150
"""From this many characters on, a number or name that only one text has is an addition."""

_N_ADDED = 6  # words in a row that one text has more: a clause of its own, not a changed fact
_MAX_EXCHANGED = 4  # more words than that are a phrase worded anew
_REWORDED = 0.25  # share of words from which the whole text is worded anew
_SAME_WORDS = 0.9  # Jaccard
_WORDS_PER_EXCHANGE = 100  # one other word in a longer text is a revision

_LEAD = re.compile(
    r"\A\s*(?:\(?\d{1,3}[.):]\s+|\(?[a-z][.)]\s+|[-*>#\u2022]+\s+|q(?:uestion)?\s*\d*\s*[:.]\s*)+",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-z][^<>]{0,80}>", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_SPOKEN = {"nope": "no", "nah": "no", "yeah": "yes", "yep": "yes", "yup": "yes", "okay": "ok"}
_SPOKEN_WORD = re.compile(rf"\b(?:{'|'.join(_SPOKEN)})\b", re.IGNORECASE)
_PREFIXES = word_set("non anti ex un pre post pseudo semi")
_NOT = word_set("not never without cannot")
# One of each against one of another is another question or direction.
_QUESTIONS = ("who", "when", "where", "why", "how")
_TURNS = {
    *map(frozenset, combinations(_QUESTIONS, 2)),
    *(frozenset(pair.split()) for pair in ("from to", "in out", "on off", "up down", "into from")),
}
# Signs that say something: "C++" is not "C", 5 % is not 5 €.
_KEY = re.compile(r"[^\W_]+(?:'[^\W_]+)*(?:\+{1,2}(?!\w)|#(?!\w))?|[%€$£¥°]|(?<![\w)])-(?=\d)")
# Everyday words that stand for each other, whatever the context; `wording` has more, for retellings.
_SYNONYMS = """
    begin start commence|end finish conclude|buy purchase|help assist aid|get receive obtain
    need require|use utilize utilise|show display|ask request|tell inform|give provide offer supply
    pick choose select|fix repair mend|speak talk|think believe|happen occur|try attempt
    big large|small little|quick fast rapid|sick ill|glad happy|smart clever|correct right
    important significant|perfect ideal|main principal primary|entire whole complete
    enough sufficient|nearly almost|often frequently|maybe perhaps|approximately roughly about around
    kid child children|mom mum mother|dad father|car vehicle automobile|doctor physician
    house home|job work|choice option|mistake error|problem issue|company firm business
    movie film|picture image photo|street road|bill invoice|customer client|fee charge
    yes sure|ok good fine alright well|hi hello hey|thanks thank|type kind sort|way manner
    % percent|€ euro eur|$ dollar usd|£ pound gbp|¥ yen jpy|° degree
"""


_MEANINGS: dict[str, set[int]] = {}
for _number, _group in enumerate(_SYNONYMS.replace("\n", "|").split("|")):
    for _word in _group.split():
        _MEANINGS.setdefault(stem(_word), set()).add(_number)


def bare(text: str) -> str:
    """Take away markup and a list number, and unify typography; case and punctuation stay."""
    return _LEAD.sub("", _TAG.sub(" ", plain(text)))


def near_threshold(
    n_characters: int, near_short: float = NEAR_SHORT, near_long: float = NEAR_LONG
) -> float:
    """Return the Jaccard from which two texts are near; the shorter one has `n_characters`."""
    way = min(1.0, max(0.0, (n_characters - _SHORT) / (_LONG - _SHORT)))
    return near_short + way * (near_long - near_short)


@lru_cache(maxsize=16_384)
def normalise(text: str) -> str:
    """Reduce to what is said: no case, punctuation, typography, list number or markup.

    A text without any word keeps its characters.
    """
    return " ".join(_KEY.findall(bare(text).casefold())) or plain(text).casefold()


def changed_fact(a: str, b: str, *, is_same_content: bool = False) -> str:
    """Say in which fact two nearly equal texts differ ("30 → 60"), or "" where in none.

    Compared are numbers, names, negations and opposites, but for clauses that only one text has
    (6 words and more). In texts from 150 characters on, a number or name that only one of them has
    is an addition; it must be exchanged for another. Where nothing else changed, content words that
    gave way to others ("health → travel") are a fact too, unless `is_same_content` says that both
    texts say the same by their origin.
    """
    numbers = _swapped_digits(_digits(normalise(a)), _digits(normalise(b)))
    if numbers:
        return numbers
    first, second = _read(a), _read(b)
    alignment = _align(first, second)
    a, b = alignment.without_additions
    return (
        _exchanged_numbers(a, b)
        or _exchanged_names(a, b)
        or ("negation" if is_negation_changed(a, b) else "")
        or next(filter(alignment.has_exchanged, opposites(a, b)), "")
        or alignment.turned
        or ("" if is_same_content else alignment.exchanged or _reordered(a, b))
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """A text as it is compared: in plain form, its words, where they stand, their stems."""

    text: str
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    stems: tuple[str, ...]


@lru_cache(maxsize=4096)
def _read(text: str) -> _Read:
    plain_text = _SPOKEN_WORD.sub(_written, bare(text))
    matches = list(_KEY.finditer(plain_text))
    found = tuple(match.group().casefold() for match in matches)
    return _Read(
        plain_text,
        found,
        tuple(match.span() for match in matches),
        tuple(map(stem, found)),
    )


def _digits(normalised: str) -> list[str]:
    return [number.lstrip("0") or "0" for number in _DIGITS.findall(normalised)]


def _swapped_digits(first: Sequence[str], second: Sequence[str]) -> str:
    """Name numbers in digits of both texts that the other one lacks: seen without reading them.

    "12,400" and "12400" are read.
    """
    gone, come = set(first).difference(second), set(second).difference(first)
    if not gone or not come or "".join(first) == "".join(second):
        return ""
    return f"{', '.join(sorted(gone))} → {', '.join(sorted(come))}"


def _reordered(a: str, b: str) -> str:
    """Tell swapped roles ("A pays B", "B pays A") from another wording: the words are the same."""
    is_same = jaccard(words(a), words(b)) >= _SAME_WORDS
    return "word order" if is_same and is_reordered(a, b) else ""


def _written(match: re.Match[str]) -> str:
    return _SPOKEN[match.group().casefold()]


def _exchanged_numbers(a: str, b: str) -> str:
    first, second = quantities(a), quantities(b)
    return _exchange(first.missing_from(second), second.missing_from(first), a, b)


def _exchanged_names(a: str, b: str) -> str:
    gone = [name for name in missing_names(a, b) if not _is_misspelt(name, b)]
    come = [name for name in missing_names(b, a) if not _is_misspelt(name, a)]
    return _exchange(gone, come, a, b)


def _exchange(gone: Sequence[str], come: Sequence[str], a: str, b: str) -> str:
    differ = any if min(len(a), len(b)) < LONG_TEXT else all
    return f"{', '.join(gone)} → {', '.join(come)}" if differ([gone, come]) else ""


def _is_misspelt(name: str, text: str) -> bool:
    known = words(text)
    return all(any(is_typo(part, word) or part == word for word in known) for part in words(name))


def is_typo(a: str, b: str) -> bool:
    """Tell whether two words are one with a slip: 5 letters or more, one changed, swapped or missing.

    The first and the last letter stay: employer and employee, moral and amoral are two words.
    """
    return (
        min(len(a), len(b)) >= 5
        and a[0] == b[0]
        and a[-1] == b[-1]
        and a.isalpha()
        and b.isalpha()
        and is_one_edit(a, b)
    )


@dataclass(frozen=True, slots=True)
class _Edit:
    """Words of one text that stand where the other has other words, or none."""

    gone: tuple[str, ...]
    come: tuple[str, ...]

    @property
    def is_addition(self) -> bool:
        """Say whether one side is a clause of its own, beside at most 2 words."""
        n, m = sorted((len(self.gone), len(self.come)))
        return m >= _N_ADDED and n <= 2

    @property
    def is_same(self) -> bool:
        """Say whether content words stand for each other here: no change at all."""
        return any(w not in STOPWORDS for w in self.gone) and any(
            w not in STOPWORDS for w in self.come
        )

    @property
    def content(self) -> tuple[list[str], list[str]]:
        """Return the content words on both sides that have no counterpart on the other."""
        gone = [w for w in self.gone if w not in STOPWORDS]
        come = [w for w in self.come if w not in STOPWORDS]
        return (
            [w for w in gone if not any(_is_counterpart(w, other) for other in come)],
            [w for w in come if not any(_is_counterpart(w, other) for other in gone)],
        )


def _is_counterpart(a: str, b: str) -> bool:
    first, second = stem(a), stem(b)
    if first == second or is_typo(a, b):
        return True
    return not _MEANINGS.get(first, set()).isdisjoint(_MEANINGS.get(second, ()))


def _turns(word: str) -> bool:
    return word in _PREFIXES or word in _NOT or word.endswith("n't")


@dataclass(frozen=True, slots=True)
class _Alignment:
    """Two texts side by side: what is left without additions, and how the rest differs."""

    without_additions: tuple[str, str]
    edits: tuple[_Edit, ...]
    n_words: int

    def has_exchanged(self, opposite: str) -> bool:
        """Say whether the words of "before → after" stand in the same place."""
        old, _, new = map(stem, opposite.partition(" → "))
        return any(
            old in map(stem, edit.gone) and new in map(stem, edit.come) for edit in self.edits
        )

    @property
    def turned(self) -> str:
        """Name a little word that turns the meaning: "non", "from → to", "when → where"; or ""."""
        for gone, come in ((edit.gone, edit.come) for edit in self.edits):
            for side, other in ((gone, come), (come, gone)):
                if len(side) == 1 and not other and _turns(side[0]):
                    return side[0]
            if len(gone) == len(come) == 1 and frozenset((*gone, *come)) in _TURNS:
                return f"{gone[0]} → {come[0]}"
        return ""

    @property
    def exchanged(self) -> str:
        """Name content words that gave way to others where little else was reworded; or ""."""
        exchanges, new, n_others = [], set[str](), 0
        added: list[list[str]] = []
        for edit in self.edits:
            gone, come = edit.content
            if gone and come and max(len(gone), len(come)) <= _MAX_EXCHANGED:
                exchanges.append(f"{' '.join(gone)} → {' '.join(come)}")
                new.update(gone, come)
            elif gone or come:
                added.append([*gone, *come])
            elif not edit.is_same:
                n_others += 1
        n_others += sum(not new.issuperset(group) for group in added)
        n_changed = sum(max(len(edit.gone), len(edit.come)) for edit in self.edits)
        is_reworded = len(exchanges) <= n_others or n_changed > _REWORDED * self.n_words
        is_rare = self.n_words > _WORDS_PER_EXCHANGE * len(exchanges)
        return "" if is_reworded or is_rare else "; ".join(exchanges)


def _align(a: _Read, b: _Read) -> _Alignment:
    edits: list[_Edit] = []
    cuts: list[tuple[slice, slice]] = []
    for i, j, k, m in changes(a.stems, b.stems):
        edit = _Edit(a.words[i:j], b.words[k:m])
        edits.append(edit)
        if edit.is_addition:
            cuts.append((slice(i, j), slice(k, m)))
    kept = (_cut(a, [first for first, _ in cuts]), _cut(b, [second for _, second in cuts]))
    return _Alignment(kept, tuple(edits), max(len(a.words), len(b.words)))


def _cut(read: _Read, places: Sequence[slice]) -> str:
    """Take the words at `places` out of the text, from the last ones to the first."""
    text = read.text
    for place in reversed(places):
        if place.start < place.stop:
            start, end = read.spans[place.start][0], read.spans[place.stop - 1][1]
            text = text[:start] + text[end:]
    return text
