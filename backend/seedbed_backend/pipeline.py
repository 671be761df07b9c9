"""The whole flow, top to bottom. Each step takes ids, reads the store, and writes the store.

    runs.start ─▶ generate ─▶ screen ─▶ (judge) ─▶ close_wave ─┬▶ publish
                     ▲                                         │
                     └──────────────── next wave ◀─────────────┘   (a trial ends there)

Every step may run twice: ids are content hashes, and a state only moves forward.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from seedbed.recipe import parse
from seedbed.records import Completion
from seedbed_backend import (
    gate,
    generation,
    judging,
    publishing,
    queues,
    runs,
    sample,
    screening,
    trials,
)
from seedbed_backend.feedback import Feedback
from seedbed_backend.filters import configure
from seedbed_backend.parsing import parse as parse_completion
from seedbed_backend.services import Services
from seedbed_backend.store import Effort, utc_now


def generate(services: Services, batch_id: str) -> None:
    """Prompt the model for all of a batch at once; parse and store what comes, as it comes."""
    store, engine = services.store, services.engine
    batch = store.batch(batch_id)
    run = store.run(batch.run_id)
    if batch.state == "queued":
        recipe = parse(store.recipe(run.recipe_hash))
        store.update_run(run.id, model_name=engine.model.name, model_sha256=engine.model.sha256)
        requests = generation.build_requests(
            store,
            run.project_id,
            run.id,
            recipe,
            batch.items,
            engine.model,
            Feedback.of(run.feedback),
        )
        schemas = {request.prompt.hash: request.prompt.schema for request in requests}
        existing = store.has_completions(w[0] for request in requests for w in request.wanted)

        def save(completions: Sequence[Completion], effort: Effort) -> None:
            rows = [
                (c, *parse_completion(c, schemas[c.prompt_hash], recipe.spec.columns))
                for c in completions
            ]
            store.save_completions(run.id, batch.id, rows, effort)

        generation.in_groups(generation.complete(engine, requests, existing), save)
        store.advance_batch(batch.id, "queued", "generated")
    services.queues.enqueue(queues.FILTER, "screen", batch.id)


def screen(services: Services, batch_id: str) -> None:
    """Run the filters that look at one candidate."""
    store = services.store
    batch = store.batch(batch_id)
    recipe = parse(store.recipe(store.run(batch.run_id).recipe_hash))
    if batch.state == "generated":
        started = time.perf_counter()
        pending = store.candidates(batch_id=batch.id, states=("pending",))
        stages = [f for f in configure(recipe) if f.scope == "candidate"]
        screening.run_filters(services, recipe, stages, pending, passed="kept")
        seconds = time.perf_counter() - started
        store.advance_batch(batch.id, "generated", "screened", screen_seconds=seconds)
    runs.go_on(services, recipe, batch)


def judge(services: Services, batch_id: str) -> None:
    """Let the judge, where the recipe has one, grade what those filters kept."""
    store = services.store
    batch = store.batch(batch_id)
    recipe = parse(store.recipe(store.run(batch.run_id).recipe_hash))
    if batch.state == "screened":
        started = time.perf_counter()
        kept = store.candidates(batch_id=batch.id, states=("kept",))
        judging.judge(services, recipe, batch.run_id, kept)
        seconds = time.perf_counter() - started
        store.advance_batch(batch.id, "screened", "judged", judge_seconds=seconds)
    runs.go_on(services, recipe, batch)


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
        if run.kind != "run":
            trials.close(services, run, recipe)
            return
        if runs.queue_wave(services, run, recipe):
            return
        kept = store.candidates(run_id=run.id, states=("kept",))
        final = [f for f in stages if f.scope == "final"]
        screening.run_filters(services, recipe, final, kept, passed="survivor")
        sample.draw(services, run, recipe)
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
    store.update_run(run.id, state=state, finished_at=utc_now(), error="")
    gate.announce(services, store.project(run.project_id))
