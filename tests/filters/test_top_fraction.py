import time

import numpy as np
import pytest

from filters.support import HashingEncoder, candidate, context
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed_backend.filters import configure
from seedbed_backend.filters.top_fraction import TopFraction

NOTICE = "Either party may end the contract by giving thirty days written notice"
AUDIT = "The supplier opens its books to an auditor once in every calendar year"


def screen(groups, scores, keep_fraction=0.65, **options):
    made = [candidate(id, {"n": id}, group) for id, group in groups]
    filter_ = TopFraction(keep_fraction=keep_fraction, **{"spread": 0, **options})
    return filter_.screen(made, context(scores=scores))


def screen_texts(texts, qualities, keep_fraction, spread):
    made = [candidate(f"c{n}", {"n": str(n)}, "", paraphrase=t) for n, t in enumerate(texts)]
    scores = {f"c{n}": {"judge": quality} for n, quality in enumerate(qualities)}
    filter_ = TopFraction(keep_fraction=keep_fraction, spread=spread)
    return filter_.screen(made, context(scores=scores))


def kept(decisions):
    return [d.candidate_id for d in decisions if d.keep]


def test_keeps_the_best_of_each_stratum():
    groups = [(f"{group}{n}", group) for group in "xy" for n in range(4)]
    scores = {id: {"a": int(id[1]) / 10} for id, _ in groups}
    decisions = screen(groups, scores, 0.5)
    assert kept(decisions) == ["x2", "x3", "y2", "y3"]
    assert {d.reason for d in decisions if not d.keep} == {"below_top_fraction"}
    assert decisions[0].evidence == {"rank": 4, "n_kept": 2, "n_stratum": 4, "scores": {"a": 0.0}}


def test_an_easy_document_cannot_crowd_out_a_hard_one():
    groups = [(f"{group}{n}", group) for group in "xy" for n in range(10)]
    scores = {id: {"a": 0.9 if id[0] == "x" else 0.2 + int(id[1]) / 100} for id, _ in groups}
    decisions = screen(groups, scores, 0.6)
    assert sum(d.candidate_id[0] == "y" for d in decisions if d.keep) == 6


@pytest.mark.parametrize(("fraction", "n", "n_kept"), [(0.65, 20, 13), (0.65, 3, 2), (1.0, 7, 7)])
def test_counts_are_exact(fraction, n, n_kept):
    decisions = screen([(f"{i:02}", "") for i in range(n)], {}, fraction)
    assert sum(d.keep for d in decisions) == n_kept


@pytest.mark.parametrize("sizes", [[1] * 100, [2] * 50, [3] * 33, [1, 2, 3] * 20, [100, 1, 1]])
def test_many_small_strata_do_not_keep_more_than_the_fraction(sizes):
    groups = [(f"{g}-{n}", str(g)) for g, size in enumerate(sizes) for n in range(size)]
    decisions = screen(groups, {id: {"a": n * 37 % 97 / 97} for n, (id, _) in enumerate(groups)})
    assert sum(d.keep for d in decisions) == -(-65 * sum(sizes) // 100)
    for group, size in enumerate(sizes):
        n_kept = sum(d.candidate_id.startswith(f"{group}-") for d in decisions if d.keep)
        assert int(0.65 * size) <= n_kept <= int(0.65 * size) + 1


def test_strata_of_one_are_ranked_against_each_other():
    groups = [(f"{n}", f"document {n}") for n in range(10)]
    decisions = screen(groups, {str(n): {"a": n / 10} for n in range(10)}, 0.6)
    assert kept(decisions) == ["4", "5", "6", "7", "8", "9"]


def test_a_rare_class_is_not_lost_beside_large_ones():
    groups = [(f"x{n:02}", "x") for n in range(50)] + [("y", "y")]
    scores = {id: {"a": 0.1 if id == "y" else 0.9} for id, _ in groups}
    assert "y" in kept(screen(groups, scores))


def test_one_alone_is_kept():
    assert kept(screen([("a", "x")], {}, 0.05)) == ["a"]


def test_quality_is_the_mean_of_the_scores_and_equals_go_by_id():
    scores = {"a": {"s": 0.2, "t": 0.8}, "b": {"s": 0.5}, "c": {}}
    decisions = screen([("c", ""), ("b", ""), ("a", "")], scores, 0.3)
    assert [d.score for d in decisions] == [0.0, 0.5, 0.5]
    assert kept(decisions) == ["a"]


def test_quality_is_weighted_by_filter():
    scores = {"a": {"judge": 0.2, "similarity": 0.9}, "b": {"judge": 0.8, "similarity": 0.5}}
    decisions = screen([("a", ""), ("b", "")], scores, 0.5, weights={"judge": 3})
    assert [d.score for d in decisions] == [0.375, 0.725]
    assert decisions[0].evidence["scores"] == {"judge": 0.2, "similarity": 0.9}
    assert kept(screen([("a", ""), ("b", "")], scores, 0.5, weights={"judge": 0})) == ["a"]


def test_what_repeats_a_better_one_makes_room_for_what_is_new():
    texts = [NOTICE, f"{NOTICE} indeed", AUDIT]
    decisions = screen_texts(texts, [0.90, 0.89, 0.80], 0.6, spread=0.3)
    assert [d.keep for d in decisions] == [True, False, True]
    assert decisions[1].reason == "redundant"
    assert decisions[1].evidence["nearest"] == "c0"
    assert decisions[1].evidence["similarity"] > 0.9
    assert decisions[1].evidence["rank"] == 2


def test_a_clearly_better_one_stays_though_it_is_near_another():
    texts = [NOTICE, f"{NOTICE} indeed", AUDIT]
    assert kept(screen_texts(texts, [0.90, 0.89, 0.30], 0.6, spread=0.3)) == ["c0", "c1"]


def test_without_spread_quality_alone_decides():
    texts = [NOTICE, f"{NOTICE} indeed", AUDIT]
    decisions = screen_texts(texts, [0.90, 0.89, 0.80], 0.6, spread=0)
    assert kept(decisions) == ["c0", "c1"]
    assert "nearest" not in decisions[0].evidence


def test_ten_thousand_in_one_stratum_are_quick():
    rng = np.random.default_rng(0)
    made = [candidate(f"{n:05}", {}, "", paraphrase=f"w{n % 300} v{n}") for n in range(10_000)]
    scores = {c.id: {"a": float(rng.random())} for c in made}
    encoder = HashingEncoder()
    encoder.encode([c.fields["paraphrase"] for c in made])
    started = time.perf_counter()
    decisions = TopFraction().screen(made, context(encoder=encoder, scores=scores))
    assert time.perf_counter() - started < 20
    assert sum(d.keep for d in decisions) == 6_500


def test_takes_the_recipes_keep_fraction_and_ranks_last():
    built = configure(Recipe(technique="paraphrase", keep_fraction=0.4))
    assert (built[-1].name, built[-1].expected_share) == ("top_fraction", 0.4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"nope": 1}, "weights names 'nope', which this recipe does not run"),
        ({"judge": 1}, "weights names 'judge'"),
        ({"similarity": -1}, "the weight of similarity must be 0 to 100, not -1"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(RecipeError, match=message) as caught:
        configure(Recipe(technique="paraphrase", filters={"top_fraction": {"weights": weights}}))
    assert "nope" not in weights or "similarity" in caught.value.hint


def test_the_judge_counts_where_the_recipe_has_one():
    options = {"top_fraction": {"weights": {"judge": 2, "similarity": 0.5}}}
    built = configure(Recipe(technique="paraphrase", judge={"enabled": True}, filters=options))
    assert built[-1].weights == {"judge": 2, "similarity": 0.5}
