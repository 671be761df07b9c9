"""Filters of a wave may ask for what was kept before; nothing is read where none asks."""

from types import SimpleNamespace

import pytest

from filters.support import HashingEncoder, candidate
from seedbed.recipe import Recipe
from seedbed_backend import screening
from seedbed_backend.filters import configure


class Store:
    """Holds a project's candidates: `old` were kept by an earlier wave."""

    def __init__(self, old, new):
        self.old, self.new, self.n_reads, self.decisions = old, new, 0, []

    def undecided(self, run_id, names):
        return [self.stored(c) for c in self.new]

    def candidates(self, project_id, states):
        assert (project_id, set(states)) == ("p1", {"kept", "survivor"})
        self.n_reads += 1
        return [self.stored(c) for c in (*self.old, *self.new)]

    def stored(self, made):
        return SimpleNamespace(candidate=made, scores={}, score=None, project_id="p1")

    def save_decisions(self, decisions, changes, overruled):
        self.decisions += decisions


def made(number):
    return candidate(
        f"c{number}", {"passage": "Fees are due."}, "a.md", question=f"Fee {number}?", answer="due"
    )


@pytest.mark.parametrize(
    ("quotas", "n_reads", "n_kept"), [({}, 0, 3), ({"max_per_document": 4}, 1, 1)]
)
def test_a_quota_counts_what_earlier_waves_kept(quotas, n_reads, n_kept):
    store = Store([made(n) for n in range(3)], [made(n) for n in range(3, 6)])
    services = SimpleNamespace(store=store, encoder=HashingEncoder(), entailment=None)
    recipe = Recipe(technique="qa", filters={"question_mix": quotas} if quotas else {})
    stages = [f for f in configure(recipe) if f.name == "question_mix"]
    run = SimpleNamespace(id="r1", project_id="p1")
    screening.run_set_filters(services, recipe, stages, run)
    assert store.n_reads == n_reads
    assert sum(d.keep for d in store.decisions) == n_kept
