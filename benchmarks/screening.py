"""How many candidates a second the complete screen of paraphrases decides on, and where the time goes.

    .venv/bin/python benchmarks/screening.py [--sources 150]

Contract clauses of about 30 words with four rewrites each, from the demo's grammar. Every filter
sees every candidate, as if none were dropped before; texts are encoded in batches, once each. The
median of the rounds counts. Ends with one line RESULT {json}.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

from filters import demo_encoder
from seedbed.recipe import Recipe
from seedbed.records import Candidate, SourceTask
from seedbed_backend.embeddings import SentenceEncoder
from seedbed_backend.filters import configure
from seedbed_backend.filters.base import Reference, ScreenContext

sys.path.insert(0, str(Path(__file__).parents[1] / "demo" / "training"))
from grammar import Values, Writer, clause_types

N_REWRITES = 4
ENCODER = "encoder"


def rewrites(n_sources: int, seed: int) -> list[Candidate]:
    """Make clauses, and of each four other wordings with the same names and numbers."""
    rng = random.Random(seed)
    made = []
    for n in range(n_sources):
        clause = Writer.start(Values(rng)).clause(rng.choice(clause_types()))
        places = rng.sample(range(len(clause.kind.wordings)), k=len(clause.kind.wordings))
        original, *others = [clause.wording(rng, place) for place in places]
        source = SourceTask.of({"original": original, "label": clause.kind.label})
        made += [
            Candidate(f"c{n}-{m}", source, {"paraphrase": text})
            for m, text in enumerate(others[:N_REWRITES])
        ]
    return made


def measure(candidates: list[Candidate], encoder: SentenceEncoder) -> dict[str, float]:
    """Return the seconds of the encoder and of every filter, each over all candidates."""
    sources = list({c.source.id: c.source for c in candidates}.values())
    recipe = Recipe(technique="paraphrase")
    real = [Reference(s.id, s.fields["original"], "real", s.id) for s in sources]
    scores: defaultdict[str, dict[str, float]] = defaultdict(dict)
    context = ScreenContext(recipe, encoder, real, scores, sources)
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    encoder.encode([s.fields["original"] for s in sources])
    encoder.encode([c.fields["paraphrase"] for c in candidates])
    seconds[ENCODER] = time.perf_counter() - started
    for stage in configure(recipe):
        started = time.perf_counter()
        decisions = stage.screen(candidates, context)
        seconds[stage.name] = time.perf_counter() - started
        for decision in decisions:
            if decision.score is not None:
                scores[decision.candidate_id][decision.filter] = decision.score
    return seconds


def main() -> None:
    """Measure a few rounds on other texts each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=150)
    parser.add_argument("--encoder", type=Path, help="a sentence-transformers folder")
    parser.add_argument("--threads", type=int, default=0, help="of the encoder; 0: torch's choice")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    encoder = SentenceEncoder(options.encoder or demo_encoder(), threads=options.threads)
    measure(rewrites(8, 99), encoder)  # everything is loaded
    rounds, totals = [], []
    cpu = []
    for seed in range(options.rounds):
        candidates = rewrites(options.sources, seed)
        started = time.process_time()
        rounds.append(measure(candidates, encoder))
        cpu.append(1000 * (time.process_time() - started) / len(candidates))
        totals.append(sum(rounds[-1].values()) / len(candidates))
    n_words = statistics.mean(len(c.fields["paraphrase"].split()) for c in candidates)
    print(f"{len(candidates)} candidates of {n_words:.0f} words, {options.sources} sources")
    milliseconds = {
        name: 1000 * statistics.median(each[name] for each in rounds) / len(candidates)
        for name in rounds[0]
    }
    for name, value in sorted(milliseconds.items(), key=lambda item: -item[1]):
        print(f"{name:16} {value:7.3f} ms a candidate")
    print(f"processor time  {statistics.median(cpu):8.3f} ms a candidate, over all threads")
    found = {
        "screened_per_second": round(1 / statistics.median(totals), 1),
        "milliseconds": {name: round(value, 3) for name, value in milliseconds.items()},
    }
    print(f"RESULT {json.dumps(found)}")


if __name__ == "__main__":
    main()
