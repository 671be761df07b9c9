"""Screening again, with other settings, what was generated before. Nothing is generated anew.

    stored completions ─▶ filters of the new recipe ─▶ what changes ─▶ (--apply) store ─▶ review tasks

Without `apply` it only looks. With it, decisions are replaced and the old ones kept; what newly
survives is published. A candidate that a person has judged stays, whatever the filters now say;
a published one that nobody has judged and that is now dropped leaves the review sample.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from seedbed import labeling
from seedbed.errors import NotFoundError, RecipeError, UserError
from seedbed.recipe import Recipe, parse
from seedbed.records import Candidate, Decision
from seedbed.tabs import WITHDRAWN_DRAW, review_tabs
from seedbed_backend import (
    gate,
    judging,
    neighbours,
    publishing,
    redaction,
    sample,
    screening,
    verdicts,
)
from seedbed_backend.audit import record
from seedbed_backend.filters import Filter, Neighbours, Reference, ScreenContext, configure
from seedbed_backend.filters.dedup import ListedNeighbours
from seedbed_backend.outlook import SCREENING_KEYS
from seedbed_backend.services import Services
from seedbed_backend.store import (
    Analysis,
    Project,
    Rescreened,
    Run,
    RunState,
    Store,
    StoredCandidate,
)

FINISHED: tuple[RunState, ...] = ("done", "short")

N_EXAMPLES = 10

_NOT_READ_BY_FILTERS = frozenset(
    {
        "title",
        "prompt",
        "sampling",
        "n_candidates",
        "n_peers",
        "over_generation",
        "filters",
        "keep_fraction",
        "review_fraction",
        "double_review_fraction",
        "canary_fraction",
        "acceptance_target",
        "few_shot",
        "avoid",
        "judge",
    }
)
"""Where two recipes differ in something else, no decision is taken over."""


# --- what is asked for ---------------------------------------------------------------------------


def new_recipe(project: Project, changes: Mapping[str, Any]) -> Recipe:
    """Return the project's recipe with changes, nested as in YAML, to its screening settings.

    Raises RecipeError for a setting that is unknown, out of range, or not about screening.
    """
    if foreign := sorted(changes.keys() - set(SCREENING_KEYS)):
        raise RecipeError(
            f"{foreign[0]!r} cannot be changed by a re-screening.",
            hint=f"It can change {', '.join(SCREENING_KEYS)}; the rest takes a new run.",
        )
    recipe = parse(_merged(dict(project.recipe), changes), "The new recipe")
    configure(recipe)
    return recipe


def changes_of(project: Project, document: Any) -> tuple[dict[str, Any], list[str]]:
    """Take the screening settings of a whole recipe; also name the others in which it differs.

    Raises RecipeError where it is none, or one of another technique.
    """
    recipe = parse(document, "The recipe")
    if recipe.technique != project.technique:
        raise RecipeError(
            f"The recipe is for {recipe.technique}; {project.name} grows {project.technique}."
        )
    wanted = recipe.model_dump(mode="json")
    present = parse(project.recipe).model_dump(mode="json")
    left = [key for key in wanted if key not in SCREENING_KEYS and wanted[key] != present[key]]
    return {key: wanted[key] for key in SCREENING_KEYS}, left


def scope(store: Store, project: Project, run_id: str | None) -> tuple[list[Run], list[str]]:
    """Return the runs that can be screened again, oldest first, and a word on each that cannot.

    Raises UserError where none can.
    """
    runs = [run for run in reversed(store.runs(project.id)) if run.kind == "run"]
    if run_id is not None:
        wanted = store.run(run_id)
        if wanted.project_id != project.id or wanted.kind != "run":
            raise UserError(f"{run_id} is no run of {project.name}.")
        runs = [wanted]
    finished = [run for run in runs if run.state in FINISHED]
    left_out = [
        f"run {run.id[:8]} is {run.state}: it is left as it is"
        for run in runs
        if run not in finished
    ]
    if not finished:
        told = f" ({'; '.join(left_out)})" if left_out else ""
        raise UserError(
            f"{project.name} has no finished run to screen again{told}.",
            hint="Grow something first: seedbed generate.",
        )
    return finished, left_out


def check_judge(store: Store, recipe: Recipe, runs: Iterable[Run]) -> None:
    """Raise UserError where the recipe asks of the judge what it was not asked in one of the runs."""
    if not recipe.judge.enabled:
        return
    for run in runs:
        asked = parse(store.recipe(run.recipe_hash))
        if not asked.judge.enabled:
            raise UserError(
                f"Run {run.id[:8]} was not judged, and a re-screening asks no model.",
                hint="Leave `judge` off here; a new run will be judged.",
            )
        if asked.criteria != recipe.criteria:
            raise UserError(
                f"In run {run.id[:8]} the judge was asked other questions.",
                hint="`judge.rubric` cannot change; `minimum` and `minimum_grade` can.",
            )


# --- what would become of a run ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Screened:
    """One run before and after: its candidates, what was said of them, and what is said now."""

    run: Run
    candidates: Sequence[StoredCandidate]
    before: Mapping[str, Sequence[Decision]]
    outcomes: Sequence[Rescreened]


def screen_run(
    services: Services,
    recipe: Recipe,
    run: Run,
    others: Sequence[StoredCandidate],
    *,
    is_fresh: bool = False,
) -> Screened:
    """Pass a run's candidates through the recipe's filters as its waves did, without writing.

    `others` are what other runs kept. A filter whose options are as they were is not run again where
    its decision depends on nothing else, unless `is_fresh`.
    """
    store = services.store
    before = store.decisions_of_run(run.id)
    stages = configure(recipe)
    known = frozenset[str]() if is_fresh else _unchanged(store, recipe, run, stages)
    work = _Work(services, recipe, run, before, known)
    kept: list[StoredCandidate] = []
    everything: list[StoredCandidate] = []
    pinned: list[Reference] = []
    comparing = [s for s in stages if s.scope == "set"]
    of_others = None
    if any(stage.uses_neighbours for stage in comparing):
        of_others = _neighbours(services, recipe, run, others)
    counted = others if any(stage.uses_kept for stage in comparing) else ()
    waves: defaultdict[int, list[str]] = defaultdict(list)
    for batch in store.batches(run.id):
        waves[batch.wave].append(batch.id)
    for _, batch_ids in sorted(waves.items()):
        wave = [s for id_ in batch_ids for s in store.candidates(batch_id=id_)]
        everything += wave
        parsed = [s for s in wave if s.stage != "format"]
        came_through = work.through([s for s in stages if s.scope == "candidate"], parsed)
        came_through = work.judged(came_through)
        pinned += _pinned_references(wave, came_through, recipe)
        own = [work.rival(s, {stage.name for stage in comparing}) for s in kept]
        before_wave = [*counted, *kept]
        added = work.through(comparing, came_through, [*own, *pinned], of_others, before_wave)
        kept = [s for s in kept if s.candidate.id not in work.replaced] + added
    survivors = work.through([s for s in stages if s.scope == "final"], kept)
    return Screened(run, everything, before, work.outcomes(everything, survivors))


class _Work:
    """One run's re-screening under way: what has been decided and scored so far."""

    def __init__(
        self,
        services: Services,
        recipe: Recipe,
        run: Run,
        before: Mapping[str, Sequence[Decision]],
        known: frozenset[str],
    ) -> None:
        self.services, self.recipe, self.run = services, recipe, run
        self.known = known
        self.before: defaultdict[str, dict[str, Decision]] = defaultdict(dict)
        for id_, said in before.items():
            for decision in said:
                self.before[decision.filter][id_] = decision
        self.said: defaultdict[str, list[Decision]] = defaultdict(list)
        self.scores: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self.quality: dict[str, float | None] = {}
        self.replaced: set[str] = set()
        # Also what it said before an earlier re-screening, which may not have come to the judge.
        ever = services.store.decisions_ever(run.id, judging.NAME) if recipe.judge.enabled else []
        self.grades = {d.candidate_id: d for d in ever if d.reason != judging.NOT_JUDGED}

    def rival(self, stored: StoredCandidate, set_filters: Collection[str]) -> Reference:
        """Return a candidate of an earlier wave as what new ones must not repeat, or must beat."""
        quality = neighbours.rival_quality(self.scores[stored.candidate.id], set_filters)
        pinned = is_pinned(stored)
        return neighbours.reference_of(stored, self.recipe.spec, None if pinned else quality)

    def through(
        self,
        stages: Sequence[Filter],
        candidates: Sequence[StoredCandidate],
        references: Sequence[Reference] = (),
        of_others: Neighbours | None = None,
        before: Sequence[StoredCandidate] = (),
    ) -> list[StoredCandidate]:
        """Return those of the candidates that all stages keep; `before` were kept earlier."""
        if not stages:
            return list(candidates)
        context = screening.context_of(
            self.services,
            self.recipe,
            stages,
            self.run.project_id,
            self.scores,
            references,
            of_others,
            kept=[stored.candidate for stored in before],
        )
        for stored in candidates:
            self.quality.setdefault(stored.candidate.id, None)
        remaining = [stored.candidate for stored in candidates]
        for stage in stages:
            again = self.before[stage.name] if stage.name in self.known else {}
            passed = screening.passing(
                [cast("Filter", _Remembering(stage, again))],
                remaining,
                context,
                self.scores,
                self.quality,
            )
            for _, decisions, remaining in passed:  # noqa: B007 - what is left after the stage
                for decision in decisions:
                    self.said[decision.candidate_id].append(decision)
                for decision in screening.replacements(decisions):
                    self._overrule(decision)
        is_kept = {candidate.id for candidate in remaining}
        return [stored for stored in candidates if stored.candidate.id in is_kept]

    def _overrule(self, decision: Decision) -> None:
        id_ = decision.candidate_id
        self.replaced.add(id_)
        self.said[id_] = [decision if d.filter == decision.filter else d for d in self.said[id_]]

    def judged(self, candidates: Sequence[StoredCandidate]) -> list[StoredCandidate]:
        """Return those that the judge's grades keep, under the recipe's settings."""
        if not self.recipe.judge.enabled:
            return list(candidates)
        kept = []
        for stored in candidates:
            id_ = stored.candidate.id
            decision = judging.decide_again(
                id_, self.grades.get(id_), self.recipe.criteria, self.recipe.judge
            )
            self.said[id_].append(decision)
            if decision.score is not None:
                self.scores[id_][judging.NAME] = decision.score
            if decision.keep:
                kept.append(stored)
        return kept

    def outcomes(
        self, candidates: Sequence[StoredCandidate], survivors: Sequence[StoredCandidate]
    ) -> list[Rescreened]:
        """Say where every parsed candidate ends; judged ones that were published survive."""
        survives = {stored.candidate.id for stored in survivors}
        made = []
        for stored in candidates:
            id_ = stored.candidate.id
            if stored.stage == "format":
                continue
            said = redaction.as_shown(stored, self.said[id_])
            dropped = next((decision for decision in said if not decision.keep), None)
            if id_ in survives or is_pinned(stored):
                score = self.quality.get(id_)
                score = stored.score if score is None else score
                made.append(Rescreened(id_, said, "survivor", score=score))
            elif dropped is not None:
                score = dropped.score if dropped.score is not None else self.quality.get(id_)
                place = (dropped.filter, dropped.reason, score)
                made.append(Rescreened(id_, said, "dropped", *place))
        return made


class _Remembering:
    """A filter that repeats what it said before, and looks only at what it has not seen."""

    def __init__(self, stage: Filter, said: Mapping[str, Decision]) -> None:
        self.stage, self.said = stage, said
        self.name, self.scope = stage.name, stage.scope

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        new = [c for c in candidates if c.id not in self.said]
        said = {d.candidate_id: d for d in (self.stage.screen(new, context) if new else [])}
        return [self.said.get(c.id) or said[c.id] for c in candidates]


def is_pinned(stored: StoredCandidate) -> bool:
    """Tell whether a person has judged the candidate, so that filters cannot take it away."""
    return stored.verdict is not None and stored.review_task is not None


def _pinned_references(
    wave: Sequence[StoredCandidate], through: Sequence[StoredCandidate], recipe: Recipe
) -> list[Reference]:
    """Return those that stay only because they were judged: the others must not repeat them."""
    still_there = {stored.candidate.id for stored in through}
    return [
        neighbours.reference_of(stored, recipe.spec)
        for stored in wave
        if is_pinned(stored) and stored.candidate.id not in still_there
    ]


def _neighbours(
    services: Services, recipe: Recipe, run: Run, others: Sequence[StoredCandidate]
) -> Neighbours | None:
    """Return the real texts and the other runs' ones that a run must not repeat."""
    references = neighbours.real_references(services.store, run.project_id, recipe.spec)
    references += [neighbours.reference_of(stored, recipe.spec) for stored in others]
    return ListedNeighbours(references, services.encoder) if references else None


def _unchanged(store: Store, recipe: Recipe, run: Run, stages: Sequence[Filter]) -> frozenset[str]:
    """Name the filters whose decisions on this run still hold."""
    old = parse(store.recipe(run.screened_by or run.recipe_hash))
    read_by_filters = Recipe.model_fields.keys() - _NOT_READ_BY_FILTERS
    if any(getattr(old, key) != getattr(recipe, key) for key in read_by_filters):
        return frozenset()
    options, former = recipe.filter_options(), old.filter_options()
    return frozenset(
        stage.name
        for stage in stages
        if stage.scope == "candidate"
        and not stage.uses_sources
        and options[stage.name] == former.get(stage.name)
        and not stage.uses_scores
    )


# --- the whole project ---------------------------------------------------------------------------


def perform(services: Services, analysis: Analysis) -> dict[str, Any]:
    """Screen a project's finished runs, or one of them, again; return what that changes.

    With `options["apply"]` the changes are made, under the project's lock. Every step may run
    twice: an interrupted one is taken up again and says what it said at first; one that another
    worker has ended meanwhile says what that one said. Raises LabelConfigError, before anything is
    changed, where the review project lacks a control.
    """
    store, options = services.store, analysis.options
    project = store.project(analysis.project_id)
    recipe = parse(options["recipe"])
    is_applied = bool(options.get("apply"))
    if is_applied:
        config = services.label_studio.label_config(project.review_project)
        labeling.check_config(config, recipe.spec, recipe.labels)
        verdicts.sync(services, project.id)  # a message about a verdict may have been lost
    lock = services.queues.project_lock(project.id) if is_applied else nullcontext()
    with lock:
        analysis = store.analysis(analysis.id)
        if analysis.state == "done":
            return dict(analysis.result or {})
        runs, left_out = scope(store, project, options.get("run"))
        check_judge(store, recipe, runs)
        others = _kept_by_others(store, project, {run.id for run in runs})
        found: list[Screened] = []
        for run in runs:
            is_fresh = bool(options.get("fresh"))
            screened = screen_run(services, recipe, run, others, is_fresh=is_fresh)
            others += _survivors(screened)
            found.append(screened)
        result = dict(analysis.result or {}) or describe(found, left_out, recipe)
        if is_applied:
            store.update_analysis(analysis.id, result=result)
            store.save_recipe(recipe.hash, recipe.model_dump(mode="json"))
            for screened in found:
                _apply(services, recipe, screened)
            if options.get("run") is None:
                _adopt(store, project, recipe)
            result["applied"] = _align_tasks(services, project, recipe, runs)
            record(
                store,
                "rescreened",
                project.id,
                recipe=recipe.hash,
                former_recipe=project.recipe_hash,
                runs=[run.id for run in runs],
                analysis=analysis.id,
                **{key: result[key]["n"] for key in ("newly_kept", "newly_dropped")},
            )
            store.update_analysis(analysis.id, state="done", result=result)
            gate.announce(services, project)
    return result


def _apply(services: Services, recipe: Recipe, screened: Screened) -> None:
    store, run = services.store, screened.run
    store.replace_screening(run.id, recipe.hash, screened.outcomes)
    sample.draw(services, run, recipe)
    n_survivors = store.funnel(run_id=run.id).n_survivors
    store.update_run(run.id, state="done" if n_survivors >= run.target else "short")
    publishing.publish_survivors(services, store.run(run.id))


def _adopt(store: Store, project: Project, recipe: Recipe) -> None:
    """Let the next run be screened by the same recipe."""
    if recipe.hash != project.recipe_hash:
        document = recipe.model_dump(mode="json")
        store.save_project(replace(project, recipe=document, recipe_hash=recipe.hash))


def _align_tasks(
    services: Services, project: Project, recipe: Recipe, runs: Sequence[Run]
) -> dict[str, int]:
    """Take review tasks out of the sample that nobody judged and that are dropped now, and back in.

    A task that was judged in the meantime stays, and so does its candidate.
    """
    store, server = services.store, services.label_studio
    tabs = review_tabs(recipe.spec, project.sampled_fraction, recipe.double_review_fraction)
    server.set_tabs(project.review_project, tabs)
    counted: Counter[str] = Counter()
    for run in runs:
        published = store.candidates(
            run_id=run.id, states=("dropped", "survivor"), is_published=True
        )
        for stored in published:
            if (stored.state == "dropped") == stored.is_withdrawn:
                continue
            with suppress(NotFoundError):  # somebody deleted the task: there is nothing to move
                counted[_align(services, project, stored)] += 1
            is_dropped = store.candidate(stored.candidate.id).state == "dropped"
            store.set_withdrawn([stored.candidate.id], is_withdrawn=is_dropped)
            if is_dropped != stored.is_withdrawn:
                moved = "withdrawn_from_sample" if is_dropped else "restored_to_sample"
                record(store, moved, stored.candidate.id, recipe=recipe.hash)
    return {
        "n_withdrawn": counted["withdrawn"],
        "n_restored": counted["restored"],
        "n_judged_meanwhile": counted["judged"],
    }


def _align(services: Services, project: Project, stored: StoredCandidate) -> str:
    store, id_, task = services.store, stored.candidate.id, stored.review_task or 0
    if stored.state == "survivor":
        draw = stored.draw if stored.draw is not None else 1.0
        services.label_studio.change_data(task, draw=draw)
        return "restored"
    verdicts.read_task(services, project.id, task)
    if store.candidate(id_).verdict is not None:
        store.reinstate(id_)
        return "judged"
    services.label_studio.change_data(task, draw=WITHDRAWN_DRAW)
    return "withdrawn"


def _kept_by_others(store: Store, project: Project, run_ids: set[str]) -> list[StoredCandidate]:
    kept = store.candidates(project_id=project.id, states=("kept", "survivor"))
    return [stored for stored in kept if stored.run_id not in run_ids]


def _survivors(screened: Screened) -> list[StoredCandidate]:
    survives = {o.candidate_id for o in screened.outcomes if o.state == "survivor"}
    return [stored for stored in screened.candidates if stored.candidate.id in survives]


# --- what is said about it -----------------------------------------------------------------------


def describe(found: Sequence[Screened], left_out: Sequence[str], recipe: Recipe) -> dict[str, Any]:
    """Say what changes: the funnel and every filter before and after, and who is moved, by example."""
    pairs = [
        (stored, outcome)
        for screened in found
        for stored, outcome in _paired(screened.candidates, screened.outcomes)
    ]
    newly_kept = [p for p in pairs if p[0].state != "survivor" and p[1].state == "survivor"]
    newly_dropped = [p for p in pairs if p[0].state == "survivor" and p[1].state == "dropped"]
    elsewhere = [
        p
        for p in pairs
        if p[0].state == p[1].state == "dropped"
        and (p[0].stage, p[0].reason) != (p[1].stage, p[1].reason)
    ]
    pinned = [p for p in pairs if p[1].state == "survivor" and _drop_of(p[1])]
    all_stored = [stored for screened in found for stored in screened.candidates]
    outcomes = {o.candidate_id: o for screened in found for o in screened.outcomes}
    return {
        "recipe": recipe.model_dump(mode="json"),
        "recipe_hash": recipe.hash,
        "runs": [screened.run.id for screened in found],
        "left_out": list(left_out),
        "n_candidates": len(all_stored),
        "funnel": {
            "before": _funnel((s.state, s.stage, s.reason) for s in all_stored),
            "after": _funnel(
                (o.state, o.stage, o.reason)
                if (o := outcomes.get(s.candidate.id))
                else (s.state, s.stage, s.reason)
                for s in all_stored
            ),
        },
        "filters": _filters(found),
        "newly_kept": _moved(newly_kept, recipe, by=lambda s, o: (s.stage, s.reason)),
        "newly_dropped": _moved(newly_dropped, recipe, by=lambda s, o: (o.stage, o.reason)),
        "dropped_elsewhere": _moved(elsewhere, recipe, by=lambda s, o: (o.stage, o.reason)),
        "kept_by_verdict": _moved(pinned, recipe, by=lambda s, o: _drop_of(o)),
        "n_not_judged": sum(o.reason == judging.NOT_JUDGED for o in outcomes.values()),
        "n_to_publish": sum(s.review_task is None for s, _ in newly_kept),
        "n_to_withdraw": sum(s.review_task is not None for s, _ in newly_dropped),
        "applied": None,
    }


def _paired(
    candidates: Sequence[StoredCandidate], outcomes: Sequence[Rescreened]
) -> list[tuple[StoredCandidate, Rescreened]]:
    by_id = {stored.candidate.id: stored for stored in candidates}
    return [(by_id[outcome.candidate_id], outcome) for outcome in outcomes]


def _drop_of(outcome: Rescreened) -> tuple[str, str] | None:
    return next(((d.filter, d.reason) for d in outcome.decisions if not d.keep), None)


def _funnel(places: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    counted = Counter(places)
    rows = [
        {"stage": stage, "reason": reason, "n": n}
        for (state, stage, reason), n in sorted(counted.items())
        if state == "dropped"
    ]
    return {
        "n_attempts": counted.total(),
        "n_survivors": sum(n for place, n in counted.items() if place[0] == "survivor"),
        "n_pending": sum(n for place, n in counted.items() if place[0] in {"pending", "kept"}),
        "dropped": rows,
    }


def _filters(found: Sequence[Screened]) -> list[dict[str, Any]]:
    """Count what each filter saw and dropped before and after, in running order."""
    before = Counter((d.filter, d.keep) for s in found for said in s.before.values() for d in said)
    after = Counter((d.filter, d.keep) for s in found for o in s.outcomes for d in o.decisions)
    names: dict[str, None] = {}
    for screened in found:
        for said in (*screened.before.values(), *(o.decisions for o in screened.outcomes)):
            names |= dict.fromkeys(d.filter for d in said)
    return [
        {
            "filter": name,
            "before": {"n_seen": before[name, True] + before[name, False],
                       "n_dropped": before[name, False]},
            "after": {"n_seen": after[name, True] + after[name, False],
                      "n_dropped": after[name, False]},
        }
        for name in names
    ]  # fmt: skip


def _moved(
    pairs: Sequence[tuple[StoredCandidate, Rescreened]], recipe: Recipe, by: Any
) -> dict[str, Any]:
    """Count moved candidates by stage and reason and by verdict, and show the first few by id."""
    counted = Counter(by(stored, outcome) for stored, outcome in pairs)
    judged = Counter(stored.verdict.status for stored, _ in pairs if stored.verdict)
    shown = sorted(pairs, key=lambda pair: pair[0].candidate.id)[:N_EXAMPLES]
    return {
        "n": len(pairs),
        "reasons": [
            {"stage": stage, "reason": reason, "n": n}
            for (stage, reason), n in sorted(counted.items(), key=lambda row: (-row[1], row[0]))
        ],
        "verdicts": dict(sorted(judged.items())),
        "examples": [
            {
                "id": stored.candidate.id,
                "text": redaction.redacted(stored).candidate.text(recipe.spec.dedup_fields),
                "stage": by(stored, outcome)[0],
                "reason": by(stored, outcome)[1],
            }
            for stored, outcome in shown
        ],
    }


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay changes over a nested document; anything but a mapping replaces what was there."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        is_nested = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(old, value) if is_nested else value  # type: ignore[arg-type]
    return result
