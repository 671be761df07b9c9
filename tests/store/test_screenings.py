"""Screening again in the store: what changed is replaced, what was said is kept, people's word stays."""

from __future__ import annotations

import pytest

from seedbed.records import Decision, Verdict
from seedbed_backend.store import Rescreened, StateChange
from store.world import World


def kept(id, filter="similarity", score=0.8):
    return Decision(id, filter, True, "", score, {"cosine": 0.8})


def dropped(id, filter="similarity"):
    return Decision(id, filter, False, "too_far", 0.1, {"cosine": 0.6})


@pytest.fixture
def screened(world: World) -> World:
    world.complete("c1", "c2", "c3", fields={"paraphrase": "x"})
    decisions = [Decision(c, "heuristics", True) for c in ("c1", "c2", "c3")]
    decisions += [kept("c1"), kept("c2"), dropped("c3")]
    world.store.save_decisions(
        decisions,
        [
            StateChange("c1", "survivor", score=0.8),
            StateChange("c2", "survivor", score=0.8),
            StateChange("c3", "dropped", stage="similarity", reason="too_far", score=0.1),
        ],
    )
    world.store.set_review_tasks({"c1": 101, "c2": 102})
    return world


def outcomes(**states):
    made = []
    for id, is_kept in states.items():
        first = Decision(id, "heuristics", True)
        if is_kept:
            made.append(Rescreened(id, [first, kept(id)], "survivor", score=0.8))
        else:
            place = ("dropped", "similarity", "too_far", 0.1)
            made.append(Rescreened(id, [first, dropped(id)], *place))
    return made


def test_the_same_outcome_changes_nothing(screened: World):
    same = outcomes(c1=True, c2=True, c3=False)
    assert screened.store.replace_screening("run1", "r2", same) == 0
    assert screened.store.former_decisions("c1") == []
    assert screened.store.run("run1").screened_by == "r2"


def test_what_changed_is_replaced_and_kept_with_its_recipe(screened: World):
    store = screened.store
    assert store.replace_screening("run1", "r2", outcomes(c1=False, c2=True, c3=True)) == 2
    first, third = store.candidate("c1"), store.candidate("c3")
    assert (first.state, first.stage, first.reason, first.score) == (
        ("dropped", "similarity", "too_far", 0.1)
    )
    assert (third.state, third.stage, third.reason) == ("survivor", "", "")
    assert [d.filter for d in store.decisions("c1")] == ["heuristics", "similarity"]
    [former] = store.former_decisions("c1")
    assert (former.decision, former.recipe_hash) == (kept("c1"), "r1")
    assert store.former_decisions("c2") == []
    # and back: the second history names the recipe that was in force in between
    assert store.replace_screening("run1", "r1", outcomes(c1=True, c2=True, c3=False)) == 2
    assert [f.recipe_hash for f in store.former_decisions("c1")] == ["r1", "r2"]
    assert store.funnel(run_id="run1").is_balanced


def test_what_came_after_a_changed_decision_is_replaced_too(screened: World):
    store = screened.store
    only_first = [Rescreened("c1", [Decision("c1", "heuristics", False, "refusal")], "dropped",
                             "heuristics", "refusal")]  # fmt: skip
    store.replace_screening("run1", "r2", only_first)
    assert [d.reason for d in store.decisions("c1")] == ["refusal"]
    assert [f.decision.filter for f in store.former_decisions("c1")] == ["heuristics", "similarity"]


def test_a_judged_candidate_stays_whatever_the_filters_say_now(screened: World):
    store = screened.store
    store.save_verdict(Verdict("c1", "REJECTED", {}, annotation_id=7, decided_at="2026-01-01"))
    store.replace_screening("run1", "r2", outcomes(c1=False, c2=False, c3=False))
    first, second = store.candidate("c1"), store.candidate("c2")
    assert (first.state, first.stage, first.verdict.status) == ("survivor", "", "REJECTED")
    assert store.decisions("c1")[-1].reason == "too_far"
    assert second.state == "dropped"


def test_a_withdrawn_candidate_that_was_judged_after_all_is_reinstated(screened: World):
    store = screened.store
    store.replace_screening("run1", "r2", outcomes(c1=False, c2=True, c3=False))
    store.set_withdrawn(["c1"], is_withdrawn=True)
    assert store.candidate("c1").is_withdrawn
    assert store.reinstate("c1")
    assert not store.reinstate("c1")
    assert not store.reinstate("c3")  # it was never published
    store.set_withdrawn(["c1"], is_withdrawn=False)
    assert (store.candidate("c1").state, store.candidate("c1").is_withdrawn) == ("survivor", False)


def test_decisions_of_a_run_come_in_running_order(screened: World):
    said = screened.store.decisions_of_run("run1")
    assert sorted(said) == ["c1", "c2", "c3"]
    assert said["c3"] == [Decision("c3", "heuristics", True), dropped("c3")]


def test_candidates_are_found_by_the_beginning_of_their_id(screened: World):
    screened.complete("d_1", "d%1", fields={"paraphrase": "y"})
    assert screened.store.find_candidates("c") == ["c1", "c2", "c3"]
    assert screened.store.find_candidates("c", limit=2) == ["c1", "c2"]
    assert screened.store.find_candidates("d_") == ["d_1"]
    assert screened.store.find_candidates("x") == []
