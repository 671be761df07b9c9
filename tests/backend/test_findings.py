"""Findings: worked out insight by insight, so that one that fails does not lose the others."""

from __future__ import annotations

import json

import numpy as np
import pytest

from backend import grown
from seedbed.errors import NotFoundError, ServiceError
from seedbed_backend import analyses, findings, jobs
from seedbed_backend.insights import Finding, Insight
from seedbed_backend.store import Analysis


@pytest.fixture
def services(tmp_path):
    services, _, _ = grown.grow(f"sqlite:///{tmp_path}/store.db")
    yield services
    services.store.close()


def fails(data):
    raise RuntimeError("no such column")


def counts(data):
    figures = {"share": np.float32(0.25), "n": np.int64(len(data.candidates)), "nan": float("nan")}
    return Finding("counts", "Counts", rows=[("a", np.float64(1.5))], data=figures)


INSIGHTS = {
    "broken": Insight("broken", fails),
    "counts": Insight("counts", counts),
    "silent": Insight("silent", lambda data: None),
}


def test_an_insight_that_fails_is_named_and_the_others_are_found(services, monkeypatch):
    monkeypatch.setattr(findings, "insights", lambda: INSIGHTS)
    result, picture = findings.find(services, Analysis("a", "p1", "report", {}))
    [found] = result["findings"]
    assert found["name"] == "counts"
    assert found["data"] == {"share": 0.25, "n": 72, "nan": None}
    assert "broken failed (RuntimeError: no such column)" in result["problems"][0]
    assert json.dumps(result)
    assert picture.count("<svg") == 1


def test_of_the_dropped_ones_no_more_than_a_bound_are_read(services, monkeypatch):
    everything = findings.read(services, "p1")
    monkeypatch.setattr(findings, "MAX_DROPPED", 3)
    bounded = findings.read(services, "p1")
    assert len(bounded.survivors) == len(everything.survivors)
    assert len(bounded.candidates) == len(everything.survivors) + 3
    assert len(findings.read(services, "p1", "run1").candidates) == len(bounded.candidates)


def test_what_was_found_is_no_longer_true_once_something_changed(services):
    store = services.store
    before = findings.fingerprint(store, "p1", "hash", None)
    assert findings.fingerprint(store, "p1", "hash", None) == before
    assert findings.fingerprint(store, "p1", "other", None) != before
    assert findings.fingerprint(store, "p1", "hash", "run1") != before
    kept = store.candidates(project_id="p1", states=("survivor",))[0]
    services.label_studio.judge(kept.review_task, "accept")
    from seedbed_backend import verdicts

    verdicts.sync(services, "p1")
    assert findings.fingerprint(store, "p1", "hash", None) != before


def test_an_analysis_goes_from_queued_to_done_once(services, monkeypatch):
    store = services.store
    monkeypatch.setattr(findings, "insights", lambda: INSIGHTS)
    started = analyses.start(services, store.project("p1"), "report", {"run": None})
    assert services.queues.queued[-1] == ("filter", "analyse", started.id)
    analyses.perform(services, started.id)
    done = store.analysis(started.id)
    assert (done.state, done.result["findings"][0]["name"]) == ("done", "counts")
    assert analyses.summary(done)["has_picture"]
    monkeypatch.setattr(findings, "insights", dict)  # the same job again does nothing
    analyses.perform(services, started.id)
    assert store.analysis(started.id) == done


def test_an_analysis_that_could_not_be_queued_is_not_done_later(services):
    def away(*_, **__):
        raise ServiceError("Redis does not answer.", retryable=True)

    services.queues.enqueue = away
    with pytest.raises(ServiceError):
        analyses.start(services, services.store.project("p1"), "rescreen", {"apply": True})
    [told] = services.store.analyses("p1", "rescreen")
    assert (told.state, told.error) == ("failed", "Redis does not answer.")
    assert services.store.unfinished_analyses() == []


def test_an_analysis_that_cannot_be_worked_out_says_why(services, monkeypatch):
    store = services.store
    started = analyses.start(services, store.project("p1"), "report", {"run": None})

    def away(*_):
        raise ServiceError("Label Studio is away.", retryable=True)

    jobs.attach(services)
    monkeypatch.setattr(jobs, "RETRY_PAUSES_SECONDS", (0, 0))
    monkeypatch.setattr(findings, "read", away)
    jobs.analyse(started.id)
    failed = store.analysis(started.id)
    assert (failed.state, failed.error) == ("failed", "Label Studio is away.")
    with pytest.raises(NotFoundError, match="has no picture"):
        analyses.require_picture(failed)


def test_what_was_asked_for_and_never_finished_is_queued_again(services):
    store = services.store
    started = analyses.start(services, store.project("p1"), "report", {"run": None})
    store.update_analysis(started.id, state="working")  # its worker was killed
    services.queues.queued.clear()
    services.queues.is_waiting = lambda *_: False
    assert analyses.resume(services) == 1
    assert services.queues.queued == [("filter", "analyse", started.id)]
