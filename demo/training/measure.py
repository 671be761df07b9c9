"""Measures a GGUF model on the demo sources: how many answers parse, and how many filters keep.

Runs the product's own engine, parser and filters, without Redis or Label Studio. "Kept" means: kept
by all filters that look at one candidate, then by `dedup`.
"""

from __future__ import annotations

import json
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from seedbed import ingest, recipe, registry
from seedbed.records import Candidate, SourceTask
from seedbed_backend.embeddings import SentenceEncoder
from seedbed_backend.engine import LoadOptions
from seedbed_backend.engine.base import Engine, GenerationRequest
from seedbed_backend.engine.llama_cpp import LlamaCpp
from seedbed_backend.filters import ScreenContext, configure
from seedbed_backend.filters.base import Encoder
from seedbed_backend.generation import Item, build_requests
from seedbed_backend.parsing import parse
from seedbed_backend.store import Project, Store

logger = logging.getLogger(__name__)
DEMO = Path(__file__).resolve().parents[1]
SOURCES = DEMO / "sources"
PASSAGE_TOKENS = 80  # as `make demo` cuts the contracts
FILES = {
    "paraphrase": (SOURCES / "clauses.jsonl",),
    "qa": tuple(sorted((SOURCES / "contracts").glob("*.md"))),
    "dpo": (SOURCES / "instructions.jsonl",),
    "expand": (SOURCES / "seeds.jsonl",),
}


@dataclass(slots=True)
class Outcome:
    """What became of the completions of one technique."""

    n_attempts: int = 0
    n_parsed: int = 0
    n_kept: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    rows: list[dict[str, object]] = field(default_factory=list)

    def line(self) -> str:
        """Say it in one line."""
        parsed, kept = self.n_parsed / self.n_attempts, self.n_kept / max(1, self.n_parsed)
        drops = ", ".join(f"{name} {n}" for name, n in self.drops.most_common())
        return (
            f"{self.n_attempts} attempts, {self.seconds / self.n_attempts:.2f} s each, "
            f"{parsed:.1%} parse, {kept:.1%} of those kept; dropped: {drops}"
        )


def _plan(name: str, sources: Sequence[SourceTask], temperature: float | None) -> recipe.Recipe:
    technique = registry.technique(name)
    labels = (
        sorted({s.fields[technique.label_field] for s in sources}) if technique.label_field else []
    )
    plan = recipe.load(DEMO / "recipes" / f"{name}.yaml").model_dump(mode="json")
    if temperature is not None:
        plan["sampling"]["temperature"] = temperature
    return recipe.parse(plan | {"labels": labels})


def measure(
    name: str,
    engine: Engine,
    encoder: Encoder,
    n_sources: int,
    n_each: int,
    temperature: float | None,
) -> Outcome:
    """Complete `n_each` times for each of `n_sources` random sources, parse and filter."""
    technique = registry.technique(name)
    found = list(ingest.ingest(FILES[name], technique, n_tokens=PASSAGE_TOKENS).sources)
    plan = _plan(name, found, temperature)
    sources = {s.id: s for s in found}
    chosen = random.Random(4).sample(sorted(sources), min(n_sources, len(sources)))
    outcome = Outcome()
    candidates: list[Candidate] = []
    started = time.perf_counter()
    for request in _requests(plan, found, [(source_id, 0, n_each) for source_id in chosen], engine):
        for completion in engine.generate([request]):
            outcome.n_attempts += 1
            fields, reason = parse(completion, request.prompt.schema)
            if fields is None:
                outcome.drops[f"format:{reason}"] += 1
                outcome.rows.append({"text": completion.text, "drop": f"format:{reason}"})
            else:
                source = sources[request.prompt.source_id]
                candidates.append(Candidate(completion.id, source, fields))
    outcome.seconds = time.perf_counter() - started
    outcome.n_parsed = len(candidates)
    _screen(outcome, candidates, ScreenContext(plan, encoder, sources=found))
    return outcome


def _requests(
    plan: recipe.Recipe, sources: Sequence[SourceTask], items: Sequence[Item], engine: Engine
) -> list[GenerationRequest]:
    """Render the prompts as a run does, from a store that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/store.sqlite3")
        store.migrate()
        document = plan.model_dump(mode="json")
        project = Project(
            "measure", "Measure", plan.technique, document, plan.hash, "http://x", 1, 2
        )
        store.save_project(project)
        store.add_sources(project.id, sources)
        try:
            return build_requests(store, project.id, "measure", plan, items, engine.model)
        finally:
            store.close()


def _screen(outcome: Outcome, candidates: list[Candidate], context: ScreenContext) -> None:
    for stage in configure(context.recipe):
        if stage.scope == "final":
            continue
        decisions = stage.screen(candidates, context)
        for candidate, decision in zip(candidates, decisions, strict=True):
            if not decision.keep:
                outcome.drops[f"{decision.filter}:{decision.reason}"] += 1
                outcome.rows.append(_row(candidate, f"{decision.filter}:{decision.reason}"))
        candidates = [c for c, d in zip(candidates, decisions, strict=True) if d.keep]
    outcome.n_kept = len(candidates)
    outcome.rows += [_row(candidate, "") for candidate in candidates]


def _row(candidate: Candidate, drop: str) -> dict[str, object]:
    return {"source": dict(candidate.source.fields), "output": dict(candidate.fields), "drop": drop}


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("encoder_folder", type=click.Path(exists=True, path_type=Path))
@click.option("--technique", "names", multiple=True, default=tuple(FILES))
@click.option("--sources", "n_sources", default=24, help="Sources for each technique.")
@click.option("--each", "n_each", default=4, help="Completions for each source.")
@click.option("--temperature", type=float, default=None, help="Instead of the recipe's.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder for the rows.")
def main(
    model: Path,
    encoder_folder: Path,
    names: tuple[str, ...],
    n_sources: int,
    n_each: int,
    temperature: float | None,
    out: Path | None,
) -> None:
    """Measure MODEL with the sentence encoder in ENCODER_FOLDER."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)
    engine = LlamaCpp(LoadOptions(model, n_threads=1, context_length=0))
    encoder = SentenceEncoder(encoder_folder, threads=1)
    for name in names:
        outcome = measure(name, engine, encoder, n_sources, n_each, temperature)
        logger.info("%s: %s", name, outcome.line())
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in outcome.rows]
            (out / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
