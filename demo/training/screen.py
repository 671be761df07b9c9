"""Finds which wordings and answers go together, with the product's own filters: screened.json.

A good demo shows good answers and bad ones. The bad ones are made on purpose (tasks.py); this
makes sure that the good ones are good in the eyes of `protected_terms` and
`grounding`: a paraphrase counts when most of a few tries are kept, an answer likewise.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator, Sequence

import click
import numpy as np
from numpy.typing import NDArray

from grammar import Clause, ClauseType, Item, Values, Writer, capitalised, clause_types, sentence
from screened import PATH
from seedbed.recipe import Recipe, parse
from seedbed.records import Candidate, SourceTask
from seedbed_backend.filters import Filter, ScreenContext, configure

logger = logging.getLogger(__name__)

N_TRIES = 3
MINIMUM_KEPT = 0.6
BY_WORDS = {"paraphrase": {"protected_terms": {"check_clauses": False, "check_rare_terms": False}}}
"""What makes a filter look at words alone, by technique."""


class NoEncoder:
    """Stands for an encoder: the filters used here look at words alone."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Refuse."""
        raise NotImplementedError(f"{len(texts)} texts to encode, but these filters need none")


class Judge:
    """Runs the filters of a technique that look at one candidate."""

    def __init__(self, technique: str, name: str) -> None:
        self.recipe: Recipe = parse(
            {"technique": technique, "filters": BY_WORDS.get(technique, {})}
        )
        self.context = ScreenContext(self.recipe, NoEncoder())
        self.stages: list[Filter] = [f for f in configure(self.recipe) if f.name == name]

    def kept_fraction(self, pairs: Sequence[tuple[dict[str, str], dict[str, str]]]) -> float:
        """Return the share of (source fields, output fields) that all filters keep."""
        left = [Candidate(str(i), SourceTask.of(s), o) for i, (s, o) in enumerate(pairs)]
        for stage in self.stages:
            decisions = stage.screen(left, self.context)
            left = [c for c, d in zip(left, decisions, strict=True) if d.keep]
        return len(left) / len(pairs)


def _clauses(kind: ClauseType, rng: random.Random) -> list[Clause]:
    return [Writer.start(Values(rng)).clause(kind) for _ in range(N_TRIES)]


def paraphrases(kind: ClauseType, judge: Judge, rng: random.Random) -> list[list[int]]:
    """Return, for each wording, the wordings that are kept as its paraphrase."""
    n = len(kind.wordings)
    found: list[list[int]] = [[] for _ in range(n)]
    for i in range(n):
        for j in range(n):
            pairs = [
                ({"original": c.wording(rng, i)}, {"paraphrase": c.wording(rng, j)})
                for c in _clauses(kind, rng)
            ]
            if i != j and judge.kept_fraction(pairs) >= MINIMUM_KEPT:
                found[i].append(j)
    return found


def _combinations(kind: ClauseType, item: Item) -> Iterator[str]:
    yield from item.answers
    for other in kind.items:
        if other is not item and not item.answers[0].startswith("no,"):
            for a in item.answers:
                yield from (f"{a}, and {b}" for b in other.answers if not b.startswith("no,"))


def answers(
    kind: ClauseType, item: Item, index: int, judge: Judge, rng: random.Random
) -> list[list[str]]:
    """Return the long and the short answers to an item that wording `index` grounds."""

    def is_kept(template: str) -> bool:
        pairs = []
        for clause in _clauses(kind, rng)[:2]:
            question = capitalised(clause.fill(item.questions[0], rng))
            passage = clause.wording(rng, index)
            answer = sentence(clause.fill(template, rng))
            output = {"question": question, "answer": answer, "quote": passage}
            pairs.append(({"passage": passage}, output))
        return judge.kept_fraction(pairs) >= MINIMUM_KEPT

    return [
        [t for t in _combinations(kind, item) if is_kept(t)],
        [t for t in item.short_answers if is_kept(t)],
    ]


@click.command()
def main() -> None:
    """Write screened.json."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rng = random.Random(3)
    pairs = Judge("paraphrase", "protected_terms")
    ground = Judge("qa", "grounding")
    found = {k.key: paraphrases(k, pairs, rng) for k in clause_types()}
    grounded = {
        k.key: [
            [answers(k, item, i, ground, rng) for item in k.items] for i in range(len(k.wordings))
        ]
        for k in clause_types()
    }
    PATH.write_text(json.dumps({"paraphrases": found, "grounded": grounded}), encoding="utf-8")
    n_pairs = sum(len(row) for rows in found.values() for row in rows)
    n_possible = sum(len(k.wordings) * (len(k.wordings) - 1) for k in clause_types())
    n_without = sum(not row for rows in found.values() for row in rows)
    logger.info("paraphrase pairs: %d of %d; wordings without: %d", n_pairs, n_possible, n_without)


if __name__ == "__main__":
    main()
