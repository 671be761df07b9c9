"""Many texts, found again by equality, by their letters (MinHash) and by their meaning (vectors).

Letters: datasketch's MinHash of the character 5-grams, of each value one bit (b-bit minwise hashing,
Li and König, 2010), compared bit by bit. Meaning: cosines. Both searches look at every text (faiss),
so what they propose depends on no tree or cluster, and a text is added or taken out at once.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.sameness import normalise
from seedbed.text import shingles

FORMAT = 1
"""Changes whenever what is kept of a text, or what `normalise` makes of it, does."""

N_BITS = 512
"""Length of a MinHash code: 64 bytes a text."""

N_NEAREST = 50
"""Most texts that each of the two searches proposes."""

_BIT = (
    12  # of the hash values: the lowest come from the lowest bits alone, the highest are mostly 0
)
_N_DEVIATIONS = 2.0  # a code may be so far from what its similarity promises: finds 97.7 % and more

Vectors = NDArray[np.float32]
Codes = NDArray[np.uint8]


class Match(NamedTuple):
    """A text that may be a duplicate; `cosine` in [-1, 1], to four places."""

    id: str
    cosine: float


class TextIndex:
    """Texts by id, with unit vectors of `dimension`. Memory: 4 bytes x dimension + 200 a text."""

    def __init__(self, dimension: int) -> None:
        faiss = _faiss()
        self.dimension = dimension
        self.ids: list[str] = []
        self._digests: list[int] = []
        self._places: defaultdict[int, list[int]] = defaultdict(list)
        self._vectors = faiss.IndexFlatIP(dimension)
        self._codes = faiss.IndexBinaryFlat(N_BITS)

    def __len__(self) -> int:
        return len(self.ids)

    def add(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        vectors: Vectors,
        codes: Codes | None = None,
    ) -> None:
        """Add texts under new ids; `vectors` has shape (n, dimension), rows of length 1.

        `codes` are `encode(texts)`, here and in `search`; without them they are made.
        """
        codes = encode(texts) if codes is None else codes
        self._append(ids, [_digest(text) for text in texts], vectors, codes)

    def remove(self, ids: Sequence[str]) -> None:
        """Take out what is there of the ids; the others keep their order."""
        gone = set(ids)
        places = [place for place, id_ in enumerate(self.ids) if id_ in gone]
        if not places:
            return
        for index in (self._vectors, self._codes):
            index.remove_ids(np.array(places, dtype=np.int64))
        rows = [(i, d) for i, d in zip(self.ids, self._digests, strict=True) if i not in gone]
        self.ids, self._digests, self._places = [], [], defaultdict(list)
        self._note([i for i, _ in rows], [d for _, d in rows])

    def vector(self, id_: str) -> Vectors | None:
        """Return the vector of one text, shape (dimension,); None where it is not there."""
        if id_ not in self.ids:
            return None
        found: Vectors = self._vectors.reconstruct(self.ids.index(id_))
        return found

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors of what is there of the ids, each of shape (dimension,)."""
        wanted = set(ids)
        return {
            id_: self._vectors.reconstruct(place)
            for place, id_ in enumerate(self.ids)
            if id_ in wanted
        }

    def search(
        self,
        texts: Sequence[str],
        vectors: Vectors,
        codes: Codes | None = None,
        *,
        min_letters: float,
        min_cosine: float,
    ) -> list[list[Match]]:
        """Propose for each text what may be its duplicates, in the order of their adding.

        Those are all equal ones (after `normalise`), and of those with a Jaccard of character
        5-grams from `min_letters` and of those with a cosine from `min_cosine` the 50 nearest.
        At `min_letters` 97.7 % are found; nearer ones more surely.
        """
        if not self.ids or not texts:
            return [[] for _ in texts]
        n = min(N_NEAREST, len(self.ids))
        codes = encode(texts) if codes is None else codes
        cosines, near = self._vectors.search(vectors, n)
        distances, alike = self._codes.search(codes, n)
        limit = _max_distance(min_letters)
        proposed = [
            {
                *self._places.get(_digest(text), ()),
                *near[row][np.round(cosines[row], 4) >= min_cosine].tolist(),
                *alike[row][distances[row] <= limit].tolist(),
            }
            for row, text in enumerate(texts)
        ]
        return [self._matches(sorted(places), vectors[row]) for row, places in enumerate(proposed)]

    def save(self, path: Path, fingerprint: Mapping[str, Any]) -> None:
        """Write all to one file, whole or not at all. `fingerprint` is what `load` asks for."""
        faiss = _faiss()
        header = json.dumps({"format": FORMAT, **fingerprint}, sort_keys=True)
        arrays = {
            "header": np.frombuffer(header.encode(), dtype=np.uint8),
            "ids": np.array(self.ids, dtype=np.str_).astype(np.bytes_),
            "digests": np.array(self._digests, dtype=np.uint64),
            "vectors": faiss.vector_to_array(self._vectors.codes).view(np.float32),
            "codes": faiss.vector_to_array(self._codes.xb),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @staticmethod
    def load(path: Path, dimension: int, fingerprint: Mapping[str, Any]) -> TextIndex | None:
        """Read what `save` wrote; None where it is missing, damaged, or of another fingerprint."""
        header = json.dumps({"format": FORMAT, **fingerprint}, sort_keys=True)
        try:
            # Its checksums find damage.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                if stored["header"].tobytes() != header.encode():
                    return None
                ids = [id_.decode() for id_ in stored["ids"].tolist()]
                digests = stored["digests"].tolist()
                vectors = stored["vectors"].reshape(len(ids), dimension)
                codes = stored["codes"].reshape(len(ids), N_BITS // 8)
        except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile):
            return None
        if len(digests) != len(ids):
            return None
        index = TextIndex(dimension)
        index._append(ids, digests, vectors, codes)
        return index

    def _append(
        self,
        ids: Sequence[str],
        digests: Sequence[int],
        vectors: Vectors,
        codes: Codes,
    ) -> None:
        if not ids:
            return
        self._vectors.add(np.ascontiguousarray(vectors, dtype=np.float32))
        self._codes.add(codes)
        self._note(ids, digests)

    def _note(self, ids: Sequence[str], digests: Sequence[int]) -> None:
        for place, digest in enumerate(digests, start=len(self.ids)):
            self._places[digest].append(place)
        self.ids += ids
        self._digests += digests

    def _matches(self, places: Sequence[int], vector: NDArray[np.float32]) -> list[Match]:
        if not places:
            return []
        found = self._vectors.reconstruct_batch(np.array(places, dtype=np.int64)) @ vector
        cosines = np.round(found.astype(np.float64), 4).tolist()
        return [Match(self.ids[p], cosine) for p, cosine in zip(places, cosines, strict=True)]


def encode(texts: Sequence[str]) -> Codes:
    """Return the texts' MinHash codes, shape (n, N_BITS / 8)."""
    from datasketch import MinHash  # brings scipy, which the web process can do without

    empty = MinHash(num_perm=N_BITS, hashfunc=zlib.crc32)
    bits = np.zeros((len(texts), N_BITS), dtype=bool)
    for row, text in enumerate(texts):
        made = empty.copy()
        made.update_batch([s.encode("utf-8", "surrogatepass") for s in shingles(normalise(text))])
        bits[row] = (made.hashvalues >> _BIT) & 1
    return np.packbits(bits, axis=1)


def _max_distance(similarity: float) -> int:
    """Return how many bits the codes of two texts of that Jaccard differ in at most.

    A bit is equal with probability (1 + Jaccard) / 2.
    """
    expected = (1.0 - similarity) / 2.0
    deviation = math.sqrt(N_BITS * expected * (1.0 - expected))
    return math.ceil(N_BITS * expected + _N_DEVIATIONS * deviation)


def _digest(text: str) -> int:
    key = normalise(text).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")


def _faiss() -> Any:
    import faiss

    # One search takes well under a millisecond; the model's threads need the other cores.
    faiss.omp_set_num_threads(1)
    return faiss
