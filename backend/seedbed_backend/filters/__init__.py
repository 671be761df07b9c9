"""The filters: one file each, found by `filters()`, run in the order the technique declares.

A filter is an options object (validated, unknown keys refused) with one method, `screen`. It never
changes a candidate and never raises because of what a model wrote.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from seedbed import registry
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe, describe
from seedbed_backend.filters.base import Filter, Near, Neighbours, Reference, ScreenContext

__all__ = ["Filter", "Near", "Neighbours", "Reference", "ScreenContext", "configure", "filters"]


def filters() -> Mapping[str, type[Filter]]:
    """Return every installed filter by name."""
    return registry.discover("seedbed_backend.filters", "FILTER", "seedbed.filters")


def configure(recipe: Recipe) -> list[Filter]:
    """Build the recipe's filters in running order.

    First those that look at one candidate, then those that look at a wave, last those that rank
    the run.

    Raises NotFoundError for an unknown filter, even one that is switched off, and RecipeError for an
    unknown option or a value outside its range.
    """
    for name in recipe.filters:
        registry.choose(filters(), name, "filter")
    built: list[Filter] = []
    for name, options in recipe.filter_options().items():
        variant: type[Filter] = registry.choose(filters(), name, "filter")
        try:
            built.append(variant(**options))
        except ValidationError as exc:
            known = ", ".join(variant.model_fields)
            raise RecipeError(
                f"Filter {name}: {describe(exc)}.", hint=f"Its options: {known}."
            ) from exc
        built[-1].check(recipe)
    return sorted(built, key=lambda f: ("candidate", "set", "final").index(f.scope))
