"""What a project and a run look like from outside: plain dicts for the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.recipe import Recipe, parse
from seedbed.text import shortened
from seedbed_backend import gate, judging, outlook, redaction
from seedbed_backend.filters import configure, filters
from seedbed_backend.store import (
    FilterCount,
    Funnel,
    PlaceCount,
    Project,
    Run,
    SourceCount,
    Store,
    StoredCandidate,
)

N_RUNS = 5
"""How many of a project's newest runs are described."""

MIN_SEEN = 50
MAX_DROPPED_FRACTION = 0.8
"""A filter that saw at least 50 is flagged where it dropped more than 80 %, or none."""

MIN_ATTEMPTS = 3
"""A source or group with fewer attempts is not called hard."""

EXAMPLE_LENGTH = 200


def project_summary(store: Store, project: Project, n_workers: int = 1) -> dict[str, Any]:
    """Describe a project: where it is in Label Studio, its funnel, runs, verdicts and acceptance.

    `warm_ups` are those that no run has taken over yet. Trials are not shown.
    """
    passed = gate.brief(store, project)
    url = project.label_studio_url
    return {
        "id": project.id,
        "name": project.name,
        "technique": project.technique,
        "recipe_hash": project.recipe_hash,
        "recipe": project.recipe,
        "review_fraction": project.sampled_fraction,
        "source_project": project.source_project,
        "review_project": project.review_project,
        "source_url": f"{url}/projects/{project.source_project}/data",
        "review_url": f"{url}/projects/{project.review_project}/data",
        "n_sources": store.count_sources(project.id),
        "funnel": funnel_dict(store.funnel(project_id=project.id)),
        "verdicts": store.verdict_counts(project.id),
        "acceptance": _rate(passed["overall"], passed["target"]),
        "gate": passed,
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


def full_report(store: Store, project: Project, run: Run | None = None) -> dict[str, Any]:
    """Return the report on a project or on one of its runs: counts made by the database.

    Funnel by stage and reason with examples, by source and group, filter by filter with score
    histograms and flags, what the textbook window would keep, and verdicts.
    """
    recipe = outlook.recipe_of(store, run) if run else parse(project.recipe)
    run_id = run.id if run else None
    passed = gate.brief(store, project, run_id)
    funnel = store.funnel(run_id=run_id, project_id=project.id)
    found = store.examples_by_reason(project.id, run_id)
    known = store.candidates_by_id({each.id for each in found})
    examples: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in found:
        shown = _example(known[each.id], recipe)
        examples.setdefault((each.stage, each.reason), []).append(shown)
    counts = store.filter_counts(project.id, run_id)
    n_groups, groups = store.hardest_sources(
        "group", project_id=project.id, run_id=run_id, n_least=MIN_ATTEMPTS
    )
    n_sources, sources = store.hardest_sources(
        "source", project_id=project.id, run_id=run_id, n_least=MIN_ATTEMPTS
    )
    texts = {
        source.id: shortened(source.fields[recipe.spec.text_field], EXAMPLE_LENGTH)
        for source in store.sources(project.id, [each.key for each in sources])
    }
    return {
        "project": {"id": project.id, "name": project.name, "technique": project.technique},
        "run": run_id,
        "recipe_hash": recipe.hash,
        "funnel": {
            **funnel_dict(funnel),
            "dropped": [
                {
                    "stage": row.stage,
                    "reason": row.reason,
                    "n": row.n,
                    "examples": examples.get((row.stage, row.reason), []),
                }
                for row in sorted(funnel.rows, key=lambda row: _running_order(recipe, row.stage))
            ],
        },
        "survival": outlook.survival(funnel, recipe),
        "groups": {"n": n_groups, "hardest": [_source_row(each) for each in groups]},
        "sources": {
            "n": n_sources,
            "hardest": [_source_row(each) | {"text": texts[each.key]} for each in sources],
        },
        "filters": [_filter_row(each) for each in _in_order(counts, recipe)],
        "flags": flags(counts, recipe),
        "window": window(store, recipe, project.id, run_id),
        "acceptance": {
            **_rate(passed["overall"], passed["target"]),
            "verdicts": store.verdict_counts(project.id),
        },
        "gate": passed,
    }


def technique_report(store: Store) -> list[dict[str, Any]]:
    """Return the funnel of every technique over all projects."""
    places: dict[str, list[PlaceCount]] = {}
    for place in store.funnel_by_technique():
        places.setdefault(place.technique, []).append(place)
    return [
        {
            "technique": technique,
            "n_attempts": sum(p.n for p in found),
            "n_pending": sum(p.n for p in found if p.state in {"pending", "kept"}),
            "n_survivors": sum(p.n for p in found if p.state == "survivor"),
            "dropped": [
                {"stage": p.stage, "reason": p.reason, "n": p.n}
                for p in sorted(found, key=lambda p: (-p.n, p.stage, p.reason))
                if p.state == "dropped"
            ],
        }
        for technique, found in sorted(places.items())
    ]


def flags(counts: Sequence[FilterCount], recipe: Recipe) -> list[dict[str, Any]]:
    """Name the filters that dropped more than 80 %, or none, of at least 50 that they saw.

    Left out are the "final" ones, which keep a set share, and those that had nothing to decide by:
    quotas that are not set, a model that is not there.
    """
    found = []
    idle = {f.name for f in configure(recipe) if f.is_idle or f.scope == "final"}
    for count in counts:
        variant = filters().get(count.filter)
        is_blind = variant is not None and variant.always_scores and not count.n_scored
        if count.n_seen < MIN_SEEN or count.filter in idle or is_blind:
            continue
        if count.n_dropped / count.n_seen > MAX_DROPPED_FRACTION:
            what = f"{count.filter} dropped {count.n_dropped} of the {count.n_seen} it saw"
            advice = "Look at its examples: the threshold, the prompt or the sources may not fit."
            found.append(
                {"filter": count.filter, "kind": "drops_most", "text": f"{what}. {advice}"}
            )
        elif not count.n_dropped:
            what = f"{count.filter} dropped none of the {count.n_seen} it saw"
            advice = "Either there was nothing to find, or it is set too loosely."
            found.append(
                {"filter": count.filter, "kind": "drops_none", "text": f"{what}. {advice}"}
            )
    return found


def window(
    store: Store, recipe: Recipe, project_id: str, run_id: str | None = None
) -> dict[str, float] | None:
    """Compare the filter `similarity` with the textbook window: cosine alone, both ends enforced.

    Counts over what reached it, and the window's ends; None where no decision tells.
    """
    counts = store.evidence_values(project_id, "similarity", "strict_window", run_id)
    similarity = next((f for f in configure(recipe) if f.name == "similarity"), None)
    if not counts or similarity is None:
        return None
    return {
        "n": sum(counts.values()),
        "n_kept": sum(n for (is_kept, _), n in counts.items() if is_kept),
        "n_in_window": sum(n for (_, strict), n in counts.items() if strict == "kept"),
        "n_both": counts.get((True, "kept"), 0),
        **similarity.model_dump(include={"minimum", "maximum"}),
    }


def _rate(counts: Mapping[str, Any], target: float) -> dict[str, Any]:
    keys = ("n_judged", "n_outside", "rate", "low", "high")
    return {**{key: counts[key] for key in keys}, "target": target}


def _running_order(recipe: Recipe, stage: str) -> int:
    order = outlook.stages(recipe)
    return order.index(stage) if stage in order else len(order)


def _in_order(counts: Sequence[FilterCount], recipe: Recipe) -> list[FilterCount]:
    return sorted(counts, key=lambda count: _running_order(recipe, count.filter))


def _filter_row(count: FilterCount) -> dict[str, Any]:
    variant = filters().get(count.filter)
    return {
        "filter": count.filter,
        "help": variant.help if variant else "A larger model's grades." * (count.filter == "judge"),
        "n_seen": count.n_seen,
        "n_dropped": count.n_dropped,
        "n_scored": count.n_scored,
        "kept_scores": list(count.kept_scores),
        "dropped_scores": list(count.dropped_scores),
    }


def _source_row(count: SourceCount) -> dict[str, Any]:
    worst = count.worst
    return {
        "id": count.key,
        "group": count.group,
        "task": count.label_studio_task,
        "n_attempts": count.n_attempts,
        "n_dropped": count.n_dropped,
        "n_survivors": count.n_survivors,
        "worst": {"stage": worst.stage, "reason": worst.reason, "n": worst.n} if worst else None,
    }


def _example(stored: StoredCandidate, recipe: Recipe) -> dict[str, Any]:
    return {
        "id": stored.candidate.id,
        "source": stored.candidate.source.id,
        "text": shortened(redaction.text(stored, recipe.spec), EXAMPLE_LENGTH),
    }


def _summaries(store: Store, project: Project, kind: str, n_workers: int) -> list[dict[str, Any]]:
    chosen = [run for run in store.runs(project.id) if run.kind == kind][:N_RUNS]
    return [run_summary(store, run, n_workers) for run in chosen]
