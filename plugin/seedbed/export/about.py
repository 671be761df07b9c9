"""What is known of a data set beside its rows: what people state, and what Seedbed's server says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedbed.export.tally import Tally

TITLE = "Training data grown with Seedbed"


@dataclass(frozen=True, slots=True)
class About:
    """What the examples themselves do not say.

    `license` and `languages` as the Hub spells them (apache-2.0; en, de). `projects` are what
    `BackendClient.datasheet` says of the projects that the rows come from.
    """

    title: str = TITLE
    license: str = ""
    languages: tuple[str, ...] = ()
    projects: tuple[Mapping[str, Any], ...] = ()

    @property
    def recipes(self) -> dict[str, Mapping[str, Any]]:
        """Return what is known of recipes, by hash."""
        return {
            recipe["hash"]: recipe for project in self.projects for recipe in project["recipes"]
        }

    def made_of(self, tally: Tally) -> dict[str, Any]:
        """Return what a manifest says of recipes, models and the store; null is not known."""
        known = self.recipes
        revisions = sorted({str(project["store_revision"]) for project in self.projects})
        hashes = sorted({*tally.recipes, *tally.screened_by} - {""})
        return {
            "recipes": [{"hash": each, **_document(known.get(each))} for each in hashes],
            "models": [
                {"name": name, "sha256": sha256, "rows": n}
                for (name, sha256), n in sorted(tally.models.items())
            ],
            "judges": [judge for project in self.projects for judge in project["judges"]],
            "store_revision": ", ".join(revisions) or None,
        }


def _document(recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    if recipe is None:
        return {"document": None}
    withheld = {"withheld": list(recipe["withheld"])} if recipe["withheld"] else {}
    return {"document": recipe["document"], **withheld}
