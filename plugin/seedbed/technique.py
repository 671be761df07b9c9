"""What a technique declares. The pipeline reads these declarations; it never asks which one it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seedbed.records import Message, Prompt, SourceTask
from seedbed.templates import render


@dataclass(frozen=True, slots=True)
class SourceField:
    """One key of a source task's data. `is_label` marks the class of a labelled example."""

    name: str
    help: str
    is_required: bool = True
    is_label: bool = False


@dataclass(frozen=True, slots=True)
class OutputField:
    """One key of the model's JSON answer: free text, or one of the project's labels.

    `max_length` is in characters and becomes part of the JSON schema.
    """

    name: str
    help: str
    max_length: int = 2000
    is_label: bool = False


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One example as trainers see it; `rejected` only for preference data."""

    prompt: str
    completion: str
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class Rubric:
    """What a judge is asked about a candidate.

    `criteria` maps a name in snake_case to a question that a good candidate answers with yes. A
    `pair` names two output fields, the better one first: they are shown as A and B, once in each
    order, and `preference` asks which of them is better.
    """

    criteria: Mapping[str, str] = field(default_factory=dict)
    pair: tuple[str, str] | None = None
    preference: str = ""


@dataclass(frozen=True, slots=True)
class Technique:
    """A way of growing data, declared.

    `filters` maps a filter's name to its options, in the order in which they run. `row` turns the
    source fields and the output fields of one example into a training row. `dedup_fields` are the
    output fields that make two candidates the same; `real_field` is the source field that they are
    compared with, where the sources are examples of the same kind. `group_field` names the source
    field that groups sources (a document, a class). `n_peers` is how many other sources are shown
    beside the source itself. `rubric` is for recipes with a judge.
    """

    name: str
    title: str
    help: str
    source_fields: tuple[SourceField, ...]
    output_fields: tuple[OutputField, ...]
    system: str
    user: str
    filters: Mapping[str, Mapping[str, Any]]
    row: Callable[[Mapping[str, str], Mapping[str, str]], TrainingRow]
    dedup_fields: tuple[str, ...]
    real_field: str = ""
    group_field: str = ""
    n_peers: int = 0
    max_tokens: int = 256
    temperature: float = 0.8
    score_columns: tuple[str, ...] = ()
    reject_reasons: tuple[str, ...] = ()
    style_guide: tuple[Mapping[str, Any], ...] = field(default=())
    rubric: Rubric = Rubric()

    @property
    def text_field(self) -> str:
        """Name the source field that holds the text itself (the first required one)."""
        return next(f.name for f in self.source_fields if f.is_required)

    @property
    def label_field(self) -> str:
        """Name the source field that holds the class of a labelled example, or ''."""
        return next((f.name for f in self.source_fields if f.is_label), "")

    def outputs(self, labels: Sequence[str]) -> tuple[OutputField, ...]:
        """Return the output fields in force: a label field only where the project has labels."""
        return tuple(f for f in self.output_fields if labels or not f.is_label)

    def schema(self, labels: Sequence[str] = ()) -> dict[str, Any]:
        """Return the JSON schema of one answer; every field is required, none may be added."""
        outputs = self.outputs(labels)
        properties: dict[str, Any] = {
            f.name: (
                {"type": "string", "enum": list(labels)}
                if f.is_label
                else {"type": "string", "minLength": 1, "maxLength": f.max_length}
            )
            for f in outputs
        }
        return {
            "type": "object",
            "properties": properties,
            "required": [f.name for f in outputs],
            "additionalProperties": False,
        }

    def prompt(
        self,
        source: SourceTask,
        *,
        system: str = "",
        user: str = "",
        peers: Sequence[SourceTask] = (),
        labels: Sequence[str] = (),
        glossary: Sequence[str] = (),
        style_guide: Sequence[Mapping[str, Any]] = (),
    ) -> Prompt:
        """Render the prompt for one source; `system` and `user` replace the built-in templates.

        Raises RecipeError when a template names something that does not exist.
        """
        own_label = source.fields.get(self.label_field, "")
        absent = {f.name: "" for f in self.source_fields}
        values: dict[str, Any] = absent | dict(source.fields)
        values |= {
            "peers": [absent | dict(peer.fields) for peer in peers],
            "labels": [own_label] if own_label else list(labels),
            "glossary": list(glossary),
            "style_guide": [dict(r) for r in (style_guide or self.style_guide)],
        }
        return Prompt(
            source_id=source.id,
            messages=(
                Message("system", render(system or self.system, values)),
                Message("user", render(user or self.user, values)),
            ),
            # A labelled source steers the answer to its own label.
            schema=self.schema([own_label] if own_label else labels),
        )
