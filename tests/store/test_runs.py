from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from seedbed.errors import NotFoundError, UserError
from seedbed_backend.store import Batch, Effort, Run
from store.world import World, completion


def test_run_is_created_once(world: World):
    assert not world.store.create_run(replace(world.run, target=99))
    assert world.store.run("run1") == world.run


def test_runs_newest_first(world: World):
    newer = Run("run0", "p1", "r1", 1, 1)
    assert world.store.create_run(newer)
    assert world.store.runs("p1") == [newer, world.run]
    assert world.store.runs("p2") == []


def test_update_run(world: World):
    changes = {"state": "failed", "wave": 2, "error": "no\0 model", "model_name": "m.gguf"}
    world.store.update_run("run1", **changes)
    world.store.update_run("run1")
    assert world.store.run("run1") == replace(
        world.run, state="failed", wave=2, error="no\ufffd model", model_name="m.gguf"
    )


def test_update_run_refuses_what_was_asked_for(world: World):
    with pytest.raises(TypeError, match="a run's target cannot change"):
        world.store.update_run("run1", target=5)


def test_unknown_state_is_refused(world: World):
    with pytest.raises(UserError, match="refused a row"):
        world.store.update_run("run1", state="sleeping")


def test_unknown_run_names_the_known_ones(world: World):
    for call in (world.store.run, lambda id: world.store.update_run(id, wave=1)):
        with pytest.raises(NotFoundError, match=r"No run has the id 'nope'\. Known: run1\."):
            call("nope")


def test_run_of_an_unknown_project_is_refused(world: World):
    with pytest.raises(UserError, match="refused a row"):
        world.store.create_run(replace(world.run, id="run2", project_id="nope"))


def test_batches_are_saved_once(world: World):
    later = Batch("a2", "run1", 2, ((world.sources[0].id, 6, 1),))
    assert world.store.add_batches([world.batch, later]) == 1
    assert world.store.batch("b1") == world.batch
    assert world.store.batches("run1") == [world.batch, later]
    assert world.store.batches("run1", wave=2) == [later]
    with pytest.raises(NotFoundError, match="Known: a2, b1"):
        world.store.batch("nope")


def test_set_batch_state(world: World):
    world.store.set_batch_state("b1", "screened")
    assert world.store.batch("b1").state == "screened"


def test_exactly_one_caller_advances(world: World):
    def advance(_: int) -> tuple[bool, bool]:
        return (
            world.store.advance_batch("b1", "queued", "generated"),
            world.store.advance_run("run1", "generating", "publishing", wave=1),
        )

    with ThreadPoolExecutor(6) as pool:
        batch, run = zip(*pool.map(advance, range(6)), strict=True)
    assert (sum(batch), sum(run)) == (1, 1)
    assert not world.store.advance_batch("b1", "queued", "generated")
    assert world.store.run("run1") == replace(world.run, state="publishing", wave=1)


def test_a_run_knows_its_sources_and_by_how_much_some_are_too_long(world: World):
    fits, too_long = (source.id for source in world.sources)
    run = Run("run2", "p1", "r1", 1, 5)
    assert world.store.create_run(run, {fits: 0, too_long: 12})
    assert world.store.run_sources("run2") == {fits: 0, too_long: 12}
    assert not world.store.create_run(run, {"other": 0})
    assert "other" not in world.store.run_sources("run2")


def test_a_warm_up_becomes_a_run_once(world: World):
    fits, new = (source.id for source in world.sources)
    world.store.create_run(Run("warm", "p1", "r1", 10, 50, kind="warm_up"), {fits: 0})
    world.store.update_run("warm", state="done", finished_at="2025", outcome={"n_kept": 3})

    def adopt(_: int) -> bool:
        return world.store.adopt_run("warm", 20, 100, {fits: 0, new: 0})

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(adopt, range(4))) == 1
    run = world.store.run("warm")
    assert (run.kind, run.state, run.target, run.budget) == ("run", "generating", 20, 100)
    assert (run.finished_at, run.outcome) == (None, {"n_kept": 3})
    assert set(world.store.run_sources("warm")) == {fits, new}
    assert not world.store.adopt_run("run1", 1, 5, {})


def test_what_a_batch_took_adds_up(world: World):
    source = world.sources[0].id
    for name in ("c1", "c2"):
        rows = [(completion(name, source), {"paraphrase": "Zwei"}, "")]
        world.store.save_completions("run1", "b1", rows, Effort(1.5, 100, 0.5, 40, 1.0))
    assert world.store.batch("b1").effort == Effort(3.0, 200, 1.0, 80, 2.0)
    assert world.store.advance_batch("b1", "queued", "screened", screen_seconds=0.25)
    assert world.store.batch("b1").screen_seconds == 0.25
    assert world.store.batch("b1").n_attempts == 6


def test_what_a_trial_grew_stays_apart(world: World):
    source = world.sources[0].id
    world.complete("c1", fields={"paraphrase": "Zwei"})
    world.store.create_run(Run("trial", "p1", "r1", 1, 5, kind="trial"))
    world.store.add_batches([Batch("b2", "trial", 1, ((source, 0, 1),))])
    rows = [(completion("c2", source), {"paraphrase": "Drei"}, "")]
    world.store.save_completions("trial", "b2", rows)
    store = world.store
    assert [c.candidate.id for c in store.candidates(project_id="p1")] == ["c1"]
    assert [c.candidate.id for c in store.candidates_by_source(source, "p1")] == ["c1"]
    assert store.funnel(project_id="p1").n_attempts == store.funnel().n_attempts == 1
    assert [c.candidate.id for c in store.candidates(run_id="trial")] == ["c2"]
    assert [c.candidate.id for c in store.candidates(batch_id="b2")] == ["c2"]
    assert store.funnel(run_id="trial").n_attempts == 1


def test_the_funnel_of_one_wave(world: World):
    world.complete("c1", "c2", fields={"paraphrase": "Zwei"})
    world.store.add_batches([Batch("b2", "run1", 2, ((world.sources[0].id, 6, 1),))])
    rows = [(completion("c3", world.sources[0].id), None, "not_json")]
    world.store.save_completions("run1", "b2", rows)
    assert world.store.funnel(run_id="run1").n_attempts == 3
    assert world.store.funnel(run_id="run1", wave=1).n_attempts == 2
    assert world.store.funnel(run_id="run1", wave=2).n_dropped == 1
    assert world.store.funnel(run_id="run1", wave=0).n_attempts == 0
