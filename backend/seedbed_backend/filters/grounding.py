"""Whether the document supports the answer, and which words of it do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.facts import (
    NUMBER_STEMS,
    is_negation_changed,
    missing_names,
    opposites,
    quantities,
)
from seedbed_backend.text import Span, content_words, jaccard, locate, sentences, words

_MAX_SENTENCES = 3


class Grounding(Filter):
    """Drops an answer with numbers, names or content words that its document does not have.

    The evidence carries the supporting span: `start` and `end` in code points of the source (end
    exclusive) and `text`, which is source[start:end]; the model's own quote where it stands in the
    document (regardless of case, spacing and punctuation), else the passage that covers the answer
    best. The score is the share of the answer's content words found in the document, halved for
    each broken check.
    """

    name = "grounding"
    help = "Drops an answer that its document does not support, and marks the supporting words."
    reasons = (
        "number_not_in_source",
        "name_not_in_source",
        "not_covered",
        "quote_not_found",
        "negation_changed",
    )

    answer_field: str
    source_field: str
    question_field: str = ""
    quote_field: str = ""
    # Content-word precision .80: FILTERS, hallucinations passed .381 alone, .191 with the rest.
    min_covered: float = Field(default=0.80, ge=0.0, le=1.0)
    # A passage with less than this share of the answer's content words is no evidence.
    min_evidence: float = Field(default=0.35, ge=0.0, le=1.0)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        return [self._decide(candidate) for candidate in candidates]

    def _decide(self, candidate: Candidate) -> Decision:
        source = candidate.source.fields.get(self.source_field, "")
        answer = candidate.fields.get(self.answer_field, "")
        question = candidate.fields.get(self.question_field, "")
        quote = candidate.fields.get(self.quote_field, "").strip()
        share = covered(answer, source)
        quoted = locate(quote, source)
        span = quoted or best_passage(answer, question, source, self.min_evidence)
        evidence: dict[str, object] = {"covered": round(share, 4), "is_quoted": quoted is not None}
        if span:
            evidence |= {
                "start": span.start,
                "end": span.end,
                "text": source[span.start : span.end],
            }
        broken = self._broken(answer, source, evidence)
        if span is None:
            broken.append("quote_not_found")
        if is_turned(answer, source, quoted):
            broken.append("negation_changed")
        score = round(share * 0.5 ** len(broken), 4)
        if broken:
            return self.drop(candidate, broken[0], score, **evidence)
        return self.keep(candidate, score, **evidence)

    def _broken(self, answer: str, source: str, evidence: dict[str, object]) -> list[str]:
        """Name the broken checks, and add what was missing to the evidence."""
        broken = []
        if numbers := quantities(answer).missing_from(quantities(source)):
            broken.append("number_not_in_source")
            evidence["numbers"] = numbers
        if unknown := missing_names(answer, source):
            broken.append("name_not_in_source")
            evidence["names"] = unknown
        if evidence["covered"] < self.min_covered:  # type: ignore[operator]
            broken.append("not_covered")
        return broken


def covered(answer: str, source: str) -> float:
    """Return the share of the answer's content words that the source has; 1 for "No", 0 for "".

    Numbers are left out: they are compared by value.
    """
    if not words(answer):
        return 0.0
    said = [w for w in content_words(answer) if not (w[0].isdigit() or w in NUMBER_STEMS)]
    known = set(content_words(source))
    return sum(word in known for word in said) / len(said) if said else 1.0


def best_passage(answer: str, question: str, source: str, minimum: float) -> Span | None:
    """Return the one to three sentences that cover most words of the answer and its question.

    A longer passage must cover a tenth more for each further sentence. None where no passage covers
    the share `minimum` of the answer.
    """
    wanted = Counter(content_words(answer)) + Counter(content_words(question))
    spans = sentences(source)
    best, best_share = None, 0.0
    for size in range(1, _MAX_SENTENCES + 1):
        for first, last in zip(spans, spans[size - 1 :], strict=False):
            passage = source[first.start : last.end]
            known = set(content_words(passage))
            share = sum(n for word, n in wanted.items() if word in known) / (wanted.total() or 1)
            share -= 0.1 * (size - 1)
            if share > best_share and covered(answer, passage) >= minimum:
                best, best_share = Span(first.start, last.end), share
    return best


def is_turned(answer: str, source: str, quoted: Span | None) -> bool:
    """Tell whether a sentence of the answer says the opposite of the words that it rests on.

    Those are the quote, where the answer is one sentence, else the nearest sentence. Judged only
    where the answer restates them (at least half of their content words): a short answer rests on
    the question's words and cannot be compared.
    """
    said = [answer[start:end] for start, end in sentences(answer)]
    if quoted and len(said) == 1:
        return _is_opposite(said[0], source[quoted.start : quoted.end])
    known = [source[start:end] for start, end in sentences(source)]
    for sentence in said:
        nearest = max(known, key=lambda each: _overlap(sentence, each), default="")
        if _is_opposite(sentence, nearest):
            return True
    return False


def _overlap(a: str, b: str) -> float:
    return jaccard(content_words(a), content_words(b))


def _is_opposite(said: str, evidence: str) -> bool:
    words_said, known = set(content_words(said)), set(content_words(evidence))
    if len(words_said) < 3 or len(words_said & known) < 0.5 * len(known) or not known:
        return False
    return is_negation_changed(evidence, said) or bool(opposites(evidence, said))


FILTER = Grounding
