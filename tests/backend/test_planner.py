from collections import Counter

from seedbed_backend import planner


def size(**changes):
    arguments = {
        "target": 100, "over_generation": 3.0, "budget": 500, "n_attempts": 0, "n_expected": 0.0,
    }  # fmt: skip
    return planner.wave_size(**(arguments | changes))


def test_the_first_wave_is_over_generation_times_the_target():
    assert size() == 300


def test_no_run_makes_more_than_five_attempts_per_survivor():
    assert planner.budget(100) == 500
    assert size(n_attempts=300, n_expected=1.0) == 200


def test_a_later_wave_is_sized_by_the_yield_with_a_margin():
    assert size(n_attempts=300, n_expected=75.0) == 110  # 25 missing x 4 attempts each x 1.1


def test_a_run_with_enough_survivors_ends():
    assert size(n_attempts=300, n_expected=100.0) == 0


def test_a_run_without_any_survivor_is_not_repeated():
    assert size(n_attempts=300, n_expected=0.0) == 0


def test_attempts_are_dealt_evenly_and_indices_go_on():
    batches = planner.spread(
        run_id="r",
        wave=2,
        n_attempts=25,
        source_ids=[f"s{i}" for i in range(10)],
        n_done={"s3": 7},
    )
    counts = Counter({source: n for batch in batches for source, _, n in batch.items})
    assert counts.total() == 25
    assert set(counts.values()) == {2, 3}
    assert {first for b in batches for source, first, _ in b.items if source == "s3"} == {7}
    assert [len(batch.items) for batch in batches] == [8, 2]


def test_fewer_attempts_than_sources_choose_sources_reproducibly():
    def chosen(run_id):
        sources = [f"s{i}" for i in range(40)]
        batches = planner.spread(run_id=run_id, wave=1, n_attempts=5, source_ids=sources, n_done={})
        return [source for batch in batches for source, _, _ in batch.items]

    assert len(chosen("a")) == 5
    assert chosen("a") == chosen("a") != chosen("b")
