"""Files → source tasks. What cannot be used is reported with file and line; the rest goes on.

    .jsonl .ndjson   one JSON object a line; keys are the technique's source fields
    .csv .tsv        a header line, then rows; columns are the technique's source fields
    .txt .md         for techniques that read documents: cut into passages
                     for all others: one example per line that is not blank

In rows, a key or column `text` stands for the technique's text field, and `columns` maps a field to
a column of another name. A record's fields are found by their name or header, and are read as their
columns say. Keys and columns that the technique does not know are left out. Text is
UTF-8, with or without a byte order mark. Files are streamed: at most one line, paragraph or CSV row
is held at a time, and a line may have MAX_LINE_BYTES.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.columns import ValueProblem
from seedbed.errors import SourceError, UserError
from seedbed.records import SourceTask
from seedbed.technique import Technique

MAX_LINE_BYTES = 1 << 20
"""Longest line and longest CSV row: 1 MiB, a thick book's worth of text for one example."""

PASSAGE_WORDS = 150
"""About as many words as one question needs; small models lose the thread in longer ones."""

_MAX_PARAGRAPH = 1 << 16  # characters after which a paragraph without a blank line is cut
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = ",;\t"
_HEADING = re.compile(r"#{1,6}\s")
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_CJK}]|[^\s{_CJK}]{{1,40}}")
_SENTENCE = re.compile(  # Latin full stops need a space behind them, CJK ones (\u3002 ...) do not
    r".+?(?:[.!?\u2026]+[\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f]+[\u300d\u300f\uff09]*\s*|\Z)",
    re.DOTALL,
)


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
class IngestReport:
    """What came out of a set of files. `n_duplicates` counts sources that were met before."""

    sources: tuple[SourceTask, ...]
    problems: tuple[Problem, ...]
    n_duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, verbatim: `text` is document[start:end], in code points."""

    text: str
    start: int
    end: int


def ingest(
    paths: Iterable[Path],
    technique: Technique,
    *,
    labels: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    n_words: int = PASSAGE_WORDS,
) -> IngestReport:
    """Read all files. `columns` maps a source field to the column or key that holds it.

    `labels` are those that a row may carry; none means any. Raises UserError for a mapping of a
    field that the technique does not have; everything else that is wrong becomes a Problem.
    """
    sources: dict[str, SourceTask] = {}
    problems: list[Problem] = []
    n_duplicates = 0
    for path in paths:
        for found in read(path, technique, labels=labels, columns=columns, n_words=n_words):
            if isinstance(found, Problem):
                problems.append(found)
            elif found.id in sources:
                n_duplicates += 1
            else:
                sources[found.id] = found
    return IngestReport(tuple(sources.values()), tuple(problems), n_duplicates)


def read(
    path: Path,
    technique: Technique,
    *,
    labels: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    n_words: int = PASSAGE_WORDS,
) -> Iterator[SourceTask | Problem]:
    """Stream the sources and problems of one file, in its order. Raises UserError like `ingest`."""
    rows = _Rows(path.name, technique, tuple(labels), dict(columns or {}))
    if n_words < 1:
        raise UserError(f"A passage cannot have {n_words} words.", hint="Use 50-300.")
    return _stream(path, rows, n_words)


def document_field(technique: Technique) -> str:
    """Name the source field that holds a document's name, or '' for techniques of examples.

    It is the group field of a technique whose groups are not its labels.
    """
    return technique.group_field if technique.group_field != technique.label_field else ""


def passages(
    lines: Iterable[str], n_words: int = PASSAGE_WORDS, *, has_headings: bool = False
) -> Iterator[Passage]:
    """Cut a document into pieces of about `n_words`, at paragraphs, else sentences, else words.

    `lines` keep their line ends. With `has_headings`, a Markdown heading starts a piece once the one
    before is half full. A remainder below a quarter joins the piece before it.
    """
    held: tuple[str, int, int] | None = None
    for text, start, n in _packed(_units(lines, n_words, has_headings), n_words):
        if held and n < n_words / 4 and held[2] + n <= 1.5 * n_words:
            held = (held[0] + text, held[1], held[2] + n)
            continue
        if held:
            yield _trimmed(held[0], held[1])
        held = (text, start, n)
    if held:
        yield _trimmed(held[0], held[1])


# --- files ---------------------------------------------------------------------------------------


class _Lines:
    """The lines of a file, decoded one at a time, line ends kept.

    A line that cannot be used comes out blank, and its number and problem are in `problems`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.number = 0
        self.problems: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        offset = 0
        with self._path.open("rb") as file:
            while raw := file.readline(MAX_LINE_BYTES + 1):
                self.number += 1
                if self.number == 1 and raw.startswith(_UTF16):
                    raise SourceError("The file is UTF-16.", hint="Save it as UTF-8.")
                yield self._decoded(raw, offset)
                offset += len(raw)
                while len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
                    raw = file.readline(MAX_LINE_BYTES + 1)
                    offset += len(raw)
                    if not raw:
                        return

    def _decoded(self, raw: bytes, offset: int) -> str:
        if len(raw) > MAX_LINE_BYTES:
            self.problems.append((self.number, "The line is longer than 1 MiB. Split it."))
            return "\n"
        is_marked = self.number == 1 and raw.startswith(_BOM)
        try:
            return raw[len(_BOM) if is_marked else 0 :].decode()
        except UnicodeDecodeError as exc:
            where = offset + exc.start + (len(_BOM) if is_marked else 0)
            self.problems.append(
                (
                    self.number,
                    f"Byte {where} (0x{exc.object[exc.start]:02x}) is not UTF-8. Save the file as "
                    "UTF-8; it may be Windows-1252 or Latin-1.",
                )
            )
            return "\n"


def _stream(path: Path, rows: _Rows, n_words: int) -> Iterator[SourceTask | Problem]:
    reader = _readers(rows.technique, n_words).get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_readers(rows.technique, n_words))
        yield Problem(
            path.name, 0, f"Files of type {path.suffix or '(none)'} are not read: {known}."
        )
        return
    n_found = 0
    try:
        for found in reader(path, rows):
            n_found += 1
            yield found
    except SourceError as exc:
        yield Problem(path.name, 0, str(exc))
    except OSError as exc:
        yield Problem(path.name, 0, f"The file cannot be read: {exc.strerror}. Check the path.")
    else:
        if not n_found:
            yield Problem(path.name, 0, "The file holds no text. Leave it out, or fill it.")


Reader = Callable[[Path, "_Rows"], Iterator["SourceTask | Problem"]]


def _readers(technique: Technique, n_words: int) -> dict[str, Reader]:
    def document(path: Path, rows: _Rows) -> Iterator[SourceTask | Problem]:
        return _read_document(path, rows, n_words)

    text: Reader = document if document_field(technique) else _read_lines
    rows: dict[str, Reader] = {
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
        ".csv": _read_csv,
        ".tsv": _read_csv,
    }
    return rows if technique.columns else rows | {".txt": text, ".md": text}


def _read_jsonl(path: Path, rows: _Rows) -> Iterator[SourceTask | Problem]:
    lines = _Lines(path)
    for line in lines:
        yield from rows.take_problems(lines)
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as exc:
            said = getattr(exc, "msg", "nested too deeply")
            column = f" at column {exc.colno}" if isinstance(exc, json.JSONDecodeError) else ""
            message = f"The line is not valid JSON: {said}{column}. Write one object a line."
            yield rows.problem(lines.number, message)
            continue
        if isinstance(row, dict):
            yield rows.source(row, lines.number)
        else:
            kind = type(row).__name__
            yield rows.problem(lines.number, f"The line is a JSON {kind}, not an object.")


def _read_csv(path: Path, rows: _Rows) -> Iterator[SourceTask | Problem]:
    lines = _Lines(path)
    stream = iter(lines)
    first = next(stream, "")
    if lines.problems:
        yield from rows.take_problems(lines)
        return
    if not first:
        return
    delimiter = _delimiter(first, rows)
    csv.field_size_limit(MAX_LINE_BYTES)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    rows.check_header(header)
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    while True:
        number = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            yield rows.problem(
                number, f"The row is not valid CSV: {exc}. Close its quotes, and double inner ones."
            )
            continue
        is_bad = bool(lines.problems)
        yield from rows.take_problems(lines)
        if cells is None:
            return
        if is_bad or not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            yield rows.problem(
                number,
                f"The row has {len(cells)} cells, the header {len(header)}. Put text that holds "
                f"{delimiter!r} in quotes.",
            )
            continue
        yield rows.source(dict(zip(header, cells, strict=False)), number)


def _delimiter(first_line: str, rows: _Rows) -> str:
    for delimiter in DELIMITERS:
        header = next(csv.reader([first_line], delimiter=delimiter), [])
        if rows.column(rows.technique.text_field, [name.strip() for name in header]):
            return delimiter
    return ","


def _read_lines(path: Path, rows: _Rows) -> Iterator[SourceTask | Problem]:
    lines = _Lines(path)
    for line in lines:
        yield from rows.take_problems(lines)
        if line.strip():
            yield rows.source({rows.technique.text_field: line}, lines.number, is_mapped=False)


def _read_document(path: Path, rows: _Rows, n_words: int) -> Iterator[SourceTask | Problem]:
    # Offsets mean nothing behind a line that cannot be read, so the whole document is read first.
    trial = _Lines(path)
    for _ in trial:
        if trial.problems:
            yield from rows.take_problems(trial)
            return
    has_headings = path.suffix.lower() == ".md"
    for passage in passages(_Lines(path), n_words, has_headings=has_headings):
        fields = {
            rows.technique.text_field: passage.text,
            document_field(rows.technique): path.stem,
        }
        where = {"char_start": passage.start, "char_end": passage.end}
        yield rows.checked(fields, where)


class _Rows:
    """Makes sources of one technique out of the rows of one file."""

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
        self._headers = {c.name: (c.header,) for c in technique.columns if c.header}

    def problem(self, line: int, message: str) -> Problem:
        return Problem(self.file, line, message)

    def take_problems(self, lines: _Lines) -> list[Problem]:
        found = [self.problem(number, message) for number, message in lines.problems]
        lines.problems.clear()
        return found

    def column(self, field: str, present: Iterable[str]) -> str:
        """Name the column that holds a field: the mapped one, its own name, or `text`; else ''."""
        if field in self._columns:
            wanted = [self._columns[field]]
        else:
            wanted = [field, *self._headers.get(field, ())]
            if field == self.technique.text_field:
                wanted.append("text")
        return next((name for name in wanted if name in set(present)), "")

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


# --- passages ------------------------------------------------------------------------------------


def _packed(units: Iterable[tuple[str, bool]], n_words: int) -> Iterator[tuple[str, int, int]]:
    """Join units to (text, start, number of words); together they are the whole document."""
    text, start, n = "", 0, 0
    for unit, is_heading in units:
        n_unit = _count(unit)
        is_full = n + n_unit > n_words or (is_heading and n >= n_words / 2)
        if n and n_unit and is_full:
            yield text, start, n
            text, start, n = "", start + len(text), 0
        text += unit
        n += n_unit
    if n:
        yield text, start, n


def _units(lines: Iterable[str], n_words: int, has_headings: bool) -> Iterator[tuple[str, bool]]:
    for paragraph, is_heading in _paragraphs(lines, has_headings):
        if _count(paragraph) <= n_words:
            yield paragraph, is_heading
            continue
        for sentence in _SENTENCE.findall(paragraph):
            for piece in _cut(sentence, n_words):
                yield piece, is_heading
                is_heading = False


def _paragraphs(lines: Iterable[str], has_headings: bool) -> Iterator[tuple[str, bool]]:
    """Yield paragraphs with the blank lines behind them; a heading goes with what follows it."""
    block: list[str] = []
    n, is_ended, is_heading, has_body = 0, False, False, False
    for line in lines:
        starts_section = has_headings and bool(_HEADING.match(line))
        is_blank = not line.strip()
        if block and not is_blank and (is_ended or starts_section or n > _MAX_PARAGRAPH):
            yield "".join(block), is_heading
            block, n, is_heading, has_body = [], 0, False, False
        is_heading = is_heading or starts_section
        has_body = has_body or not (is_blank or starts_section)
        is_ended = is_blank and has_body
        block.append(line)
        n += len(line)
    if block:
        yield "".join(block), is_heading


def _cut(sentence: str, n_words: int) -> Iterator[str]:
    ends = [match.end() for match in _WORD.finditer(sentence)][n_words - 1 : -1 : n_words]
    start = 0
    for end in ends:
        yield sentence[start:end]
        start = end
    yield sentence[start:]


def _count(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))


def _trimmed(text: str, start: int) -> Passage:
    start += len(text) - len(text.lstrip())
    text = text.strip()
    return Passage(text, start, start + len(text))
