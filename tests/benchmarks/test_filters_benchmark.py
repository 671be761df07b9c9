"""The benchmark of the filters runs on any folder with labelled rows, and says what is missing."""

import json
import subprocess
import sys

import pytest

from growing import ROOT

NOTE = "The tenant pays 1,200 euros on the first day of each month. Pets are not allowed."
ROWS = {
    "grounding": [
        {"source_text": NOTE, "answer": "The tenant pays 1,200 euros each month.", "grounded": 1},
        {"source_text": NOTE, "answer": "The tenant pays 2,100 euros each month.", "grounded": 0},
    ],
    "dedup": [
        {"a": NOTE, "b": NOTE.upper(), "duplicate": 1, "scored": True},
        {"a": NOTE, "b": "Who repairs the roof?", "duplicate": 0, "scored": True},
        {"a": NOTE, "b": NOTE.replace("1,200", "2,100"), "duplicate": 0, "scored": False},
    ],
}


@pytest.mark.slow
def test_prints_tables_and_one_line_of_figures(tmp_path):
    for name, rows in ROWS.items():
        lines = (
            json.dumps({"id": f"{name}-{n}", "slice": "own", "group": "human", **row})
            for n, row in enumerate(rows)
        )
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "benchmarks/filters.py", "--data", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=True,
    )  # fmt: skip
    assert "There is no paraphrase.jsonl" in found.stdout
    last = found.stdout.strip().splitlines()[-1]
    figures = json.loads(last.removeprefix("RESULT "))
    assert figures["grounding_auroc"] == 1.0
    assert figures["dedup_balanced_accuracy"] == 1.0
    assert figures["dedup_one_fact_dropped_fraction"] == 0.0
    assert figures["paraphrase_balanced_accuracy"] is None
    assert figures["milliseconds_per_candidate"] > 0
