"""Puts survivors before people: one candidate = one review task = one prediction."""

from __future__ import annotations

from collections.abc import Sequence, Set
from itertools import islice
from typing import Any

from seedbed import labeling
from seedbed.recipe import Recipe, parse
from seedbed.technique import Technique
from seedbed_backend import canaries, double_review, provenance, redaction
from seedbed_backend.services import Services
from seedbed_backend.store import Project, Run, StoredCandidate

CHUNK = 250
"""Tasks per import: Label Studio on SQLite stays responsive up to 200-500 (LABEL_STUDIO.md 7)."""


def publish_survivors(services: Services, run: Run, lost: Set[str] = frozenset()) -> int:
    """Import the run's unpublished survivors into the review project; return how many were new.

    Its canaries go in among them, in the same order, and are not counted. `lost` are ids of those
    that were published and whose tasks seem to be gone.
    The caller holds the project's lock. Label Studio has no idempotency, so it is asked for the
    candidate ids before every chunk: one that arrived before a crash is found, not sent again.
    Raises LabelConfigError when somebody removed a control that the predictions need.
    """
    store, server = services.store, services.label_studio
    project = store.project(run.project_id)
    recipe = parse(store.recipe(run.recipe_hash))
    waiting = [
        s
        for s in store.candidates(run_id=run.id, states=("survivor",))
        if s.review_task is None or s.candidate.id in lost
    ]
    hidden = canaries.unpublished(services, run, recipe, lost)
    decoys = {canary.candidate.id for canary in hidden}
    waiting += hidden
    # Label Studio serves tasks by their ids where nobody asks for a tab's order: the sample first.
    waiting.sort(key=lambda s: (s.draw is None, s.draw or 0.0, s.candidate.id))
    if waiting:
        xml = server.label_config(project.review_project)
        labeling.check_config(xml, recipe.spec, recipe.labels)
    n_new = 0
    remaining = iter(waiting)
    while chunk := list(islice(remaining, CHUNK)):
        present = server.tasks_by_cid(project.review_project, [s.candidate.id for s in chunk])
        missing = [s for s in chunk if s.candidate.id not in present]
        tasks = [
            review_task(project, run, recipe, s, is_canary=s.candidate.id in decoys)
            for s in missing
        ]
        ids = server.import_tasks(project.review_project, tasks)
        present |= {s.candidate.id: id_ for s, id_ in zip(missing, ids, strict=True)}
        store.set_review_tasks(present)
        store.set_canary_tasks({id_: task for id_, task in present.items() if id_ in decoys})
        n_new += sum(s.candidate.id not in decoys for s in missing)
    double_review.ask(services, project)
    return n_new


def review_task(
    project: Project,
    run: Run,
    recipe: Recipe,
    stored: StoredCandidate,
    *,
    is_canary: bool = False,
) -> dict[str, object]:
    """Build the task as Label Studio imports it, with its pre-annotation embedded."""
    return {
        "data": labeling.review_data(
            recipe.spec,
            redaction.redacted(stored).candidate,
            draw=stored.draw if stored.draw is not None else 1.0,
            score=stored.score,
            scores=dict(stored.scores),
            stratum=stored.stratum,
            run=run.id,
            guide=[rule["text"] for rule in recipe.style_rules],
            provenance=provenance.of_candidate(project, run, stored, recipe),
            is_canary=is_canary,
        ),
        "predictions": predictions(recipe.spec, [stored]),
    }


def predictions(
    technique: Technique, candidates: Sequence[StoredCandidate], *, on_source: bool = False
) -> list[dict[str, Any]]:
    """Return candidates as predictions, worst first: Label Studio's draft copies the last one.

    `on_source` is for source tasks, which show the source as it is; personal data in the candidate
    is replaced in either case.
    """
    ordered = sorted(candidates, key=lambda s: (s.score or 0.0, s.candidate.id))
    return [_prediction(technique, stored, on_source=on_source) for stored in ordered]


def _prediction(
    technique: Technique, stored: StoredCandidate, *, on_source: bool
) -> dict[str, Any]:
    candidate = redaction.redacted(stored, is_source_shown=not on_source).candidate
    span = stored.evidence_span
    if span and not on_source:
        span = redaction.moved(stored, technique.text_field, span)
    text = candidate.source.fields[technique.text_field]
    return labeling.prediction(technique, candidate.fields, stored.score, span, source_text=text)
