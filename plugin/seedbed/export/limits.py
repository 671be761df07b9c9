"""What a data set is not fit for, read off its own numbers: one rule a limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from seedbed.export.tally import Tally

LOW_SHARE, HIGH_SHARE = 0.20, 0.40
"""Within 20-40 % synthetic rows help; beyond, models begin to learn the generator's habits."""

MIN_ROWS_OF_LABEL = 20
"""Fewer rows of a class than this teach it poorly, and measure it worse."""

Projects = Sequence[Mapping[str, Any]]


def limits(tally: Tally, merge: Mapping[str, Any], projects: Projects) -> list[str]:
    """Return every limit that the numbers show, in sentences."""
    return [limit for rule in _RULES for limit in rule(tally, merge, projects)]


def _unreviewed(tally: Tally, _merge: Mapping[str, Any], _projects: Projects) -> Iterator[str]:
    if tally.n_unreviewed:
        yield (
            f"{tally.n_unreviewed} of {tally.n_synthetic} synthetic rows were never read by a person. "
            "Expect faults among them at about the rate at which the random sample of their run was "
            "rejected."
        )


def _share(tally: Tally, _merge: Mapping[str, Any], _projects: Projects) -> Iterator[str]:
    n_real, n_synthetic = tally.by_split("train")
    share = n_synthetic / (n_real + n_synthetic) if n_real + n_synthetic else 0.0
    if n_synthetic and not n_real:
        yield "The training split holds no real row: a model trained on it learns the generator's habits."
    elif n_synthetic and not LOW_SHARE <= share <= HIGH_SHARE:
        yield (
            f"{share:.0%} of the training split is synthetic; {LOW_SHARE:.0%} to {HIGH_SHARE:.0%} is "
            "where synthetic rows are known to help."
        )


def _share_by_label(tally: Tally, merge: Mapping[str, Any], _projects: Projects) -> Iterator[str]:
    for group in _groups(merge):
        wanted, used = group.get("n_wanted"), group.get("n_used")
        if isinstance(wanted, int) and isinstance(used, int) and used < wanted:
            name = "/".join(str(group[key]) for key in ("technique", "label") if group.get(key))
            yield f"The wanted share of synthetic rows was not met for {name}: {used} of {wanted}."


def _held_out(tally: Tally, _merge: Mapping[str, Any], _projects: Projects) -> Iterator[str]:
    splits = {split for split, _ in tally.splits}
    if "test" not in splits:
        yield "There is no test split: nothing here measures a model trained on it."
    elif n := tally.splits["test", "synthetic"]:
        yield f"The test split holds {n} synthetic rows: it measures likeness to the generator too."


def _small_labels(tally: Tally, _merge: Mapping[str, Any], _projects: Projects) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for (_, label, _), n in tally.labels.items():
        counts[label] += n
    small = sorted(
        f"{label} ({n})" for label, n in counts.items() if label and n < MIN_ROWS_OF_LABEL
    )
    if small:
        yield f"Labels with fewer than {MIN_ROWS_OF_LABEL} rows: {', '.join(small)}."


def _provenance(tally: Tally, _merge: Mapping[str, Any], _projects: Projects) -> Iterator[str]:
    n = sum(n for (name, sha256), n in tally.models.items() if not (name and sha256))
    if n:
        yield f"Of {n} synthetic rows the model is not known by name and SHA-256."
    if tally.recipes[""]:
        yield f"Of {tally.recipes['']} synthetic rows the recipe is not known."
    if len(tally.models) > 1:
        yield f"The synthetic rows were written by {len(tally.models)} different models."


def _acceptance(tally: Tally, _merge: Mapping[str, Any], projects: Projects) -> Iterator[str]:
    if not tally.n_synthetic:
        return
    if not projects:
        yield (
            "The acceptance rate is not known here, nor what the filters' thresholds were: the data "
            "set was exported without asking Seedbed's server (--project)."
        )
    for project in projects:
        accepted = project["acceptance"]
        if not accepted["n_judged"]:
            yield (
                f"Nobody has judged the random sample of the project {project['name']} yet: its "
                "acceptance rate is not known."
            )
        elif accepted["low"] < accepted["target"]:
            yield (
                f"In the project {project['name']} the acceptance rate may be as low as "
                f"{accepted['low']:.0%} (95 % interval), below the target of "
                f"{accepted['target']:.0%}."
            )


def _filters(tally: Tally, _merge: Mapping[str, Any], projects: Projects) -> Iterator[str]:
    if not tally.n_synthetic:
        return
    off = sorted(
        {name for project in projects for recipe in project["recipes"] for name in recipe["off"]}
    )
    if off:
        yield f"Filters that were switched off in a recipe: {', '.join(off)}."
    yield (
        "The filters are automatic: they let wrong rows pass and drop right ones, and those that read "
        "words and word order are made for English."
    )


def _personal_data(tally: Tally, _merge: Mapping[str, Any], projects: Projects) -> Iterator[str]:
    if tally.n_synthetic:
        yield (
            "Personal data is searched by patterns and checksums in the synthetic rows as their "
            "recipe says: names and descriptions of people are found in part or not at all."
        )
    if tally.n > tally.n_synthetic:
        yield (
            f"{tally.n - tally.n_synthetic} rows are real, and as they were imported: Seedbed does not "
            "mask personal data in them."
        )


def _evaluation(tally: Tally, _merge: Mapping[str, Any], _projects: Projects) -> Iterator[str]:
    if tally.n_synthetic:
        yield "No model was trained on these rows before they were written: test what they are worth."


def _groups(merge: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    groups = merge.get("groups")
    return [g for g in groups if isinstance(g, Mapping)] if isinstance(groups, list) else []


_RULES: Sequence[Callable[[Tally, Mapping[str, Any], Projects], Iterator[str]]] = (
    _unreviewed,
    _share,
    _share_by_label,
    _held_out,
    _small_labels,
    _provenance,
    _acceptance,
    _filters,
    _personal_data,
    _evaluation,
)
