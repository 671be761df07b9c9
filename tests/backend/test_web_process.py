"""The web process: what it asks a password for, and what it never loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from backend import grown
from seedbed_backend.app import OPEN_ENDPOINTS, create_app
from seedbed_backend.settings import Settings

HEAVY = (
    *("torch", "llama_cpp", "sentence_transformers", "transformers", "presidio_analyzer", "spacy"),
    *("sklearn", "scipy", "faiss", "matplotlib", "datasketch"),
)

VISIT = """
import json, sys
from seedbed_backend.app import create_app
client = create_app().test_client()
said = [
    client.open(path, method=method, json=body, auth=("seedbed", "x")).status_code
    for method, path, body in json.loads(sys.argv[1])
]
print(json.dumps([said, sorted(set(json.loads(sys.argv[2])) & set(sys.modules))]))
"""


@pytest.fixture
def environment(tmp_path):
    services, _, _ = grown.grow(f"sqlite:///{tmp_path}/store.db", n_sources=4)
    some = services.store.candidates(run_id="run1")[0].candidate.id
    services.store.close()
    return some, {
        "PATH": "",
        "SEEDBED_HOME": str(tmp_path),
        "SEEDBED_STORE_URL": f"sqlite:///{tmp_path}/store.db",
        "SEEDBED_REDIS_URL": "redis://127.0.0.1:9/0",  # nobody is there
        "BASIC_AUTH_PASS": "x",
        "SEEDBED_WEBHOOK_SECRET": "y",
    }


def test_every_route_asks_for_the_password_but_health_and_webhook(environment):
    app = create_app(Settings.from_environment(environment[1]))
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint not in OPEN_ENDPOINTS]
    assert {"reports.show_candidate", "reports.screen_again", "seeds.select_seeds"} <= {
        rule.endpoint for rule in rules
    }
    client = app.test_client()
    for rule in rules:
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            path = re.sub(r"<[^>]*>", "1", rule.rule)
            assert client.open(path, method=method).status_code == 401, rule
            wrong = client.open(path, method=method, auth=("seedbed", "wrong"))
            assert wrong.status_code == 401, rule


def test_it_loads_no_model_and_no_library_of_the_workers(environment):
    some, variables = environment
    asked = [
        ("GET", "/api/projects", None),
        ("GET", "/api/report", None),
        ("GET", "/api/projects/p1/report", None),
        ("GET", f"/api/candidates/{some[:8]}", None),
        ("POST", "/api/projects/p1/calibrate", {"target": 0.9}),
        ("POST", "/api/projects/p1/rescreen", {"changes": {"keep_fraction": 0.5}}),
    ]
    done = subprocess.run(
        [sys.executable, "-c", VISIT, json.dumps(asked), json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        env=variables,
        check=True,
    )
    said, loaded = json.loads(done.stdout.splitlines()[-1])
    assert said == [200, 200, 200, 200, 400, 503]  # too few verdicts; no Redis
    assert loaded == []
