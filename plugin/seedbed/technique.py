"""What a technique declares. The pipeline reads these declarations; it never asks which one it has."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from seedbed.columns import Column, is_free_text
from seedbed.records import Message, Prompt, SourceTask
from seedbed.spoilers import Spoiler, other_output
from seedbed.templates import render


@dataclass(frozen=True, slots=True)
class SourceField:
    """One key of a source task's data. `is_label` marks the class of a labelled example.

    `column` gives the type of a record's field; without one it is text.
    """

    name: str
    help: str
    is_required: bool = True
    is_label: bool = False
    column: Column | None = None

    def read(self, value: object) -> str:
        """Return a value as text, in its column's one spelling; "" where there is none.

        Raises ValueProblem for what the column does not take.
        """
        text = "" if value is None else str(value).strip()
        return self.column.read(text) if self.column and text else text


@dataclass(frozen=True, slots=True)
class OutputField:
    """One key of the model's JSON answer: free text, one of the project's labels, or a typed value.

    `max_length` is in characters and becomes part of the JSON schema. `column` gives the type of a
    record's field.
    """

    name: str
    help: str
    max_length: int = 2000
    is_label: bool = False
    column: Column | None = None

    @property
    def is_optional(self) -> bool:
        """Tell whether an answer may leave it empty."""
        return self.column is not None and self.column.optional

    def schema(self, labels: Sequence[str]) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        if self.is_label:
            return {"type": "string", "enum": list(labels)}
        if self.column:
            return self.column.answer_schema()
        return {"type": "string", "minLength": 1, "maxLength": self.max_length}


@dataclass(frozen=True, slots=True)
class RowTemplate:
    """How a record becomes a training row: Jinja2 templates over its columns, `record` and `label`.

    Empty ones leave it to the technique.
    """

    prompt: str = ""
    completion: str = ""


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One example as trainers see it; `rejected` only for preference data, `record` for records."""

    prompt: str
    completion: str
    rejected: str | None = None
    record: Mapping[str, Any] | None = None


Fields = tuple[dict[str, str], dict[str, str]]
"""The source fields and the output fields of one example."""


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
    beside the source itself. `rubric` is for recipes with a judge. `layout` names the label config;
    empty is the technique's own name. `canaries` are the ways to make a known-bad candidate of a good
    one, by name (see `seedbed.spoilers`). `read_row` is the way back from a training row, of an example
    with a label or without one, to its source and output fields; None where it is ambiguous.

    `of_records` makes the same technique for records with typed columns, where it can grow those;
    `columns` and `row_template` are what a technique so made was made of.
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
    layout: str = ""
    canaries: Mapping[str, Spoiler] = field(default_factory=lambda: {"other_output": other_output})
    read_row: Callable[[TrainingRow, bool], Fields | None] | None = None
    of_records: Callable[[tuple[Column, ...], RowTemplate], Technique] | None = None
    columns: tuple[Column, ...] = ()
    row_template: RowTemplate = RowTemplate()

    @property
    def text_field(self) -> str:
        """Name the source field that holds the text itself: the first required one.

        Of a record, the first that is free text, where there is one.
        """
        required = [f for f in self.source_fields if f.is_required]
        texts = [f for f in required if f.column is None or is_free_text(f.column)]
        return (texts or required)[0].name

    @property
    def record(self) -> dict[str, Any]:
        """Return as JSON values what a technique for records was made of; {} for the others."""
        return _record(self.columns, self.row_template) if self.columns else {}

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
        return {
            "type": "object",
            "properties": {f.name: f.schema(labels) for f in outputs},
            "required": [f.name for f in outputs],
            "additionalProperties": False,
        }

    def own_output(self, source: Mapping[str, str]) -> dict[str, str]:
        """Return a source as an output of this technique, where it grows texts of the same kind.

        Empty where sources are something else than what is grown.
        """
        if self.columns:
            return {c.name: source[c.name] for c in self.columns if source.get(c.name)}
        if not self.real_field or not source.get(self.real_field):
            return {}
        output = dict.fromkeys(self.dedup_fields, source[self.real_field])
        label = source.get(self.label_field, "")
        return output | {f.name: label for f in self.output_fields if f.is_label and label}

    def label_of(self, source: Mapping[str, Any], output: Mapping[str, str]) -> str:
        """Return the label that an example carries: what was written, else its source's; or ''."""
        own = [output[f.name] for f in self.output_fields if f.is_label and f.name in output]
        return (own[0] if own else "") or str(source.get(self.label_field) or "")

    def is_trainable(self, source: Mapping[str, str], output: Mapping[str, str]) -> bool:
        """Tell whether there is something to learn: an unlabelled text is no paraphrase of itself."""
        try:
            row = self.row(source, output)
        except KeyError:
            return False
        return bool(row.completion) and row.completion != row.prompt

    def own_text(self, source: Mapping[str, str], names: Sequence[str] = ()) -> str:
        """Return what a source says in the fields that make candidates the same, or in `names`."""
        own = self.own_output(source)
        return "\n".join(own[name] for name in names or self.dedup_fields if own.get(name))

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
        few_shot: Sequence[tuple[SourceTask, Mapping[str, str]]] = (),
        avoid: Sequence[tuple[str, Sequence[str]]] = (),
    ) -> Prompt:
        """Render the prompt for one source; `system` and `user` replace the built-in templates.

        `few_shot` are (source, output fields) that a person has put right: they become earlier turns
        of the chat, without peers. `avoid` are (text, reasons) of what reviewers rejected; they
        stand at the end of the system message, so that prompts of one run begin alike.

        Raises RecipeError when a template names something that does not exist.
        """
        told = {
            "columns": [
                {"name": c.name, "title": c.title, "type": c.type, "description": c.describe()}
                for c in self.columns
            ],
            "labels": list(labels),
            "glossary": list(glossary),
            "style_guide": [dict(r) for r in (style_guide or self.style_guide)],
        }
        values = self._values(source, peers, told)
        turns: list[Message] = []
        for shown, output in few_shot:
            turns += (
                Message("user", render(user or self.user, self._values(shown, (), told))),
                Message("assistant", self.answer(output, labels)),
            )
        return Prompt(
            source_id=source.id,
            messages=(
                Message("system", render(system or self.system, values) + _warning(avoid)),
                *turns,
                Message("user", render(user or self.user, values)),
            ),
            schema=self.schema(values["labels"]),
        )

    def answer(self, output: Mapping[str, str], labels: Sequence[str] = ()) -> str:
        """Return output fields as the JSON that a model is to answer with."""
        typed_values = typed(self.columns, output) if self.columns else output
        names = [f.name for f in self.outputs(labels)]
        return json.dumps({n: typed_values.get(n) for n in names}, ensure_ascii=False)

    def _values(
        self, source: SourceTask, peers: Sequence[SourceTask], told: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what a template may name; a labelled source steers the answer to its own label."""
        own_label = source.fields.get(self.label_field, "")
        values = {**self._shown(source), "peers": [self._shown(peer) for peer in peers], **told}
        return values | ({"labels": [own_label]} if own_label else {})

    def _shown(self, source: SourceTask) -> dict[str, str]:
        """Return what a template sees of a source: its fields, and as JSON if it is a record."""
        shown = {f.name: "" for f in self.source_fields} | dict(source.fields)
        if self.columns:
            shown.setdefault("label", source.fields.get(self.label_field, ""))
            shown["record"] = json.dumps(typed(self.columns, source.fields), ensure_ascii=False)
        return shown


def _warning(avoid: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the end of a system message that names what reviewers rejected; "" for nothing."""
    if not avoid:
        return ""
    lines = []
    for text, reasons in avoid:
        why = f" ({', '.join(reasons)})" if reasons else ""
        lines.append(f"- {' '.join(text.split())}{why}")
    return "\n\nReviewers rejected these. Do not write the like:\n" + "\n".join(lines)


@lru_cache(maxsize=256)
def _record(columns: tuple[Column, ...], row: RowTemplate) -> dict[str, Any]:
    found: dict[str, Any] = {
        "columns": [c.model_dump(mode="json", exclude_defaults=True) for c in columns]
    }
    if row != RowTemplate():
        found["row"] = {"prompt": row.prompt, "completion": row.completion}
    return found


def typed(columns: Sequence[Column], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record's canonical texts as JSON values, in the order of the columns."""
    return {
        c.name: c.typed(value) if isinstance(value := fields.get(c.name), str) else value
        for c in columns
    }
