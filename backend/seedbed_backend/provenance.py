"""Where a candidate came from, as it travels in its review task (see `seedbed.provenance`)."""

from __future__ import annotations

from typing import Any

from seedbed import documents
from seedbed import provenance as rows
from seedbed.recipe import Recipe
from seedbed_backend import redaction
from seedbed_backend.store import Project, Run, StoredCandidate


def of_candidate(
    project: Project, run: Run, stored: StoredCandidate, recipe: Recipe
) -> dict[str, Any]:
    """Say where a candidate came from: enough to find its source and to make it again.

    `recipe` is the one that the run generates under.
    """
    completion, source = stored.completion, stored.candidate.source
    return {
        "source_id": source.id,
        "source_task": source.label_studio_task,
        **rows.of_source(source.provenance),
        "page_spans": source.provenance.get("page_spans"),
        "evidence": _evidence(stored, recipe),
        "recipe": run.recipe_hash,
        "screened_by": run.screened_by or run.recipe_hash,
        "shown_sources": list(completion.shown_sources),
        "prompt_hash": completion.prompt_hash,
        "model": run.model_name,
        "model_sha256": run.model_sha256,
        "sampling": sampling(recipe),
        "rng_seed": completion.rng_seed,
        "n_tokens": completion.n_tokens,
        "run": run.id,
        "project": project.id,
    }


def sampling(recipe: Recipe) -> dict[str, Any]:
    """Return how tokens are drawn, with the technique's own values where the recipe has none."""
    own = {key: v for key, v in recipe.sampling.model_dump(mode="json").items() if v is not None}
    spec = recipe.spec
    return {"temperature": spec.temperature, "max_tokens": spec.max_tokens} | own


def _evidence(stored: StoredCandidate, recipe: Recipe) -> dict[str, Any]:
    """Return where the marked words stand: in the passage as it is shown, and in the document."""
    span, source = stored.evidence_span, stored.candidate.source
    if span is None:
        return {}
    start, end = redaction.moved(stored, recipe.spec.text_field, span)
    place = documents.locate(source.provenance, *span)
    return {"start": start, "end": end, **rows.of_place(place)}
