"""The demo's bank transactions: what the tests of records share."""

from __future__ import annotations

from pathlib import Path

from seedbed import ingest
from seedbed.first_recipe import first_recipe
from seedbed.recipe import Recipe, parse

TRANSACTIONS = Path(__file__).parents[1] / "demo" / "records" / "transactions.csv"


def bank_recipe(**settings) -> Recipe:
    """Return the recipe that `seedbed init --seeds` derives from them, with changes."""
    return parse({**first_recipe(TRANSACTIONS, "expand").recipe, **settings})


def bank_sources(recipe: Recipe | None = None):
    """Return them as sources."""
    report = ingest.ingest([TRANSACTIONS], (recipe or bank_recipe()).spec)
    assert not report.problems
    return report.sources
