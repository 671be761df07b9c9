"""Runs filters over stored candidates and writes down every decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Literal

from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision, SourceTask
from seedbed.technique import Technique
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
    context = ScreenContext(recipe, services.encoder, references, scores, sources)
    for stage, decisions, kept in passing(stages, remaining, context, scores, quality):
        is_last = stage is stages[-1]
        through = [StateChange(c.id, passed, score=quality[c.id]) for c in kept if is_last]
        record(services.store, decisions, quality, through)
    if not stages:
        services.store.set_states(
            [StateChange(c.id, passed, score=quality[c.id]) for c in remaining]
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


def reference_of(stored: StoredCandidate, technique: Technique) -> Reference:
    """Return a kept candidate as what later ones must not repeat."""
    is_rejected = stored.verdict is not None and stored.verdict.status == "REJECTED"
    return Reference(
        id=stored.candidate.id,
        text=stored.candidate.text(technique.dedup_fields),
        kind="rejected" if is_rejected else "kept",
        source_id=stored.candidate.source.id,
    )


def real_references(store: Store, project_id: str, technique: Technique) -> list[Reference]:
    """Return a project's sources as what candidates must not repeat, where they are of one kind."""
    if not technique.real_field:
        return []
    sources = store.sources(project_id)
    return [Reference(s.id, technique.own_text(s.fields), "real", s.id) for s in sources]


def _references(services: Services, recipe: Recipe, run: Run, exclude: set[str]) -> list[Reference]:
    store, technique = services.store, recipe.spec
    kept = store.candidates(project_id=run.project_id, states=("kept", "survivor"))
    return [
        *(reference_of(s, technique) for s in kept if s.candidate.id not in exclude),
        *real_references(store, run.project_id, technique),
    ]


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
