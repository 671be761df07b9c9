"""What a dataset card says of a project: recipes with thresholds, models, acceptance, the store."""

from __future__ import annotations

from typing import Any

from seedbed.recipe import Recipe, parse
from seedbed_backend import gate, judging, report
from seedbed_backend.filters import configure
from seedbed_backend.store import Project, Store

_PRIVACY = "privacy"

_NO_THRESHOLDS = {"fields", "key"}
"""Options of filters that say where to look, or that are secret: not for a card."""


def datasheet(store: Store, project: Project) -> dict[str, Any]:
    """Describe a project for the card of a data set that was pulled from it.

    `recipes` are those under which its runs were generated or screened, as they were then. Nothing
    in it lets a reader of the data set test guesses at a pseudonym (see `withheld`), and nobody is
    named. `acceptance` is that of the random review sample, over all runs.
    """
    found = gate.brief(store, project)
    return {
        "name": project.name,
        "technique": project.technique,
        "store_revision": store.revision(),
        "recipes": [_recipe(hash_, store.recipe(hash_)) for hash_ in _hashes(store, project)],
        "judges": _judges(store, project),
        "funnel": report.funnel_dict(store.funnel(project_id=project.id)),
        "review_fraction": project.sampled_fraction,
        "acceptance": {**found["overall"], "target": found["target"]},
        "gates": [_gate(run) for run in found["runs"]],
    }


def _gate(run: dict[str, Any]) -> dict[str, Any]:
    decision = run["decision"]
    return {
        **{
            key: run[key]
            for key in ("run", "state", "n_sampled", "n_judged", "rate", "low", "high")
        },
        "reason": decision["reason"] if decision else "",
    }


def _hashes(store: Store, project: Project) -> list[str]:
    runs = [run for run in store.runs(project.id) if run.kind != "trial"]
    used = {run.recipe_hash for run in runs} | {run.screened_by for run in runs}
    return sorted(hash_ for hash_ in used if hash_)


def _recipe(hash_: str, document: dict[str, Any]) -> dict[str, Any]:
    recipe = parse(document)
    shown, withheld = _without_secrets(document, recipe)
    in_force = configure(recipe)
    return {
        "hash": hash_,
        "document": shown,
        "withheld": withheld,
        "filters": [
            {"filter": f.name, "options": _thresholds(f.model_dump(mode="json"))} for f in in_force
        ],
        "off": sorted(recipe.spec.filters.keys() - {f.name for f in in_force}),
    }


def _without_secrets(document: dict[str, Any], recipe: Recipe) -> tuple[dict[str, Any], list[str]]:
    """Leave out what pseudonyms depend on: their key, and the seed that stands beside it."""
    options = recipe.filter_options().get(_PRIVACY, {})
    has_pseudonyms = "pseudonym" in {
        options.get("default"),
        options.get("unsourced"),
        *options.get("actions", {}).values(),
    }
    shown, withheld = dict(document), []
    if has_pseudonyms:
        shown.pop("rng_seed", None)
        withheld.append("rng_seed")
    own = shown.get("filters", {}).get(_PRIVACY)
    if isinstance(own, dict) and "key" in own:
        without = {name: value for name, value in own.items() if name != "key"}
        shown["filters"] = {**shown["filters"], _PRIVACY: without}
        withheld.append(f"filters.{_PRIVACY}.key")
    return shown, withheld


def _thresholds(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in options.items()
        if name not in _NO_THRESHOLDS and not name.endswith("_field")
    }


def _judges(store: Store, project: Project) -> list[dict[str, Any]]:
    """Name the models that judged, with how many candidates; one entry for each file."""
    names = _counts(store, project, "model")
    files = _counts(store, project, "model_sha256")
    if len(names) == 1 and len(files) == 1:
        (name, n), (sha256, _) = next(iter(names.items())), next(iter(files.items()))
        return [{"name": name, "sha256": sha256, "n": n}]
    # Which file belongs to which name, the counts alone do not say.
    return [
        {"name": ", ".join(sorted(names)), "sha256": sha256, "n": n} for sha256, n in files.items()
    ]


def _counts(store: Store, project: Project, key: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for (_, value), n in store.evidence_values(project.id, judging.NAME, key).items():
        found[value] = found.get(value, 0) + n
    return dict(sorted(found.items()))
