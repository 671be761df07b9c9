"""Whether the document answers the question at all."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seedbed.contrasts import negations, opposites
from seedbed.facts import missing_names, names, quantities
from seedbed.records import Candidate, Decision
from seedbed.text import STOPWORDS, locate, plain, stem, word_set, words
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.passages import (
    Document,
    Window,
    best_windows,
    document,
    is_number,
    passages_of,
    said,
    weight,
)
from seedbed_backend.filters.wording import is_light

# What a feature is worth, in log-odds: a logistic regression on the 240 development rows
# (benchmarks/answerable_weights.py; ridge, five folds by source text).
BIAS = -2.02
WEIGHTS: Mapping[str, float] = {
    "cosine": 3.90,
    "covered": 0.56,
    "vague": -0.30,
    "negated": -3.60,
    "opposite": -3.52,
    "numbers": -1.37,
    "names": -0.74,
    "no_answer_type": -0.25,
}

_MIN_ALIKE = 0.35
"""Share of the question's words from which a passage can contradict it."""

_N_PASSAGES = 3
"""How many passages, best first by words, are compared by meaning."""


class Answerable(Filter):
    """Drops a question that its document does not answer.

    The passage of one or two sentences that has most of the question's words (rare ones count more)
    must be about the same, and must not contradict what the question takes for granted: a negation
    or opposite, a number or name that is not there, an answer of a kind that it does not have
    (when → a date, how many → a number, who → a name).

    That it is turned round counts only where the passage has a third of the question's words.

    The score is the estimated chance that the document answers the question, from question and
    document alone. Where there is an answer, the passage that it rests on must share some of the
    question's words, and it may not be "the document does not say".

    The evidence names the passage (`passage`, code points as `start` and `end`) and what is amiss.
    """

    name = "answerable"
    help = "Drops a question that its document does not answer."
    reasons = (
        "no_question",
        "no_passage",
        "premise_turned",
        "premise_unknown",
        "no_such_answer",
        "answer_elsewhere",
        "answer_denies",
    )

    question_field: str
    source_field: str
    answer_field: str = ""
    quote_field: str = ""
    # On the development rows .40 keeps .89 of the answerable questions, .10 of those from another
    # paragraph and .53 of those that people made unanswerable by small changes.
    minimum: float = Field(default=0.40, ge=0.0, le=1.0)
    # Share of the question's words in and around the passage that the answer rests on.
    min_shared: float = Field(default=0.15, ge=0.0, le=1.0)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter. Encodes every distinct question and sentence of the batch once."""
        views = [self._view(candidate) for candidate in candidates]
        wanted = list(dict.fromkeys(t for v in views for t in v.texts))
        vectors = context.encoder.encode(wanted) if wanted else None
        place = {text: row for row, text in enumerate(wanted)}
        return [
            self._decide(candidate, view, best_cosine(view, vectors, place))
            for candidate, view in zip(candidates, views, strict=True)
        ]

    def _view(self, candidate: Candidate) -> View:
        source = candidate.source.fields.get(self.source_field, "")
        return look(candidate.fields.get(self.question_field, ""), source)

    def _decide(self, candidate: Candidate, view: View, cosine: float) -> Decision:
        if not view.words:
            return self.drop(candidate, "no_question", 0.0)
        answer = candidate.fields.get(self.answer_field, "")
        score = round(view.score(cosine), 4)
        evidence = {"cosine": round(cosine, 4), **view.evidence}
        if said_no := denial(answer, view.document.text):
            return self.drop(candidate, "answer_denies", 0.0, **evidence, denial=said_no)
        quote = candidate.fields.get(self.quote_field, "")
        shared = shared_with_answer(view, answer, quote)
        if shared is not None:
            evidence["shared_with_answer"] = round(shared, 4)
        if score < self.minimum:
            return self.drop(candidate, view.weakest(cosine), score, **evidence)
        if shared is not None and shared < self.min_shared:
            return self.drop(candidate, "answer_elsewhere", score, **evidence)
        return self.keep(candidate, score, **evidence)


@dataclass(frozen=True, slots=True)
class View:
    """A question before its document: features by name, the passages nearest by words."""

    question: str
    document: Document
    words: Mapping[str, float]
    passages: tuple[tuple[str, ...], ...] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, object] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """Return what is compared by meaning: the question, and the passages' sentences."""
        parts = [sentence for passage in self.passages for sentence in passage]
        return [self.question, *parts] if self.question and parts else []

    def score(self, cosine: float) -> float:
        """Return the estimated chance that the document answers the question, in [0, 1]."""
        features = {**self.features, "cosine": cosine}
        odds = BIAS + sum(worth * features.get(name, 0.0) for name, worth in WEIGHTS.items())
        return 1.0 / (1.0 + math.exp(-odds))

    def weakest(self, cosine: float) -> str:
        """Name what costs the score most."""
        have = self.features
        costs = {
            "no_passage": WEIGHTS["cosine"] * max(0.0, 0.6 - cosine)
            + WEIGHTS["covered"] * (1 - have.get("covered", 0.0)),
            "premise_turned": -sum(WEIGHTS[n] * have.get(n, 0) for n in ("negated", "opposite")),
            "premise_unknown": -sum(WEIGHTS[n] * have.get(n, 0) for n in ("numbers", "names")),
            "no_such_answer": -WEIGHTS["no_answer_type"] * have.get("no_answer_type", 0.0),
        }
        return max(costs, key=lambda reason: costs[reason])


_ASKING = frozenset(
    map(
        stem,
        word_set(
            "who what when where which why how whom whose many much name kind type year often far"
        ),
    )
)


def look(question: str, source: str) -> View:
    """Find the passages nearest by words, and what the question says that they do not."""
    known = document(source)
    asked = [s for s in dict.fromkeys(said(question)) if s not in _ASKING]
    own = asked or list(dict.fromkeys(said(question)))
    wanted = {s: weight(s) * known.idf(s) for s in own}
    if not words(question):
        return View("", known, {})
    best = best_windows(wanted, known, 2, _N_PASSAGES) if wanted else []
    if not best and known.spans:  # nothing in common but, perhaps, the meaning
        best = [Window(n, n + 1, 0.0) for n in range(min(_N_PASSAGES, len(known.spans)))]
    nearest = best[0] if best else Window(0, -1, 0.0)
    core = known.passage(nearest.first, nearest.last) if best else ""
    around = known.passage(nearest.first - 1, nearest.last + 1) if best else ""
    numbers = quantities(question).missing_from(quantities(source))
    unknown = missing_names(question, around)
    # Only where the question repeats some of the passage can a word of it be turned round.
    is_alike = nearest.share >= _MIN_ALIKE
    turned = turned_words(question, around) if is_alike else []
    contrary = telling_opposites(core, question) if is_alike else []
    wanted_kind = "" if has_answer_type(question, core) else f"no {answer_type(question)}"
    features = {
        "covered": nearest.share,
        "vague": float(min(3, sum(is_light(s) and not known.has(s) for s in own))),
        "negated": float(min(2, len(turned))),
        "opposite": float(bool(contrary)),
        "numbers": float(min(2, len(numbers))),
        "names": float(min(2, len(unknown))),
        "no_answer_type": float(bool(wanted_kind)),
    }
    evidence: dict[str, object] = {"covered": round(nearest.share, 4)}
    if best:
        start = known.spans[nearest.first].start
        evidence |= {"passage": core, "start": start, "end": start + len(core)}
    for name, found in (
        ("numbers", numbers),
        ("names", unknown),
        ("turned", [*turned, *contrary]),
        ("missing", wanted_kind),
        ("words", [w for w in words(question) if _is_unknown(w, known)]),
    ):
        if found:
            evidence[name] = found
    passages = tuple(
        tuple(known.sentence(n) for n in range(w.first, min(w.last + 1, len(known.spans))))
        for w in best
    )
    return View(question, known, wanted or {"": 1.0}, passages, features, evidence)


def _is_unknown(word: str, known: Document) -> bool:
    own = said(word)
    if not own or own[0] in _ASKING or is_number(own[0]) or is_light(own[0]):
        return False
    return not known.has(own[0])


def best_cosine(view: View, vectors: NDArray[np.float32] | None, place: Mapping[str, int]) -> float:
    """Return the cosine of the question with its best passage, in [0, 1]; 0 where there is none.

    A passage is the mean of its sentences, which are the same for all questions on a document.
    """
    if vectors is None or not view.texts:
        return 0.0
    question = vectors[place[view.question]]
    best = 0.0
    for passage in view.passages:
        mean = vectors[[place[sentence] for sentence in passage]].sum(axis=0)
        best = max(best, float(mean @ question) / (float(np.linalg.norm(mean)) or 1.0))
    return min(1.0, best)


_TURNING = re.compile(
    r"\b(?:lack\w*|unable|fail\w*|den(?:y|ies|ied|ying)|refus\w+|reject\w*|absen\w+|except|unless"
    r"|declin\w+|prohibit\w*|forbid\w*|forbidden|avoid\w*|prevent\w*|exclud\w*|hardly|barely"
    r"|rarely|never|without|instead|rather|nor|neither|non|unlike|former\w*)\b"
)


_CONDITIONS = frozenset(map(stem, ("unless", "without", "except", "fail", "fails", "other")))
"""What says the same as a negation in a condition."""


def turned_words(question: str, around: str) -> list[str]:
    """Name the words with which the question negates what the passage does not."""
    found: dict[str, None] = {}
    near = set(map(stem, _TURNING.findall(plain(around).casefold())))
    if negations(question) and not negations(around) and not near & _CONDITIONS:
        found["not"] = None
    for word in _TURNING.findall(plain(question).casefold()):
        if stem(word) not in near:
            found[word] = None
    return list(found)


def telling_opposites(core: str, question: str) -> list[str]:
    """Return the opposites among words that carry content: before and after may ask for the order."""
    return [
        pair
        for pair in opposites(core, question)
        if not any(word in STOPWORDS for word in pair.split(" → "))
    ]


_TYPES = {
    "number": re.compile(r"\bhow (?:many|much|long|old|far|often|large|high|big|tall)\b"),
    "date": re.compile(
        r"\bwhen\b|\b(?:what|which) (?:year|date|month|day|century|decade|time)\b|\bsince what\b"
    ),
    "name": re.compile(
        r"\bwho(?:m|se)?\b|\bwhere\b|\b(?:what|which) (?:city|country|state|town|person|company)\b"
    ),
}
_TIME = re.compile(
    r"\b(?:centur\w+|decades?|days?|weeks?|months?|years?|hours?|dates?|immediately|promptly|upon"
    r"|until|after|before|during|within|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b"
)
# Roles answer "who" as well as names do: "the Supplier", "both parties".
_ROLE = re.compile(r"\b(?:\w+(?:er|or|ee|ant|ent|ist|ian)s?|part(?:y|ies)|people|men|women|they)\b")


def answer_type(question: str) -> str:
    """Return "number", "date" or "name" where the question asks for one, else ''."""
    folded = plain(question).casefold()
    return next((kind for kind, pattern in _TYPES.items() if pattern.search(folded)), "")


def has_answer_type(question: str, passage: str) -> bool:
    """Tell whether the passage has something of the kind asked for that the question lacks."""
    kind = answer_type(question)
    folded = plain(passage).casefold()
    new = set(quantities(passage).values) - set(quantities(question).values)
    if kind == "number":
        return bool(new or quantities(passage).loose)
    if kind == "date":
        return bool(new) or bool(_TIME.search(folded))
    if kind == "name":
        asked = set(words(question))
        return any(not set(words(n)) <= asked for n in names(passage)) or any(
            role not in asked for role in _ROLE.findall(folded)
        )
    return True


_DENIAL = re.compile(
    r"\b(?:do(?:es)? not|doesn't|don't|did not|didn't) (?:say|state|mention|specify|provide|contain"
    r"|include|answer|give|address|indicate|disclose)\b"
    r"|\b(?:is|are|was|were) (?:not|n't) (?:stated|mentioned|specified|provided|given|clear|known"
    r"|disclosed|answered|addressed|indicated)\b"
    r"|\bnot (?:stated|mentioned|specified|enough information)\b"
    r"|\b(?:can(?:not|'t| not)) (?:be )?(?:determined?|answer(?:ed)?|tell|say)\b"
    r"|\bno (?:information|mention|indication|answer)\b|\bunanswerable\b|\bunknown\b"
)


def denial(answer: str, source: str) -> str:
    """Return the words with which an answer says that there is none, '' where the source has them."""
    found = _DENIAL.search(plain(answer).casefold())
    return found.group() if found and found.group() not in plain(source).casefold() else ""


def shared_with_answer(view: View, answer: str, quote: str) -> float | None:
    """Return the share of the question's words in and around the passage that the answer rests on.

    Of several passages that have the answer, the one that shares most. In [0, 1]; None where there
    is no answer, or nothing of it in the document.
    """
    known = view.document
    if not answer.strip() or len(view.words) < 2:
        return None
    rests_on = passages_of(answer, locate(quote, known.text) if quote.strip() else None, known)
    total = sum(view.words.values())
    shares = []
    for window in rests_on:
        near = document(known.passage(window.first - 1, window.last + 1))
        shares.append(sum(worth for s, worth in view.words.items() if near.has(s)) / total)
    return max(shares, default=None)


FILTER = Answerable
