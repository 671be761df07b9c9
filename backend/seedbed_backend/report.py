"""What a project and a run look like from outside: plain dicts for the API."""

from __future__ import annotations

from typing import Any

from seedbed import review
from seedbed.recipe import parse
from seedbed_backend import judging, outlook
from seedbed_backend.store import Funnel, Project, Run, Store

N_RUNS = 5
"""How many of a project's newest runs are described."""


def project_summary(store: Store, project: Project, n_workers: int = 1) -> dict[str, Any]:
    """Describe a project: where it is in Label Studio, its funnel, runs, verdicts and acceptance.

    `warm_ups` are those that no run has taken over yet. Trials are not shown.
    """
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
        "recipe": project.recipe,
        "review_fraction": recipe.review_fraction,
        "source_project": project.source_project,
        "review_project": project.review_project,
        "source_url": f"{url}/projects/{project.source_project}/data",
        "review_url": f"{url}/projects/{project.review_project}/data",
        "n_sources": store.count_sources(project.id),
        "funnel": funnel_dict(store.funnel(project_id=project.id)),
        "verdicts": verdicts,
        "acceptance": {
            "n_judged": n_judged,
            "rate": n_accepted / n_judged if n_judged else None,
            "low": low,
            "high": high,
            "target": recipe.acceptance_target,
        },
        "runs": _summaries(store, project, "run", n_workers),
        "warm_ups": _summaries(store, project, "warm_up", n_workers),
    }


def run_summary(store: Store, run: Run, n_workers: int = 1) -> dict[str, Any]:
    """Describe a run: its state, how far it is, its funnel, its outlook, and what went wrong."""
    batches = store.batches(run.id)
    funnel = store.funnel(run_id=run.id)
    recipe = outlook.recipe_of(store, run)
    return {
        "id": run.id,
        "project": run.project_id,
        "kind": run.kind,
        "state": run.state,
        "target": run.target,
        "budget": run.budget,
        "wave": run.wave,
        "n_planned": sum(batch.n_attempts for batch in batches),
        "n_batches": len(batches),
        "n_batches_generated": sum(batch.state != "queued" for batch in batches),
        "n_batches_screened": sum(batch.state in {"screened", "judged"} for batch in batches),
        "n_batches_judged": sum(batch.state == "judged" for batch in batches),
        "model": run.model_name,
        "error": run.error,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "n_left_out": sum(excess > 0 for excess in store.run_sources(run.id).values()),
        "funnel": funnel_dict(funnel),
        "survival": outlook.survival(funnel, recipe),
        "judge": judge_counts(store, run.id) if recipe.judge.enabled else None,
        "outlook": outlook.of_run(store, run, n_workers),
    }


def funnel_dict(funnel: Funnel) -> dict[str, Any]:
    """Return the counts: attempts = dropped + pending + survivors."""
    return {
        "n_attempts": funnel.n_attempts,
        "n_pending": funnel.n_pending,
        "n_survivors": funnel.n_survivors,
        "dropped": [{"stage": r.stage, "reason": r.reason, "n": r.n} for r in funnel.rows],
    }


def judge_counts(store: Store, run_id: str) -> dict[str, int]:
    """Count what the judge looked at, and what it gave no usable answer on, which was kept."""
    n_judged, n_without = store.count_decisions(run_id, judging.NAME)
    return {"n_judged": n_judged, "n_no_verdict": n_without}


def _summaries(store: Store, project: Project, kind: str, n_workers: int) -> list[dict[str, Any]]:
    chosen = [run for run in store.runs(project.id) if run.kind == kind][:N_RUNS]
    return [run_summary(store, run, n_workers) for run in chosen]
