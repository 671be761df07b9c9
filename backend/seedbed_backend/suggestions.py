"""What to review next beside the random sample: survivors that look like what people rejected.

    rejected and accepted ones ─▶ whose nearest judged neighbour is a rejected one ─▶ tab "Like rejected"

Near is a high cosine between the texts that make two candidates the same (`dedup_fields`). Something
is suggested only where no accepted candidate is as near as a rejected one: what is near both has been
looked at already. Verdicts on suggestions are no random sample and say nothing of the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedbed.errors import UserError
from seedbed.recipe import Recipe, parse
from seedbed.tabs import LIKE_REJECTED, suggestion_tab
from seedbed_backend import redaction
from seedbed_backend.neighbours import ProjectNeighbours
from seedbed_backend.selection import Vectors, nearest
from seedbed_backend.services import Services
from seedbed_backend.store import Analysis, Project, StoredCandidate
from seedbed_backend.text_index import TextIndex

N_SUGGESTIONS = 20
MAX_SUGGESTIONS = 200

PER_REJECTED = 5
"""At most so many are suggested for their nearness to the same candidate: one flaw shall not fill all."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A survivor that nobody has judged, the rejected candidate it is near to, and their cosine."""

    stored: StoredCandidate
    rejected: StoredCandidate
    similarity: float


def perform(services: Services, analysis: Analysis) -> dict[str, Any]:
    """Find the `n` suggestions that an analysis asks for, and show them in Label Studio.

    Raises UserError where nothing was rejected yet.
    """
    project = services.store.project(analysis.project_id)
    recipe = parse(project.recipe)
    survivors = services.store.candidates(
        project_id=project.id, states=("survivor",), is_published=True
    )
    rejected = _judged(survivors, "REJECTED")
    if not rejected:
        raise UserError(
            f"Nothing was rejected in {project.name} yet, so nothing is like it.",
            hint="Judge the review sample first.",
        )
    waiting = [s for s in survivors if s.verdict is None and not s.is_withdrawn]
    accepted = _judged(survivors, "ACCEPTED")
    index = _index(services, project, recipe)
    near = like_rejected(
        *(_vectors(services, recipe, index, part) for part in (waiting, rejected, accepted))
    )
    n = int(analysis.options.get("n", N_SUGGESTIONS))
    found = [
        Suggestion(waiting[place], rejected[other], similarity)
        for place, other, similarity in spread(near, n)
    ]
    _show(services, project, recipe, found)
    return {
        "n_rejected": len(rejected),
        "n_accepted": len(accepted),
        "n_waiting": len(waiting),
        "n_near": len(near),
        "suggestions": [_described(project, recipe, suggestion) for suggestion in found],
    }


def like_rejected(
    waiting: Vectors, rejected: Vectors, accepted: Vectors
) -> list[tuple[int, int, float]]:
    """Return (row of `waiting`, row of `rejected`, cosine), the nearest first.

    Those whose nearest judged neighbour is a rejected one; where an accepted one is as near, not.
    """
    places, similar = nearest(waiting, rejected)
    _, contrast = nearest(waiting, accepted)
    found = [
        (row, int(places[row]), float(similar[row]))
        for row in range(len(waiting))
        if similar[row] > contrast[row]
    ]
    return sorted(found, key=lambda near: (-near[2], near[0]))


def spread(near: Sequence[tuple[int, int, float]], n: int) -> list[tuple[int, int, float]]:
    """Take the first `n`, but at most five for the same rejected one."""
    taken: Counter[int] = Counter()
    chosen: list[tuple[int, int, float]] = []
    for each in near:
        if len(chosen) < n and taken[each[1]] < PER_REJECTED:
            taken[each[1]] += 1
            chosen.append(each)
    return chosen


def _index(services: Services, project: Project, recipe: Recipe) -> TextIndex:
    """Open the index of what must not be repeated, as the last run left it; it is only read."""
    run = services.store.runs(project.id)[0]
    folder = services.settings.home / "neighbours"
    return ProjectNeighbours(
        folder, services.store, services.encoder, recipe.spec, run, (), ()
    ).index


def _judged(survivors: Sequence[StoredCandidate], status: str) -> list[StoredCandidate]:
    return [s for s in survivors if s.verdict and s.verdict.status == status]


def _vectors(
    services: Services, recipe: Recipe, index: TextIndex, candidates: Sequence[StoredCandidate]
) -> Vectors:
    """Return a row a candidate: from the index of what must not be repeated, or encoded now."""
    known = index.vectors([s.candidate.id for s in candidates])
    texts = {
        s.candidate.id: s.candidate.text(recipe.spec.dedup_fields)
        for s in candidates
        if s.candidate.id not in known
    }
    if texts:
        known |= dict(zip(texts, services.encoder.encode(list(texts.values())), strict=True))
    rows = [known[s.candidate.id] for s in candidates]
    return np.array(rows, dtype=np.float32).reshape(len(rows), index.dimension)


def _show(
    services: Services, project: Project, recipe: Recipe, found: Sequence[Suggestion]
) -> None:
    """Let the tab hold these and no others, the nearest first."""
    server, review = services.label_studio, project.review_project
    wanted = {s.stored.review_task or 0: round(s.similarity, 4) for s in found}
    with services.queues.project_lock(project.id):
        present = server.tasks_above(review, f"data.{LIKE_REJECTED}", 0)
        changes = {**dict.fromkeys(present, 0.0), **wanted}
        for task, data in server.data_of(review, sorted(changes)).items():
            if data.get(LIKE_REJECTED, 0) != changes[task]:
                server.set_data(task, {**data, LIKE_REJECTED: changes[task]})
    server.set_tab(review, suggestion_tab(recipe.spec))


def _described(project: Project, recipe: Recipe, suggestion: Suggestion) -> dict[str, Any]:
    stored, rejected = map(redaction.redacted, (suggestion.stored, suggestion.rejected))
    verdict = rejected.verdict
    return {
        "id": stored.candidate.id,
        "task": stored.review_task,
        "url": f"{project.label_studio_url}/projects/{project.review_project}/data"
        f"?task={stored.review_task}",
        "text": stored.candidate.text(recipe.spec.dedup_fields),
        "score": stored.score,
        "is_sampled": stored.draw is not None and stored.draw < project.sampled_fraction,
        "similarity": suggestion.similarity,
        "is_same_source": stored.candidate.source.id == rejected.candidate.source.id,
        "rejected": {
            "id": rejected.candidate.id,
            "text": rejected.candidate.text(recipe.spec.dedup_fields),
            "reasons": list(verdict.reasons) if verdict else [],
            "note": verdict.note if verdict else "",
        },
    }
