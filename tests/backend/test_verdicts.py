"""What review tasks show of verdicts, and how readings find what is gone; over a real store."""

from __future__ import annotations

import dataclasses

import pytest

from backend import grown
from seedbed.errors import LabelStudioError
from seedbed.records import Verdict
from seedbed_backend import gate, verdicts
from seedbed_backend.store import Canary
from seedbed_backend.store.schema import canary_verdicts_table


@pytest.fixture
def services(tmp_path):
    made, _, _ = grown.grow(f"sqlite:///{tmp_path}/store.db", n_sources=6, keep_fraction=1.0)
    made.queues.queued.clear()
    yield made
    made.store.close()


@pytest.fixture
def survivors(services):
    return services.store.candidates(project_id="p1", states=("survivor",))


def shown(services, stored):
    data = services.label_studio.stored[stored.review_task]["data"]
    return data["verdict"], data["reasons"], data["approved"]


def say(services, stored, status, reasons=(), minute=0):
    verdict = Verdict(
        stored.candidate.id,
        status,
        dict(stored.candidate.fields),
        reasons,
        annotation_id=stored.review_task,
        decided_at=f"2026-01-01T00:{minute:02}:00Z",
    )
    services.store.save_verdict(verdict)


def test_every_task_says_what_stands(services, survivors):
    accepted, fixed, rejected, untouched = survivors[:4]
    say(services, accepted, "ACCEPTED")
    say(services, fixed, "FIXED")
    say(services, rejected, "REJECTED", ("duplicate", "not fluent"))
    assert verdicts.mark(services, "p1") == 3
    assert shown(services, accepted) == ("ACCEPTED", "", "yes")
    assert shown(services, fixed) == ("FIXED", "", "yes")
    assert shown(services, rejected) == ("REJECTED", "duplicate, not fluent", "")
    assert shown(services, untouched) == ("", "", "")
    assert verdicts.mark(services, "p1") == 0
    say(services, rejected, "REJECTED", ("too close",), minute=1)
    say(services, fixed, "REJECTED", minute=1)
    services.store.withdraw_verdict(accepted.review_task)
    assert verdicts.mark(services, "p1") == 3
    assert shown(services, accepted) == ("", "", "")
    assert shown(services, fixed) == ("REJECTED", "", "")
    assert shown(services, rejected) == ("REJECTED", "too close", "")


def test_marking_keeps_whatever_else_is_in_a_task(services, survivors):
    [stored, *_] = survivors
    before = dict(services.label_studio.stored[stored.review_task]["data"])
    services.label_studio.change_data(stored.review_task, draw=2.0)
    say(services, stored, "ACCEPTED")
    verdicts.mark(services, "p1")
    after = services.label_studio.stored[stored.review_task]["data"]
    marks = {"verdict": "ACCEPTED", "reasons": "", "approved": "yes"}
    assert after == before | marks | {"draw": 2.0}


def test_a_canary_looks_like_the_others_and_is_never_approved(services, survivors):
    [stored, *_] = survivors
    (task,) = services.label_studio.import_tasks(2, [{"data": {"cid": "k1"}, "predictions": []}])
    canary = Canary("k1", "run1", stored.candidate.id, "kind", {}, 0.1, review_task=task)
    services.store.add_canaries([canary])
    with services.store._write() as connection:
        row = {"annotation_id": 1, "canary_id": "k1", "status": "ACCEPTED"}
        row |= {"reasons": [], "decided_at": "2026"}
        connection.execute(canary_verdicts_table.insert().values(row))
    assert verdicts.mark(services, "p1") == 1
    data = services.label_studio.stored[task]["data"]
    assert (data["verdict"], data["approved"]) == ("ACCEPTED", "")


def test_tasks_that_somebody_copied_from_another_project_say_nothing(services, survivors):
    made = services.store.canaries_of_project("p1")
    assert made == []
    project = dataclasses.replace(services.store.project("p1"), id="p2", review_project=4)
    services.store.save_project(project)
    services.label_studio.judge(survivors[0].review_task, "reject")
    report = verdicts.sync(services, "p2")  # this Label Studio shows all tasks in every project
    assert (report.n_judged, services.store.current_verdicts("p1")) == (0, [])
    assert verdicts.sync(services, "p1").n_judged == 1


def test_an_interruption_leaves_the_rest_for_the_next_time(services, survivors, monkeypatch):
    for stored in survivors[:3]:
        say(services, stored, "ACCEPTED")
    plain, n = services.label_studio.set_data, 0

    def away(task, data):
        nonlocal n
        n += 1
        if n == 2:
            raise LabelStudioError("Label Studio cannot be reached.", retryable=True)
        plain(task, data)

    monkeypatch.setattr(services.label_studio, "set_data", away)
    with pytest.raises(LabelStudioError):
        verdicts.mark(services, "p1")
    assert len(services.store.marks_due("p1")) == 2
    assert verdicts.mark(services, "p1") == 2
    assert n == 4


def test_a_task_that_is_refused_or_gone_holds_up_no_other(services, survivors, monkeypatch, caplog):
    refused, gone, sound = survivors[:3]
    for stored in (refused, gone, sound):
        say(services, stored, "ACCEPTED")
    del services.label_studio.stored[gone.review_task]
    plain = services.label_studio.set_data

    def refuse(task, data):
        if task == refused.review_task:
            raise LabelStudioError("Label Studio refused it: a key is missing.")
        plain(task, data)

    monkeypatch.setattr(services.label_studio, "set_data", refuse)
    assert verdicts.mark(services, "p1") == 1
    assert shown(services, sound)[0] == "ACCEPTED"
    assert f"task {refused.review_task} cannot be marked" in caplog.text
    assert [due.id for due in services.store.marks_due("p1")] == [refused.candidate.id]


def test_the_gate_s_word_follows_the_marks(services, survivors):
    say(services, survivors[0], "ACCEPTED")
    services.label_studio.set_description(2, "")
    verdicts.mark(services, "p1")
    assert "run run1" in services.label_studio.description(2)
    assert gate.announce(services, services.store.project("p1"))


def test_a_change_is_shown_by_one_job_for_all_that_wait(services, survivors):
    for stored in survivors[:3]:
        services.label_studio.judge(stored.review_task, "accept")
        verdicts.read_task(services, "p1", stored.review_task)
    assert services.queues.queued == [("review", "mark_verdicts", "p1")]


def test_a_task_that_a_list_missed_keeps_its_verdict(services, survivors, monkeypatch):
    kept, deleted = survivors[:2]
    for stored in (kept, deleted):
        services.label_studio.judge(stored.review_task, "accept")
    assert verdicts.sync(services, "p1").n_changed == 2
    services.label_studio.stored[deleted.review_task]["annotations"] = []
    # people annotate while the pages are read, so that one task slips through
    monkeypatch.setattr(services.label_studio, "annotated_tasks", lambda project: [])
    assert verdicts.sync(services, "p1").n_withdrawn == 1
    assert services.store.candidate(kept.candidate.id).verdict
    assert not services.store.candidate(deleted.candidate.id).verdict


def test_of_two_annotations_both_are_missed_when_both_are_gone(services, survivors):
    [stored, *_] = survivors
    services.label_studio.judge(stored.review_task, "accept")
    task = services.label_studio.stored[stored.review_task]
    second = {**task["annotations"][0], "id": 7, "updated_at": "2026-01-02T00:00:00Z"}
    task["annotations"].append(second)
    verdicts.sync(services, "p1")
    assert services.store.candidate(stored.candidate.id).verdict.annotation_id == 7
    task["annotations"].clear()  # and no message came
    assert verdicts.sync(services, "p1").n_withdrawn == 2
    assert services.store.candidate(stored.candidate.id).verdict is None
