"""Checks every moving part from the server's side, and says what to do about each failure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from redis.exceptions import RedisError
from rq import Worker

from seedbed.errors import SeedbedError
from seedbed_backend import judging, queues
from seedbed_backend.services import Services

LOAD_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Check:
    """One part: is it well, what was seen, and what to do if not."""

    name: str
    is_ok: bool
    detail: str
    hint: str = ""


Part: TypeAlias = tuple[str, Callable[[Services], str]]


def examine(services: Services) -> list[Check]:
    """Check store, Redis, workers, models, encoder, Label Studio, and its way back to us.

    The judge and the NLI model are checked where they are set.
    """
    parts: list[Part] = [
        ("store", _store),
        ("redis", _redis),
        ("generate worker", lambda s: _worker(s, queues.GENERATE)),
        ("filter worker", lambda s: _worker(s, queues.FILTER)),
        ("model loads", lambda s: _loads("engine")),
        ("encoder loads", lambda s: _loads("encoder")),
        *(_NLI_PARTS if services.settings.nli_model else ()),
        *(_JUDGE_PARTS if judging.is_set(services.settings) else ()),
        ("label studio", _label_studio),
        ("ml backend allowed", _backend_allowed),
    ]
    checks = []
    for name, part in parts:
        try:
            checks.append(Check(name, True, part(services)))
        except SeedbedError as exc:
            checks.append(Check(name, False, exc.message, exc.hint))
    return checks


_NLI_PARTS: tuple[Part, ...] = (("nli model loads", lambda s: _loads("entailment")),)

_JUDGE_PARTS: tuple[Part, ...] = (
    ("judge worker", lambda s: _worker(s, queues.JUDGE)),
    ("judge model loads", lambda s: _loads("judge")),
)


def _store(services: Services) -> str:
    services.store.check()
    return f"schema {services.store.revision()}"


def _redis(services: Services) -> str:
    services.queues.check()
    waiting = services.queues.depth()
    return ", ".join(f"{name} {n} waiting" for name, n in waiting.items())


def _worker(services: Services, queue: str) -> str:
    try:
        workers = Worker.all(connection=services.queues.redis)
    except RedisError as exc:
        raise SeedbedError("Unknown, because Redis does not answer.") from exc
    alive = [w for w in workers if queue in w.queue_names()]
    if not alive:
        raise SeedbedError(
            f"No {queue} worker is alive.", hint=f"Start one: seedbed worker {queue}."
        )
    return f"{len(alive)} alive"


def _loads(part: str) -> str:
    """Load the model or encoder in a process of its own, so that this one stays light."""
    code = (
        "import sys; from seedbed.errors import SeedbedError\n"
        "from seedbed_backend.services import Services\n"
        "from seedbed_backend.settings import Settings\n"
        "try:\n"
        f"    thing = Services(Settings.from_environment()).{part}\n"
        "    name = getattr(getattr(thing, 'model', thing), 'name', type(thing).__name__)\n"
        "    print('; '.join([name, *getattr(thing, 'describe', list)()]))\n"
        "except SeedbedError as exc:\n"
        "    print(exc.message + '\\n' + exc.hint); sys.exit(3)\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=LOAD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise SeedbedError(f"It did not load within {LOAD_TIMEOUT_SECONDS} s.") from exc
    lines = done.stdout.strip().splitlines()
    if done.returncode == 3:
        raise SeedbedError(lines[0], hint=" ".join(lines[1:]))
    if done.returncode:
        tail = done.stderr.strip().splitlines()
        raise SeedbedError(f"It does not load: {tail[-1] if tail else 'it was killed'}.")
    return lines[-1] if lines else "loads"


def _label_studio(services: Services) -> str:
    info = services.label_studio.check()
    return f"{services.settings.label_studio_url}, version {info.version}, as {info.email}"


def _backend_allowed(services: Services) -> str:
    """Connect the backend to a throw-away project: the one way to ask Label Studio's protection."""
    server, settings = services.label_studio, services.settings
    project = server.create_project("Seedbed doctor", "<View/>", "Made by seedbed doctor.")
    try:
        server.connect_backend(
            project, settings.url, settings.basic_auth_user, settings.basic_auth_pass
        )
    finally:
        server.delete_project(project)
    return f"Label Studio reaches {settings.url}"
