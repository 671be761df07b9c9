"""Runs filters over stored candidates and writes down every decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Literal

from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision
from seedbed_backend.filters import Filter, Neighbours, Reference, ScreenContext
from seedbed_backend.neighbours import ProjectNeighbours
from seedbed_backend.services import Services
from seedbed_backend.store import Run, StateChange, Store, StoredCandidate


def run_filters(
    services: Services,
    recipe: Recipe,
    stages: Sequence[Filter],
    candidates: Sequence[StoredCandidate],
    *,
    passed: Literal["kept", "survivor"],
    neighbours: Neighbours | None = None,
    before: Sequence[Candidate] = (),
) -> None:
    """Pass candidates through `stages` in order; each filter sees only what the earlier ones kept.

    Those that come through are marked `passed`; the others are dropped at the filter that said so.
    `before` are candidates that were kept earlier.
    """
    scores = {c.candidate.id: dict(c.scores) for c in candidates}
    quality: dict[str, float | None] = {c.candidate.id: c.score for c in candidates}
    remaining = [c.candidate for c in candidates]
    project_id = candidates[0].project_id if candidates else ""
    context = context_of(
        services, recipe, stages, project_id, scores, neighbours=neighbours, kept=before
    )
    for stage, decisions, kept in passing(stages, remaining, context, scores, quality):
        is_last = stage is stages[-1]
        through = [StateChange(c.id, passed, score=quality[c.id]) for c in kept if is_last]
        record(services.store, decisions, quality, through, replacements(decisions))
    if not stages:
        services.store.set_states(
            [StateChange(c.id, passed, score=quality[c.id]) for c in remaining]
        )


def context_of(
    services: Services,
    recipe: Recipe,
    stages: Sequence[Filter],
    project_id: str,
    scores: Mapping[str, Mapping[str, float]],
    references: Sequence[Reference] = (),
    neighbours: Neighbours | None = None,
    kept: Sequence[Candidate] = (),
) -> ScreenContext:
    """Return what the stages may look at; a project's sources are read where one asks for them."""
    needs_sources = bool(project_id) and any(stage.uses_sources for stage in stages)
    return ScreenContext(
        recipe,
        services.encoder,
        references,
        scores,
        services.store.sources(project_id) if needs_sources else [],
        neighbours,
        services.entailment,
        kept,
    )


def passing(
    stages: Sequence[Filter],
    candidates: Sequence[Candidate],
    context: ScreenContext,
    scores: MutableMapping[str, dict[str, float]],
    quality: MutableMapping[str, float | None],
) -> Iterator[tuple[Filter, list[Decision], list[Candidate]]]:
    """Yield each stage with its decisions and what it kept, which is all that the next one sees.

    `scores`, which are the context's, and `quality` (what a "final" filter scored) by candidate id
    are brought up to date stage by stage.
    """
    remaining = list(candidates)
    for stage in stages:
        decisions = stage.screen(remaining, context)
        for decision in decisions:
            if decision.score is not None:
                scores[decision.candidate_id][decision.filter] = decision.score
                if stage.scope == "final":
                    quality[decision.candidate_id] = decision.score
        is_kept = {d.candidate_id for d in decisions if d.keep}
        remaining = [c for c in remaining if c.id in is_kept]
        yield stage, decisions, remaining


def record(
    store: Store,
    decisions: Sequence[Decision],
    quality: Mapping[str, float | None],
    through: Sequence[StateChange] = (),
    overruled: Sequence[Decision] = (),
) -> None:
    """Save a stage's decisions with what follows from them: the drops, and who came `through`.

    `quality` is the score so far by candidate id. `overruled` are decisions on candidates that the
    stage has kept before. One transaction: a crash must not leave half of a set-wise decision.
    """
    dropped = [_drop(d, quality) for d in (*decisions, *overruled) if not d.keep]
    store.save_decisions(decisions, [*dropped, *through], overruled)


def run_set_filters(services: Services, recipe: Recipe, stages: Sequence[Filter], run: Run) -> None:
    """Compare the run's new candidates with each other and with all that they must not repeat.

    The caller holds the project's lock, so that two workers cannot each keep one half of a pair.
    """
    names = {stage.name for stage in stages}
    new = services.store.undecided(run.id, names)
    comparing = {stage.name for stage in stages if stage.uses_neighbours}
    known = None
    if new and comparing:
        known = ProjectNeighbours(
            services.settings.home / "neighbours",
            services.store,
            services.encoder,
            recipe.spec,
            run,
            comparing,
            names,
        )
        known.refresh(new={stored.candidate.id for stored in new})
    before: list[Candidate] = []
    if new and any(stage.uses_kept for stage in stages):
        own = {stored.candidate.id for stored in new}
        kept = services.store.candidates(project_id=run.project_id, states=("kept", "survivor"))
        before = [stored.candidate for stored in kept if stored.candidate.id not in own]
    run_filters(services, recipe, stages, new, passed="kept", neighbours=known, before=before)
    if known is not None:
        known.refresh()


def replacements(decisions: Sequence[Decision]) -> list[Decision]:
    """Return what is said now of candidates that gave way to better ones of a later wave."""
    return [
        Decision(
            candidate_id=given_way["match"],
            filter=decision.filter,
            keep=False,
            reason="duplicate",
            evidence={
                "match": decision.candidate_id,
                "kind": "candidate",
                "similarity": given_way["similarity"],
                "cosine": given_way["cosine"],
                "text": given_way["by"],
            },
        )
        for decision in decisions
        for given_way in decision.evidence.get("replaces", ())
    ]


def _drop(decision: Decision, quality: Mapping[str, float | None]) -> StateChange:
    return StateChange(
        decision.candidate_id,
        "dropped",
        stage=decision.filter,
        reason=decision.reason,
        score=decision.score if decision.score is not None else quality.get(decision.candidate_id),
    )
