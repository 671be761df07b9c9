"""The whole stack on one machine: Redis, Label Studio, the web process and the workers."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from seedbed.errors import UserError
from seedbed.settings import CLIENT_FILE
from seedbed_backend import queues
from seedbed_backend.engine import hardware
from seedbed_backend.settings import Settings
from seedbed_backend.stack.label_studio import LabelStudioProcess
from seedbed_backend.stack.processes import ChildProcess, free_port
from seedbed_backend.stack.redis import start_redis
from seedbed_backend.store import Store

USER = "admin@seedbed.local"
WEB_READY_SECONDS = 60.0
WORKER_READY_SECONDS = 600.0
LABEL_STUDIO_READY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What to start. Ports that are taken are replaced by free ones; 0 takes any.

    `label_studio` is the program of Label Studio's own environment. Where `label_studio_url` and
    `label_studio_api_key` are given, that server is used and none is started; likewise `redis_url`.
    """

    home: Path
    label_studio: Path
    model: Path | None
    embedding_model: Path | None
    engine: str = "llama_cpp"
    port: int = 9090
    label_studio_port: int = 8080
    redis_port: int = 6379
    n_generate_workers: int = 1
    n_filter_workers: int = 1
    label_studio_url: str = ""
    label_studio_api_key: str = ""
    redis_url: str = ""
    store_url: str = ""


Report = Callable[[str], None]
"""Is told in a few words what is being waited for."""


class Stack:
    """Everything that was started; `stop` ends it in reverse order. Use as a context manager.

    After `start`, `environment` is what a process needs to work with this stack.
    """

    def __init__(self, options: StackOptions) -> None:
        self.options = options
        self.environment: dict[str, str] = {}
        self.user = USER
        self.password = ""
        self._processes: list[ChildProcess | LabelStudioProcess] = []
        self._workers: dict[ChildProcess, tuple[str, int]] = {}

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def label_studio_url(self) -> str:
        """Return Label Studio's address."""
        return self.environment["LABEL_STUDIO_URL"]

    @property
    def url(self) -> str:
        """Return the web process's address."""
        return self.environment["SEEDBED_URL"]

    def start(self, report: Report) -> None:
        """Start all of it, in order, and wait until each part is ready.

        Raises ServiceError with the last line of the log of the part that did not start, UserError
        for a file that is not there. What was started is stopped by `stop`.
        """
        options = self.options
        options.home.mkdir(parents=True, exist_ok=True)
        known = self._secrets()
        self.password = known["label_studio_password"]
        port = free_port(options.port)
        self.environment = {
            "SEEDBED_HOME": str(options.home),
            "SEEDBED_ENGINE": options.engine,
            "SEEDBED_URL": f"http://localhost:{port}",
            "PORT": str(port),
            "BASIC_AUTH_USER": "seedbed",
            "BASIC_AUTH_PASS": known["basic_auth_pass"],
            "SEEDBED_WEBHOOK_SECRET": known["webhook_secret"],
            "SEEDBED_MODEL": str(options.model or ""),
            "SEEDBED_EMBEDDING_MODEL": str(options.embedding_model or ""),
            "SEEDBED_STORE_URL": options.store_url,
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
        }
        self._start_redis(report)
        self._start_label_studio(report)
        self._migrate(report)
        self._start_web(port, report)
        for role, n in (
            (queues.GENERATE, options.n_generate_workers),
            (queues.FILTER, options.n_filter_workers),
        ):
            for number in range(1, n + 1):
                report(f"{role} worker (loads its {_LOADS[role]})")
                self._start_worker(role, number)
        self._write_client_file()

    def stop(self) -> None:
        """Stop what was started, last first."""
        while self._processes:
            self._processes.pop().stop()

    @property
    def dead(self) -> list[str]:
        """Name the parts that ended by themselves."""
        return [p.name for p in self._processes if not p.is_alive]

    def revive_workers(self) -> list[str]:
        """Start workers again that ended by themselves, and name them; they take up what was left.

        Raises ServiceError when one does not start again.
        """
        ended = [process for process in self._workers if not process.is_alive]
        for process in ended:
            role, number = self._workers.pop(process)
            self._processes.remove(process)
            self._start_worker(role, number)
        return [process.name for process in ended]

    def _start_redis(self, report: Report) -> None:
        report("Redis")
        if self.options.redis_url:
            self.environment["SEEDBED_REDIS_URL"] = self.options.redis_url
            return
        port = free_port(self.options.redis_port)
        self._processes.append(start_redis(self.options.home / "redis", port, self._log("redis")))
        self.environment["SEEDBED_REDIS_URL"] = f"redis://127.0.0.1:{port}/0"

    def _start_label_studio(self, report: Report) -> None:
        options = self.options
        if options.label_studio_url:
            self.environment["LABEL_STUDIO_URL"] = options.label_studio_url
            self.environment["LABEL_STUDIO_API_KEY"] = options.label_studio_api_key
            return
        process = LabelStudioProcess(
            options.label_studio,
            data_dir=options.home / "label-studio",
            port=free_port(options.label_studio_port),
            user=USER,
            password=self.password,
            log_path=self._log("label-studio"),
        )
        self._processes.append(process)
        process.start(report)
        process.wait_ready(LABEL_STUDIO_READY_SECONDS)
        self.environment["LABEL_STUDIO_URL"] = process.url
        self.environment["LABEL_STUDIO_API_KEY"] = process.mint_token()

    def _migrate(self, report: Report) -> None:
        report("store")
        home = self.options.home
        url = self.options.store_url or f"sqlite:///{home / 'seedbed.sqlite3'}"
        store = Store.open(url)
        try:
            store.migrate()
        finally:
            store.close()

    def _start_web(self, port: int, report: Report) -> None:
        report("web process")
        process = ChildProcess(
            "the web process",
            [
                sys.executable, "-m", "gunicorn", "_wsgi:app",
                "--chdir", Path(__file__).parents[2], "--bind", f"127.0.0.1:{port}",
                "--workers", "1", "--worker-class", "gthread", "--threads", "16",
                "--timeout", "300", "--graceful-timeout", "5", "--no-control-socket",
            ],
            self._log("web"),
            os.environ | self.environment,
        )  # fmt: skip
        self._processes.append(process)
        process.wait_until(lambda: _answers(f"{self.url}/health"), WEB_READY_SECONDS)

    def _start_worker(self, role: str, number: int) -> None:
        ready = self.options.home / "run" / f"{role}-{number}.ready"
        ready.parent.mkdir(exist_ok=True)
        ready.unlink(missing_ok=True)
        process = ChildProcess(
            f"the {role} worker",
            [sys.executable, "-m", "seedbed", "worker", role, "--ready-file", ready],
            self._log(f"worker-{role}-{number}"),
            os.environ | self.environment | self._share_of(role, number),
        )
        self._processes.append(process)
        self._workers[process] = (role, number)
        process.wait_until(ready.exists, WORKER_READY_SECONDS)

    def _share_of(self, role: str, number: int) -> dict[str, str]:
        """Give each of several generate workers its part of the cores, and a GPU of its own."""
        n_workers = self.options.n_generate_workers
        if role != "generate" or n_workers == 1:
            return {}
        settings = Settings.from_environment()
        n_threads = settings.n_threads or max(1, hardware.n_threads() // n_workers)
        share = {"SEEDBED_THREADS": str(n_threads)}
        if gpus := settings.visible_gpus:
            share["CUDA_VISIBLE_DEVICES"] = gpus[(number - 1) % len(gpus)]
        return share

    def _log(self, name: str) -> Path:
        return self.options.home / "logs" / f"{name}.log"

    def _secrets(self) -> dict[str, str]:
        """Read this home's passwords, or make them up the first time."""
        file = self.options.home / "secrets.json"
        if file.exists():
            try:
                known = json.loads(file.read_text(encoding="utf-8"))
                return {name: str(known[name]) for name in _SECRETS}
            except (ValueError, KeyError) as exc:
                raise UserError(
                    f"{file} is damaged.", hint="Remove the whole folder, or restore the file."
                ) from exc
        made = {name: secrets.token_urlsafe(12) for name in _SECRETS}
        with _private(file) as stream:
            stream(json.dumps(made, indent=2) + "\n")
        return made

    def _write_client_file(self) -> None:
        names = (
            "LABEL_STUDIO_URL",
            "LABEL_STUDIO_API_KEY",
            "SEEDBED_URL",
            "BASIC_AUTH_USER",
            "BASIC_AUTH_PASS",
        )
        with _private(self.options.home / CLIENT_FILE) as write:
            write("# Written by `seedbed up`: how the seedbed command reaches this stack.\n")
            for name in names:
                write(f"{name}={self.environment[name]}\n")


_LOADS = {queues.GENERATE: "model", queues.FILTER: "encoder"}

_SECRETS = ("label_studio_password", "basic_auth_pass", "webhook_secret")


@contextmanager
def _private(file: Path) -> Iterator[Callable[[str], int]]:
    """Write a file that only its owner can read."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        yield stream.write


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0).is_success
    except httpx.HTTPError:
        return False
