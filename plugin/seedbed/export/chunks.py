"""Passages of documents, as a retrieval index takes them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedbed import recipe
from seedbed.export.metadata import UNKNOWN
from seedbed.records import Example, SourceTask
from seedbed.technique import Technique


def rag_chunk(
    fields: Mapping[str, str], provenance: Mapping[str, Any], technique: Technique
) -> dict[str, Any]:
    """Return one passage as a row: text, document, page, page_end, char_start, char_end, source_id.

    `fields` are a source's, `provenance` says where it stands in its document. Pages count from 1,
    characters are code points of the document's text, the end exclusive; -1 where it is not known.
    """
    return {
        "text": fields[technique.text_field],
        "document": str(fields.get(technique.group_field) or provenance.get("document") or ""),
        **{name: _place(provenance.get(name)) for name in PLACES},
        "source_id": str(provenance.get("source_id") or SourceTask.of(fields).id),
    }


PLACES = ("page", "page_end", "char_start", "char_end")


def passage_of(example: Example) -> dict[str, Any]:
    """Return the passage behind an example."""
    technique = recipe.technique_of(example.technique, example.record)
    return rag_chunk(example.source, example.provenance, technique)


def has_passage(example: Example) -> bool:
    """Tell whether an example's source is a passage: a text that stands in a group of other texts."""
    technique = recipe.technique_of(example.technique, example.record)
    is_grouped = technique.group_field not in ("", technique.label_field)
    return is_grouped and bool(example.source.get(technique.text_field))


def _place(value: object) -> int:
    return value if isinstance(value, int) else int(UNKNOWN["integer"])
