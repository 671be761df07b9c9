"""The real services, started once per session: Label Studio from its own environment, and Redis.

With pytest-xdist, run with `--dist loadgroup`: the tests of one group share one server.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from seedbed import labeling, registry
from seedbed.label_studio import LabelStudioServer
from seedbed.records import Candidate, SourceTask, content_id
from seedbed_backend.stack.label_studio import LabelStudioProcess, ensure_template
from seedbed_backend.stack.processes import free_port
from seedbed_backend.stack.redis import start_redis

ROOT = Path(__file__).parents[2]
USER = "reviewer@example.com"
PASSAGE = (
    "Loan agreement 🚀, clause 4.\n"
    "The borrower pays a processing fee of 25 EUR when the loan is disbursed. "
    "In 2023 it was waived for students.\n"
    "Early repayment is free of charge after twelve months."
)
SAMPLES = {
    "paraphrase": (
        {"original": "My parcel has not arrived after 5 days.", "label": "delivery"},
        {"paraphrase": "After 5 days my parcel is still not here."},
    ),
    "expand": (
        {"seed": "My card was charged twice.", "label": "billing"},
        {"example": "Your shop took the money two times from my account.", "label": "billing"},
    ),
    "dpo": (
        {"prompt": "May I repay my loan early?"},
        {
            "chosen": "Yes, free of charge after twelve months (clause 4).",
            "rejected": "Hello! Great question, we would love to help you with anything.",
        },
    ),
    "qa": (
        {"passage": PASSAGE, "document": "loan.md"},
        {
            "question": "What is the processing fee of the loan?",
            "answer": "25 EUR",
            "quote": "a processing fee of 25 EUR",
        },
    ),
}
LABELS = ("billing", "delivery", "refund")


@dataclass(frozen=True)
class RunningLabelStudio:
    """A real server and how to log in to it."""

    url: str
    api_key: str
    user: str
    password: str
    process: LabelStudioProcess


@dataclass
class RecordingBackend:
    """A tiny HTTP server that answers like an ML backend and keeps what it was sent."""

    url: str
    password: str = ""
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    def webhooks(self) -> list[tuple[dict[str, str], Any]]:
        return [(headers, body) for path, headers, body in self.requests if path == "/webhook"]


def pytest_configure(config: pytest.Config) -> None:
    # label-studio-sdk 2.1.2, on each refresh of its access token
    config.addinivalue_line("filterwarnings", "ignore:The `parse_obj` method is deprecated")


@pytest.fixture(scope="session")
def label_studio_bin() -> Path:
    given = os.environ.get("SEEDBED_LABEL_STUDIO_BIN")
    program = Path(given) if given else ROOT / ".venv-label-studio" / "bin" / "label-studio"
    if not program.is_file():
        pytest.fail(
            f"There is no Label Studio at {program}: run `make install`, "
            "or set SEEDBED_LABEL_STUDIO_BIN to the label-studio of an environment that has it."
        )
    return program.absolute()


@pytest.fixture(scope="session")
def label_studio(
    label_studio_bin: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningLabelStudio]:
    """A fresh server on a free port, from a migrated database kept in `.cache/`."""
    folder = tmp_path_factory.mktemp("label-studio")
    password = secrets.token_urlsafe(12)
    process = LabelStudioProcess(
        label_studio_bin,
        data_dir=folder / "data",
        port=free_port(0),
        user=USER,
        password=password,
        log_path=folder / "label-studio.log",
    )
    process.start(template=ensure_template(label_studio_bin, ROOT / ".cache"))
    try:
        process.wait_ready()
        yield RunningLabelStudio(process.url, process.mint_token(), USER, password, process)
    finally:
        process.stop()


@pytest.fixture(scope="session")
def server(label_studio: RunningLabelStudio) -> Iterator[LabelStudioServer]:
    with LabelStudioServer(label_studio.url, label_studio.api_key) as connected:
        yield connected


@pytest.fixture
def new_project(server: LabelStudioServer) -> Iterator[Callable[..., int]]:
    """Make review projects that are deleted after the test."""
    made: list[int] = []

    def make(technique_name: str, xml: str = "", title: str = "") -> int:
        config = xml or labeling.review_config(registry.technique(technique_name), LABELS)
        made.append(server.create_project(title or f"{technique_name} test", config))
        return made[-1]

    yield make
    for project in made:
        server.delete_project(project)


@pytest.fixture
def backend() -> Iterator[RecordingBackend]:
    """A local ML backend with basic auth seedbed:secret, on /health, /setup and /predict."""
    recording = RecordingBackend(url="", password="secret")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, {"status": "UP"})

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            recording.requests.append((self.path, dict(self.headers), body))
            # Label Studio sends no credentials with a webhook.
            if self.path != "/webhook" and not self._is_known():
                self._answer(401, {})
            elif self.path == "/predict":
                self._answer(200, {"results": [[] for _ in body["tasks"]]})
            else:
                self._answer(200, {"model_version": labeling.MODEL_VERSION})

        def _is_known(self) -> bool:
            return self.headers.get("Authorization") == "Basic c2VlZGJlZDpzZWNyZXQ="

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        recording.url = f"http://localhost:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield recording
        http.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis of our own on a free port, never one that was there before."""
    folder = tmp_path_factory.mktemp("redis")
    port = free_port(0)
    process = start_redis(folder, port, folder / "redis.log")
    yield f"redis://127.0.0.1:{port}/0"
    process.stop()


def review_task(technique_name: str, number: int = 0) -> tuple[Candidate, dict[str, Any]]:
    """Return a candidate and the review task for it, as publishing makes them."""
    technique = registry.technique(technique_name)
    source, fields = SAMPLES[technique_name]
    candidate = Candidate(
        content_id("sample", technique_name, number), SourceTask.of(source), fields
    )
    span = None
    if "quote" in fields:
        start = PASSAGE.index(fields["quote"])
        span = (start, start + len(fields["quote"]))
    data = labeling.review_data(
        technique,
        candidate,
        draw=round((number % 100) / 100, 4),
        score=0.84,
        scores={**dict.fromkeys(technique.score_columns, 0.91), "heuristics": 1.0, "dedup": 0.62},
        stratum=f"{technique_name}/-/high",
        batch="b-1",
        run="r-1",
        guide=[str(rule["text"]) for rule in technique.style_guide],
        provenance={
            "recipe": "9f86d081884c7d65",
            "prompt": "2c26b46b68ffc68ff99b453c",
            "model": {"name": "demo-q4_k_m.gguf", "sha256": "fcde2b2edba5"},
            "rng_seed": 17,
        },
    )
    predicted = labeling.prediction(
        technique, fields, 0.84, span, source_text=source[technique.text_field]
    )
    return candidate, {"data": data, "predictions": [predicted]}
