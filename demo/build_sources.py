"""Writes the demo sources: contracts, clauses, seeds and instructions, the same bytes every time.

    python demo/build_sources.py        # writes demo/sources/

All names and numbers in them are held out from the training of the demo model.
"""

# The grammar lies in the folder training/, which is not a package.
# ruff: noqa: E402

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "training"))

from grammar import ClauseType, Values, Writer, clause_types, is_held_out, labels
from tasks import clause_name, request

SEED = 2026
N_CONTRACTS = 14
N_CLAUSES = 96
N_SEEDS = 40
N_INSTRUCTIONS = 48


@dataclass(frozen=True, slots=True)
class Sources:
    """File contents by path below the output folder, and the slot values in them."""

    files: dict[str, str]
    values: frozenset[str]


def contract(values: Values, n_sections: int) -> tuple[str, str]:
    """Write one contract; return its file name's stem and its text."""
    rng = values.rng
    writer = Writer.start(values, named_fraction=0.0)
    supplier, customer = writer.parties
    blocks = [f"# Service agreement between {supplier} and {customer}"]
    for number, kind in enumerate(rng.sample(clause_types(), n_sections), start=1):
        blocks.append(f"## {number}. {rng.choice(kind.titles)}")
        blocks.append(writer.clause(kind).wording(rng))
    stem = f"{supplier.split()[-1]}-{customer.split()[-1]}".lower()
    return stem, "\n\n".join(blocks) + "\n"


def _spread(n: int, rng: random.Random) -> list[ClauseType]:
    """Choose `n` clause types such that each comes about equally often."""
    kinds: list[ClauseType] = []
    while len(kinds) < n:
        kinds += rng.sample(clause_types(), len(clause_types()))
    return kinds[:n]


def clauses(values: Values, n: int) -> list[dict[str, str]]:
    """Write labelled clauses to paraphrase."""
    rows = []
    for kind in _spread(n, values.rng):
        clause = Writer.start(values, named_fraction=0.0).clause(kind)
        rows.append({"original": clause.wording(values.rng), "label": kind.label})
    return rows


def seeds(values: Values, n: int) -> list[dict[str, str]]:
    """Write labelled seed examples, the same number for each label."""
    rows = []
    for label in labels():
        kinds = [kind for kind in clause_types() if kind.label == label]
        for i in range(n // len(labels())):
            clause = Writer.start(values, named_fraction=0.0).clause(kinds[i % len(kinds)])
            rows.append({"seed": clause.wording(values.rng), "label": label})
    values.rng.shuffle(rows)
    return rows


def instructions(values: Values, n: int) -> list[dict[str, str]]:
    """Write requests about a clause: questions, and now and then a wish for an explanation."""
    rng = values.rng
    rows = []
    for i, kind in enumerate(_spread(n, rng)):
        clause = Writer.start(values, named_fraction=0.0).clause(kind)
        item = None if i % 4 == 3 else rng.choice(kind.items)
        rows.append({"prompt": request(clause, item, clause_name(clause, rng), rng)})
    return rows


def _jsonl(rows: Iterable[dict[str, str]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def build() -> Sources:
    """Make all demo sources. Raises AssertionError where a value is one that training may see."""
    values = Values(random.Random(SEED), "demo")
    files: dict[str, str] = {}
    for i in range(N_CONTRACTS):
        stem, text = contract(values, n_sections=11 + i % 14)
        files[f"contracts/{i + 1:02d}-{stem}.md"] = text
    files["clauses.jsonl"] = _jsonl(clauses(values, N_CLAUSES))
    files["seeds.jsonl"] = _jsonl(seeds(values, N_SEEDS))
    files["instructions.jsonl"] = _jsonl(instructions(values, N_INSTRUCTIONS))
    if seen := sorted(value for value in values.used if not is_held_out(value)):
        raise AssertionError(f"{len(seen)} slot values are not held out: {seen[:5]}")
    return Sources(files, frozenset(values.used))


def write(sources: Sources, out: Path) -> None:
    """Write the files below `out`."""
    for name, text in sources.files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


@click.command()
@click.option("--out", default=HERE / "sources", type=click.Path(path_type=Path))
def main(out: Path) -> None:
    """Write the demo sources."""
    sources = build()
    write(sources, out)
    click.echo(f"{len(sources.files)} files, {len(sources.values)} slot values, all held out")


if __name__ == "__main__":
    main()
