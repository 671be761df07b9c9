"""What kind of question it is, and how hard: rules on its words, its answer and the passage. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from seedbed.text import plain, sentences, words
from seedbed_backend.filters.passages import (
    best_window,
    coverage,
    document,
    is_number,
    said,
    wanted_words,
)

QuestionType = Literal["factual", "analytical", "summarization"]
Difficulty = Literal["easy", "medium", "hard"]
TYPES: tuple[str, ...] = get_args(QuestionType)
DIFFICULTIES: tuple[str, ...] = get_args(Difficulty)

_SUMMARIZATION = re.compile(
    r"\bsummar(?:y|ies|i[sz]e\w*|i[sz]ation)\b|\boverview\b|\boutline\b|\bin (?:brief|short|a nutshell)\b"
    r"|\b(?:main|key|central|principal|overall) (?:points?|ideas?|topics?|themes?|purposes?|terms"
    r"|provisions|messages?|findings|arguments?|takeaways?)\b"
    r"|\bwhat (?:is|are|does) .{1,60} (?:about|cover|deal with)\W*$"
)
_ANALYTICAL = re.compile(
    r"\bwhy\b|\bhow (?!many\b|much\b|long\b|old\b|far\b|often\b|soon\b|large\b|big\b|high\b|tall\b)"
    r"|\bcompar\w+|\bdiffer\w*\b|\bdistinguish\w*|\bexplain\w*|\bjustif\w+|\bevaluat\w+|\banaly\w+"
    r"|\bwhat (?:happens|would happen|is the (?:reason|effect|impact|consequence|purpose|role"
    r"|relationship|significance|advantage|disadvantage|benefit|risk)|are the (?:reasons|effects"
    r"|impacts|consequences|advantages|disadvantages|benefits|risks|implications)|causes?|caused)\b"
    r"|\b(?:under|in) (?:what|which) (?:conditions?|circumstances|cases?|ways?|events?)\b"
    r"|\bfor (?:what|which) (?:reasons?|purposes?)\b|\bto what extent\b|\bwhat if\b"
    r"|\brelat(?:e|es|ed|ion|ionship)\b.{0,40}\bto\b"
)
_LONG_ANSWER = 40
"""Words from which an answer that draws on three sentences or more counts as a summary."""


@dataclass(frozen=True, slots=True)
class QuestionKind:
    """What a question is like.

    `n_supporting` counts the sentences that the answer needs; `shared` in [0, 1] is the share of
    the question's words that those have.
    """

    type: QuestionType
    difficulty: Difficulty
    n_supporting: int
    shared: float


@lru_cache(maxsize=4096)
def classify(question: str, answer: str, source: str) -> QuestionKind:
    """Say of which type a question is, and how hard.

    Type, by the question's words: summarization (summary, overview, main points), analytical (why,
    how, compare, explain, effect, circumstances), else factual; an answer of 40 words or more that
    needs three sentences or more is a summary. Difficulty, by points: answer of more than 5 words 1,
    more than 20 words 2; two supporting sentences 1, three or more 2; question sharing less than
    0.7 of its words with them 1, less than 0.4 2; not factual 1. Up to 1 easy, 2 or 3 medium, more
    hard.
    """
    n_words = len(words(answer))
    places = supporting(answer, question, source)
    shared = _shared(question, source, places)
    type_ = _type(question)
    if type_ == "factual" and n_words >= _LONG_ANSWER and len(places) >= 3:
        type_ = "summarization"
    points = (n_words > 5) + (n_words > 20)
    points += min(2, max(0, len(places) - 1))
    points += (shared < 0.7) + (shared < 0.4)
    points += type_ != "factual"
    difficulty: Difficulty = "easy" if points <= 1 else "medium" if points <= 3 else "hard"
    return QuestionKind(type_, difficulty, len(places), shared)


def _type(question: str) -> QuestionType:
    folded = plain(question).casefold()
    if _SUMMARIZATION.search(folded):
        return "summarization"
    return "analytical" if _ANALYTICAL.search(folded) else "factual"


def supporting(answer: str, question: str, source: str) -> list[int]:
    """Return the sentences that the answer needs: the best passage of each of its sentences."""
    known = document(source)
    needed: set[int] = set()
    for part in dict.fromkeys(answer[start:end] for start, end in sentences(answer)):
        wanted = wanted_words(part) or wanted_words(question)
        # A further sentence must bring a fifth of the words, or it is no support.
        window = best_window(wanted, known, penalty=0.2) if wanted else None
        if window is not None:
            needed.update(range(window.first, window.last + 1))
    return sorted(needed)


def _shared(question: str, source: str, places: list[int]) -> float:
    known = document(source)
    asked = [s for s in said(question) if not is_number(s)]
    if not places or not asked:
        return 0.0
    return coverage(asked, document(" ".join(known.sentence(place) for place in places)))
