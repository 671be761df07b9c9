"""Grows the demo sources on a running stack, and waits."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from seedbed import ingest, recipe, registry

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "demo" / "sources"
MODEL = ROOT / "demo" / "model" / "seedbed-demo.gguf"
FILES = {
    "paraphrase": [SOURCES / "clauses.jsonl"],
    "qa": sorted((SOURCES / "contracts").glob("*.md"))[:4],
    "dpo": [SOURCES / "instructions.jsonl"],
    "expand": [SOURCES / "seeds.jsonl"],
}
PASSAGE_TOKENS = 80  # as in the demo
TARGET = 8
RUN_SECONDS = 240


def wait_for(condition, seconds=30.0, what="it"):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    pytest.fail(f"{what} did not happen within {seconds:.0f} s")


def run_to_its_end(backend, run_id):
    def ended():
        run = backend.run(run_id)
        return run if run["state"] in {"done", "short", "failed"} else None

    return wait_for(ended, RUN_SECONDS, f"the end of run {run_id}")


def grow(backend, name, technique, *, target=TARGET, **settings):
    """Make a project, import the demo sources, run it; return its summary."""
    spec = registry.technique(technique)
    found = ingest.ingest(FILES[technique], spec, n_tokens=PASSAGE_TOKENS)
    labels = sorted({s.fields[spec.label_field] for s in found.sources}) if spec.label_field else []
    plan = recipe.parse({"technique": technique, "labels": labels, **settings})
    backend.save_project(name, plan.model_dump(mode="json"))
    rows = [{"fields": dict(s.fields), "provenance": dict(s.provenance)} for s in found.sources]
    assert backend.import_rows(name, rows)["n_new"] == len(rows)
    run = run_to_its_end(backend, backend.start_run(name, target)["id"])
    assert run["state"] in {"done", "short"}, run["error"]
    return backend.project(name)
