"""What a project's candidates must not repeat, found again: an index on disk, kept up by the store.

The index only proposes ids. What they say, and whether reviewers have rejected them, is read from
the store at each search, so a verdict counts at once. A candidate that a person corrected is there
twice: as it was, and as it was left. Which ids there are is compared with the store
at every opening: what another worker added is indexed, what was dropped since is taken out. A file
that is missing, damaged or of another encoder is made anew.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seedbed.records import content_id
from seedbed.technique import Technique
from seedbed_backend.filters.base import Encoder, Near, Reference
from seedbed_backend.store import Run, Store, StoredCandidate
from seedbed_backend.text_index import TextIndex

_logger = logging.getLogger(__name__)

N_AT_ONCE = 2000
"""How many texts are read, encoded and added at a time."""

_PROBE = "The encoder is the one that it was when this sentence was written down."
_PROBE_ID = ""
_TOLERANCE = (
    0.001  # of the probe's vector: other hardware rounds otherwise, another encoder is far off
)

_Stamp = tuple[int, int, int, str]
_loaded: dict[Path, tuple[_Stamp, TextIndex]] = {}


class ProjectNeighbours:
    """The texts of one project that a run's new candidates must not repeat.

    `filters` names the filters that all kept ones must have been through, `set_filters` all that
    compare candidates. The caller holds the project's lock. The last index stays in memory for the
    next opening, as long as nobody else has written the file.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        encoder: Encoder,
        technique: Technique,
        run: Run,
        filters: Collection[str],
        set_filters: Collection[str],
    ) -> None:
        self.path = folder / f"{run.project_id}.npz"
        self.store, self.encoder, self.technique = store, encoder, technique
        self.run, self.filters, self.set_filters = run, filters, set_filters
        self.index = self._open()
        self._new: frozenset[str] = frozenset()
        self._sources: frozenset[str] = frozenset()
        self._corrected: Mapping[str, tuple[str, str]] = {}

    def refresh(self, new: Collection[str] = ()) -> int:
        """Bring the index up to the store and write it; return how many texts were added.

        The candidates in `new` are no neighbours yet.
        """
        self._new = frozenset(new)
        candidates = set(self.store.compared_ids(self.run.project_id, self.filters)) - self._new
        self._sources = frozenset(
            self.store.source_groups(self.run.project_id) if self.technique.real_field else ()
        )
        self._corrected = self._corrections()
        wanted = candidates | self._sources | self._corrected.keys()
        present = set(self.index.ids) - {_PROBE_ID}
        self.index.remove(list(present - wanted))
        missing = wanted - present
        if len(missing) > N_AT_ONCE:
            _logger.info("project %s: indexing %d texts", self.run.project_id, len(missing))
        self._add(sorted(missing & self._sources), are_sources=True)
        self._add(sorted(missing - self._sources), are_sources=False)
        if present != wanted or not self.path.exists():
            self._save()
        return len(missing)

    def near(
        self,
        texts: Sequence[str],
        vectors: NDArray[np.float32],
        codes: NDArray[np.uint8],
        *,
        min_letters: float,
        min_cosine: float,
    ) -> list[list[Near]]:
        """See filters.base.Neighbours."""
        found = self.index.search(
            texts, vectors, codes, min_letters=min_letters, min_cosine=min_cosine
        )
        references = self._references({match.id for near in found for match in near})
        return [
            [Near(references[m.id], m.cosine) for m in near if m.id in references] for near in found
        ]

    def _references(self, ids: Collection[str]) -> dict[str, Reference]:
        sources = self.store.sources(self.run.project_id, set(ids) & self._sources)
        real = {
            s.id: Reference(s.id, self.technique.own_text(s.fields), "real", s.id) for s in sources
        }
        corrected = {id_: self._corrected[id_] for id_ in ids if id_ in self._corrected}
        wanted = set(ids) - self._sources - corrected.keys() - {_PROBE_ID}
        wanted |= {candidate for candidate, _ in corrected.values()}
        candidates = self.store.candidates_by_id(wanted)
        found = {id_: self._reference(stored) for id_, stored in candidates.items()}
        for id_, (candidate, text) in corrected.items():
            source = candidates[candidate].candidate.source.id
            found[id_] = Reference(id_, text, "kept", source)
        return real | found

    def _corrections(self) -> dict[str, tuple[str, str]]:
        """Map ids, made of candidate and text, to corrected candidates and what they say now."""
        names, found = self.technique.dedup_fields, {}
        for verdict in self.store.current_verdicts(self.run.project_id):
            if verdict.status == "FIXED":
                text = "\n".join(verdict.fields[n] for n in names if verdict.fields.get(n))
                id_ = f"{verdict.candidate_id}-{content_id(text)[:8]}"
                found[id_] = (verdict.candidate_id, text)
        return found

    def _reference(self, stored: StoredCandidate) -> Reference:
        is_rival = stored.run_id == self.run.id and stored.state == "kept"
        quality = rival_quality(stored.scores, self.set_filters) if is_rival else None
        return reference_of(stored, self.technique, quality)

    def _add(self, ids: Sequence[str], *, are_sources: bool) -> None:
        remaining = iter(ids)
        while part := list(islice(remaining, N_AT_ONCE)):
            found = self._texts(part, are_sources=are_sources)
            ids, texts = list(found), list(found.values())
            self.index.add(ids, texts, self.encoder.encode(texts))

    def _texts(self, ids: Sequence[str], *, are_sources: bool) -> dict[str, str]:
        if are_sources:
            sources = self.store.sources(self.run.project_id, ids)
            return {s.id: self.technique.own_text(s.fields) for s in sources}
        fields = self.store.candidate_fields(set(ids) - self._corrected.keys())
        names = self.technique.dedup_fields
        corrected = {id_: self._corrected[id_][1] for id_ in ids if id_ in self._corrected}
        return corrected | {
            id_: "\n".join(said[name] for name in names if said.get(name))
            for id_, said in fields.items()
        }

    def _open(self) -> TextIndex:
        """Return the index as it was left, or an empty one where that cannot be used."""
        probe = self.encoder.encode([_PROBE])
        dimension = int(probe.shape[1])
        fingerprint = self._fingerprint(dimension)
        stamp, index = self._stamp(), None
        kept = _loaded.get(self.path)
        if kept is not None and kept[0] == stamp:
            index = kept[1]
        elif stamp is not None:
            index = TextIndex.load(self.path, dimension, fingerprint)
            if index is None:
                _logger.info("project %s: its index is made anew", self.run.project_id)
        if index is None or not _is_made_with(index, probe):
            index = TextIndex(dimension)
            index.add([_PROBE_ID], [_PROBE], probe)
        return index

    def _save(self) -> None:
        self.index.save(self.path, self._fingerprint(self.index.dimension))
        _loaded.clear()  # one project's at a time
        stamp = self._stamp()
        if stamp is not None:
            _loaded[self.path] = stamp, self.index

    def _fingerprint(self, dimension: int) -> dict[str, object]:
        return {
            "encoder": getattr(self.encoder, "name", type(self.encoder).__name__),
            "dimension": dimension,
            "fields": list(self.technique.dedup_fields),
            "real": self.technique.real_field,
            "datasketch": version("datasketch"),  # its hashes change between versions
        }

    def _stamp(self) -> _Stamp | None:
        """Tell one state of the file, and of what is asked of it, from another."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        asked = json.dumps([self.technique.dedup_fields, self.technique.real_field])
        return found.st_ino, found.st_mtime_ns, found.st_size, asked


def reference_of(
    stored: StoredCandidate, technique: Technique, quality: float | None = None
) -> Reference:
    """Return a kept candidate as what later ones must not repeat."""
    is_rejected = stored.verdict is not None and stored.verdict.status == "REJECTED"
    return Reference(
        id=stored.candidate.id,
        text=stored.candidate.text(technique.dedup_fields),
        kind="rejected" if is_rejected else "kept",
        source_id=stored.candidate.source.id,
        quality=quality,
    )


def real_references(store: Store, project_id: str, technique: Technique) -> list[Reference]:
    """Return a project's sources as what candidates must not repeat, where they are of one kind."""
    if not technique.real_field:
        return []
    sources = store.sources(project_id)
    return [Reference(s.id, technique.own_text(s.fields), "real", s.id) for s in sources]


def rival_quality(scores: Mapping[str, float], set_filters: Collection[str]) -> float:
    """Return the mean of the scores that a candidate had before the set-wise filters; 0 without."""
    found = [score for name, score in scores.items() if name not in set_filters]
    return math.fsum(found) / len(found) if found else 0.0


def _is_made_with(index: TextIndex, probe: NDArray[np.float32]) -> bool:
    """Tell whether the probe has the vector that it had when the index was made."""
    vector = index.vector(_PROBE_ID)
    return (
        vector is not None
        and vector.shape == probe[0].shape
        and bool(np.allclose(vector, probe[0], atol=_TOLERANCE))
    )
