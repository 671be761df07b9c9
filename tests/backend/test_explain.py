"""Everything about one candidate, and the report, on what the pipeline itself has stored."""

from __future__ import annotations

import dataclasses

import pytest

from backend import grown
from seedbed.errors import NotFoundError, UserError
from seedbed.recipe import Recipe
from seedbed_backend import explain, report, rescreen, verdicts
from seedbed_backend.store import Analysis, FilterCount


@pytest.fixture
def project(tmp_path):
    services, project, run = grown.grow(f"sqlite:///{tmp_path}/store.db")
    yield services, project, run
    services.store.close()


def one(store, state, stage=""):
    return next(s for s in store.candidates(run_id="run1", states=(state,)) if s.stage == stage)


def test_a_survivor_is_told_from_its_source_to_its_verdict(project):
    services, _, run = project
    store = services.store
    stored = one(store, "survivor")
    services.label_studio.judge(stored.review_task, "accept")
    verdicts.sync(services, "p1")
    told = explain.explain(store, stored.candidate.id[:8])
    assert told["id"] == stored.candidate.id
    assert told["place"]["state"] == "survivor"
    assert told["source"]["fields"] == dict(stored.candidate.source.fields)
    assert told["generation"]["text"] == stored.completion.text
    assert told["generation"]["recipe"] == run.recipe_hash
    assert told["generation"]["sampling"]["temperature"] > 0
    assert [d["filter"] for d in told["decisions"]] == list(grown.FILTERS)
    assert told["not_asked"] == []
    assert told["review"]["url"].endswith(f"/projects/2/data?task={stored.review_task}")
    assert told["review"]["is_in_sample"] == (stored.draw < 0.15)
    [verdict] = told["verdicts"]
    assert (verdict["status"], verdict["stands"]) == ("ACCEPTED", True)


def test_a_dropped_one_names_what_never_saw_it(project):
    services, _, _ = project
    stored = one(services.store, "dropped", "similarity")
    told = explain.explain(services.store, stored.candidate.id)
    assert (told["place"]["stage"], told["place"]["reason"]) == ("similarity", "too_far")
    assert told["not_asked"] == ["dedup", "top_fraction"]
    assert told["decisions"][-1]["keep"] is False
    assert any(line.startswith("cosine: 0.") for line in told["decisions"][-1]["lines"])


def test_what_could_not_be_read_has_no_decisions(project):
    services, _, _ = project
    told = explain.explain(services.store, one(services.store, "dropped", "format").candidate.id)
    assert (told["decisions"], told["fields"]) == ([], {})
    assert told["place"]["reason"] == "no_json"


def test_a_duplicate_shows_the_text_that_it_repeats(project):
    services, _, _ = project
    stored = one(services.store, "dropped", "dedup")
    told = explain.explain(services.store, stored.candidate.id)
    line = next(line for line in told["decisions"][-1]["lines"] if line.startswith("like "))
    assert stored.candidate.fields["paraphrase"] in line  # it was an exact repeat


def test_after_a_re_screening_the_history_and_the_audit_trail_are_there(project):
    services, saved, run = project
    store = services.store
    changes = {"filters": {"similarity": {"minimum": 0.5}}}
    recipe = rescreen.new_recipe(saved, changes)
    store.add_analysis(
        Analysis("a1", "p1", "rescreen", {"recipe": recipe.model_dump(mode="json"), "apply": True})
    )
    rescreen.perform(services, store.analysis("a1"))
    stored = next(s for s in store.candidates(run_id="run1") if s.is_withdrawn)
    told = explain.explain(store, stored.candidate.id)
    assert told["review"]["is_withdrawn"]
    assert told["generation"]["screened_by"] == recipe.hash != told["generation"]["recipe"]
    assert {d["recipe"] for d in told["former_decisions"]} == {run.recipe_hash}
    assert told["events"][-1]["event"] == "rescreened"


def test_an_id_that_is_unknown_short_or_fits_several_is_refused(project):
    services, _, _ = project
    store = services.store
    with pytest.raises(NotFoundError, match="begins with 'zzzz'"):
        explain.resolve(store, "zzzz")
    with pytest.raises(UserError, match="too short"):
        explain.resolve(store, "abc")
    known = one(store, "survivor")
    assert explain.resolve(store, f" {known.candidate.id.upper()} ") == known.candidate.id
    store.find_candidates = lambda prefix, limit=10: ["abcd1", "abcd2"]
    with pytest.raises(UserError, match="Several candidates") as caught:
        explain.resolve(store, "abcd")
    assert "abcd1, abcd2" in caught.value.hint


def test_evidence_is_put_in_words(project):
    services, saved, _ = project
    stored = one(services.store, "survivor")
    recipe = rescreen.new_recipe(saved, {})
    words = stored.candidate.source.fields["original"].split()
    start = stored.candidate.source.fields["original"].index(words[2])
    other = services.store.sources("p1")[0]
    evidence = {
        "start": start,
        "end": start + len(words[2]),
        "text": words[2],
        "is_quoted": True,
        "changed": [{"from": "30 days", "to": "60 days"}],
        "missing": ["Acme", "2024"],
        "covered": 0.25,
        "none": [],
        "source": other.id,
    }
    lines = explain.readable(evidence, stored, recipe, {other.id: "its text"})
    assert f"{words[1]} ⟦{words[2]}⟧ {words[3]}" in lines[0]
    assert lines[1:] == [
        "quoted: yes",
        "changed: from 30 days, to 60 days",
        "missing: Acme, 2024",
        "covered: 0.25",
        "none: none",
        f"source: {other.id[:12]} “its text”",
    ]


def test_evidence_is_placed_in_the_original_document(project):
    services, saved, _ = project
    stored = one(services.store, "survivor")
    length = len(stored.candidate.source.fields["original"])
    where = {
        "file": "contract.pdf",
        "char_start": 5_000,
        "char_end": 5_000 + length,
        "page": 3,
        "page_end": 3,
        "page_spans": [[3, 100, 100 + length]],
    }
    source = dataclasses.replace(stored.candidate.source, provenance=where)
    candidate = dataclasses.replace(stored.candidate, source=source)
    placed = dataclasses.replace(stored, candidate=candidate)
    lines = explain.readable({"start": 4, "end": 9}, placed, rescreen.new_recipe(saved, {}))
    assert lines[1] == "place: contract.pdf, page 3, characters 104-109 of that page"


def test_a_long_source_is_cut_around_the_marked_passage():
    text = "a" * 100 + "HERE" + "b" * 100
    assert explain.marked(text, 100, 104) == f"…{'a' * 60}⟦HERE⟧{'b' * 60}…"
    assert explain.marked("short", 0, 5) == "⟦short⟧"


# the report


def test_the_report_accounts_for_every_attempt(project):
    services, saved, run = project
    store = services.store
    found = report.full_report(store, saved)
    funnel = found["funnel"]
    assert funnel["n_attempts"] == 72
    assert sum(r["n"] for r in funnel["dropped"]) + funnel["n_survivors"] == 72
    stages = [row["stage"] for row in funnel["dropped"]]
    assert stages == sorted(stages, key=["format", *grown.FILTERS].index)  # in running order
    assert [row["filter"] for row in found["filters"]] == list(grown.FILTERS)
    for row in funnel["dropped"]:
        assert 1 <= len(row["examples"]) <= 3
        for example in row["examples"]:
            dropped = store.candidate(example["id"])
            assert (dropped.stage, dropped.reason) == (row["stage"], row["reason"])
    hardest = found["sources"]["hardest"]
    assert found["sources"]["n"] == 12
    lost = [row["n_dropped"] / row["n_attempts"] for row in hardest]
    assert lost == sorted(lost, reverse=True)
    assert {row["id"] for row in found["groups"]["hardest"]} == {"g0", "g1"}
    assert report.full_report(store, saved, run)["funnel"] == funnel
    [technique] = report.technique_report(store)
    assert (technique["technique"], technique["n_attempts"]) == ("paraphrase", 72)


def count(name, n_seen, n_dropped):
    return FilterCount(name, n_seen, n_dropped, 0, (), ())


def test_a_filter_that_drops_nearly_all_or_none_is_flagged():
    def flagged(n_seen, n_dropped, name="similarity"):
        counts = [count(name, n_seen, n_dropped)]
        return [flag["kind"] for flag in report.flags(counts, Recipe(technique="qa"))]

    assert flagged(50, 41) == ["drops_most"]
    assert flagged(50, 40) == []  # exactly 80 %
    assert flagged(49, 49) == []  # too few to say
    assert flagged(50, 0) == ["drops_none"]
    assert flagged(50, 1) == []
    assert flagged(100, 0, "grounding") == ["drops_none"]
    assert flagged(100, 0, "top_fraction") == []  # it keeps a set share
    assert flagged(100, 0, "question_mix") == []  # no quotas are set
    assert flagged(100, 0, "entailment") == []  # it scored nothing: there is no model


def test_the_textbook_window_is_compared_with_what_similarity_keeps(project):
    services, saved, _ = project
    store, recipe = services.store, rescreen.new_recipe(saved, {})
    said = [d for row in store.decisions_of_run("run1").values() for d in row]
    strict = {d.candidate_id: d for d in said if d.filter == "similarity"}
    found = report.window(store, recipe, "p1")
    assert (found["minimum"], found["maximum"]) == (0.3, 1.0)
    assert found["n"] == len(strict) == 60
    assert found["n_kept"] == sum(d.keep for d in strict.values())
    inside = [d for d in strict.values() if d.evidence["strict_window"] == "kept"]
    assert found["n_in_window"] == len(inside)
    assert found["n_both"] == sum(d.keep for d in inside)
    assert report.window(store, recipe, "p9") is None


def test_what_was_dropped_for_personal_data_is_not_shown(tmp_path):
    services, saved, _ = grown.grow(f"sqlite:///{tmp_path}/store.db")
    store = services.store
    stored = one(store, "dropped", "similarity")
    private = dataclasses.replace(stored, stage="privacy", reason="personal_data")
    shown = report._example(private, rescreen.new_recipe(saved, {}))
    assert stored.candidate.fields["paraphrase"] not in shown["text"]
    assert shown["id"] == stored.candidate.id
    store.close()
