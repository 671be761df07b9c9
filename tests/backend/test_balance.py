"""Generation is steered to the labels that lack survivors; whole runs are simulated."""

import random
from collections import Counter

import pytest

from seedbed_backend import balance, planner
from seedbed_backend.balance import LabelState
from seedbed_backend.planner import Goal, Progress, Yield

GOAL = Goal(target=100, budget=500, over_generation=3.0)


def simulate(label_shares, n_sources, yields, goal=GOAL, rng_seed=1):
    """Run wave after wave with these yields; return kept and attempts by label, and the waves."""
    rng = random.Random(rng_seed)
    kept, attempts, progress, waves = Counter(), Counter(), Progress(), []
    shares = balance.wanted_shares(label_shares, n_sources)
    while True:
        states = [
            LabelState(k, share, n_sources.get(k, 0), attempts[k], kept[k])
            for k, share in shares.items()
        ]
        needs = balance.needs(states, goal)
        size = planner.wave_size(goal, balance.counted(needs, progress))
        dealt = balance.allot(size, needs)
        if not dealt:
            return kept, attempts, waves
        assert sum(dealt.values()) <= size
        waves.append(dealt)
        n_kept = 0
        for label, n in dealt.items():
            got = sum(rng.random() < yields[label] for _ in range(n))
            attempts[label] += n
            kept[label] += got
            n_kept += got
        progress = progress.after(Yield(sum(dealt.values()), n_kept, sum(dealt.values())))


def test_a_rare_label_gets_its_share_although_few_seeds_have_it():
    n_sources = {"groceries": 80, "transport": 15, "fraud": 5}
    kept, attempts, _ = simulate({"fraud": 0.3}, n_sources, dict.fromkeys(n_sources, 0.5))
    assert kept["fraud"] == pytest.approx(30, abs=4)
    assert kept.total() == pytest.approx(100, abs=10)
    assert attempts.total() <= GOAL.budget
    # Those without a share divide the rest as the seeds do: 80 to 15.
    assert kept["groceries"] / kept["transport"] == pytest.approx(80 / 15, rel=0.3)


def test_a_label_that_fails_more_often_is_asked_more_often():
    n_sources = {"easy": 50, "hard": 50}
    kept, attempts, waves = simulate(
        {"easy": 0.5, "hard": 0.5}, n_sources, {"easy": 0.8, "hard": 0.3}
    )
    assert waves[0]["easy"] == waves[0]["hard"]
    assert attempts["hard"] > 1.8 * attempts["easy"]
    assert kept["hard"] == pytest.approx(50, abs=6)
    assert kept["easy"] == pytest.approx(50, abs=8)


def test_what_one_label_cannot_give_the_others_do_not_make_up_for():
    n_sources = {"easy": 50, "impossible": 50}
    kept, attempts, _ = simulate({"impossible": 0.5}, n_sources, {"easy": 0.5, "impossible": 0.0})
    assert kept["impossible"] == 0
    assert attempts["impossible"] in range(balance.BARREN_ATTEMPTS, 60)
    assert kept["easy"] == pytest.approx(50, abs=10)


def test_a_hard_label_spends_five_attempts_for_each_one_of_its_quota_and_no_more():
    n_sources = {"easy": 50, "hard": 50}
    _, attempts, _ = simulate({"hard": 0.4}, n_sources, {"easy": 0.6, "hard": 0.1})
    assert attempts["hard"] <= 5 * 40
    assert attempts["hard"] > 150


def test_a_label_without_sources_is_never_asked():
    kept, attempts, _ = simulate(
        {"fraud": 0.2}, {"groceries": 10, "rent": 10}, {"groceries": 0.5, "rent": 0.5}
    )
    assert attempts["fraud"] == 0
    assert kept.total() == pytest.approx(80, abs=9)


def test_a_share_of_zero_asks_for_none():
    _, attempts, _ = simulate({"a": 0.0}, {"a": 10, "b": 10}, {"a": 0.5, "b": 0.5})
    assert attempts["a"] == 0


def test_labels_without_a_share_keep_the_sources_proportions():
    shares = balance.wanted_shares({"fraud": 0.2}, {"fraud": 2, "rent": 30, "salary": 10})
    assert shares == pytest.approx({"fraud": 0.2, "rent": 0.6, "salary": 0.2})


def test_attempts_are_dealt_within_groups_evenly():
    groups = {f"s{i}": "rare" if i < 2 else "common" for i in range(10)}
    made = planner.spread(
        run_id="r", wave=1, n_attempts=20, source_ids=list(groups), n_done={},
        by_group={"rare": 12, "common": 8}, groups=groups,
    )  # fmt: skip
    counts = Counter()
    for batch in made:
        for source, _, n in batch.items:
            counts[source] += n
    assert counts["s0"] == counts["s1"] == 6
    assert {n for s, n in counts.items() if groups[s] == "common"} == {1}


def test_rounding_keeps_the_sum():
    assert balance.round_shares({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}) == {"a": 1, "b": 0, "c": 0}
    assert sum(balance.round_shares({"a": 33.3, "b": 33.3, "c": 33.4}).values()) == 100
