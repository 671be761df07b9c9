from __future__ import annotations

from fractions import Fraction

import pytest
from statsmodels.stats.proportion import proportion_confint

from seedbed import registry, review
from seedbed.review import Counts


def test_draws_are_a_stratified_sample_at_every_fraction():
    candidates = [(f"c{i}", "big" if i < 200 else "small") for i in range(240)]
    draws = review.draws(candidates, 1)
    assert set(draws) == {i for i, _ in candidates}
    assert all(0 <= d < 1 for d in draws.values())
    for fraction in (0.1, 0.15, 0.2):
        for name, n in (("big", 200), ("small", 40)):
            below = sum(draws[i] < fraction for i, s in candidates if s == name)
            assert abs(below - n * fraction) < 1


def test_draws_depend_on_the_seed_alone_not_on_the_order():
    candidates = [(f"c{i}", "s") for i in range(20)]
    assert review.draws(candidates, 1) == review.draws(candidates[::-1], 1)
    assert review.draws(candidates, 1) != review.draws(candidates, 2)


def test_tiny_strata_are_drawn_in_proportion():
    draws = review.draws([(f"c{i}", f"stratum {i}") for i in range(2000)], 1)
    assert sum(d < 0.15 for d in draws.values()) == pytest.approx(300, abs=50)


def test_single_candidates_drawn_one_after_the_other_are_independent():
    alone = [review.draws([(f"c{i}", "same")], 1)[f"c{i}"] for i in range(1000)]
    assert sum(d < 0.2 for d in alone) == pytest.approx(200, abs=40)


def test_stratum_names_technique_group_and_band():
    technique = registry.technique("qa")
    assert review.stratum(technique, "loan.md", 0.8) == "qa/loan.md/high"
    assert review.stratum(technique, "", 0.5) == "qa/-/middle"
    assert review.stratum(technique, "x", 0.49) == "qa/x/low"
    assert review.stratum(technique, "x", None) == "qa/x/unscored"


@pytest.mark.parametrize(("n_accepted", "n_judged"), [(10, 10), (0, 10), (85, 100), (1, 3)])
def test_wilson_bounds_solve_the_score_equation(n_accepted, n_judged):
    rate = n_accepted / n_judged
    low, high = review.wilson_interval(n_accepted, n_judged)
    assert 0 <= low <= rate <= high <= 1
    for bound in {low, high} - {0.0, 1.0}:
        z = (rate - bound) / (bound * (1 - bound) / n_judged) ** 0.5
        assert abs(z) == pytest.approx(1.95996, abs=1e-4)


def test_wilson_interval_of_nothing_is_everything():
    assert review.wilson_interval(0, 0) == (0.0, 1.0)


def test_wilson_interval_rejects_impossible_counts():
    with pytest.raises(ValueError, match="5 accepted of 4 judged"):
        review.wilson_interval(5, 4)


@pytest.mark.parametrize("n_judged", [1, 2, 7, 30, 60, 151, 1000])
def test_wilson_interval_is_the_one_of_statsmodels(n_judged):
    for n_accepted in range(0, n_judged + 1, max(1, n_judged // 20)):
        found = review.wilson_interval(n_accepted, n_judged)
        expected = proportion_confint(n_accepted, n_judged, method="wilson")
        assert found == pytest.approx(expected, abs=1e-12)


def test_counts_add_up():
    one = Counts(n_survivors=100, n_sampled=20, n_accepted=10, n_fixed=5, n_rejected=2, n_skipped=1)
    assert (one.n_judged, one.n_waiting, one.n_good) == (17, 3, 15)
    assert one.rate == pytest.approx(15 / 17)
    assert one.interval == review.wilson_interval(15, 17)
    both = one + Counts(n_survivors=50, n_sampled=10, n_outside=4)
    assert (both.n_survivors, both.n_sampled, both.n_judged) == (150, 30, 17)
    assert (both.n_waiting, both.n_skipped, both.n_outside) == (13, 1, 4)
    assert Counts().rate is None
    assert Counts().interval == (0.0, 1.0)


@pytest.mark.parametrize(
    ("n_accepted", "n_judged", "n_waiting", "state"),
    [
        (0, 0, 0, "needs_review"),  # nothing is in the sample
        (60, 60, 1, "open"),  # however clear it looks
        (0, 60, 1, "open"),
        (60, 60, 0, "passed"),
        (56, 60, 0, "passed"),
        (50, 60, 0, "needs_review"),
        (48, 60, 0, "needs_review"),
        (30, 60, 0, "held"),
        (0, 3, 0, "held"),
        (3, 3, 0, "needs_review"),
    ],
)
def test_a_run_is_decided_once_the_whole_sample_is_judged(n_accepted, n_judged, n_waiting, state):
    assert review.judgement(n_accepted, n_judged, n_waiting, 0.8) == state


def test_a_lower_bound_that_reaches_the_target_passes():
    low, high = review.wilson_interval(50, 60)
    assert review.judgement(50, 60, 0, low) == "passed"
    assert review.judgement(50, 60, 0, high) == "needs_review"
    assert review.judgement(50, 60, 0, 0.0) == "passed"
    assert review.judgement(60, 60, 0, 1.0) == "needs_review"


def _by_brute_force(n_accepted, n_judged, target, n_left):
    """Try every number of further verdicts, with statsmodels' interval."""
    rate = Fraction(n_accepted, n_judged)
    for more in range(n_left + 1):
        further = rate * more
        then = n_accepted + (int(further) if rate > Fraction(target) else -int(-further // 1))
        low, high = proportion_confint(then, n_judged + more, method="wilson")
        if low >= target or high < target:
            return more
    return None


@pytest.mark.parametrize("target", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("n_judged", [3, 10, 25, 60])
def test_how_many_more_verdicts_decide_is_what_trying_finds(n_judged, target):
    for n_accepted in range(n_judged + 1):
        if n_accepted / n_judged != target:
            found = review.n_more(n_accepted, n_judged, target, 400)
            assert found == _by_brute_force(n_accepted, n_judged, target, 400)


def test_some_samples_are_never_decided():
    assert review.n_more(48, 60, 0.8, 10**6) is None  # the rate is the target
    assert review.n_more(0, 0, 0.8, 100) is None
    needed = review.n_more(51, 60, 0.8, 10**6)
    assert needed == _by_brute_force(51, 60, 0.8, 1000)
    assert review.n_more(51, 60, 0.8, needed) == needed
    assert review.n_more(51, 60, 0.8, needed - 1) is None
    assert review.n_more(801, 1000, 0.8, 99_000) is None
    assert review.n_more(60, 60, 0.8, 5) == 0


def test_usual_fractions():
    assert [f for f in (0.05, 0.0999, 0.1, 0.15, 0.2, 0.2001, 1.0) if review.is_usual(f)] == [
        0.1,
        0.15,
        0.2,
    ]
