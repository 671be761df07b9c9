"""Runs: started, planned wave by wave, taken up again after an interruption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seedbed.errors import SourceError
from seedbed.recipe import Recipe, parse
from seedbed.records import SourceTask, content_id
from seedbed_backend import planner, queues
from seedbed_backend.services import Services
from seedbed_backend.store import Batch, Project, Run

UNFINISHED = ("generating", "publishing")
"""The states in which a run still goes on by itself."""


def start(services: Services, project: Project, target: int) -> Run:
    """Plan a run for `target` survivors over all the project's sources; queue its first wave.

    Raises SourceError when the project has no sources.
    """
    source_ids = [s.id for s in services.store.sources(project.id)]
    if not source_ids:
        raise SourceError(
            f"Project {project.name!r} has no sources to grow from.",
            hint="Import some first: seedbed import.",
        )
    n_earlier = len(services.store.runs(project.id))
    run_id = content_id("run", project.id, project.recipe_hash, n_earlier)
    return _create(services, project, run_id, target, source_ids)


def start_for_source(services: Services, project: Project, source: SourceTask) -> Run:
    """Grow one opened source task ahead of everything else; asking twice starts one run only."""
    run_id = content_id("run", project.id, project.recipe_hash, "for", source.id)
    if any(run.id == run_id for run in services.store.runs(project.id)):
        return services.store.run(run_id)
    return _create(services, project, run_id, 1, [source.id], is_urgent=True)


def queue_wave(
    services: Services,
    run: Run,
    recipe: Recipe,
    n_expected: float,
    *,
    source_ids: Sequence[str] = (),
    is_urgent: bool = False,
) -> list[Batch]:
    """Plan and queue the run's next wave. Empty when the run has enough, or may not go on.

    The plan follows from what the run's waves so far gave, so that one that was stopped in the
    middle is planned again as it was.
    """
    store = services.store
    done: Counter[str] = Counter()
    for batch in store.batches(run.id):
        for source_id, _, n in batch.items if batch.wave <= run.wave else ():
            done[source_id] += n
    n_attempts = planner.wave_size(
        target=run.target,
        over_generation=recipe.over_generation,
        budget=run.budget,
        n_attempts=sum(done.values()),
        n_expected=n_expected,
    )
    if not n_attempts:
        return []
    batches = planner.spread(
        run_id=run.id,
        wave=run.wave + 1,
        n_attempts=n_attempts,
        source_ids=list(source_ids) or list(done),
        n_done=done,
    )
    store.add_batches(batches)
    store.update_run(run.id, wave=run.wave + 1)
    for batch in batches:
        services.queues.enqueue(queues.GENERATE, "generate", batch.id, is_urgent=is_urgent)
    return batches


def resume(services: Services) -> int:
    """Queue again whatever unfinished runs still wait for; return how many runs that were."""
    unfinished = [
        run.id
        for project in services.store.projects()
        for run in services.store.runs(project.id)
        if run.state in UNFINISHED
    ]
    for run_id in unfinished:
        resume_run(services, run_id)
    return len(unfinished)


def resume_run(services: Services, run_id: str) -> None:
    """Take up one run, also a failed one, where it stopped; what is done is not done twice."""
    store = services.store
    run = store.run(run_id)
    batches = store.batches(run.id, wave=run.wave)
    if run.state == "failed":
        has_survivors = store.funnel(run_id=run.id).n_survivors > 0
        store.update_run(run.id, state="publishing" if has_survivors else "generating", error="")
    if store.run(run.id).state == "publishing":
        services.queues.enqueue(queues.FILTER, "publish", run.id)
        return
    if not batches:  # it stopped before its first wave was planned
        source_ids = [s.id for s in store.sources(run.project_id)]
        queue_wave(services, run, parse(store.recipe(run.recipe_hash)), 0.0, source_ids=source_ids)
    for batch in batches:
        is_queued = batch.state == "queued"
        queue, job = (queues.GENERATE, "generate") if is_queued else (queues.FILTER, "screen")
        if not services.queues.is_waiting(queue, job, batch.id):
            services.queues.enqueue(queue, job, batch.id)


def _create(
    services: Services,
    project: Project,
    run_id: str,
    target: int,
    source_ids: Sequence[str],
    *,
    is_urgent: bool = False,
) -> Run:
    run = Run(
        id=run_id,
        project_id=project.id,
        recipe_hash=project.recipe_hash,
        target=target,
        budget=planner.budget(target),
    )
    services.store.create_run(run)
    queue_wave(
        services, run, parse(project.recipe), 0.0, source_ids=source_ids, is_urgent=is_urgent
    )
    return services.store.run(run_id)
