"""Sections of the dataset card: what a data set holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from seedbed.export.cells import N_LISTED, more, most, percent
from seedbed.export.formats import Format
from seedbed.export.metadata import KEYS, UNKNOWN
from seedbed.export.tally import Tally
from seedbed.sections import Cell, Section


def summary(tally: Tally, form: str, languages: Sequence[str]) -> Section:
    """Say in a few sentences what there is; `form` names the format."""
    techniques = sorted({technique for technique, _, _ in tally.labels})
    sources = f"{len(tally.sources - {''})} {'known ' if '' in tally.sources else ''}sources"
    n_fixed = tally.verdicts["FIXED"]
    corrected = f" People corrected {n_fixed} of them." if n_fixed else ""
    return Section(
        "What this is",
        [
            f"{tally.n} examples from {sources}, of which {tally.n_synthetic} were written "
            f"by a language model ({percent(tally.n_synthetic, tally.n)}) and checked with Seedbed."
            f"{corrected} Every row says whether it is real or synthetic.",
            f"Techniques: {', '.join(techniques)}. Format: {form}.",
            f"Languages: {', '.join(languages) or 'not stated'}.",
        ],
    )


def rows(tally: Tally, n_rows: Mapping[str, int]) -> Section:
    """Count the rows as written, and the examples behind them by origin, split by split."""
    table: list[Sequence[Cell]] = []
    for split, n in n_rows.items():
        n_real, n_synthetic = tally.by_split(split)
        share = percent(n_synthetic, n_real + n_synthetic)
        table.append((split, n, n_real, n_synthetic, share))
    columns = ("split", "#rows", "#real examples", "#synthetic examples", "#synthetic share")
    return Section("Rows", columns=columns, rows=table)


def labels(tally: Tally) -> Section:
    """Count examples by technique, label and origin."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for (technique, label, origin), n in sorted(tally.labels.items()):
        counts.setdefault((technique, label), Counter())[origin] += n
    table = [
        (technique, label or "-", n["real"], n["synthetic"], percent(n["synthetic"], n.total()))
        for (technique, label), n in counts.items()
    ]
    columns = ("technique", "label", "#real", "#synthetic", "#synthetic share")
    return Section("Techniques and labels", more(table), columns, table[:N_LISTED])


def documents(tally: Tally) -> Section:
    """List the documents behind the examples, those with most first."""
    table = [(name, n) for name, n in most(tally.documents) if name]
    n_without = tally.documents[""]
    lines = [f"{n_without} rows come from no document."] if table and n_without else []
    return Section(
        "Documents", [*more(table), *lines], ("document", "#rows of it"), table[:N_LISTED]
    )


def keys(format_: Format) -> list[Section]:
    """Explain the metadata, where the format has it."""
    if format_.key:
        return []
    unknown = "null" if format_.suffix == ".parquet" else "the value in the last column"
    table = [(key.name, key.kind, key.help, json.dumps(UNKNOWN[key.kind])) for key in KEYS]
    where = "as columns" if format_.suffix == ".parquet" else "in the object `metadata`"
    return [
        Section(
            "Metadata",
            [
                f"Every row says where it came from, {where}, always with the same keys. What is not "
                f"known is {unknown}. A json value is a text that holds JSON."
            ],
            ("key", "kind", "meaning", "not known"),
            table,
        )
    ]


def licence(stated: str) -> Section:
    """Repeat the licence, or say that there is none."""
    text = (
        f"Licence: {stated}."
        if stated
        else "No licence was stated. Ask those who own the sources before you pass this on."
    )
    return Section("Licence", [text])
