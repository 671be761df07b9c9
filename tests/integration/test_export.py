"""From Label Studio to a data set, by the command line: real rows and those that people accepted."""

import json
from pathlib import Path

import pytest
import yaml

from seedbed.export import manifest, read_examples

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]


def accept(server, task):
    """Annotate a review task as a person does who leaves its texts as they are."""
    (prediction,) = server.task(task)["predictions"]
    regions = [dict(region) for region in prediction["result"]]
    shown = next(region for region in regions if region["type"] == "textarea")
    regions.append(
        {
            "id": "v",
            "from_name": "verdict",
            "to_name": shown["to_name"],
            "type": "choices",
            "value": {"choices": ["accept"]},
        }
    )
    server._sdk.annotations.create(
        id=task, result=regions, lead_time=4.2, parent_prediction=prediction["id"]
    )


@pytest.fixture(scope="module")
def pulled(grown, server, run_seedbed, tmp_path_factory):
    """Return a function that has three tasks of a technique accepted, and pulls them."""

    def pull(technique):
        project = grown(technique)
        folder = tmp_path_factory.mktemp(technique)
        tasks = sorted(server.tasks(project["review_project"]), key=lambda t: t["id"])
        for task in tasks[-3:]:
            accept(server, task["id"])
        run_seedbed("sync", project["id"])
        run_seedbed("pull", project["id"], "-o", folder / "approved.jsonl")
        return project, folder

    return pull


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that loads a folder with `datasets`, without a network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return lambda folder: datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("technique", "format_name"),
    [
        ("paraphrase", "trl-prompt-completion"),
        ("qa", "parquet"),
        ("dpo", "trl-preference"),
        ("expand", "alpaca"),
    ],
)
def test_what_people_accepted_becomes_a_data_set(
    pulled, run_seedbed, load, tmp_path, technique, format_name
):
    project, folder = pulled(technique)
    approved = list(read_examples(folder / "approved.jsonl"))
    out = tmp_path / "out"
    export = ("export", folder / "approved.jsonl", "--format", format_name, "-o", out)
    run_seedbed(*export, "--project", project["id"], "--license", "cc0-1.0")

    rows = load(out)["train"]
    assert rows.num_rows == len(approved) >= 3
    said = [row["metadata"] if "metadata" in rows.features else row for row in rows]
    assert {s["recipe"] for s in said} == {project["recipe_hash"]}
    assert {len(s["model_sha256"]) for s in said} == {64}
    assert {s["verdict"] for s in said} <= {"ACCEPTED", "FIXED"}
    assert [s["source_id"] for s in said] == [e.provenance["source_id"] for e in approved]

    card = Path(out / "README.md").read_text()
    header, body = yaml.safe_load(card.split("---\n")[1]), card.split("---\n", 2)[2]
    assert header["license"] == "cc0-1.0"
    assert f"## Recipe {project['recipe_hash']}" in body
    assert "| top\\_fraction | keep\\_fraction: 0.65" in body
    assert "95 % Wilson interval" in body or "0 accepted" in body
    assert "There is no test split" in body
    found = manifest.read(out)
    assert found["recipes"][0]["document"]["technique"] == technique
    assert found["store_revision"]
    assert "All 2 files" in run_seedbed("verify", out).stdout

    before = (out / "manifest.json").read_bytes()
    run_seedbed(*export, "--project", project["id"], "--license", "cc0-1.0")
    assert (out / "manifest.json").read_bytes() == before


def test_passages_behind_the_examples_become_chunks(pulled, run_seedbed, load, tmp_path):
    _, folder = pulled("qa")
    run_seedbed("export", folder / "approved.jsonl", "--format", "rag-chunks", "-o", tmp_path / "c")
    approved = list(read_examples(folder / "approved.jsonl"))
    chunks = load(tmp_path / "c")["train"]
    assert set(chunks["source_id"]) == {e.provenance["source_id"] for e in approved}
    assert set(chunks["text"]) == {e.source["passage"] for e in approved}
    assert all(chunks["document"])


def test_real_rows_and_synthetic_ones_are_merged_and_exported(pulled, run_seedbed, load, tmp_path):
    project, folder = pulled("paraphrase")
    run_seedbed("pull", project["id"], "--real", "-o", folder / "real.jsonl")
    run_seedbed(
        *("merge", "--real", folder / "real.jsonl", "--synthetic", folder / "approved.jsonl"),
        *("-o", folder / "merged", "--test-fraction", 0.2),
    )
    out = tmp_path / "out"
    run_seedbed("export", folder / "merged", "--format", "openai-messages", "-o", out)
    splits = load(out)
    origins = {row["metadata"]["origin"] for row in splits["train"]}
    assert origins == {"real", "synthetic"}
    assert {row["metadata"]["origin"] for row in splits["test"]} == {"real"}
    trained = {row["metadata"]["source_id"] for row in splits["train"]}
    assert not trained & {row["metadata"]["source_id"] for row in splits["test"]}
    assert json.loads((out / "manifest.json").read_bytes())["merge"]


def test_a_project_that_is_not_there_is_named_before_anything_is_written(run_seedbed, tmp_path):
    (tmp_path / "e.jsonl").write_text("")
    arguments = ("--format", "alpaca", "-o", tmp_path / "out", "--project", "nope")
    done = run_seedbed("export", tmp_path / "e.jsonl", *arguments, code=2)
    assert "nope" in done.stderr
    assert not (tmp_path / "out").exists()
