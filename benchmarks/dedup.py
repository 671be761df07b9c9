"""Near-duplicate search among everything that a project has kept, and what its index costs.

    .venv/bin/python benchmarks/dedup.py [--kept 100000] [--wave 1000]

A store with many kept candidates of 30 made-up words, and waves of new ones, a quarter of them kept
ones without 3 of their words. Vectors are sums of random word vectors with 384 dimensions, so that
the encoder's time does not count. The naive loop compares a candidate with every kept text. Ends
with one line RESULT {json}.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from seedbed.recipe import Recipe
from seedbed.records import Candidate, Completion, Decision, SourceTask
from seedbed.sameness import normalise
from seedbed_backend import neighbours
from seedbed_backend.filters.base import ScreenContext
from seedbed_backend.filters.dedup import Dedup
from seedbed_backend.store import Batch, Project, Run, StateChange, Store

DIMENSION = 384
N_WORDS = 30
N_ROUNDS = 3
N_NAIVE = 5
N_PER_INSERT = 5000

T = TypeVar("T")


class WordVectors:
    """Stands for an encoder: a text is the sum of its words' random vectors."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        rng = np.random.default_rng(1)
        self.rows = {word: row for row, word in enumerate(vocabulary)}
        self.vectors = rng.standard_normal((len(vocabulary), DIMENSION), dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return shape (n, 384), rows of length 1."""
        rows = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for place, text in enumerate(texts):
            known = [self.rows[word] for word in text.split() if word in self.rows]
            rows[place] = self.vectors[known or [0]].sum(axis=0)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Texts:
    """Makes up texts whose words are as unequally common as real ones (Zipf)."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        parts = ("bcdfghklmnprstvwz", "aeiou")
        made = random.Random(0)
        size = 20_000
        self.vocabulary = [
            "".join(made.choice(p) for p in parts * made.randint(1, 4)) for _ in range(size)
        ]
        self.weights = [1 / (rank + 10) for rank in range(size)]

    def new(self, n: int) -> list[str]:
        """Make n texts of 30 words."""
        words = self.rng.choices(self.vocabulary, self.weights, k=n * N_WORDS)
        return [" ".join(words[i : i + N_WORDS]) for i in range(0, n * N_WORDS, N_WORDS)]

    def near(self, text: str) -> str:
        """Leave 3 words of a text out."""
        words = text.split()
        left_out = set(self.rng.sample(range(len(words)), 3))
        return " ".join(word for place, word in enumerate(words) if place not in left_out)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return seconds and the result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def fill(store: Store, texts: Sequence[str]) -> tuple[Run, SourceTask]:
    """Store the texts as kept candidates of one run."""
    recipe = Recipe(technique="paraphrase")
    store.migrate()
    store.save_project(
        Project("p1", "Bench", "paraphrase", recipe.model_dump(mode="json"), recipe.hash, "", 1, 2)
    )
    source = SourceTask.of({"original": "what all of this was grown from"})
    store.add_sources("p1", [source])
    run = Run("run1", "p1", recipe.hash, target=len(texts), budget=len(texts), wave=1)
    store.create_run(run, {source.id: 0})
    store.add_batches([Batch("b1", run.id, 1, ((source.id, 0, len(texts)),))])
    for start in range(0, len(texts), N_PER_INSERT):
        part = list(enumerate(texts[start : start + N_PER_INSERT], start=start))
        rows = [
            (
                Completion(f"kept{n:07d}", source.id, "prompt", n, text, "stop", 1),
                {"paraphrase": text},
                "",
            )
            for n, text in part
        ]
        store.save_completions(run.id, "b1", rows)
        ids = [row[0].id for row in rows]
        store.save_decisions(
            [Decision(id_, "similarity", True, score=0.8) for id_ in ids]
            + [Decision(id_, "dedup", True) for id_ in ids],
            [StateChange(id_, "survivor", score=0.8) for id_ in ids],
        )
    return run, source


def naive(texts: Sequence[str], vectors: NDArray[np.float32]) -> Callable[[str], list[int]]:
    """Return the loop that people write: compare with every text in turn."""
    keys = [normalise(text) for text in texts]
    sets = [frozenset(key[i : i + 5] for i in range(len(key) - 4)) for key in keys]

    def find(text: str) -> list[int]:
        key = normalise(text)
        own = frozenset(key[i : i + 5] for i in range(len(key) - 4))
        vector = ENCODER.encode([text])[0]
        found = []
        for place, other in enumerate(sets):
            shared = len(own & other)
            if shared >= 0.40 * (len(own) + len(other) - shared) or vectors[place] @ vector >= 0.90:
                found.append(place)
        return found

    return find


def measure(n_kept: int, n_wave: int, folder: Path) -> dict[str, float]:
    """Return the figures."""
    made = Texts(2)
    kept = made.new(n_kept)
    store = Store.open(f"sqlite:///{folder / 'store.sqlite3'}")
    seconds, (run, source) = timed(lambda: fill(store, kept))
    say(f"store filled with {n_kept} kept candidates in {seconds:.1f} s")

    def opened() -> neighbours.ProjectNeighbours:
        neighbours._loaded.clear()  # as a worker that was just started
        known = neighbours.ProjectNeighbours(
            folder / "neighbours", store, ENCODER, Recipe(technique="paraphrase").spec,
            run, ("dedup",), ("dedup",),
        )  # fmt: skip
        known.refresh()
        return known

    seconds, known = timed(opened)
    say(f"index made from the store in {seconds:.1f} s, without the encoder's time")
    n_bytes = known.path.stat().st_size
    restored = [timed(opened) for _ in range(N_ROUNDS)]
    restore_seconds = statistics.median(seconds for seconds, _ in restored)
    known = restored[-1][1]
    say(f"restored and compared with the store in {restore_seconds:.2f} s; {n_bytes / 1e6:.0f} MB")
    refresh_seconds, _ = timed(known.refresh)
    save_seconds, _ = timed(known._save)
    say(f"looked for new rows in {refresh_seconds:.2f} s, written in {save_seconds:.2f} s")

    full_seconds, _ = timed(lambda: store.candidates(project_id="p1", states=("survivor",)))
    say(
        f"reading all candidates instead, as a list of references needs, takes {full_seconds:.1f} s"
    )

    waves = [
        [
            made.near(kept[made.rng.randrange(n_kept)]) if n % 4 == 0 else text
            for n, text in enumerate(made.new(n_wave))
        ]
        for _ in range(N_ROUNDS)
    ]
    searched = statistics.median(timed(lambda w=wave: search(known, w))[0] for wave in waves)
    filtered = []
    for wave in waves:
        seconds, n_dropped = timed(lambda w=wave: screen(known, source, w))
        filtered.append(seconds)
        say(f"dedup of {n_wave} candidates: {seconds:.2f} s, {n_dropped} dropped")
    find = naive(kept, ENCODER.encode(kept))
    asked = waves[0][:N_NAIVE]
    naive_seconds, slow = timed(lambda: [find(text) for text in asked])
    proposed = search(known, asked)
    for near, expected in zip(proposed, slow, strict=True):
        missing = {f"kept{n:07d}" for n in expected} - {match.id for match in near}
        say(f"the naive loop finds {len(expected)}; the index lacks {len(missing)} of them")
    search_milliseconds = 1000 * searched / n_wave
    naive_milliseconds = 1000 * naive_seconds / N_NAIVE
    say(f"search alone {search_milliseconds:.2f} ms, naive loop {naive_milliseconds:.0f} ms a text")
    milliseconds = 1000 * statistics.median(filtered) / n_wave
    store.close()
    return {
        "near_duplicate_milliseconds_per_candidate": round(milliseconds, 3),
        "search_milliseconds_per_candidate": round(search_milliseconds, 3),
        "index_restore_seconds": round(restore_seconds, 3),
        "index_refresh_seconds": round(refresh_seconds, 3),
        "index_save_seconds": round(save_seconds, 3),
        "index_bytes": n_bytes,
        "ratio_to_naive": round(naive_milliseconds / milliseconds, 1),
    }


def search(known: neighbours.ProjectNeighbours, texts: Sequence[str]) -> list[Any]:
    """Search as the filter does: MinHash codes and both searches."""
    return known.index.search(texts, ENCODER.encode(texts), min_letters=0.40, min_cosine=0.90)


def screen(known: neighbours.ProjectNeighbours, source: SourceTask, texts: Sequence[str]) -> int:
    """Run the whole filter over a wave; count what it drops."""
    candidates = [
        Candidate(f"new{n}", SourceTask(f"s{n}", source.fields), {"paraphrase": text})
        for n, text in enumerate(texts)
    ]
    context = ScreenContext(Recipe(technique="paraphrase"), ENCODER, neighbours=known)
    return sum(not d.keep for d in Dedup(fields=("paraphrase",)).screen(candidates, context))


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


ENCODER = WordVectors(Texts(0).vocabulary)


def main() -> None:
    """Measure in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kept", type=int, default=100_000)
    parser.add_argument("--wave", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"RESULT {json.dumps(measure(options.kept, options.wave, Path(folder)))}")


if __name__ == "__main__":
    main()
