from __future__ import annotations

import pytest

from seedbed import registry, review
from seedbed.records import Verdict


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


def test_acceptance_counts_the_latest_verdict_of_each_candidate():
    def verdict(cid, status, at="1"):
        return Verdict(cid, status, {}, decided_at=at)

    found = review.acceptance(
        [
            verdict("a", "REJECTED", "1"),
            verdict("a", "ACCEPTED", "2"),
            verdict("b", "FIXED"),
            verdict("c", "REJECTED"),
        ]
    )
    assert (found.n_judged, found.n_accepted, found.n_fixed, found.n_rejected) == (3, 1, 1, 1)
    assert found.rate == pytest.approx(2 / 3)
    assert found.low < found.rate < found.high
    assert not found.passes(0.8)
    assert found.passes(0.1)


def test_acceptance_of_nothing():
    found = review.acceptance([])
    assert found.rate is None
    assert not found.passes(0.0)
