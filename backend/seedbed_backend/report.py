"""What a project and a run look like from outside: plain dicts for the API."""

from __future__ import annotations

from typing import Any

from seedbed import review
from seedbed.recipe import parse
from seedbed_backend.store import Funnel, Project, Run, Store


def project_summary(store: Store, project: Project) -> dict[str, Any]:
    """Describe a project: where it is in Label Studio, its funnel, runs, verdicts and acceptance."""
    recipe = parse(project.recipe)
    verdicts = store.verdict_counts(project.id)
    n_accepted = verdicts.get("ACCEPTED", 0) + verdicts.get("FIXED", 0)
    n_judged = sum(verdicts.values())
    low, high = review.wilson_interval(n_accepted, n_judged)
    url = project.label_studio_url
    return {
        "id": project.id,
        "name": project.name,
        "technique": project.technique,
        "recipe_hash": project.recipe_hash,
        "review_fraction": recipe.review_fraction,
        "source_project": project.source_project,
        "review_project": project.review_project,
        "source_url": f"{url}/projects/{project.source_project}/data",
        "review_url": f"{url}/projects/{project.review_project}/data",
        "n_sources": len(store.sources(project.id)),
        "funnel": funnel_dict(store.funnel(project_id=project.id)),
        "verdicts": verdicts,
        "acceptance": {
            "n_judged": n_judged,
            "rate": n_accepted / n_judged if n_judged else None,
            "low": low,
            "high": high,
            "target": recipe.acceptance_target,
        },
        "runs": [run_summary(store, run) for run in store.runs(project.id)[:5]],
    }


def run_summary(store: Store, run: Run) -> dict[str, Any]:
    """Describe a run: its state, how far it is, its funnel, and what went wrong."""
    batches = store.batches(run.id)
    return {
        "id": run.id,
        "project": run.project_id,
        "state": run.state,
        "target": run.target,
        "budget": run.budget,
        "wave": run.wave,
        "n_planned": sum(n for batch in batches for _, _, n in batch.items),
        "n_batches": len(batches),
        "n_batches_generated": sum(batch.state != "queued" for batch in batches),
        "n_batches_screened": sum(batch.state == "screened" for batch in batches),
        "model": run.model_name,
        "error": run.error,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "funnel": funnel_dict(store.funnel(run_id=run.id)),
    }


def funnel_dict(funnel: Funnel) -> dict[str, Any]:
    """Return the counts: attempts = dropped + pending + survivors."""
    return {
        "n_attempts": funnel.n_attempts,
        "n_pending": funnel.n_pending,
        "n_survivors": funnel.n_survivors,
        "dropped": [{"stage": r.stage, "reason": r.reason, "n": r.n} for r in funnel.rows],
    }
