from __future__ import annotations

import math
from dataclasses import replace

import pytest

from seedbed.errors import NotFoundError, UserError
from seedbed.records import Candidate, Decision, Verdict
from seedbed_backend.store import FunnelRow, StateChange, StoredCandidate
from store.world import World, completion

FIELDS = {"paraphrase": "Zwei", "label": "b"}


def states(world: World) -> dict[str, str]:
    return {c.candidate.id: c.state for c in world.store.candidates(run_id="run1")}


def test_candidate_round_trip(world: World):
    world.complete("c1", fields=FIELDS)
    source = world.sources[0]
    assert world.store.candidate("c1") == StoredCandidate(
        candidate=Candidate("c1", source, FIELDS),
        run_id="run1",
        project_id="p1",
        state="pending",
        stage="",
        reason="",
        score=None,
        completion=completion("c1", source.id),
        scores={},
        evidence={},
        draw=None,
        stratum="",
        review_task=None,
        verdict=None,
    )


def test_a_completion_keeps_which_other_sources_its_prompt_showed(world: World):
    asked = replace(completion("c1", world.sources[0].id), shown_sources=("s2", "s1"))
    world.store.save_completions("run1", world.batch.id, [(asked, FIELDS, "")])
    assert world.store.candidate("c1").completion == asked


def test_everything_known_comes_with_the_candidate(world: World):
    store = world.store
    world.complete("c1", "c2", fields=FIELDS)
    store.save_decisions(
        [
            Decision("c1", "similarity", True, "", 0.5, {"cosine": 0.8}),
            Decision("c1", "heuristics", True),
            Decision("c2", "dedup", False, "near_duplicate", 0.1, {"of": "c1"}),
        ]
    )
    store.set_states([StateChange("c1", "survivor", score=0.75)])
    store.set_draws({"c1": (0.25, "paraphrase/a/high")})
    store.set_review_tasks({"c1": 501})
    verdict = Verdict("c1", "ACCEPTED", FIELDS, annotation_id=9)
    store.save_verdict(verdict)
    found = store.candidate("c1")
    assert (found.state, found.score, found.draw) == ("survivor", 0.75, 0.25)
    assert (found.stratum, found.review_task) == ("paraphrase/a/high", 501)
    assert found.scores == {"similarity": 0.5}
    assert found.evidence == {"similarity": {"cosine": 0.8}, "heuristics": {}}
    assert found.verdict == verdict
    assert store.candidate("c2").evidence == {"dedup": {"of": "c1"}}


def test_completions_are_saved_once(world: World):
    assert world.complete("c1", "c2", "c2", fields=FIELDS) == 2
    assert world.complete("c1", "c2", "c3", fields={"paraphrase": "other"}) == 1
    assert world.store.candidate("c1").candidate.fields == FIELDS
    assert world.store.has_completions(["c1", "c3", "nope"]) == {"c1", "c3"}
    assert world.store.save_completions("run1", "b1", []) == 0


def test_many_ids_and_rows(world: World):
    names = [f"c{n:05}" for n in range(2500)]
    assert world.complete(*names, fields=FIELDS) == 2500
    assert world.store.has_completions(names) == set(names)
    assert world.store.set_states([StateChange(name, "kept") for name in names]) == 2500
    assert len(world.store.candidates(project_id="p1", states=("kept",))) == 2500


def test_unparsed_completion_is_dropped_at_format(world: World):
    world.complete("c1", reason="not_json")
    found = world.store.candidate("c1")
    assert (found.state, found.stage, found.reason) == ("dropped", "format", "not_json")
    assert found.candidate.fields == {}


def test_a_drop_without_a_reason_is_refused(world: World):
    with pytest.raises(UserError, match="refused a row"):
        world.complete("c1", reason="")
    with pytest.raises(ValueError, match="dropped without stage and reason"):
        StateChange("c1", "dropped", "dedup")
    assert states(world) == {}


def test_text_that_no_database_holds_is_mended(world: World):
    source = world.sources[0].id
    odd = {"paraphrase": "nul \0 half \ud800 whole 🌱"}
    rows = [(completion("c1", source, "nul \0 half \ud800 whole 🌱"), odd, "")]
    world.store.save_completions("run1", "b1", rows)
    found = world.store.candidate("c1")
    assert found.completion.text == "nul \ufffd half \ufffd whole 🌱"
    assert found.candidate.fields == odd


def test_completions_need_their_run_and_source(world: World):
    with pytest.raises(NotFoundError, match=r"Known: run1\."):
        world.store.save_completions("nope", "b1", [])
    with pytest.raises(UserError, match="refused a row"):
        world.store.save_completions("run1", "b1", [(completion("c1", "nope"), FIELDS, "")])


def test_candidates_are_chosen_and_ordered(world: World):
    store = world.store
    world.complete("c3", "c1", fields=FIELDS)
    world.complete("c2", fields=FIELDS, source=1)
    world.complete("c4", reason="not_json")
    store.set_states([StateChange("c3", "survivor")])
    store.set_review_tasks({"c3": 5})
    store.save_decisions([Decision(f"c{n}", "judge", True, "", n / 10) for n in (1, 2, 3)])

    def ids(found: list[StoredCandidate]) -> list[str]:
        return [c.candidate.id for c in found]

    assert ids(store.candidates()) == ["c1", "c2", "c3", "c4"]
    assert ids(store.candidates(run_id="run1", project_id="p1", batch_id="b1", limit=2)) == [
        "c1",
        "c2",
    ]
    assert store.candidates(limit=2)[1].scores == {"judge": 0.2}
    assert ids(store.candidates(states=("survivor", "dropped"))) == ["c3", "c4"]
    assert ids(store.candidates(run_id="nope")) == []
    assert ids(store.candidates(is_published=True)) == ["c3"]
    assert ids(store.candidates(states=("survivor",), is_published=False)) == []
    source = world.sources[0].id
    assert ids(store.candidates_by_source(source, "p1")) == ["c1", "c3", "c4"]
    assert ids(store.candidates_by_source(source, "p1", ("pending",))) == ["c1"]
    assert ids(store.candidates_by_source(source, "p2", ())) == []
    with pytest.raises(NotFoundError, match="No candidate has the id 'nope'"):
        store.candidate("nope")


def test_a_filters_first_word_stays(world: World):
    world.complete("c1", fields=FIELDS)
    first = Decision("c1", "dedup", True, "", 0.9, {"nearest": "c0"})
    second = Decision("c1", "judge", False, "too_vague", 0.2)
    assert world.store.save_decisions([first]) == 1
    assert world.store.save_decisions([replace(first, keep=False, reason="x"), second]) == 1
    assert world.store.decisions("c1") == [first, second]
    assert world.store.decisions("nope") == []


def test_not_a_number_becomes_null_in_evidence(world: World):
    world.complete("c1", fields=FIELDS)
    world.store.save_decisions([Decision("c1", "judge", True, evidence={"p": [math.nan, 1.0]})])
    assert world.store.decisions("c1")[0].evidence == {"p": [None, 1.0]}


def test_states_only_move_forward(world: World):
    store = world.store
    world.complete("c1", "c2", "c3", fields=FIELDS)
    world.complete("c4", reason="not_json")
    drop = StateChange("c2", "dropped", "dedup", "near_duplicate", 0.1)
    assert store.set_states([StateChange("c1", "kept", score=0.5), drop]) == 2
    assert store.set_states([StateChange("c1", "pending")]) == 0
    assert store.set_states([StateChange("c1", "survivor")]) == 1
    for final in ("c1", "c2", "c4"):
        assert store.set_states([StateChange(final, "kept")]) == 0
        assert store.set_states([StateChange(final, "survivor")]) == 0
        assert store.set_states([StateChange(final, "dropped", "judge", "too_vague")]) == 0
    assert store.set_states([]) == 0
    assert states(world) == {"c1": "survivor", "c2": "dropped", "c3": "pending", "c4": "dropped"}
    assert store.candidate("c1").score == 0.5
    dropped = store.candidate("c2")
    assert (dropped.stage, dropped.reason, dropped.score) == ("dedup", "near_duplicate", 0.1)


def test_a_kept_candidate_may_get_another_score(world: World):
    world.complete("c1", fields=FIELDS)
    world.store.set_states([StateChange("c1", "kept", score=0.5)])
    assert world.store.set_states([StateChange("c1", "kept", score=0.6)]) == 1
    assert world.store.candidate("c1").score == 0.6


def test_a_draw_once_given_stays(world: World):
    world.complete("c1", "c2", fields=FIELDS)
    assert world.store.set_draws({"c1": (0.0, "s")}) == 1
    assert world.store.set_draws({"c1": (0.9, "t"), "c2": (0.5, "t")}) == 1
    assert world.store.candidate("c1").draw == 0.0
    assert world.store.candidate("c1").stratum == "s"


def test_review_tasks_may_change(world: World):
    world.complete("c1", fields=FIELDS)
    assert world.store.set_review_tasks({"c1": 5, "nope": 6}) == 1
    assert world.store.set_review_tasks({"c1": 5}) == 0
    assert world.store.set_review_tasks({"c1": 7}) == 1
    assert world.store.candidate("c1").review_task == 7


def test_funnel_is_balanced(world: World):
    store = world.store
    empty = store.funnel(run_id="run1")
    assert (empty.n_attempts, empty.rows, empty.is_balanced) == (0, (), True)
    world.complete("c1", "c2", "c3", "c4", "c5", fields=FIELDS)
    world.complete("f1", "f2", reason="not_json")
    world.complete("f3", reason="cut_off")
    store.set_states(
        [
            StateChange("c1", "survivor"),
            StateChange("c2", "kept"),
            StateChange("c3", "dropped", "dedup", "near_duplicate"),
            StateChange("c4", "dropped", "heuristics", "repeats_itself"),
        ]
    )
    funnel = store.funnel(project_id="p1")
    assert funnel.rows == (
        FunnelRow("dedup", "near_duplicate", 1),
        FunnelRow("format", "cut_off", 1),
        FunnelRow("format", "not_json", 2),
        FunnelRow("heuristics", "repeats_itself", 1),
    )
    assert (funnel.n_attempts, funnel.n_dropped) == (8, 5)
    assert (funnel.n_pending, funnel.n_survivors) == (2, 1)
    assert funnel.is_balanced
    assert not replace(funnel, n_survivors=2).is_balanced
    assert store.funnel(run_id="run1") == store.funnel() == funnel
    assert store.funnel(run_id="nope").n_attempts == 0


def test_undecided_are_the_kept_ones_that_some_filter_has_not_seen(world: World):
    store = world.store
    world.complete("c1", "c2", "c3", "c4", "c5", fields=FIELDS)
    store.set_states([StateChange(name, "kept") for name in ("c1", "c2", "c3", "c4")])
    store.set_states([StateChange("c4", "dropped", "dedup", "duplicate")])
    store.save_decisions(
        [
            Decision("c1", "dedup", True),
            Decision("c1", "spread", True),
            Decision("c2", "dedup", True),
            Decision("c3", "similarity", True, score=0.5),
            Decision("c4", "dedup", False, "duplicate"),
        ]
    )
    found = store.undecided("run1", {"dedup", "spread"})
    assert [c.candidate.id for c in found] == ["c2", "c3"]
    assert found[1].scores == {"similarity": 0.5}
    assert store.undecided("run1", set()) == []
    assert store.undecided("nope", {"dedup"}) == []


def test_compared_are_survivors_and_what_has_been_through_the_filters(world: World):
    store = world.store
    world.complete("c1", "c2", "c3", "c4", fields=FIELDS)
    store.set_states([StateChange(name, "kept") for name in ("c1", "c2", "c3")])
    store.set_states([StateChange("c3", "survivor")])
    store.save_decisions([Decision("c1", "dedup", True)])
    assert set(store.compared_ids("p1", {"dedup"})) == {"c1", "c3"}
    assert store.compared_ids("nope", {"dedup"}) == []
    store.update_run("run1", kind="trial")
    assert store.compared_ids("p1", {"dedup"}) == []


def test_candidates_and_their_fields_by_id(world: World):
    world.complete("c1", "c2", fields=FIELDS)
    world.complete("f1", reason="not_json")
    assert set(world.store.candidates_by_id(["c2", "c1", "c1", "nope"])) == {"c1", "c2"}
    assert world.store.candidates_by_id(["c1"])["c1"] == world.store.candidate("c1")
    assert world.store.candidates_by_id([]) == {}
    assert world.store.candidate_fields(["c1", "f1", "nope"]) == {"c1": FIELDS, "f1": {}}


def test_a_decision_is_overruled_together_with_what_overrules_it(world: World):
    store = world.store
    world.complete("c1", "c2", fields=FIELDS)
    store.set_states([StateChange("c1", "kept", score=0.4), StateChange("c2", "kept")])
    store.save_decisions([Decision("c1", "dedup", True), Decision("c1", "other", True)])
    late = Decision("c1", "dedup", False, "duplicate", evidence={"match": "c2"})
    changes = [StateChange("c1", "dropped", "dedup", "duplicate"), StateChange("c2", "kept")]
    assert store.save_decisions([Decision("c2", "dedup", True)], changes, [late]) == 1
    assert store.decisions("c1") == [late, Decision("c1", "other", True)]
    assert states(world) == {"c1": "dropped", "c2": "kept"}
    assert store.candidate("c1").score == 0.4
