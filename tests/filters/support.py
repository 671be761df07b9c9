"""What the filter tests share: a candidate, a context, and an encoder without a model."""

import zlib

import numpy as np

from seedbed.recipe import Recipe
from seedbed.records import Candidate, SourceTask
from seedbed_backend.filters import ScreenContext


class HashingEncoder:
    """Counts hashed words: equal texts have cosine 1, texts without a common word about 0."""

    dimension = 256

    def encode(self, texts):
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.casefold().split() or ["\x00"]:
                vectors[row, zlib.crc32(word.encode("utf-8", "replace")) % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def candidate(id="c1", source=None, group="", **fields):
    return Candidate(id, SourceTask.of(source or {}, group=group), fields)


def context(technique="paraphrase", encoder=None, references=(), scores=None, **recipe):
    return ScreenContext(
        Recipe(technique=technique, **recipe),
        encoder or HashingEncoder(),
        references=references,
        scores=scores or {},
    )


def screen_one(filter_, candidate_, context_=None):
    [decision] = filter_.screen([candidate_], context_ or context())
    assert decision.keep == (decision.reason == "")
    return decision
