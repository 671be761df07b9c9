"""`seedbed seeds` from the command to the store and back, with the worker's job done at once."""

import json

import pytest
from click.testing import CliRunner

from filters.support import HashingEncoder
from insights.grown import DELIVERIES, DISPUTES, LOGINS
from over_wsgi import client_of
from seedbed import ingest, registry
from seedbed.commands import seeds as command
from seedbed.errors import SeedbedError, UserError
from seedbed.recipe import parse
from seedbed_backend import analyses, jobs
from seedbed_backend.routes import reports
from seedbed_backend.routes import seeds as routes
from seedbed_backend.store import Project, Store

LABELLED = [(text, "billing") for text in DISPUTES] + [(text, "access") for text in LOGINS]
BROKEN = "The cafÃ© near the office canâ€™t take cards"


class Services:
    """A store, an encoder, and a worker that does each job at once."""

    def __init__(self, url):
        self.store, self.encoder = Store.open(url), HashingEncoder()
        self.store.migrate()
        self.queues = self.label_studio = self
        self.n_workers = 1

    def enqueue(self, queue, job, *ids, **_):
        assert (queue, job) == ("filter", "analyse")
        if not self.n_workers:
            return
        try:
            analyses.perform(self, *ids)
        except SeedbedError as exc:  # as `jobs.analyse` does
            analyses.fail(self, *ids, str(exc))

    def count_workers(self, queue):
        assert queue == "filter"
        return self.n_workers

    def tasks(self, project):
        return [
            {"id": 100 + n, "data": {"seed": text, "label": label}}
            for n, (text, label) in enumerate(self.texts)
        ]


@pytest.fixture
def services(tmp_path):
    services = Services(f"sqlite:///{tmp_path}/store.sqlite3")
    recipe = parse({"technique": "expand"})
    document = recipe.model_dump(mode="json")
    services.store.save_project(
        Project("tickets", "Tickets", "expand", document, recipe.hash, "http://ls", 1, 2)
    )
    services.texts = [*LABELLED, (BROKEN, "billing")]
    yield services
    services.store.close()


@pytest.fixture
def backend(services):
    client = client_of(services, reports.blueprint, routes.blueprint)
    yield client
    client.close()


@pytest.fixture
def seedbed(backend, monkeypatch):
    monkeypatch.setattr(command, "connect", lambda: backend)
    return lambda *arguments: CliRunner().invoke(command.seeds, list(map(str, arguments)))


def test_shows_what_the_seeds_cover_and_what_was_left_out(seedbed):
    done = seedbed("tickets", "--select", 6)
    assert done.exit_code == 0, done.output
    assert "6 of 17 sources selected; 16 of 17 looked at are fit to be seeds." in done.output
    assert "labels    billing 3 of 9, access 3 of 8" in done.output
    assert "with as many drawn at random" in done.output
    assert "Left out: 1 mojibake." in done.output
    assert "stands for" in done.output  # no column is starved by the texts
    assert f"task 116: mojibake: {BROKEN}" in done.output


def test_writes_what_import_reads(seedbed, tmp_path):
    file = tmp_path / "seeds.jsonl"
    done = seedbed("tickets", "--select", 4, "-o", file)
    assert f"4 seeds written to {file}." in done.output
    report = ingest.ingest([file], registry.technique("expand"))
    assert not report.problems
    assert {source.fields["label"] for source in report.sources} == {"billing", "access"}
    assert all((s.fields["seed"], s.fields["label"]) in LABELLED for s in report.sources)


def test_json_is_nothing_but_json(seedbed):
    done = seedbed("tickets", "--select", 4, "--json")
    found = json.loads(done.stdout)
    assert len(found["seeds"]) == 4
    assert found["seeds"][0]["task"] >= 100


def test_the_same_twice_is_the_same(seedbed):
    first, second = (seedbed("tickets", "--select", 5, "--json").stdout for _ in range(2))
    assert first == second


def test_other_texts_give_other_seeds(seedbed, services):
    before = seedbed("tickets", "--select", 5, "--json").stdout
    services.texts = [(text, "shipping") for text in DELIVERIES]
    after = json.loads(seedbed("tickets", "--select", 5, "--json").stdout)
    assert json.loads(before)["n_sources"] == 17
    assert after["n_sources"] == 25
    assert {row["name"] for row in after["labels"]} == {"billing", "access", "shipping"}


@pytest.mark.parametrize("n", [0, 1001, "many", 2.5, True])
def test_a_number_out_of_range_is_refused(backend, n):
    with pytest.raises(UserError, match="n must be a whole number from 1 to 1000"):
        backend.start_seeds("tickets", n)


def test_an_unknown_project_is_named(backend):
    with pytest.raises(UserError, match="nope"):
        backend.start_seeds("nope", 4)


def test_without_a_filter_worker_it_says_so_instead_of_waiting(seedbed, services):
    services.n_workers = 0
    done = seedbed("tickets")
    assert done.exit_code != 0
    assert "No filter worker is running" in str(done.exception)


def test_without_sources_it_says_what_to_do(seedbed, services):
    services.texts = []
    done = seedbed("tickets")
    assert done.exit_code != 0
    assert "no sources" in str(done.exception)
    assert "Import some first" in str(done.exception)


def test_the_job_is_one_that_workers_know():
    assert callable(jobs.analyse)
