"""The periodic sync: queued again and again, by nobody twice, whatever is away meanwhile."""

from __future__ import annotations

import time

import pytest

from growing import wait_for
from seedbed import recipe
from seedbed.errors import ServiceError, UserError
from seedbed_backend import jobs, periodic, queues
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings
from seedbed_backend.store import Project


@pytest.fixture
def make(redis_url, tmp_path):
    opened = []

    def make(seconds="0.4", redis=redis_url):
        environment = {
            "SEEDBED_HOME": str(tmp_path),
            "SEEDBED_REDIS_URL": redis,
            "SEEDBED_SYNC_SECONDS": seconds,
            "LABEL_STUDIO_URL": "http://localhost:9",
            "LABEL_STUDIO_API_KEY": "0" * 40,
        }
        opened.append(Services(Settings.from_environment(environment)))
        opened[-1].store.migrate()
        return opened[-1]

    yield make
    for services in opened:
        services.close()


@pytest.fixture
def services(make):
    made = make()
    plan = recipe.parse({"technique": "qa"})
    document = plan.model_dump(mode="json")
    made.store.save_project(
        Project("p1", "P", "qa", document, plan.hash, "http://localhost:9", 1, 2)
    )
    yield made
    made.queues.redis.flushdb()


def take(services):
    """Take the sync out of the queue, as a worker does; tell whether it was there."""
    is_waiting = services.queues.is_waiting(queues.REVIEW, "sync", "p1")
    services.queues.redis.delete("rq:queue:review")
    return is_waiting


def test_it_is_queued_again_after_each_pause(services):
    with periodic.ticking(services):
        for _ in range(3):
            wait_for(lambda: take(services), 10, "a sync")


def test_a_sync_that_still_waits_is_not_queued_twice(services):
    assert periodic.queue_sync(services)
    assert not periodic.queue_sync(services)
    time.sleep(0.5)
    assert periodic.queue_sync(services)
    assert services.queues.depth()[queues.REVIEW] == 1


def test_it_can_be_switched_off(make, services):
    with periodic.ticking(make("0")):
        time.sleep(0.6)
    assert not take(services)


def test_a_redis_that_is_away_is_waited_for(make, services, caplog):
    with periodic.ticking(make(redis="redis://127.0.0.1:9/0")):
        wait_for(lambda: "the periodic sync is not queued" in caplog.text, 10, "the warning")


def test_what_asks_a_redis_that_is_away_is_told_so(make):
    away = make(redis="redis://127.0.0.1:9/0").queues
    with pytest.raises(ServiceError, match="Redis does not answer"):
        away.is_waiting(queues.REVIEW, "sync", "p1")


def test_a_label_studio_that_is_away_is_tried_again_next_time(services, caplog, monkeypatch):
    monkeypatch.setattr(jobs, "_services", services)
    jobs.sync("p1")
    jobs.read_verdict("p1", 7)
    assert "sync of project p1: Label Studio cannot be reached" in caplog.text
    assert "verdict on task 7: Label Studio cannot be reached" in caplog.text
    assert not services.queues.redis.exists("seedbed:synced:p1")


def test_a_pause_that_is_no_number_is_named(make):
    with pytest.raises(UserError, match="SEEDBED_SYNC_SECONDS is not a number: 'often'"):
        make("often")
