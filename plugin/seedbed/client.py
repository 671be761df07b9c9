"""Approved examples out of Label Studio, for Python and for `seedbed pull`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from seedbed import labeling, registry
from seedbed.columns import ValueProblem
from seedbed.errors import UserError
from seedbed.label_studio import LabelStudioServer
from seedbed.recipe import technique_of
from seedbed.records import Example, SourceTask, Verdict, content_id
from seedbed.technique import SourceField, Technique

POLICIES = ("reviewed",)
"""Whose word `pull` asks for: `reviewed` hands out only what a person accepted or fixed."""


class Client:
    """Reads a team's projects; writes nothing. `project` is always Label Studio's project id."""

    def __init__(self, url: str, api_key: str) -> None:
        self._server = LabelStudioServer(url, api_key)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def pull(self, project: int, policy: str = "reviewed") -> Iterator[Example]:
        """Stream the approved synthetic examples of a review project, each candidate once.

        Raises UserError for an unknown policy, LabelStudioError when Label Studio does not answer.
        """
        if policy not in POLICIES:
            raise UserError(
                f"No policy is named {policy!r}.", hint=f"Known: {', '.join(POLICIES)}."
            )
        return self._pull(project)

    def real(self, project: int, technique: str | Technique) -> Iterator[Example]:
        """Stream the real examples of a source project, each content once.

        `technique` is the name, or for records what the project's recipe makes of it (`spec`).

        A source task is one where it is an example by itself (a labelled text), or where a person
        has filled in the outputs beside it. Others (a bare document, an instruction without
        replies) are not examples and are left out.
        """
        spec = registry.technique(technique) if isinstance(technique, str) else technique
        return self._real(project, spec)

    def _pull(self, project: int) -> Iterator[Example]:
        seen: set[str] = set()
        for task in self._server.annotated_tasks(project):
            example = approved_example(task)
            if example and example.id not in seen:
                seen.add(example.id)
                yield example

    def _real(self, project: int, technique: Technique) -> Iterator[Example]:
        seen: set[str] = set()
        judged: set[int] = set()
        for task in self._server.annotated_tasks(project):
            example = real_example(task, technique)
            if example:
                judged.add(int(task["id"]))
            if example and example.id not in seen:
                seen.add(example.id)
                yield example
        for task in self._server.tasks(project):
            example = None if int(task["id"]) in judged else real_example(task, technique)
            if example and example.id not in seen:
                seen.add(example.id)
                yield example


def approved_example(task: Mapping[str, Any]) -> Example | None:
    """Return what people made of a review task, or None unless its latest verdict is for it.

    `task` is Label Studio's, with annotations in full. A task of something else gives None.
    """
    data: Mapping[str, Any] = task.get("data") or {}
    name = str(data.get("technique", ""))
    if name not in registry.techniques():
        return None
    record = data.get("record") if isinstance(data.get("record"), Mapping) else {}
    technique = technique_of(name, record or {})
    verdict = _latest_verdict(task, technique)
    if verdict is None or verdict.status == "REJECTED":
        return None
    return Example(
        id=verdict.candidate_id,
        technique=name,
        origin="synthetic",
        source=_source_fields(data, technique),
        output={f.name: verdict.fields.get(f.name, "") for f in _present(technique, verdict)},
        label=_label(data, verdict.fields, technique),
        provenance={**_provenance(data), **_review(task, verdict)},
        record=technique.record,
    )


def real_example(task: Mapping[str, Any], technique: Technique) -> Example | None:
    """Return a source task as a real example, or None where it is none.

    The outputs are those that a person wrote beside it, in the latest annotation; without one, the
    source's own text where the technique grows texts of the same kind (`real_field`). An annotation
    that came from a prediction is not real: its text is synthetic.
    """
    data: Mapping[str, Any] = task.get("data") or {}
    source = _source_fields(data, technique)
    if any(f.is_required and not source.get(f.name) for f in technique.source_fields):
        return None
    outputs = [*_written_outputs(task, technique), technique.own_output(source)]
    output = next((o for o in outputs if _is_trainable(source, o, technique)), None)
    if output is None:
        return None
    lineage = SourceTask.of(source).id
    meta = task.get("meta") or {}
    return Example(
        id=content_id("real", technique.name, source, output),
        technique=technique.name,
        origin="real",
        source=source,
        output=output,
        label=_label(data, output, technique),
        provenance={
            **dict(meta.get("provenance") or {}),
            "source_id": lineage,
            "source_task": task.get("id"),
        },
        record=technique.record,
    )


def _latest_verdict(task: Mapping[str, Any], technique: Technique) -> Verdict | None:
    verdicts = [
        verdict
        for annotation in task.get("annotations") or ()
        if (verdict := labeling.verdict(task, annotation, technique)) is not None
    ]
    return max(verdicts, key=lambda v: (v.decided_at, v.annotation_id or 0), default=None)


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


def _is_trainable(
    source: Mapping[str, str], output: Mapping[str, str], technique: Technique
) -> bool:
    """Tell whether there is something to learn: an unlabelled text is no paraphrase of itself."""
    try:
        row = technique.row(source, output)
    except KeyError:
        return False
    return bool(row.completion) and row.completion != row.prompt


def _present(technique: Technique, verdict: Verdict) -> Iterator[Any]:
    return (f for f in technique.output_fields if f.name in verdict.fields)


def _source_fields(data: Mapping[str, Any], technique: Technique) -> dict[str, str]:
    texts = {f.name: _read(f, data.get(f.name)) for f in technique.source_fields}
    return {name: text for name, text in texts.items() if text}


def _read(field: SourceField, value: object) -> str:
    """Read a value; one that its column does not take is left out."""
    try:
        return field.read(value)
    except ValueProblem:
        return ""


def _label(data: Mapping[str, Any], output: Mapping[str, str], technique: Technique) -> str:
    own = next(
        (output[f.name] for f in technique.output_fields if f.is_label and f.name in output), ""
    )
    return own or str(data.get(technique.label_field) or "")


def _provenance(data: Mapping[str, Any]) -> dict[str, Any]:
    found = data.get("provenance")
    return dict(found) if isinstance(found, Mapping) else {}


def _review(task: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.status,
        "reviewer": verdict.reviewer,
        "review_task": task.get("id"),
        "annotation": verdict.annotation_id,
        "decided_at": verdict.decided_at,
    }
