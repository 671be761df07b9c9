from collections import Counter

import pytest

from seedbed_backend import planner
from seedbed_backend.planner import Goal, Yield

GOAL = Goal(target=100, budget=500, over_generation=3.0)


def size(n_attempts, n_kept, goal=GOAL):
    return planner.wave_size(goal, Yield(n_attempts, n_kept))


def batches(n_attempts, source_ids, n_done=None, run_id="r", wave=1):
    return planner.spread(
        run_id=run_id, wave=wave, n_attempts=n_attempts, source_ids=source_ids, n_done=n_done or {}
    )


def test_the_first_wave_is_a_warm_up_and_never_more_than_the_whole_run():
    assert size(0, 0) == 40
    assert size(0, 0, Goal(5, 25, 3.0)) == 15
    assert size(0, 0, Goal(1, 5, 4.5)) == 5


def test_no_run_makes_more_than_five_attempts_per_survivor():
    assert planner.budget(100) == 500
    assert size(300, 1) == 200
    assert size(500, 99) == 0


def test_the_main_wave_is_sized_by_the_yield_of_the_warm_up():
    # 20 of 40 kept: 80 are missing, 160 attempts expected; the spare is what a further wave costs.
    assert size(40, 20) in range(165, 201)
    # 10 of 40 kept: 90 missing, about 350 expected.
    assert size(40, 10) in range(345, 400)


def test_the_more_is_known_the_less_is_added():
    unsure = size(40, 20) / ((100 - 20) * 2)
    sure = size(160, 80) / ((100 - 80) * 2)
    assert unsure > 1
    assert size(160, 80) - 40 < 20
    assert sure < 1.5


def test_what_the_final_filters_drop_is_grown_too():
    goal = Goal(65, 325, 3.0, final_share=0.65)
    assert goal.n_wanted == 100
    assert size(200, 99, goal) > 0
    assert size(200, 100, goal) == 0


def test_a_run_with_enough_survivors_ends():
    assert size(300, 100) == 0


def test_a_run_without_any_survivor_stops_once_that_is_no_accident():
    assert size(40, 0) == 0
    assert size(14, 0) > 0
    assert size(3, 0, Goal(1, 5, 3.0)) == 2


def test_the_prior_is_what_the_recipe_starts_with():
    a, b = planner.posterior(GOAL, Yield())
    assert a / (a + b) == pytest.approx(1 / 3)
    a, b = planner.posterior(Goal(100, 500, 4.0, 0.5), Yield())
    assert a / (a + b) == pytest.approx(1 / 2)
    a, b = planner.posterior(GOAL, Yield(400, 40))
    assert a / (a + b) == pytest.approx(0.1, abs=0.01)


def test_chance_is_that_of_a_beta_binomial():
    import numpy as np

    rng = np.random.default_rng(1)
    kept = rng.binomial(150, rng.beta(22.0, 22.0, 20_000))
    for missing in (55, 75, 90):
        assert planner.chance(150, missing, 22.0, 22.0) == pytest.approx(
            np.mean(kept >= missing), abs=0.02
        )


def test_attempts_are_dealt_evenly_and_indices_go_on():
    made = batches(25, [f"s{i}" for i in range(10)], {"s3": 2}, wave=2)
    counts = Counter({source: n for batch in made for source, _, n in batch.items})
    assert counts.total() == 25
    totals = counts + Counter({"s3": 2})
    assert set(totals.values()) == {2, 3}
    assert {first for b in made for source, first, _ in b.items if source == "s3"} <= {2}


def test_sources_that_the_warm_up_left_out_come_first():
    sources = [f"s{i}" for i in range(10)]
    first = batches(4, sources)
    done = Counter({source: n for batch in first for source, _, n in batch.items})
    second = batches(6, sources, done, wave=2)
    assert {item[0] for batch in second for item in batch.items} == set(sources) - set(done)


def test_fewer_attempts_than_sources_choose_sources_reproducibly():
    def chosen(run_id):
        made = batches(5, [f"s{i}" for i in range(40)], run_id=run_id)
        return [source for batch in made for source, _, _ in batch.items]

    assert len(chosen("a")) == 5
    assert chosen("a") == chosen("a") != chosen("b")


@pytest.mark.parametrize(
    ("n_attempts", "n"),
    [(1, 1), (40, 1), (79, 1), (80, 2), (200, 4), (640, 4), (641, 5), (2000, 13)],
)
def test_batches_are_large_but_several(n_attempts, n):
    made = batches(n_attempts, [f"s{i}" for i in range(100)])
    assert len(made) == n == planner.n_batches(n_attempts)
    sizes = [batch.n_attempts for batch in made]
    assert sum(sizes) == n_attempts
    assert max(sizes) <= planner.ATTEMPTS_PER_BATCH + max(i[2] for b in made for i in b.items)


def test_one_source_is_cut_over_batches():
    made = batches(400, ["s"], {"s": 10})
    assert [batch.items for batch in made] == [(("s", 10 + 100 * i, 100),) for i in range(4)]
