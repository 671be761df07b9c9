"""The nouns that travel through the pipeline: frozen, and named as in the glossary.

SourceTask ──▶ Prompt ──▶ Completion ──▶ Candidate ──▶ Decision … ──▶ Verdict ──▶ Example
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Origin = Literal["synthetic", "real"]
VerdictStatus = Literal["ACCEPTED", "FIXED", "REJECTED"]
FinishReason = Literal["stop", "length", "prompt_too_long", "unclosed_thought"]


def content_id(*parts: object) -> str:
    """Return 24 hex digits that depend on the content of `parts` alone (SHA-256, canonical JSON)."""
    canonical = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class SourceTask:
    """What we grow from: one labelled example, document chunk, instruction or seed example."""

    id: str
    fields: Mapping[str, str]
    group: str = ""
    label_studio_task: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(
        fields: Mapping[str, str],
        *,
        group: str = "",
        label_studio_task: int | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> SourceTask:
        """Make a source whose id is the hash of its fields: the same content is the same source."""
        return SourceTask(
            id=content_id("source", dict(fields)),
            fields=dict(fields),
            group=group,
            label_studio_task=label_studio_task,
            provenance=dict(provenance or {}),
        )


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat: role is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is shown for one source, and the JSON schema that its answer must fit.

    `shown_sources` are the ids of the other sources that it shows: what comes of it descends from
    these as well.
    """

    source_id: str
    messages: tuple[Message, ...]
    schema: Mapping[str, Any]
    shown_sources: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Identify the exact prompt text and schema."""
        return content_id("prompt", [[m.role, m.content] for m in self.messages], dict(self.schema))


@dataclass(frozen=True, slots=True)
class Completion:
    """Raw model text for one prompt, with what it took to make it.

    `reasoning` is what a thinking model thought before it answered; it is no part of `text`.
    `index` counts the completions of one source within a run, from 0. `n_prompt_tokens` and
    `n_tokens` are counted by the model's own tokenizer; `seconds` is wall time.
    `shown_sources` are the prompt's.
    """

    id: str
    source_id: str
    prompt_hash: str
    index: int
    text: str
    finish_reason: FinishReason
    rng_seed: int
    n_prompt_tokens: int = 0
    n_tokens: int = 0
    seconds: float = 0.0
    reasoning: str = ""
    shown_sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A parsed completion, not yet trusted. Its id is the id of its completion."""

    id: str
    source: SourceTask
    fields: Mapping[str, str]

    def text(self, names: Sequence[str]) -> str:
        """Join the named output fields with line breaks, leaving out those that are absent."""
        return "\n".join(self.fields[name] for name in names if self.fields.get(name))


@dataclass(frozen=True, slots=True)
class Decision:
    """A filter's word on one candidate.

    `reason` is snake_case and empty when kept. `score` is in [0, 1], higher is better, or None when
    the filter does not score. `evidence` says what was found: JSON values only.
    """

    candidate_id: str
    filter: str
    keep: bool
    reason: str = ""
    score: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person decided about one candidate in Label Studio.

    `fields` holds the text as the person left it. `reviewer` is Label Studio's user id.
    `decided_at` is ISO 8601 in UTC, `lead_time_seconds` as Label Studio measured it.
    """

    candidate_id: str
    status: VerdictStatus
    fields: Mapping[str, str]
    reasons: tuple[str, ...] = ()
    reviewer: int | None = None
    annotation_id: int | None = None
    decided_at: str = ""
    lead_time_seconds: float | None = None
    note: str = ""
    rating: int | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A row fit to train on, with where it came from.

    `record` says of what columns a record is made, as `Technique.record` gives it.
    """

    id: str
    technique: str
    origin: Origin
    source: Mapping[str, str]
    output: Mapping[str, str]
    label: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain form that is written to JSONL, one example a line."""
        record = {"record": dict(self.record)} if self.record else {}
        return {
            "id": self.id,
            "technique": self.technique,
            "origin": self.origin,
            "source": dict(self.source),
            "output": dict(self.output),
            "label": self.label,
            "provenance": dict(self.provenance),
            **record,
        }

    @staticmethod
    def from_dict(row: Mapping[str, Any]) -> Example:
        """Read the form that `to_dict` writes. Raises KeyError where a field is missing."""
        return Example(
            id=str(row["id"]),
            technique=str(row["technique"]),
            origin="real" if row["origin"] == "real" else "synthetic",
            source=dict(row["source"]),
            output=dict(row["output"]),
            label=str(row.get("label", "")),
            provenance=dict(row.get("provenance", {})),
            record=dict(row.get("record", {})),
        )
