"""Label config XML ⇄ candidate, prediction, annotation and verdict. Pure: no network.

A technique's label config is `<technique>.xml`. The name of a control is the name of the output
field that it edits, and the kind of the control says how the field travels:

    TextArea   free text
    Choices    one of the project's labels, or of a column's values
    Number     a number
    DateTime   a date, to the day or minute
    Labels     words marked in the source text (evidence); offsets are Python code points

The config of a technique with columns has a `View` of the class "fields", which is filled with one
line a column: its name, the seed's value, and the control for the new one.

Beside them stand `verdict` (accept or reject), `reject_reason`, `quality` and `note`. `$name` in
the XML is a key of the task's data.
"""

from __future__ import annotations

import difflib
import html
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from seedbed.columns import TASK_KEYS, Column, ValueProblem
from seedbed.errors import LabelConfigError, NotFoundError
from seedbed.records import Candidate, Verdict, VerdictStatus, content_id
from seedbed.technique import OutputField, Technique

MODEL_VERSION = "seedbed"
"""The one `model_version` inside Label Studio, whose label stream hides every other. The real
versions are in the task's data."""

VERDICT = "verdict"
REJECT_REASON = "reject_reason"
QUALITY = "quality"
NOTE = "note"
ACCEPT = "accept"
REJECT = "reject"

_HUMAN_CONTROLS = (VERDICT, REJECT_REASON, QUALITY, NOTE)
_REASON_HOTKEYS = "123456789"
_LABEL_HOTKEYS = "zxcvbnm"  # letters, so that the digits stay with the reasons
_REGION_TYPES = {
    "TextArea": "textarea",
    "Choices": "choices",
    "Labels": "labels",
    "Number": "number",
    "DateTime": "datetime",
}
_SPOKEN = {"true": "yes", "false": "no"}
_MAX_BUTTONS = 6  # more choices than that become a list that drops down
_SPAN_JOINT = " … "
_SETTINGS_HINT = (
    "Rename it back in Label Studio under Settings > Labeling Interface, or restore the config."
)


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a label config; `object_key` is the data key of the text it belongs to."""

    name: str
    tag: str
    to_name: str
    object_key: str
    choices: tuple[str, ...]


# --- label configs -------------------------------------------------------------------------------


@cache
def config_xml(layout: str) -> str:
    """Return the XML that ships under a technique's name or layout, its choices not yet filled in.

    Looked for in the installed package, in the checkout, then beside the module of a third-party
    technique's entry point. Raises NotFoundError naming the places.
    """
    package = Path(__file__).parent
    folders = [package / "label_configs", package.parent.parent / "label_configs"]
    folders += [
        Path(module.__file__).parent
        for point in entry_points(group="seedbed.techniques")
        if layout in (point.load().name, point.load().layout)
        and (module := importlib.import_module(point.module)).__file__
    ]
    for folder in folders:
        path = folder / f"{layout}.xml"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise NotFoundError(
        f"The technique {layout!r} has no label config.",
        hint=f"Put {layout}.xml beside the module that declares it.",
    )


def asks_for_verdict(xml: str) -> bool:
    """Tell a review project's config from others. Raises LabelConfigError for broken XML."""
    return VERDICT in _controls(_parse(xml))


def review_config(technique: Technique, labels: Sequence[str] = ()) -> str:
    """Return the config of a review project: the project's labels and the reject reasons filled in.

    Without labels, everything about labels is left out. Raises LabelConfigError.
    """
    _check_fields(technique)
    root = _filled(technique, labels)
    if not labels:
        _remove(root, lambda tag: tag.get("value") == f"${technique.label_field}")
    return _to_xml(root)


def source_config(
    technique: Technique, labels: Sequence[str] = (), present_fields: Iterable[str] = ()
) -> str:
    """Return the config of a source project, derived from the same XML.

    It shows the source fields with the output controls beside them and nothing about review. It
    names only data keys that every source task has: the required source fields, and those optional
    ones that are in `present_fields`. Nothing is required of the person.
    """
    _check_fields(technique)
    root = _filled(technique, labels)
    optional = set(present_fields)
    keys = {f.name for f in technique.source_fields if f.is_required or f.name in optional}

    def _is_foreign(tag: Element) -> bool:
        value = tag.get("value", "")
        return tag.get("name") in _HUMAN_CONTROLS or (
            value.startswith("$") and value[1:] not in keys
        )

    _remove(root, _is_foreign)
    for tag in root.iter():
        tag.attrib.pop("required", None)
        tag.attrib.pop("requiredMessage", None)
    return _to_xml(root)


def check_config(
    xml: str, technique: Technique, labels: Sequence[str] = (), *, is_review: bool = True
) -> None:
    """Check a config that may have been edited in Label Studio. Raises LabelConfigError.

    Layout, texts, colours and hotkeys are free. The controls that carry the output fields and, in a
    review project, the verdict and its reasons must keep their names, kinds, targets and choices.
    """
    found = _controls(_parse(xml))
    expected = _controls(_filled(technique, labels))
    needed = [f.name for f in technique.outputs(labels)]
    if is_review:
        needed += [VERDICT, REJECT_REASON]
    for name in needed:
        _check_control(expected[name], found)


def _check_control(expected: Control, found: Mapping[str, Control]) -> None:
    control = found.get(expected.name)
    if control is None:
        known = ", ".join(sorted(found)) or "none"
        raise LabelConfigError(
            f"The label config has no control named {expected.name!r}; it has: {known}.",
            hint=_SETTINGS_HINT,
        )
    if control.tag != expected.tag:
        raise LabelConfigError(
            f"The control {expected.name!r} is a {control.tag}, not a {expected.tag}.",
            hint=_SETTINGS_HINT,
        )
    if control.object_key != expected.object_key:
        raise LabelConfigError(
            f"The control {expected.name!r} is not tied to the text ${expected.object_key} "
            f"(toName={control.to_name!r}).",
            hint="Let its toName be the name of the tag that shows that text.",
        )
    # Reasons may be added or dropped by the team; labels and the two verdicts may not be dropped.
    lost = [choice for choice in expected.choices if choice not in control.choices]
    if lost and expected.name != REJECT_REASON:
        raise LabelConfigError(
            f"The control {expected.name!r} lacks the choice {lost[0]!r}; "
            f"it has: {', '.join(control.choices) or 'none'}.",
            hint=_SETTINGS_HINT,
        )


def _filled(technique: Technique, labels: Sequence[str]) -> Element:
    root = _parse(_technique_xml(technique))
    for output in technique.output_fields:
        control = _find(root, output.name, technique)
        if output.is_label and labels:
            _fill(control, labels, _LABEL_HOTKEYS)
        elif output.is_label:
            _remove(root, [control].__contains__)
    _find(root, VERDICT, technique)
    _fill(_find(root, REJECT_REASON, technique), technique.reject_reasons, _REASON_HOTKEYS)
    return root


def _fill(control: Element, values: Sequence[str], hotkeys: str) -> None:
    for child in list(control):
        control.remove(child)
    for index, value in enumerate(values):
        choice = SubElement(control, "Choice", value=value)
        if index < len(hotkeys):
            choice.set("hotkey", hotkeys[index])


def _find(root: Element, name: str, technique: Technique) -> Element:
    for tag in root.iter():
        if tag.get("name") == name and tag.get("toName"):
            return tag
    raise LabelConfigError(
        f"{technique.layout or technique.name}.xml has no control named {name!r}.",
        hint="Its controls are named after the technique's output fields.",
    )


def _check_fields(technique: Technique) -> None:
    for field in technique.source_fields:
        if field.name in TASK_KEYS:
            raise LabelConfigError(
                f"The technique {technique.name!r} cannot have a source field {field.name!r}.",
                hint=f"Not to be used: {', '.join(sorted(TASK_KEYS))}.",
            )


def _parse(xml: str) -> Element:
    try:
        root: Element = fromstring(xml)
    except (ParseError, DefusedXmlException, ValueError) as exc:
        raise LabelConfigError(
            f"The label config is not valid XML: {exc}.",
            hint="Correct it in Label Studio under Settings > Labeling Interface.",
        ) from exc
    return root


def _to_xml(root: Element) -> str:
    return str(tostring(root, encoding="unicode"))


def _controls(root: Element) -> dict[str, Control]:
    objects = {
        str(tag.get("name")): tag.get("value", "").removeprefix("$")
        for tag in root.iter()
        if tag.get("name") and not tag.get("toName")
    }
    return {
        str(tag.get("name")): Control(
            name=str(tag.get("name")),
            tag=tag.tag,
            to_name=str(tag.get("toName")),
            object_key=objects.get(str(tag.get("toName")), ""),
            choices=tuple(str(child.get("value")) for child in tag if child.get("value")),
        )
        for tag in root.iter()
        if tag.get("name") and tag.get("toName")
    }


def _technique_xml(technique: Technique) -> str:
    """Return a technique's XML, with a control for each of its columns where it has some."""
    layout = technique.layout or technique.name
    if not technique.columns:
        return config_xml(layout)
    return _with_fields(layout, technique.text_field, technique.output_fields)


@lru_cache(maxsize=256)
def _with_fields(layout: str, text_field: str, outputs: tuple[OutputField, ...]) -> str:
    root = _parse(config_xml(layout))
    for tag in list(root.iter("View")):
        if "fields" in tag.get("className", "").split():
            tag.extend(_field_row(output, is_text=output.name == text_field) for output in outputs)
    return _to_xml(root)


def _field_row(output: OutputField, *, is_text: bool) -> Element:
    """Make the line of one column: its name, the seed's value, and the control for the new one.

    The text field is the object that all controls belong to.
    """
    column = output.column
    title = column.title if column else output.name
    row = Element("View", {"className": "row"})
    SubElement(row, "Header", {"value": title, "size": "6"})
    was = SubElement(row, "View", {"className": "was"})
    shown = {"name": "seed"} if is_text else {"size": "6"}
    SubElement(was, "Text" if is_text else "Header", {"value": f"${output.name}", **shown})
    tag, attributes = _control(output)
    control = SubElement(SubElement(row, "View", {"className": "is"}), tag, attributes)
    if not output.is_optional:
        control.set("required", "true")
        control.set("requiredMessage", f"{title} is empty")
    if column and column.type == "boolean":
        _fill(control, tuple(_SPOKEN.values()), "")
    elif column:
        _fill(control, column.values, "")
    return row


def _control(output: OutputField) -> tuple[str, dict[str, str]]:
    """Return the tag and attributes of a column's control."""
    column, named = output.column, {"name": output.name, "toName": "seed"}
    if column and column.is_number:
        places = (column.decimals or 0) if column.type == "number" else 0
        return "Number", named | {"step": f"{10**-places:.{places}f}"}
    if column and column.is_date:
        has_time = column.type == "datetime"
        format_ = "%Y-%m-%dT%H:%M" if has_time else "%Y-%m-%d"
        return "DateTime", named | {"only": "date,time" if has_time else "date", "format": format_}
    if column and (column.type in ("category", "boolean") or output.is_label):
        is_long = len(column.values) > _MAX_BUTTONS
        look = {"layout": "select"} if is_long else {"showInline": "true"}
        return "Choices", named | {"choice": "single-radio", **look}
    return "TextArea", named | {"rows": "2", "maxSubmissions": "1", "editable": "true"}


@lru_cache(maxsize=256)
def _shipped_controls(xml: str) -> dict[str, Control]:
    return _controls(_parse(xml))


def _output_controls(technique: Technique) -> Iterator[Control]:
    controls = _shipped_controls(_technique_xml(technique))
    return (controls[f.name] for f in technique.output_fields if f.name in controls)


def _remove(root: Element, is_unwanted: Callable[[Element], bool]) -> None:
    """Take out the unwanted tags, then every container that shows nothing of the task any more."""
    for parent in list(root.iter()):
        for child in list(parent):
            if is_unwanted(child):
                parent.remove(child)
    _prune(root)


def _prune(parent: Element) -> None:
    for child in list(parent):
        _prune(child)
        is_container = child.tag in {"View", "Collapse", "Panel"}
        if is_container and not any(_shows_data(tag) for tag in child.iter()):
            parent.remove(child)


def _shows_data(tag: Element) -> bool:
    return bool(tag.get("name")) or tag.get("value", "").startswith("$")


def _data_keys(technique: Technique) -> set[str]:
    values = [tag.get("value", "") for tag in _parse(_technique_xml(technique)).iter()]
    return {value[1:] for value in values if value.startswith("$")}


# --- candidate → task data and prediction --------------------------------------------------------


def review_data(
    technique: Technique,
    candidate: Candidate,
    *,
    draw: float,
    score: float | None = None,
    scores: Mapping[str, float | None] | None = None,
    stratum: str = "",
    batch: str = "",
    run: str = "",
    guide: Sequence[str] = (),
    provenance: Mapping[str, Any] | None = None,
    is_canary: bool = False,
) -> dict[str, Any]:
    """Return the data of the review task for one candidate, or for a canary, which looks the same.

    `scores` maps filter names to scores; all go to the provenance table, and those in the
    technique's `score_columns` become columns too. `guide` is the style guide, one rule an entry.
    `provenance` may be nested; it becomes one flat table, hidden until opened. `shown` holds the
    output fields as the reviewer finds them filled in, the marked words aside: those stand in the
    table, as `evidence.start` and `evidence.end`.
    """
    scores = scores or {}
    source = candidate.source.fields
    columns = {name: _rounded(scores.get(name)) for name in technique.score_columns}
    data: dict[str, Any] = {f.name: source.get(f.name, "") for f in technique.source_fields}
    data |= {
        "cid": candidate.id,
        "technique": technique.name,
        "candidate": candidate.text(technique.dedup_fields),
        "reasons": "",
        "score": _rounded(score),
        **columns,
        "draw": draw,
        "stratum": stratum,
        "batch": batch,
        "run": run,
        # With `reasons` brought up to date by the server as people decide (see `seedbed_backend.verdicts`).
        "verdict": "",
        "approved": "",
        "seal": seal(candidate.id, is_canary=is_canary),
        "scores_line": scores_line(score, columns),
        "provenance": _flat(provenance or {}) | _flat({"scores": dict(scores)}),
    }
    # The prediction says it too, but takes Label Studio four times as long to list (`client`).
    data["shown"] = values(prediction(technique, candidate.fields)["result"], technique, data)
    if technique.columns:
        data["record"] = technique.record
    keys = _data_keys(technique)
    if "diff_html" in keys:
        first_text = next(f.name for f in technique.output_fields if not f.is_label)
        data["diff_html"] = word_diff(
            source.get(technique.text_field, ""), candidate.fields.get(first_text, "")
        )
    if "guide" in keys:
        data["guide"] = " · ".join(rule.strip() for rule in guide)
    return data


def seal(cid: str, *, is_canary: bool = False) -> str:
    """Return 12 hex digits that tell a candidate from a canary to programs, but not at a glance.

    A program that hands rows out compares the task's seal with a candidate's, so that no canary
    gets into a training file. It keeps no secret from somebody who reads this code.
    """
    return content_id("seal", cid, "canary" if is_canary else "candidate")[:12]


def scores_line(score: float | None, columns: Mapping[str, float | None]) -> str:
    """Put the scores in one readable line; those that were not scored are left out."""
    parts = [
        f"{name.replace('_', ' ')} {value:.2f}"
        for name, value in columns.items()
        if value is not None
    ]
    total = "not scored" if score is None else f"score {score:.2f}"
    return " · ".join([total, *parts])


def word_diff(old: str, new: str) -> str:
    """Mark what changed between two texts, word by word, as HTML with `<del>` and `<ins>` alone.

    Everything else is escaped.
    """
    before, after = _words(old), _words(new)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    pieces: list[str] = []
    for change, i1, i2, j1, j2 in matcher.get_opcodes():
        if change == "equal":
            pieces.append(html.escape("".join(before[i1:i2])))
            continue
        if i2 > i1:
            pieces.append(f"<del>{html.escape(''.join(before[i1:i2]))}</del>")
        if j2 > j1:
            pieces.append(f"<ins>{html.escape(''.join(after[j1:j2]))}</ins>")
    return "".join(pieces)


def prediction(
    technique: Technique,
    fields: Mapping[str, str],
    score: float | None = None,
    evidence_span: tuple[int, int] | None = None,
    *,
    source_text: str = "",
) -> dict[str, Any]:
    """Return the pre-annotation of one candidate; the verdict is never part of it.

    `evidence_span` is (start, end) in code points of the source text, end exclusive. Without it no
    evidence is marked. `source_text` gives the marked words; else the field's own text stands for
    them. Region ids are the field names: the same in every task, and kept in the annotation.
    """
    regions: list[dict[str, Any]] = []
    columns = {column.name: column for column in technique.columns}
    for control in _output_controls(technique):
        text, column = fields.get(control.name, ""), columns.get(control.name)
        if control.tag == "Labels":
            value = _span_value(control, text, evidence_span, source_text)
        else:
            value = _field_value(control, text, column)
        if value:
            regions.append(
                {
                    "id": control.name,
                    "from_name": control.name,
                    "to_name": control.to_name,
                    "type": _REGION_TYPES[control.tag],
                    "value": value,
                }
            )
    result: dict[str, Any] = {"model_version": MODEL_VERSION, "result": regions}
    return result if score is None else result | {"score": min(1.0, max(0.0, float(score)))}


def _span_value(
    control: Control, text: str, span: tuple[int, int] | None, source_text: str
) -> dict[str, Any]:
    if span is None:
        return {}
    start, end = span
    marked = source_text[start:end] or text
    return {"start": start, "end": end, "text": marked, "labels": list(control.choices[:1])}


def _field_value(control: Control, text: str, column: Column | None) -> dict[str, Any]:
    if not text:
        return {}
    if control.tag == "Number":
        number = column.typed(text) if column else None
        return {"number": number} if isinstance(number, int | float) else {}
    if control.tag == "DateTime":
        return {"datetime": text}
    if column and column.type == "boolean":
        text = _SPOKEN.get(text, text)
    return {"choices": [text]} if control.tag == "Choices" else {"text": [text]}


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(float(score), 4)


def _words(text: str) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Flatten nested values into one readable table: `a.b` keys, lists as text, no empty values."""
    flat: dict[str, str | int | float | bool] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            flat[name] = ", ".join(str(item) for item in value)
        elif isinstance(value, float):
            flat[name] = round(value, 4)
        elif isinstance(value, str | int):
            flat[name] = value
        elif value is not None:
            flat[name] = str(value)
    return flat


# --- annotation → verdict ------------------------------------------------------------------------


def verdict(
    task: Mapping[str, Any],
    annotation: Mapping[str, Any],
    technique: Technique,
    predicted: Mapping[str, str] | None = None,
) -> Verdict | None:
    """Read what a person decided about a review task, or None where nothing was decided.

    Undecided are: skips, empty results, results without the verdict choice (so also predictions
    that were copied to annotations in bulk), accepts that lack an output field, and tasks without
    `cid`.

    An accepted candidate is FIXED when a value differs from the prediction: a text (white space at
    the end aside), the label, or the marked evidence. Label Studio's `origin` is not asked: it also
    changes when a value is changed and changed back. The prediction is `predicted` where given, as
    `values` reads it (a field that was not shown, such as evidence that was not found, is not in
    it); else the one embedded in the annotation or the task. A webhook embeds none. With neither,
    nobody can say that it is unchanged, and an accept counts as FIXED.
    """
    data: Mapping[str, Any] = task.get("data") or {}
    result = annotation.get("result") or []
    choice = _chosen(result, VERDICT)
    if annotation.get("was_cancelled") or not data.get("cid") or choice not in ([ACCEPT], [REJECT]):
        return None
    left = values(result, technique, data)
    before = predicted if predicted is not None else _embedded(task, annotation, technique)
    is_accept = choice == [ACCEPT]
    if is_accept and _lacks_output(left, before, technique):
        return None
    emptied = {*evidence_fields(technique), *_optional_fields(technique)}
    fields = {name: "" for name in emptied if before and before.get(name)} | left
    return Verdict(
        candidate_id=str(data["cid"]),
        status=_status(is_accept, fields, before),
        fields=fields,
        reasons=() if is_accept else tuple(_chosen(result, REJECT_REASON)),
        reviewer=_user_id(annotation.get("completed_by")),
        annotation_id=annotation.get("id"),
        decided_at=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
        lead_time_seconds=annotation.get("lead_time"),
        note="\n".join(_texts(result, NOTE)).strip(),
        rating=_rating(result),
    )


def values(
    result: Sequence[Mapping[str, Any]], technique: Technique, data: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Read the output fields from the regions of an annotation or prediction; absent ones left out.

    `data` is the task's data: marked words are cut from it, so that both sides compare alike.
    """
    found: dict[str, str] = {}
    columns = {column.name: column for column in technique.columns}
    for control in _output_controls(technique):
        if control.tag == "Labels":
            text = _marked(result, control, data or {})
        elif control.tag == "Choices":
            text = "".join(_chosen(result, control.name)[:1])
        elif control.tag in ("Number", "DateTime"):
            text = _entered(result, control)
        else:
            text = "\n".join(_texts(result, control.name)).rstrip()
        if text and (column := columns.get(control.name)):
            text = _spelled(column, text)
        if text:
            found[control.name] = text
    return found


def _entered(result: Sequence[Mapping[str, Any]], control: Control) -> str:
    entered = [v.get(_REGION_TYPES[control.tag]) for v in _regions(result, control.name)]
    return next((str(value) for value in entered if value not in (None, "")), "")


def _spelled(column: Column, text: str) -> str:
    """Spell a value as its column does; what a person wrote against the column stays as it is."""
    try:
        return column.read(text, is_own=True)
    except ValueProblem:
        return text.strip()


def _status(
    is_accept: bool, fields: Mapping[str, str], before: Mapping[str, str] | None
) -> VerdictStatus:
    if not is_accept:
        return "REJECTED"
    if before is None:
        return "FIXED"
    names = fields.keys() | before.keys()
    is_same = all(fields.get(n, "").rstrip() == before.get(n, "").rstrip() for n in names)
    return "ACCEPTED" if is_same else "FIXED"


def _lacks_output(
    left: Mapping[str, str], before: Mapping[str, str] | None, technique: Technique
) -> bool:
    spans = {*evidence_fields(technique), *_optional_fields(technique)}
    needed = {f.name for f in technique.output_fields if not f.is_label} | set(before or {})
    return any(not left.get(name) for name in needed - spans)


def shown_values(data: Mapping[str, Any], technique: Technique) -> dict[str, str] | None:
    """Return the output fields of a review task as its reviewer found them, as `values` reads them.

    None for tasks of older versions, whose data do not tell.
    """
    shown, span = data.get("shown"), shown_span(data)
    if not isinstance(shown, Mapping):
        return None
    found = {str(name): str(text) for name, text in shown.items()}
    for control in _output_controls(technique):
        if control.tag == "Labels" and span:
            region = {"from_name": control.name, "value": {"start": span[0], "end": span[1]}}
            if text := _marked([region], control, data):
                found[control.name] = text
    return found


def shown_span(data: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the span that is marked as evidence when a reviewer opens a task, if its data tell."""
    table = data.get("provenance")
    known = table if isinstance(table, Mapping) else {}
    start, end = known.get("evidence.start"), known.get("evidence.end")
    return (start, end) if isinstance(start, int) and isinstance(end, int) else None


def evidence_span(
    result: Sequence[Mapping[str, Any]], technique: Technique
) -> tuple[int, int] | None:
    """Return from where to where words are marked as evidence: code points, end exclusive."""
    spans = [v for name in evidence_fields(technique) for v in _regions(result, name)]
    if not spans:
        return None
    return min(int(v.get("start", 0)) for v in spans), max(int(v.get("end", 0)) for v in spans)


def evidence_fields(technique: Technique) -> list[str]:
    """Name the output fields that are words marked in the source text."""
    return [c.name for c in _output_controls(technique) if c.tag == "Labels"]


def _optional_fields(technique: Technique) -> list[str]:
    return [f.name for f in technique.output_fields if f.is_optional]


def _embedded(
    task: Mapping[str, Any], annotation: Mapping[str, Any], technique: Technique
) -> dict[str, str] | None:
    shown = annotation.get("prediction")
    listed = [p for p in task.get("predictions") or () if isinstance(p, Mapping)]
    parent = annotation.get("parent_prediction")
    listed.sort(key=lambda p: p.get("id") == parent)
    for candidate in [shown, *reversed(listed)]:
        if isinstance(candidate, Mapping) and candidate.get("result"):
            return values(candidate["result"], technique, task.get("data"))
    return None


def _regions(result: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [
        region["value"]
        for region in result
        if region.get("from_name") == name and isinstance(region.get("value"), Mapping)
    ]


def _chosen(result: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    return [str(c) for value in _regions(result, name) for c in value.get("choices") or ()]


def _texts(result: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    texts: list[str] = []
    for value in _regions(result, name):
        text = value.get("text") or ()
        texts += [text] if isinstance(text, str) else [str(part) for part in text]
    return texts


def _marked(result: Sequence[Mapping[str, Any]], control: Control, data: Mapping[str, Any]) -> str:
    source_text = str(data.get(control.object_key, ""))
    spans = sorted(_regions(result, control.name), key=lambda value: int(value.get("start", 0)))
    return _SPAN_JOINT.join(
        source_text[int(v.get("start", 0)) : int(v.get("end", 0))] or str(v.get("text", ""))
        for v in spans
    ).strip()


def _rating(result: Sequence[Mapping[str, Any]]) -> int | None:
    ratings = [value.get("rating") for value in _regions(result, QUALITY)]
    return next((int(rating) for rating in ratings if rating), None)


def _user_id(completed_by: Any) -> int | None:
    user = completed_by.get("id") if isinstance(completed_by, Mapping) else completed_by
    return None if user is None else int(user)
