"""Where a row came from: one set of keys for every row, synthetic or real. Pure.

It travels in the review task's `data.provenance`, a flat table (`evidence.page`), which also holds
`page_spans` (see `documents.locate`). It is completed from what the person left, and read back into
the form below. A row has the keys of `KEYS` that are
known for it, in that order, and no others; a key that is not known is absent, never null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seedbed.documents import Place, locate

KEYS: Mapping[str, str] = {
    "source_id": "the source that the row is, or descends from: its lineage (24 hex digits)",
    "source_task": "the source's task in Label Studio",
    "document": "the file that the source was imported from",
    "line": "the line of that file, for CSV and JSON lines; counted from 1",
    "heading": "the headings that the passage stands under",
    "page": "the first page of the passage in the document; counted from 1",
    "page_end": "its last page",
    "char_start": "where the passage begins in the document's text, in code points",
    "char_end": "where it ends, exclusive",
    "evidence": "the marked words: start, end within the passage; char_start, char_end, page",
    "recipe": "hash of the recipe that it was generated under",
    "screened_by": "hash of the recipe that it was screened under",
    "shown_sources": "ids of other sources that its prompt showed: seeds beside its own, corrections",
    "prompt_hash": "hash of the exact prompt and answer schema",
    "model": "the generator's name",
    "model_sha256": "SHA-256 of its file",
    "sampling": "temperature, top_p, top_k, min_p, repeat_penalty, max_tokens, thinking",
    "rng_seed": "the random seed of the completion",
    "run": "the run that it was grown in",
    "project": "Seedbed's project",
    "score": "quality in 0-1",
    "scores": "by filter, 0-1",
    "stratum": "technique / source group / score band, within which the sample was drawn",
    "draw": "its place in the random order of the stratum, 0-1",
    "verdict": "ACCEPTED or FIXED; absent where nobody has judged it",
    "reviewer": "who decided: a pseudonym, or Label Studio's user id where that was asked for",
    "decided_at": "when, ISO 8601 in UTC",
    "review_task": "its review task in Label Studio",
    "annotation": "the annotation that holds the verdict",
    "gate": "state of the run's acceptance gate, where the rows were pulled by it",
    "candidate": "the candidate that a preference pair was made of",
    "made_of": "`correction`: the pair is a person's text and the model's",
}
"""Every key and what it means."""

GROUPS = ("evidence", "sampling", "scores")
"""Keys whose value is an object of numbers and words; all others are single values."""

SAMPLING_KEYS = (
    *("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens", "thinking"),
)
EVIDENCE_KEYS = ("start", "end", "char_start", "char_end", "page")

_FORMER = {
    "prompt": "prompt_hash",
    "source.file": "document",
    "file": "document",
    "model.name": "model",
    "model.sha256": "model_sha256",
}
"""Keys of tasks that older versions published."""

_FORMER_PREFIXES = {"source.": "", "score.": "scores."}


def of_source(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that say where in a document a source lies, from what import noted of it."""
    said = {_FORMER.get(key, key): value for key, value in provenance.items()}
    names = ("document", "line", "heading", "page", "page_end", "char_start", "char_end")
    return ordered({name: said.get(name) for name in names})


def of_place(place: Place | None) -> dict[str, Any]:
    """Return the keys of `evidence` that say where in a document marked words lie; {} of none."""
    if place is None:
        return {}
    page = {"page": place.pages[0][0]} if place.pages else {}
    return {"char_start": place.start, "char_end": place.end, **page}


def evidence(data: Mapping[str, Any], passage: str, span: tuple[int, int]) -> dict[str, Any]:
    """Return `evidence` for words that are marked in a review task's passage.

    Where they are others than those that were marked for the reviewer, their place is worked out,
    but for passages in which personal data was replaced by a text of another length.
    """
    table = data.get("provenance")
    known = dict(table) if isinstance(table, Mapping) else {}
    marked = {"start": span[0], "end": span[1]}
    shown = read(data).get("evidence", {})
    if marked.items() <= shown.items():
        return {key: shown[key] for key in EVIDENCE_KEYS if key in shown}
    where = {name.removeprefix("source."): value for name, value in known.items()}
    whole = locate(where)
    if whole is None or whole.end - whole.start != len(passage):
        return marked
    return marked | of_place(locate(where, *span))


def read(data: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a review task's data say of the candidate, in the form of a row's provenance.

    Tasks of older versions are read as far as they go; what is in no key of `KEYS` is left out.
    """
    table = data.get("provenance")
    found: dict[str, Any] = {}
    for name, value in table.items() if isinstance(table, Mapping) else ():
        group, _, key = _current(str(name)).partition(".")
        if not key:
            found[group] = value
        elif group in GROUPS:
            found.setdefault(group, {})[key] = value
    own = {key: data.get(key) for key in ("run", "score", "stratum", "draw")}
    return ordered(found | {key: value for key, value in own.items() if value not in (None, "")})


def shown_sources(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids of the other sources that a row's prompt showed."""
    return tuple(filter(None, re.split(r",\s*", str(provenance.get("shown_sources") or ""))))


def ordered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known keys in their order, without those that have no value."""
    return {key: values[key] for key in KEYS if values.get(key) not in (None, "", {})}


def _current(name: str) -> str:
    if name in _FORMER:
        return _FORMER[name]
    for former, prefix in _FORMER_PREFIXES.items():
        if name.startswith(former):
            return prefix + name.removeprefix(former)
    return name
