"""The web process: who may ask what, and what wrong requests get. Real Redis, real store."""

import dataclasses
import json
import subprocess
import sys
import zlib

import pytest

from seedbed.errors import UserError
from seedbed_backend.app import create_app
from seedbed_backend.settings import Settings
from seedbed_backend.store import Store

pytestmark = pytest.mark.integration

AUTH = ("seedbed", "right")


@pytest.fixture
def settings(tmp_path, redis_url):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    store = Store.open(url)
    store.migrate()
    store.close()
    return Settings.from_environment(
        {
            "SEEDBED_HOME": str(tmp_path),
            "SEEDBED_STORE_URL": url,
            "SEEDBED_REDIS_URL": redis_url,
            "BASIC_AUTH_PASS": "right",
            "SEEDBED_WEBHOOK_SECRET": "hook",
            "LABEL_STUDIO_URL": "http://localhost:9",
            "LABEL_STUDIO_API_KEY": "not-a-token",
        }
    )


@pytest.fixture
def client(settings):
    app = create_app(settings)
    yield app.test_client()
    app.extensions["seedbed"].close()


def test_health_is_open_and_everything_else_asks_for_the_password(client):
    assert client.get("/health").status_code == 200
    for path in ("/api/projects", "/metrics", "/setup", "/predict", "/versions"):
        assert (
            client.open(
                path, method="POST" if path in {"/setup", "/predict"} else "GET"
            ).status_code
            == 401
        )
    assert client.get("/api/projects", auth=("seedbed", "wrong")).status_code == 401
    assert client.get("/api/projects", auth=AUTH).json == {"projects": []}


def test_the_webhook_needs_its_secret_or_the_password(client):
    assert client.post("/webhook", json={}).status_code == 403
    assert client.post("/webhook", json={}, auth=("seedbed", "wrong")).status_code == 403
    assert client.post("/webhook", json={}, headers={"X-Seedbed-Secret": "hook"}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"action": "ANNOTATION_CREATED"},
        {"action": "ANNOTATION_CREATED", "project": {"id": 99}, "task": {"id": 1}},
        {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 12345}]},
        {"action": "START_TRAINING"},
        {"action": "ANNOTATION_CREATED", "project": "x", "task": [None, {"id": "y"}]},
        [],
        "text",
    ],
)
def test_webhooks_about_things_we_do_not_know_are_taken_quietly(client, body):
    answer = client.post("/webhook", json=body, headers={"X-Seedbed-Secret": "hook"})
    assert answer.status_code == 200


def test_setup_names_the_one_model_version(client):
    answer = client.post("/setup", json={"project": "1.2", "schema": "<View/>"}, auth=AUTH)
    assert answer.json == {"model_version": "seedbed"}


def test_predict_answers_one_list_per_task_also_for_unknown_projects(client):
    tasks = [{"id": 1, "data": {"x": "y"}, "project": 7}, {"id": 2, "data": {}, "project": "x"}]
    for project in ("7.123", "x", None):
        answer = client.post("/predict", json={"tasks": tasks, "project": project}, auth=AUTH)
        assert answer.json == {"results": [[], []]}


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/api/projects", {"name": "x"}, 400, "recipe"),
        (
            "/api/projects",
            {"name": "x", "recipe": {"technique": "qa", "n_peers": 99}},
            400,
            "n_peers",
        ),
        (
            "/api/projects",
            {
                "name": "x",
                "recipe": {"technique": "qa", "filters": {"grounding": {"minimum": 1.7}}},
            },
            400,
            "minimum",
        ),
        (
            "/api/projects",
            {
                "name": "x",
                "recipe": {"technique": "qa", "filters": {"simlarity": {"minimum": 0.7}}},
            },
            404,
            "simlarity",
        ),
        ("/api/projects/none/runs", {"target": 5}, 404, "none"),
        ("/api/projects/none/sync", {}, 404, "none"),
        ("/api/nothing", {}, 404, ""),
    ],
)
def test_wrong_requests_get_one_clear_sentence(client, path, body, status, words):
    answer = client.post(path, json=body, auth=AUTH)
    assert answer.status_code == status
    assert words in answer.json["error"]


def test_a_label_studio_that_does_not_answer_is_a_service_error(client):
    answer = client.post(
        "/api/projects", json={"name": "x", "recipe": {"technique": "qa"}}, auth=AUTH
    )
    assert answer.status_code == 503
    assert "localhost:9" in answer.json["error"]
    assert answer.json["hint"]


def test_metrics_are_prometheus_text(client):
    text = client.get("/metrics", auth=AUTH).text
    assert 'seedbed_queue_depth{queue="generate"} 0.0' in text


def test_the_model_class_also_works_as_the_2_x_api_calls_it(settings):
    from seedbed_backend.model import SeedbedModel
    from seedbed_backend.services import Services

    services = Services(settings)
    model = SeedbedModel(project_id="7.123", label_config="<View/>", services=services)
    assert model.predict([{"id": 1, "data": {}}, {"id": 2, "data": {}}], context={}) == [[], []]
    assert model.fit("ANNOTATION_CREATED", {}) == {"model_version": "seedbed"}
    services.close()


def test_jobs_travel_as_json_with_ids_alone(settings):
    from seedbed_backend.services import Services

    services = Services(settings)
    try:
        services.queues.enqueue("generate", "generate", "batch-1")
        services.queues.enqueue("generate", "generate", "batch-1")
        assert services.queues.is_waiting("generate", "generate", "batch-1")
        stored = services.queues.redis.hget("rq:job:generate-batch-1", "data")
        name, _, arguments, keywords = json.loads(zlib.decompress(stored))
        assert (name, arguments, keywords) == ("seedbed_backend.jobs.generate", ["batch-1"], {})
    finally:
        services.queues.redis.flushdb()
        services.close()


@pytest.mark.parametrize("missing", ["basic_auth_pass", "webhook_secret"])
def test_it_does_not_start_without_its_secrets(settings, missing):
    with pytest.raises(UserError, match="is not set"):
        create_app(dataclasses.replace(settings, **{missing: ""}))


def test_the_web_process_loads_neither_torch_nor_llama_cpp(settings):
    code = (
        "import sys; from seedbed_backend.app import create_app; create_app();"
        "print(sorted({'torch', 'llama_cpp', 'sentence_transformers'} & set(sys.modules)))"
    )
    environment = {
        "PATH": "",
        "SEEDBED_STORE_URL": settings.store_url,
        "BASIC_AUTH_PASS": "x",
        "SEEDBED_WEBHOOK_SECRET": "y",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("setting", "value", "code", "words"),
    [
        ("SEEDBED_REDIS_URL", "redis://localhost:9/0", 1, "Redis does not answer"),
        ("SEEDBED_STORE_URL", "sqlite:////no/such/folder/x.sqlite3", None, "/no/such/folder"),
        ("SEEDBED_STORE_URL", "mysql://localhost/x", 2, "mysql"),
        ("SEEDBED_ENGINE", "llama", 2, "echo, llama_cpp"),
        ("SEEDBED_MODEL", "/no/such.gguf", 2, "/no/such.gguf"),
        ("SEEDBED_THREADS", "many", 2, "SEEDBED_THREADS is not a number"),
    ],
)
def test_a_worker_that_cannot_work_says_why_in_one_sentence(settings, setting, value, code, words):
    environment = {
        "PATH": "",
        "SEEDBED_STORE_URL": settings.store_url,
        "SEEDBED_REDIS_URL": settings.redis_url,
        setting: value,
    }
    done = subprocess.run(
        [sys.executable, "-m", "seedbed", "worker", "generate", "--burst"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == code if code else done.returncode in {1, 2}
    assert words in done.stderr
    assert "Traceback" not in done.stderr
