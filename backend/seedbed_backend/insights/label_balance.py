"""Has each label the share of the survivors that it was to have, and if not, why not?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from seedbed_backend.balance import BARREN_ATTEMPTS, round_shares, wanted_shares
from seedbed_backend.insights.base import Finding, Insight, ReportData
from seedbed_backend.insights.sets import label_of
from seedbed_backend.store import StoredCandidate

FEW_SOURCES = 5
"""A label with fewer seeds is shown the same ones over and over, and repeats itself."""

TOLERANCE = 0.02
"""How far below the wanted share a label may lie without a word: 2 of 100 survivors."""

MIN_SURVIVORS = 10
"""Below that, no share is worth a warning."""


@dataclass(frozen=True, slots=True)
class LabelBalance:
    """One label: shares in 0-1, `survival` of its attempts, and why it lacks survivors, in words."""

    label: str
    wanted: float
    got: float
    n_survivors: int
    n_missing: int
    n_sources: int
    n_attempts: int
    survival: float | None
    why: str = ""


def find(data: ReportData) -> Finding | None:
    """Compare the labels' shares with the recipe's, or with the sources'; None without labels."""
    technique = data.recipe.spec
    if not technique.label_field:
        return None
    own = [source.fields.get(technique.label_field, "") for source in data.sources]
    n_sources = Counter(own)
    survivors = Counter(label_of(data.recipe, s.candidate) for s in data.survivors)
    if set(n_sources) | set(survivors) <= {""}:
        return None
    shares = wanted_shares(data.recipe.label_shares, n_sources)
    for label in {*survivors, *data.recipe.labels} - shares.keys():
        shares[label] = 0.0
    attempts: dict[str, list[StoredCandidate]] = {label: [] for label in shares}
    for stored in data.candidates:
        attempts.setdefault(label_of(data.recipe, stored.candidate), []).append(stored)
    n = survivors.total()
    quotas = round_shares({label: share * n for label, share in shares.items()})
    overall = n / len(data.candidates) if data.candidates else 0.0
    found = [
        _balance(label, shares[label], quotas[label], n, n_sources[label], attempts[label], overall)
        for label in sorted(shares, key=lambda label: (-shares[label], label))
    ]
    return _finding(data, found, n)


def _balance(
    label: str,
    wanted: float,
    quota: int,
    n: int,
    n_sources: int,
    tried: Sequence[StoredCandidate],
    overall: float,
) -> LabelBalance:
    n_got = sum(stored.state == "survivor" for stored in tried)
    survival = n_got / len(tried) if tried else None
    got = n_got / n if n else 0.0
    is_short = n >= MIN_SURVIVORS and got < wanted - TOLERANCE and n_got < quota
    why = _why(n_sources, tried, survival, overall) if is_short else ""
    return LabelBalance(
        label, wanted, got, n_got, max(0, quota - n_got), n_sources, len(tried), survival, why
    )


def _why(
    n_sources: int, tried: Sequence[StoredCandidate], survival: float | None, overall: float
) -> str:
    """Say in words what keeps a label from its share."""
    if not n_sources:
        return "no source has it: import some"
    if survival is None:
        return "it was never asked for: start another run"
    reasons = []
    if n_sources < FEW_SOURCES:
        reasons.append(f"it has only {n_sources} source{'s' * (n_sources > 1)}")
    if survival < overall / 2 or (not survival and len(tried) >= BARREN_ATTEMPTS):
        drops = Counter((s.stage, s.reason) for s in tried if s.state == "dropped")
        (stage, reason), n = (drops.most_common(1) or [(("", ""), 0)])[0]
        most = f", {n} at {stage} for {reason.replace('_', ' ')}" if n else ""
        reasons.append(
            f"{survival:.0%} of its {len(tried)} attempts survived ({overall:.0%} of all{most})"
        )
    return " and ".join(reasons) or "the runs so far asked for too few: start another run"


def _finding(data: ReportData, found: Sequence[LabelBalance], n: int) -> Finding:
    steered = bool(data.recipe.label_shares)
    distance = sum(abs(b.wanted - b.got) for b in found) / 2 if n else 0.0
    what = "as the recipe's label_shares ask" if steered else "as the sources have them"
    lines = [f"{n} survivors; {distance:.0%} of them would need another label to be {what}."]
    if n < MIN_SURVIVORS:
        lines.append(f"With fewer than {MIN_SURVIVORS} survivors, shares say little.")
    rows: list[list[str | int | float]] = [
        [
            b.label or "(none)",
            f"{b.wanted:.0%}",
            f"{b.got:.0%}",
            b.n_survivors,
            b.n_missing,
            b.n_sources,
            "" if b.survival is None else f"{b.survival:.0%}",
            b.why,
        ]
        for b in found
    ]
    return Finding(
        "label_balance",
        "Labels: wanted and got",
        lines=lines,
        columns=(
            "label",
            "wanted",
            "got",
            "survivors",
            "missing",
            "sources",
            "survival",
            "why it lacks some",
        ),
        rows=rows,
        warnings=[
            f"{b.label or 'Unlabelled'}: {b.got:.0%} of the survivors, {b.wanted:.0%} wanted: {b.why}."
            for b in found
            if b.why
        ],
        data={
            "is_steered": steered,
            "n_survivors": n,
            "distance": round(distance, 4),
            "labels": [asdict(b) for b in found],
        },
    )


INSIGHT = Insight("label_balance", find)
