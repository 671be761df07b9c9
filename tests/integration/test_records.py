"""Records with shares for their labels through the whole pipeline: store, Redis, MiniLM, echo engine."""

from collections import Counter

import pytest

from records import bank_recipe, bank_sources
from seedbed import labeling
from seedbed.client import Client
from seedbed.export import training_row
from seedbed.recipe import parse
from seedbed_backend import pipeline, publishing, runs
from seedbed_backend.insights import ReportData, insights
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings
from seedbed_backend.store import Project

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]

SHARES = {"fraud": 0.3, "salary": 0.2}


@pytest.fixture(scope="module")
def services(tmp_path_factory, redis_url, encoder_folder):
    opened = Services(
        Settings.from_environment(
            {
                "SEEDBED_HOME": str(tmp_path_factory.mktemp("records")),
                "SEEDBED_REDIS_URL": redis_url,
                "SEEDBED_ENGINE": "echo",
                "SEEDBED_EMBEDDING_MODEL": str(encoder_folder),
            }
        )
    )
    opened.store.migrate()
    yield opened
    opened.queues.redis.flushdb()
    opened.close()


@pytest.fixture(scope="module")
def grown(services):
    """Return the recipe, and the run that was made of the demo's transactions."""
    plan = bank_recipe(label_shares=SHARES)
    project = Project(
        id="bank", name="bank", technique="expand", recipe=plan.model_dump(mode="json"),
        recipe_hash=plan.hash, label_studio_url="http://localhost:9", source_project=1,
        review_project=2,
    )  # fmt: skip
    services.store.save_project(project)
    services.store.add_sources("bank", bank_sources(plan))
    run = runs.start(services, project, 40)
    while services.store.run(run.id).state == "generating":
        wave = services.store.run(run.id).wave
        for batch in services.store.batches(run.id, wave=wave):
            pipeline.generate(services, batch.id)
            pipeline.screen(services, batch.id)
        pipeline.close_wave(services, run.id, wave)
    return plan, services.store.run(run.id)


def test_every_attempt_is_accounted_for_and_there_are_survivors(services, grown):
    _, run = grown
    funnel = services.store.funnel(run_id=run.id)
    assert funnel.is_balanced and not funnel.n_pending
    assert funnel.n_survivors >= 20, funnel


def test_survivors_are_typed_records_whose_round_trip_is_exact(services, grown):
    plan, run = grown
    project = services.store.project("bank")
    for stored in services.store.candidates(run_id=run.id, states=("survivor",)):
        task = publishing.review_task(project, run, plan, stored)
        fields = dict(stored.candidate.fields)
        for column in plan.columns:
            assert (
                column.type == "label"
                or column.read(fields[column.name], is_own=True) == (fields[column.name])
            )
        assert labeling.values(task["predictions"][0]["result"], plan.spec) == fields


def test_attempts_went_to_the_labels_that_lack_survivors(services, grown):
    plan, run = grown
    asked = {}
    for stored in services.store.candidates(run_id=run.id):
        label = stored.candidate.source.group
        asked[label] = asked.get(label, 0) + 1
    seeds = Counter(s.group for s in bank_sources(plan))
    assert seeds.keys() == asked.keys()
    # 6 of 96 seeds are fraud, 34 groceries. How often a label is asked follows its yield as well, so
    # that the totals may be alike; by the seeds' shares each seed would be asked as often.
    assert asked["fraud"] / seeds["fraud"] > 3 * asked["groceries"] / seeds["groceries"]
    assert asked["salary"] > asked["rent"]


def test_the_report_says_what_was_wanted_and_what_came(services, grown):
    plan, run = grown
    data = ReportData(
        plan,
        services.store.sources("bank"),
        services.store.candidates(run_id=run.id),
        services.encoder,
    )
    balance = insights()["label_balance"].find(data)
    fraud = next(b for b in balance.data["labels"] if b["label"] == "fraud")
    assert fraud["wanted"] == 0.3
    assert fraud["got"] > 0.15 or fraud["why"]
    columns = insights()["columns"].find(data)
    assert 0.5 < columns.data["score"] <= 1
    assert {c["column"] for c in columns.data["columns"]} >= {"narrative", "amount", "date"}


def test_the_first_wave_already_asks_by_the_shares(services, grown):
    plan, run = grown
    groups = {s.id: s.group for s in bank_sources(plan)}
    asked = {"fraud": 0, "salary": 0}
    for batch in services.store.batches(run.id, wave=1):
        for source_id, _, n in batch.items:
            if groups[source_id] in asked:
                asked[groups[source_id]] += n
    assert asked["fraud"] in range(10, 15)  # 0.3 of 40
    assert asked["salary"] in range(6, 11)


def test_a_project_of_records_is_made_filled_and_pulled(backend, server, label_studio):
    plan = bank_recipe()
    project = backend.save_project("it-records", plan.model_dump(mode="json"))
    for side, is_review in (("source_project", False), ("review_project", True)):
        config = server.label_config(project[side])
        labeling.check_config(config, plan.spec, plan.labels, is_review=is_review)
    rows = [{"fields": dict(s.fields), "provenance": {}} for s in bank_sources(plan)]
    broken = {"fields": {**rows[0]["fields"], "date": "2025-02-30"}, "provenance": {}}
    report = backend.import_rows("it-records", [*rows, broken])
    assert report["n_new"] == len(rows)
    assert "'date' is '2025-02-30', which is no date" in report["problems"][0]
    assert backend.import_rows("it-records", rows)["n_new"] == 0
    spec = parse(backend.project("it-records")["recipe"]).spec
    with Client(label_studio.url, label_studio.api_key) as client:
        real = list(client.real(project["source_project"], spec))
    assert len(real) == len(rows)
    row = training_row(real[0])
    assert isinstance(row.record["amount"], float)
    assert row.completion in plan.labels
