"""Where a candidate came from, as it travels in its review task."""

from __future__ import annotations

from seedbed_backend.store import Project, Run, StoredCandidate


def of_candidate(project: Project, run: Run, stored: StoredCandidate) -> dict[str, object]:
    """Say where a candidate came from: enough to find its source and to make it again."""
    completion, source = stored.completion, stored.candidate.source
    return {
        "source_id": source.id,
        "source_task": source.label_studio_task,
        "source_group": source.group,
        "source": dict(source.provenance),
        "project": project.id,
        "run": run.id,
        "recipe": run.recipe_hash,
        "screened_by": run.screened_by or run.recipe_hash,
        "prompt": completion.prompt_hash,
        "model": run.model_name,
        "model_sha256": run.model_sha256,
        "rng_seed": completion.rng_seed,
        "n_tokens": completion.n_tokens,
    }
