"""Files of examples, as `seedbed pull` writes them, and of a team's own real rows.

Examples are JSON lines, plain rows those or a table (row_files.py). A plain row is read with the
technique that the synthetic rows have. It has the technique's source and output fields (`text` stands
for the text field; a record's columns also go by their headers), or `prompt` and `completion`, or
`messages` with one question and one answer. Other columns are left out, but for `document`. What
cannot be read raises SourceError with file and line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed import recipe
from seedbed.columns import ValueProblem
from seedbed.errors import SeedbedError, SourceError
from seedbed.records import Example, Origin, SourceTask, content_id
from seedbed.row_files import BadRow, RowFile
from seedbed.technique import Fields, OutputField, SourceField, Technique, TrainingRow

_MAX_ROW = 1 << 24
"""Bytes of a line: more than the longest source with all its provenance."""

_MESSAGE_ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Plain:
    """How plain rows are read: as rows of a technique, with labels or without."""

    technique: Technique
    is_labelled: bool

    @staticmethod
    def like(examples: Sequence[Example]) -> Plain | None:
        """Return how rows like these are read; None where there are none."""
        if not examples:
            return None
        first = examples[0]
        technique = recipe.technique_of(first.technique, first.record)
        return Plain(technique, any(example.label for example in examples))


def read(path: Path, origin: Origin, plain: Plain | None = None) -> Iterator[Example]:
    """Stream the examples of one file; all must have that origin.

    Plain rows are real ones; they are read where `plain` says how.
    """
    try:
        for found in RowFile(path, _known(plain), limit=_MAX_ROW):
            where = f"{path.name}, line {found.line}"
            if isinstance(found, BadRow):
                raise SourceError(f"{where}: {found.problem}")
            row, number = found.values, found.line
            is_example = {"technique", "origin", "source", "output"} <= row.keys()
            read_row = _as_written if is_example else _plain_reader(plain, origin, where)
            yield _checked(read_row(row, where, path.name, number), origin, where)
    except OSError as exc:
        raise SourceError(
            f"Cannot read {path}: {exc.strerror}.", hint="Write it with `seedbed pull`."
        ) from exc


_ReadRow = Callable[[Mapping[str, Any], str, str, int], Example]


def _as_written(row: Mapping[str, Any], where: str, _file: str, _line: int) -> Example:
    try:
        if row["origin"] not in ("real", "synthetic"):
            raise ValueError(f"origin is {row['origin']!r}, not real or synthetic")
        example = Example.from_dict(row)
        texts = [*example.source.values(), *example.output.values()]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("source and output hold more than texts")
    except (KeyError, TypeError, ValueError) as exc:
        raise SourceError(
            f"{where}: this is not an example ({type(exc).__name__}: {exc}).",
            hint="Examples are written by `seedbed pull`; plain rows have no key `origin`.",
        ) from exc
    return example


def _checked(example: Example, origin: Origin, where: str) -> Example:
    if example.origin != origin:
        raise SourceError(
            f"{where}: the example {example.id} is {example.origin}, but stands among the "
            f"{origin} ones.",
            hint="Merge what `seedbed pull` and `seedbed pull --real` wrote.",
        )
    try:
        technique = recipe.technique_of(example.technique, example.record)
        technique.row(example.source, example.output)
    except KeyError as exc:
        raise SourceError(f"{where}: the example {example.id} lacks the field {exc}.") from exc
    except SeedbedError as exc:
        raise SourceError(f"{where}: {exc.message}", hint=exc.hint) from exc
    _check_encodable(json.dumps(example.to_dict(), ensure_ascii=False), where)
    return example


# --- plain rows ----------------------------------------------------------------------------------


def _plain_reader(plain: Plain | None, origin: Origin, where: str) -> _ReadRow:
    if origin == "synthetic":
        raise SourceError(
            f"{where}: this is not an example of Seedbed.",
            hint="Synthetic rows come from `seedbed pull`; your own rows go with --real.",
        )
    if plain is None:
        raise SourceError(
            f"{where}: this is a plain row, and there are no synthetic rows to tell how it is read.",
            hint="Give --synthetic a file with examples, or real ones that `seedbed pull` wrote.",
        )
    return _PlainRows(plain).example


@dataclass(frozen=True, slots=True)
class _PlainRows:
    """Makes real examples out of a team's own rows."""

    plain: Plain

    def example(self, row: Mapping[str, Any], where: str, file: str, line: int) -> Example:
        """Read one row. Raises SourceError where it lacks something."""
        technique = self.plain.technique
        fields = self._own_fields(row, where) or self._trained_fields(row, where)
        if fields is None or not technique.is_trainable(*fields):
            filled = [str(name) for name, value in row.items() if value not in (None, "")]
            raise SourceError(
                f"{where}: this is no row of the technique {technique.name}; it has "
                f"{', '.join(filled) or 'nothing'}.",
                hint=f"Give it {self._needed()}; columns and keys have to be named so.",
            )
        source, output = fields
        label = technique.label_of(source, output)
        if self.plain.is_labelled and not label:
            raise SourceError(f"{where}: the row has no label, and the synthetic rows have.")
        document = _text(row.get("document"), "document", where)
        return Example(
            id=content_id("real", technique.name, source, output),
            technique=technique.name,
            origin="real",
            source=source,
            output=output,
            label=label,
            provenance={
                "source_id": SourceTask.of(source).id,
                **({"document": document} if document else {}),
                "file": file,
                "file_line": line,
            },
            record=technique.record,
        )

    def _own_fields(self, row: Mapping[str, Any], where: str) -> Fields | None:
        """Read the technique's own fields; None where the source is not there in full."""
        technique = self.plain.technique
        source = self._read(technique.source_fields, row, where)
        if any(f.is_required and not source.get(f.name) for f in technique.source_fields):
            return None
        if not technique.columns:
            given = (source, self._read(technique.output_fields, row, where))
            if technique.is_trainable(*given):
                return given
        return source, technique.own_output(source)

    def _trained_fields(self, row: Mapping[str, Any], where: str) -> Fields | None:
        """Read a prompt and a completion, or a conversation of one turn, back to fields."""
        technique = self.plain.technique
        pair = _turn(row["messages"], where) if "messages" in row else _pair(row, where)
        if pair is None or technique.read_row is None:
            return None
        return technique.read_row(TrainingRow(*pair), self.plain.is_labelled)

    def _read(
        self, fields: Iterable[SourceField | OutputField], row: Mapping[str, Any], where: str
    ) -> dict[str, str]:
        found = {}
        for field in fields:
            names = [field.name, *([field.column.header] if field.column else [])]
            if field.name == self.plain.technique.text_field:
                names.append("text")
            name = next((n for n in names if n and n in row), "")
            text = _text(row.get(name), name, where, is_typed=field.column is not None)
            try:
                text = field.column.read(text) if field.column and text else text
            except ValueProblem as problem:
                raise SourceError(f"{where}: {problem}.", hint="Correct it.") from problem
            if text:
                found[field.name] = text
        return found

    def _needed(self) -> str:
        technique = self.plain.technique
        sources = [f.name for f in technique.source_fields if f.is_required or f.is_label]
        has_own = self.plain.is_labelled and bool(technique.own_output(dict.fromkeys(sources, "x")))
        outputs = [] if has_own else [f.name for f in technique.output_fields]
        names = ", ".join(dict.fromkeys([*sources, *outputs]))
        has_pair = technique.read_row is not None
        return names + (", or prompt and completion, or messages" if has_pair else "")


def _text(value: Any, name: str, where: str, *, is_typed: bool = False) -> str:
    is_plain = isinstance(value, str | int | float) and (is_typed or not isinstance(value, bool))
    if value is not None and not is_plain:
        kind = type(value).__name__
        raise SourceError(f"{where}: {name!r} is a {kind}, not text.", hint="Write it as a string.")
    text = "" if value is None else str(value).strip()
    _check_encodable(text, where)
    return text


def _check_encodable(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise SourceError(
            f"{where}: the text holds half a surrogate pair.", hint="Remove that character."
        ) from exc


def _pair(row: Mapping[str, Any], where: str) -> tuple[str, str] | None:
    completion = _text(row.get("completion"), "completion", where)
    return (_text(row.get("prompt"), "prompt", where), completion) if completion else None


def _turn(messages: Any, where: str) -> tuple[str, str]:
    """Return question and answer of a conversation that has nothing else."""
    turns = messages if isinstance(messages, list) else []
    found = {str(t.get("role")): t.get("content") for t in turns if isinstance(t, dict)}
    if len(turns) != len(_MESSAGE_ROLES) or tuple(found) != _MESSAGE_ROLES:
        raise SourceError(
            f"{where}: the messages are not one of the user and one of the assistant.",
            hint="Longer conversations cannot be taken apart; write prompt and completion.",
        )
    question, answer = (_text(found[role], "content", where) for role in _MESSAGE_ROLES)
    return question, answer


def _known(plain: Plain | None) -> set[str]:
    """Return the columns and keys that a plain row may have."""
    known = {"text", "prompt", "completion", "messages", "document"}
    if plain:
        known |= {field.name for field in plain.technique.source_fields}
        known |= {field.name for field in plain.technique.output_fields}
        known |= {column.header for column in plain.technique.columns if column.header}
    return known
