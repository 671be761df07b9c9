"""Plans, warm-ups and prompt trials as a person asks for them: the command, the real stack."""

import json

import pytest

from growing import FILES, run_to_its_end
from seedbed import recipe

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]


@pytest.fixture(scope="module")
def seedbed(run_seedbed):
    def run(*arguments, code=0):
        done = run_seedbed(*arguments, code=code)
        return done.stdout + done.stderr if code == 0 else done.stderr

    return run


@pytest.fixture(scope="module")
def project(backend):
    """Clauses to paraphrase, and one that is longer than the demo model's context."""
    plan = recipe.parse({"technique": "paraphrase", "sampling": {"max_tokens": 128}})
    backend.save_project("it-plans", plan.model_dump(mode="json"))
    rows = [json.loads(line) for line in FILES["paraphrase"][0].read_text().splitlines()]
    fields = [{"original": row["original"]} for row in rows[:30]]
    fields.append({"original": "The Supplier pays the Client. " * 200})
    assert backend.import_rows("it-plans", [{"fields": f} for f in fields])["n_new"] == 31
    return "it-plans"


def survivors_of(backend, project):
    return backend.project(project)["funnel"]["n_survivors"]


def test_first_nothing_is_known_then_the_warm_up_tells_and_the_run_begins_with_it(
    seedbed, backend, project, store
):
    said = seedbed("plan", project, "-n", 30)
    assert "Nothing is known yet" in said
    assert "30" in said
    assert "tokens too long for the model's context" in said
    assert "1 left out" in said

    said = seedbed("plan", project, "-n", 30, "--warm-up")
    assert "attempts per survivor" in said
    assert "80 %" in said
    assert "the warm-up, with which the run begins: 40 attempts" in said
    summary = backend.project(project)
    assert (summary["runs"], len(summary["warm_ups"])) == ([], 1)
    assert summary["funnel"]["n_survivors"] == 0
    assert "the next run begins with it" in seedbed("status", project)
    warm = summary["warm_ups"][0]
    assert warm["state"] == "done"
    assert backend.start_warm_up(project, 30)["id"] == warm["id"]

    said = seedbed("generate", project, "-n", 30)
    assert f"Run {warm['id']} has started" in said
    assert "Review them" in said
    run = backend.run(warm["id"])
    assert (run["kind"], run["target"]) == ("run", 30)
    assert run["state"] in {"done", "short"}
    funnel = run["funnel"]
    n_dropped = sum(row["n"] for row in funnel["dropped"])
    assert funnel["n_attempts"] == n_dropped + funnel["n_survivors"] == run["n_planned"]
    assert run["survival"][0]["n_in"] == funnel["n_attempts"]
    assert run["survival"][-1]["n_passed"] == funnel["n_survivors"]
    planned = {s for b in store.batches(run["id"]) for s, _, _ in b.items}
    assert len(planned) == 30
    assert all(b.effort.seconds > 0 for b in store.batches(run["id"]))
    tasks = [c.review_task for c in store.candidates(run_id=run["id"], states=("survivor",))]
    assert all(tasks)


def test_a_plan_after_a_run_knows_it(seedbed, project):
    assert "1 earlier run of this recipe and model" in seedbed("plan", project, "-n", 10)


def test_the_forecast_of_the_next_run_is_near_what_it_takes(seedbed, backend, project):
    forecast = backend.plan(project, 20)["forecast"]
    run = run_to_its_end(backend, backend.start_run(project, 20)["id"])
    # A rough check: that intervals hold what they promise is tested on simulated runs.
    attempts = forecast["attempts"]
    assert 0.5 * attempts["low"] <= run["funnel"]["n_attempts"] <= 2 * attempts["high"]


def test_prompts_are_tried_side_by_side_and_nothing_is_left_of_them(
    seedbed, backend, project, tmp_path
):
    before = backend.project(project)
    cut = tmp_path / "cut.yaml"
    cut.write_text("sampling: {max_tokens: 8}\n")
    other = tmp_path / "other.yaml"
    other.write_text("system: You write contracts.\nuser: |\n  Say this again: {{ original }}\n")
    said = seedbed("prompt", "try", project, "--prompt", cut, "--sources", 5)
    assert "the project's own" in said
    assert "cut.yaml" in said
    assert "s per survivor" in said
    assert "format truncated" in said
    found = json.loads(
        seedbed("prompt", "try", project, "--prompt", other, "--sources", 5, "--json").split(
            "left out:"
        )[0]
    )
    assert [trial["name"] for trial in found] == ["the project's own", "other.yaml"]
    for trial in found:
        assert trial["state"] == "done"
        assert trial["total"]["n_attempts"] == 20
        assert len(trial["sources"]) == 5
        assert trial["best"]["text"]
    assert {s["source"] for s in found[0]["sources"]} == {s["source"] for s in found[1]["sources"]}
    after = backend.project(project)
    assert {**after, "runs": []} == {**before, "runs": []}
    assert [run["id"] for run in after["runs"]] == [run["id"] for run in before["runs"]]


def test_a_prompt_file_that_cannot_be_used_is_named(seedbed, project, tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("usr: typo\n")
    said = seedbed("prompt", "try", project, "--prompt", file, code=2)
    assert "unknown key 'usr'" in said
    file.write_text("user: '{{ no_such_field }}'\n")
    said = seedbed("prompt", "try", project, "--prompt", file, code=2)
    assert "no_such_field" in said
    assert "Traceback" not in said


def test_a_wrong_number_is_named(seedbed, project):
    assert "from 1 to 100000, not 0" in seedbed("plan", project, "-n", 0, code=2)
    assert "from 1 to 200, not 0" in seedbed("prompt", "try", project, "--sources", 0, code=2)


def test_status_says_how_an_unfinished_run_goes(seedbed, backend, project):
    run = backend.start_run(project, 40)
    said = seedbed("status", project)
    summary = run_to_its_end(backend, run["id"])
    assert f"run {run['id'][:8]}:" in said
    assert "attempts" in said
    assert summary["outlook"]["stage"] in {"done", "short"}
    assert summary["outlook"]["forecast"] is None
