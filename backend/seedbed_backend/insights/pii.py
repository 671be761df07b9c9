"""What personal data the candidates had, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from seedbed_backend.insights.base import Finding, Insight, ReportData
from seedbed_backend.redaction import FILTER_NAME
from seedbed_backend.store import StoredCandidate

_FATES = ("survivor", "dropped for it", "dropped otherwise", "not yet decided")


def _find(data: ReportData) -> Finding | None:
    """Count by type, origin, action and fate; None where the privacy filter has looked at nothing.

    One candidate with two phone numbers counts twice.
    """
    examined = [stored for stored in data.candidates if FILTER_NAME in stored.evidence]
    if not examined:
        return None
    counts: Counter[tuple[str, bool, str, str]] = Counter()
    n_with = n_dropped = 0
    for stored in examined:
        found = list(_findings(stored))
        n_with += bool(found)
        n_dropped += stored.stage == FILTER_NAME
        counts.update((f["type"], f["in_source"], f["action"], _fate(stored)) for f in found)
    replaced = Counter(
        place["type"]
        for stored in {s.candidate.source.id: s for s in data.survivors}.values()
        for place in stored.evidence.get(FILTER_NAME, {}).get("source", ())
    )
    keys = sorted({key[:3] for key in counts}, key=lambda k: (k[0], not k[1], k[2]))
    rows = [
        (
            type_,
            "own source" if own else "elsewhere",
            action,
            *(counts[type_, own, action, fate] for fate in _FATES),
        )
        for type_, own, action in keys
    ]
    kept = sorted({t for t, _, action, fate in counts if action == "keep" and fate == "survivor"})
    n_other = sum("seen_in" in f for stored in examined for f in _findings(stored))
    lines = [
        f"{n_with} of {len(examined)} candidates had personal data; {n_dropped} were dropped for it."
    ]
    if n_other:
        lines.append(f"{n_other} findings stand in another source than the candidate's own.")
    if replaced:
        lines.append(
            f"In the sources of survivors {replaced.total()} places are replaced when handed out."
        )
    return Finding(
        "pii",
        "Personal data",
        lines,
        ("type", "from", "action", *_FATES),
        rows,
        [f"Survivors keep personal data, as the recipe says: {', '.join(kept)}."] if kept else [],
        {
            "n_examined": len(examined),
            "n_with_pii": n_with,
            "n_dropped": n_dropped,
            "n_seen_in_other_source": n_other,
            "n_replaced_in_sources": dict(sorted(replaced.items())),
            "counts": [
                {"type": t, "in_source": own, "action": action, "fate": fate, "n": n}
                for (t, own, action, fate), n in sorted(counts.items())
            ],
        },
    )


def _findings(stored: StoredCandidate) -> Iterator[dict[str, Any]]:
    yield from stored.evidence[FILTER_NAME].get("found", ())


def _fate(stored: StoredCandidate) -> str:
    if stored.state == "survivor":
        return _FATES[0]
    if stored.state == "dropped":
        return _FATES[1] if stored.stage == FILTER_NAME else _FATES[2]
    return _FATES[3]


INSIGHT = Insight("pii", _find)
