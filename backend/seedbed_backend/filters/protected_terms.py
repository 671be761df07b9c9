"""What must survive a rewrite: numbers, names, glossary terms, negation, and who does what."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.facts import (
    is_negation_changed,
    missing_names,
    names,
    opposites,
    quantities,
)
from seedbed_backend.text import is_reordered, stem, words


class ProtectedTerms(Filter):
    """Drops a rewrite that lost, added or turned round a fact of its source.

    Numbers are compared by value and unit ("thirty (30) days" is "30 days"), names by their words
    in any case, glossary terms by stem. The score is the share of the source's numbers, names and
    terms that survive, counting additions against it; 1 where there are none.
    """

    name = "protected_terms"
    help = "Drops a rewrite that changed a number, date, name, glossary term or negation."
    reasons = (
        "number_changed",
        "name_missing",
        "name_added",
        "term_missing",
        "negation_changed",
        "opposite_word",
        "word_order",
    )

    fields: tuple[str, ...] = Field(min_length=1)
    source_field: str
    check_opposites: bool = True  # before → after, lender → borrower
    check_order: bool = True  # "A pays B" → "B pays A"

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        return [self._decide(candidate, context.recipe.glossary) for candidate in candidates]

    def _decide(self, candidate: Candidate, glossary: Sequence[str]) -> Decision:
        source = candidate.source.fields.get(self.source_field, "")
        text = candidate.text(self.fields)
        before, after = quantities(source), quantities(text)
        terms = [term for term in glossary if _has_term(source, term)]
        changes: dict[str, list[str]] = {
            "numbers_missing": before.missing_from(after),
            "numbers_added": after.missing_from(before),
            "names_missing": missing_names(source, text),
            "names_added": missing_names(text, source),
            "terms_missing": [term for term in terms if not _has_term(text, term)],
            "opposites": opposites(source, text) if self.check_opposites else [],
        }
        evidence = {kind: found for kind, found in changes.items() if found}
        n_terms = len(before.values) + len(names(source)) + len(terms)
        score = _share(n_terms, changes)
        reason = self._reason(evidence, source, text)
        if reason:
            return self.drop(candidate, reason, score, **evidence)
        return self.keep(candidate, score, n_terms=n_terms)

    def _reason(self, evidence: dict[str, list[str]], source: str, text: str) -> str:
        for kind, reason in (
            ("numbers_missing", "number_changed"),
            ("numbers_added", "number_changed"),
            ("names_missing", "name_missing"),
            ("names_added", "name_added"),
            ("terms_missing", "term_missing"),
        ):
            if kind in evidence:
                return reason
        if is_negation_changed(source, text):
            return "negation_changed"
        if "opposites" in evidence:
            return "opposite_word"
        return "word_order" if self.check_order and is_reordered(source, text) else ""


def _has_term(text: str, term: str) -> bool:
    wanted = " ".join(map(stem, words(term)))
    return bool(wanted) and f" {wanted} " in f" {' '.join(map(stem, words(text)))} "


def _share(n_terms: int, changes: dict[str, list[str]]) -> float:
    n_missing = sum(len(found) for kind, found in changes.items() if kind.endswith("_missing"))
    n_added = sum(len(found) for kind, found in changes.items() if kind.endswith("_added"))
    if not n_terms + n_added:
        return 1.0
    return round(max(0.0, (n_terms - n_missing) / (n_terms + n_added)), 4)


FILTER = ProtectedTerms
