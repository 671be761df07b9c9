"""Whether a rewrite still says what its source says: its facts, its sense, its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from pydantic import Field

from seedbed.contrasts import (
    comparisons,
    is_negation_changed,
    modality_changes,
    negations,
    opposites,
)
from seedbed.facts import missing_names, names, quantities
from seedbed.records import Candidate, Decision, SourceTask
from seedbed.text import stem, words
from seedbed_backend.filters.base import Encoder, Filter, ScreenContext
from seedbed_backend.filters.content import clauses, lost_clauses, lost_terms, recurring_words
from seedbed_backend.filters.roles import exchanged


@dataclass(slots=True)
class _Pair:
    """A source and its rewrite, with what was found about them: kind → what changed."""

    source: str
    text: str
    n_terms: int = 0
    changes: dict[str, list[str]] = field(default_factory=dict)

    def note(self, kind: str, found: Sequence[str]) -> None:
        if found:
            self.changes[kind] = list(found)


class ProtectedTerms(Filter):
    """Drops a rewrite that lost, added or turned round something that its source says.

    Compared are numbers by value ("thirty (30) days" is "30 days"), dates and times, units ("90
    minutes" are "1.5 hours"), names in any case, glossary terms by stem, negation, modality (shall,
    may, must not), comparatives and other opposites, roles ("A pays B"; passives and reordered lists
    pass), clauses without an answer on the other side, and rare terms that gave way to a word of
    another meaning. The evidence says what changed, under one key a kind.

    The score is the share of the source's numbers, names and terms that survive, counting additions
    against it, halved for every other kind of change; 1 where nothing changed.
    """

    name = "protected_terms"
    help = "Drops a rewrite that changed a fact, a condition, a role or a term, or lost a clause."
    uses_sources = True
    reasons = (
        "number_changed",
        "date_changed",
        "unit_changed",
        "name_missing",
        "name_added",
        "term_missing",
        "negation_changed",
        "modality_changed",
        "comparison_changed",
        "opposite_word",
        "roles_swapped",
        "clause_missing",
        "clause_added",
        "term_changed",
    )

    fields: tuple[str, ...] = Field(min_length=1)
    source_field: str
    check_opposites: bool = True  # before → after, lender → borrower, more → less
    check_modality: bool = True  # must → may
    check_roles: bool = True  # "A pays B" → "B pays A"
    check_clauses: bool = True
    check_rare_terms: bool = True
    # A clause in doubt counts as said where some clause of the other side has this cosine.
    min_clause_cosine: float = Field(default=0.50, ge=0.0, le=1.0)
    # A rare term may give way to words of this cosine: synonyms have .35 and more ("clutter" and
    # "mess" .36), slips less ("gout" and "taste" .26, "shunt" and "hunt" .23).
    min_term_cosine: float = Field(default=0.30, ge=0.0, le=1.0)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter. The encoder is asked only about clauses and terms in doubt."""
        glossary = context.recipe.glossary
        recurring = self._recurring(context.sources)
        pairs = [self._compare(candidate, glossary) for candidate in candidates]
        doubtful = [pair for pair in pairs if not self._reason(pair.changes)]
        self._settle(doubtful, recurring, context.encoder)
        return [self._decide(*each) for each in zip(candidates, pairs, strict=True)]

    def _recurring(self, sources: Sequence[SourceTask]) -> frozenset[str]:
        if not self.check_rare_terms:
            return frozenset()
        return _recurring_in(tuple(s.fields.get(self.source_field, "") for s in sources))

    def _compare(self, candidate: Candidate, glossary: Sequence[str]) -> _Pair:
        """Compare by words alone."""
        source = candidate.source.fields.get(self.source_field, "")
        text = candidate.text(self.fields)
        pair = _Pair(source, text)
        before, after = quantities(source), quantities(text)
        terms = [term for term in glossary if _has_term(source, term)]
        pair.n_terms = len(before.values) + len(names(source)) + len(terms)
        for kind, found in (("missing", before.missing_from(after)),
                            ("added", after.missing_from(before))):  # fmt: skip
            for fact, members in _by_kind(found).items():
                pair.note(f"{fact}_{kind}", members)
        pair.note("names_missing", missing_names(source, text))
        pair.note("names_added", missing_names(text, source))
        pair.note("terms_missing", [term for term in terms if not _has_term(text, term)])
        if is_negation_changed(source, text):
            pair.note("negation", [f"{_counted(source)} → {_counted(text)}"])
        if self.check_modality:
            pair.note("modality", modality_changes(source, text))
        if self.check_opposites:
            turned = opposites(source, text)
            compared = comparisons(turned)
            pair.note("comparisons", compared)
            pair.note("opposites", [each for each in turned if each not in compared])
        if self.check_roles and not pair.changes.get("comparisons"):
            pair.note("roles", exchanged(source, text))
        return pair

    def _settle(self, pairs: Sequence[_Pair], recurring: frozenset[str], encoder: Encoder) -> None:
        """Ask what clauses and terms in doubt mean, and note those that are missing indeed."""
        asked = [question for pair in pairs for question in self._questions(pair, recurring)]
        wanted = list(dict.fromkeys(t for q in asked for t in (q.said, *q.answers)))
        vectors = dict(zip(wanted, encoder.encode(wanted), strict=True)) if wanted else {}
        for question in asked:
            cosines = [float(np.dot(vectors[question.said], vectors[a])) for a in question.answers]
            if max(cosines, default=0.0) < question.least:
                found = question.pair.changes.setdefault(question.kind, [])
                found.append(question.said)

    def _questions(self, pair: _Pair, recurring: frozenset[str]) -> Iterator[_Question]:
        if self.check_clauses:
            for kind, said, other in (
                ("clauses_missing", pair.source, pair.text),
                ("clauses_added", pair.text, pair.source),
            ):
                for doubt in lost_clauses(said, other):
                    answers = () if doubt.is_certain else (other, *clauses(other))
                    yield _Question(pair, kind, doubt.text, answers, self.min_clause_cosine)
        if self.check_rare_terms:
            for term, instead in lost_terms(pair.source, pair.text, recurring):
                answers = (*instead, " ".join(instead))
                yield _Question(pair, "terms_changed", term, answers, self.min_term_cosine)

    def _decide(self, candidate: Candidate, pair: _Pair) -> Decision:
        reason = self._reason(pair.changes)
        score = _score(pair)
        if reason:
            return self.drop(candidate, reason, score, **pair.changes)
        return self.keep(candidate, score, n_terms=pair.n_terms)

    @staticmethod
    def _reason(changes: Mapping[str, list[str]]) -> str:
        return next((reason for kind, reason in _REASONS.items() if kind in changes), "")


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether one of `answers` means what `said` says, by a cosine of at least `least`."""

    pair: _Pair
    kind: str
    said: str
    answers: tuple[str, ...]
    least: float


_REASONS = {
    "numbers_missing": "number_changed",
    "numbers_added": "number_changed",
    "dates_missing": "date_changed",
    "dates_added": "date_changed",
    "units_missing": "unit_changed",
    "units_added": "unit_changed",
    "names_missing": "name_missing",
    "names_added": "name_added",
    "terms_missing": "term_missing",
    "negation": "negation_changed",
    "modality": "modality_changed",
    "comparisons": "comparison_changed",
    "opposites": "opposite_word",
    "roles": "roles_swapped",
    "clauses_missing": "clause_missing",
    "clauses_added": "clause_added",
    "terms_changed": "term_changed",
}
_COUNTED_KINDS = ("numbers", "dates", "units", "names", "terms")


def _by_kind(found: Sequence[str]) -> dict[str, list[str]]:
    """Sort quantities: "3 week" has another unit, "month-5" and "17:30" are dates and times."""
    kinds: dict[str, list[str]] = {}
    for value in found:
        is_date = value.startswith(("month-", "decade-")) or ":" in value
        kind = "dates" if is_date else "units" if " " in value else "numbers"
        kinds.setdefault(kind, []).append(value)
    return kinds


def _counted(text: str) -> str:
    n_negations = negations(text)
    return "no negation" if not n_negations else f"{n_negations} negation" + "s" * (n_negations > 1)


@lru_cache(maxsize=4)
def _recurring_in(texts: tuple[str, ...]) -> frozenset[str]:
    return recurring_words(dict.fromkeys(texts))


def _has_term(text: str, term: str) -> bool:
    wanted = " ".join(map(stem, words(term)))
    return bool(wanted) and f" {wanted} " in f" {' '.join(map(stem, words(text)))} "


def _score(pair: _Pair) -> float:
    counts = {"missing": 0, "added": 0}
    n_turned = 0
    for kind, found in pair.changes.items():
        fact, _, way = kind.partition("_")
        if fact in _COUNTED_KINDS and way in counts:
            counts[way] += len(found)
        else:
            n_turned += 1
    n_all = pair.n_terms + counts["added"]
    share = max(0.0, (pair.n_terms - counts["missing"]) / n_all) if n_all else 1.0
    return round(float(share * 0.5**n_turned), 4)


FILTER = ProtectedTerms
