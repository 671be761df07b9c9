"""The queues, and how a job gets onto one: JSON, ids only, a fixed id per piece of work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from seedbed.errors import ServiceError

GENERATE = "generate"
REVIEW = "review"
FILTER = "filter"
JUDGE = "judge"
NAMES = (GENERATE, REVIEW, FILTER, JUDGE)

JOB_TIMEOUT_SECONDS = 6 * 3600
RESULT_TTL_SECONDS = 3600
LOCK_TIMEOUT_SECONDS = 60


class Queues:
    """The way from the web process and from finished jobs to the workers."""

    def __init__(self, redis_url: str) -> None:
        self.redis = Redis.from_url(redis_url, socket_connect_timeout=3)
        self._queues = {
            name: Queue(name, connection=self.redis, serializer=JSONSerializer) for name in NAMES
        }

    def enqueue(
        self,
        queue: str,
        job: str,
        *ids: str | int,
        is_urgent: bool = False,
        is_merged: bool = True,
    ) -> None:
        """Queue `seedbed_backend.jobs.<job>(*ids)`; the same call queued twice is harmless.

        With `is_merged`, calls with the same ids share one job.

        Raises ServiceError when Redis is away.
        """
        try:
            self._queues[queue].enqueue(
                f"seedbed_backend.jobs.{job}",
                args=ids,
                at_front=is_urgent,
                job_id=_job_id(job, ids) if is_merged else None,
                job_timeout=JOB_TIMEOUT_SECONDS,
                result_ttl=RESULT_TTL_SECONDS,
                description=f"{job} {' '.join(map(str, ids))}",
            )
        except RedisError as exc:
            raise _away(exc) from exc

    def is_waiting(self, queue: str, job: str, *ids: str | int) -> bool:
        """Tell whether that job is in the queue already. Raises ServiceError when Redis is away."""
        try:
            return _job_id(job, ids) in self._queues[queue].get_job_ids()
        except RedisError as exc:
            raise _away(exc) from exc

    def check(self) -> None:
        """Raise ServiceError when Redis does not answer."""
        try:
            self.redis.ping()
        except RedisError as exc:
            raise _away(exc) from exc

    def depth(self) -> dict[str, int]:
        """Return the number of waiting jobs per queue."""
        return {name: queue.count for name, queue in self._queues.items()}

    def count_workers(self, queue: str) -> int:
        """Count the workers that serve a queue. Raises ServiceError when Redis is away."""
        try:
            return sum(
                queue in worker.queue_names() for worker in Worker.all(connection=self.redis)
            )
        except RedisError as exc:
            raise _away(exc) from exc

    @contextmanager
    def project_lock(self, project_id: str) -> Iterator[None]:
        """Hold the project: set-wise steps and publishing run one at a time.

        The lock is renewed while it is held and lapses a minute after its holder died.
        """
        lock = self.redis.lock(
            f"seedbed:project:{project_id}", timeout=LOCK_TIMEOUT_SECONDS, thread_local=False
        )
        lock.acquire()
        is_released = threading.Event()
        renewal = threading.Thread(target=_renew, args=(lock, is_released), daemon=True)
        renewal.start()
        try:
            yield
        finally:
            is_released.set()
            renewal.join()
            with suppress(LockError):  # it lapsed: whoever has it now keeps it
                lock.release()

    def close(self) -> None:
        """Close the connection."""
        self.redis.close()


def _away(exc: RedisError) -> ServiceError:
    return ServiceError(
        f"Redis does not answer: {exc}.",
        hint="Start it, or set SEEDBED_REDIS_URL.",
        retryable=True,
    )


def _job_id(job: str, ids: tuple[str | int, ...]) -> str:
    return "-".join([job, *map(str, ids)])


def _renew(lock: Lock, is_released: threading.Event) -> None:
    while not is_released.wait(LOCK_TIMEOUT_SECONDS / 3):
        with suppress(RedisError):
            lock.reacquire()
