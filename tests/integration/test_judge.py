"""The judge phase with real Redis, store, workers and MiniLM, and GGUFs through the real llama.cpp."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rq.serializers import JSONSerializer

from engine.tiny_gguf import write
from growing import MODEL, SOURCES, grow, wait_for
from seedbed import ingest, recipe, registry
from seedbed.backend_client import BackendClient
from seedbed.errors import ModelError
from seedbed.records import SourceTask
from seedbed_backend import jobs, judging, outlook, pipeline, report, runs
from seedbed_backend.engine import memory
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings
from seedbed_backend.stack.stack import Stack, StackOptions
from seedbed_backend.store import Project
from seedbed_backend.worker import Worker, queues_of

pytestmark = pytest.mark.integration

MIB = 1 << 20
TEXTS = [
    "The client pays each invoice within thirty days of receiving it from the supplier.",
    "Either party may end the contract in writing with a notice of three months.",
    "The supplier answers a critical report within four hours, day and night.",
    "Personal data is kept in Norway and erased ninety days after the contract ends.",
]
LENIENT = {n: False for n in registry.technique("paraphrase").filters if n != "top_fraction"}


@pytest.fixture(scope="module")
def judge_model(tmp_path_factory):
    """Random weights: its grades are arbitrary, but always the same."""
    return write(
        tmp_path_factory.mktemp("judge") / "judge.gguf", n_context=4096, name="a random judge"
    )


@pytest.fixture
def environment(tmp_path, redis_url, encoder_folder, judge_model):
    return {
        "SEEDBED_HOME": str(tmp_path),
        "SEEDBED_REDIS_URL": redis_url,
        "SEEDBED_ENGINE": "echo",
        "SEEDBED_EMBEDDING_MODEL": str(encoder_folder),
        "SEEDBED_CONTEXT_LENGTH": "1024",
        "SEEDBED_THREADS": "1",
        "SEEDBED_MODEL": str(MODEL),
        "SEEDBED_JUDGE_MODEL": str(judge_model),
    }


@pytest.fixture
def open_services(environment):
    opened = []

    def open_(**changes):
        opened.append(Services(Settings.from_environment({**environment, **changes})))
        opened[-1].store.migrate()
        return opened[-1]

    yield open_
    opened[0].queues.redis.flushdb()
    for services in opened:
        services.close()


def make_project(services, name, texts=TEXTS, technique="paraphrase", filters=LENIENT, **judge):
    spec = registry.technique(technique)
    plan = recipe.parse(
        {"technique": technique, "filters": filters, "judge": {"enabled": True, **judge}}
    )
    made = Project(
        id=name,
        name=name,
        technique=technique,
        recipe=plan.model_dump(mode="json"),
        recipe_hash=plan.hash,
        label_studio_url="http://localhost:9",
        source_project=1,
        review_project=2,
    )
    services.store.save_project(made)
    services.store.add_sources(name, [SourceTask.of({spec.text_field: text}) for text in texts])
    return made


def work(services, role):
    """Serve a role's queues until they are empty, as `seedbed worker ROLE --burst` does."""
    jobs.attach(services)
    served = queues_of(role, services.settings)
    Worker(served, connection=services.queues.redis, serializer=JSONSerializer).work(burst=True)


def states(services, run):
    return {batch.state for batch in services.store.batches(run.id)}


def test_a_wave_is_generated_then_screened_then_judged_and_models_are_swapped_once(
    open_services, judge_model, tmp_path, monkeypatch
):
    big = tmp_path / "big-judge.gguf"
    big.write_bytes(judge_model.read_bytes())
    os.truncate(big, 128 * MIB)  # what is behind the tensors is never read
    services = open_services(SEEDBED_ENGINE="llama_cpp", SEEDBED_JUDGE_MODEL=str(big))
    monkeypatch.setattr(memory, "available_bytes", lambda: 140 * MIB)
    found = ingest.ingest([SOURCES / "clauses.jsonl"], registry.technique("paraphrase"))
    texts = [s.fields["original"] for s in found.sources[:8]]
    projects = [make_project(services, f"p{n}", texts) for n in range(3)]
    warm_ups = [runs.start_warm_up(services, project, 5) for project in projects[:2]]
    work(services, "generate")
    assert states(services, warm_ups[0]) == states(services, warm_ups[1]) == {"generated"}
    work(services, "filter")
    assert states(services, warm_ups[0]) == {"screened"}
    assert services.queues.depth()["judge"] == 2
    assert outlook.of_run(services.store, warm_ups[0])["stage"] == "warm-up: judging"
    # what was queued last is generated first: judging waits
    warm_ups.append(runs.start_warm_up(services, projects[2], 5))
    work(services, "generate")
    assert states(services, warm_ups[0]) == states(services, warm_ups[1]) == {"judged"}
    assert states(services, warm_ups[2]) == {"generated"}
    assert services.models.n_loads == {"generator": 1, "judge": 1}
    assert services.models.loaded == ("judge",)
    work(services, "filter")
    work(services, "generate")
    work(services, "filter")
    assert services.models.n_loads == {"generator": 1, "judge": 1}
    for run in warm_ups:
        assert services.store.run(run.id).state == "done"
        told = report.run_summary(services.store, services.store.run(run.id))
        stages = [row["stage"] for row in told["survival"]]
        assert stages == ["format", "judge", "top_fraction"]
        parsed = told["survival"][0]["n_passed"]
        assert told["judge"]["n_judged"] == parsed > 0
        assert told["n_batches_judged"] == told["n_batches_screened"] == told["n_batches"]
        assert told["outlook"]["pace"]["judge_seconds_per_attempt"] > 0
        for stored in services.store.candidates(run_id=run.id):
            if stored.stage != "format":
                said = stored.evidence["judge"]
                assert said["model"] == "a random judge" or "no_verdict" in said
                assert (stored.stage == "judge") == (stored.state == "dropped")


def test_both_models_stay_loaded_where_both_fit(open_services, monkeypatch):
    services = open_services(SEEDBED_ENGINE="llama_cpp")
    monkeypatch.setattr(memory, "available_bytes", lambda: 1024 * MIB)
    assert services.engine.model.name != services.judge.model.name == "a random judge"
    assert services.models.loaded == ("generator", "judge")
    assert services.models.n_loads == {"generator": 1, "judge": 1}


@pytest.mark.parametrize("technique", sorted(registry.techniques()))
def test_a_random_judge_decides_on_every_technique_and_its_score_ranks(open_services, technique):
    echo, real = open_services(), open_services(SEEDBED_ENGINE="llama_cpp")
    off = {name: False for name in registry.technique(technique).filters if name != "top_fraction"}
    project = make_project(echo, "p", technique=technique, filters=off, minimum=0.1)
    run = runs.start(echo, project, 3)
    (batch,) = echo.store.batches(run.id)
    pipeline.generate(echo, batch.id)
    pipeline.screen(echo, batch.id)
    before = {c.candidate.id: c.candidate.fields for c in echo.store.candidates(run_id=run.id)}
    pipeline.judge(real, batch.id)
    assert real.store.batch(batch.id).state == "judged"
    n_judged, n_without = real.store.count_decisions(run.id, judging.NAME)
    assert n_judged == batch.n_attempts
    assert n_without < n_judged
    decided = real.store.candidates(run_id=run.id)
    assert {c.candidate.id: c.candidate.fields for c in decided} == before
    for stored in decided:
        (decision,) = real.store.decisions(stored.candidate.id)
        assert stored.state == ("kept" if decision.keep else "dropped")
        assert (stored.stage, stored.reason) == ("" if decision.keep else "judge", decision.reason)
        if decision.score is not None:
            assert set(recipe.parse(project.recipe).criteria) <= set(decision.evidence)
    pipeline.judge(real, batch.id)
    assert real.store.count_decisions(run.id, judging.NAME) == (n_judged, n_without)
    pipeline.close_wave(echo, run.id, 1)
    ranked = [
        c for c in echo.store.candidates(run_id=run.id) if "top_fraction" in c.scores and c.scores
    ]
    for stored in ranked:
        assert stored.scores["top_fraction"] == pytest.approx(
            stored.scores.get("judge", 0.0), abs=1e-4
        )


def test_only_what_the_filters_kept_is_judged(open_services):
    services = open_services()
    project = make_project(services, "p", filters={})
    run = runs.start(services, project, 10)
    for batch in services.store.batches(run.id):
        pipeline.generate(services, batch.id)
        pipeline.screen(services, batch.id)
        pipeline.judge(services, batch.id)
    decided = services.store.candidates(run_id=run.id)
    by_filters = [c for c in decided if c.stage not in ("", "judge")]
    judged = [c for c in decided if "judge" in c.evidence]
    assert by_filters
    assert judged
    assert not any("judge" in c.evidence for c in by_filters)
    assert len(by_filters) + len(judged) == len(decided)


def test_a_recipe_without_a_judge_skips_the_phase(open_services):
    services = open_services()
    project = make_project(services, "p", enabled=False)
    run = runs.start_warm_up(services, project, 5)
    work(services, "generate")
    work(services, "filter")
    assert states(services, run) == {"screened"}
    assert services.store.run(run.id).state == "done"
    assert report.run_summary(services.store, run)["judge"] is None


def test_no_run_is_made_where_no_judge_is_set(open_services):
    services = open_services(SEEDBED_ENGINE="llama_cpp", SEEDBED_JUDGE_MODEL="")
    project = make_project(services, "p")
    source = services.store.sources("p")[0]
    for start in (
        lambda: runs.start(services, project, 5),
        lambda: runs.start_warm_up(services, project, 5),
        lambda: runs.start_for_source(services, project, source),
    ):
        with pytest.raises(ModelError, match=r"no judge model is set\. Set SEEDBED_JUDGE_MODEL"):
            start()
    assert services.store.runs("p") == []


@pytest.mark.parametrize("state", ["screened", "judged"])
def test_resume_goes_on_with_the_judge_or_with_the_end_of_the_wave(open_services, state):
    services = open_services()
    run = runs.start_warm_up(services, make_project(services, "p"), 5)
    for batch in services.store.batches(run.id):
        pipeline.generate(services, batch.id)
        pipeline.screen(services, batch.id)
        if state == "judged":
            pipeline.judge(services, batch.id)
    services.queues.redis.flushdb()  # the queues were lost
    assert runs.resume(services) == 1
    work(services, "filter")
    if state == "screened":
        assert services.queues.depth()["judge"] == 1
        work(services, "judge")
        work(services, "filter")
    assert services.store.run(run.id).state == "done"


def test_a_judge_that_is_killed_goes_on_where_it_was(open_services, environment, tmp_path):
    rambling = write(tmp_path / "rambling.gguf", n_context=4096, n_layers=6, leaning="")
    services = open_services()
    run = runs.start_warm_up(services, make_project(services, "p"), 10)
    (batch,) = services.store.batches(run.id)
    pipeline.generate(services, batch.id)
    pipeline.screen(services, batch.id)
    n_kept = len(services.store.candidates(run_id=run.id, states=("kept",)))
    assert n_kept == batch.n_attempts > judging.GROUP_SIZE
    variables = {
        **os.environ, **environment,
        "SEEDBED_ENGINE": "llama_cpp", "SEEDBED_JUDGE_MODEL": str(rambling), "SEEDBED_SLOTS": "2",
    }  # fmt: skip
    command = [sys.executable, "-m", "seedbed", "worker", "judge"]

    def judged():
        return {
            c.candidate.id: (c.state, c.reason, services.store.decisions(c.candidate.id))
            for c in services.store.candidates(run_id=run.id)
            if "judge" in c.evidence
        }

    with subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(judged, 60, "the first decision of the judge")
        finally:
            process.send_signal(signal.SIGKILL)
    before = judged()
    assert judging.GROUP_SIZE <= len(before) < n_kept
    assert services.store.batch(batch.id).state == "screened"
    assert runs.resume(services) == 1
    pipeline.screen(services, batch.id)  # what a filter worker does with it
    subprocess.run([*command, "--burst"], env=variables, check=True, stderr=subprocess.DEVNULL)
    after = judged()
    assert before.items() <= after.items()
    assert len(after) == n_kept
    assert all(len(decisions) == 1 for _, _, decisions in after.values())
    assert services.store.batch(batch.id).state == "judged"
    pipeline.close_wave(services, run.id, 1)
    assert services.store.funnel(run_id=run.id).is_balanced
    assert services.store.run(run.id).state == "done"


@pytest.mark.xdist_group("label_studio")
def test_a_judged_run_is_published_and_the_doctor_loads_the_judge(
    label_studio, server, encoder_folder, judge_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("SEEDBED_JUDGE_MODEL", str(judge_model))
    options = StackOptions(
        home=tmp_path,
        label_studio=Path(),
        model=MODEL,
        embedding_model=encoder_folder,
        port=0,
        redis_port=0,
        label_studio_url=label_studio.url,
        label_studio_api_key=label_studio.api_key,
    )
    with Stack(options) as stack:
        stack.start(lambda step: None)
        password = stack.environment["BASIC_AUTH_PASS"]
        backend = BackendClient(stack.url, stack.environment["BASIC_AUTH_USER"], password)
        judge = {"enabled": True, "minimum": 0.1, "minimum_grade": 1}
        project = grow(backend, "it-judged", "paraphrase", target=4, judge=judge)
        checks = {check["name"]: check for check in backend.doctor()}
        backend.close()
    (run,) = project["runs"]
    assert run["judge"]["n_judged"] > 0
    assert run["n_batches_judged"] == run["n_batches"]
    assert run["funnel"]["n_pending"] == 0
    tasks = list(server.tasks(project["review_project"]))
    assert len(tasks) == run["funnel"]["n_survivors"] > 0
    assert checks["judge worker"]["is_ok"]
    assert checks["judge model loads"]["is_ok"], checks["judge model loads"]
    assert "a random judge" in checks["judge model loads"]["detail"]
