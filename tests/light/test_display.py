"""What a person reads about a run that is under way, and about one that is planned."""

import pytest

from seedbed import display

PACE = {
    "n_batches": 3,
    "prompt_tokens_per_second": 670.0,
    "tokens_per_second": 152.0,
    "prompt_tokens_per_source": 512.0,
    "tokens_per_attempt": 61.0,
    "seconds_per_attempt": 0.42,
    "screen_seconds_per_attempt": 0.02,
    "scatter": 0.2,
}
FORECAST = {
    "attempts": {"expected": 330.0, "low": 310.0, "high": 395.0},
    "survivors": {"expected": 101.0, "low": 98.0, "high": 104.0},
    "chance": 0.97,
    "seconds": {"expected": 250.0, "low": 190.0, "high": 340.0},
}


def a_run(**changes):
    run = {
        "id": "0123456789ab",
        "state": "generating",
        "target": 100,
        "n_planned": 280,
        "n_left_out": 2,
        "error": "",
        "funnel": {"n_attempts": 120, "n_survivors": 0, "n_pending": 60, "dropped": []},
        "outlook": {
            "stage": "main wave: generating",
            "pace": PACE,
            "seen": {"n_attempts": 40, "n_kept": 20, "n_sources": 14},
            "n_earlier_runs": 0,
            "forecast": FORECAST,
        },
    }
    return run | changes


def a_plan(**changes):
    plan = {
        "target": 100, "budget": 500, "warm_up": 40, "n_begun": 0, "final_share": 0.65,
        "n_sources": 30, "n_left_out": 0, "n_workers": 1, "pace": PACE, "n_earlier_runs": 2,
        "feedback": {"few_shot": [], "avoid": [], "n_left_out": 0},
        "seen": {"n_attempts": 400.0, "n_kept": 200.0, "n_sources": 60.0}, "forecast": FORECAST,
    }  # fmt: skip
    return plan | changes


def test_a_run_under_way_says_its_stage_pace_and_end(capsys):
    display._print_run(a_run())
    said = capsys.readouterr().out
    assert "run 01234567: main wave: generating, 0 survivors of 100 wanted, 120 attempts" in said
    assert "2 sources are left out" in said
    assert "50% kept so far; 670 prompt tokens/s, 152 tokens/s" in said
    assert "about 330 attempts in all (80 %: 310 to 395)" in said
    assert "about 4 min (80 %: 3 min to 6 min) left: about" in said


def test_a_run_in_its_warm_up_gives_no_number(capsys):
    run = a_run()
    run["outlook"] |= {"forecast": None, "pace": None, "stage": "warm-up: generating"}
    display._print_run(run)
    assert "its end is not known yet" in capsys.readouterr().out
    assert display.progress_line(run) == "warm-up: generating, 0 survivors"
    assert display.expected_attempts(run) == 280


def test_the_progress_line_says_how_long_it_takes():
    assert "about 4 min (80 %: 3 min to 6 min) left" in display.progress_line(a_run())
    assert display.expected_attempts(a_run()) == 330


def test_a_plan_says_what_prompts_show_of_earlier_verdicts(capsys):
    learned = {"few_shot": ["a", "b"], "avoid": ["c"], "n_left_out": 0}
    display.print_plan("p", a_plan(feedback=learned))
    assert "2 corrected and 1 rejected candidates\n" in capsys.readouterr().out
    few = display.shown_feedback({"few_shot": ["a"], "avoid": [], "n_left_out": 2})
    assert few == "1 corrected candidate; 2 more had no room beside the longest source"
    none = display.shown_feedback({"few_shot": [], "avoid": [], "n_left_out": 2})
    assert none == "none of 2 judged candidates: no room beside the sources"
    assert display.shown_feedback({"few_shot": [], "avoid": [], "n_left_out": 0}) == ""


def test_a_plan_says_what_it_takes_and_from_what_that_is_known(capsys):
    display.print_plan("p", a_plan())
    said = capsys.readouterr().out
    for words in (
        "500 attempts at most",
        "about 330 (80 %: 310 to 395)",
        "3.3 attempts per survivor",
        "about 20,130 generated",
        "with 1 worker and",
        "2 earlier runs of this recipe and model: 400 attempts, 50% kept",
    ):
        assert words in said
    assert "the chance of" not in said


def test_a_plan_warns_where_it_leaves_what_is_known(capsys):
    ahead = FORECAST | {"chance": 0.6}
    display.print_plan("p", a_plan(n_sources=10, forecast=ahead))
    said = capsys.readouterr().out
    assert "asked about 33 times, and was so far only 7" in said
    assert "the chance of 100 is 60%" in said


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "1 h 30 min")]
)
def test_durations(seconds, text):
    assert display.duration(seconds) == text


@pytest.mark.parametrize(
    ("n_without", "said"),
    [
        (0, "the judge looked at 60\n"),
        (3, "the judge looked at 60 and gave no verdict on 3, which were kept\n"),
    ],
)
def test_a_judged_run_says_where_the_judge_had_no_answer(capsys, n_without, said):
    display._print_run(a_run(judge={"n_judged": 60, "n_no_verdict": n_without}))
    assert said in capsys.readouterr().out
