"""What a local NLI model says: do the passages imply the answer? Only where one is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from seedbed.records import Candidate, Decision
from seedbed.text import Span, sentences, words
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.passages import best_windows, document, wanted_words

_SHORT_ANSWER = 8
"""Words up to which one needs its question beside it to be a statement."""

_N_PASSAGES = 3


class Entailment(Filter):
    """Drops what the source does not imply, by an NLI model that is on this machine.

    Against "passages", each sentence of the fields is held against the three passages of up to
    three sentences that share most words with it, and counts by the best of them; a short answer
    stands behind its question. Against "text", all fields together are held against the whole
    source; with `both_directions` the source must follow from them as well, as for a paraphrase.

    The score is the lowest of the probabilities. Without a model everything is kept, unscored.
    """

    name = "entailment"
    help = "Drops what the source does not imply, by a local NLI model where one is set."
    always_scores = True
    reasons = ("not_implied", "source_not_implied")

    fields: tuple[str, ...] = Field(min_length=1)
    source_field: str
    question_field: str = ""
    against: Literal["passages", "text"] = "passages"
    both_directions: bool = False
    # What the cross-encoders of sentence-transformers take for "more likely than not".
    minimum: float = Field(default=0.50, ge=0.0, le=1.0)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter. Scores every distinct pair of the batch once."""
        model = context.entailment
        if model is None:
            return [self.keep(candidate) for candidate in candidates]
        tests = [self._tests(candidate) for candidate in candidates]
        pairs = list(dict.fromkeys(p for own in tests for test in own for p in test.pairs))
        found = dict(zip(pairs, map(float, model.entailment(pairs) if pairs else ()), strict=True))
        return [
            self._decide(candidate, own, found)
            for candidate, own in zip(candidates, tests, strict=True)
        ]

    def _tests(self, candidate: Candidate) -> list[_Test]:
        source = candidate.source.fields.get(self.source_field, "")
        text = candidate.text(self.fields)
        if not source.strip() or not text.strip():
            return []
        if self.against == "text":
            tests = [_Test(text, ((source, text),))]
            if self.both_directions:
                tests.append(_Test(source, ((text, source),), "source_not_implied"))
            return tests
        question = candidate.fields.get(self.question_field, "").strip()
        return [self._test(text[start:end], question, source) for start, end in sentences(text)]

    def _test(self, part: str, question: str, source: str) -> _Test:
        is_short = len(words(part)) <= _SHORT_ANSWER and question
        statement = f"{question} {part}" if is_short else part
        known = document(source)
        near = best_windows(wanted_words(statement), known, 3, _N_PASSAGES)
        passages = dict.fromkeys(known.passage(w.first, w.last) for w in near)
        if not passages:
            passages = dict.fromkeys([_beginning(source, known.spans)])
        return _Test(part, tuple((passage, statement) for passage in passages))

    def _decide(
        self, candidate: Candidate, tests: list[_Test], found: dict[tuple[str, str], float]
    ) -> Decision:
        if not tests:
            return self.drop(candidate, "not_implied", 0.0)
        scored = [(max(found[pair] for pair in test.pairs), test) for test in tests]
        score, worst = min(scored, key=lambda each: each[0])
        score = round(min(1.0, max(0.0, score)), 4)
        if score >= self.minimum:
            return self.keep(candidate, score)
        passage = max(worst.pairs, key=lambda pair: found[pair])[0]
        return self.drop(candidate, worst.reason, score, statement=worst.statement, passage=passage)


@dataclass(frozen=True, slots=True)
class _Test:
    """A statement, and the (premise, statement) pairs of which the best counts."""

    statement: str
    pairs: tuple[tuple[str, str], ...]
    reason: str = "not_implied"


def _beginning(source: str, spans: Sequence[Span]) -> str:
    return source[spans[0].start : spans[min(2, len(spans) - 1)].end] if spans else source


FILTER = Entailment
