"""Screening again: what changes and what must not, on what the pipeline itself has stored."""

from __future__ import annotations

import dataclasses

import pytest

from backend import grown
from seedbed.errors import LabelConfigError, LabelStudioError, NotFoundError, RecipeError, UserError
from seedbed.recipe import parse
from seedbed.tabs import WITHDRAWN_DRAW
from seedbed_backend import outlook, rescreen, verdicts
from seedbed_backend.filters import configure
from seedbed_backend.filters.similarity import Similarity
from seedbed_backend.store import Analysis

STRICTER = {"filters": {"similarity": {"minimum": 0.5}}}
LOOSER = {"filters": {"similarity": {"minimum": 0.1}}}


@pytest.fixture
def project(tmp_path):
    services, project, run = grown.grow(f"sqlite:///{tmp_path}/store.db")
    yield services, project, run
    services.store.close()


def ask(services, changes, *, apply=False, run=None, fresh=False, name="a1"):
    store = services.store
    recipe = rescreen.new_recipe(store.project("p1"), changes)
    options = {"recipe": recipe.model_dump(mode="json"), "apply": apply, "run": run}
    options["fresh"] = fresh
    store.add_analysis(Analysis(name, "p1", "rescreen", options))
    return rescreen.perform(services, store.analysis(name))


def everything(store, run="run1"):
    """All that a re-screening might touch, by candidate id."""
    said = store.decisions_of_run(run)
    return {
        s.candidate.id: (s.state, s.stage, s.reason, s.score, s.draw, said.get(s.candidate.id))
        for s in store.candidates(run_id=run)
    }


def test_the_same_settings_change_nothing(project):
    services, _, _ = project
    before = everything(services.store)
    result = ask(services, {}, apply=True)
    assert everything(services.store) == before
    assert result["funnel"]["before"] == result["funnel"]["after"]
    moved = ("newly_kept", "newly_dropped", "dropped_elsewhere", "kept_by_verdict")
    assert [result[key]["n"] for key in moved] == [0, 0, 0, 0]
    assert all(each["before"] == each["after"] for each in result["filters"])
    assert {each["filter"] for each in result["filters"]} == set(grown.FILTERS)


@pytest.mark.parametrize("key", ["canary_fraction", "double_review_fraction", "few_shot"])
def test_how_people_review_makes_no_filter_look_again(project, key):
    services, kept, run = project
    changed = parse({**kept.recipe, key: 1 if key == "few_shot" else 0.1})
    stages = configure(changed)
    known = rescreen._unchanged(services.store, changed, run, stages)
    assert known == {s.name for s in stages if s.scope == "candidate"}


def test_without_apply_nothing_is_written(project):
    services, before_project, _ = project
    store = services.store
    before, events = everything(store), store.events()
    tasks = {id_: dict(task["data"]) for id_, task in services.label_studio.stored.items()}
    result = ask(services, STRICTER)
    assert result["newly_dropped"]["n"] > 0
    assert result["applied"] is None
    assert everything(store) == before
    assert {i: dict(t["data"]) for i, t in services.label_studio.stored.items()} == tasks
    assert store.project("p1").recipe_hash == before_project.recipe_hash
    assert store.run("run1").screened_by is None
    assert store.events() == events
    with pytest.raises(NotFoundError):
        store.recipe(result["recipe_hash"])


def test_it_says_what_changes_and_the_counts_add_up(project):
    services, _, _ = project
    result = ask(services, STRICTER)
    before, after = result["funnel"]["before"], result["funnel"]["after"]
    for funnel in (before, after):
        n = funnel["n_survivors"] + sum(row["n"] for row in funnel["dropped"])
        assert n == funnel["n_attempts"] == result["n_candidates"]
    n_kept, n_dropped = result["newly_kept"]["n"], result["newly_dropped"]["n"]
    assert after["n_survivors"] == before["n_survivors"] + n_kept - n_dropped
    similarity = next(each for each in result["filters"] if each["filter"] == "similarity")
    # besides those with 3 of 14 words, every candidate with 6 falls below 0.5 (cosine about 0.43)
    assert similarity["before"]["n_seen"] == similarity["after"]["n_seen"] == 60
    assert similarity["after"]["n_dropped"] - similarity["before"]["n_dropped"] >= 10
    example = result["newly_dropped"]["examples"][0]
    assert services.store.candidate(example["id"]).candidate.fields["paraphrase"] == example["text"]
    assert sum(row["n"] for row in result["newly_dropped"]["reasons"]) == n_dropped


def test_applied_it_withdraws_what_nobody_judged_and_publishes_what_is_new(project):
    services, old_project, _ = project
    store, tasks = services.store, services.label_studio.stored
    n_tasks = len(tasks)
    looser = ask(services, LOOSER, apply=True)
    n_new = looser["newly_kept"]["n"]
    assert n_new > 0
    assert len(tasks) == n_tasks + looser["n_to_publish"]
    assert looser["applied"]["n_withdrawn"] == looser["n_to_withdraw"]
    stricter = ask(services, STRICTER, apply=True, name="a2")
    withdrawn = [s for s in store.candidates(run_id="run1") if s.is_withdrawn]
    assert withdrawn
    assert all(s.state == "dropped" for s in withdrawn)
    assert {s.review_task for s in withdrawn} == {
        id_ for id_, task in tasks.items() if task["data"]["draw"] == WITHDRAWN_DRAW
    }
    survivors = store.candidates(run_id="run1", states=("survivor",))
    assert len(survivors) == stricter["funnel"]["after"]["n_survivors"]
    assert all(
        0 <= s.draw < 1 and tasks[s.review_task]["data"]["draw"] == s.draw for s in survivors
    )
    assert store.funnel(run_id="run1").is_balanced
    # the next run is screened alike, and what it would take is known from this one
    assert store.project("p1").recipe_hash == stricter["recipe_hash"] != old_project.recipe_hash
    assert outlook.recipe_of(store, store.run("run1")).hash == stricter["recipe_hash"]
    assert [event.event for event in store.events("p1")] == ["rescreened", "rescreened"]


def test_back_to_the_first_settings_everything_is_as_it_was(project):
    services, old, _ = project
    store, tasks = services.store, services.label_studio.stored
    before = everything(store)
    ask(services, STRICTER, apply=True)
    assert everything(store) != before
    back = {"filters": dict(old.recipe["filters"])}
    result = ask(services, back, apply=True, name="a2")
    after = everything(store)
    assert {id_: row[:4] for id_, row in after.items()} == {i: r[:4] for i, r in before.items()}
    assert {id_: row[5] for id_, row in after.items()} == {i: r[5] for i, r in before.items()}
    assert result["applied"]["n_restored"] > 0
    # what only the stricter settings had let in, and was published then, is out again
    withdrawn = {s.candidate.id for s in store.candidates(run_id="run1") if s.is_withdrawn}
    assert all(before[id_][0] == "dropped" for id_ in withdrawn)
    survivors = store.candidates(run_id="run1", states=("survivor",))
    assert all(tasks[s.review_task]["data"]["draw"] == s.draw for s in survivors)
    history = [f for id_ in before for f in store.former_decisions(id_)]
    assert {f.recipe_hash for f in history} == {old.recipe_hash, result_hash(STRICTER, old)}


def result_hash(changes, project):
    return rescreen.new_recipe(project, changes).hash


@pytest.mark.parametrize("choice", ["accept", "reject"])
def test_what_a_person_judged_stays_and_is_named(project, choice):
    services, _, _ = project
    store = services.store
    dry = ask(services, STRICTER)
    judged = dry["newly_dropped"]["examples"][0]["id"]
    # the message about the verdict was lost: it is found by asking Label Studio
    services.label_studio.judge(store.candidate(judged).review_task, choice)
    result = ask(services, STRICTER, apply=True, name="a2")
    kept = store.candidate(judged)
    assert (kept.state, kept.is_withdrawn) == ("survivor", False)
    assert kept.verdict.status == {"accept": "ACCEPTED", "reject": "REJECTED"}[choice]
    assert not store.decisions(judged)[-1].keep
    assert [e["id"] for e in result["kept_by_verdict"]["examples"]] == [judged]
    assert result["newly_dropped"]["n"] == dry["newly_dropped"]["n"] - 1
    assert services.label_studio.stored[kept.review_task]["data"]["draw"] < 1


def test_a_verdict_given_while_it_is_withdrawn_counts(project):
    services, _, _ = project
    store, server = services.store, services.label_studio
    late = ask(services, STRICTER)["newly_dropped"]["examples"][0]["id"]
    task = store.candidate(late).review_task
    plain = server.task
    server.annotated_tasks = lambda project: []  # it is given after the verdicts were read

    def judged_in_the_meantime(id_):
        if id_ == task and not server.stored[task]["annotations"]:
            server.judge(task, "accept")
        return plain(id_)

    server.task = judged_in_the_meantime
    result = ask(services, STRICTER, apply=True, name="a2")
    assert result["applied"]["n_judged_meanwhile"] == 1
    found = store.candidate(late)
    assert (found.state, found.verdict.status, found.is_withdrawn) == (
        "survivor",
        "ACCEPTED",
        False,
    )
    assert server.stored[task]["data"]["draw"] < 1


def test_a_verdict_on_a_withdrawn_task_brings_its_candidate_back(project):
    services, _, _ = project
    store = services.store
    ask(services, STRICTER, apply=True)
    late = next(s for s in store.candidates(run_id="run1") if s.is_withdrawn)
    services.label_studio.judge(late.review_task, "accept")
    verdicts.read_task(services, "p1", late.review_task)
    found = store.candidate(late.candidate.id)
    assert (found.state, found.stage, found.verdict.status) == ("survivor", "", "ACCEPTED")
    assert store.funnel(run_id="run1").is_balanced
    result = ask(services, {}, apply=True, name="a2")  # its task goes back to where it was
    assert result["applied"]["n_restored"] == 1
    assert services.label_studio.stored[late.review_task]["data"]["draw"] == late.draw


def test_a_late_verdict_counts_also_where_its_reading_was_interrupted(project, monkeypatch):
    services, _, _ = project
    store = services.store
    ask(services, STRICTER, apply=True)
    late = next(s for s in store.candidates(run_id="run1") if s.is_withdrawn)
    services.label_studio.judge(late.review_task, "accept")

    def killed(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "reinstate", killed)
        with pytest.raises(KeyboardInterrupt):
            verdicts.read_task(services, "p1", late.review_task)
    verdicts.sync(services, "p1")
    assert store.candidate(late.candidate.id).state == "survivor"


def test_interrupted_it_goes_on_and_says_what_it_said_at_first(project):
    services, _, _ = project
    store, server = services.store, services.label_studio
    expected = ask(services, LOOSER)
    server.is_away = True
    with pytest.raises(LabelStudioError):
        ask(services, LOOSER, apply=True, name="a2")
    server.is_away = False
    result = rescreen.perform(services, store.analysis("a2"))
    assert result["newly_kept"] == expected["newly_kept"]
    assert result["funnel"] == expected["funnel"]
    published = store.candidates(run_id="run1", states=("survivor",))
    assert all(s.review_task in server.stored for s in published)
    assert len({task["data"]["cid"] for task in server.stored.values()}) == len(server.stored)
    assert len(store.events("p1")) == 1


def test_nothing_is_written_where_the_review_project_could_not_take_what_is_new(project):
    services, _, _ = project
    before = everything(services.store)
    services.label_studio.xml = '<View><Text name="source" value="$original"/></View>'
    with pytest.raises(LabelConfigError):
        ask(services, LOOSER, apply=True)
    assert everything(services.store) == before


def test_a_task_that_somebody_deleted_is_no_obstacle(project):
    services, _, _ = project
    store, server = services.store, services.label_studio
    gone = ask(services, STRICTER)["newly_dropped"]["examples"][0]["id"]
    del server.stored[store.candidate(gone).review_task]
    result = ask(services, STRICTER, apply=True, name="a2")
    assert store.candidate(gone).state == "dropped"
    assert result["applied"]["n_withdrawn"] == result["n_to_withdraw"] - 1


def test_runs_are_compared_with_each_other_as_they_came(project):
    services, saved, _ = project
    store = services.store
    sources = store.sources("p1")
    grown.add_run(services, saved, sources, "run2")
    before = everything(store) | everything(store, "run2")
    result = ask(services, {}, apply=True)
    assert result["runs"] == ["run1", "run2"]
    assert everything(store) | everything(store, "run2") == before


def test_one_run_alone_is_changed_and_the_recipe_stays(project):
    services, saved, _ = project
    store = services.store
    grown.add_run(services, saved, store.sources("p1"), "run2")
    other = everything(store)
    result = ask(services, STRICTER, apply=True, run="run2")
    assert result["runs"] == ["run2"]
    assert result["newly_dropped"]["n"] > 0
    assert everything(store) == other
    assert store.project("p1").recipe_hash == saved.recipe_hash


def test_a_filter_that_is_as_it_was_is_not_run_again(project, monkeypatch):
    services, _, _ = project
    seen = []
    screen = Similarity.screen

    def noting(self, candidates, context):
        seen.extend(candidates)
        return screen(self, candidates, context)

    monkeypatch.setattr(Similarity, "screen", noting)
    ask(services, {"keep_fraction": 0.5})
    assert not seen
    ask(services, STRICTER, name="a2")
    assert len(seen) == 60
    ask(services, {"keep_fraction": 0.5}, fresh=True, name="a3")
    assert len(seen) == 120


def test_a_learned_minimum_follows_the_scores_of_the_filter_that_changed(project):
    services, _, _ = project
    floor = {"minimum_scores": {"minimums": {"similarity": 0.72}}}
    first = ask(services, {"filters": floor}, apply=True)
    assert any(row["stage"] == "minimum_scores" for row in first["funnel"]["after"]["dropped"])
    # a laxer copy check raises the scores of those near to their source; the floor must see that
    both = {"filters": {"similarity": {"max_same_words": 1.0}}}
    again = ask(services, both, name="a2")
    counts = {e["filter"]: e for e in again["filters"]}["minimum_scores"]
    assert counts["before"]["n_dropped"] > 0
    assert counts["after"]["n_dropped"] < counts["before"]["n_dropped"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": {"user": "x"}}, "'prompt' cannot be changed by a re-screening"),
        ({"filters": {"similarity": {"minimum": 2}}}, "'minimum' should be less than"),
        ({"filters": {"similarity": {"least": 0.5}}}, "unknown key 'least'"),
        ({"keep_fraction": 0}, "keep_fraction"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(project, changes, message):
    _, saved, _ = project
    with pytest.raises(RecipeError) as caught:
        rescreen.new_recipe(saved, changes)
    assert message in caught.value.message


def test_of_a_whole_recipe_the_screening_settings_count_and_the_rest_is_named(project):
    _, saved, _ = project
    document = {"technique": "paraphrase", "n_candidates": 7, "keep_fraction": 0.6}
    changes, left = rescreen.changes_of(saved, document)
    assert changes["keep_fraction"] == 0.6
    assert set(changes) == set(outlook.SCREENING_KEYS)
    assert left == ["n_candidates"]
    with pytest.raises(RecipeError, match="is for qa; Clauses grows paraphrase"):
        rescreen.changes_of(saved, {"technique": "qa"})


def test_only_finished_runs_can_be_screened_again(project):
    services, saved, _ = project
    store = services.store
    assert [r.id for r in rescreen.scope(store, saved, None)[0]] == ["run1"]
    store.update_run("run1", state="failed")
    with pytest.raises(UserError, match=r"no finished run to screen again.*is failed"):
        rescreen.scope(store, saved, None)
    with pytest.raises(NotFoundError):
        rescreen.scope(store, saved, "run9")


def test_a_judge_that_was_not_asked_cannot_be_switched_on(project):
    services, saved, run = project
    recipe = rescreen.new_recipe(saved, {"judge": {"enabled": True}})
    with pytest.raises(UserError, match="was not judged"):
        rescreen.check_judge(services.store, recipe, [run])
    asked = dataclasses.replace(saved, recipe=recipe.model_dump(mode="json"))
    services.store.save_recipe(recipe.hash, asked.recipe)
    judged = dataclasses.replace(run, recipe_hash=recipe.hash)
    rescreen.check_judge(services.store, recipe, [judged])
    other = rescreen.new_recipe(asked, {"judge": {"rubric": {"polite": "Is it polite?"}}})
    with pytest.raises(UserError, match="other questions"):
        rescreen.check_judge(services.store, other, [judged])


@pytest.fixture
def judged(tmp_path):
    """A project whose judge approves of everything."""
    judge = {"enabled": True, "minimum_grade": 1, "minimum": 0.0}
    services, project, run = grown.grow(f"sqlite:///{tmp_path}/store.db", judge=judge)
    yield services, project, run
    services.store.close()


@pytest.mark.parametrize("detour", [STRICTER, {"judge": {"enabled": False}}])
def test_what_the_judge_said_is_not_lost_on_a_detour(judged, detour):
    services, old, _ = judged
    before = everything(services.store)
    assert any(d.filter == "judge" for row in before.values() for d in row[5] or ())
    ask(services, detour, apply=True)
    back = {"filters": dict(old.recipe["filters"]), "judge": {"enabled": True}}
    result = ask(services, back, apply=True, name="a2")
    assert result["n_not_judged"] == 0
    after = everything(services.store)  # all but the draws, which stay once they are given
    assert {i: row[:4] + row[5:] for i, row in after.items()} == {
        i: row[:4] + row[5:] for i, row in before.items()
    }


def test_what_was_never_judged_stays_out_however_often_it_is_screened_again(judged):
    services, _, _ = judged
    first = ask(services, LOOSER, apply=True)
    assert first["n_not_judged"] > 0
    before = everything(services.store)
    again = ask(services, {"keep_fraction": 0.64}, name="a2")
    assert again["n_not_judged"] == first["n_not_judged"]
    ask(services, {}, apply=True, name="a3")
    assert everything(services.store) == before


def test_quotas_count_what_other_runs_kept(tmp_path):
    fields = {"question_field": "paraphrase", "answer_field": "paraphrase"}
    mix = {**fields, "source_field": "original", "max_per_document": 9}
    services, saved, _ = grown.grow(f"sqlite:///{tmp_path}/store.db", filters={"question_mix": mix})
    store = services.store
    grown.add_run(services, saved, store.sources("p1"), "run2")
    before = everything(store) | everything(store, "run2")
    assert "document_full" in {row[2] for row in everything(store, "run2").values()}
    ask(services, {}, apply=True)
    assert everything(store) | everything(store, "run2") == before
    ask(services, {}, apply=True, run="run2", name="a2")
    assert everything(store) | everything(store, "run2") == before
    store.close()


def test_what_another_worker_has_done_meanwhile_is_not_done_again(project):
    services, _, _ = project
    store, queues = services.store, services.queues
    plain, done = queues.project_lock, []

    def slow_lock(project_id):
        if not done:  # the same analysis, taken up by a worker that was quicker
            done.append(True)
            rescreen.perform(services, store.analysis("a1"))
        return plain(project_id)

    queues.project_lock = slow_lock
    result = ask(services, STRICTER, apply=True)
    assert result["newly_dropped"]["n"] > 0
    assert result == store.analysis("a1").result
    assert len(store.events("p1")) == 1
