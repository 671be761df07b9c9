"""What an example is compared by, and what it descends from. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from seedbed import provenance, recipe
from seedbed.merging.near_duplicates import Nearness, near_pairs_within
from seedbed.merging.splits import Parts
from seedbed.records import Example
from seedbed.sameness import normalise
from seedbed.technique import Technique

SplitBy = Literal["document", "source"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An example with what it is compared by.

    `text` is its own text (its output, in the fields that make two candidates the same), `own` and
    `source` are its own and its source's text, normalised. A row that stands for its repeats has the
    `source_ids` and `documents` of all of them. `shown_ids` are other sources that the prompt showed.
    `is_whole` says that the own text is all
    that is trained on; else it stands for little without its source, as an answer does.
    """

    example: Example
    text: str
    own: str
    source: str
    source_ids: tuple[str, ...]
    documents: tuple[str, ...]
    shown_ids: tuple[str, ...]
    is_whole: bool
    siblings_agree: bool

    @staticmethod
    def of(example: Example) -> Entry:
        """Read what an example is compared by."""
        technique = recipe.technique_of(example.technique, example.record)
        text = "\n".join(
            value for name in technique.dedup_fields if (value := example.output.get(name))
        )
        source = technique.own_text(example.source) or example.source.get(technique.text_field, "")
        return Entry(
            example=example,
            text=text,
            own=normalise(text),
            source=normalise(source),
            source_ids=(source_of(example),),
            documents=tuple(_documents(example, technique)),
            shown_ids=provenance.shown_sources(example.provenance),
            is_whole=bool(technique.real_field),
            siblings_agree=bool(technique.filters.get("dedup", {}).get("siblings_agree")),
        )

    @property
    def label(self) -> str:
        """Return the example's label, "" without one."""
        return self.example.label

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the own text and the source's, normalised, each once."""
        return tuple(dict.fromkeys(text for text in (self.own, self.source) if text))

    @property
    def row_texts(self) -> tuple[str, ...]:
        """Return the texts that make two rows nearly equal by themselves.

        The source's, and the own text where it is whole: the same question about two documents is
        not the same row.
        """
        return self.texts if self.is_whole else tuple(filter(None, [self.source]))

    def lineage(self, by: SplitBy) -> list[tuple[str, str]]:
        """Return the keys that it shares with what descends from the same source or document."""
        documents = [("document", name) for name in self.documents] if by == "document" else []
        return [*(("source", id_) for id_ in self.source_ids), *documents]

    def with_repeats(self, others: Sequence[Entry]) -> Entry:
        """Return the entry with the lineage of its repeats beside its own."""
        rows = (self, *others)
        return replace(
            self,
            source_ids=tuple(dict.fromkeys(id_ for row in rows for id_ in row.source_ids)),
            documents=tuple(dict.fromkeys(name for row in rows for name in row.documents)),
        )


def source_of(example: Example) -> str:
    """Return the id of the source that an example is, or descends from: its lineage."""
    return str(example.provenance.get("source_id") or example.id)


def related(
    entries: Sequence[Entry], near: Iterable[tuple[int, int]], by: SplitBy
) -> list[list[int]]:
    """Return the entries in parts that share lineage, directly or over others, or are near."""
    parts = Parts(len(entries))
    for place, entry in enumerate(entries):
        for key in (*entry.lineage(by), *(("text", text) for text in entry.row_texts)):
            parts.join_by(place, key)
    for a, b in near:
        parts.join(a, b)
    return parts.all()


def near_rows(entries: Sequence[Entry], nearness: Nearness) -> list[tuple[int, int]]:
    """Return pairs of nearly equal rows: one for each pair of texts."""
    places: dict[str, int] = {}
    for place, entry in enumerate(entries):
        for text in entry.row_texts:
            places.setdefault(text, place)
    texts = list(places)
    owners = list(places.values())
    return [(owners[p], owners[k]) for p, k, _ in near_pairs_within(texts, nearness)]


def by_text(entries: Iterable[Entry], *, own: bool = False) -> dict[str, list[Entry]]:
    """Return the entries by their texts, or by their own text alone."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        for text in (entry.own,) if own else entry.texts:
            found[text].append(entry)
    return dict(found)


def labels(entries: Iterable[Entry]) -> Counter[str]:
    """Count the labels."""
    return Counter(entry.label for entry in entries)


def _documents(example: Example, technique: Technique) -> Iterator[str]:
    """Yield the names of the document that an example comes from: of its file, and in its source.

    A row of a table (it has a `line`) comes from no document.
    """
    file = "" if "line" in example.provenance else str(example.provenance.get("document") or "")
    field = technique.group_field if technique.group_field != technique.label_field else ""
    yield from dict.fromkeys(filter(None, [file, example.source.get(field, "")]))
