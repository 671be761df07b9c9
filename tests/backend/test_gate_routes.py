"""The gate over HTTP, with a Label Studio that is away: what is asked wrongly, and what still works."""

from __future__ import annotations

import json

import pytest

from backend import grown
from seedbed import labeling
from seedbed.recipe import parse
from seedbed_backend.app import create_app
from seedbed_backend.settings import Settings
from seedbed_backend.store import Run

AUTH = ("seedbed", "right")


@pytest.fixture
def grown_store(tmp_path):
    services, _, _ = grown.grow(f"sqlite:///{tmp_path}/store.db")
    yield services.store
    services.store.close()


@pytest.fixture
def client(grown_store, tmp_path):
    settings = Settings.from_environment(
        {
            "SEEDBED_HOME": str(tmp_path),
            "SEEDBED_STORE_URL": grown_store.url,
            "BASIC_AUTH_PASS": "right",
            "SEEDBED_WEBHOOK_SECRET": "hook",
            "LABEL_STUDIO_URL": "http://localhost:9",
            "LABEL_STUDIO_API_KEY": "not-a-token",
        }
    )
    app = create_app(settings)
    yield app.test_client()
    app.extensions["seedbed"].close()


@pytest.fixture
def post(client):
    def post(path, body, status=200):
        answer = client.post(f"/api/projects/p1/{path}", json=body, auth=AUTH)
        assert answer.status_code == status, answer.json
        return answer.json

    return post


def test_the_gate_is_told_while_label_studio_is_away(client):
    found = client.get("/api/projects/p1/gate", auth=AUTH).json
    assert found["project"] == "p1"
    assert found["technique"] == "paraphrase"
    (run,) = found["runs"]
    assert (run["run"], run["n_skipped"], run["is_released"]) == ("run1", 0, False)
    again = client.get("/api/projects/p1/gate?run=run", auth=AUTH).json
    assert again["runs"] == [run]
    assert client.get("/api/projects/p1/gate?run=nope", auth=AUTH).status_code == 404
    assert client.get("/api/projects/nope/gate", auth=AUTH).status_code == 404
    assert client.get("/api/projects/p1/gate").status_code == 401


def test_a_manager_can_decide_while_label_studio_is_away(client, post):
    body = {"decision": "release", "reason": "read", "author": "Ann"}
    (run,) = post("gate", body)["runs"]
    assert (run["state"], run["decision"]["author"]) == ("released", "Ann")
    said = post("gate", {"decision": "hold", "reason": "no"}, 503)  # who is it, if nobody is named?
    assert "Label Studio" in said["error"]
    (run,) = post("gate", {"decision": "undo", "author": "Ann"})["runs"]
    assert run["decision"] is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"decision": "maybe", "reason": "x"}, "'maybe' is none of: release, hold, undo"),
        ({"reason": "x"}, "None is none of"),
        ({"decision": "hold", "reason": "  "}, "only with a reason"),
        ({"decision": "hold", "reason": 7}, "'reason' is no text"),
        ({"decision": "hold", "reason": "x", "author": ["Ann"]}, "'author' is no text"),
    ],
)
def test_a_wrong_decision_is_refused(post, body, message):
    assert message in post("gate", body, 400)["error"]


def test_of_several_runs_one_must_be_named(grown_store, client, post):
    project = grown_store.project("p1")
    services = grown.GrownServices(grown_store, labeling.review_config(parse(project.recipe).spec))
    grown.add_run(services, project, grown_store.sources("p1")[:6], "run2")
    said = post("gate", {"decision": "hold", "reason": "x", "author": "Ann"}, 400)
    assert "2 runs before people, so say which one" in said["error"]
    assert "run1 (" in said["hint"]
    said = post("gate", {"decision": "hold", "run": "run", "reason": "x", "author": "A"}, 400)
    assert "Several runs" in said["error"]
    grown_store.create_run(Run("other", "p1", project.recipe_hash, target=1, budget=1))
    body = {"decision": "release", "run": "other", "reason": "x", "author": "Ann"}
    assert "no survivors before people yet" in post("gate", body, 400)["error"]
    body["run"] = "run2"
    (run,) = post("gate", body)["runs"]
    assert (run["run"], run["state"]) == ("run2", "released")


@pytest.mark.parametrize("fraction", ["0.2", None, True, [0.2]])
def test_a_fraction_is_a_number(post, fraction):
    said = post("sample", {"review_fraction": fraction}, 400)
    assert "must be a number such as 0.2" in said["error"]


def test_a_sample_is_not_changed_where_its_tab_cannot_be(grown_store, post):
    assert "Label Studio" in post("sample", {"review_fraction": 0.2}, 503)["error"]
    assert grown_store.project("p1").sampled_fraction == 0.15
    assert "would shrink" in post("sample", {"review_fraction": 0.1}, 400)["error"]


def test_the_audit_trail_is_sent_line_by_line(grown_store, client, post):
    post("gate", {"decision": "hold", "reason": "Zeile\u2028zwei ✓", "author": "Ann"})
    answer = client.get("/api/projects/p1/audit", auth=AUTH)
    assert answer.mimetype == "application/x-ndjson"
    events = [json.loads(line) for line in answer.data.split(b"\n")[:-1]]
    assert [e["event"] for e in events] == ["sample_drawn", "gate_decided"]
    assert events[1]["data"]["reason"] == "Zeile\u2028zwei ✓"
    assert events[1]["data"]["figures"]["n_judged"] == 0
    assert client.get("/api/projects/nope/audit", auth=AUTH).status_code == 404
