"""What a manager reads about the gate: the state in words, and what to do next."""

from __future__ import annotations

import pytest

from seedbed import gate_report
from seedbed.review import Counts
from seedbed.sections import to_markdown


def counted(**numbers):
    """Return counts as the server sends them."""
    counts = Counts(**numbers)
    low, high = counts.interval
    values = {name: getattr(counts, name) for name in Counts.__slots__}
    return {**values, "n_judged": counts.n_judged, "n_waiting": counts.n_waiting,
            "rate": counts.rate, "low": low, "high": high}  # fmt: skip


def a_run(state="passed", *, decision=None, more=None, fraction=None, worst=None, **numbers):
    numbers = {"n_survivors": 300, "n_sampled": 60, "n_accepted": 50, "n_fixed": 6,
               "n_rejected": 4, **numbers}  # fmt: skip
    reasons = [
        {
            "reason": "wrong_answer",
            "n": 4,
            "examples": [{"id": "abcdef0123", "task": 7, "text": "Why | so?", "note": "No."}],
        }
    ]
    return {
        "run": "0123456789abcdef01234567",
        "state": state,
        "computed": "held" if decision else state,
        "is_released": state in {"passed", "released"},
        "created_at": "2026-01-01T00:00:00",
        "decision": decision,
        "n_more": more,
        "next_fraction": fraction,
        "worst_case": worst,
        **counted(**numbers),
        "strata": [{"stratum": "qa/loan.md/high", **counted(**numbers), "reasons": reasons}],
    }


def a_gate(*runs, **changes):
    return {
        "project": "demo-qa",
        "technique": "qa",
        "target": 0.8,
        "review_fraction": 0.2,
        "is_forced": False,
        "review_url": "http://localhost:8080/projects/2/data",
        "n_survivors": 300,
        "overall": counted(n_survivors=300, n_sampled=60, n_accepted=50, n_fixed=6, n_rejected=4),
        "runs": list(runs),
        **changes,
    }


def said(found):
    return to_markdown("gate", gate_report.sections(found)).replace("\\", "")


def next_step(run):
    return gate_report.advice(a_gate(), run)


def test_one_run_fits_one_screen():
    text = said(a_gate(a_run()))
    assert "Review gate of demo-qa, run 01234567" in text
    assert "Passed: 93.3% [84.1%, 97.4%] of 60 accepted or fixed, target 80%" in text
    assert "60 of 300 survivors, drawn at random (20%)" in text
    assert "| qa/loan.md/high | 300 | 60 of 60 | 50 | 6 | 4 | 93.3% [84.1%, 97.4%] |" in text
    assert "| qa/loan.md/high | wrong answer | 4 | abcdef01: Why | so? (“No.”) |" in text
    assert "http://localhost:8080/projects/2/data (tab Review sample)" in text
    assert "**Note:**" not in text


def test_a_decision_of_a_manager_stands_beside_what_the_verdicts_say():
    decision = {
        "decision": "release",
        "reason": "Read.",
        "author": "ann@example.com",
        "decided_at": "2026-02-03T04:05:06+00:00",
    }
    text = said(a_gate(a_run("released", decision=decision)))
    assert "Released by ann@example.com on 2026-02-03 04:05 UTC: Read." in text
    assert "By the verdicts alone: held" in text
    assert "seedbed release demo-qa 01234567 --undo" in text


def test_more_verdicts_are_asked_for_with_the_fraction_that_brings_them():
    text = next_step(a_run("needs_review", more=23, fraction=0.2))
    assert "23 more verdicts decide" in text
    assert text.endswith("seedbed sample demo-qa --fraction 0.20")
    run = a_run("needs_review", more=80, fraction=0.47)
    assert next_step(run).endswith("0.47 --force")
    assert "opens 1 that passed again" in gate_report.advice(a_gate(run, a_run()), run)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"n_accepted": 42, "n_rejected": 12}, "the rate is exactly the target"),
        ({"n_survivors": 62}, "there are only 2 more survivors"),
        ({"n_sampled": 0, "n_accepted": 0, "n_fixed": 0, "n_rejected": 0}, "Nothing of it"),
    ],
)
def test_where_no_number_of_verdicts_decides_a_manager_must(numbers, words):
    text = next_step(a_run("needs_review", **numbers))
    assert words in text
    assert "seedbed release demo-qa 01234567" in text


def test_an_open_run_says_how_many_wait_and_that_it_does_not_decide_before():
    text = next_step(a_run("open", n_sampled=70, n_skipped=3))
    assert "10 are still to be judged, 3 of them skipped: tab Review sample" in text
    assert "when the whole sample is judged" in text


def test_only_skipped_ones_left_the_worst_case_is_told():
    worst = {"state": "needs_review", "rate": 0.8, "low": 0.69, "high": 0.876}
    text = next_step(a_run("open", n_sampled=70, n_skipped=10, worst=worst))
    assert "Only the 10 that were skipped are undecided (tab Skipped)" in text
    assert "80% [69%, 87.6%]: needs more review" in text


def test_held_points_to_the_reasons_and_to_what_overrules_it():
    text = next_step(a_run("held"))
    assert "seedbed calibrate demo-qa" in text
    assert "seedbed release demo-qa 01234567 --reason" in text


def test_what_is_unusual_is_said_wherever_the_gate_is_shown():
    outside = counted(n_survivors=300, n_sampled=120, n_accepted=90, n_outside=7)
    found = a_gate(a_run(), is_forced=True, review_fraction=0.4, overall=outside)
    for lines in (gate_report.status_lines(found), gate_report.overview(found).warnings,
                  gate_report.sample(found).warnings, [said(found)]):  # fmt: skip
        text = " ".join(lines)
        assert "The review fraction of 0.4 is outside 0.10 to 0.20" in text
        assert "7 verdicts are on survivors outside of the random sample" in text


def test_of_several_runs_all_are_listed_and_the_one_to_work_on_is_shown():
    newest, open_run = a_run(), {**a_run("open", n_sampled=70), "run": "f" * 24}
    text = said(a_gate(newest, open_run))
    assert "| 01234567 | passed | 60 of 60 | 300 | 93.3% [84.1%, 97.4%] |" in text
    assert "run ffffffff" in text
    assert gate_report.run_line(open_run).startswith("gate of run ffffffff: open; 60 of 70 judged")


def test_the_sample_is_added_up_over_runs():
    section = gate_report.sample(a_gate(a_run(), a_run()))
    assert section.rows == [("qa/loan.md/high", 600, 120, 120, 0)]
    assert section.lines[1] == "60 of 60 are judged, 0 wait."


def test_long_tables_say_that_there_is_more():
    run = a_run()
    run["strata"] = [{**run["strata"][0], "stratum": f"s{n:03}"} for n in range(40)]
    text = said(a_gate(run))
    assert "The first 15 of 40; all of them: --json." in text
    assert "s039" not in text


def test_before_anything_is_published_it_says_so():
    assert "No run has put anything before people yet" in said(a_gate())
