"""The review sample: which survivors people judge, in a random order that anybody can draw again."""

from __future__ import annotations

from seedbed import review
from seedbed.recipe import Recipe
from seedbed_backend.services import Services
from seedbed_backend.store import Run


def draw(services: Services, run: Run, recipe: Recipe) -> None:
    """Give every survivor that has none its place in the random order for people to judge."""
    survivors = services.store.candidates(run_id=run.id, states=("survivor",))
    survivors = [stored for stored in survivors if stored.draw is None]
    strata = {
        s.candidate.id: review.stratum(recipe.spec, s.candidate.source.group, s.score)
        for s in survivors
    }
    draws = review.draws(list(strata.items()), recipe.rng_seed)
    services.store.set_draws({id_: (draw, strata[id_]) for id_, draw in draws.items()})
