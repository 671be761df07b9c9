"""The README's own lines from Label Studio into training, as they stand there, and who reads the files."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

import growing
from growing import ROOT
from reviewing.team import Person, Sheet

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]

README_PROJECT = "demo-paraphrase"
PROGRAM = ".venv/bin/seedbed"


def lines_of_the_readme():
    """Return the commands of the first block under "Into training", without their comments."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Into training\n")[1]
    block = section.split("```sh\n")[1].split("```")[0]
    return [line.split("  #")[0].strip() for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def trained(label_studio, stack, backend, tmp_path_factory):
    """Have survivors accepted, fixed and rejected; run the README's lines on them; return the folder."""
    # one of its own: others want survivors that nobody has judged
    project = growing.grow(backend, "training", "paraphrase")  # labelled clauses are real examples
    person = Person(label_studio.url, label_studio.user, label_studio.password)
    for number, task in enumerate(person.tasks(project["review_project"])):
        sheet = Sheet(task)
        if number == 0:
            person.submit(task, sheet.reject("meaning changed"))
        elif number == 1:
            person.submit(task, sheet.write("paraphrase", "The fee is due in May.").accept())
        else:
            person.submit(task, sheet.accept())
    person.close()
    backend.sync(project["id"])
    folder = tmp_path_factory.mktemp("training")
    environment = os.environ | stack.environment | {"COLUMNS": "160"}
    for line in lines_of_the_readme():
        words = shlex.split(line.replace(README_PROJECT, project["id"]))
        assert words[0] == PROGRAM, line
        done = subprocess.run(
            [sys.executable, "-m", "seedbed", *words[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return folder


def rows(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_there_are_five_lines_from_pull_to_verify():
    commands = [shlex.split(line)[1] for line in lines_of_the_readme()]
    assert commands == ["pull", "pull", "merge", "export", "verify"]


def test_what_people_left_is_in_the_training_file(trained):
    approved = [row["output"]["paraphrase"] for row in rows(trained / "approved.jsonl")]
    assert "The fee is due in May." in approved
    verdicts = [row["provenance"]["verdict"] for row in rows(trained / "approved.jsonl")]
    assert verdicts.count("FIXED") == 1
    written = rows(trained / "dataset" / "train.jsonl")
    synthetic = [row for row in written if row["metadata"]["origin"] == "synthetic"]
    assert synthetic
    assert {row["messages"][0]["content"] for row in synthetic} <= set(approved)
    assert len(synthetic) / len(written) <= 0.4  # what labels lack is not made up for by others
    held_out = rows(trained / "dataset" / "test.jsonl")
    assert held_out
    assert {row["metadata"]["origin"] for row in held_out} == {"real"}


def test_datasets_loads_the_folder(trained, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    found = datasets.load_dataset(str(trained / "dataset"), cache_dir=str(tmp_path / "cache"))
    assert found["train"].num_rows == len(rows(trained / "dataset" / "train.jsonl"))


def test_trl_takes_every_row_for_a_conversation(trained):
    from trl.data_utils import is_conversational

    assert all(is_conversational(row) for row in rows(trained / "dataset" / "train.jsonl"))


def test_pandas_and_pyarrow_read_the_file(trained):
    import pandas
    import pyarrow.json

    file = trained / "dataset" / "train.jsonl"
    n = len(rows(file))
    table = pandas.read_json(file, lines=True)
    assert len(table) == n
    assert set(table["metadata"].map(lambda found: found["origin"])) == {"real", "synthetic"}
    assert pyarrow.json.read_json(file).num_rows == n
