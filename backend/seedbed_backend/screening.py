"""Runs filters over stored candidates and writes down every decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from seedbed.recipe import Recipe
from seedbed.records import Decision, SourceTask
from seedbed_backend.filters import Filter, Reference, ScreenContext
from seedbed_backend.services import Services
from seedbed_backend.store import Run, StateChange, Store, StoredCandidate


def run_filters(
    services: Services,
    recipe: Recipe,
    stages: Sequence[Filter],
    candidates: Sequence[StoredCandidate],
    *,
    passed: Literal["kept", "survivor"],
    references: Sequence[Reference] = (),
) -> None:
    """Pass candidates through `stages` in order; each filter sees only what the earlier ones kept.

    Those that come through are marked `passed`; the others are dropped at the filter that said so.
    """
    scores = {c.candidate.id: dict(c.scores) for c in candidates}
    quality: dict[str, float | None] = {c.candidate.id: c.score for c in candidates}
    remaining = [c.candidate for c in candidates]
    sources = _sources(services.store, stages, candidates)
    for stage in stages:
        context = ScreenContext(recipe, services.encoder, references, scores, sources)
        decisions = stage.screen(remaining, context)
        for decision in decisions:
            if decision.score is not None:
                scores[decision.candidate_id][decision.filter] = decision.score
                if stage.scope == "final":
                    quality[decision.candidate_id] = decision.score
        is_kept = {d.candidate_id for d in decisions if d.keep}
        remaining = [c for c in remaining if c.id in is_kept]
        is_last = stage is stages[-1]
        through = [StateChange(c.id, passed, score=quality[c.id]) for c in remaining if is_last]
        record(services.store, decisions, quality, through)
    if not stages:
        services.store.set_states(
            [StateChange(c.id, passed, score=quality[c.id]) for c in remaining]
        )


def record(
    store: Store,
    decisions: Sequence[Decision],
    quality: Mapping[str, float | None],
    through: Sequence[StateChange] = (),
) -> None:
    """Save a stage's decisions with what follows from them: the drops, and who came `through`.

    `quality` is the score so far by candidate id. One transaction: a crash must not leave half of a
    set-wise decision.
    """
    dropped = [_drop(d, quality) for d in decisions if not d.keep]
    store.save_decisions(decisions, [*dropped, *through])


def run_set_filters(services: Services, recipe: Recipe, stages: Sequence[Filter], run: Run) -> None:
    """Compare the run's new candidates with each other and with all that they must not repeat.

    The caller holds the project's lock, so that two workers cannot each keep one half of a pair.
    """
    kept = services.store.candidates(run_id=run.id, states=("kept",))
    names = {stage.name for stage in stages}
    new = [c for c in kept if not names <= set(c.evidence)]
    run_filters(
        services,
        recipe,
        stages,
        new,
        passed="kept",
        references=_references(services, recipe, run, exclude={c.candidate.id for c in new}),
    )


def _references(services: Services, recipe: Recipe, run: Run, exclude: set[str]) -> list[Reference]:
    technique = recipe.spec
    references = []
    for stored in services.store.candidates(project_id=run.project_id, states=("kept", "survivor")):
        candidate = stored.candidate
        if candidate.id in exclude:
            continue
        is_rejected = stored.verdict is not None and stored.verdict.status == "REJECTED"
        references.append(
            Reference(
                id=candidate.id,
                text=candidate.text(technique.dedup_fields),
                kind="rejected" if is_rejected else "kept",
                source_id=candidate.source.id,
            )
        )
    if technique.real_field:
        references += [
            Reference(s.id, s.fields[technique.real_field], "real", s.id)
            for s in services.store.sources(run.project_id)
        ]
    return references


def _sources(
    store: Store, stages: Sequence[Filter], candidates: Sequence[StoredCandidate]
) -> list[SourceTask]:
    """Read the project's sources where a filter asks for them."""
    if not candidates or not any(stage.uses_sources for stage in stages):
        return []
    return store.sources(candidates[0].project_id)


def _drop(decision: Decision, quality: Mapping[str, float | None]) -> StateChange:
    return StateChange(
        decision.candidate_id,
        "dropped",
        stage=decision.filter,
        reason=decision.reason,
        score=decision.score if decision.score is not None else quality[decision.candidate_id],
    )
