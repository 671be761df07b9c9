"""The gate over a run that the pipeline itself has grown, and the sample drawn again by others."""

from __future__ import annotations

import dataclasses
import json

import pytest
from statsmodels.stats.proportion import proportion_confint

from backend import grown
from backend.redraw import redraw
from seedbed import gate_notice
from seedbed.errors import UserError
from seedbed.records import Verdict
from seedbed_backend import calibrate, explain, gate, rescreen, sample
from seedbed_backend.insights.base import ReportData
from seedbed_backend.store import Analysis

RUN = "run1"


@pytest.fixture
def services(tmp_path):
    services, _, _ = grown.grow(
        f"sqlite:///{tmp_path}/store.db", n_sources=30, acceptance_target=0.6, keep_fraction=1.0
    )
    services.store.set_review_fraction("p1", 0.5)
    yield services
    services.store.close()


def project(services):
    return services.store.project("p1")


def survivors(services):
    """Return all survivors, those of the sample first."""
    found = services.store.candidates(run_id=RUN, states=("survivor",))
    return sorted(found, key=lambda s: s.draw)


def sampled(services):
    fraction = project(services).sampled_fraction
    return [s for s in survivors(services) if s.draw < fraction]


def judge(services, stored, status, *reasons, note="", minute=0):
    """Let one and the same reviewer say something, or say something else later."""
    services.store.save_verdict(
        Verdict(
            stored.candidate.id,
            status,
            stored.candidate.fields,
            reasons,
            reviewer=1,
            annotation_id=stored.review_task,
            decided_at=f"2026-01-01T00:{minute:02}:00Z",
            note=note,
        )
    )


def judge_all(services, n_rejected):
    for place, stored in enumerate(sampled(services)):
        judge(services, stored, "REJECTED" if place < n_rejected else "ACCEPTED")


def only_run(services):
    (run,) = gate.gate(services, project(services))["runs"]
    return run


def released(services):
    gate.announce(services, project(services))
    return gate_notice.parse(services.label_studio.notice)[RUN]


def test_a_run_is_open_until_its_whole_sample_is_judged(services):
    first, *others = sampled(services)
    assert len(others) > 20
    for place, stored in enumerate(others):
        judge(services, stored, "FIXED" if place % 2 else "ACCEPTED")
    run = only_run(services)
    assert (run["state"], run["n_waiting"], run["n_more"]) == ("open", 1, None)
    judge(services, first, "REJECTED", "too_vague")
    run = only_run(services)
    n = len(others) + 1
    low, high = proportion_confint(n - 1, n, method="wilson")
    assert (run["state"], run["is_released"], run["n_judged"]) == ("passed", True, n)
    assert run["n_accepted"] + run["n_fixed"] == n - 1
    assert (run["rate"], run["low"], run["high"]) == pytest.approx(((n - 1) / n, low, high))
    assert released(services) == "passed"


@pytest.mark.parametrize(("share", "state"), [(0.0, "passed"), (0.35, "needs_review"), (1, "held")])
def test_the_interval_and_the_target_decide(services, share, state):
    n = len(sampled(services))
    judge_all(services, round(share * n))
    run = only_run(services)
    assert run["state"] == run["computed"] == state == released(services)
    assert run["is_released"] == (state == "passed")


def test_verdicts_outside_of_the_sample_are_counted_apart(services):
    judge_all(services, 0)
    before = only_run(services)
    for stored in survivors(services)[len(sampled(services)) :]:
        judge(services, stored, "REJECTED")
    run = only_run(services)
    assert run["n_outside"] == run["n_survivors"] - run["n_sampled"] > 0
    for key in ("state", "n_judged", "n_rejected", "rate"):
        assert run[key] == before[key]


def test_strata_add_up_and_name_what_was_rejected(services):
    first, second, *_ = sampled(services)
    judge(services, first, "REJECTED", "changes_meaning", note="Not the same.")
    judge(services, second, "REJECTED", "changes_meaning", "clumsy")
    found = gate.gate(services, project(services))
    (run,) = found["runs"]
    for key in ("n_survivors", "n_sampled", "n_judged", "n_waiting", "n_rejected", "n_outside"):
        assert sum(stratum[key] for stratum in run["strata"]) == run[key] == found["overall"][key]
    reasons = [reason for stratum in run["strata"] for reason in stratum["reasons"]]
    assert sum(r["n"] for r in reasons if r["reason"] == "changes_meaning") == 2
    assert sum(r["n"] for r in reasons if r["reason"] == "clumsy") == 1
    examples = [example for reason in reasons for example in reason["examples"]]
    (shown,) = [e for e in examples if e["id"] == first.candidate.id]
    assert shown["text"] == first.candidate.fields["paraphrase"]
    assert shown["note"] == "Not the same."
    assert shown["task"] == first.review_task
    json.dumps(found)


def test_the_advice_brings_enough_into_the_sample(services):
    services.store.set_review_fraction("p1", 0.2)
    n = len(sampled(services))
    judge_all(services, n // 4)
    run = only_run(services)
    assert run["state"] == "needs_review"
    assert run["n_more"] > 0
    services.store.set_review_fraction("p1", run["next_fraction"])
    assert len(sampled(services)) >= n + run["n_more"]
    services.store.set_review_fraction("p1", run["next_fraction"] - 0.01)
    assert len(sampled(services)) < n + run["n_more"]


def test_where_only_skipped_ones_are_left_the_worst_case_is_told(services, monkeypatch):
    *others, last = sampled(services)
    for stored in others:
        judge(services, stored, "ACCEPTED")
    assert only_run(services)["worst_case"] is None
    tasks = [
        {"data": {"cid": s.candidate.id}}
        for s in (last, others[0], survivors(services)[-1])  # one was judged since, one is outside
    ]
    monkeypatch.setattr(services.label_studio, "skipped_tasks", lambda _: [*tasks, {"data": {}}])
    run = only_run(services)
    n = len(others) + 1
    assert (run["state"], run["n_skipped"], run["n_waiting"]) == ("open", 1, 1)
    low, _ = proportion_confint(n - 1, n, method="wilson")
    assert run["worst_case"]["low"] == pytest.approx(low)
    assert run["worst_case"]["state"] == "passed"


def test_a_managers_word_wins_and_both_are_shown(services):
    judge_all(services, len(sampled(services)))
    run = services.store.run(RUN)
    gate.decide(services, project(services), run, "release", " Seen by Ann. ", "Bob")
    told = only_run(services)
    assert (told["state"], told["computed"], told["is_released"]) == ("released", "held", True)
    assert told["decision"]["reason"] == "Seen by Ann."
    assert told["decision"]["author"] == "Bob"
    assert f"run {RUN} released by a manager: 0.0 %" in services.label_studio.notice
    decision = services.store.standing_decisions("p1")[RUN]
    assert decision.figures["state"] == "held"
    assert decision.figures["n_rejected"] == len(sampled(services))
    gate.decide(services, project(services), run, "undo", "", "Bob")
    told = only_run(services)
    assert (told["state"], told["decision"]) == ("held", None)
    assert released(services) == "held"


@pytest.mark.parametrize(
    ("word", "reason", "message"),
    [
        ("release", " ", "only with a reason"),
        ("hold", "", "only with a reason"),
        ("undo", "", "nothing to undo"),
    ],
)
def test_a_decision_without_a_ground_is_refused(services, word, reason, message):
    with pytest.raises(UserError, match=message):
        gate.decide(services, project(services), services.store.run(RUN), word, reason, "Bob")
    assert services.store.standing_decisions("p1") == {}


def test_a_run_that_is_not_before_people_cannot_be_released(services):
    services.store.update_run(RUN, state="publishing")
    with pytest.raises(UserError, match="no survivors before people yet"):
        gate.decide(services, project(services), services.store.run(RUN), "release", "go", "Bob")
    assert gate.gate(services, project(services))["runs"] == []
    gate.announce(services, project(services))
    assert gate_notice.parse(services.label_studio.notice) == {}


def test_what_people_wrote_into_the_description_stays(services):
    services.label_studio.notice = "Deadline: Friday."
    gate.announce(services, project(services))
    text = services.label_studio.notice
    assert text.startswith("Deadline: Friday.\n\nMade by Seedbed. Review gate:\nrun run1 open: ")
    assert gate.announce(services, project(services))
    assert services.label_studio.notice == text


def test_a_verdict_never_fails_because_label_studio_is_away(services):
    services.label_studio.is_away = True
    assert not gate.announce(services, project(services))
    services.label_studio.is_away = False
    assert gate.announce(services, project(services))


def test_a_verdict_that_comes_while_the_notice_is_written_is_in_it(services, monkeypatch):
    *others, last = sampled(services)
    for stored in others:
        judge(services, stored, "ACCEPTED")
    write = services.label_studio.set_description

    def slowly(project, text):
        write(project, text)
        judge(services, last, "ACCEPTED")

    services.label_studio.notice = ""
    monkeypatch.setattr(services.label_studio, "set_description", slowly)
    assert gate.announce(services, project(services))
    assert gate_notice.parse(services.label_studio.notice)[RUN] == "passed"


class TestTheSample:
    @pytest.fixture
    def change(self, services, monkeypatch):
        self.shown = []
        monkeypatch.setattr(
            services.label_studio,
            "set_review_fraction",
            lambda _, fraction: self.shown.append(fraction),
            raising=False,
        )

        def change(fraction, **how):
            sample.change(services, project(services), fraction, **how)

        services.store.set_review_fraction("p1", None)
        return change

    def test_enlarging_it_changes_the_tab_and_adds_to_it(self, services, change):
        before = sampled(services)
        change(0.2)
        assert self.shown == [0.2]
        assert project(services).sampled_fraction == 0.2
        assert sampled(services)[: len(before)] == before
        told = services.store.events("p1")[0]
        assert told.event == "sample_changed"
        assert (told.data["former"], told.data["review_fraction"]) == (0.15, 0.2)
        assert told.data["n_sampled"] == len(sampled(services))

    def test_a_run_that_had_passed_is_open_again(self, services, change):
        change(0.3, force=True)
        judge_all(services, 0)
        assert released(services) == "passed"
        change(0.6, force=True)
        assert gate_notice.parse(services.label_studio.notice)[RUN] == "open"

    @pytest.mark.parametrize(
        ("fraction", "message"),
        [
            (0.05, "outside 0.10 to 0.20"),
            (0.3, "outside 0.10 to 0.20"),
            (0.12, "would shrink from 0.15 to 0.12"),
            (0.0, "above 0 and at most 1"),
            (1.5, "above 0 and at most 1"),
            (float("nan"), "above 0 and at most 1"),
        ],
    )
    def test_what_takes_insisting_is_refused(self, services, change, fraction, message):
        with pytest.raises(UserError, match=message):
            change(fraction)
        assert self.shown == []
        assert project(services).sampled_fraction == 0.15

    def test_who_insists_may_shrink_it(self, services, change):
        change(0.05, force=True)
        assert project(services).sampled_fraction == 0.05
        assert gate.gate(services, project(services))["is_forced"]
        change(0.05)  # again: the tab is repaired, and nothing is new
        assert self.shown == [0.05, 0.05]
        assert len(services.store.events("p1")) == 1

    def test_nobody_insists_on_more_than_all(self, change):
        with pytest.raises(UserError, match="at most 1"):
            change(2.0, force=True)


def test_calibration_and_explanation_go_by_the_sample_in_force(services):
    judge_all(services, 0)
    judged = services.store.judged_candidates("p1")
    assert len(calibrate.in_sample(judged, 0.5)) == len(judged)
    assert len(calibrate.in_sample(judged, 0.15)) < len(judged)
    assert not calibrate.in_sample([dataclasses.replace(judged[0], is_withdrawn=True)], 0.5)
    at_the_end = sampled(services)[-1]
    told = explain.explain(services.store, at_the_end.candidate.id)["review"]
    assert (told["review_fraction"], told["is_in_sample"]) == (0.5, True)


def test_an_insight_goes_by_the_sample_in_force(services):
    from seedbed_backend import findings

    data = findings.read(services, "p1")
    assert isinstance(data, ReportData)
    assert data.sampled_fraction == 0.5
    assert dataclasses.replace(data, review_fraction=None).sampled_fraction == 0.15


# --- drawn again by others -----------------------------------------------------------------------


def audit_file(services, folder):
    path = folder / "audit.jsonl"
    events = [dataclasses.asdict(e) for e in services.store.project_events("p1")]
    path.write_text("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in events))
    return path


@pytest.fixture
def audited(services, monkeypatch):
    """The sample of 50 % that the audit trail tells of as well."""
    services.store.set_review_fraction("p1", None)
    monkeypatch.setattr(
        services.label_studio, "set_review_fraction", lambda *_: None, raising=False
    )
    sample.change(services, project(services), 0.5, force=True)
    return services


def test_anybody_draws_the_same_sample_again(audited, tmp_path):
    judge_all(audited, 3)
    judge(audited, sampled(audited)[0], "ACCEPTED", minute=1)
    tasks = list(audited.label_studio.stored.values())
    report = redraw(audit_file(audited, tmp_path), tasks)
    run = only_run(audited)
    assert report == {
        "n_drawn": len(survivors(audited)),
        "n_tasks": len(tasks),
        "n_wrong": 0,
        "review_fraction": 0.5,
        "n_sampled": run["n_sampled"],
        "n_judged": run["n_judged"],
        "n_rejected": 2,
    }
    assert run["n_rejected"] == 2


def test_a_draw_that_somebody_moved_is_found(audited, tmp_path):
    tasks = json.loads(json.dumps(list(audited.label_studio.stored.values())))
    tasks[0]["data"]["draw"] = 0.000001
    assert redraw(audit_file(audited, tmp_path), tasks, is_right=False)["n_wrong"] == 1


def test_another_seed_or_a_missing_candidate_gives_another_sample(audited, tmp_path):
    path = audit_file(audited, tmp_path)
    tasks = list(audited.label_studio.stored.values())
    told = path.read_text()
    path.write_text(told.replace('"rng_seed": 1', '"rng_seed": 2'))
    assert redraw(path, tasks, is_right=False)["n_wrong"] > len(tasks) / 2
    path.write_text(told.replace(f'"{survivors(audited)[0].candidate.id}", ', "", 1))
    assert redraw(path, tasks, is_right=False)["n_wrong"] > 0


def test_after_a_re_screening_it_is_drawn_again_all_the_same(audited, tmp_path):
    for minimum in (
        0.6,
        0.2,
    ):  # withdraws some; then brings them back, and others for the first time
        changes = {"filters": {"similarity": {"minimum": minimum}}}
        recipe = rescreen.new_recipe(project(audited), changes)
        options = {"recipe": recipe.model_dump(mode="json"), "run": None, "apply": True}
        analysis = Analysis(f"a{minimum}", "p1", "rescreen", options)
        audited.store.add_analysis(analysis)
        rescreen.perform(audited, analysis)
        tasks = list(audited.label_studio.stored.values())
        report = redraw(audit_file(audited, tmp_path), tasks)
        withdrawn = [s for s in audited.store.candidates(run_id=RUN) if s.is_withdrawn]
        assert bool(withdrawn) == (minimum == 0.6)
        assert report["n_sampled"] == only_run(audited)["n_sampled"]
    assert report["n_drawn"] > report["n_sampled"]
    drawings = [e for e in audited.store.events(RUN) if e.event == "sample_drawn"]
    assert len(drawings) == 2


def test_a_candidate_is_explained_with_its_own_stratum_of_the_drawing(audited):
    stored = survivors(audited)[0]
    told = explain.explain(audited.store, stored.candidate.id)["events"]
    (drawn,) = [e["data"] for e in told if e["event"] == "sample_drawn"]
    assert drawn["stratum"] == stored.stratum
    assert drawn["n"] >= 1
    assert "strata" not in drawn
