"""The dataset card: what a data set holds, how it was made, and what it is not fit for.

Everything in it comes from the examples, from the merge's report, or from Seedbed's server; what
none of them says is called unknown. The header is what the Hugging Face Hub and `load_dataset` read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from seedbed.display import in_words
from seedbed.export.formats import Format
from seedbed.export.limits import limits
from seedbed.export.metadata import KEYS, UNKNOWN
from seedbed.export.tally import Tally
from seedbed.sections import Cell, Section, to_markdown

TITLE = "Training data grown with Seedbed"

N_LISTED = 50
"""Documents and labels beyond so many are summed up in one line."""

_MERGE_DETAILS = {"examples", "files", "format", "inputs", "labels"}
"""Parts of a merge's report that a card has no room for."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""The Hub's categories of size, with their upper ends, exclusive."""


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


def card(
    format_: Format,
    chat: bool,
    n_rows: Mapping[str, int],
    files: Mapping[str, str],
    tally: Tally,
    merge: Mapping[str, Any],
    about: About,
) -> str:
    """Return the card as Markdown with its YAML header. `n_rows` and `files` are by split."""
    sections = [
        _summary(format_, chat, tally, about),
        _rows(n_rows, tally),
        _labels(tally),
        _limits(tally, merge, about),
        _models(tally, about),
        *_recipes(tally, about),
        *(_review(project) for project in about.projects),
        _verdicts(tally),
        _scores(tally),
        *_merge(merge),
        _documents(tally),
        *_keys(format_),
        _licence(about),
    ]
    header = yaml.safe_dump(
        _header(tally, n_rows, files, about), sort_keys=False, allow_unicode=True
    )
    shown = (s for s in sections if s.lines or s.rows or s.warnings)
    return f"---\n{header}---\n\n{to_markdown(about.title, shown)}".rstrip()


def _header(
    tally: Tally, n_rows: Mapping[str, int], files: Mapping[str, str], about: About
) -> dict[str, Any]:
    languages = {"language": list(about.languages)} if about.languages else {}
    n = sum(n_rows.values())
    return {
        "pretty_name": about.title,
        "license": about.license or "other",
        **languages,
        "task_categories": _task_categories(tally),
        "size_categories": [next((name for end, name in _SIZES if n < end), "n>1M")],
        "tags": ["seedbed", *(["synthetic"] if tally.n_synthetic else [])],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": name} for split, name in files.items()],
            }
        ],
    }


def _task_categories(tally: Tally) -> list[str]:
    n_labelled = sum(n for (_, label, _), n in tally.labels.items() if label)
    found = {
        "text-classification": n_labelled,
        "question-answering": tally.n_of_passages,
        "text-generation": tally.n - n_labelled,
    }
    return [category for category, n in found.items() if n]


def _summary(format_: Format, chat: bool, tally: Tally, about: About) -> Section:
    techniques = sorted({technique for technique, _, _ in tally.labels})
    n_sources = len(tally.sources - {""})
    form = f"{format_.name}, in messages" if chat else format_.name
    return Section(
        "What this is",
        [
            f"{tally.n} examples from {n_sources} sources, of which {tally.n_synthetic} were written "
            f"by a language model ({_percent(tally.n_synthetic, tally.n)}) and checked with Seedbed. "
            f"Every row says whether it is real or synthetic.",
            f"Techniques: {', '.join(techniques)}. Format: {form}.",
            f"Languages: {', '.join(about.languages)}."
            if about.languages
            else "Languages: not stated.",
        ],
    )


def _rows(n_rows: Mapping[str, int], tally: Tally) -> Section:
    table: list[Sequence[Cell]] = []
    for split, n in n_rows.items():
        n_real, n_synthetic = tally.by_split(split)
        share = _percent(n_synthetic, n_real + n_synthetic)
        table.append((split, n, n_real, n_synthetic, share))
    columns = ("split", "#rows", "#real examples", "#synthetic examples", "#synthetic share")
    return Section("Rows", columns=columns, rows=table)


def _labels(tally: Tally) -> Section:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for (technique, label, origin), n in sorted(tally.labels.items()):
        counts.setdefault((technique, label), Counter())[origin] += n
    rows = [
        (
            technique,
            label or "-",
            by["real"],
            by["synthetic"],
            _percent(by["synthetic"], by.total()),
        )
        for (technique, label), by in counts.items()
    ]
    columns = ("technique", "label", "#real", "#synthetic", "#synthetic share")
    return Section("Techniques and labels", _more(rows), columns, rows[:N_LISTED])


def _limits(tally: Tally, merge: Mapping[str, Any], about: About) -> Section:
    return Section("Known limits", [f"- {limit}" for limit in limits(tally, merge, about.projects)])


def _models(tally: Tally, about: About) -> Section:
    rows: list[Sequence[Cell]] = [
        ("generator", name or "not known", sha256 or "not known", n)
        for (name, sha256), n in sorted(tally.models.items())
    ]
    judges = {(j["name"], j["sha256"]): j["n"] for p in about.projects for j in p["judges"]}
    rows += [("judge", name, sha256, n) for (name, sha256), n in sorted(judges.items())]
    rows = [] if not tally.n_synthetic else rows
    return Section("Models", columns=("role", "model", "SHA-256", "#rows or gradings"), rows=rows)


def _recipes(tally: Tally, about: About) -> list[Section]:
    known, found = about.recipes, []
    for recipe in sorted({*tally.recipes, *tally.screened_by} - {""}):
        n_made, n_screened = tally.recipes[recipe], tally.screened_by[recipe]
        lines = [f"{n_made} rows were generated with it, {n_screened} passed its filters."]
        if recipe not in known:
            lines.append("What it says is not known: exported without its project (--project).")
        found.append(Section(f"Recipe {recipe}", lines, *_filters(known.get(recipe))))
    if tally.n_synthetic:
        sampling = ", ".join(f"{text or 'not known'} ({n})" for text, n in _most(tally.sampling))
        found.append(Section("Sampling", [f"Rows by how tokens were drawn: {sampling}."]))
    return found


def _filters(recipe: Mapping[str, Any] | None) -> tuple[tuple[str, str], list[Sequence[Cell]]]:
    """Return the table of a recipe's filters with their thresholds, in the order in which they run."""
    columns = ("filter", "options in force")
    rows = [
        (each["filter"], _options(each["options"])) for each in (recipe or {}).get("filters", ())
    ]
    return columns, list(rows)


def _review(project: Mapping[str, Any]) -> Section:
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


def _verdicts(tally: Tally) -> Section:
    if not tally.n_synthetic:
        return Section("Review")
    n_gated = tally.n_unreviewed
    policy = (
        f"gated: {n_gated} synthetic rows were not looked at by anybody; they are from batches whose "
        "random sample passed."
        if n_gated
        else "reviewed: a person accepted or fixed every synthetic row."
    )
    rows = [(verdict or "nobody looked", n) for verdict, n in _most(tally.verdicts)]
    gates = [f"Gate of the batch: {gate}: {n} rows." for gate, n in _most(tally.gates) if gate]
    reviewers = [f"Reviewers of these rows: {len(tally.reviewers)}."] if tally.reviewers else []
    return Section(
        "Review", [f"Policy {policy}", *gates, *reviewers], ("verdict", "#synthetic rows"), rows
    )


def _scores(tally: Tally) -> Section:
    rows = [
        (name, scores.n, scores.lowest, scores.mean)
        for name, scores in sorted(tally.scores.items())
    ]
    return Section(
        "Scores of the filters",
        ["All in 0 to 1, higher is better; of the synthetic rows in this data set."]
        if rows
        else [],
        ("filter", "#rows scored", "#lowest", "#mean"),
        rows,
    )


def _merge(report: Mapping[str, Any]) -> list[Section]:
    """Show a merge's report: single values in one table, and one for every list of things."""
    single = [(in_words(key), value) for key, value in _flat(report)]
    found = [Section("Merge", columns=("what", "value"), rows=single)]
    for key, rows in report.items():
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            columns = [name for name, value in rows[0].items() if not isinstance(value, Mapping)]
            table = [[_shown(row.get(name)) for name in columns] for row in rows[:N_LISTED]]
            names = [in_words(name) for name in columns]
            found.append(Section(f"Merge: {in_words(key)}", _more(rows), names, table))
    return found


def _flat(report: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Cell]]:
    for key, value in report.items():
        if key in _MERGE_DETAILS:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key} ")
        elif not (isinstance(value, list) and any(isinstance(each, dict) for each in value)):
            yield f"{prefix}{key}", _shown(value)


def _documents(tally: Tally) -> Section:
    rows = [(name, n) for name, n in _most(tally.documents) if name]
    lines = [*_more(rows), f"{tally.documents['']} rows come from no document."]
    return Section("Documents", lines if rows else [], ("document", "#rows of it"), rows[:N_LISTED])


def _keys(format_: Format) -> list[Section]:
    if format_.key:
        return []
    unknown = "null" if format_.suffix == ".parquet" else "the value in the last column"
    rows = [(key.name, key.kind, key.help, json.dumps(UNKNOWN[key.kind])) for key in KEYS]
    where = "as columns" if format_.suffix == ".parquet" else "in the object `metadata`"
    return [
        Section(
            "Metadata",
            [
                f"Every row says where it came from, {where}, always with the same keys. What is not "
                f"known is {unknown}. A json value is a text that holds JSON."
            ],
            ("key", "kind", "meaning", "not known"),
            rows,
        )
    ]


def _licence(about: About) -> Section:
    text = (
        f"Licence: {about.license}."
        if about.license
        else "No licence was stated. Ask those who own the sources before you pass this on."
    )
    return Section("Licence", [text])


def _document(recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    if recipe is None:
        return {"document": None}
    withheld = {"withheld": list(recipe["withheld"])} if recipe["withheld"] else {}
    return {"document": recipe["document"], **withheld}


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_shown(value)}" for name, value in options.items()) or "none"


def _shown(value: Any) -> Cell:
    if isinstance(value, str | int | float):
        return value
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _more(rows: Sequence[Any]) -> list[str]:
    n = len(rows) - N_LISTED
    return [f"The first {N_LISTED} of {len(rows)}; {n} are not listed."] if n > 0 else []


def _percent(n: int, n_all: int) -> str:
    return f"{n / n_all:.1%}" if n_all else "-"
