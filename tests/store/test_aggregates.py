"""What the database counts for the report."""

from __future__ import annotations

import dataclasses

import pytest

from seedbed.records import Decision
from seedbed_backend.store import Analysis, PlaceCount, Rescreened, StateChange
from store.world import World


@pytest.fixture
def counted(world: World) -> World:
    """Source 0, of group "a", loses three of four; source 1, without a group, loses one of two."""
    world.complete("c1", "c2", "c3", fields={"paraphrase": "words"})
    world.complete("c4", reason="no_json")
    world.complete("c5", "c6", fields={"paraphrase": "other words"}, source=1)
    scores = {"c1": 0.95, "c2": 0.05, "c3": 1.0, "c5": 0.1, "c6": 0.31}
    bad = {"c2": "too_far", "c3": "near_copy", "c6": "too_far"}
    strict = dict.fromkeys(scores, "too_far") | {"c1": "kept"}
    decisions = [Decision(id, "heuristics", True) for id in scores]
    decisions += [
        Decision(
            id,
            "similarity",
            id not in bad,
            bad.get(id, ""),
            score,
            {"strict": strict[id]},
        )
        for id, score in scores.items()
    ]
    changes = [StateChange(id, "dropped", "similarity", reason) for id, reason in bad.items()]
    world.store.save_decisions(decisions, [*changes, StateChange("c1", "survivor")])
    return world


def test_filters_are_counted_with_their_scores(counted: World):
    heuristics, similarity = counted.store.filter_counts("p1")
    assert (heuristics.filter, heuristics.n_seen, heuristics.n_dropped, heuristics.n_scored) == (
        "heuristics",
        5,
        0,
        0,
    )
    assert (similarity.n_seen, similarity.n_dropped, similarity.n_scored) == (5, 3, 5)
    assert list(similarity.kept_scores) == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert list(similarity.dropped_scores) == [
        1,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        1,
    ]  # 1.0 is in the last bin
    assert counted.store.filter_counts("p1", "another run") == []


def test_sources_and_groups_that_lose_most_come_first(counted: World):
    n, sources = counted.store.hardest_sources("source", project_id="p1")
    assert n == 2
    first, second = sources
    assert (first.key, first.n_attempts, first.n_dropped, first.n_survivors) == (
        (counted.sources[0].id, 4, 3, 1)
    )
    assert (first.group, first.label_studio_task) == ("a", 11)
    assert first.worst is not None
    assert first.worst.n == 1
    assert second.worst is not None
    assert (second.worst.stage, second.worst.reason, second.worst.n) == ("similarity", "too_far", 1)
    n, groups = counted.store.hardest_sources("group", project_id="p1", n_least=3)
    assert (n, [g.key for g in groups]) == (2, ["a"])
    assert counted.store.hardest_sources("source", project_id="p1", limit=1)[1] == [first]


def test_every_reason_has_examples(counted: World):
    found = counted.store.examples_by_reason("p1", n_each=1)
    assert [(e.id, e.stage, e.reason) for e in found] == [
        ("c4", "format", "no_json"),
        ("c3", "similarity", "near_copy"),
        ("c2", "similarity", "too_far"),
    ]
    assert len(counted.store.examples_by_reason("p1", n_each=2)) == 4


def test_techniques_are_counted_over_all_projects(counted: World):
    found = counted.store.funnel_by_technique()
    assert PlaceCount("paraphrase", "dropped", "similarity", "too_far", 2) in found
    assert sum(place.n for place in found) == 6


def test_texts_in_the_evidence_are_counted(counted: World):
    counts = counted.store.evidence_values("p1", "similarity", "strict")
    assert counts == {(True, "kept"): 1, (True, "too_far"): 1, (False, "too_far"): 3}
    assert counted.store.evidence_values("p1", "similarity", "absent") == {}


def test_the_fingerprint_changes_with_what_the_report_is_about(counted: World):
    before = counted.store.fingerprint("p1")
    assert counted.store.fingerprint("p1") == before
    counted.store.set_states([StateChange("c5", "survivor")])
    later = counted.store.fingerprint("p1")
    assert later != before
    said = counted.store.decisions("c6")
    again = [*said[:-1], dataclasses.replace(said[-1], score=0.11)]
    place = ("dropped", said[-1].filter, said[-1].reason)
    counted.store.replace_screening("run1", "other", [Rescreened("c6", again, *place)])
    assert counted.store.fingerprint("p1") != later


def test_an_analysis_is_kept_until_it_is_done(counted: World):
    store = counted.store
    store.add_analysis(Analysis("a1", "p1", "report", {"run": None}, created_at="2026-01-01"))
    store.add_analysis(Analysis("a2", "p1", "rescreen", {}, created_at="2026-01-02"))
    assert [a.id for a in store.unfinished_analyses()] == ["a1", "a2"]
    store.update_analysis("a1", state="done", result={"findings": []}, picture="<svg/>")
    assert store.analysis("a1").result == {"findings": []}
    assert [a.id for a in store.unfinished_analyses()] == ["a2"]
    assert [a.id for a in store.analyses("p1", "report")] == ["a1"]


def test_of_finished_analyses_the_newest_ten_stay(counted: World):
    store = counted.store
    store.add_analysis(Analysis("waiting", "p1", "report", {}, created_at="2025"))
    for n in range(13):
        store.add_analysis(
            Analysis(f"a{n:02}", "p1", "report", {}, state="done", created_at=f"2026-{n:02}")
        )
    kept = [a.id for a in store.analyses("p1", "report", limit=99)]
    assert kept == [f"a{n:02}" for n in range(12, 2, -1)] + ["waiting"]
