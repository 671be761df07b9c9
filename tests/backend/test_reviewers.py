"""Agreement against published figures and another library; the reviewers' report by hand."""

from __future__ import annotations

import itertools
import random
from types import SimpleNamespace

import pytest
from scipy.stats import binomtest
from statsmodels.stats import inter_rater

from seedbed.errors import LabelStudioError
from seedbed.records import Completion, SourceTask, Verdict
from seedbed_backend import agreement, reviewers
from seedbed_backend.store import Batch, Canary, Project, Run, Store

KRIPPENDORFF = """\
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 ."""
"""Four observers, twelve units, values missing: "Computing Krippendorff's Alpha-Reliability" (2011),
example C, whose nominal alpha is 0.743."""

A, B, C = 11, 12, 13
N_WORDS = 70
"""Words of every source here; at 700 words a minute they and ten more take 6.9 s."""


def table(text):
    rows = [line.split() for line in text.splitlines()]
    return {
        f"unit {n}": {person: row[n] for person, row in enumerate(rows) if row[n] != "."}
        for n in range(len(rows[0]))
    }


def two_people(n, seed=1):
    rng = random.Random(seed)
    words = ["ACCEPTED", "FIXED", "REJECTED"]
    said = {}
    for number in range(n):
        first = rng.choice(words)
        said[str(number)] = {A: first, B: first if rng.random() < 0.7 else rng.choice(words)}
    return said


def test_alpha_of_krippendorffs_own_example():
    found = agreement.alpha(table(KRIPPENDORFF))
    assert found.value == pytest.approx(0.743, abs=0.0005)
    assert found.n == 11  # the last unit but for one was judged by one person only


def test_alpha_of_two_people_is_scotts_pi_corrected_for_small_numbers():
    said = two_people(40)
    ratings = [[words[A], words[B]] for words in said.values()]
    counts, _ = inter_rater.aggregate_raters(ratings)
    pi = inter_rater.fleiss_kappa(counts)
    n_values = 2 * len(said)
    expected = 1 - (1 - pi) * (n_values - 1) / n_values
    assert agreement.alpha(said).value == pytest.approx(expected)


def test_kappa_is_statsmodels_kappa():
    said = two_people(40, seed=2)
    words = ["ACCEPTED", "FIXED", "REJECTED"]
    square = [[sum(s == {A: a, B: b} for s in said.values()) for b in words] for a in words]
    expected = inter_rater.cohens_kappa(square).kappa
    [(pair, found)] = agreement.kappas(said).items()
    assert pair == (A, B)
    assert found.value == pytest.approx(expected)
    assert found.n == 40


def test_coefficients_that_say_nothing_are_none_and_say_why():
    few = two_people(agreement.MIN_PAIRS - 1)
    assert agreement.alpha(few).value is None
    assert "it takes 5" in agreement.alpha(few).reason
    alike = {str(n): {A: "accepted", B: "accepted"} for n in range(9)}
    assert agreement.alpha(alike).value is None
    assert "everybody said accepted" in agreement.kappas(alike)[A, B].reason
    assert agreement.kappas({"1": {A: "accepted"}}) == {}
    assert agreement.alpha({}).n == 0


# --- the report ----------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path):
    """Twelve candidates of paraphrase, four canaries; Label Studio knows two of three people."""
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    recipe = {"technique": "paraphrase"}
    project = Project("p1", "Clauses", "paraphrase", recipe, "r1", "http://ls", 1, 2)
    store.save_project(project)
    sources = [
        SourceTask.of({"original": " ".join([f"w{n}"] * N_WORDS)}, group="g") for n in range(12)
    ]
    store.add_sources("p1", sources)
    run = Run("run1", "p1", "r1", target=12, budget=12)
    store.create_run(run, {s.id: 0 for s in sources})
    store.add_batches([Batch("b1", "run1", 1, tuple((s.id, 0, 1) for s in sources))])
    rows = [
        (
            Completion(f"c{n:02}", s.id, "p", 0, "t", "stop", 1),
            {"paraphrase": " ".join([f"new{n}"] * 10)},
            "",
        )
        for n, s in enumerate(sources)
    ]
    store.save_completions("run1", "b1", rows)
    store.set_review_tasks({f"c{n:02}": 100 + n for n in range(12)})
    kinds = ("negated", "negated", "other_output", "other_output")
    store.add_canaries(
        [
            Canary(f"k{n}", "run1", "c00", kind, {"paraphrase": "x"}, 0.1, review_task=200 + n)
            for n, kind in enumerate(kinds)
        ]
    )
    known = SimpleNamespace(users=lambda: {A: "ann@example.com", B: "bob@example.com"})
    yield SimpleNamespace(store=store, label_studio=known), project
    store.close()


numbers = itertools.count(1)


def says(services, candidate, reviewer, status, seconds=20.0, minute=0, **more):
    services.store.save_verdict(
        Verdict(
            candidate,
            status,
            {"paraphrase": "x"},
            reviewer=reviewer,
            annotation_id=next(numbers),
            decided_at=f"2026-03-01T10:{minute:02}:00Z",
            lead_time_seconds=seconds,
            **more,
        )
    )


def meets(services, canary, reviewer, status, minute=0):
    services.store.save_canary_verdict(
        Verdict(
            canary,
            status,
            {},
            reviewer=reviewer,
            annotation_id=next(numbers),
            decided_at=f"2026-03-01T11:{minute:02}:00Z",
            lead_time_seconds=9.0,
        )
    )


def test_without_verdicts_there_is_nothing_to_say(world):
    services, project = world
    told = reviewers.report(services, project)
    assert told["reviewers"] == []
    assert told["disagreements"] == []
    assert told["canaries"] == {
        "n": 4, "n_shown": 0, "n_caught": 0, "rate": None, "low": 0.0, "high": 1.0, "kinds": []
    }  # fmt: skip
    assert told["agreement"]["n_double"] == 0
    assert told["agreement"]["alpha"] is None
    assert "0 judged by two people" in told["agreement"]["alpha_reason"]


def test_one_reviewer_is_counted_with_an_interval_and_a_median(world):
    services, project = world
    for n, (status, seconds) in enumerate(
        [("ACCEPTED", 10.0), ("FIXED", 40.0), ("REJECTED", 30.0), ("ACCEPTED", None)]
    ):
        says(services, f"c{n:02}", A, status, seconds)
    [row] = reviewers.report(services, project)["reviewers"]
    assert (row["reviewer"], row["name"]) == (A, "ann@example.com")
    counted = [row[key] for key in ("n_judged", "n_accepted", "n_fixed", "n_rejected")]
    assert counted == [4, 2, 1, 1]
    interval = binomtest(3, 4).proportion_ci(method="wilson")
    assert (row["rate"], row["low"], row["high"]) == pytest.approx(
        (0.75, interval.low, interval.high)
    )
    assert row["median_seconds"] == 30.0
    assert row["canaries"]["n"] == 0
    assert row["canaries"]["rate"] is None


def test_caught_is_what_was_rejected_or_fixed(world):
    services, project = world
    meets(services, "k0", A, "ACCEPTED")
    meets(services, "k0", A, "REJECTED", minute=1)  # changed the mind
    meets(services, "k1", A, "FIXED")
    meets(services, "k2", A, "ACCEPTED")
    meets(services, "k2", B, "REJECTED", minute=2)
    told = reviewers.report(services, project)
    hits = {row["name"]: row["canaries"] for row in told["reviewers"]}
    assert (hits["ann@example.com"]["n"], hits["ann@example.com"]["n_caught"]) == (3, 2)
    assert (hits["bob@example.com"]["n"], hits["bob@example.com"]["n_caught"]) == (1, 1)
    interval = binomtest(2, 3).proportion_ci(method="wilson")
    assert hits["ann@example.com"]["low"] == pytest.approx(interval.low)
    assert [row["n_judged"] for row in told["reviewers"]] == [0, 0]
    shown = told["canaries"]
    assert (shown["n"], shown["n_shown"], shown["n_caught"]) == (4, 3, 3)
    assert [(k["kind"], k["n"], k["n_caught"]) for k in shown["kinds"]] == [
        ("negated", 2, 2),
        ("other_output", 1, 1),
    ]


def test_faster_than_anybody_reads_is_flagged_with_its_task(world):
    services, project = world
    least = 60 * (N_WORDS + 10) / reviewers.WORDS_PER_MINUTE
    says(services, "c00", A, "ACCEPTED", least - 0.1)
    says(services, "c01", A, "ACCEPTED", least + 0.1)
    says(services, "c02", A, "REJECTED", None)  # nobody knows
    [row] = reviewers.report(services, project)["reviewers"]
    assert (row["too_fast"]["n"], row["too_fast"]["n_timed"]) == (1, 2)
    assert row["too_fast"]["tasks"] == [100]
    [flagged] = row["too_fast"]["details"]
    assert flagged["url"] == "http://ls/projects/2/data?task=100"
    assert flagged["n_words"] == 80
    assert flagged["least_seconds"] == round(least, 1)


def test_a_short_text_still_takes_a_decision_and_two_keys(world):
    services, _ = world
    stored = services.store.candidate("c00")
    short = SourceTask.of({"original": "three short words"})
    candidate = type(stored.candidate)("x", short, {"paraphrase": "three short words"})
    from seedbed import registry

    spec = registry.technique("paraphrase")
    assert reviewers.n_words_shown(spec, candidate) == 3  # the same words are read once
    judged = reviewers.Judged(
        Verdict("x", "ACCEPTED", {}, lead_time_seconds=1.9),
        type(stored)(
            **{f: getattr(stored, f) for f in stored.__slots__} | {"candidate": candidate}
        ),
        spec,
    )
    assert judged.least_seconds == reviewers.MIN_SECONDS
    assert judged.is_too_fast


def test_agreement_is_as_counted_by_hand(world):
    services, project = world
    both = [
        ("ACCEPTED", "ACCEPTED"), ("ACCEPTED", "FIXED"), ("REJECTED", "REJECTED"),
        ("ACCEPTED", "REJECTED"), ("REJECTED", "REJECTED"), ("FIXED", "FIXED"),
    ]  # fmt: skip
    for n, (first, second) in enumerate(both):
        says(services, f"c{n:02}", A, first)
        says(services, f"c{n:02}", B, second, minute=5)
    says(services, "c10", A, "ACCEPTED")
    found = reviewers.report(services, project)["agreement"]
    assert (found["n_double"], found["n_agreed"], found["n_same_status"]) == (6, 5, 4)
    [kappa] = found["kappa"]
    assert (kappa["a"], kappa["b"], kappa["n"]) == (A, B, 6)
    # accepted: 4 of 6 and 3 of 6; observed 5/6, by chance 4/6 * 3/6 + 2/6 * 3/6
    assert kappa["kappa"] == pytest.approx((5 / 6 - 1 / 2) / (1 - 1 / 2))
    # 12 values, 7 accepted, 5 rejected; one unit of 6 has two different ones
    assert found["alpha"] == pytest.approx(1 - (1 / 6) / (2 * 7 * 5 / (12 * 11)))
    assert found["alpha_status"] < found["alpha"]


def test_disagreements_are_listed_until_a_third_person_settles_them(world):
    services, project = world
    says(services, "c00", A, "ACCEPTED")
    says(services, "c00", B, "REJECTED", minute=1, reasons=("meaning changed",), note="no")
    says(services, "c01", A, "ACCEPTED")
    says(services, "c01", B, "FIXED", minute=1)
    says(services, "c02", A, "ACCEPTED")
    says(services, "c02", B, "ACCEPTED", minute=1)
    first, second = reviewers.report(services, project)["disagreements"]
    assert (first["candidate"], first["task"], first["is_about_acceptance"]) == ("c00", 100, True)
    assert (second["candidate"], second["is_about_acceptance"]) == ("c01", False)
    assert [(v["name"], v["status"], v["stands"], v["reasons"]) for v in first["verdicts"]] == [
        ("ann@example.com", "ACCEPTED", False, []),
        ("bob@example.com", "REJECTED", True, ["meaning changed"]),
    ]
    says(services, "c00", C, "REJECTED", minute=2)
    rows = reviewers.report(services, project)["disagreements"]
    assert [(row["candidate"], row["is_settled"]) for row in rows] == [
        ("c01", False),
        ("c00", True),
    ]
    assert rows[1]["verdicts"][-1]["name"] is None
    # who comes to agree is no longer listed; what was taken back does not count
    says(services, "c01", A, "FIXED", minute=3)
    assert [row["candidate"] for row in reviewers.report(services, project)["disagreements"]] == [
        "c00"
    ]


def test_a_withdrawn_verdict_is_no_word(world):
    services, project = world
    says(services, "c00", A, "ACCEPTED")
    [verdict] = services.store.last_words("p1")
    services.store.withdraw_verdict(verdict.annotation_id)
    assert reviewers.report(services, project)["reviewers"] == []


def test_names_are_unknown_while_label_studio_is_away(world):
    services, project = world

    def users():
        raise LabelStudioError("away")

    services.label_studio.users = users
    says(services, "c00", A, "ACCEPTED")
    [row] = reviewers.report(services, project)["reviewers"]
    assert (row["reviewer"], row["name"]) == (A, None)
