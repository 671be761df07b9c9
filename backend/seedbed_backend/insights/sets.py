"""The two sets that insights compare: what a project has that is real, and what it grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from seedbed.recipe import Recipe
from seedbed.records import Candidate, SourceTask, content_id
from seedbed_backend.insights.base import ReportData
from seedbed_backend.selection import Vectors

_Item = TypeVar("_Item")

MAX_TEXTS = 3000
"""Most texts of a set that are looked at: 20 s of MiniLM on one core. More are sampled."""


@dataclass(frozen=True, slots=True)
class Sets:
    """Real and synthetic texts with their vectors, and the label of each ('' for none).

    `is_same_kind` says whether both are examples of one kind, so that they can be compared directly;
    else a synthetic text belongs to the source that it was grown from. `source_ids` are those of the
    synthetic texts, in their order. `n_real` and `n_synthetic` count all, sampled or not.
    """

    is_same_kind: bool
    sources: Sequence[SourceTask]
    candidates: Sequence[Candidate]
    real: Sequence[str]
    synthetic: Sequence[str]
    real_vectors: Vectors
    synthetic_vectors: Vectors
    real_labels: Sequence[str]
    synthetic_labels: Sequence[str]
    n_real: int
    n_synthetic: int

    @property
    def is_sampled(self) -> bool:
        """Say whether not all texts are among them."""
        return self.n_real > len(self.real) or self.n_synthetic > len(self.synthetic)


def compare(data: ReportData, maximum: int = MAX_TEXTS) -> Sets | None:
    """Return the sources and the survivors of a project; None where either is missing.

    Larger sets are sampled, always the same way, by their ids; where a synthetic text belongs to
    its source, the survivors of sampled sources alone.
    """
    recipe = data.recipe
    is_same_kind = any(recipe.spec.own_output(source.fields) for source in data.sources)
    sources = sample(data.sources, [s.id for s in data.sources], maximum)
    survivors = [stored.candidate for stored in data.survivors]
    if not is_same_kind:
        sampled = {source.id for source in sources}
        survivors = [candidate for candidate in survivors if candidate.source.id in sampled]
    candidates = sample(survivors, [c.id for c in survivors], maximum)
    if not sources or not candidates:
        return None
    real = [real_text(recipe, source) for source in sources]
    synthetic = [synthetic_text(recipe, candidate) for candidate in candidates]
    return Sets(
        is_same_kind,
        sources,
        candidates,
        real,
        synthetic,
        data.encoder.encode(real),
        data.encoder.encode(synthetic),
        [source.fields.get(recipe.spec.label_field, "") for source in sources],
        [label_of(recipe, candidate) for candidate in candidates],
        len(data.sources),
        len(data.survivors),
    )


def real_text(recipe: Recipe, source: SourceTask) -> str:
    """Return what stands for a source: the text that candidates are like, or that they grow from."""
    own = recipe.spec.own_output(source.fields)
    text = "\n".join(own[name] for name in recipe.spec.dedup_fields if own.get(name))
    return text or source.fields.get(recipe.spec.text_field, "")


def synthetic_text(recipe: Recipe, candidate: Candidate) -> str:
    """Return what stands for a candidate."""
    return candidate.text(recipe.spec.dedup_fields)


def label_of(recipe: Recipe, candidate: Candidate) -> str:
    """Return a candidate's own label, or else its source's; '' where there is none."""
    own = next((f.name for f in recipe.spec.output_fields if f.is_label), "")
    return candidate.fields.get(own, "") or candidate.source.fields.get(recipe.spec.label_field, "")


def sample(items: Sequence[_Item], ids: Sequence[str], maximum: int) -> Sequence[_Item]:
    """Return at most `maximum` items in their order, drawn by the hashes of their `ids`."""
    if len(items) <= maximum:
        return items
    order = sorted(range(len(items)), key=lambda place: content_id("sample", ids[place]))
    return [items[place] for place in sorted(order[:maximum])]
