"""Variety: how many questions a document may have, and how many of one type."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, field_validator

from seedbed.records import Candidate, Decision, SourceTask
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.question_kinds import TYPES, QuestionKind, classify
from seedbed_backend.filters.top_fraction import quality

Share = Annotated[float, Field(gt=0.0, le=1.0)]


class QuestionMix(Filter):
    """Says of each question its type and difficulty, and drops what exceeds a document's quotas.

    `shares` maps a type (factual, analytical, summarization) to the largest share that it may have
    of a document's questions, rounded up; types that are not named are not limited.
    `max_per_document` bounds their number, 0 is no bound. A document is the sources' `group`, or
    the source where there is none. Shares are of all questions that reach this filter, with those
    that were kept before. The better-scored ones stay, equals by id. Both quotas are off by
    default. Not scored.
    """

    name = "question_mix"
    help = "Names each question's type and difficulty; drops what exceeds a document's quotas."
    reasons = ("document_full", "type_over_quota")
    scope = "set"

    question_field: str
    answer_field: str
    source_field: str
    shares: dict[str, Share] = Field(default_factory=dict)
    max_per_document: int = Field(default=0, ge=0)

    @field_validator("shares")
    @classmethod
    def _are_types(cls, shares: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(shares.keys() - set(TYPES)):
            raise ValueError(f"{unknown[0]!r} is no type of question; known: {', '.join(TYPES)}")
        return shares

    @property
    def uses_kept(self) -> bool:
        """See Filter."""
        return bool(self.shares or self.max_per_document)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        kinds = [self.kind(candidate.fields, candidate.source.fields) for candidate in candidates]
        totals, counts = self._before(candidates, context)
        reached: Counter[str] = Counter(totals)
        reached.update(document_of(candidate.source) for candidate in candidates)
        order = sorted(
            range(len(candidates)),
            key=lambda place: (-quality(context, candidates[place]), candidates[place].id, place),
        )
        decisions: dict[int, Decision] = {}
        for place in order:
            candidate, kind = candidates[place], kinds[place]
            document = document_of(candidate.source)
            reason = self._excess(kind.type, totals[document], counts[document], reached[document])
            evidence: dict[str, object] = {"type": kind.type, "difficulty": kind.difficulty}
            if reason:
                decisions[place] = self.drop(
                    candidate,
                    reason,
                    None,
                    **evidence,
                    n_of_type=counts[document][kind.type],
                    n_of_document=totals[document],
                )
                continue
            totals[document] += 1
            counts[document][kind.type] += 1
            decisions[place] = self.keep(candidate, None, **evidence)
        return [decisions[place] for place in range(len(candidates))]

    @property
    def is_idle(self) -> bool:
        """See Filter: without quotas."""
        return not (self.shares or self.max_per_document)

    def kind(self, fields: Mapping[str, str], source: Mapping[str, str]) -> QuestionKind:
        """Classify one question."""
        return classify(
            fields.get(self.question_field, ""),
            fields.get(self.answer_field, ""),
            source.get(self.source_field, ""),
        )

    def _excess(self, type_: str, n_kept: int, kept: Counter[str], n_reached: int) -> str:
        if self.max_per_document and n_kept >= self.max_per_document:
            return "document_full"
        share = self.shares.get(type_)
        if share is not None and kept[type_] >= quota(share, n_reached):
            return "type_over_quota"
        return ""

    def _before(
        self, candidates: Sequence[Candidate], context: ScreenContext
    ) -> tuple[Counter[str], defaultdict[str, Counter[str]]]:
        """Count what was kept before of the candidates' documents, and how many of each type."""
        totals: Counter[str] = Counter()
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        own = {candidate.id for candidate in candidates}
        asked = {document_of(candidate.source) for candidate in candidates}
        for earlier in context.kept if self.uses_kept else ():
            document = document_of(earlier.source)
            if document in asked and earlier.id not in own:
                totals[document] += 1
                counts[document][self.kind(earlier.fields, earlier.source.fields).type] += 1
        return totals, counts


def document_of(source: SourceTask) -> str:
    """Name the document that a source belongs to."""
    return source.group or source.id


def quota(share: float, n_questions: int) -> int:
    """Return how many of a document's questions may be of a type, at least one."""
    return max(1, math.ceil(round(share * n_questions, 9)))


FILTER = QuestionMix
