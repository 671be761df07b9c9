"""Canaries over what the pipeline itself has stored: how they are made, hidden, read and kept apart."""

from __future__ import annotations

import dataclasses
import time

import pytest

from backend import grown
from seedbed import labeling
from seedbed.errors import LabelStudioError, UserError
from seedbed.recipe import parse
from seedbed_backend import canaries, explain, gate, pipeline, publishing, report, verdicts

SETTINGS = {"canary_fraction": 0.2, "review_fraction": 0.5, "n_sources": 24}


@pytest.fixture
def project(tmp_path):
    services, project, run = grown.grow(f"sqlite:///{tmp_path}/store.db", **SETTINGS)
    yield services, project, run
    services.store.close()


def tasks_of(services):
    return {task["data"]["cid"]: task for task in services.label_studio.stored.values()}


def test_the_sample_gets_its_share_rounded_up(project):
    services, _, run = project
    survivors = services.store.candidates(run_id=run.id, states=("survivor",))
    n_sampled = sum(s.draw < 0.5 for s in survivors)
    made = services.store.canaries(run.id)
    assert len(made) == -(-n_sampled * 2 // 10) >= 2
    assert all(0 <= canary.draw < 0.5 for canary in made)
    assert all(canary.review_task for canary in made)


def test_without_a_fraction_there_are_none(tmp_path):
    services, _, run = grown.grow(f"sqlite:///{tmp_path}/store.db")
    assert services.store.canaries(run.id) == []
    services.store.close()


def test_they_are_spread_over_sources_and_strata_and_avoid_the_sample(project):
    services, _, run = project
    made = services.store.canaries(run.id)
    origins = services.store.candidates_by_id({canary.made_of for canary in made})
    assert len({o.candidate.source.id for o in origins.values()}) == len(made)
    strata = [origin.stratum for origin in origins.values()]
    known = {s.stratum for s in services.store.candidates(run_id=run.id, states=("survivor",))}
    assert len(set(strata)) == min(len(made), len(known))


def test_the_same_run_gets_the_same_ones(project, tmp_path):
    services, project_, run = project
    recipe = parse(project_.recipe)
    again = canaries.make(services, run, recipe, 0.5)
    first = {canary.id: canary for canary in services.store.canaries(run.id)}
    assert {canary.id: (canary.fields, canary.draw, canary.kind) for canary in again} == {
        id_: (canary.fields, canary.draw, canary.kind) for id_, canary in first.items()
    }
    other = canaries.make(services, run, recipe.model_copy(update={"rng_seed": 2}), 0.5)
    assert {canary.id for canary in other} != first.keys()


def test_each_says_something_that_no_candidate_of_its_source_says(project):
    services, _, run = project
    survivors = services.store.candidates(run_id=run.id, states=("survivor",))
    origins = services.store.candidates_by_id({s.candidate.id for s in survivors})
    for canary in services.store.canaries(run.id):
        source = origins[canary.made_of].candidate.source
        own = [s.candidate.fields for s in survivors if s.candidate.source.id == source.id]
        assert canary.fields not in own
        # words that no two sources share: only another source's text can be put here
        assert canary.kind == "other_output"
        assert canary.fields in [s.candidate.fields for s in survivors]


def test_a_canary_looks_like_every_other_task_but_for_its_seal(project):
    services, _, run = project
    tasks = tasks_of(services)
    made = {canary.id for canary in services.store.canaries(run.id)}
    shapes = {
        (tuple(sorted(task["data"])), tuple(sorted(task["data"]["provenance"])), len(task["predictions"]))
        for task in tasks.values()
    }  # fmt: skip
    assert len(shapes) == 1
    for cid, task in tasks.items():
        assert (task["data"]["seal"] == labeling.seal(cid)) == (cid not in made)
        assert (task["data"]["seal"] == labeling.seal(cid, is_canary=True)) == (cid in made)
    for canary in services.store.canaries(run.id):
        origin = services.store.candidate(canary.made_of)
        shown = tasks[canary.id]["data"]
        assert shown["score"] == round(origin.score, 4)
        assert shown["original"] == origin.candidate.source.fields["original"]
        assert shown["candidate"] == canary.fields["paraphrase"]
        assert shown["stratum"] == origin.stratum
        assert shown["provenance"]["rng_seed"] != origin.completion.rng_seed
        [prediction] = tasks[canary.id]["predictions"]
        assert prediction["score"] == origin.score


def test_they_are_imported_in_the_order_of_the_draws(project):
    services, _, _run = project
    draws = [task["data"]["draw"] for task in services.label_studio.stored.values()]
    assert draws == sorted(draws)


def test_an_interrupted_publication_goes_on_with_the_same_canaries(tmp_path):
    services, _project, run = grown.grow(f"sqlite:///{tmp_path}/store.db", **SETTINGS)
    store, server = services.store, services.label_studio
    made = store.canaries(run.id)
    second = grown.RememberingLabelStudio(server.xml)
    services.label_studio, second.is_away = second, True
    store.set_canary_tasks({canary.id: None for canary in made})
    with pytest.raises(LabelStudioError):
        publishing.publish_survivors(services, run)
    second.is_away = False
    # one had arrived before the crash
    [arrived] = second.import_tasks(1, [tasks_of_one(server, made[0].id)])
    assert publishing.publish_survivors(services, run) == 0
    assert {task["data"]["cid"] for task in second.stored.values()} == {c.id for c in made}
    assert store.canary(made[0].id).review_task == arrived
    assert publishing.publish_survivors(services, run) == 0
    assert len(second.stored) == len(made)
    store.close()


def tasks_of_one(server, cid):
    [task] = [task for task in server.stored.values() if task["data"]["cid"] == cid]
    return {"data": task["data"], "predictions": task["predictions"]}


def test_people_catch_or_miss_them_and_nothing_else_counts_it(project):
    services, project_, run = project
    store, server = services.store, services.label_studio
    before = store.funnel(run_id=run.id)
    first, second, *_rest = store.canaries(run.id)
    server.judge(first.review_task, "reject")
    server.judge(second.review_task, "accept")
    verdicts.sync(services, project_.id)
    assert {v.candidate_id: v.status for v in store.canary_verdicts(project_.id)} == {
        first.id: "REJECTED",
        second.id: "ACCEPTED",
    }
    assert store.current_verdicts(project_.id) == []
    assert store.funnel(run_id=run.id) == before
    assert report.project_summary(store, project_, 1)["acceptance"]["n_judged"] == 0
    # a changed mind, then a deletion
    server.judge(second.review_task, "reject")
    verdicts.read_task(services, project_.id, second.review_task)
    assert {v.status for v in store.canary_verdicts(project_.id)} == {"REJECTED"}
    verdicts.withdraw(services, [1000 + first.review_task])
    assert [v.candidate_id for v in store.canary_verdicts(project_.id)] == [second.id]
    for task in server.stored.values():
        task["annotations"] = []
    verdicts.sync(services, project_.id)
    assert store.canary_verdicts(project_.id) == []


def test_a_list_that_misses_a_canary_takes_nothing_back(project, monkeypatch):
    """Somebody judges while the tasks are listed, or a page moves on: both are there, and not seen."""
    services, project_, run = project
    store, server = services.store, services.label_studio
    before, meanwhile, *_ = store.canaries(run.id)
    server.judge(before.review_task, "reject")
    verdicts.read_task(services, project_.id, before.review_task)

    def listing(_project):
        server.judge(meanwhile.review_task, "reject")
        verdicts.read_task(services, project_.id, meanwhile.review_task)
        yield from ()

    monkeypatch.setattr(server, "judged_tasks", listing)
    verdicts.sync(services, project_.id)
    assert {v.candidate_id for v in store.canary_verdicts(project_.id)} == {before.id, meanwhile.id}


def test_a_verdict_on_a_canary_that_was_erased_is_taken_back(project):
    services, project_, run = project
    canary, *_ = services.store.canaries(run.id)
    services.label_studio.judge(canary.review_task, "reject")
    verdicts.sync(services, project_.id)
    [annotation] = services.label_studio.stored[canary.review_task]["annotations"]
    annotation["result"] = annotation["result"][:-1]
    verdicts.read_task(services, project_.id, canary.review_task)
    assert services.store.canary_verdicts(project_.id) == []


def test_without_anything_to_spoil_a_large_run_is_soon_given_up(project, monkeypatch):
    services, project_, run = project
    [stored, *_] = services.store.candidates(run_id=run.id, states=("survivor",))
    many = [
        dataclasses.replace(
            stored,
            candidate=dataclasses.replace(stored.candidate, id=f"c{n}"),
            draw=n / 20_000,
        )
        for n in range(20_000)
    ]
    monkeypatch.setattr(services.store, "candidates", lambda **_: many)
    started = time.process_time()
    assert canaries.make(services, run, parse(project_.recipe), 0.2) == []
    assert time.process_time() - started < 10


def test_an_edited_canary_is_fixed_and_a_skipped_one_says_nothing(project):
    services, project_, run = project
    store, server = services.store, services.label_studio
    first, second, *_ = store.canaries(run.id)
    server.judge(first.review_task, "accept")
    [annotation] = server.stored[first.review_task]["annotations"]
    annotation["result"][0]["value"] = {"text": ["put right"]}
    server.judge(second.review_task, "accept")
    server.stored[second.review_task]["annotations"][0]["was_cancelled"] = True
    verdicts.sync(services, project_.id)
    assert [(v.candidate_id, v.status) for v in store.canary_verdicts(project_.id)] == [
        (first.id, "FIXED")
    ]


def test_explaining_a_canary_says_what_it_is(project):
    services, _, run = project
    [canary, *_] = services.store.canaries(run.id)
    with pytest.raises(UserError, match="canary") as refused:
        explain.explain(services.store, canary.id[:12])
    assert canary.made_of in refused.value.hint
    assert "other output" in refused.value.message


def test_personal_data_does_not_come_back_in_a_canary(project):
    """It is made of what reviewers would be shown, and the marks move with the text."""
    services, project_, run = project
    store = services.store
    [canary, *_] = store.canaries(run.id)
    stored = store.candidate(canary.made_of)
    text = stored.candidate.source.fields["original"]
    evidence = {
        "privacy": {
            "found": [],
            "source": [{"field": "original", "start": 0, "end": 4, "replacement": "<PERSON>"}],
        },
        "grounding": {"start": 10, "end": 15},
    }
    shown = canaries.dressed(
        parse(project_.recipe).spec, canary, dataclasses.replace(stored, evidence=evidence)
    )
    replaced = shown.candidate.source.fields["original"]
    assert replaced == f"<PERSON>{text[4:]}"
    start, end = shown.evidence_span
    assert replaced[start:end] == text[10:15]


def test_what_is_deleted_of_the_sample_comes_back_and_the_rest_does_not(project):
    services, project_, run = project
    store, server = services.store, services.label_studio
    survivors = store.candidates(run_id=run.id, states=("survivor",))
    lost, judged = [s for s in survivors if s.draw < 0.5][:2]
    outside = next(s for s in survivors if s.draw >= 0.5)
    canary, *_ = store.canaries(run.id)
    server.judge(judged.review_task, "accept")
    verdicts.sync(services, project_.id)
    waiting = gate.overall(store, project_).n_waiting
    for gone in (lost, judged, outside, canary):
        del server.stored[gone.review_task]
    assert verdicts.sync(services, project_.id).n_published_again == 2
    assert gate.overall(store, project_).n_waiting == waiting + 1
    for gone in (lost, judged):
        now = store.candidate(gone.candidate.id)
        data = server.stored[now.review_task]["data"]
        assert now.review_task != gone.review_task
        assert (data["cid"], data["draw"]) == (gone.candidate.id, gone.draw)
    assert store.canary(canary.id).review_task in server.stored
    assert store.candidate(outside.candidate.id).review_task not in server.stored
    [event] = [e for e in store.events(run.id) if e.event == "tasks_published_again"]
    assert event.data["n"] == 2
    before = dict(server.stored)
    assert verdicts.sync(services, project_.id).n_published_again == 0
    assert server.stored == before


def test_nothing_is_asked_for_again_where_all_is_there(project, monkeypatch):
    services, project_, _ = project
    monkeypatch.setattr(publishing, "publish_survivors", None)
    for fraction in (0.5, 0.1):  # canaries above a smaller sample are no longer in it
        services.store.set_review_fraction(project_.id, fraction)
        assert verdicts.sync(services, project_.id).n_published_again == 0


def test_a_run_is_published_again_without_new_ones(project):
    services, _, run = project
    before = dict(services.label_studio.stored)
    services.store.update_run(run.id, state="publishing")
    pipeline.publish(services, run.id)
    assert services.label_studio.stored == before
