"""What happens every so often by itself: one filter worker reads what reviewers did of late.

Label Studio sends a message about an annotation once, and not at all while our server is away. Every
filter worker has a thread that asks Redis whose turn it is (SET NX with an expiry): whichever comes
first after the pause queues one job a project. No worker is special, so none is missed when it dies,
and there is no scheduler process to keep alive, as RQ's own would be.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from redis.exceptions import RedisError

from seedbed.errors import SeedbedError
from seedbed_backend import queues, verdicts
from seedbed_backend.services import Services
from seedbed_backend.verdicts import SyncReport

_logger = logging.getLogger(__name__)

WHOLE_EVERY = 12
"""Every so many readings of a project look at all its tasks: tasks that were deleted in Label Studio
are found by that alone."""

LONGEST_WAIT_SECONDS = 30.0
"""How often a worker asks whose turn it is, at least: so long nobody asks when one died."""

_TURN = "seedbed:sync"
_READ = "seedbed:synced:{}"


@contextmanager
def ticking(services: Services) -> Iterator[None]:
    """Queue the periodic sync whenever it is due while the block runs; never where it is off."""
    if not services.settings.sync_seconds:
        yield
        return
    is_over = threading.Event()
    thread = threading.Thread(target=_tick, args=(services, is_over), name="sync", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def queue_sync(services: Services) -> bool:
    """Queue a sync of every project, unless some worker did within the pause; tell whether we did."""
    pause_ms = max(1, round(services.settings.sync_seconds * 1000))
    if not services.queues.redis.set(_TURN, "taken", nx=True, px=pause_ms):
        return False
    for project in services.store.projects():
        if not services.queues.is_waiting(queues.REVIEW, "sync", project.id):
            services.queues.enqueue(queues.REVIEW, "sync", project.id)
    return True


def sync(services: Services, project_id: str) -> SyncReport:
    """Read what changed in a project since it was last read so; now and then, all of it.

    How far it was read is kept in Redis, by Label Studio's clock; where that is lost, all is read.
    """
    redis, key = services.queues.redis, _READ.format(project_id)
    newest, n = (_text(value) for value in redis.hmget(key, "newest", "n"))
    if newest and int(n or 0) < WHOLE_EVERY:
        moment = datetime.fromisoformat(newest.replace("Z", "+00:00"))
        report = verdicts.sync_since(services, project_id, moment)
    else:
        report, n = verdicts.sync(services, project_id), "0"
    newest = max(newest, report.newest)
    redis.hset(key, mapping={"newest": newest, "n": int(n or 0) + 1})
    if report.n_changed or report.n_withdrawn:
        _logger.info("project %s: %s", project_id, report)
    return report


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def _tick(services: Services, is_over: threading.Event) -> None:
    wait_seconds = min(LONGEST_WAIT_SECONDS, services.settings.sync_seconds / 4)
    while True:
        try:
            queue_sync(services)
        except (SeedbedError, RedisError) as exc:
            _logger.warning("the periodic sync is not queued: %s (tried again later)", exc)
        if is_over.wait(wait_seconds):
            return
