"""The review sample: which survivors people judge, in a random order that anybody can draw again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from seedbed import review
from seedbed.errors import UserError
from seedbed.recipe import Recipe
from seedbed_backend import double_review, gate
from seedbed_backend.audit import record
from seedbed_backend.services import Services
from seedbed_backend.store import Event, Project, Run, utc_now


def draw(services: Services, run: Run, recipe: Recipe) -> None:
    """Give every survivor that has none its place in the random order for people to judge.

    The audit trail gets what is needed to do so again: the seed, and per stratum all the ids.
    """
    survivors = services.store.candidates(run_id=run.id, states=("survivor",))
    strata = {
        s.candidate.id: review.stratum(recipe.spec, s.candidate.source.group, s.score)
        for s in survivors
        if s.draw is None
    }
    if not strata:
        return
    draws = review.draws(list(strata.items()), recipe.rng_seed)
    drawn = {"rng_seed": recipe.rng_seed, "strata": _by_stratum(strata)}
    services.store.set_draws(
        {id_: (draw, strata[id_]) for id_, draw in draws.items()},
        Event(utc_now(), "sample_drawn", run.id, drawn),
    )


def check_fraction(fraction: float, *, force: bool = False) -> None:
    """Raise UserError for a share of the survivors that nobody can judge, or that is unusual."""
    if not 0 < fraction <= 1:
        raise UserError(
            f"The review fraction must be above 0 and at most 1, not {fraction:g}.",
            hint="0.15 lets people judge 15 % of the survivors.",
        )
    if not force and not review.is_usual(fraction):
        why = (
            "So few verdicts say little about the rest: the gate will seldom open."
            if fraction < review.MIN_FRACTION
            else "So many verdicts are seldom needed, and reading on tires."
        )
        raise UserError(
            f"A review fraction of {fraction:g} is outside {review.MIN_FRACTION:.2f} to "
            f"{review.MAX_FRACTION:.2f}.",
            hint=f"{why} If you want it nevertheless: --force.",
        )


def check_change(project: Project, fraction: float, *, force: bool = False) -> None:
    """Raise UserError where a project's sample may not be changed so without insisting."""
    former = project.sampled_fraction
    if fraction == former:
        return
    check_fraction(fraction, force=force)
    if fraction < former and not force:
        raise UserError(
            f"The review sample of {project.name} would shrink from {former:g} to {fraction:g}.",
            hint="Verdicts outside of it would not count any more, so whoever has seen them could "
            "choose by them which ones count. If you want it nevertheless: --force (the audit trail "
            "tells).",
        )


def change(services: Services, project: Project, fraction: float, *, force: bool = False) -> None:
    """Let people judge another share of the survivors: only the filter of a tab changes.

    With it goes the part of the sample that two people judge, where the recipe wants one. Raises
    UserError as `check_change` does, LabelStudioError when Label Studio is away.
    """
    check_change(project, fraction, force=force)
    services.label_studio.set_review_fraction(project.review_project, fraction)
    if fraction != project.sampled_fraction:
        note_change(services, project, fraction)
    double_review.ask(services, services.store.project(project.id))


def note_change(services: Services, project: Project, fraction: float) -> None:
    """Remember the share that the tab shows now; tell the audit trail and the gate."""
    store = services.store
    store.set_review_fraction(project.id, fraction)
    changed = store.project(project.id)
    counts = gate.overall(store, changed)
    record(
        store,
        "sample_changed",
        project.id,
        former=project.sampled_fraction,
        review_fraction=fraction,
        n_sampled=counts.n_sampled,
        n_judged=counts.n_judged,
    )
    gate.announce(services, changed)


def _by_stratum(strata: Mapping[str, str]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for id_, name in sorted(strata.items()):
        found[name].append(id_)
    return dict(sorted(found.items()))
