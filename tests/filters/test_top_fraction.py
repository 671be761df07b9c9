import pytest

from filters.support import candidate, context
from seedbed.recipe import Recipe
from seedbed_backend.filters import configure
from seedbed_backend.filters.top_fraction import TopFraction


def screen(groups, scores, keep_fraction=0.65):
    made = [candidate(id, {"n": id}, group) for id, group in groups]
    return TopFraction(keep_fraction=keep_fraction).screen(made, context(scores=scores))


def test_keeps_the_best_of_each_stratum_rounded_up():
    groups = [(f"{group}{n}", group) for group in "xy" for n in range(5)]
    scores = {id: {"a": int(id[1]) / 10} for id, _ in groups}
    decisions = screen(groups, scores, 0.5)
    assert [d.candidate_id for d in decisions if d.keep] == ["x2", "x3", "x4", "y2", "y3", "y4"]
    assert {d.reason for d in decisions if not d.keep} == {"below_top_fraction"}
    assert decisions[0].evidence == {"rank": 5, "n_kept": 3, "n_stratum": 5}


def test_a_small_stratum_keeps_at_least_one():
    decisions = screen([("a", "x"), ("b", "y")], {}, 0.05)
    assert [d.keep for d in decisions] == [True, True]


@pytest.mark.parametrize(("fraction", "n", "n_kept"), [(0.65, 20, 13), (0.65, 3, 2), (1.0, 7, 7)])
def test_counts_are_exact(fraction, n, n_kept):
    decisions = screen([(f"{i:02}", "") for i in range(n)], {}, fraction)
    assert sum(d.keep for d in decisions) == n_kept


def test_quality_is_the_mean_of_the_scores_and_equals_go_by_id():
    scores = {"a": {"s": 0.2, "t": 0.8}, "b": {"s": 0.5}, "c": {}}
    decisions = screen([("c", ""), ("b", ""), ("a", "")], scores, 0.3)
    assert [d.score for d in decisions] == [0.0, 0.5, 0.5]
    assert [d.candidate_id for d in decisions if d.keep] == ["a"]


def test_takes_the_recipes_keep_fraction_and_ranks_last():
    built = configure(Recipe(technique="paraphrase", keep_fraction=0.4))
    assert (built[-1].name, built[-1].expected_share) == ("top_fraction", 0.4)
