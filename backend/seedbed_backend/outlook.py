"""What is known of a run from the record: its yield, its pace, its stage, and where it will end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seedbed.recipe import Recipe, parse
from seedbed_backend import forecast, judging, planner
from seedbed_backend.filters import configure
from seedbed_backend.forecast import Pace
from seedbed_backend.planner import Goal, Progress, Yield
from seedbed_backend.store import Batch, Funnel, Run, Store

N_EARLIER_RUNS = 5
"""How many of the newest runs of the same recipe and model a forecast looks at."""

SCREENING_KEYS = ("filters", "keep_fraction", "glossary", "style_guide", "judge")
"""What of a recipe decides about screening alone; the rest would take generating again."""


@dataclass(frozen=True, slots=True)
class Record:
    """What earlier runs of one recipe and model have shown."""

    runs: Sequence[Run]
    seen: Yield
    batches: Sequence[Batch]

    @property
    def n_runs(self) -> int:
        """Count the runs."""
        return len(self.runs)


def final_share(recipe: Recipe) -> float:
    """Return the share of what all other filters kept that the final ones will keep, 0-1."""
    return math.prod(f.expected_share for f in configure(recipe) if f.scope == "final")


def final_filters(recipe: Recipe) -> frozenset[str]:
    """Name the filters that rank a whole run."""
    return frozenset(f.name for f in configure(recipe) if f.scope == "final")


def goal(recipe: Recipe, target: int, budget: int) -> Goal:
    """Return what a run under this recipe is to reach."""
    return Goal(target, budget, recipe.over_generation, final_share(recipe))


def observed(store: Store, run: Run, recipe: Recipe, until_wave: int | None = None) -> Progress:
    """Say how far the run's waves are that are closed, wave by wave.

    Those are all up to `until_wave`, or all but the last one of a run that has not ended.
    """
    if until_wave is None:
        until_wave = run.wave - (run.state in {"generating", "failed"})
    final = final_filters(recipe)
    progress = Progress()
    for wave in range(1, until_wave + 1):
        funnel = store.funnel(run_id=run.id, wave=wave)
        n_ranked = sum(row.n for row in funnel.rows if row.stage in final)
        n_kept = funnel.n_pending + funnel.n_survivors + n_ranked
        asked = {source for b in store.batches(run.id, wave) for source, _, _ in b.items}
        progress = progress.after(Yield(funnel.n_attempts, n_kept, len(asked)))
    return progress


def record(store: Store, project_id: str, recipe: Recipe, sha256: str, *, before: str) -> Record:
    """Gather the newest runs of the recipe and model, trials too, made before run `before`.

    An empty `sha256` stands for the model of the newest one; an empty `before` for now.
    """
    found = [r for r in store.runs(project_id) if r.model_sha256 and _is_by(store, r, recipe)]
    ids = [r.id for r in found]
    found = [r for r in found[ids.index(before) + 1 if before in ids else 0 :] if is_over(r)]
    sha256 = sha256 or (found[0].model_sha256 if found else "")
    alike = [r for r in found if r.model_sha256 == sha256][:N_EARLIER_RUNS]
    return Record(
        alike,
        sum((observed(store, r, recipe).done for r in alike), Yield()),
        [b for r in alike for b in store.batches(r.id)],
    )


def recipe_of(store: Store, run: Run) -> Recipe:
    """Return what decided a run's outcome: its recipe, with the filters that screened it last."""
    recipe = parse(store.recipe(run.recipe_hash))
    if run.screened_by in (None, run.recipe_hash):
        return recipe
    latest = parse(store.recipe(run.screened_by or ""))
    return recipe.model_copy(update={key: getattr(latest, key) for key in SCREENING_KEYS})


def _is_by(store: Store, run: Run, recipe: Recipe) -> bool:
    if run.screened_by is None:
        return run.recipe_hash == recipe.hash
    return recipe_of(store, run).hash == recipe.hash


def is_over(run: Run) -> bool:
    """Say whether the run has ended well, with all its waves closed."""
    return run.state in {"done", "short"}


def of_run(store: Store, run: Run, n_workers: int = 1) -> dict[str, Any]:
    """Describe how a run goes: stage, pace, survival per filter, and what is to come.

    `forecast` is None where nothing is known yet, and for a run that has ended.
    """
    recipe = recipe_of(store, run)
    batches = store.batches(run.id)
    progress = observed(store, run, recipe)
    n_closed = round(progress.done.n_attempts)
    earlier = record(store, run.project_id, recipe, run.model_sha256, before=run.id)
    own = [b for b in batches if b.state != "queued"]
    pace = forecast.measure(own if len(own) > 1 else [*own, *earlier.batches])
    ahead = None
    if run.state == "generating" and run.kind == "run":
        ahead = forecast.forecast(
            goal(recipe, run.target, run.budget),
            progress,
            n_planned=sum(b.n_attempts for b in batches) - n_closed,
            n_generated=store.funnel(run_id=run.id).n_attempts - n_closed,
            n_judged=sum(b.n_attempts for b in batches if b.state == "judged") - n_closed,
            earlier=earlier.seen,
            pace=pace,
            n_sources=sum(not excess for excess in store.run_sources(run.id).values()),
            n_workers=n_workers,
        )
    return {
        "stage": stage(run, batches, has_judge=recipe.judge.enabled),
        "pace": pace_dict(pace),
        "seen": asdict(progress.done),
        "n_earlier_runs": earlier.n_runs,
        "forecast": asdict(ahead) if ahead else None,
    }


def plan(
    store: Store,
    project_id: str,
    recipe: Recipe,
    target: int,
    sources: dict[str, int],
    sha256: str,
    n_workers: int = 1,
) -> dict[str, Any]:
    """Say what a run for `target` survivors would take, from earlier runs of recipe and model.

    Where a warm-up waits for it, the run begins with that, and what is known is what it showed.
    `sources` maps source ids to the tokens by which they are too long. `forecast` is None where
    nothing is known yet.
    """
    wanted = goal(recipe, target, planner.budget(target))
    earlier = record(store, project_id, recipe, sha256, before="")
    pace = forecast.measure(earlier.batches)
    n_sources = sum(not excess for excess in sources.values())
    begun = next(
        (observed(store, r, recipe) for r in earlier.runs if r.kind == "warm_up"), Progress()
    )
    ahead = forecast.forecast(
        wanted,
        begun,
        earlier=earlier.seen,
        pace=pace,
        n_sources=n_sources,
        n_workers=n_workers,
    )
    return {
        "target": target,
        "budget": wanted.budget,
        "warm_up": planner.wave_size(wanted, Progress()),
        "n_begun": round(begun.done.n_attempts),
        "final_share": wanted.final_share,
        "n_sources": n_sources,
        "n_left_out": len(sources) - n_sources,
        "n_workers": n_workers,
        "pace": pace_dict(pace),
        "seen": asdict(begun.done if begun.done.n_attempts else earlier.seen),
        "n_earlier_runs": earlier.n_runs,
        "forecast": asdict(ahead) if ahead else None,
    }


def stage(run: Run, batches: Sequence[Batch], *, has_judge: bool = False) -> str:
    """Say in words what a run is doing."""
    if run.state != "generating":
        return str(run.state)
    wave = [b for b in batches if b.wave == run.wave]
    names = {1: "warm-up", 2: "main wave"}
    name = names.get(run.wave, f"top-up {run.wave - 2}")
    if any(b.state == "queued" for b in wave):
        return f"{name}: generating"
    if any(b.state == "generated" for b in wave):
        return f"{name}: screening"
    if has_judge and any(b.state == "screened" for b in wave):
        return f"{name}: judging"
    return f"{name}: comparing candidates"


def pace_dict(pace: Pace | None) -> dict[str, Any] | None:
    """Return rates as people read them: tokens per second, tokens and seconds per attempt."""
    if pace is None:
        return None
    effort = pace.effort
    return {
        "n_batches": pace.n_batches,
        "prompt_tokens_per_second": _ratio(effort.n_prompt_tokens, effort.prompt_seconds),
        "tokens_per_second": _ratio(effort.n_tokens, effort.seconds),
        "prompt_tokens_per_source": _ratio(effort.n_prompt_tokens, pace.n_prompts),
        "tokens_per_attempt": _ratio(effort.n_tokens, pace.n_attempts),
        "seconds_per_attempt": effort.seconds / pace.n_attempts,
        "screen_seconds_per_attempt": pace.screen_seconds,
        "judge_seconds_per_attempt": pace.judge_seconds,
        "scatter": pace.scatter,
    }


def stages(recipe: Recipe) -> list[str]:
    """Name what can drop an attempt, in running order."""
    filters = configure(recipe)
    names = ["format", *(f.name for f in filters if f.scope == "candidate")]
    if recipe.judge.enabled:
        names.append(judging.NAME)
    return names + [f.name for f in filters if f.scope != "candidate"]


def survival(funnel: Funnel, recipe: Recipe) -> list[dict[str, Any]]:
    """Return how many attempts came to each stage and passed it, in running order.

    "format" is the parse rate. What is pending counts as passed by the stages that did not drop it.
    """
    n = funnel.n_attempts
    rows = []
    for name in stages(recipe):
        n_dropped = sum(row.n for row in funnel.rows if row.stage == name)
        rows.append({"stage": name, "n_in": n, "n_passed": n - n_dropped})
        n -= n_dropped
    return rows


def _ratio(amount: float, of: float) -> float | None:
    return amount / of if of else None
