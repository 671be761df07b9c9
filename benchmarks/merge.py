"""What `seedbed merge` costs: reading, comparing everything with everything, holding out, writing.

    .venv/bin/python benchmarks/merge.py [--real 3000] [--synthetic 6000] [--test-fraction 0.1]

Texts of 30 to 150 words, drawn as often as English uses them; a synthetic one is made of a real one by
other words for two fifths of it, a tenth of them copies with a twentieth changed. Ends with one line
RESULT {json}: seconds of processor time and of the clock, and the peak memory of the whole process.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from wordfreq import top_n_list, word_frequency

from seedbed.merging.files import merge_files
from seedbed.records import Example, SourceTask, content_id

LABELS = ("billing", "delivery", "refund", "account")


class English:
    """Draws words as often as English uses them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.words = [word for word in top_n_list("en", 30_000) if word.isalpha()]
        self.weights = list(accumulate(word_frequency(word, "en") for word in self.words))

    def draw(self, n: int) -> list[str]:
        """Return n words."""
        return self.rng.choices(self.words, cum_weights=self.weights, k=n)

    def changed(self, text: str, share: float) -> str:
        """Return the text with another word for each of a share of its words."""
        words = text.split()
        places = self.rng.sample(range(len(words)), round(share * len(words)))
        for place, word in zip(places, self.draw(len(places)), strict=True):
            words[place] = word
        return " ".join(words)


def real_rows(english: English, n: int) -> Iterator[Example]:
    """Yield labelled texts as `seedbed pull --real` writes them."""
    for number in range(n):
        text = " ".join(english.draw(english.rng.randint(30, 150)))
        source = {"original": text, "label": english.rng.choice(LABELS)}
        provenance = {"source_id": SourceTask.of(source).id, "source_task": number}
        yield Example(
            content_id("real", number), "paraphrase", "real", source, {"paraphrase": text},
            source["label"], provenance,
        )  # fmt: skip


def synthetic_rows(english: English, real: Sequence[Example], n: int) -> Iterator[Example]:
    """Yield paraphrases with the provenance that `seedbed pull` writes."""
    for number in range(n):
        parent = english.rng.choice(real)
        share = 0.05 if english.rng.random() < 0.1 else 0.4
        output = {"paraphrase": english.changed(parent.source["original"], share)}
        provenance = {
            **parent.provenance,
            "recipe": "9f86d081884c7d65",
            "prompt_hash": content_id("prompt", number),
            "model": "some-model-q4_k_m.gguf",
            "model_sha256": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
            "sampling": {"temperature": 0.8, "top_p": 0.95, "max_tokens": 256},
            "rng_seed": number,
            "score": 0.84,
            "scores": {"heuristics": 1.0, "similarity": 0.82, "protected_terms": 0.9},
            "verdict": "ACCEPTED",
            "reviewer": "reviewer-3f2a",
        }
        yield Example(
            content_id("made", number), "paraphrase", "synthetic", parent.source, output,
            parent.label, provenance,
        )  # fmt: skip


def write(path: Path, examples: Sequence[Example]) -> None:
    """Write them as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(example.to_dict()) + "\n" for example in examples)


def prepare(folder: Path, n_real: int, n_synthetic: int) -> None:
    """Write both files."""
    english = English(random.Random(1))
    real = list(real_rows(english, n_real))
    write(folder / "real.jsonl", real)
    write(folder / "synthetic.jsonl", list(synthetic_rows(english, real, n_synthetic)))


def main() -> None:
    """Measure one merge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=int, default=3000)
    parser.add_argument("--synthetic", type=int, default=6000)
    parser.add_argument("--test-fraction", type=float, default=0.1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.real, options.synthetic)
        before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        wall, cpu = time.perf_counter(), time.process_time()
        merged = merge_files(
            [folder / "real.jsonl"],
            [folder / "synthetic.jsonl"],
            test_fraction=options.test_fraction,
        )
        merged.write(folder / "merged")
        found = {
            "real": options.real,
            "synthetic": options.synthetic,
            "test_fraction": options.test_fraction,
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "seconds": round(time.perf_counter() - wall, 1),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "mb_before": round(before_mb),
        }
    print(merged.report)
    print(f"RESULT {json.dumps(found)}")


if __name__ == "__main__":
    main()
