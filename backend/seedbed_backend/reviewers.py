"""What the verdicts say about those who gave them: canaries, agreement, time. Reported, not judged.

Nothing here changes a verdict. Of several people's words on a candidate the newest stands, whoever
said it.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from seedbed.errors import SeedbedError
from seedbed.recipe import parse
from seedbed.records import Candidate, Verdict
from seedbed.review import wilson_interval
from seedbed.technique import Technique
from seedbed_backend import agreement
from seedbed_backend.agreement import Coefficient
from seedbed_backend.services import Services
from seedbed_backend.store import Canary, Project, StoredCandidate

_logger = logging.getLogger(__name__)

WORDS_PER_MINUTE = 700
"""Faster than that nobody reads: people read 238 words of English a minute (Brysbaert, J. Mem. Lang.
109 (2019) 104047, a mean over 190 studies), and trained speed readers about 700, who then miss what
is not on the surface (Just & Carpenter 1987, as told by Rayner et al., Psychol. Sci. Public Interest
17 (2016) 4)."""

MIN_SECONDS = 2.0
"""What one decision and two keys take, however short the text: 1.35 s and twice 0.28 s in the
keystroke-level model (Card, Moran & Newell, Commun. ACM 23 (1980) 396)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One person's last word on one candidate, and the candidate."""

    verdict: Verdict
    stored: StoredCandidate
    technique: Technique

    @property
    def n_words(self) -> int:
        """Count the words that were to be read: the source, and what of the candidate is not in it."""
        candidate = self.stored.candidate
        return n_words_shown(self.technique, candidate)

    @property
    def least_seconds(self) -> float:
        """Return the time below which nobody can have read it."""
        return max(MIN_SECONDS, 60 * self.n_words / WORDS_PER_MINUTE)

    @property
    def is_too_fast(self) -> bool:
        """Tell whether it took less time than reading does; without a time nobody can tell."""
        seconds = self.verdict.lead_time_seconds
        return seconds is not None and seconds < self.least_seconds


def n_words_shown(technique: Technique, candidate: Candidate) -> int:
    """Count the words, parted by white space, of a source and of the output beside it.

    What of the output stands in the source word for word, such as marked evidence, counts once.
    """
    source = "\n".join(candidate.source.fields.get(f.name, "") for f in technique.source_fields)
    outputs = (candidate.fields.get(f.name, "") for f in technique.output_fields)
    new = [text for text in outputs if text not in source]
    return sum(len(text.split()) for text in (source, *new))


def report(services: Services, project: Project) -> dict[str, Any]:
    """Say of each reviewer what was judged, how fast, and how many canaries were noticed.

    And how far reviewers agree. JSON values; names are None while Label Studio is away.
    """
    store = services.store
    technique = parse(project.recipe).spec
    said = store.last_words(project.id)
    found = store.candidates_by_id({verdict.candidate_id for verdict in said})
    judged = [Judged(verdict, found[verdict.candidate_id], technique) for verdict in said]
    canaries = {canary.id: canary for canary in store.canaries_of_project(project.id)}
    on_canaries = _last_words(store.canary_verdicts(project.id))
    names = _names(services)
    return {
        "project": project.id,
        "rule": {"words_per_minute": WORDS_PER_MINUTE, "min_seconds": MIN_SECONDS},
        "reviewers": _reviewers(project, judged, on_canaries, names),
        "agreement": _agreement(judged),
        "disagreements": _disagreements(project, judged, names),
        "canaries": _canaries(canaries, on_canaries),
    }


# --- one reviewer --------------------------------------------------------------------------------


def _reviewers(
    project: Project,
    judged: Sequence[Judged],
    on_canaries: Sequence[Verdict],
    names: Mapping[int, str],
) -> list[dict[str, Any]]:
    own: defaultdict[int | None, list[Judged]] = defaultdict(list)
    caught: defaultdict[int | None, list[Verdict]] = defaultdict(list)
    for each in judged:
        own[each.verdict.reviewer].append(each)
    for verdict in on_canaries:
        caught[verdict.reviewer].append(verdict)
    rows = [
        {
            "reviewer": reviewer,
            "name": names.get(reviewer) if reviewer is not None else None,
            **_counts(own[reviewer]),
            "canaries": _hits(caught[reviewer]),
            "too_fast": _too_fast(project, own[reviewer]),
        }
        for reviewer in {*own, *caught}
    ]
    return sorted(rows, key=lambda row: (-row["n_judged"], row["reviewer"] or 0))


def _counts(judged: Sequence[Judged]) -> dict[str, Any]:
    counts = Counter(each.verdict.status for each in judged)
    times = _times(judged)
    return {
        "n_judged": len(judged),
        "n_accepted": counts["ACCEPTED"],
        "n_fixed": counts["FIXED"],
        "n_rejected": counts["REJECTED"],
        **_rate(counts["ACCEPTED"] + counts["FIXED"], len(judged)),
        "median_seconds": median(times) if times else None,
    }


def _hits(said: Sequence[Verdict]) -> dict[str, Any]:
    n_caught = sum(_is_caught(verdict) for verdict in said)
    return {"n": len(said), "n_caught": n_caught, **_rate(n_caught, len(said))}


def _too_fast(project: Project, judged: Sequence[Judged]) -> dict[str, Any]:
    flagged = [each for each in judged if each.is_too_fast]
    return {
        "n": len(flagged),
        "n_timed": len(_times(judged)),
        "tasks": [each.stored.review_task for each in flagged],
        "details": [
            {
                **_place(project, each.stored),
                "seconds": each.verdict.lead_time_seconds,
                "least_seconds": round(each.least_seconds, 1),
                "n_words": each.n_words,
            }
            for each in flagged
        ],
    }


def _times(judged: Iterable[Judged]) -> list[float]:
    times = (each.verdict.lead_time_seconds for each in judged)
    return [seconds for seconds in times if seconds is not None]


# --- reviewers together --------------------------------------------------------------------------


def _agreement(judged: Sequence[Judged]) -> dict[str, Any]:
    """Compare what people said of the same candidates: accepted or not, and the three statuses."""
    status: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for each in judged:
        if each.verdict.reviewer is not None:
            status[each.verdict.candidate_id][each.verdict.reviewer] = each.verdict.status
    double = agreement.doubly_judged(status)
    accepted = {
        id_: {person: _is_accepted(word) for person, word in said.items()}
        for id_, said in double.items()
    }
    n_agreed = sum(len(set(said.values())) == 1 for said in accepted.values())
    of_status = agreement.kappas(double)
    return {
        "n_double": len(double),
        "n_agreed": n_agreed,
        "n_same_status": sum(len(set(said.values())) == 1 for said in double.values()),
        **_rate(n_agreed, len(double)),
        "min_pairs": agreement.MIN_PAIRS,
        "kappa": [
            {
                "a": a,
                "b": b,
                "n": found.n,
                **_named("kappa", found),
                **_named("kappa_status", of_status[a, b]),
            }
            for (a, b), found in agreement.kappas(accepted).items()
        ],
        **_named("alpha", agreement.alpha(accepted)),
        **_named("alpha_status", agreement.alpha(double)),
    }


def _disagreements(
    project: Project, judged: Sequence[Judged], names: Mapping[int, str]
) -> list[dict[str, Any]]:
    """List what people judged differently: first where one accepts and one rejects.

    The newest verdict stands. It settles the matter where a third person gave it.
    """
    by_candidate: defaultdict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        by_candidate[each.verdict.candidate_id].append(each)
    rows = [
        _disagreement(project, said, names)
        for _, said in sorted(by_candidate.items())
        if len({each.verdict.status for each in said}) > 1
    ]
    return sorted(rows, key=lambda row: (row["is_settled"], not row["is_about_acceptance"]))


def _disagreement(
    project: Project, said: Sequence[Judged], names: Mapping[int, str]
) -> dict[str, Any]:
    stored = said[0].stored
    statuses = {_is_accepted(each.verdict.status) for each in said}
    return {
        **_place(project, stored),
        "is_about_acceptance": len(statuses) > 1,
        "is_settled": len(said) > 2,
        "verdicts": [
            {
                "reviewer": each.verdict.reviewer,
                "name": names.get(each.verdict.reviewer or 0),
                "status": each.verdict.status,
                "stands": stored.verdict == each.verdict,
                "reasons": list(each.verdict.reasons),
                "note": each.verdict.note,
                "decided_at": each.verdict.decided_at,
            }
            for each in said
        ],
    }


def _canaries(canaries: Mapping[str, Canary], said: Sequence[Verdict]) -> dict[str, Any]:
    """Count canaries, those that somebody judged, and those whose newest verdict is no acceptance."""
    newest = {verdict.candidate_id: verdict for verdict in said}
    by_kind: defaultdict[str, list[Verdict]] = defaultdict(list)
    for id_, verdict in newest.items():
        by_kind[canaries[id_].kind].append(verdict)
    hits = _hits(list(newest.values()))
    return {
        "n": len(canaries),
        "n_shown": hits.pop("n"),
        **hits,
        "kinds": [{"kind": kind, **_hits(by_kind[kind])} for kind in sorted(by_kind)],
    }


# --- shared --------------------------------------------------------------------------------------


def _last_words(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Keep each person's newest verdict on each canary, oldest first."""
    newest = {(v.candidate_id, v.reviewer): v for v in verdicts}
    return sorted(newest.values(), key=lambda v: (v.decided_at, v.annotation_id or 0))


def _names(services: Services) -> dict[int, str]:
    try:
        return services.label_studio.users()
    except SeedbedError as exc:
        _logger.warning("the reviewers' names are not known: %s", exc)
        return {}


def _place(project: Project, stored: StoredCandidate) -> dict[str, Any]:
    task = stored.review_task
    url = f"{project.label_studio_url}/projects/{project.review_project}/data?task={task}"
    return {"candidate": stored.candidate.id, "task": task, "url": url if task else ""}


def _rate(n: int, of: int) -> dict[str, float | None]:
    low, high = wilson_interval(n, of)
    return {"rate": n / of if of else None, "low": low, "high": high}


def _named(name: str, found: Coefficient) -> dict[str, Any]:
    return {name: found.value, f"{name}_reason": found.reason}


def _is_accepted(status: str) -> str:
    return "rejected" if status == "REJECTED" else "accepted"


def _is_caught(verdict: Verdict) -> bool:
    return verdict.status != "ACCEPTED"
