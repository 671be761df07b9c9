"""How varied the questions are: types and difficulty, by document, against the quotas."""

from __future__ import annotations

from collections import Counter, defaultdict

from seedbed_backend.filters import configure
from seedbed_backend.filters.question_kinds import DIFFICULTIES, TYPES
from seedbed_backend.filters.question_mix import QuestionMix, document_of, quota
from seedbed_backend.insights.base import Finding, Insight, ReportData
from seedbed_backend.store import StoredCandidate

MIN_QUESTIONS = 10
"""Questions from which a set of one type only is pointed out."""


def find(data: ReportData) -> Finding | None:
    """Count the survivors' questions; None where the recipe has no filter `question_mix`."""
    mix = next((f for f in configure(data.recipe) if isinstance(f, QuestionMix)), None)
    survivors = data.survivors
    if mix is None or not survivors:
        return None
    table: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for stored in survivors:
        table[document_of(stored.candidate.source)].update(_kind(stored, mix))
    total: Counter[str] = sum(table.values(), Counter())
    n = len(survivors)
    n_dropped = Counter(c.reason for c in data.candidates if c.stage == mix.name)
    rows: list[tuple[str | int, ...]] = [
        (name, _n(counts), *(counts[k] for k in (*TYPES, *DIFFICULTIES)), _quota(mix, counts))
        for name, counts in sorted(table.items(), key=lambda item: (-_n(item[1]), item[0]))
    ]
    lines = [
        f"{n} questions on {len(table)} documents: "
        + ", ".join(f"{total[kind]} {kind}" for kind in (*TYPES, *DIFFICULTIES))
        + "."
    ]
    if n_dropped:
        lines.append(
            "Over a quota: "
            + ", ".join(f"{count} {reason}" for reason, count in sorted(n_dropped.items()))
            + "."
        )
    return Finding(
        name="question_mix",
        title="Types and difficulty of the questions",
        lines=lines,
        columns=("document", "questions", *TYPES, *DIFFICULTIES, "quotas"),
        rows=rows,
        warnings=_warnings(total, n, table, mix),
        data={
            "n_questions": n,
            "n_documents": len(table),
            "types": {kind: total[kind] for kind in TYPES},
            "difficulties": {kind: total[kind] for kind in DIFFICULTIES},
            "documents": {name: dict(counts) for name, counts in sorted(table.items())},
            "n_dropped": dict(n_dropped),
            "shares": dict(mix.shares),
            "max_per_document": mix.max_per_document,
        },
    )


def _kind(stored: StoredCandidate, mix: QuestionMix) -> tuple[str, str]:
    said = stored.evidence.get(mix.name, {})
    if "type" in said and "difficulty" in said:
        return str(said["type"]), str(said["difficulty"])
    kind = mix.kind(stored.candidate.fields, stored.candidate.source.fields)
    return kind.type, kind.difficulty


def _n(counts: Counter[str]) -> int:
    return sum(counts[kind] for kind in TYPES)


def _quota(mix: QuestionMix, counts: Counter[str]) -> str:
    """Say what a document's quotas are, in numbers."""
    n = _n(counts)
    parts = [f"{kind} ≤ {quota(share, n)}" for kind, share in sorted(mix.shares.items())]
    if mix.max_per_document:
        parts.append(f"all ≤ {mix.max_per_document}")
    return ", ".join(parts) or "none"


def _warnings(
    total: Counter[str], n: int, table: defaultdict[str, Counter[str]], mix: QuestionMix
) -> list[str]:
    found = []
    if n >= MIN_QUESTIONS:
        found += [f"All questions are {kind}." for kind in TYPES if total[kind] == n]
        found += [f"All questions are {kind}." for kind in DIFFICULTIES if total[kind] == n]
    over = [
        name
        for name, counts in sorted(table.items())
        if any(counts[kind] > quota(share, _n(counts)) for kind, share in mix.shares.items())
    ]
    if over:
        found.append(
            f"Over the share of a type in {len(over)} of {len(table)} documents, since later steps "
            f"dropped others: {', '.join(over[:5])}."
        )
    return found


INSIGHT = Insight("question_mix", find)
