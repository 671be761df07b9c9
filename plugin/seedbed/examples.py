"""Label Studio's tasks → examples: what people made of a review task, and what a source is. Pure.

review task ─▶ Review ─┬─ approved ─────▶ what a person accepted or fixed
                       ├─ unjudged ─────▶ the candidate as it is, for runs whose gate is passed
                       └─ correction ───▶ a preference pair: the person's text and the model's
source task ─▶ real_example
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from seedbed import labeling, provenance, registry
from seedbed.columns import ValueProblem
from seedbed.recipe import technique_of
from seedbed.records import Example, SourceTask, Verdict, content_id
from seedbed.tabs import WITHDRAWN_DRAW
from seedbed.technique import SourceField, Technique

PAIR_TECHNIQUE = "dpo"
"""The technique whose examples are preference pairs."""

Outcome = Literal["approved", "rejected", "skipped", "not_judged"]
NameReviewer = Callable[[int], str | int]
"""Turns Label Studio's user id into what a row says of its reviewer."""


def pseudonym(project: int) -> NameReviewer:
    """Return what gives each reviewer of a review project the same name in every pull.

    It hides who it is from somebody who does not know the project's members; it is no anonymity:
    who knows the ids of project and users can work all names out.
    """
    return lambda user: f"reviewer-{content_id('reviewer', project, user)[:8]}"


@dataclass(frozen=True)
class Review:
    """A review task and what people said of its candidate; the newest verdict stands.

    `task` is Label Studio's, with annotations. Tasks of older versions, whose data have no `shown`,
    need their predictions too.
    """

    task: Mapping[str, Any]
    technique: Technique

    @staticmethod
    def of(task: Mapping[str, Any]) -> Review | None:
        """Read a task; None for one of something else."""
        data: Mapping[str, Any] = task.get("data") or {}
        name = str(data.get("technique", ""))
        if name not in registry.techniques() or not data.get("cid"):
            return None
        record = data.get("record")
        return Review(task, technique_of(name, record if isinstance(record, Mapping) else {}))

    @property
    def data(self) -> Mapping[str, Any]:
        """Return the task's data."""
        found: Mapping[str, Any] = self.task["data"]
        return found

    @property
    def cid(self) -> str:
        """Return the candidate's id."""
        return str(self.data["cid"])

    @property
    def run(self) -> str:
        """Return the run that the candidate was grown in."""
        return str(self.data.get("run", ""))

    @property
    def is_candidate(self) -> bool:
        """Tell whether it is no canary; tasks of older versions have no seal, and are none."""
        return self.data.get("seal", "") in ("", labeling.seal(self.cid))

    @property
    def is_withdrawn(self) -> bool:
        """Tell whether a later screening took it back before anybody had judged it."""
        draw = self.data.get("draw")
        return isinstance(draw, int | float) and draw >= WITHDRAWN_DRAW

    @property
    def outcome(self) -> Outcome:
        """Return what people made of it. A skip leaves it undecided."""
        if self.verdict:
            return "rejected" if self.verdict.status == "REJECTED" else "approved"
        is_skipped = any(a.get("was_cancelled") for a in self.task.get("annotations") or ())
        return "skipped" if is_skipped else "not_judged"

    @cached_property
    def verdict(self) -> Verdict | None:
        """Return the newest verdict."""
        verdicts = [
            verdict
            for annotation in self.task.get("annotations") or ()
            if (
                verdict := labeling.verdict(
                    self.task,
                    annotation,
                    self.technique,
                    labeling.shown_values(self.data, self.technique),
                )
            )
        ]
        return max(verdicts, key=lambda v: (v.decided_at, v.annotation_id or 0), default=None)

    @cached_property
    def shown(self) -> dict[str, str]:
        """Return the candidate's output fields as the reviewer finds them filled in."""
        found = labeling.shown_values(self.data, self.technique)
        return (
            labeling.values(self._predicted, self.technique, self.data) if found is None else found
        )

    @cached_property
    def source(self) -> dict[str, str]:
        """Return the fields of the source, as they were shown."""
        return _source_fields(self.data, self.technique)

    def approved(self, name_reviewer: NameReviewer) -> Example:
        """Return what a person accepted or fixed. The outcome must be `approved`."""
        verdict = _given(self.verdict)
        fields = {name: verdict.fields.get(name, "") for name in self._present(verdict.fields)}
        return self._example(fields, {**self._evidence(self._left), **self._said(name_reviewer)})

    def unjudged(self) -> Example | None:
        """Return the candidate as it is; None where the task does not tell any more."""
        fields = {name: self.shown[name] for name in self._present(self.shown)}
        needed = (f.name for f in self.technique.output_fields if not (f.is_label or f.is_optional))
        spans = labeling.evidence_fields(self.technique)
        if any(not fields.get(name) for name in needed if name not in spans):
            return None
        return self._example(fields, {**self._evidence(None), "review_task": self.task.get("id")})

    def correction(self, name_reviewer: NameReviewer) -> Example | None:
        """Return a fixed candidate as a preference pair; None where there is nothing to prefer.

        The prompt is that of the training row. Without one, or where the row's completion was left
        as it was, there is no pair.
        """
        verdict = _given(self.verdict)
        try:
            fixed = self.technique.row(self.source, verdict.fields)
            before = self.technique.row(self.source, self.shown)
        except KeyError:
            return None
        if not (fixed.prompt and fixed.completion and before.completion):
            return None
        if fixed.completion.split() == before.completion.split():
            return None
        known = {
            **provenance.read(self.data),
            **self._evidence(self._left),
            **self._said(name_reviewer),
            "candidate": self.cid,
            "made_of": "correction",
        }
        return Example(
            id=content_id("correction", self.cid, fixed.prompt, fixed.completion),
            technique=PAIR_TECHNIQUE,
            origin="synthetic",
            source={"prompt": fixed.prompt},
            output={"chosen": fixed.completion, "rejected": before.completion},
            provenance=provenance.ordered(known),
        )

    def _example(self, fields: Mapping[str, str], known: Mapping[str, Any]) -> Example:
        return Example(
            id=self.cid,
            technique=self.technique.name,
            origin="synthetic",
            source=self.source,
            output=dict(fields),
            label=self.technique.label_of(self.data, fields),
            provenance=provenance.ordered({**provenance.read(self.data), **known}),
            record=self.technique.record,
        )

    def _present(self, fields: Mapping[str, str]) -> Iterator[str]:
        return (f.name for f in self.technique.output_fields if f.name in fields)

    def _said(self, name_reviewer: NameReviewer) -> dict[str, Any]:
        verdict = _given(self.verdict)
        user = verdict.reviewer
        return {
            "verdict": verdict.status,
            "reviewer": None if user is None else name_reviewer(user),
            "decided_at": verdict.decided_at,
            "review_task": self.task.get("id"),
            "annotation": verdict.annotation_id,
        }

    @property
    def _left(self) -> Sequence[Mapping[str, Any]]:
        """Return what the person left: the regions of the annotation that holds the verdict."""
        annotation_id = _given(self.verdict).annotation_id
        found = (a for a in self.task["annotations"] if a.get("id") == annotation_id)
        result: Sequence[Mapping[str, Any]] = next(found)["result"]
        return result

    @property
    def _predicted(self) -> Sequence[Mapping[str, Any]]:
        listed = [p for p in self.task.get("predictions") or () if isinstance(p, Mapping)]
        result: Sequence[Mapping[str, Any]] = listed[-1].get("result") or () if listed else ()
        return result

    def _evidence(self, left: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
        """Say where the marked words stand: as a person left them, or else as they were shown."""
        if left is not None:
            span = labeling.evidence_span(left, self.technique)
        else:
            span = labeling.shown_span(self.data) or labeling.evidence_span(
                self._predicted, self.technique
            )
        if span is None:
            return {"evidence": None}
        passage = str(self.data.get(self.technique.text_field, ""))
        return {"evidence": provenance.evidence(self.data, passage, span)}


def real_example(task: Mapping[str, Any], technique: Technique) -> Example | None:
    """Return a source task as a real example, or None where it is none.

    The outputs are those that a person wrote beside it, in the latest annotation; without one, the
    source's own text where the technique grows texts of the same kind (`real_field`). An annotation
    that came from a prediction is not real: its text is synthetic.
    """
    source = source_of_task(task, technique)
    if source is None:
        return None
    fields = dict(source.fields)
    outputs = [*_written_outputs(task, technique), technique.own_output(fields)]
    output = next((o for o in outputs if technique.is_trainable(fields, o)), None)
    if output is None:
        return None
    return Example(
        id=content_id("real", technique.name, fields, output),
        technique=technique.name,
        origin="real",
        source=fields,
        output=output,
        label=technique.label_of(task.get("data") or {}, output),
        provenance=source.provenance,
        record=technique.record,
    )


def source_of_task(task: Mapping[str, Any], technique: Technique) -> SourceTask | None:
    """Return a source task as a source, with a row's provenance; None where a field is missing."""
    fields = _source_fields(task.get("data") or {}, technique)
    if any(f.is_required and not fields.get(f.name) for f in technique.source_fields):
        return None
    meta = task.get("meta") or {}
    said = meta.get("provenance") if isinstance(meta, Mapping) else None
    source = SourceTask.of(fields)
    known = provenance.of_source(said if isinstance(said, Mapping) else {})
    where = {"source_id": source.id, "source_task": task.get("id"), **known}
    return SourceTask.of(fields, provenance=provenance.ordered(where))


def _given(verdict: Verdict | None) -> Verdict:
    if verdict is None:
        raise ValueError("the task has no verdict")
    return verdict


def _written_outputs(task: Mapping[str, Any], technique: Technique) -> Iterator[dict[str, str]]:
    """Yield what people wrote in a source task, latest first, copies of predictions left out."""
    annotations: Sequence[Mapping[str, Any]] = sorted(
        (a for a in task.get("annotations") or () if not a.get("was_cancelled")),
        key=lambda a: str(a.get("updated_at") or a.get("created_at") or ""),
        reverse=True,
    )
    data = task.get("data") or {}
    for annotation in annotations:
        output = labeling.values(annotation.get("result") or [], technique, data)
        shown = (annotation.get("prediction") or {}).get("result") or []
        is_copied = annotation.get("parent_prediction") is not None
        if not is_copied and output != labeling.values(shown, technique, data):
            yield output


def _source_fields(data: Mapping[str, Any], technique: Technique) -> dict[str, str]:
    texts = {f.name: _read(f, data.get(f.name)) for f in technique.source_fields}
    return {name: text for name, text in texts.items() if text}


def _read(field: SourceField, value: object) -> str:
    """Read a value; one that its column does not take is left out."""
    try:
        return field.read(value)
    except ValueProblem:
        return ""
