from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from seedbed.errors import NotFoundError, UserError
from seedbed_backend.store import Batch, Run
from store.world import World


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
