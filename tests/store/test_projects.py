from __future__ import annotations

import pytest

from seedbed.errors import NotFoundError, UserError
from seedbed.records import SourceTask
from seedbed_backend.store import Store
from store.world import World, a_project


def test_project_round_trip(store: Store):
    store.save_project(a_project())
    assert store.project("p1") == a_project()
    assert store.projects() == [a_project()]


def test_saving_again_changes_the_project_and_keeps_the_old_recipe(store: Store):
    store.save_project(a_project())
    changed = a_project(
        name="Tickets 2",
        recipe={"technique": "paraphrase", "n_candidates": 8},
        recipe_hash="r2",
        review_project=7,
    )
    store.save_project(changed)
    assert store.project("p1") == changed
    assert store.recipe("r1") == {"technique": "paraphrase", "n_candidates": 4}
    assert store.recipe("r2") == {"technique": "paraphrase", "n_candidates": 8}


def test_a_project_keeps_its_technique(store: Store):
    store.save_project(a_project())
    with pytest.raises(UserError, match="grows paraphrase, not qa"):
        store.save_project(a_project(technique="qa", recipe_hash="r2", recipe={}))
    with pytest.raises(NotFoundError, match="r2"):
        store.recipe("r2")


def test_unknown_project_names_the_known_ones(store: Store):
    with pytest.raises(NotFoundError, match=r"'nope'\. Known: none\."):
        store.project("nope")
    store.save_project(a_project())
    store.save_project(a_project(id="p2", technique="qa"))
    with pytest.raises(NotFoundError, match=r"'nope'\. Known: p1, p2\."):
        store.project("nope")
    with pytest.raises(NotFoundError, match=r"'nope'\. Known: p1, p2\."):
        store.add_sources("nope", [])


def test_project_by_label_studio(store: Store):
    store.save_project(a_project())
    assert store.project_by_label_studio(1) == (a_project(), "source")
    assert store.project_by_label_studio(2) == (a_project(), "review")
    assert store.project_by_label_studio(3) is None


def test_of_two_projects_with_one_label_studio_id_the_newer_counts(store: Store):
    newer = a_project(id="p0", created_at="2025-06-01T00:00:00.000000+00:00")
    store.save_project(newer)
    store.save_project(a_project())
    assert store.project_by_label_studio(1) == (newer, "source")


def test_sources_are_saved_once_in_their_order(world: World):
    more = [SourceTask.of({"text": str(n)}) for n in range(50)]
    assert world.store.add_sources("p1", [*world.sources, *more, more[0]]) == 50
    assert world.store.add_sources("p1", more) == 0
    assert world.store.sources("p1") == [*world.sources, *more]


def test_one_source_may_be_in_two_projects(world: World):
    world.store.save_project(a_project(id="p2"))
    assert world.store.add_sources("p2", world.sources) == 2


def test_a_source_learns_its_task_once(world: World):
    def linked(source: SourceTask, task: int) -> SourceTask:
        return SourceTask.of(source.fields, label_studio_task=task)

    one, two = world.sources
    assert world.store.add_sources("p1", [linked(one, 99), linked(two, 12)]) == 0
    found = {source.id: source.label_studio_task for source in world.store.sources("p1")}
    assert found == {one.id: 11, two.id: 12}
    assert world.store.source_by_task("p1", 12) == linked(two, 12)
    assert world.store.source_by_task("p1", 99) is None
    assert world.store.source("p1", one.id) == one
    assert world.store.source("p1", "nope") is None


def test_only_the_sources_asked_for(world: World):
    first, second = world.sources
    assert world.store.sources("p1", [second.id, "nope"]) == [second]
    assert world.store.sources("p1", [second.id, first.id]) == [first, second]
    assert world.store.sources("p1", []) == []
    assert world.store.source_groups("p1") == {first.id: "a", second.id: ""}
    assert world.store.count_sources("p1") == 2


def test_a_recipe_of_a_trial_is_kept(world: World):
    world.store.save_recipe("r9", {"technique": "paraphrase"})
    world.store.save_recipe("r9", {"technique": "qa"})
    assert world.store.recipe("r9") == {"technique": "paraphrase"}
