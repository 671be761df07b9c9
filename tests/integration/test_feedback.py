"""From verdicts to the next run's prompts, with a real store, Redis and the echo engine."""

from __future__ import annotations

import dataclasses

import pytest

from seedbed import recipe as recipes
from seedbed.errors import SourceError
from seedbed.records import Completion, SourceTask, Verdict
from seedbed_backend import explain, feedback, fitting, generation, pipeline, runs, trials
from seedbed_backend.feedback import Feedback
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings
from seedbed_backend.store import Batch, Project, Run, StateChange

pytestmark = pytest.mark.integration

TEXTS = [
    "The client pays each invoice within thirty days of receiving it from the supplier.",
    "Either party may end the contract in writing with a notice of three months.",
    "The supplier answers a critical report within four hours, day and night.",
    "Personal data is kept in Norway and erased ninety days after the contract ends.",
]


@pytest.fixture
def services(tmp_path, redis_url):
    opened = open_services(tmp_path, redis_url)
    opened.store.migrate()
    yield opened
    opened.queues.redis.flushdb()
    opened.close()


def open_services(home, redis_url, context_length=600):
    return Services(
        Settings.from_environment(
            {
                "SEEDBED_HOME": str(home),
                "SEEDBED_REDIS_URL": redis_url,
                "SEEDBED_ENGINE": "echo",
                "SEEDBED_CONTEXT_LENGTH": str(context_length),
            }
        )
    )


@pytest.fixture
def project(services):
    plan = recipes.parse({"technique": "paraphrase", "few_shot": 2, "avoid": 1})
    made = Project(
        "p", "p", "paraphrase", plan.model_dump(mode="json"), plan.hash, "http://localhost:9", 1, 2
    )
    services.store.save_project(made)
    services.store.add_sources("p", [SourceTask.of({"original": text}) for text in TEXTS])
    return made


def judge(services, project, number, status, text, reasons=()):
    """Let one candidate of a source stand judged, as an earlier run left it."""
    store, source = services.store, services.store.sources("p")[number]
    if "earlier" not in {run.id for run in store.runs("p")}:
        earlier = Run("earlier", "p", project.recipe_hash, target=1, budget=9, state="done")
        store.create_run(earlier, {source.id: 0})
        store.add_batches([Batch("b", "earlier", 1, ((source.id, 0, 9),), "screened")])
    id_ = f"judged{number}"
    completion = Completion(id_, source.id, "prompt", number, "{}", "stop", 1)
    fields = {"paraphrase": f"{source.fields['original']} (as the model said it)"}
    store.save_completions("earlier", "b", [(completion, fields, "")])
    store.set_states([StateChange(id_, "survivor")])
    moment = f"2026-01-01T00:00:0{number}Z"
    verdict = Verdict(
        id_, status, {"paraphrase": text}, reasons, annotation_id=number, decided_at=moment
    )
    store.save_verdict(verdict)
    return source


def prompts(services, run, model=None):
    recipe = recipes.parse(services.store.recipe(run.recipe_hash))
    items = [item for batch in services.store.batches(run.id) for item in batch.items]
    requests = generation.build_requests(
        services.store, "p", run.id, recipe, items, model, Feedback.of(run.feedback)
    )
    return {request.prompt.source_id: request.prompt for request in requests}


def test_the_next_run_is_shown_what_people_corrected_and_rejected(services, project):
    assert runs.start(services, project, 2).feedback is None
    fixed = judge(services, project, 0, "FIXED", "Within 30 days the client pays.")
    judge(services, project, 1, "REJECTED", "Nobody may end it.", ("meaning changed",))
    run = runs.start(services, project, 20)
    found = prompts(services, run)
    for source_id, prompt in found.items():
        system, *turns = prompt.messages
        assert "(as the model said it) (meaning changed)" in system.content
        own = source_id == fixed.id
        assert [m.role for m in turns] == ["user"] if own else ["user", "assistant", "user"]
        if not own:
            assert turns[0].content == fixed.fields["original"]
            assert turns[1].content == '{"paraphrase": "Within 30 days the client pays."}'
    assert len(found) > 1
    planned = feedback.summary(Feedback.of(run.feedback))
    assert planned == {"few_shot": ["judged0"], "avoid": ["judged1"], "n_left_out": 0}


def test_a_run_that_is_taken_up_again_asks_the_same_whatever_people_said_since(services, project):
    judge(services, project, 0, "FIXED", "Within 30 days the client pays.")
    run = runs.start(services, project, 2)
    before = prompts(services, run)
    services.store.withdraw_verdict(0)
    judge(services, project, 2, "FIXED", "Day and night the supplier answers in four hours.")
    services.store.update_run(run.id, state="failed", error="gone")
    runs.resume_run(services, run.id)
    assert prompts(services, services.store.run(run.id)) == before
    for batch in services.store.batches(run.id):
        pipeline.generate(services, batch.id)
    asked = {c.completion.prompt_hash for c in services.store.candidates(run_id=run.id)}
    assert asked == {prompt.hash for prompt in before.values()}
    later = runs.start(services, project, 2)
    assert [s.candidate for s in Feedback.of(later.feedback).few_shot] == ["judged2"]
    candidate = services.store.candidates(run_id=run.id)[0].candidate.id
    shown = explain.explain(services.store, candidate)["generation"]["shown"]
    assert shown["few_shot"] == ["judged0"]


def test_nothing_learned_takes_the_room_of_a_source(services, project, redis_url, tmp_path):
    judge(services, project, 0, "FIXED", "Within 30 days the client pays.")
    judge(services, project, 1, "FIXED", "word " * 60)
    plan = recipes.parse(project.recipe)
    full = feedback.choose(services.store, "p", plan)
    assert len(full.few_shot) == 2
    ids = list(services.store.source_groups("p"))

    def fits(length, part):
        small = Services(dataclasses.replace(services.settings, context_length=length))
        try:
            return not any(fitting.measure(small, "p", "", plan, ids, part).values())
        except SourceError:
            return False
        finally:
            small.close()

    length = next(n for n in range(300, 900, 10) if fits(n, Feedback()) and fits(n, full.first(1)))
    assert not fits(length, full)
    small = open_services(tmp_path, redis_url, length)
    try:
        run = runs.start(small, project, 2)
        learned = Feedback.of(run.feedback)
        assert (len(learned.few_shot), learned.n_left_out) == (1, 1)
        assert not any(small.store.run_sources(run.id).values())
    finally:
        small.close()


def test_trials_and_opened_tasks_are_shown_the_same(services, project):
    judge(services, project, 0, "FIXED", "Within 30 days the client pays.")
    trial, other = trials.start(
        services, project, [trials.Version("b", {"user": "{{ original }}!"}, {})], 2
    )
    opened = runs.start_for_source(services, project, services.store.sources("p")[2])
    warm = runs.start_warm_up(services, project, 5)
    for run in (trial, other, opened, warm):
        assert [s.candidate for s in Feedback.of(run.feedback).few_shot] == ["judged0"]
    # the warm-up's beginning is the run's, and so is what it was shown
    services.store.withdraw_verdict(0)
    run = runs.start(services, project, 5)
    assert run.id == warm.id
    assert run.feedback == warm.feedback
