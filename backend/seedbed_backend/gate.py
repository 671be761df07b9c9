"""The acceptance gate: may the survivors of a run that nobody has judged be handed out?

The verdicts on the random sample say so (`seedbed.review.judgement`), unless a manager decided. What
it says stands in the review project's description in Label Studio as well, for `seedbed.Client`.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed import gate_notice, review
from seedbed.errors import SeedbedError, UserError
from seedbed.gate_notice import RELEASED, GateState, RunNotice
from seedbed.recipe import Recipe, parse
from seedbed.review import Counts
from seedbed.text import shortened
from seedbed_backend import redaction
from seedbed_backend.services import Services
from seedbed_backend.store import (
    GateDecision,
    GateWord,
    Project,
    Rejection,
    ReviewCount,
    Run,
    Store,
    StoredCandidate,
)

_logger = logging.getLogger(__name__)

N_EXAMPLES = 2
"""How many rejected candidates are shown per stratum and reason."""

MAX_EXAMPLES = 200
"""How many are shown in all: a project may have thousands of strata."""

EXAMPLE_LENGTH = 200

MAX_ANNOUNCEMENTS = 5
"""How often the notice is written again because verdicts came in meanwhile."""

_WORDS: Mapping[GateWord, GateState] = {"release": "released", "hold": "held"}


@dataclass(frozen=True, slots=True)
class RunGate:
    """What is known of one run. `strata` are the counts by the strata's names, `counts` their sum."""

    run: Run
    target: float
    decision: GateDecision | None
    strata: Mapping[str, Counts]
    counts: Counts

    @property
    def computed(self) -> GateState:
        """Return what the verdicts alone say."""
        counts = self.counts
        return review.judgement(counts.n_good, counts.n_judged, counts.n_waiting, self.target)

    @property
    def state(self) -> GateState:
        """Return what holds: a manager's word, where there is one, else what the verdicts say."""
        return _WORDS[self.decision.decision] if self.decision else self.computed

    @property
    def n_more(self) -> int | None:
        """Return how many further verdicts would decide; None where that is not the question."""
        counts = self.counts
        if self.computed != "needs_review":
            return None
        n_left = counts.n_survivors - counts.n_sampled
        return review.n_more(counts.n_good, counts.n_judged, self.target, n_left)


def gate(services: Services, project: Project, run_id: str | None = None) -> dict[str, Any]:
    """Describe the gate of a project, or of one run: states, counts, strata, rejections, advice.

    Label Studio is asked for the skipped tasks; where it is away, none are counted.
    """
    store = services.store
    skipped = _skipped(services, project)
    runs = run_gates(store, project, run_id, skipped)
    reasons = _reasons(store, project, run_id)
    counts = sum((each.counts for each in runs), Counts())
    return {
        **_project_dict(project),
        "review_url": f"{project.label_studio_url}/projects/{project.review_project}/data",
        "n_survivors": counts.n_survivors,
        "overall": counts_dict(counts),
        "runs": [
            {**_run_dict(store, project, each), "strata": _strata(each, reasons)} for each in runs
        ],
    }


def brief(store: Store, project: Project, run_id: str | None = None) -> dict[str, Any]:
    """Describe the gate without strata and examples, and without asking Label Studio."""
    runs = run_gates(store, project, run_id)
    return {
        **_project_dict(project),
        "overall": counts_dict(sum((each.counts for each in runs), Counts())),
        "runs": [_run_dict(store, project, each) for each in runs],
    }


def overall(store: Store, project: Project) -> Counts:
    """Count over all published runs of a project."""
    return sum((each.counts for each in run_gates(store, project)), Counts())


def run_gates(
    store: Store,
    project: Project,
    run_id: str | None = None,
    skipped: Counter[tuple[str, str]] | None = None,
) -> list[RunGate]:
    """Return what is known of every published run with survivors, or of one, newest first."""
    strata: defaultdict[str, defaultdict[str, Counts]] = defaultdict(lambda: defaultdict(Counts))
    for count in store.review_counts(project.id, project.sampled_fraction, run_id):
        strata[count.run_id][count.stratum] += _counted(count)
    for (run, name), n in (skipped or Counter()).items():
        if name in strata[run]:
            strata[run][name] += Counts(n_skipped=n)
    target = parse(project.recipe).acceptance_target
    decisions = store.standing_decisions(project.id)
    return [
        RunGate(run, target, decisions.get(run.id), of_run, sum(of_run.values(), Counts()))
        for run in store.runs(project.id)
        if (of_run := strata.get(run.id))
    ]


def decide(
    services: Services, project: Project, run: Run, word: GateWord, reason: str, author: str = ""
) -> None:
    """Write down what a manager says of a run, with the figures of the moment, and announce it.

    Without an author, it is the account that Seedbed uses in Label Studio. Raises UserError without
    a reason, for a run that is not before people, and where there is nothing to undo.
    """
    store, reason = services.store, reason.strip()
    found = run_gates(store, project, run.id)
    if not found:
        raise UserError(
            f"Run {run.id[:8]} of {project.name} has no survivors before people yet.",
            hint=f"See how far it is: seedbed status {project.id}",
        )
    (now,) = found
    if word == "undo" and now.decision is None:
        raise UserError(f"Nobody has decided about run {run.id[:8]}, so there is nothing to undo.")
    if word != "undo" and not reason:
        raise UserError(
            f"A run can be {_WORDS[word]} only with a reason.", hint='Give --reason "…".'
        )
    author = author.strip() or services.label_studio.check().email
    figures = {
        **counts_dict(now.counts),
        "state": now.computed,
        "target": now.target,
        "review_fraction": project.sampled_fraction,
    }
    store.add_gate_decision(GateDecision(run.id, word, reason, author, figures))
    announce(services, project)


def announce(services: Services, project: Project) -> bool:
    """Bring the notice in Label Studio up to date; return whether it is.

    Never raises for a service that is away: the next `sync` writes it. What changes while it is
    written is found by looking again, so that of two writers at a time the last one is right.
    """
    try:
        server = services.label_studio
        for _ in range(MAX_ANNOUNCEMENTS):
            current = services.store.project(project.id)
            shown = server.description(current.review_project)
            text = gate_notice.update(shown, _notices(services.store, current))
            if text == shown:
                return True
            server.set_description(current.review_project, text)
    except SeedbedError as exc:
        _logger.warning("project %s: the gate's notice is not up to date: %s", project.id, exc)
    return False


def counts_dict(counts: Counts) -> dict[str, Any]:
    """Return counts with rate and interval, for the API."""
    low, high = counts.interval
    return {
        "n_survivors": counts.n_survivors,
        "n_sampled": counts.n_sampled,
        "n_judged": counts.n_judged,
        "n_waiting": counts.n_waiting,
        "n_skipped": counts.n_skipped,
        "n_outside": counts.n_outside,
        "n_accepted": counts.n_accepted,
        "n_fixed": counts.n_fixed,
        "n_rejected": counts.n_rejected,
        "rate": counts.rate,
        "low": low,
        "high": high,
    }


def _counted(count: ReviewCount) -> Counts:
    n, status = count.n, count.status
    if not count.is_sampled:
        return Counts(n_survivors=n, n_outside=n if status else 0)
    return Counts(
        n_survivors=n,
        n_sampled=n,
        n_accepted=n * (status == "ACCEPTED"),
        n_fixed=n * (status == "FIXED"),
        n_rejected=n * (status == "REJECTED"),
    )


def _notices(store: Store, project: Project) -> list[RunNotice]:
    notices = []
    for each in run_gates(store, project):
        counts = each.counts
        low, high = counts.interval
        notices.append(
            RunNotice(
                run=each.run.id,
                state=each.state,
                target=each.target,
                n_sampled=counts.n_sampled,
                n_judged=counts.n_judged,
                rate=counts.rate,
                low=low,
                high=high,
                is_by_manager=each.decision is not None,
            )
        )
    return notices


def _skipped(services: Services, project: Project) -> Counter[tuple[str, str]]:
    """Count the skipped ones of the sample by run and stratum; none where that is not known."""
    try:
        tasks = services.label_studio.skipped_tasks(project.review_project)
        ids = [str(task["data"].get("cid", "")) for task in tasks]
    except SeedbedError as exc:
        _logger.warning("project %s: skipped tasks are not known: %s", project.id, exc)
        return Counter()
    return services.store.count_sampled(project.id, project.sampled_fraction, ids)


# --- what is said about it -----------------------------------------------------------------------


def _project_dict(project: Project) -> dict[str, Any]:
    return {
        "project": project.id,
        "technique": project.technique,
        "target": parse(project.recipe).acceptance_target,
        "review_fraction": project.sampled_fraction,
        "is_forced": not review.is_usual(project.sampled_fraction),
    }


def _run_dict(store: Store, project: Project, each: RunGate) -> dict[str, Any]:
    said = each.decision
    n_more = each.n_more
    return {
        "run": each.run.id,
        "state": each.state,
        "computed": each.computed,
        "is_released": each.state in RELEASED,
        "created_at": each.run.created_at,
        "decision": {
            "decision": said.decision,
            "reason": said.reason,
            "author": said.author,
            "decided_at": said.decided_at,
        }
        if said
        else None,
        "n_more": n_more,
        "next_fraction": _next_fraction(store, project, each, n_more),
        "worst_case": _worst_case(each),
        **counts_dict(each.counts),
    }


def _next_fraction(store: Store, project: Project, each: RunGate, n: int | None) -> float | None:
    """Return the smallest fraction, in whole percents, that brings `n` more into the sample."""
    if not n:
        return None
    draw = store.draw_beyond(each.run.id, project.sampled_fraction, n)
    return None if draw is None else min(1.0, (math.floor(draw * 100) + 1) / 100)


def _worst_case(each: RunGate) -> dict[str, Any] | None:
    """Say what would be if all that is left of the sample, and was skipped, were rejected."""
    counts = each.counts
    if not counts.n_waiting or counts.n_skipped < counts.n_waiting:
        return None
    n, n_good = counts.n_sampled, counts.n_good
    low, high = review.wilson_interval(n_good, n)
    state = review.judgement(n_good, n, 0, each.target)
    return {"state": state, "rate": n_good / n, "low": low, "high": high}


def _strata(
    each: RunGate, reasons: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    return [
        {
            "stratum": name,
            **counts_dict(counts),
            "reasons": list(reasons.get((each.run.id, name), ())),
        }
        for name, counts in sorted(each.strata.items())
    ]


def _reasons(
    store: Store, project: Project, run_id: str | None
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return why candidates of the sample were rejected, by run and stratum, with examples."""
    rejections = store.rejections(project.id, project.sampled_fraction, run_id, N_EXAMPLES)
    ids = [id_ for each in rejections for id_ in each.ids][:MAX_EXAMPLES]
    known, recipe = store.candidates_by_id(ids), parse(project.recipe)
    found: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for each in rejections:
        found[each.run_id, each.stratum].append(_reason_dict(each, known, recipe))
    return found


def _reason_dict(
    each: Rejection, known: Mapping[str, StoredCandidate], recipe: Recipe
) -> dict[str, Any]:
    return {
        "reason": each.reason,
        "n": each.n,
        "examples": [_example(known[id_], recipe) for id_ in each.ids if id_ in known],
    }


def _example(stored: StoredCandidate, recipe: Recipe) -> dict[str, Any]:
    """Show a candidate as reviewers saw it, with what they noted."""
    return {
        "id": stored.candidate.id,
        "task": stored.review_task,
        "text": shortened(redaction.text(stored, recipe.spec), EXAMPLE_LENGTH),
        "note": stored.verdict.note if stored.verdict else "",
    }
