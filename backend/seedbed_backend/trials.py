"""Trials: prompts tried on the same few sources before a run. Nothing of them is published."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.errors import UserError
from seedbed.recipe import Recipe, parse
from seedbed.records import SourceTask, content_id
from seedbed_backend import outlook, runs
from seedbed_backend.filters.base import Encoder
from seedbed_backend.services import Services
from seedbed_backend.store import Effort, Project, Run, Store, StoredCandidate, utc_now

N_SOURCES = 20
MAX_SOURCES = 200
"""How many sources a trial takes if nothing is said, and at most."""

OWN = "the project's own"
"""The name of the version that is tried beside those that are given."""


@dataclass(frozen=True, slots=True)
class Version:
    """One way to prompt: what it changes in the project's recipe (`prompt`, `sampling`)."""

    name: str
    prompt: Mapping[str, Any]
    sampling: Mapping[str, Any]


def read_versions(listed: Any) -> list[Version]:
    """Read the API's form. Raises UserError where it is not a list of named versions."""
    if not isinstance(listed, list):
        raise UserError("`versions` is no list.", hint='Send [{"name": "", "prompt": {}}].')
    versions = []
    for entry in listed:
        parts = entry if isinstance(entry, dict) else {}
        prompt, sampling = parts.get("prompt", {}), parts.get("sampling", {})
        if not parts.get("name") or not isinstance(prompt, dict) or not isinstance(sampling, dict):
            raise UserError(
                "A version needs a name, and may have a prompt and a sampling.",
                hint='Send [{"name": "short.yaml", "prompt": {"user": "…"}, "sampling": {}}].',
            )
        versions.append(Version(str(parts["name"]), prompt, sampling))
    return versions


def start(
    services: Services, project: Project, versions: Sequence[Version], n_sources: int
) -> list[Run]:
    """Queue one trial a version, the project's own first, all on the same sources.

    The sources are drawn at random from those that fit every version, always the same for a
    project. Raises RecipeError for a version that is no recipe, SourceError when nothing fits.
    """
    store = services.store
    recipes = [
        (version.name, _recipe(project, version)) for version in (Version(OWN, {}, {}), *versions)
    ]
    fits = set(store.source_groups(project.id))
    shown = []
    for _, recipe in recipes:
        examined, part = runs.prepare(services, project, recipe, "")
        shown.append(part.to_dict() if part else None)
        fits &= {source_id for source_id, excess in examined.items() if not excess}
    rng = random.Random(content_id("trial", project.id))  # noqa: S311 - reproducible
    chosen = rng.sample(sorted(fits), min(n_sources, len(fits)))
    started = []
    for (name, recipe), learned in zip(recipes, shown, strict=True):
        store.save_recipe(recipe.hash, recipe.model_dump(mode="json"))
        n_attempts = len(chosen) * recipe.n_candidates
        run = Run(
            id=runs.new_id(services, project, recipe.hash),
            project_id=project.id,
            recipe_hash=recipe.hash,
            target=n_attempts,
            budget=n_attempts,
            kind="trial",
            outcome={"name": name},
            feedback=learned,
        )
        started.append(runs.create(services, run, dict.fromkeys(chosen, 0)))
    return started


def close(services: Services, run: Run, recipe: Recipe) -> None:
    """End a trial or a warm-up, whose candidates have been through all but the final filters."""
    kept = services.store.candidates(run_id=run.id, states=("kept",))
    outcome = {**(run.outcome or {}), "diversity": _diversities(services.encoder, recipe, kept)}
    services.store.update_run(run.id, state="done", finished_at=utc_now(), outcome=outcome)


def report(store: Store, run: Run) -> dict[str, Any]:
    """Return what a trial found: totals, one row a source (best first), and two examples.

    "kept" is by all filters but the final ones, which keep a fixed share. `diversity` is the mean
    cosine distance (0-2) between the kept candidates of one source, by the encoder, None below two;
    in the totals its mean over sources. `seconds_per_survivor` counts `final_share` in; a source's
    seconds are its share of the tokens.
    """
    recipe = parse(store.recipe(run.recipe_hash))
    outcome = run.outcome or {}
    share = outlook.final_share(recipe)
    found: dict[str, list[StoredCandidate]] = defaultdict(list)
    for stored in store.candidates(run_id=run.id):
        found[stored.candidate.source.id].append(stored)
    effort = sum((b.effort for b in store.batches(run.id)), Effort())
    diversities: Mapping[str, float] = outcome.get("diversity", {})
    rows = [
        _row(recipe, group, effort, share, diversities.get(source_id))
        for source_id, group in found.items()
    ]
    rows.sort(key=lambda r: (-r["n_kept"] / r["n_attempts"], -(r["diversity"] or 0), r["source"]))
    everything = [stored for group in found.values() for stored in group]
    mean = sum(diversities.values()) / len(diversities) if diversities else None
    return {
        "run": run.id,
        "name": outcome.get("name", run.kind),
        "state": run.state,
        "error": run.error,
        "n_planned": run.budget,
        "funnel": outlook.survival(store.funnel(run_id=run.id), recipe),
        "total": _counts(everything, share, mean, effort.seconds) if everything else None,
        "sources": rows,
        "best": _example(found[rows[0]["source"]], is_kept=True) if rows else None,
        "worst": _example(found[rows[-1]["source"]], is_kept=False) if rows else None,
    }


def diversity(encoder: Encoder, texts: Sequence[str]) -> float | None:
    """Return the mean cosine distance over all pairs of texts, 0 (the same) to 2; None below two.

    For unit vectors the sum over pairs follows from the length of their sum: (|Σv|² - n) / 2.
    """
    n = len(texts)
    if n < 2:
        return None
    total = encoder.encode(texts).sum(axis=0)
    similarity = (float(total @ total) - n) / (n * (n - 1))
    return max(0.0, 1.0 - similarity)


def _recipe(project: Project, version: Version) -> Recipe:
    own = project.recipe
    changed = {
        **own,
        "prompt": {**own.get("prompt", {}), **version.prompt},
        "sampling": {**own.get("sampling", {}), **version.sampling},
    }
    return parse(changed, version.name)


def _diversities(
    encoder: Encoder, recipe: Recipe, kept: Sequence[StoredCandidate]
) -> dict[str, float]:
    texts: dict[str, list[str]] = defaultdict(list)
    for stored in kept:
        texts[stored.candidate.source.id].append(stored.candidate.text(recipe.spec.dedup_fields))
    found = {source_id: diversity(encoder, group) for source_id, group in texts.items()}
    return {source_id: round(value, 4) for source_id, value in found.items() if value is not None}


def _row(
    recipe: Recipe,
    group: Sequence[StoredCandidate],
    effort: Effort,
    share: float,
    diversity: float | None,
) -> dict[str, Any]:
    source: SourceTask = group[0].candidate.source
    n_tokens = sum(stored.completion.n_tokens for stored in group)
    seconds = effort.seconds * n_tokens / max(1, effort.n_tokens)
    return {
        "source": source.id,
        "task": source.label_studio_task,
        "text": source.fields[recipe.spec.text_field][:200],
        **_counts(group, share, diversity, seconds),
    }


def _counts(
    group: Sequence[StoredCandidate], share: float, diversity: float | None, seconds: float
) -> dict[str, Any]:
    n_kept = sum(stored.state == "kept" for stored in group)
    return {
        "n_attempts": len(group),
        "n_parsed": sum(stored.stage != "format" for stored in group),
        "n_kept": n_kept,
        "diversity": diversity,
        "seconds_per_survivor": seconds / (n_kept * share) if n_kept else None,
    }


def _example(group: Sequence[StoredCandidate], *, is_kept: bool) -> dict[str, Any]:
    """Choose the best kept one of a source, or one that was dropped, where there is one."""
    fitting = [stored for stored in group if (stored.state == "kept") == is_kept] or list(group)
    stored = max(fitting, key=lambda s: (s.score or 0.0, s.candidate.id))
    return {
        "source": stored.candidate.source.id,
        "text": stored.completion.text,
        "state": stored.state,
        "stage": stored.stage,
        "reason": stored.reason,
    }
