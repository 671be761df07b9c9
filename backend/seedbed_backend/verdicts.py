"""Brings people's verdicts from Label Studio into the store: at once by webhook, and by polling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedbed import labeling
from seedbed.errors import NotFoundError
from seedbed.recipe import parse
from seedbed.technique import Technique
from seedbed_backend import publishing
from seedbed_backend.services import Services
from seedbed_backend.store import Project, StoredCandidate


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one reconciliation found: judged candidates, those that changed, those withdrawn."""

    n_judged: int
    n_changed: int
    n_withdrawn: int


def read_task(services: Services, project_id: str, task_id: int) -> int:
    """Read one review task's annotations; return how many verdicts changed."""
    project = services.store.project(project_id)
    return len(_read(services, project, services.label_studio.task(task_id))[1])


def sync(services: Services, project_id: str) -> SyncReport:
    """Read every annotated task of the review project, and take back verdicts that are gone there."""
    store = services.store
    project = store.project(project_id)
    known = {v.annotation_id for v in store.current_verdicts(project_id)}
    n_changed, seen = 0, set()
    for task in services.label_studio.annotated_tasks(project.review_project):
        annotations, changed = _read(services, project, task)
        seen |= annotations
        n_changed += len(changed)
    gone = {id_ for id_ in known if id_ is not None} - seen
    for annotation_id in gone:
        store.withdraw_verdict(annotation_id)
    return SyncReport(len(seen), n_changed, len(gone))


def withdraw(services: Services, annotation_ids: list[int]) -> int:
    """Take verdicts back whose annotations were deleted; return how many there were."""
    return sum(services.store.withdraw_verdict(id_) is not None for id_ in annotation_ids)


def _read(
    services: Services, project: Project, task: Mapping[str, Any]
) -> tuple[set[int], list[str]]:
    """Store the verdicts of one task; return the annotations that carry one, and what changed."""
    technique = parse(project.recipe).spec
    judged: set[int] = set()
    changed: list[str] = []
    try:
        stored = services.store.candidate(str(task.get("data", {}).get("cid", "")))
    except NotFoundError:
        return set(), []  # a task that somebody else put into the project
    predicted = _predicted(technique, stored, task)
    for annotation in task.get("annotations", []):
        verdict = labeling.verdict(task, annotation, technique, predicted)
        if verdict is None:
            # A skip, or a verdict that was erased: what this annotation said before no longer holds.
            services.store.withdraw_verdict(int(annotation["id"]))
            continue
        judged.add(int(annotation["id"]))
        is_new = services.store.save_verdict(verdict)
        if is_new:
            changed.append(verdict.candidate_id)
        if is_new or stored.state == "dropped":
            services.store.reinstate(verdict.candidate_id)  # a re-screening had taken it back
    return judged, changed


def _predicted(
    technique: Technique, stored: StoredCandidate, task: Mapping[str, Any]
) -> dict[str, str]:
    """Return what the person was shown, by our own books: Label Studio's predictions can be deleted."""
    (prediction,) = publishing.predictions(technique, [stored])
    return labeling.values(prediction["result"], technique, task.get("data", {}))
