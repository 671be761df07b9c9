"""Runs: started, planned wave by wave, taken up again after an interruption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from seedbed.errors import SourceError
from seedbed.recipe import Recipe, parse
from seedbed.records import SourceTask, content_id
from seedbed_backend import balance, feedback, fitting, judging, outlook, planner, queues
from seedbed_backend.feedback import Feedback
from seedbed_backend.services import Services
from seedbed_backend.store import Batch, BatchState, Project, Run, RunKind

_NEXT_JOB: Mapping[BatchState, tuple[str, str]] = {
    "queued": (queues.GENERATE, "generate"),
    "generated": (queues.FILTER, "screen"),
    # It is not screened twice; the step goes on with whatever comes next.
    "screened": (queues.FILTER, "screen"),
    "judged": (queues.FILTER, "screen"),
}

UNFINISHED = ("generating", "publishing")
"""The states in which a run still goes on by itself."""


def start(services: Services, project: Project, target: int) -> Run:
    """Plan a run for `target` survivors over the project's sources; queue its first wave.

    Sources that are too long for the model are left out (see `store.run_sources`). A warm-up of the
    same recipe and model becomes the run's beginning; one of another is a trial from now on.

    Raises SourceError when there is no source, or none that fits; ModelError when the recipe wants
    a judge and none is set.
    """
    recipe, run_id = parse(project.recipe), new_id(services, project, project.recipe_hash)
    sources, shown = prepare(services, project, recipe, run_id)
    warm_up = _warm_up(services, project)
    if warm_up and services.store.adopt_run(warm_up.id, target, planner.budget(target), sources):
        resume_run(services, warm_up.id)
        return services.store.run(warm_up.id)
    return create(services, _run(run_id, project, target, shown), sources)


def start_warm_up(services: Services, project: Project, target: int) -> Run:
    """Grow the first wave of a run for `target` survivors, which a later `start` takes over.

    One that is there already is not made again. Raises SourceError as `start` does.
    """
    if warm_up := _warm_up(services, project):
        return warm_up
    recipe, run_id = parse(project.recipe), new_id(services, project, project.recipe_hash)
    sources, shown = prepare(services, project, recipe, run_id)
    return create(services, _run(run_id, project, target, shown, kind="warm_up"), sources)


def start_for_source(services: Services, project: Project, source: SourceTask) -> Run:
    """Grow one opened source task ahead of everything else; asking twice starts one run only."""
    recipe = parse(project.recipe)
    judging.require_judge(services.settings, recipe)
    run_id = content_id("run", project.id, project.recipe_hash, "for", source.id)
    if any(run.id == run_id for run in services.store.runs(project.id)):
        return services.store.run(run_id)
    shown = feedback.choose(services.store, project.id, recipe)
    if shown:  # else nothing is measured while a person waits
        shown, _ = _fitted(services, project, recipe, run_id, [source.id], shown)
    return create(services, _run(run_id, project, 1, shown), {source.id: 0}, is_urgent=True)


def new_id(services: Services, project: Project, recipe_hash: str) -> str:
    """Return the id of the project's next run."""
    return content_id("run", project.id, recipe_hash, len(services.store.runs(project.id)))


def prepare(
    services: Services, project: Project, recipe: Recipe, run_id: str
) -> tuple[dict[str, int], Feedback]:
    """Return by how many tokens each of the project's sources is too long, and what prompts show.

    0 fits. What was learned from verdicts takes no room from a source that fits without it.

    Raises SourceError when there is no source, or none that fits; ModelError when the recipe wants
    a judge and none is set.
    """
    judging.require_judge(services.settings, recipe)
    source_ids = list(services.store.source_groups(project.id))
    if not source_ids:
        raise SourceError(
            f"Project {project.name!r} has no sources to grow from.",
            hint="Import some first: seedbed import.",
        )
    chosen = feedback.choose(services.store, project.id, recipe)
    shown, excess = _fitted(services, project, recipe, run_id, source_ids, chosen)
    return dict(excess), shown


def _fitted(
    services: Services,
    project: Project,
    recipe: Recipe,
    run_id: str,
    source_ids: Sequence[str],
    chosen: Feedback,
) -> tuple[Feedback, Mapping[str, int]]:
    def excess_of(part: Feedback) -> Mapping[str, int]:
        return fitting.measure(services, project.id, run_id, recipe, source_ids, part)

    return feedback.fitted(chosen, excess_of)


def create(
    services: Services, run: Run, sources: Mapping[str, int], *, is_urgent: bool = False
) -> Run:
    """Add a run with its sources, and queue its first wave."""
    services.store.create_run(run, sources)
    recipe = parse(services.store.recipe(run.recipe_hash))
    queue_wave(services, run, recipe, is_urgent=is_urgent)
    return services.store.run(run.id)


def queue_wave(
    services: Services, run: Run, recipe: Recipe, *, is_urgent: bool = False
) -> list[Batch]:
    """Plan and queue the run's next wave. Empty when the run has enough, or may not go on.

    The plan follows from what the run's waves so far gave, so that one that was stopped in the
    middle is planned again as it was. A trial has one wave of all its attempts.
    """
    store = services.store
    done: Counter[str] = Counter()
    for batch in store.batches(run.id):
        for source_id, _, n in batch.items if batch.wave <= run.wave else ():
            done[source_id] += n
    # A run that an older Seedbed left without any wave has no sources on record.
    sources = store.run_sources(run.id) or dict.fromkeys(store.source_groups(run.project_id), 0)
    source_ids = [source_id for source_id, excess in sources.items() if not excess]
    n_attempts, per_source = run.budget, 1
    by_group: dict[str, int] = {}
    if run.kind != "trial":
        goal = outlook.goal(recipe, run.target, run.budget)
        progress = outlook.observed(store, run, recipe, run.wave)
        labels = balance.states(store, run, recipe, source_ids, outlook.final_filters(recipe))
        needs = balance.needs(labels, goal)
        if needs:
            progress = balance.counted(needs, progress)
        n_attempts = planner.wave_size(goal, progress)
        by_group = balance.allot(n_attempts, needs)
        if needs:
            n_attempts = sum(by_group.values())
        per_source = 1 if run.wave else planner.warm_up_share(goal, len(source_ids))
    if not n_attempts:
        return []
    batches = planner.spread(
        run_id=run.id,
        wave=run.wave + 1,
        n_attempts=n_attempts,
        source_ids=source_ids,
        n_done=done,
        per_source=per_source,
        by_group=by_group,
        groups=store.source_groups(run.project_id) if by_group else {},
    )
    store.add_batches(batches)
    store.update_run(run.id, wave=run.wave + 1)
    for batch in batches:
        services.queues.enqueue(queues.GENERATE, "generate", batch.id, is_urgent=is_urgent)
    return batches


def go_on(services: Services, recipe: Recipe, batch: Batch) -> None:
    """Queue what follows on a screened batch: the judge, or when its wave is through, its end."""
    through = "judged" if recipe.judge.enabled else "screened"
    states = {b.id: b.state for b in services.store.batches(batch.run_id, wave=batch.wave)}
    if states[batch.id] == "screened" != through:
        services.queues.enqueue(queues.JUDGE, "judge", batch.id)
    elif set(states.values()) == {through}:
        services.queues.enqueue(queues.FILTER, "close_wave", batch.run_id, batch.wave)


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
        queue_wave(services, run, parse(store.recipe(run.recipe_hash)))
    for batch in batches:
        queue, job = _NEXT_JOB[batch.state]
        if not services.queues.is_waiting(queue, job, batch.id):
            services.queues.enqueue(queue, job, batch.id)


def _run(run_id: str, project: Project, target: int, shown: Feedback, kind: RunKind = "run") -> Run:
    return Run(
        id=run_id,
        project_id=project.id,
        recipe_hash=project.recipe_hash,
        target=target,
        budget=planner.budget(target),
        kind=kind,
        feedback=shown.to_dict() if shown.n_all else None,
    )


def _warm_up(services: Services, project: Project) -> Run | None:
    """Return the warm-up of the project's recipe and present model that waits for its run.

    Those of another recipe or model, and those that failed, are trials from now on.
    """
    waiting = [run for run in services.store.runs(project.id) if run.kind == "warm_up"]
    model = fitting.current_model(services) if waiting else None
    found = None
    for run in waiting:
        is_alike = run.recipe_hash == project.recipe_hash and run.state != "failed"
        if model and run.model_sha256:
            is_alike &= run.model_sha256 == model.sha256
        if is_alike:
            found = run
        else:
            services.store.update_run(run.id, kind="trial")
    return found
