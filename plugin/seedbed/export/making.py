"""Sections of the dataset card: how a data set was made, checked and put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seedbed.display import in_words
from seedbed.export.about import About
from seedbed.export.cells import N_LISTED, more, most, shown
from seedbed.export.tally import Tally
from seedbed.sections import Cell, Section

_MERGE_DETAILS = {"examples", "files", "format", "inputs", "labels"}
"""Parts of a merge's report that a card has no room for."""

_MERGE_WORDS = {
    "is met": "share met for every label",
    "rng seed": "random seed",
    "settings near": "settings near from (Jaccard of letters)",
    "settings allows shown": "settings rows whose prompt showed a held-out seed are used",
}


def models(tally: Tally, about: About) -> Section:
    """List the models that wrote the rows, and those that judged candidates, with their files."""
    table: list[Sequence[Cell]] = [
        ("generator", name or "not known", sha256 or "not known", n)
        for (name, sha256), n in sorted(tally.models.items())
    ]
    judges = {(j["name"], j["sha256"]): j["n"] for p in about.projects for j in p["judges"]}
    if tally.n_synthetic:
        table += [("judge", name, sha256, n) for (name, sha256), n in sorted(judges.items())]
    return Section("Models", columns=("role", "model", "SHA-256", "#rows or gradings"), rows=table)


def recipes(tally: Tally, about: About) -> list[Section]:
    """Show each recipe's filters with their thresholds, and how tokens were drawn."""
    known, found = about.recipes, []
    for recipe in sorted({*tally.recipes, *tally.screened_by} - {""}):
        n_made, n_screened = tally.recipes[recipe], tally.screened_by[recipe]
        lines = [f"{n_made} rows were generated with it, {n_screened} passed its filters."]
        if recipe not in known:
            lines.append("What it says is not known: exported without its project (--project).")
        found.append(Section(f"Recipe {recipe}", lines, *_filters(known.get(recipe))))
    if tally.n_synthetic:
        sampling = ", ".join(f"{text or 'not known'} ({n})" for text, n in most(tally.sampling))
        found.append(Section("Sampling", [f"Rows by how tokens were drawn: {sampling}."]))
    return found


def _filters(recipe: Mapping[str, Any] | None) -> tuple[tuple[str, str], list[Sequence[Cell]]]:
    """Return the table of a recipe's filters with their thresholds, in the order in which they run."""
    columns = ("filter", "options in force")
    filters = recipe["filters"] if recipe else []
    return columns, [(each["filter"], _options(each["options"])) for each in filters]


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {shown(value)}" for name, value in options.items()) or "none"


def review(project: Mapping[str, Any]) -> Section:
    """Tell where a project's attempts ended, and what people said of the random sample."""
    funnel, accepted = project["funnel"], project["acceptance"]
    lines = [
        f"{funnel['n_attempts']} attempts, {funnel['n_survivors']} of which survived the filters; "
        f"people were shown a random {project['review_fraction']:.0%} of those.",
        f"Verdicts on that sample: {accepted['n_accepted']} accepted, {accepted['n_fixed']} fixed, "
        f"{accepted['n_rejected']} rejected, {accepted['n_waiting']} outstanding.",
    ]
    if accepted["n_judged"]:
        lines.append(
            f"Acceptance rate {accepted['rate']:.1%}, 95 % Wilson interval {accepted['low']:.1%} to "
            f"{accepted['high']:.1%}, of {accepted['n_judged']} judged; target "
            f"{accepted['target']:.0%}."
        )
    lines += [_gate(each) for each in project["gates"]]
    rows = [_dropped(row) for row in funnel["dropped"]]
    return Section(f"Project {project['name']}", lines, ("dropped by", "reason", "#attempts"), rows)


def _gate(run: Mapping[str, Any]) -> str:
    """Tell how the acceptance gate of one run stands, and on what."""
    reason = f" (a manager: {run['reason']})" if run["reason"] else ""
    judged = f"{run['n_judged']} of {run['n_sampled']} judged"
    rate = f", {run['rate']:.1%} [{run['low']:.1%}, {run['high']:.1%}]" if run["n_judged"] else ""
    return f"- Gate of run {run['run'][:8]}: {in_words(run['state'])}{reason}; {judged}{rate}."


def _dropped(row: Mapping[str, Any]) -> Sequence[Cell]:
    return row["stage"], in_words(row["reason"]), row["n"]


def verdicts(tally: Tally) -> Section:
    """Say what people made of the synthetic rows, and on whose word the others are here."""
    if not tally.n_synthetic:
        return Section("Review")
    if tally.n_unreviewed:
        by_gate = ", ".join(f"{gate or 'not known'} {n}" for gate, n in most(tally.unreviewed))
        policy = (
            f"Policy gated: {tally.n_unreviewed} synthetic rows were not looked at by anybody. "
            f"State of their run's acceptance gate: {by_gate}."
        )
    else:
        policy = "Policy reviewed: a person accepted or fixed every synthetic row."
    reviewers = [f"Reviewers of these rows: {len(tally.reviewers)}."] if tally.reviewers else []
    table = [(verdict or "nobody looked", n) for verdict, n in most(tally.verdicts)]
    return Section("Review", [policy, *reviewers], ("verdict", "#synthetic rows"), table)


def scores(tally: Tally) -> Section:
    """Sum up what the filters scored."""
    table = [(name, of.n, of.lowest, of.mean) for name, of in sorted(tally.scores.items())]
    told = "All in 0 to 1, higher is better; of the synthetic rows in this data set."
    columns = ("filter", "#rows scored", "#lowest", "#mean")
    return Section("Scores of the filters", [told] if table else [], columns, table)


def merge(report: Mapping[str, Any]) -> list[Section]:
    """Show a merge's report: single values in one table, and one for every list of things."""
    single = [(_name(key), value) for key, value in _flat(report)]
    found = [Section("Merge", columns=("what", "value"), rows=single)]
    for key, rows in report.items():
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            columns = [name for name, value in rows[0].items() if not isinstance(value, Mapping)]
            table = [[shown(row.get(name)) for name in columns] for row in rows[:N_LISTED]]
            names = [f"{'#' if name.startswith('n_') else ''}{_name(name)}" for name in columns]
            found.append(Section(f"Merge: {in_words(key)}", more(rows), names, table))
    return found


def _name(key: str) -> str:
    """Write a key of the report as a manager reads it."""
    words = f" {in_words(key)} ".replace(" n ", " ")
    for code, said in _MERGE_WORDS.items():
        words = words.replace(f" {code} ", f" {said} ")
    return words.strip()


def _flat(report: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Cell]]:
    for key, value in report.items():
        if key in _MERGE_DETAILS:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key} ")
        elif value not in ("", []) and not (
            isinstance(value, list) and any(isinstance(each, dict) for each in value)
        ):
            yield f"{prefix}{key}", shown(value)
