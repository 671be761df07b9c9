from collections import Counter

import pytest

from seedbed_backend import planner
from seedbed_backend.planner import Goal, Progress, Yield

GOAL = Goal(target=100, budget=500, over_generation=3.0)


def progress(*waves):
    made = Progress()
    for wave in waves:
        made = made.after(Yield(*wave))
    return made


def size(n_attempts, n_kept, goal=GOAL):
    made = progress((n_attempts, n_kept)) if n_attempts else Progress()
    return planner.wave_size(goal, made)


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
    assert size(40, 20) in range(160, 190)
    # 10 of 40 kept: 90 missing, about 350 expected.
    assert size(40, 10) in range(345, 380)


def test_the_more_is_known_the_less_is_added():
    assert size(160, 80) - 2 * (100 - 80) < planner.MAX_SPARE
    assert size(190, 95) - 2 * (100 - 95) < size(160, 80) - 2 * (100 - 80)


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


def test_the_last_wave_tells_how_it_goes_on_filled_up_to_40_attempts():
    assert progress((40, 20), (200, 50)).evidence == Yield(200, 50)
    small = progress((100, 50), (10, 1))
    assert small.done == Yield(110, 51)
    assert small.evidence == Yield(40, 16)  # 10 of now, and 30 of the 100 before
    assert progress((10, 5), (10, 1)).evidence == Yield(20, 6)
    # A yield that falls while a run grows: the next wave counts with the lower one.
    fallen = planner.wave_size(GOAL, progress((40, 30), (100, 40)))
    assert fallen > planner.wave_size(GOAL, progress((40, 20), (100, 50)))


def test_completions_of_few_sources_tell_less():
    def width(n_sources):
        a, b = planner.posterior(GOAL, Yield(40, 20, n_sources))
        return (a * b / (a + b + 1)) ** 0.5 / (a + b)

    assert width(40) == width(0) < width(10)
    # 4 of each source: a design effect of 1.6.
    a, b = planner.posterior(GOAL, Yield(40, 20, 10))
    assert a + b == pytest.approx(planner.PRIOR_ATTEMPTS + 40 / 1.6)


def test_a_warm_up_asks_each_source_as_often_as_the_whole_run():
    assert planner.warm_up_share(GOAL, 1000) == 1
    assert planner.warm_up_share(GOAL, 100) == 3
    assert planner.warm_up_share(GOAL, 5) == 5  # 8 sources at least, where there are so many
    sources = [f"s{i}" for i in range(100)]
    made = planner.spread(
        run_id="r", wave=1, n_attempts=40, source_ids=sources, n_done={}, per_source=3
    )
    counts = [n for batch in made for _, _, n in batch.items]
    assert sorted(counts) == [1] + [3] * 13
    few = planner.spread(
        run_id="r", wave=1, n_attempts=40, source_ids=sources[:3], n_done={}, per_source=5
    )
    assert sum(n for batch in few for _, _, n in batch.items) == 40


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
