"""The pipeline's steps called by hand, as workers call them: real store, Redis, MiniLM and echo engine."""

import dataclasses
from pathlib import Path

import pytest

from seedbed import recipe
from seedbed.errors import RecipeError, SourceError
from seedbed.records import SourceTask
from seedbed_backend import fitting, generation, outlook, pipeline, planner, runs, trials
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings
from seedbed_backend.store import Project

pytestmark = pytest.mark.integration

TEXTS = [
    "The client pays each invoice within thirty days of receiving it from the supplier.",
    "Either party may end the contract in writing with a notice of three months.",
    "The supplier answers a critical report within four hours, day and night.",
    "Personal data is kept in Norway and erased ninety days after the contract ends.",
]


@pytest.fixture
def services(tmp_path, redis_url, encoder_folder):
    opened = Services(
        Settings.from_environment(
            {
                "SEEDBED_HOME": str(tmp_path),
                "SEEDBED_REDIS_URL": redis_url,
                "SEEDBED_ENGINE": "echo",
                "SEEDBED_EMBEDDING_MODEL": str(encoder_folder),
                "SEEDBED_CONTEXT_LENGTH": "400",
            }
        )
    )
    opened.store.migrate()
    yield opened
    opened.queues.redis.flushdb()
    opened.close()


@pytest.fixture
def project(services):
    plan = recipe.parse({"technique": "paraphrase"})
    made = Project(
        id="p",
        name="p",
        technique="paraphrase",
        recipe=plan.model_dump(mode="json"),
        recipe_hash=plan.hash,
        label_studio_url="http://localhost:9",
        source_project=1,
        review_project=2,
    )
    services.store.save_project(made)
    services.store.add_sources("p", [SourceTask.of({"original": text}) for text in TEXTS])
    return made


def generate_and_screen(services, run):
    for batch in services.store.batches(run.id, wave=services.store.run(run.id).wave):
        pipeline.generate(services, batch.id)
        pipeline.screen(services, batch.id)


def finish(services, run):
    """Run wave after wave until the survivors are chosen; publishing would need Label Studio."""
    while services.store.run(run.id).state == "generating":
        generate_and_screen(services, run)
        pipeline.close_wave(services, run.id, services.store.run(run.id).wave)


def test_every_attempt_has_a_place_and_nothing_exceeds_the_budget(services, project):
    run = runs.start(services, project, 6)
    finish(services, run)
    funnel = services.store.funnel(run_id=run.id)
    assert funnel.is_balanced
    assert funnel.n_pending == 0
    assert 18 <= funnel.n_attempts <= run.budget == 30


def test_the_same_run_made_again_elsewhere_gives_the_same_texts(services, project):
    run = runs.start(services, project, 3)
    finish(services, run)
    texts = {c.completion.id: c.completion.text for c in services.store.candidates(run_id=run.id)}
    batch = services.store.batches(run.id)[0]
    requests = generation.build_requests(
        services.store,
        "p",
        run.id,
        recipe.parse(project.recipe),
        batch.items,
        services.engine.model,
    )
    again = list(services.engine.generate(requests))
    assert len(again) == batch.n_attempts
    for completion in again:
        assert texts[completion.id] == completion.text


def test_a_second_run_does_not_repeat_the_first(services, project):
    first, second = (runs.start(services, project, 2) for _ in range(2))
    assert first.id != second.id
    for run in (first, second):
        finish(services, run)
    store = services.store
    kept = [
        c.candidate.fields["paraphrase"]
        for c in store.candidates(project_id="p", states=("survivor",))
    ]
    assert len(kept) == len(set(kept))


def test_a_crash_between_planning_a_wave_and_noting_it_plans_the_same_wave(
    services, project, monkeypatch
):
    run = runs.start(services, project, 20)
    generate_and_screen(services, run)
    real_update = type(services.store).update_run

    def crash(self, run_id, **changes):
        if "wave" in changes:
            raise KeyboardInterrupt
        real_update(self, run_id, **changes)

    monkeypatch.setattr(type(services.store), "update_run", crash)
    with pytest.raises(KeyboardInterrupt):
        pipeline.close_wave(services, run.id, 1)
    monkeypatch.undo()
    planned = services.store.batches(run.id, wave=2)
    assert planned
    pipeline.close_wave(services, run.id, 1)
    assert services.store.run(run.id).wave == 2
    assert services.store.batches(run.id, wave=2) == planned


def test_two_workers_that_close_one_wave_close_it_once(services, project):
    run = runs.start(services, project, 20)
    generate_and_screen(services, run)
    pipeline.close_wave(services, run.id, 1)
    after_one = services.store.batches(run.id)
    pipeline.close_wave(services, run.id, 1)
    assert services.store.batches(run.id) == after_one


def test_resume_queues_what_is_left_and_only_that(services, project):
    run = runs.start(services, project, 3)
    services.queues.redis.flushdb()  # the queue was lost
    assert runs.resume(services) == 1
    depth = services.queues.depth()
    assert depth["generate"] == len(services.store.batches(run.id))
    assert runs.resume(services) == 1
    assert services.queues.depth() == depth


@pytest.fixture
def other_host(services):
    """The web process on a host that has no model file: it cannot tell what fits."""
    settings = dataclasses.replace(services.settings, engine="llama_cpp", model=Path("/no/model"))
    opened = Services(settings)
    yield opened
    opened.close()


LONG = "word " * 2000


def test_a_prompt_that_does_not_fit_is_counted_with_its_reason(services, other_host, project):
    services.store.add_sources("p", [SourceTask.of({"original": LONG})])
    run = runs.start(other_host, project, 5)
    generate_and_screen(services, run)
    rows = {(r.stage, r.reason): r.n for r in services.store.funnel(run_id=run.id).rows}
    assert rows[("format", "prompt_too_long")] == 3
    too_long = [
        c.completion
        for c in services.store.candidates(run_id=run.id)
        if c.completion.finish_reason == "prompt_too_long"
    ]
    assert {c.text for c in too_long} == {f"{_excess(services, project)} tokens too long for a "
        "context of 400"}  # fmt: skip


def _excess(services, project):
    source = SourceTask.of({"original": LONG})
    requests = generation.build_requests(
        services.store, "p", "", recipe.parse(project.recipe), [(source.id, 0, 1)], None
    )
    return services.tokenizer.excess_tokens(requests[0])


def test_a_source_that_does_not_fit_is_left_out_before_anything_is_queued(services, project):
    source = SourceTask.of({"original": LONG}, label_studio_task=17)
    services.store.add_sources("p", [source])
    run = runs.start(services, project, 5)
    excess = _excess(services, project)
    sources = services.store.run_sources(run.id)
    assert sources[source.id] == excess > 0
    assert sorted(sources.values())[:-1] == [0] * 4
    planned = {item[0] for batch in services.store.batches(run.id) for item in batch.items}
    assert planned == set(sources) - {source.id}
    (problem,) = fitting.problems(services.store, "p", sources)
    assert problem.startswith(f"task 17 is {excess} tokens too long")


def test_where_nothing_fits_no_run_is_made(services, project):
    small = dataclasses.replace(services.settings, context_length=50)
    opened = Services(small)
    with pytest.raises(SourceError, match=r"None of the 4 sources fits .* tokens too long"):
        runs.start(opened, project, 5)
    opened.close()
    assert services.store.runs("p") == []


def test_an_opened_task_starts_one_small_run_however_often_it_is_opened(services, project):
    source = services.store.sources("p")[0]
    first = runs.start_for_source(services, project, source)
    second = runs.start_for_source(services, project, source)
    assert first.id == second.id
    assert len(services.store.runs("p")) == 1
    (batch,) = services.store.batches(first.id)
    assert [item[0] for item in batch.items] == [source.id]


def test_a_killed_batch_goes_on_where_it_was_and_its_effort_adds_up(services, project, monkeypatch):
    run = runs.start(services, project, 20)
    batch = services.store.batches(run.id)[0]
    real_generate = type(services.engine).generate

    def broken(self, requests):
        for n, completion in enumerate(real_generate(self, requests)):
            if n == 25:
                raise KeyboardInterrupt
            yield completion

    monkeypatch.setattr(type(services.engine), "generate", broken)
    with pytest.raises(KeyboardInterrupt):
        pipeline.generate(services, batch.id)
    monkeypatch.undo()
    before = {c.completion.id: c.completion for c in services.store.candidates(run_id=run.id)}
    assert len(before) == 25
    n_before = services.store.batch(batch.id).effort.n_tokens
    assert n_before == sum(c.n_tokens for c in before.values())
    pipeline.generate(services, batch.id)
    after = {c.completion.id: c.completion for c in services.store.candidates(run_id=run.id)}
    assert before.items() <= after.items()
    assert len(after) == batch.n_attempts == 40
    done = services.store.batch(batch.id)
    assert done.state == "generated"
    assert done.effort.n_tokens == sum(c.n_tokens for c in after.values())
    assert 0 < done.effort.seconds < 60
    pipeline.generate(services, batch.id)
    assert services.store.batch(batch.id) == done


def test_the_main_wave_follows_from_the_warm_up(services, project):
    run = runs.start(services, project, 60)
    assert sum(b.n_attempts for b in services.store.batches(run.id)) == 40
    generate_and_screen(services, run)
    pipeline.close_wave(services, run.id, 1)
    plan = recipe.parse(project.recipe)
    seen = outlook.observed(services.store, run, plan, 1)
    assert seen.done.n_attempts == 40
    assert 0 < seen.done.n_kept < 40
    assert seen.done.n_sources == 4
    expected = planner.wave_size(outlook.goal(plan, 60, 300), seen)
    assert sum(b.n_attempts for b in services.store.batches(run.id, wave=2)) == expected
    assert all(b.screen_seconds > 0 for b in services.store.batches(run.id, wave=1))


def test_a_run_is_forecast_from_its_warm_up_and_from_earlier_runs(services, project):
    store = services.store
    first = runs.start(services, project, 20)
    assert outlook.of_run(store, store.run(first.id))["forecast"] is None
    assert outlook.of_run(store, store.run(first.id))["stage"] == "warm-up: generating"
    generate_and_screen(services, first)
    assert outlook.of_run(store, store.run(first.id))["stage"] == "warm-up: comparing candidates"
    pipeline.close_wave(services, first.id, 1)
    told = outlook.of_run(store, store.run(first.id))
    assert told["stage"] == "main wave: generating"
    assert told["seen"]["n_attempts"] == 40
    ahead = told["forecast"]
    assert 40 < ahead["attempts"]["low"] <= ahead["attempts"]["expected"] <= 100
    assert 0 < ahead["seconds"]["low"] <= ahead["seconds"]["high"]
    assert told["pace"]["tokens_per_second"] > 0
    finish(services, first)
    store.update_run(first.id, state="done")
    ended = outlook.of_run(store, store.run(first.id))
    assert (ended["stage"], ended["forecast"]) == ("done", None)
    plan = recipe.parse(project.recipe)
    sources = store.run_sources(first.id)
    planned = outlook.plan(store, "p", plan, 100, sources, services.engine.model.sha256)
    assert (planned["n_earlier_runs"], planned["warm_up"], planned["n_sources"]) == (1, 40, 4)
    assert planned["forecast"]["attempts"]["high"] <= planned["budget"] == 500
    assert planned["forecast"]["seconds"]
    other = outlook.plan(store, "p", plan, 100, sources, "another model")
    assert (other["forecast"], other["pace"], other["n_earlier_runs"]) == (None, None, 0)


def test_a_warm_up_is_not_published_and_becomes_the_run_s_beginning(services, project):
    warm = runs.start_warm_up(services, project, 60)
    finish(services, warm)
    store = services.store
    assert (store.run(warm.id).state, store.run(warm.id).kind) == ("done", "warm_up")
    assert store.candidates(project_id="p", states=("survivor",)) == []
    before = {c.candidate.id for c in store.candidates(run_id=warm.id)}
    assert len(before) == 40
    run = runs.start(services, project, 30)
    assert (run.id, run.kind, run.target, run.budget) == (warm.id, "run", 30, 150)
    pipeline.close_wave(services, run.id, 1)
    finish(services, run)
    funnel = store.funnel(run_id=run.id)
    assert funnel.is_balanced
    assert before < {c.candidate.id for c in store.candidates(run_id=run.id)}
    again = runs.start(services, project, 5)
    assert again.id != run.id


def test_a_warm_up_of_another_recipe_or_model_is_left_alone(services, project):
    store = services.store
    warm = runs.start_warm_up(services, project, 10)
    finish(services, warm)
    store.update_run(warm.id, model_sha256="another model")
    run = runs.start(services, project, 10)
    assert run.id != warm.id
    assert store.run(warm.id).kind == "trial"
    assert all(c.run_id == run.id for c in store.candidates(project_id="p"))


def test_prompts_are_tried_on_the_same_sources_and_leave_no_trace(services, project):
    store = services.store
    # The echo engine's versions of one sentence are near-duplicates: one of them would be left.
    varied = recipe.parse({"technique": "paraphrase", "filters": {"dedup": False}})
    project = dataclasses.replace(
        project, recipe=varied.model_dump(mode="json"), recipe_hash=varied.hash
    )
    store.save_project(project)
    echo = trials.Version("echo.yaml", {"user": "Repeat: {{ original }}"}, {})
    short = trials.Version("short.yaml", {}, {"max_tokens": 8})
    started = trials.start(services, project, [echo, short], 3)
    assert len({run.recipe_hash for run in started}) == 3
    for run in started:
        finish(services, run)
    reports = [trials.report(store, store.run(run.id)) for run in started]
    assert [r["name"] for r in reports] == [trials.OWN, "echo.yaml", "short.yaml"]
    assert {r["state"] for r in reports} == {"done"}
    tried = [{row["source"] for row in r["sources"]} for r in reports]
    assert len(tried[0]) == 3
    assert tried[0] == tried[1] == tried[2]
    own, _, cut = (r["total"] for r in reports)
    assert own["n_attempts"] == cut["n_attempts"] == 12
    assert own["n_parsed"] == 12
    assert own["n_kept"] > 0
    assert 0 < own["diversity"] < 1
    assert own["seconds_per_survivor"] > 0
    assert (cut["n_parsed"], cut["n_kept"], cut["seconds_per_survivor"]) == (0, 0, None)
    assert reports[2]["worst"]["reason"] == "truncated"
    assert reports[0]["best"]["state"] == "kept"
    for row in reports[0]["sources"]:
        assert row["n_attempts"] == 4 >= row["n_parsed"] >= row["n_kept"]
    assert store.candidates(project_id="p") == []
    assert store.funnel(project_id="p").n_attempts == 0
    planned = outlook.plan(
        store, "p", recipe.parse(project.recipe), 10, store.run_sources(started[0].id), ""
    )
    assert planned["seen"]["n_attempts"] == 12  # but a plan may learn from it


def test_a_version_that_is_no_recipe_is_refused_before_anything_is_queued(services, project):
    wrong = trials.Version("wrong.yaml", {"user": "{{ no_such_field }}"}, {})
    with pytest.raises(RecipeError, match="no_such_field"):
        trials.start(services, project, [wrong], 3)
    with pytest.raises(RecipeError, match=r"wrong\.yaml"):
        trials.start(services, project, [trials.Version("wrong.yaml", {}, {"top_p": 7})], 3)
    assert services.store.runs("p") == []
