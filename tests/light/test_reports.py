"""What `report`, `calibrate`, `rescreen` and `explain` print, and what they ask the server for."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from seedbed.cli import main
from seedbed.commands import calibrate, explain, report, rescreen
from seedbed.errors import ServiceError

BEST = {
    "threshold": 0.74,
    "n_kept": 61,
    "n_accepted": 57,
    "precision": 57 / 61,
    "low": 0.885,
    "high": 0.966,
    "kept_fraction": 0.61,
}
LOOSE = BEST | {"threshold": 0.2, "n_kept": 100, "kept_fraction": 1.0, "precision": 0.8, "low": 0.7}
CALIBRATED = {
    "target": 0.88,
    "n_judged": 100,
    "n_accepted": 80,
    "n_rejected": 20,
    "n_outside_sample": 7,
    "rate": 0.8,
    "low": 0.711,
    "high": 0.867,
    "is_reached": False,
    "note": "Only survivors are judged.",
    "scores": [
        {
            "name": "grounding",
            "n": 100,
            "auroc": {"value": 0.81, "low": 0.7, "high": 0.92},
            "best": BEST,
            "thresholds": [LOOSE, BEST],
        }
    ],
    "proposal": BEST
    | {
        "name": "grounding",
        "changes": {"filters": {"minimum_scores": {"minimums": {"grounding": 0.74}}}},
    },
}
MOVED = {"n": 0, "reasons": [], "verdicts": {}, "examples": []}
RESCREENED = {
    "n_candidates": 300,
    "left_out": ["run 12345678 is failed: it is left as it is"],
    "funnel": {"before": {"n_survivors": 100}, "after": {"n_survivors": 61}},
    "filters": [
        {
            "filter": "grounding",
            "before": {"n_seen": 300, "n_dropped": 50},
            "after": {"n_seen": 300, "n_dropped": 89},
        }
    ],
    "newly_kept": MOVED,
    "newly_dropped": {
        "n": 39,
        "reasons": [{"stage": "minimum_scores", "reason": "score_below_minimum", "n": 39}],
        "verdicts": {"ACCEPTED": 3, "REJECTED": 9},
        "examples": [
            {
                "id": "abcdef0123456789",
                "text": "A question?",
                "stage": "minimum_scores",
                "reason": "score_below_minimum",
            }
        ],
    },
    "kept_by_verdict": MOVED,
    "n_not_judged": 2,
    "n_to_publish": 0,
    "n_to_withdraw": 27,
    "recipe_hash": "f00d",
    "applied": None,
}


class Server:
    """Answers as the server does, and notes what it was asked."""

    def __init__(self, *, n_workers=1, state="done", applied=None):
        self.asked = []
        self.started = {
            "id": "a1",
            "state": state,
            "n_workers": n_workers,
            "error": "no encoder",
            "options": {"left": ["prompt"], "run": None},
            "result": RESCREENED | {"applied": applied},
        }

    def calibrate(self, project, target):
        return CALIBRATED

    def start_rescreen(self, project, **asked):
        self.asked.append(asked)
        return self.started


@pytest.fixture
def ask(monkeypatch):
    def run(server, *arguments):
        for module in (calibrate, rescreen, report, explain):
            monkeypatch.setattr(module, "connect", lambda: server)
        return CliRunner().invoke(main, arguments, catch_exceptions=False, env={"COLUMNS": "140"})

    return run


def test_calibrating_prints_thresholds_a_proposal_and_its_effect(ask):
    server = Server()
    said = ask(server, "calibrate", "p", "--target", "0.88").output
    assert "100 judged, 80 accepted or fixed: 80% [71%, 87%], target 88%." in said
    assert "7 more verdicts are outside the random sample" in said
    assert "0.81 [0.70, 0.92]" in said
    assert "≥ 0.74 93% [88%, 97%] 61% 57 of 61 ◀ reaches the target" in " ".join(said.split())
    assert "grounding ≥ 0.74: 93% [88%, 97%] accepted, 61% kept" in said
    assert "minimum_scores:\n        minimums:\n          grounding: 0.74" in said
    assert "--set filters.minimum_scores.minimums.grounding=0.74 --apply" in said
    assert "300 attempts: 100 survivors now, 61 then." in said
    assert server.asked == [{"changes": CALIBRATED["proposal"]["changes"]}]


def test_the_option_that_calibrating_names_sets_what_it_proposes(ask):
    option = calibrate._options(CALIBRATED["proposal"]).removeprefix("--set ")
    assert rescreen.read_settings([option]) == CALIBRATED["proposal"]["changes"]


def test_without_a_filter_worker_the_thresholds_are_told_all_the_same(ask):
    said = ask(Server(n_workers=0, state="queued"), "calibrate", "p")
    assert "◀ reaches the target" in said.output
    assert "No filter worker is running" in said.stderr
    assert said.exit_code == 0


def test_for_programs_everything_is_json(ask):
    found = json.loads(ask(Server(), "calibrate", "p", "--json").stdout)
    assert found["effect"]["n_to_withdraw"] == 27
    found = json.loads(ask(Server(), "rescreen", "p", "--json").stdout)
    assert found["newly_dropped"]["n"] == 39


def test_a_re_screening_says_what_would_change_and_that_nothing_did(ask):
    server = Server()
    done = ask(server, "rescreen", "p", "--set", "keep_fraction=0.5", "--run", "abc")
    [asked] = server.asked
    assert (asked["changes"], asked["recipe"]) == ({"keep_fraction": 0.5}, None)
    assert (asked["run"], asked["apply"], asked["fresh"]) == ("abc", False, False)
    said = done.output
    assert "39: 39 minimum_scores: score below minimum." in said
    assert "People had judged some of them: 3 accepted, 9 rejected." in said
    assert "run 12345678 is failed" in said
    assert "2 that would pass the filters were never judged" in said
    assert "Nothing was changed. With --apply, 0 would be put before people, and 27" in said
    assert "left as it is: prompt" in done.stderr


def test_an_applied_re_screening_says_what_was_done(ask):
    applied = {"n_withdrawn": 26, "n_restored": 0, "n_judged_meanwhile": 1}
    said = ask(Server(applied=applied), "rescreen", "p", "--apply").output
    assert "26 withdrawn from the sample" in said
    assert "Judged in the meantime, so these stay: 1." in said
    assert "The project's recipe is now f00d" in said


def test_a_failed_analysis_is_an_error_with_its_reason(ask):
    with pytest.raises(ServiceError, match="Screening again failed: no encoder"):
        from seedbed.commands.common import wait_for_analysis

        wait_for_analysis(Server(), Server(state="failed").started, "screening again")


def test_two_ways_to_give_settings_are_one_too_many(ask):
    said = ask(Server(), "rescreen", "p", "--set", "keep_fraction=0.5", "--recipe", "x.yaml")
    assert said.exit_code == 2
    assert "cannot be given together" in said.stderr
