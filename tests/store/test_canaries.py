from __future__ import annotations

from dataclasses import replace

import pytest

from seedbed.errors import UserError
from seedbed.records import Verdict
from seedbed_backend.store import Canary
from store.world import World

FIELDS = {"paraphrase": "Zwei"}


def a_canary(name: str = "k1", **changes: object) -> Canary:
    values = {"run_id": "run1", "made_of": "c1", "kind": "negated", "fields": FIELDS, "draw": 0.05}
    return Canary(name, **{**values, **changes})  # type: ignore[arg-type]


def said(status: str, annotation: int, canary: str = "k1", minute: int = 1) -> Verdict:
    return Verdict(
        canary,
        status,  # type: ignore[arg-type]
        {},
        reasons=("meaning changed",) if status == "REJECTED" else (),
        reviewer=3,
        annotation_id=annotation,
        decided_at=f"2026-03-01T10:{minute:02}:00.000000Z",
        lead_time_seconds=4.5,
    )


@pytest.fixture
def with_canaries(world: World) -> World:
    world.complete("c1", "c2", fields=FIELDS)
    world.store.add_canaries([a_canary("k2", made_of="c2"), a_canary("k1")])
    return world


def test_canaries_are_added_once_and_come_back_as_they_were(with_canaries: World):
    store = with_canaries.store
    assert [canary.id for canary in store.canaries("run1")] == ["k1", "k2"]
    assert store.add_canaries([a_canary(kind="another"), a_canary("k3")]) == 1
    assert store.canary("k1") == replace(a_canary(), created_at=store.canary("k1").created_at)
    assert [canary.id for canary in store.canaries_of_project("p1")] == ["k1", "k2", "k3"]
    assert store.canaries_of_project("p2") == []
    assert [canary.id for canary in store.find_canaries("k")] == ["k1", "k2", "k3"]
    assert store.find_canaries("%") == []
    assert store.canary("c1") is None


def test_canaries_are_no_candidates(with_canaries: World):
    store = with_canaries.store
    assert store.find_candidates("k") == []
    assert store.funnel(run_id="run1").n_attempts == 2
    assert store.verdict_counts("p1") == {"ACCEPTED": 0, "FIXED": 0, "REJECTED": 0}


def test_the_review_task_is_noted(with_canaries: World):
    store = with_canaries.store
    assert store.set_canary_tasks({"k1": 7, "c1": 8}) == 1
    assert store.canary("k1").review_task == 7
    assert store.set_canary_tasks({}) == 0


def test_what_an_annotation_says_is_replaced_and_taken_back(with_canaries: World):
    store = with_canaries.store
    store.save_canary_verdict(said("ACCEPTED", 11))
    store.save_canary_verdict(said("REJECTED", 12, "k2", minute=2))
    store.save_canary_verdict(said("REJECTED", 11, minute=3))
    assert store.canary_verdicts("p1") == [
        said("REJECTED", 12, "k2", minute=2),
        said("REJECTED", 11, minute=3),
    ]
    assert store.canary_annotations("p1") == {11: "k1", 12: "k2"}
    assert store.canary_annotations("p2") == {}
    assert store.withdraw_canary_verdicts([12, 99]) == {"p1"}
    assert store.withdraw_canary_verdicts([12]) == set()
    assert store.canary_annotations("p1") == {11: "k1"}


def test_what_is_read_late_does_not_replace_what_was_said_later(with_canaries: World):
    store = with_canaries.store
    store.save_canary_verdict(said("REJECTED", 11, minute=3))
    store.save_canary_verdict(said("ACCEPTED", 11, minute=1))
    assert store.canary_verdicts("p1") == [said("REJECTED", 11, minute=3)]


def test_nothing_can_be_said_about_an_unknown_canary(with_canaries: World):
    with pytest.raises(UserError, match="refused"):
        with_canaries.store.save_canary_verdict(said("ACCEPTED", 11, "nobody"))
