"""Puts before people again what of the review sample somebody deleted in Label Studio.

    sampled, without a verdict ─▶ whose task is gone there ─▶ published again, with the same draw

Without it a run would wait for those verdicts for ever; and a sample from which tasks may be taken out
would say nothing of the rest. Tasks outside of the sample that were deleted stay deleted.
"""

from __future__ import annotations

from collections import defaultdict

from seedbed_backend import publishing
from seedbed_backend.audit import record
from seedbed_backend.services import Services
from seedbed_backend.store import Project


def publish_again(services: Services, project: Project) -> int:
    """Publish the lost tasks of the sample, canaries among them; return how many candidates' they were.

    May be interrupted, or come too late: Label Studio is asked for each before it is sent.
    """
    store, review = services.store, project.review_project
    fraction = project.sampled_fraction
    waiting = store.sampled_waiting(project.id, fraction)
    hidden = [c for c in store.canaries_of_project(project.id) if c.draw < fraction]
    placed = {id_: (run, task) for id_, run, task in waiting}
    placed |= {c.id: (c.run_id, c.review_task) for c in hidden if c.review_task is not None}
    if not placed:
        return 0
    present = services.label_studio.tasks_below(review, "data.draw", fraction)
    lost: defaultdict[str, set[str]] = defaultdict(set)
    for id_, (run_id, task) in placed.items():
        if task not in present:
            lost[run_id].add(id_)
    n = 0
    for run_id, ids in sorted(lost.items()):
        with services.queues.project_lock(project.id):
            found = publishing.publish_survivors(services, store.run(run_id), ids)
        if found:
            record(store, "tasks_published_again", run_id, n=found, candidates=sorted(ids))
        n += found
    return n
