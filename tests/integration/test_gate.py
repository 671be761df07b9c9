"""The acceptance gate on the real stack: people judge in Label Studio, managers use the command."""

from __future__ import annotations

import json

import pytest
from statsmodels.stats.proportion import proportion_confint

import growing
from backend.redraw import redraw
from growing import wait_for
from integration.test_stack import annotate
from seedbed import gate_notice, recipe, registry
from seedbed.errors import UserError
from seedbed.tabs import SAMPLE_TAB

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]

TARGET = 0.5
FRACTION, LARGER = 0.5, 0.9
"""A low target and a large share, so that the handful of verdicts of a test can decide."""

TECHNIQUE = registry.technique("paraphrase")


@pytest.fixture(scope="module")
def seedbed(run_seedbed):
    def run(*arguments, code=0):
        done = run_seedbed(*arguments, code=code)
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture(scope="module")
def project(backend):
    """A project of our own: its gate must not see what other tests judge."""
    found = growing.grow(backend, "it-gate", "paraphrase", target=12, acceptance_target=TARGET)
    backend.change_sample(found["id"], FRACTION, force=True)
    return found["id"]


@pytest.fixture(scope="module")
def review(backend, project):
    return backend.project(project)["review_project"]


@pytest.fixture(scope="module")
def team(server, project, review):
    """Who judges: `say(choice)` lets every task of the sample have this one verdict."""
    return Team(server, review)


class Team:
    def __init__(self, server, review):
        self.server, self.review = server, review
        self.annotations = {}

    def tasks(self, fraction):
        """Return the tasks of the sample in the order in which the tab shows them."""
        found = [t for t in self.server.tasks(self.review) if t["data"]["draw"] < fraction]
        return sorted(found, key=lambda task: task["data"]["draw"])

    def judge(self, task, choice, **extra):
        """Judge a task, or change one's mind about it."""
        if task["id"] in self.annotations:
            self.server._sdk.annotations.delete(self.annotations.pop(task["id"]))
        self.annotations[task["id"]] = annotate(
            self.server, task["id"], TECHNIQUE, choice=choice, **extra
        )


def gate_of(backend, project):
    (run,) = backend.gate(project)["runs"]
    return run


def settled(backend, project, **expected):
    """Wait until the webhooks have been worked off and the gate says so; return the run's gate."""

    def found():
        run = gate_of(backend, project)
        return run if all(run[key] == value for key, value in expected.items()) else None

    return wait_for(found, 30, f"a gate with {expected}")


def noticed(server, review, state):
    """Wait until the description in Label Studio gives the one run this state."""

    def found():
        return list(gate_notice.parse(server.description(review)).values()) == [state]

    assert wait_for(found, 30, f"the notice {state}")


def by_hand(n_good, n):
    """Decide as the documentation says, with an interval that is not ours."""
    low, high = proportion_confint(n_good, n, method="wilson")
    return "passed" if low >= TARGET else "held" if high < TARGET else "needs_review"


def test_from_the_first_verdict_to_a_decision(backend, server, project, review, team):
    found = backend.gate(project)
    assert (found["target"], found["review_fraction"]) == (TARGET, FRACTION)
    tasks = team.tasks(FRACTION)
    n = len(tasks)
    assert n >= 4, "the demo model leaves too few survivors for this test"
    run = gate_of(backend, project)
    assert (run["state"], run["n_sampled"], run["n_judged"]) == ("open", n, 0)
    assert run["n_survivors"] == len(list(server.tasks(review)))
    noticed(server, review, "open")

    for task in tasks[:-1]:
        team.judge(task, "accept")
    run = settled(backend, project, n_judged=n - 1)
    assert (run["state"], run["is_released"], run["worst_case"]) == ("open", False, None)
    team.judge(tasks[-1], "accept", was_cancelled=True)  # skipped
    run = settled(backend, project, n_skipped=1)
    assert (run["state"], run["n_waiting"]) == ("open", 1)
    assert run["worst_case"]["state"] == by_hand(n - 1, n)

    team.judge(tasks[-1], "accept")
    run = settled(backend, project, n_judged=n, n_accepted=n)
    assert run["state"] == by_hand(n, n) == "passed"
    noticed(server, review, "passed")

    for task in tasks[: n // 2]:
        team.judge(task, "reject")
    run = settled(backend, project, n_judged=n, n_rejected=n // 2)
    assert run["state"] == by_hand(n - n // 2, n) == "needs_review"
    noticed(server, review, "needs_review")

    for task in tasks[n // 2 :]:
        team.judge(task, "reject")
    run = settled(backend, project, n_judged=n, n_rejected=n)
    assert run["state"] == by_hand(0, n) == "held"
    noticed(server, review, "held")


def test_a_manager_sees_what_is_wrong_and_overrules_it(
    seedbed, backend, server, project, review, team
):
    run = gate_of(backend, project)["run"][:8]
    screen = seedbed("gate", project)
    assert f"Review gate of {project}, run {run}" in screen
    assert "Held: 0% [0%," in screen
    assert TECHNIQUE.reject_reasons[0] in screen
    assert backend.project(project)["review_url"] in screen
    assert "only with a reason" in seedbed("release", project, code=2)
    assert "only with a reason" in seedbed("hold", project, run, "--reason", " ", code=2)
    assert "nothing to undo" in seedbed("release", project, "--undo", code=2)
    assert "has no run 'nope'" in seedbed("release", project, "nope", "--reason", "x", code=2)

    said = seedbed("release", project, run, "--reason", "Ann read all of it.", "--by", "Bob")
    assert "released by a manager" in said
    noticed(server, review, "released")
    screen = seedbed("gate", project, "--run", run)
    assert "Released by Bob on 20" in screen
    assert "Ann read all of it." in screen
    assert "By the verdicts alone: held" in screen
    assert json.loads(seedbed("gate", project, "--json"))["runs"][0]["is_released"]

    seedbed("release", project, "--undo")
    noticed(server, review, "held")
    for task in team.tasks(FRACTION):
        team.judge(task, "accept")
    settled(backend, project, state="passed")
    seedbed("hold", project, "--reason", "Wait for legal.")
    decision = gate_of(backend, project)["decision"]
    assert decision["author"] == server.check().email
    noticed(server, review, "held")
    assert f"gate of run {run}: held by a manager" in seedbed("status", project)
    seedbed("hold", project, "--undo")
    noticed(server, review, "passed")
    assert "Review gate" in seedbed("report", project, "--quick")


def test_enlarging_the_sample_moves_no_task_and_opens_the_gate_again(
    seedbed, backend, server, project, review, team
):
    before = {task["id"]: task["data"] for task in server.tasks(review)}
    n = len(team.tasks(FRACTION))
    team.judge(team.tasks(1.0)[n], "accept")
    run = settled(backend, project, n_outside=1)
    assert (run["state"], run["n_judged"]) == ("passed", n)

    assert "outside 0.10 to 0.20" in seedbed("sample", project, "--fraction", LARGER, code=2)
    assert "would shrink" in seedbed("sample", project, "--fraction", 0.2, code=2)
    assert f"{n} of {n} are judged, 0 wait" in seedbed("sample", project)
    said = seedbed("sample", project, "--fraction", LARGER, "--force")
    assert "(90%)" in said
    assert "is outside 0.10 to 0.20" in said
    run = gate_of(backend, project)
    assert (run["state"], run["n_sampled"]) == ("open", len(team.tasks(LARGER)))
    assert (run["n_judged"], run["n_outside"]) == (n + 1, 0)
    noticed(server, review, "open")

    after = {task["id"]: task["data"] for task in server.tasks(review)}
    unmarked = {"verdict", "approved", "reasons", "shown"}  # what shows that a verdict came
    for id_, data in before.items():
        assert {k: v for k, v in data.items() if k not in unmarked} == {
            k: v for k, v in after[id_].items() if k not in unmarked
        }
    assert before.keys() == after.keys()
    views = server._sdk.views.list(project=review)
    (tab,) = [view.data for view in views if view.data["title"] == SAMPLE_TAB]
    limits = [i["value"] for i in tab["filters"]["items"] if i["filter"].endswith("data.draw")]
    assert limits == [LARGER]


def test_what_people_wrote_into_the_description_survives_and_sync_mends_the_notice(
    seedbed, server, project, review
):
    server.set_description(review, "Ask Mary first.\n\nrun 0123 released: by me")
    seedbed("sync", project)
    wait_for(lambda: "Review gate:" in server.description(review), 30, "the notice")
    text = server.description(review)
    assert text.startswith("Ask Mary first.")
    assert list(gate_notice.parse(text).values()) == ["open"]


def test_the_sample_is_drawn_again_from_the_audit_trail_by_others(
    seedbed, backend, server, store, project, review, tmp_path
):
    said = seedbed("audit", project, "-o", tmp_path / "audit.jsonl")
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert f"{len(lines)} events written" in said
    events = [json.loads(line) for line in lines]
    assert [e["time"] for e in events] == sorted(e["time"] for e in events)
    names = {event["event"] for event in events}
    assert {"project_saved", "sample_drawn", "sample_changed", "verdict_changed"} <= names
    decisions = [e["data"] for e in events if e["event"] == "gate_decided"]
    assert [d["decision"] for d in decisions] == ["release", "undo", "hold", "undo"]
    assert decisions[0]["figures"]["state"] == "held"
    texts = {s.candidate.fields["paraphrase"] for s in store.candidates(project_id=project)}
    assert not any(text in line for line in lines for text in texts if text)

    report = redraw(tmp_path / "audit.jsonl", server.tasks(review))
    run = gate_of(backend, project)
    assert report == {
        "n_drawn": run["n_survivors"],
        "n_tasks": run["n_survivors"],
        "n_wrong": 0,
        "review_fraction": LARGER,
        "n_sampled": run["n_sampled"],
        "n_judged": run["n_judged"],
        "n_rejected": 0,
    }
    assert "No project has the id 'nope'" in seedbed(
        "audit", "nope", "-o", tmp_path / "no.jsonl", code=2
    )
    assert not list(tmp_path.glob("no.jsonl*"))


def test_an_unusual_fraction_takes_insisting_at_set_up(seedbed, backend, project, tmp_path):
    plan = recipe.parse({"technique": "paraphrase", "review_fraction": 0.4})
    file = tmp_path / "recipe.yaml"
    file.write_text("technique: paraphrase\nreview_fraction: 0.4\n")
    said = seedbed("init", "it-forced", "--recipe", file, code=2)
    assert "outside 0.10 to 0.20" in said
    assert "--force" in said
    with pytest.raises(UserError):
        backend.save_project("it-forced", plan.model_dump(mode="json"))
    seedbed("init", "it-forced", "--recipe", file, "--force")
    assert backend.gate("it-forced")["is_forced"]
    seedbed("init", "it-forced", "--recipe", file)  # as it is, it needs no more insisting
    assert "is outside 0.10 to 0.20" in seedbed("status", "it-forced")
    assert "No run has put anything before people yet" in seedbed("gate", "it-forced")
    file.write_text("technique: paraphrase\nreview_fraction: 0.2\n")
    assert "would shrink from 0.4 to 0.2" in seedbed("init", "it-forced", "--recipe", file, code=2)
    seedbed("init", "it-forced", "--recipe", file, "--force")
    assert not backend.gate("it-forced")["is_forced"]
