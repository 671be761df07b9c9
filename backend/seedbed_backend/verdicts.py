"""Brings people's verdicts from Label Studio into the store, and shows there which ones stand.

    annotation ─▶ webhook, or sync ─▶ store ─▶ mark ─▶ the task's data: verdict, approved

Label Studio sends a message once and waits a second, so a message is only a hint: what counts is
what is found there when it is read, and whatever was missed is found by the next sync.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from seedbed import labeling
from seedbed.errors import LabelStudioError, NotFoundError
from seedbed.recipe import parse
from seedbed.technique import Technique
from seedbed_backend import canaries, gate, lost_tasks, publishing, queues
from seedbed_backend.services import Services
from seedbed_backend.store import Mark, Project, StoredCandidate

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")

N_TASKS_AT_ONCE = 200
"""How many tasks are looked up in the store together."""

N_MARKS_AT_ONCE = 20
"""How many tasks are marked while the project is held: one took Label Studio 140 ms on two busy cores."""

OVERLAP = timedelta(minutes=1)
"""How far an incremental reading goes back: Label Studio sets a task's time before it commits."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one reconciliation found: annotations that judge, verdicts that changed or were withdrawn.

    `n_published_again` counts deleted tasks of the sample that were put before people again.
    `newest` is when the newest task that was read had changed, by Label Studio's clock.
    """

    n_judged: int
    n_changed: int
    n_withdrawn: int
    newest: str = ""
    n_published_again: int = 0


def read_task(services: Services, project_id: str, task_id: int) -> int:
    """Read one review task's annotations; return how many verdicts changed."""
    project = services.store.project(project_id)
    reader = _Reader(services, project)
    reader.read([services.label_studio.task(task_id)])
    return reader.end().n_changed


def sync(services: Services, project_id: str) -> SyncReport:
    """Read every annotated task of the review project, and take back verdicts that are gone there.

    Tasks of the sample that somebody deleted are put before people again.
    """
    project = services.store.project(project_id)
    reader = _Reader(services, project)
    reader.read(services.label_studio.judged_tasks(project.review_project))
    report = reader.end(is_whole=True)
    n_again = lost_tasks.publish_again(services, project)
    gate.announce(services, project)  # also where nothing changed: somebody may have edited it
    return replace(report, n_published_again=n_again)


def sync_since(services: Services, project_id: str, moment: datetime) -> SyncReport:
    """Read the tasks that changed since a moment, by Label Studio's clock.

    Finds what `sync` finds, but for tasks that were deleted there.
    """
    project = services.store.project(project_id)
    reader, server = _Reader(services, project), services.label_studio
    since = moment - OVERLAP
    reader.read(server.judged_tasks(project.review_project, since))
    reader.read(server.emptied_tasks(project.review_project, since))
    return reader.end()


def withdraw(services: Services, annotation_ids: Iterable[int]) -> int:
    """Take verdicts back whose annotations were deleted; return how many there were."""
    store, ids = services.store, list(annotation_ids)
    candidates = {store.withdraw_verdict(id_) for id_ in ids} - {None}
    found = store.candidates_by_id({id_ for id_ in candidates if id_ is not None})
    touched = {stored.project_id for stored in found.values()}
    for project_id in touched | store.withdraw_canary_verdicts(ids):
        _tell(services, project_id)
    return len(found)


def mark(services: Services, project_id: str) -> int:
    """Let the review tasks say which verdicts stand, and the project what the gate says of them.

    Returns how many tasks were changed. `verdict` is ACCEPTED, FIXED, REJECTED or "", with the
    `reasons` of a rejection; `approved` is "yes" once a person accepted or fixed a candidate. What an
    interruption leaves unmarked is marked by the next call. The project is held for some tasks at a
    time: a re-screening changes the data of tasks as well.
    """
    store = services.store
    project, n = store.project(project_id), 0
    for part in _parts([due.id for due in store.marks_due(project_id)], N_MARKS_AT_ONCE):
        with services.queues.project_lock(project_id):
            n += _mark(services, project, frozenset(part))
    gate.announce(services, project)
    return n


def _mark(services: Services, project: Project, ids: Set[str]) -> int:
    """Mark those of some candidates' tasks that are still to be marked; the project is held."""
    due = [each for each in services.store.marks_due(project.id) if each.id in ids]
    found = services.label_studio.data_of(project.review_project, [d.review_task for d in due])
    n = 0
    for each in due:
        data = found.get(each.review_task)
        is_shown = data is not None and _show(services, each, data)
        if is_shown or data is None:  # of a task that somebody deleted nobody is shown anything
            services.store.note_marks([each])
        n += is_shown
    return n


def _show(services: Services, due: Mark, data: Mapping[str, Any]) -> bool:
    """Change a task's data; false where Label Studio refuses, which holds up no other task."""
    try:
        services.label_studio.set_data(due.review_task, {**data, **_shown(due)})
    except LabelStudioError as exc:
        if exc.retryable:
            raise
        _logger.warning("task %d cannot be marked: %s", due.review_task, exc)
        return False
    except NotFoundError:
        return False
    return True


def _shown(due: Mark) -> dict[str, str]:
    is_approved = due.verdict in {"ACCEPTED", "FIXED"} and not due.is_canary
    return {
        "verdict": due.verdict,
        "reasons": ", ".join(due.reasons),
        "approved": "yes" if is_approved else "",
    }


def _tell(services: Services, project_id: str) -> None:
    """Let what changed be shown, once for all changes that wait for it."""
    if not services.queues.is_waiting(queues.REVIEW, "mark_verdicts", project_id):
        services.queues.enqueue(queues.REVIEW, "mark_verdicts", project_id)


class _Reader:
    """One reading of review tasks: stores the verdicts found, and counts what that changed."""

    def __init__(self, services: Services, project: Project) -> None:
        self.services, self.store, self.project = services, services.store, project
        self.technique = parse(project.recipe).spec
        self.standing = self.store.standing_annotations(project.id)
        self.on_canaries = self.store.canary_annotations(project.id)
        self.seen: set[int] = set()
        self.judged: set[int] = set()
        self.candidates: set[str] = set()
        self.changed: list[str] = []
        self.n_withdrawn = 0
        self.newest = ""

    def read(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        """Read tasks in full, as Label Studio gives them."""
        for part in _parts(tasks, N_TASKS_AT_ONCE):
            found = self._candidates(part)
            self.store.note_seen(
                Mark(_cid(task), int(task["id"]), str(task["data"].get("verdict") or ""))
                for task in part
                if _cid(task) in found
            )
            for task in part:
                self.newest = max(self.newest, str(task.get("updated_at") or ""))
                if stored := found.get(_cid(task)):
                    self._read(stored, task)
                else:
                    self._read_canary(task)

    def end(self, *, is_whole: bool = False) -> SyncReport:
        """Take back what is gone from the tasks that were read, or from the whole project."""
        gone = {
            annotation
            for annotation, candidate in (self.standing | self.on_canaries).items()
            if annotation not in self.seen and (is_whole or candidate in self.candidates)
        }
        for annotation in sorted(gone):
            if not self._is_there(annotation):
                self._withdraw(annotation)
        if is_whole or self.n_withdrawn or self.store.marks_due(self.project.id, 1):
            _tell(self.services, self.project.id)
        return SyncReport(len(self.judged), len(self.changed), self.n_withdrawn, self.newest)

    def _candidates(self, tasks: Sequence[Mapping[str, Any]]) -> dict[str, StoredCandidate]:
        """Return the project's candidates that stand in tasks; people copy tasks between projects."""
        found = self.store.candidates_by_id({_cid(task) for task in tasks})
        return {id_: s for id_, s in found.items() if s.project_id == self.project.id}

    def _read_canary(self, task: Mapping[str, Any]) -> None:
        """Read a task that shows no candidate: a canary, or what somebody else put there."""
        judged = canaries.read(self.services, self.project, task)
        if judged is None:
            return
        self.candidates.add(_cid(task))
        present = {int(annotation["id"]) for annotation in task.get("annotations", [])}
        self.seen |= present
        for annotation_id in present - judged:  # a skip, or a verdict that was erased
            self._withdraw(annotation_id)

    def _read(self, stored: StoredCandidate, task: Mapping[str, Any]) -> None:
        id_ = stored.candidate.id
        self.candidates.add(id_)
        predicted = _predicted(self.technique, stored, task)
        for annotation in task.get("annotations", []):
            annotation_id = int(annotation["id"])
            self.seen.add(annotation_id)
            verdict = labeling.verdict(task, annotation, self.technique, predicted)
            if verdict is None:
                # A skip, or a verdict that was erased: what it said before no longer holds.
                self._withdraw(annotation_id)
                continue
            self.judged.add(annotation_id)
            is_new = verdict != stored.verdict and self.store.save_verdict(verdict)
            if is_new:
                self.changed.append(id_)
            if is_new or stored.state == "dropped":
                self.store.reinstate(id_)  # a re-screening had taken it back

    def _withdraw(self, annotation_id: int) -> None:
        if annotation_id in self.standing:
            self.n_withdrawn += self.store.withdraw_verdict(annotation_id) is not None
        elif annotation_id in self.on_canaries:
            self.store.withdraw_canary_verdicts([annotation_id])

    def _is_there(self, annotation_id: int) -> bool:
        """Ask for one annotation: a list may miss a task while others are being annotated."""
        try:
            annotation = self.services.label_studio.annotation(annotation_id)
        except NotFoundError:
            return False
        return not annotation.get("was_cancelled")


def _parts(things: Iterable[_T], n: int) -> Iterator[Sequence[_T]]:
    remaining = iter(things)
    while part := list(islice(remaining, n)):
        yield part


def _cid(task: Mapping[str, Any]) -> str:
    return str((task.get("data") or {}).get("cid", ""))


def _predicted(
    technique: Technique, stored: StoredCandidate, task: Mapping[str, Any]
) -> dict[str, str]:
    """Return what the person was shown, by our own books: Label Studio's predictions can be deleted."""
    (prediction,) = publishing.predictions(technique, [stored])
    return labeling.values(prediction["result"], technique, task.get("data", {}))
