"""What verdicts teach: precision and yield by threshold, AUROC, agreement of the judge."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from filters.support import HashingEncoder
from seedbed import review
from seedbed.errors import UserError
from seedbed.recipe import parse
from seedbed.records import Candidate, Completion, SourceTask, Verdict
from seedbed_backend import calibrate
from seedbed_backend.insights import ReportData
from seedbed_backend.insights.judge_agreement import find, kappa_interval
from seedbed_backend.store import Project, StoredCandidate

RECIPE = parse({"technique": "paraphrase"})


def judged(number, is_accepted, scores, *, draw=0.05, evidence=None):
    id_ = f"c{number:03}"
    source = SourceTask.of({"original": "text"})
    return StoredCandidate(
        candidate=Candidate(id_, source, {"paraphrase": "text"}),
        run_id="run1",
        project_id="p1",
        state="survivor",
        stage="",
        reason="",
        score=0.5,
        completion=Completion(id_, source.id, "p", 0, "{}", "stop", 1),
        scores=scores,
        evidence=evidence or {},
        draw=draw,
        stratum="",
        review_task=number + 1,
        verdict=Verdict(id_, "ACCEPTED" if is_accepted else "REJECTED", {}),
    )


class Judged:
    """A store as far as calibrating reads it."""

    def __init__(self, candidates):
        self.candidates = candidates

    def judged_candidates(self, project_id):
        return self.candidates


def project(recipe=RECIPE):
    document = recipe.model_dump(mode="json")
    return Project("p1", "P", recipe.technique, document, recipe.hash, "", 1, 2)


def telling(n_good=80, n_bad=20, **other):
    """Accepted ones have a similarity from 0.6 up, rejected ones below 0.62."""
    good = [
        judged(n, True, {"similarity": 0.6 + 0.4 * n / n_good, "protected_terms": 1.0}, **other)
        for n in range(n_good)
    ]
    return good + [
        judged(n_good + n, False, {"similarity": 0.3 + 0.32 * n / n_bad, "protected_terms": 1.0})
        for n in range(n_bad)
    ]


def test_precision_and_yield_are_those_of_the_verdicts():
    found = calibrate.calibrate(Judged(telling()), project(), 0.9)
    assert (found["n_judged"], found["n_accepted"], found["n_rejected"]) == (100, 80, 20)
    similarity = next(s for s in found["scores"] if s["name"] == "similarity")
    for row in similarity["thresholds"]:
        kept = [s for s in telling() if s.scores["similarity"] >= row["threshold"]]
        n_accepted = sum(map(calibrate.is_accepted, kept))
        assert (row["n_kept"], row["n_accepted"]) == (len(kept), n_accepted)
        assert row["precision"] == n_accepted / len(kept)
        assert (row["low"], row["high"]) == review.wilson_interval(n_accepted, len(kept))
        assert row["kept_fraction"] == len(kept) / 100


def test_the_smallest_threshold_whose_lower_bound_reaches_the_target_is_proposed():
    found = calibrate.calibrate(Judged(telling()), project(), 0.9)
    proposal = found["proposal"]
    assert proposal["name"] == "similarity"
    assert proposal["low"] >= 0.9
    every = calibrate.thresholds(telling(), "similarity")
    assert all(t.low < 0.9 for t in every if t.threshold < proposal["threshold"])
    assert proposal["changes"] == {
        "filters": {"minimum_scores": {"minimums": {"similarity": proposal["threshold"]}}}
    }


def test_where_no_threshold_reaches_the_target_none_is_proposed():
    rng = random.Random(1)
    noise = [judged(n, n % 3 > 0, {"similarity": rng.random()}) for n in range(90)]
    found = calibrate.calibrate(Judged(noise), project(), 0.95)
    assert (found["proposal"], found["is_reached"]) == (None, False)
    assert found["scores"][0]["best"] is None


def test_where_the_rate_is_good_already_nothing_is_proposed():
    found = calibrate.calibrate(Judged(telling(280, 12)), project(), 0.9)
    assert (found["proposal"], found["is_reached"]) == (None, True)


def test_a_score_that_no_setting_sets_is_shown_and_not_proposed():
    candidates = [judged(n, n >= 20, {"top_fraction": 0.9 if n >= 20 else 0.1}) for n in range(100)]
    found = calibrate.calibrate(Judged(candidates), project(), 0.9)
    assert found["scores"][0]["best"]["threshold"] == 0.9
    assert found["proposal"] is None


def test_the_judge_has_a_setting_of_its_own():
    recipe = parse({"technique": "paraphrase", "judge": {"enabled": True}})
    candidates = [judged(n, n >= 20, {"judge": 0.9 if n >= 20 else 0.65}) for n in range(100)]
    found = calibrate.calibrate(Judged(candidates), project(recipe), 0.9)
    assert found["proposal"]["changes"] == {"judge": {"minimum": 0.9}}


def test_only_the_random_sample_counts():
    low_scores = [judged(500 + n, False, {"similarity": 0.9}, draw=0.9) for n in range(60)]
    found = calibrate.calibrate(Judged(telling() + low_scores), project(), 0.9)
    assert (found["n_judged"], found["n_outside_sample"]) == (100, 60)


@pytest.mark.parametrize(
    ("n_good", "n_bad", "message"),
    [
        (40, 9, "49 verdicts so far, 40 accepted and 9 rejected"),
        (91, 9, "at least 10 of each kind"),
        (9, 80, "9 accepted"),
        (0, 0, "0 verdicts so far"),
    ],
)
def test_too_few_verdicts_are_refused_with_the_numbers(n_good, n_bad, message):
    with pytest.raises(UserError, match="takes 50, at least 10") as caught:
        calibrate.calibrate(
            Judged(telling(n_good or 1, n_bad or 1)[: n_good + n_bad]), project(), 0.9
        )
    assert message in caught.value.message


def test_what_was_not_scored_passes_every_threshold():
    sample = [judged(n, True, {}) for n in range(10)] + [judged(10, False, {"similarity": 0.5})]
    [only] = calibrate.thresholds(sample, "similarity")
    assert (only.threshold, only.n_kept) == (0.5, 11)


def test_auroc_is_the_one_of_scikit_learn_ties_included():
    rng = random.Random(3)
    accepted = [round(rng.random() ** 0.7, 1) for _ in range(60)]
    rejected = [round(rng.random(), 1) for _ in range(25)]
    found = calibrate.auroc(accepted, rejected)
    expected = roc_auc_score([1] * 60 + [0] * 25, accepted + rejected)
    assert found.value == pytest.approx(expected)
    assert 0 < found.low < found.value < found.high < 1
    assert calibrate.auroc([1, 1], [0]).value == 1
    assert calibrate.auroc([1], [1]).value == 0.5
    with pytest.raises(ValueError, match="both kinds"):
        calibrate.auroc([], [1])


# the judge


JUDGED = parse({"technique": "paraphrase", "judge": {"enabled": True}})


def graded(number, is_accepted, grade, **other):
    grades = dict.fromkeys(JUDGED.criteria, grade)
    scores = {"judge": (grade - 1) / 4}
    return judged(number, is_accepted, scores, evidence={"judge": grades}, **other)


def report_data(candidates):
    return ReportData(JUDGED, [], candidates, HashingEncoder())


def test_the_judges_agreement_is_told_with_its_intervals():
    people = [True] * 30 + [False] * 10
    grades = [5] * 24 + [3] * 6 + [3] * 7 + [4] * 3
    pairs = list(zip(people, grades, strict=True))
    found = find(report_data([graded(n, *pair) for n, pair in enumerate(pairs)]))
    approved = [grade >= 4 for grade in grades]
    data = found.data
    assert (data["n"], data["n_agreed"], data["agreement"]) == (40, 31, 31 / 40)
    assert data["kappa"] == pytest.approx(cohen_kappa_score(people, approved))
    assert data["kappa_low"] < data["kappa"] < data["kappa_high"]
    assert data["auroc"] == pytest.approx(roc_auc_score(people, grades))
    assert found.rows == [["accepted", 24, 6], ["rejected", 3, 7]]
    assert not found.warnings
    assert "31 of 40" in found.lines[0]


def test_a_judge_that_agrees_by_chance_alone_is_a_warning():
    found = find(report_data([graded(n, n % 2 == 0, 5 - n // 2 % 2 * 2) for n in range(40)]))
    assert abs(found.data["kappa"]) < 0.05
    assert "hardly better than chance" in found.warnings[0]


def test_a_few_verdicts_give_no_figure():
    found = find(report_data([graded(n, n > 3, 5) for n in range(12)]))
    assert "12 candidates" in found.lines[0]
    assert "kappa" not in found.data
    assert find(report_data([])) is None
    outside = [graded(n, n % 2 == 0, 5, draw=0.8) for n in range(40)]
    assert find(report_data(outside)) is None


def test_kappa_of_two_who_always_say_the_same_is_not_a_number_out_of_nothing():
    assert kappa_interval([True] * 20, [True] * 20)[0] == 0.0
