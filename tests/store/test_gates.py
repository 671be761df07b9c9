"""What the gate counts, who decided what, and the events about a project: on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seedbed.records import SourceTask, Verdict
from seedbed_backend import audit
from seedbed_backend.store import (
    Batch,
    Event,
    GateDecision,
    Rejection,
    ReviewCount,
    Run,
    StateChange,
)
from store.world import World, a_project, completion

FIELDS = {"paraphrase": "Zwei"}


def survive(world: World, **draws: tuple[float, str]) -> None:
    """Let candidates survive with a draw in a stratum."""
    world.complete(*draws, fields=FIELDS)
    world.store.set_states([StateChange(id_, "survivor") for id_ in draws])
    world.store.set_draws(draws)


def judge(world: World, id_: str, status: str, *reasons: str, annotation: int = 1) -> None:
    verdict = Verdict(id_, status, FIELDS, reasons, 3, annotation, "2025-03-01T10:00:00Z")
    world.store.save_verdict(verdict)


@pytest.fixture
def published(world: World) -> World:
    survive(world, a=(0.05, "s"), b=(0.1, "s"), c=(0.3, "s"), d=(0.15, "t"), e=(0.9, "t"))
    world.store.update_run("run1", state="done")
    return world


def counts(world: World, fraction: float = 0.2) -> list[tuple[object, ...]]:
    found = world.store.review_counts("p1", fraction)
    assert all(each.run_id == "run1" for each in found)
    return sorted((each.stratum, each.is_sampled, each.status or "", each.n) for each in found)


def test_survivors_are_counted_by_stratum_sample_and_verdict(published: World):
    judge(published, "a", "ACCEPTED")
    judge(published, "c", "REJECTED", "too_vague", annotation=2)
    assert counts(published) == [
        ("s", False, "REJECTED", 1),
        ("s", True, "", 1),
        ("s", True, "ACCEPTED", 1),
        ("t", False, "", 1),
        ("t", True, "", 1),
    ]
    assert ReviewCount("run1", "s", True, "ACCEPTED", 1) in published.store.review_counts(
        "p1", 0.2, "run1"
    )
    assert published.store.review_counts("p1", 0.2, "run2") == []
    assert published.store.review_counts("p2", 0.2) == []


def test_only_the_verdict_that_stands_counts(published: World):
    judge(published, "a", "ACCEPTED")
    judge(published, "a", "REJECTED", "too_vague")
    assert ("s", True, "REJECTED", 1) in counts(published)
    published.store.withdraw_verdict(1)
    assert ("s", True, "", 2) in counts(published)


def test_a_draw_at_the_fraction_is_outside(published: World):
    assert ("t", True, "", 1) not in counts(published, 0.15)
    assert ("t", True, "", 1) in counts(published, 0.1500001)


def test_what_was_dropped_withdrawn_or_is_not_yet_published_does_not_count(published: World):
    store = published.store
    published.complete("dropped", "pending", fields=FIELDS)
    store.set_states([StateChange("dropped", "dropped", "dedup", "near_copy")])
    store.set_withdrawn(["a"], is_withdrawn=True)
    assert counts(published) == [("s", False, "", 1), ("s", True, "", 1), ("t", False, "", 1),
                                 ("t", True, "", 1)]  # fmt: skip
    store.update_run("run1", state="publishing")
    assert counts(published) == []
    store.update_run("run1", state="short", kind="trial")
    assert counts(published) == []


def test_rejections_name_reasons_and_the_first_candidates(published: World):
    survive(published, f=(0.01, "s"))
    judge(published, "a", "REJECTED", "too_vague", "wrong", annotation=1)
    judge(published, "b", "REJECTED", "wrong", annotation=2)
    judge(published, "f", "REJECTED", "wrong", annotation=3)
    judge(published, "d", "REJECTED", annotation=4)
    judge(published, "c", "REJECTED", "wrong", annotation=5)  # outside of the sample
    assert published.store.rejections("p1", 0.2) == [
        Rejection("run1", "s", "wrong", 3, ("a", "b")),
        Rejection("run1", "s", "too_vague", 1, ("a",)),
        Rejection("run1", "t", "", 1, ("d",)),
    ]
    assert published.store.rejections("p1", 0.2, "run2") == []


def test_the_draw_that_brings_n_more_into_the_sample(published: World):
    assert published.store.draw_beyond("run1", 0.1, 1) == 0.1
    assert published.store.draw_beyond("run1", 0.1, 3) == 0.3
    assert published.store.draw_beyond("run1", 0.1, 5) is None


def test_sampled_ones_without_a_verdict_are_counted(published: World):
    judge(published, "a", "ACCEPTED")
    found = published.store.count_sampled("p1", 0.2, ["a", "b", "c", "d", "nobody"])
    assert found == {("run1", "s"): 1, ("run1", "t"): 1}
    assert published.store.count_sampled("p1", 0.2, []) == {}
    many = [f"x{n}" for n in range(3000)]
    assert published.store.count_sampled("p1", 0.2, [*many, "b"]) == {("run1", "s"): 1}


def test_what_of_the_sample_waits_is_listed_with_its_task(published: World):
    judge(published, "a", "ACCEPTED")
    published.store.set_review_tasks({"b": 12})
    found = published.store.sampled_waiting("p1", 0.2)
    assert ("b", "run1", 12) in found
    assert {id_ for id_, _, _ in found}.isdisjoint({"a"})
    assert len(found) == published.store.count_sampled("p1", 0.2, [i for i, _, _ in found]).total()
    assert published.store.sampled_waiting("p1", 0.0) == []


def test_the_newest_decision_of_each_run_stands_until_it_is_undone(published: World):
    store = published.store
    store.create_run(Run("run2", "p1", "r1", target=1, budget=5))
    first = GateDecision("run1", "hold", "not yet", "ann@example.com", {"n_judged": 3})
    second = GateDecision("run1", "release", "müde", "bob", {"rate": 0.9})
    other = GateDecision("run2", "hold", "bad", "bob", {})
    for decision in (first, second, other):
        store.add_gate_decision(decision)
    assert store.standing_decisions("p1") == {"run1": second, "run2": other}
    assert store.standing_decisions("p2") == {}
    store.add_gate_decision(GateDecision("run1", "undo", "", "bob", {}))
    assert store.standing_decisions("p1") == {"run2": other}
    assert [e.event for e in store.events("run1")] == ["gate_decided"] * 3
    assert store.events("run1")[1].data == {
        "decision": "release",
        "reason": "müde",
        "author": "bob",
        "figures": {"rate": 0.9},
    }


def test_a_verdict_that_changes_is_in_the_audit_trail_without_its_text(published: World):
    store = published.store
    verdict = Verdict("a", "FIXED", {"paraphrase": "secret"}, (), 3, 7, "2025-03-01T10:00:00Z")
    assert store.save_verdict(verdict)
    assert not store.save_verdict(verdict)
    store.save_verdict(replace(verdict, status="REJECTED", decided_at="2025-03-01T11:00:00Z"))
    store.withdraw_verdict(7)
    said = [e.data for e in reversed(store.events("a"))]
    assert [(d["former"], d["status"], d["reviewer"]) for d in said] == [
        (None, "FIXED", 3),
        ("FIXED", "REJECTED", 3),
        ("REJECTED", None, None),
    ]
    assert "secret" not in str(said)


def test_a_drawing_and_its_event_are_one(published: World):
    store = published.store
    published.complete("g", fields=FIELDS)
    store.set_draws({"g": (0.5, "s")}, Event("2025-01-01", "sample_drawn", "run1", {"n": 1}))
    assert [e.event for e in store.events("run1")] == ["sample_drawn"]
    assert store.candidate("g").draw == 0.5


def test_events_of_a_project_are_those_of_its_runs_and_candidates_too(
    published: World, monkeypatch
):
    store = published.store
    store.save_project(a_project(id="p2", source_project=3, review_project=4))
    store.create_run(Run("other", "p2", "r1", target=1, budget=5))
    source = SourceTask.of({"text": "three"})
    store.add_sources("p2", [source])
    store.add_batches([Batch("b2", "other", 1, ((source.id, 0, 1),))])
    store.save_completions("other", "b2", [(completion("z", source.id), FIELDS, "")])
    for n, subject in enumerate(["p1", "run1", "a", "p2", "other", "z", "nobody", "run1"]):
        audit.record(store, "happened", subject, n=n)
    assert [e.data["n"] for e in store.project_events("p1")] == [0, 1, 2, 7]
    monkeypatch.setattr("seedbed_backend.store.events.CHUNK", 2)
    assert [e.data["n"] for e in store.project_events("p1")] == [0, 1, 2, 7]
    assert [e.data["n"] for e in store.project_events("p2")] == [3, 4, 5]
    assert list(store.project_events("nope")) == []
