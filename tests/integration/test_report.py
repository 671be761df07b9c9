"""The report, one candidate explained, re-screening and calibration: the command, the real stack."""

import json

import pytest

from growing import wait_for
from seedbed.tabs import WITHDRAWN_DRAW

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]


@pytest.fixture(scope="module")
def seedbed(run_seedbed):
    def run(*arguments, code=0):
        done = run_seedbed(*arguments, code=code)
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture(scope="module")
def project(grown):
    return grown("paraphrase")["id"]


def test_the_report_accounts_for_every_attempt_and_looks_at_the_set(
    seedbed, backend, project, tmp_path
):
    found = json.loads(seedbed("report", project, "--json"))
    funnel = found["funnel"]
    n_dropped = sum(row["n"] for row in funnel["dropped"])
    assert n_dropped + funnel["n_survivors"] == funnel["n_attempts"]
    assert all(row["examples"] for row in funnel["dropped"])
    assert {row["stage"] for row in funnel["dropped"]} - {"format"} <= {
        row["filter"] for row in found["filters"]
    }
    for row in found["filters"]:
        assert sum(row["kept_scores"]) + sum(row["dropped_scores"]) == row["n_scored"]
    result = found["analysis"]["result"]
    assert result["problems"] == []
    assert result["findings"]
    said = seedbed("report", project)
    assert "Where they ended" in said
    assert found["funnel"]["dropped"][0]["examples"][0]["id"][:12] in said
    assert all(finding["title"] in said for finding in result["findings"])
    # nothing has changed since: the second time nobody looks again
    again = json.loads(seedbed("report", project, "--json"))
    assert again["analysis"]["id"] == found["analysis"]["id"]
    assert backend.report(project)["analysis"]["is_current"]
    assert json.loads(seedbed("report", project, "--quick", "--json"))["analysis"] is None


def test_the_report_is_written_as_markdown_and_as_one_web_page_with_its_picture(
    seedbed, project, tmp_path
):
    page, text, picture = (tmp_path / f"report{end}" for end in (".html", ".md", ".svg"))
    seedbed("report", project, "-o", page, "--picture", picture)
    seedbed("report", project, "-o", text)
    assert "<svg" in picture.read_text()
    assert "<svg" in page.read_text()
    assert "http" not in page.read_text().split("<svg")[0]
    assert "## Filter by filter" in text.read_text()
    assert "neither .md nor .html" in seedbed("report", project, "-o", "report.pdf", code=2)


def test_without_a_project_the_funnel_is_by_technique(seedbed, project):
    said = seedbed("report")
    assert "paraphrase" in said
    found = json.loads(seedbed("report", "--json"))
    row = next(row for row in found if row["technique"] == "paraphrase")
    n_dropped = sum(r["n"] for r in row["dropped"])
    assert row["n_attempts"] == n_dropped + row["n_survivors"] + row["n_pending"]


def test_one_candidate_is_explained_from_its_source_to_its_place(seedbed, backend, project):
    found = json.loads(seedbed("report", project, "--quick", "--json"))
    dropped = next(
        row for row in found["funnel"]["dropped"] if row["stage"] not in {"format", "top_fraction"}
    )
    id_ = dropped["examples"][0]["id"]
    told = json.loads(seedbed("explain", id_[:10], "--json"))
    assert told["id"] == id_
    assert (told["place"]["stage"], told["place"]["reason"]) == (
        dropped["stage"],
        dropped["reason"],
    )
    assert told["decisions"][-1]["reason"] == dropped["reason"]
    assert told["generation"]["model_sha256"]
    assert told["source"]["url"].endswith(f"task={told['source']['task']}")
    said = seedbed("explain", id_)
    for part in (told["generation"]["prompt"], told["generation"]["text"], told["source"]["id"]):
        assert part in said
    assert f"dropped by {dropped['stage']}" in said
    assert "no candidate has an id" in seedbed("explain", "ffffffffffff", code=2).lower()
    assert "too short" in seedbed("explain", "ab", code=2)


def test_screened_again_without_apply_only_tells(seedbed, backend, store, project):
    before = {s.candidate.id: (s.state, s.stage) for s in store.candidates(project_id=project)}
    found = json.loads(
        seedbed("rescreen", project, "--set", "filters.similarity.minimum=0.88", "--json")
    )
    assert found["newly_dropped"]["n"] > 0
    assert found["applied"] is None
    assert {s.candidate.id: (s.state, s.stage) for s in store.candidates(project_id=project)} == (
        before
    )
    said = seedbed("rescreen", project, "--set", "filters.similarity.minimum=0.88")
    assert "Nothing was changed" in said
    same = json.loads(seedbed("rescreen", project, "--json"))
    assert [same[key]["n"] for key in ("newly_kept", "newly_dropped", "dropped_elsewhere")] == [
        0
    ] * 3
    problem = seedbed("rescreen", project, "--set", "filters.similarity.minimum=7", code=2)
    assert "'minimum' should be less than or equal to 1" in problem


def test_applied_it_moves_review_tasks_and_back(seedbed, backend, store, server, project):
    review = backend.project(project)["review_project"]
    before = backend.project(project)
    survivors = {
        s.candidate.id: s.draw for s in store.candidates(project_id=project, states=("survivor",))
    }
    said = seedbed("rescreen", project, "--set", "filters.similarity.minimum=0.88", "--apply")
    assert "withdrawn" in said
    withdrawn = [s for s in store.candidates(project_id=project) if s.is_withdrawn]
    assert withdrawn
    draws = {task["data"]["cid"]: task["data"]["draw"] for task in server.tasks(review)}
    assert {s.candidate.id for s in withdrawn} == {
        cid for cid, draw in draws.items() if draw == WITHDRAWN_DRAW
    }
    told = json.loads(seedbed("explain", withdrawn[0].candidate.id, "--json"))
    assert told["former_decisions"]
    assert told["review"]["is_withdrawn"]
    assert told["events"][-1]["event"] == "rescreened"
    assert "Before it was screened again" in seedbed("explain", withdrawn[0].candidate.id)
    recipe = backend.project(project)["recipe"]
    assert recipe["filters"]["similarity"]["minimum"] == 0.88
    default = before["recipe"]["filters"].get("similarity", {}).get("minimum", 0.7)
    seedbed("rescreen", project, "--set", f"filters.similarity.minimum={default}", "--apply")
    assert backend.project(project)["funnel"] == before["funnel"]
    # what only the stricter settings had let in is out again; all others are back in their place
    withdrawn = {s.candidate.id for s in store.candidates(project_id=project) if s.is_withdrawn}
    assert not withdrawn & survivors.keys()
    after = {task["data"]["cid"]: task["data"]["draw"] for task in server.tasks(review)}
    assert {cid: after[cid] for cid in survivors} == survivors
    assert {cid for cid, draw in after.items() if draw == WITHDRAWN_DRAW} == withdrawn


def test_calibrating_is_refused_below_its_minimum_of_verdicts(seedbed, project):
    said = seedbed("calibrate", project, code=2)
    assert "calibrating takes 50, at least 10 of each kind" in said


def test_an_analysis_goes_through_the_queue_to_its_end(backend, project):
    started = backend.start_rescreen(project, changes={"keep_fraction": 0.5})
    assert started["n_workers"] >= 1
    done = wait_for(
        lambda: (found := backend.analysis(started["id"]))["state"] == "done" and found, 60
    )
    assert (
        done["result"]["funnel"]["after"]["n_survivors"]
        <= (done["result"]["funnel"]["before"]["n_survivors"])
    )
