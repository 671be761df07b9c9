"""The whole flow, top to bottom. Each step takes ids, reads the store, and writes the store.

    start_run ─▶ generate ─▶ screen ─▶ close_wave ─┬▶ publish
                    ▲                              │
                    └────────── next wave ◀────────┘

Every step may run twice: ids are content hashes, and a state only moves forward.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone

from seedbed import review
from seedbed.errors import SourceError
from seedbed.recipe import Recipe, parse
from seedbed.records import Completion, SourceTask, content_id
from seedbed_backend import planner, publishing, queues, screening
from seedbed_backend.engine.base import GenerationRequest
from seedbed_backend.filters import configure
from seedbed_backend.parsing import parse as parse_completion
from seedbed_backend.prompting import build_request
from seedbed_backend.services import Services
from seedbed_backend.store import Batch, Project, Run

UNFINISHED = ("generating", "publishing")


def start_run(services: Services, project: Project, target: int) -> Run:
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
    return _create_run(services, project, run_id, target, source_ids)


def start_run_for_source(services: Services, project: Project, source: SourceTask) -> Run:
    """Grow one opened source task ahead of everything else; asking twice starts one run only."""
    run_id = content_id("run", project.id, project.recipe_hash, "for", source.id)
    if any(run.id == run_id for run in services.store.runs(project.id)):
        return services.store.run(run_id)
    return _create_run(services, project, run_id, 1, [source.id], is_urgent=True)


def generate(services: Services, batch_id: str) -> None:
    """Prompt the model for every source of a batch; parse; store. Then the batch is screened."""
    store, engine = services.store, services.engine
    batch = store.batch(batch_id)
    run = store.run(batch.run_id)
    if batch.state == "queued":
        recipe = parse(store.recipe(run.recipe_hash))
        store.update_run(run.id, model_name=engine.model.name, model_sha256=engine.model.sha256)
        sources = {source.id: source for source in store.sources(run.project_id)}
        for source_id, first_index, n in batch.items:
            request = build_request(
                run.id,
                recipe,
                sources,
                source_id,
                range(first_index, first_index + n),
                engine.model,
            )
            for completion in _complete(services, request):
                fields, reason = parse_completion(completion, request.prompt.schema)
                store.save_completions(run.id, batch.id, [(completion, fields, reason)])
        store.advance_batch(batch.id, "queued", "generated")
    services.queues.enqueue(queues.FILTER, "screen", batch.id)


def screen(services: Services, batch_id: str) -> None:
    """Run the filters that look at one candidate; when the wave's last batch is through, close it."""
    store = services.store
    batch = store.batch(batch_id)
    run = store.run(batch.run_id)
    if batch.state == "generated":
        recipe = parse(store.recipe(run.recipe_hash))
        pending = store.candidates(batch_id=batch.id, states=("pending",))
        stages = [f for f in configure(recipe) if f.scope == "candidate"]
        screening.run_filters(services, recipe, stages, pending, passed="kept")
        store.advance_batch(batch.id, "generated", "screened")
    if all(b.state == "screened" for b in store.batches(run.id, wave=batch.wave)):
        services.queues.enqueue(queues.FILTER, "close_wave", run.id, batch.wave)


def close_wave(services: Services, run_id: str, wave: int) -> None:
    """Run the set-wise filters over the wave; start the next one, or choose the survivors."""
    store = services.store
    run = store.run(run_id)
    with services.queues.project_lock(run.project_id):
        run = store.run(run_id)
        if run.state != "generating" or run.wave != wave:
            return
        recipe = parse(store.recipe(run.recipe_hash))
        stages = configure(recipe)
        screening.run_set_filters(services, recipe, [f for f in stages if f.scope == "set"], run)
        final = [f for f in stages if f.scope == "final"]
        n_expected = float(len(store.candidates(run_id=run.id, states=("kept",))))
        for stage in final:
            n_expected *= stage.expected_share
        if _queue_wave(services, run, recipe, n_expected):
            return
        kept = store.candidates(run_id=run.id, states=("kept",))
        screening.run_filters(services, recipe, final, kept, passed="survivor")
        _draw_sample(services, run, recipe)
        store.update_run(run.id, state="publishing")
    services.queues.enqueue(queues.FILTER, "publish", run.id)


def publish(services: Services, run_id: str) -> None:
    """Put the survivors before people, and close the books: every attempt is accounted for."""
    store = services.store
    run = store.run(run_id)
    if run.state != "publishing":
        return
    with services.queues.project_lock(run.project_id):
        publishing.publish_survivors(services, run)
    funnel = store.funnel(run_id=run.id)
    if not funnel.is_balanced or funnel.n_pending:
        raise AssertionError(f"Run {run.id}: {funnel} does not account for every attempt.")
    state = "done" if funnel.n_survivors >= run.target else "short"
    store.update_run(run.id, state=state, finished_at=_now(), error="")


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
        _queue_wave(services, run, parse(store.recipe(run.recipe_hash)), 0.0, source_ids=source_ids)
    for batch in batches:
        is_queued = batch.state == "queued"
        queue, job = (queues.GENERATE, "generate") if is_queued else (queues.FILTER, "screen")
        if not services.queues.is_waiting(queue, job, batch.id):
            services.queues.enqueue(queue, job, batch.id)


def _create_run(
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
        state="generating",
        wave=0,
        model_name="",
        model_sha256="",
        created_at=_now(),
        finished_at=None,
        error="",
    )
    services.store.create_run(run)
    _queue_wave(
        services, run, parse(project.recipe), 0.0, source_ids=source_ids, is_urgent=is_urgent
    )
    return services.store.run(run_id)


def _queue_wave(
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


def _complete(services: Services, request: GenerationRequest) -> list[Completion]:
    """Ask the engine for what the store lacks; a prompt that cannot fit is data, not an error."""
    existing = services.store.has_completions([w[0] for w in request.wanted])
    wanted = tuple(w for w in request.wanted if w[0] not in existing)
    if not wanted:
        return []
    request = GenerationRequest(request.prompt, request.sampling, wanted)
    try:
        return list(services.engine.generate([request]))
    except SourceError as exc:
        return [
            Completion(
                id=completion_id,
                source_id=request.prompt.source_id,
                prompt_hash=request.prompt.hash,
                index=index,
                text=str(exc),
                finish_reason="prompt_too_long",
                rng_seed=rng_seed,
            )
            for completion_id, index, rng_seed in wanted
        ]


def _draw_sample(services: Services, run: Run, recipe: Recipe) -> None:
    survivors = services.store.candidates(run_id=run.id, states=("survivor",))
    strata = {
        s.candidate.id: review.stratum(recipe.spec, s.candidate.source.group, s.score)
        for s in survivors
    }
    draws = review.draws(list(strata.items()), recipe.rng_seed)
    services.store.set_draws({id_: (draw, strata[id_]) for id_, draw in draws.items()})


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
