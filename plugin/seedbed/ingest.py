"""Files → source tasks. What cannot be used is reported with file and line; the rest goes on.

    .jsonl .ndjson .csv .tsv
                     rows (row_files.py); keys or columns are the technique's source fields
    .txt .md         for techniques that read documents: cut into chunks
                     for all others: one example per line that is not blank
    .pdf .docx .html documents (documents/), for techniques that read those

In rows, a key or column `text` stands for the technique's text field, and `columns` maps a field to
a column of another name. A record's fields are found by their name or header, and are read as their
columns say. Keys and columns that the technique does not know are left out. Rows and lines are
streamed; a document is held as a whole.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed import documents, row_files
from seedbed.columns import ValueProblem
from seedbed.decoding import Lines
from seedbed.documents import chunks
from seedbed.errors import SourceError, UserError
from seedbed.records import SourceTask
from seedbed.row_files import BadRow, RowFile
from seedbed.technique import Technique

_TEXT = (".txt", ".md")
_SAVE_AS = {
    ".json": "A single JSON value is not read. Write one object a line, as .jsonl.",
    ".doc": "Old Word files are not read. Save it as .docx.",
    **dict.fromkeys(
        (".odt", ".rtf"), "Files of other word processors are not read. Save it as .docx."
    ),
    **dict.fromkeys(
        (".xlsx", ".xls", ".ods"), "Spreadsheets are not read. Save the sheet as CSV (UTF-8)."
    ),
}
"""What is not read, and what to make of it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be used: where, what, and what to do.

    `line` counts from 1; 0 means the whole file.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class FileReport:
    """What one file gave. `sources` are those that no earlier file had.

    `n_tokens` counts those of each chunk of a document by its source's id, and is empty for rows.
    `n_repeated` counts sources met before in the same file, `n_elsewhere` those of earlier files;
    `n_same_text` counts sources whose text is in an earlier file too, and which go in all the same:
    another document, or another label. `labels` counts the sources by label, `unknown_labels` rows
    left out for theirs. `notes` say what was assumed or is missing.
    """

    file: str
    sources: tuple[SourceTask, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    encoding: str = ""
    n_pages: int = 0
    n_tokens: Mapping[str, int] = dataclasses.field(default_factory=dict)
    n_repeated: int = 0
    n_elsewhere: int = 0
    n_same_text: int = 0
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unknown_labels: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What came out of a set of files."""

    files: tuple[FileReport, ...]

    @property
    def sources(self) -> tuple[SourceTask, ...]:
        """Return all sources, each content once."""
        return tuple(source for file in self.files for source in file.sources)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what could not be used, in the files' order."""
        return tuple(problem for file in self.files for problem in file.problems)

    @property
    def n_duplicates(self) -> int:
        """Count the sources that were met before."""
        return sum(file.n_repeated + file.n_elsewhere for file in self.files)


@dataclass(frozen=True, slots=True)
class Cutting:
    """How documents are cut: most tokens of a chunk, those that it shares with the one before."""

    n_tokens: int = chunks.N_TOKENS
    overlap: int = 0
    count: chunks.Count = chunks.estimate


def ingest(
    paths: Iterable[Path],
    technique: Technique,
    *,
    labels: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    n_tokens: int = chunks.N_TOKENS,
    overlap: int = 0,
    count: chunks.Count = chunks.estimate,
) -> IngestReport:
    """Read all files, and of folders all files of known types in them, however deep.

    `labels` are those that a row may carry; none means any. `columns` maps a source field to the
    column or key that holds it. `count` counts tokens, by estimate unless a tokenizer is given.
    Raises UserError for a mapping of a field that the technique does not have, and for sizes that
    make no chunks; everything else that is wrong becomes a Problem.
    """
    chunks.check_sizes(n_tokens, overlap)
    cutting = Cutting(n_tokens, overlap, count)
    seen: dict[str, str] = {}  # source id and text → file
    reports = []
    for path, name in _files(paths):
        rows = _Rows(name, technique, tuple(labels), dict(columns or {}))
        reports.append(_report(path, rows, cutting, seen))
    return IngestReport(tuple(reports))


def read(
    path: Path,
    technique: Technique,
    *,
    labels: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    n_tokens: int = chunks.N_TOKENS,
) -> Iterator[SourceTask | Problem]:
    """Stream the sources and problems of one file, in its order. Raises UserError like `ingest`."""
    chunks.check_sizes(n_tokens, 0)
    rows = _Rows(path.name, technique, tuple(labels), dict(columns or {}))
    return _stream(path, rows, Cutting(n_tokens))


def document_field(technique: Technique) -> str:
    """Name the source field that holds a document's name, or '' for techniques of examples.

    It is the group field of a technique whose groups are not its labels.
    """
    return technique.group_field if technique.group_field != technique.label_field else ""


# --- files ---------------------------------------------------------------------------------------


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield each file once, with the name that it is reported by: a folder's files by their way in it.

    Where two would have one name, the folders above are in it: a document is known by its name.
    """
    found: dict[Path, Path] = {}  # file → the folder that names begin in
    for path in map(Path.absolute, paths):
        files = sorted(_walk(path)) if path.is_dir() else []
        for file in files or [path]:
            found.setdefault(file, path if files else path.parent)
    n_named = Counter(file.relative_to(base) for file, base in found.items())
    above = {
        file: base.parent if n_named[file.relative_to(base)] > 1 else base
        for file, base in found.items()
    }
    n_named = Counter(file.relative_to(base) for file, base in above.items())
    for file, base in above.items():
        name = file.relative_to(base)
        yield file, (name if n_named[name] == 1 else file).as_posix()


def _walk(folder: Path) -> Iterator[Path]:
    """Yield a folder's files, however deep; hidden ones and those that programs leave are not."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith((".", "~$")))


def _report(path: Path, rows: _Rows, cutting: Cutting, seen: dict[str, str]) -> FileReport:
    sources: dict[str, SourceTask] = {}
    problems: list[Problem] = []
    n_repeated = n_elsewhere = n_same_text = 0
    for found in _stream(path, rows, cutting):
        if isinstance(found, Problem):
            problems.append(found)
        elif found.id in sources:
            n_repeated += 1
        elif found.id in seen:
            n_elsewhere += 1
        else:
            sources[found.id] = found
            n_same_text += seen.get(_text_key(found, rows.technique), rows.file) != rows.file
    for source in sources.values():
        seen.setdefault(source.id, rows.file)
        seen.setdefault(_text_key(source, rows.technique), rows.file)
    label_field = rows.technique.label_field
    labels = Counter(source.fields.get(label_field, "") for source in sources.values())
    return FileReport(
        file=rows.file,
        sources=tuple(sources.values()),
        problems=tuple(problems),
        notes=tuple(rows.notes),
        encoding=rows.encoding,
        n_pages=rows.n_pages,
        n_tokens=rows.n_tokens,
        n_repeated=n_repeated,
        n_elsewhere=n_elsewhere,
        n_same_text=n_same_text,
        labels=dict(labels) if label_field else {},
        unknown_labels=dict(rows.unknown_labels),
    )


def _text_key(source: SourceTask, technique: Technique) -> str:
    return f"text {' '.join(source.fields.get(technique.text_field, '').split())}"


def _stream(path: Path, rows: _Rows, cutting: Cutting) -> Iterator[SourceTask | Problem]:
    readers = _readers(rows.technique, cutting)
    reader = readers.get(path.suffix.lower())
    if path.is_dir():
        yield rows.problem(0, "The folder holds no files.")
        return
    if reader is None:
        yield rows.problem(0, _unread(path, rows.technique, readers))
        return
    n_found = 0
    try:
        for found in reader(path, rows) if path.stat().st_size else ():
            n_found += 1
            yield found
    except SourceError as exc:
        yield rows.problem(0, str(exc))
    except OSError as exc:
        yield rows.problem(0, f"The file cannot be read: {exc.strerror}. Check the path.")
    else:
        if not n_found:
            yield rows.problem(0, "The file holds no text. Leave it out, or fill it.")


def _unread(path: Path, technique: Technique, readers: Iterable[str]) -> str:
    """Say why a file of this type is not read, and what to do."""
    suffix = path.suffix.lower()
    known = ", ".join(readers)
    if suffix in documents.SUFFIXES and suffix not in _TEXT and not document_field(technique):
        return (
            f"{technique.name} grows from examples, not from documents. Write its examples to a file "
            f"of their own ({known}); documents are for techniques that read passages, such as qa."
        )
    if suffix in _SAVE_AS:
        return _SAVE_AS[suffix]
    return f"Files of type {path.suffix or '(none)'} are not read: {known}."


Reader = Callable[[Path, "_Rows"], Iterator["SourceTask | Problem"]]


def _readers(technique: Technique, cutting: Cutting) -> dict[str, Reader]:
    def document(path: Path, rows: _Rows) -> Iterator[SourceTask | Problem]:
        return _read_document(path, rows, cutting)

    rows: dict[str, Reader] = dict.fromkeys(row_files.SUFFIXES, _read_rows)
    if technique.columns:
        return rows
    if document_field(technique):
        return rows | dict.fromkeys(documents.SUFFIXES, document)
    return rows | dict.fromkeys(_TEXT, _read_lines)


def _read_rows(path: Path, rows: _Rows) -> Iterator[SourceTask | Problem]:
    file = RowFile(path, rows.names)
    rows.note_encoding(file.lines)
    for place, row in enumerate(file):
        if not place and file.header:
            rows.check_header(file.header)
        if isinstance(row, BadRow):
            yield rows.problem(row.line, row.problem)
        else:
            yield rows.source(row.values, row.line)


def _read_lines(path: Path, rows: _Rows) -> Iterator[SourceTask | Problem]:
    lines = Lines(path)
    rows.note_encoding(lines)
    for line in lines:
        yield from (rows.problem(number, message) for number, message in lines.problems)
        lines.problems.clear()
        if line.strip():
            yield rows.source({rows.technique.text_field: line}, lines.number, is_mapped=False)


def _read_document(path: Path, rows: _Rows, cutting: Cutting) -> Iterator[SourceTask | Problem]:
    document = documents.read_document(path)
    rows.encoding, rows.n_pages = document.encoding, document.n_pages
    rows.notes += document.notes
    name = rows.file.removesuffix(path.suffix)
    for chunk in chunks.cut(document, cutting.n_tokens, cutting.overlap, cutting.count):
        fields = {rows.technique.text_field: chunk.text, document_field(rows.technique): name}
        found = rows.checked(fields, document.provenance(chunk.start, chunk.end))
        if isinstance(found, SourceTask):
            rows.n_tokens.setdefault(found.id, chunk.n_tokens)
        yield found


class _Rows:
    """Makes sources of one technique out of one file, and keeps what is to be said of it."""

    def __init__(
        self, file: str, technique: Technique, labels: tuple[str, ...], columns: dict[str, str]
    ) -> None:
        fields = [f.name for f in technique.source_fields]
        unknown = [name for name in columns if name not in fields]
        if unknown:
            raise UserError(
                f"The technique {technique.name} has no source field {unknown[0]!r}.",
                hint=f"It has: {', '.join(fields)}.",
            )
        self.file = file
        self.technique = technique
        self._labels = labels
        self._columns = columns
        self.encoding = ""
        self.n_pages = 0
        self.notes: list[str] = []
        self.n_tokens: dict[str, int] = {}
        self.unknown_labels: Counter[str] = Counter()
        self._headers = {c.name: (c.header,) for c in technique.columns if c.header}

    def problem(self, line: int, message: str) -> Problem:
        return Problem(self.file, line, message)

    def note_encoding(self, lines: Lines) -> None:
        """Note how a file is read."""
        self.encoding = lines.encoding.name
        if lines.encoding.note:
            self.notes.append(lines.encoding.note)

    @property
    def names(self) -> set[str]:
        """Return the columns and keys that hold a field."""
        fields = [field.name for field in self.technique.source_fields]
        return {name for field in fields for name in self._names(field)}

    def column(self, field: str, present: Iterable[str]) -> str:
        """Name the column that holds a field: the mapped one, its own name, or `text`; else ''."""
        return next((name for name in self._names(field) if name in set(present)), "")

    def _names(self, field: str) -> list[str]:
        if field in self._columns:
            return [self._columns[field]]
        aliases = ["text"] if field == self.technique.text_field else []
        return [field, *self._headers.get(field, ()), *aliases]

    def check_header(self, header: Sequence[str]) -> None:
        for field in self.technique.source_fields:
            if not self.column(field.name, header) and (
                field.is_required or field.name in self._columns
            ):
                wanted = self._columns.get(field.name, field.name)
                shown = ", ".join(name[:30] for name in header[:8]) or "empty"
                raise SourceError(
                    f"The first line names no column {wanted!r}; it is: {shown}.",
                    hint=f"Put a header in the first line, or map {field.name}=COLUMN.",
                )

    def source(
        self, row: Mapping[str, Any], line: int, *, is_mapped: bool = True
    ) -> SourceTask | Problem:
        fields: dict[str, str] = {}
        for field in self.technique.source_fields:
            key = self.column(field.name, row) if is_mapped else field.name
            value = row.get(key)
            if value is not None and not (_is_plain(value) or (field.column and value in (0, 1))):
                kind = type(value).__name__
                return self.problem(line, f"{key!r} is a {kind}, not text. Write it as a string.")
            try:
                text = field.read(value)
            except ValueProblem as problem:
                return self.problem(line, f"{problem}. Correct it, or the recipe's columns.")
            if text:
                fields[field.name] = text
            elif field.is_required:
                wanted = self._columns.get(field.name, field.name)
                return self.problem(line, f"{wanted!r} is missing or empty. Fill it in.")
        return self.checked(fields, {"line": line})

    def checked(self, fields: Mapping[str, str], where: Mapping[str, Any]) -> SourceTask | Problem:
        line = int(where.get("line", 0))
        label = fields.get(self.technique.label_field, "")
        if label and self._labels and label not in self._labels:
            self.unknown_labels[label] += 1
            known = ", ".join(self._labels)
            return self.problem(line, f"The label {label!r} is not one of: {known}. Correct it.")
        for name, text in fields.items():
            if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
                return self.problem(
                    line, f"{name!r} holds a NUL or half a surrogate pair. Remove that character."
                )
        return SourceTask.of(
            fields,
            group=fields.get(self.technique.group_field, ""),
            provenance={"file": self.file, **where},
        )


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
