"""A worker that had nothing to do for a while takes the next job at once."""

from __future__ import annotations

import os
import sys
import time

import pytest

from growing import wait_for
from seedbed_backend import queues
from seedbed_backend.queues import Queues
from seedbed_backend.settings import Settings
from seedbed_backend.stack.processes import ChildProcess
from seedbed_backend.store import Store
from seedbed_backend.worker import listener

pytestmark = pytest.mark.integration

IDLE_SECONDS = 7.0
"""Longer than redis-py waits for an answer by default."""


@pytest.fixture
def log(tmp_path, redis_url, encoder_folder):
    """A `seedbed worker filter` that is ready; yield the file that it logs to.

    It asks Redis from a second thread too, whether a sync is due (`periodic`).
    """
    store = Store.open(f"sqlite:///{tmp_path}/seedbed.sqlite3")
    store.migrate()
    store.close()
    ready, file = tmp_path / "ready", tmp_path / "log"
    process = ChildProcess(
        "the worker",
        [sys.executable, "-m", "seedbed", "worker", "filter", "--ready-file", ready],
        file,
        os.environ
        | {
            "SEEDBED_HOME": str(tmp_path),
            "SEEDBED_EMBEDDING_MODEL": str(encoder_folder),
            "SEEDBED_REDIS_URL": redis_url,
        },
    )
    try:
        process.wait_until(ready.exists, 250)  # it stands back on a busy machine
        yield file
    finally:
        process.stop()


def test_an_idle_worker_is_still_listening(log, redis_url):
    opened = Queues(redis_url)
    try:
        wait_for(lambda: opened.count_workers(queues.REVIEW), what="the worker's start")
        time.sleep(IDLE_SECONDS)
        opened.enqueue(queues.REVIEW, "sync", "unknown")
        wait_for(lambda: not opened.depth()[queues.REVIEW], seconds=5, what="taking the job")
    finally:
        opened.redis.flushdb()
        opened.close()
    assert "could not connect to Redis" not in log.read_text()


def test_no_connection_of_a_worker_gives_up_before_a_job_comes(redis_url):
    made = listener([queues.REVIEW], Settings.from_environment({"SEEDBED_REDIS_URL": redis_url}))
    pool = made.connection.connection_pool
    connections = [pool.get_connection() for _ in range(3)]
    try:
        assert min(each.socket_timeout for each in connections) > made.dequeue_timeout
    finally:
        for each in connections:
            pool.release(each)
        made.connection.close()
