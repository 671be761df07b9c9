"""What an import brings, file by file: for people in lines, for programs as plain values. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import median_low
from typing import Any

from seedbed.ingest import FileReport, IngestReport, Problem
from seedbed.records import SourceTask
from seedbed.technique import Technique
from seedbed.text import shortened

N_BEGINNINGS = 3
"""How many chunks of a file are shown to a person."""

N_PROBLEMS = 5
"""How many problems of a file, and files with one problem, are named; the others are counted."""

_BEGINNING = 61


def file_preview(
    report: FileReport,
    technique: Technique,
    n_tokens: Mapping[str, int],
    present: Collection[str] = (),
) -> dict[str, Any]:
    """Describe what one file brings.

    `n_tokens` has the tokens of every source by its id, `present` the ids that the project has
    already.
    """
    lengths = sorted(n_tokens[source.id] for source in report.sources)
    return {
        "file": report.file,
        "encoding": report.encoding,
        "n_pages": report.n_pages,
        "n_sources": len(report.sources),
        "tokens": {
            "shortest": lengths[0],
            "median": median_low(lengths),
            "longest": lengths[-1],
        }
        if lengths
        else None,
        "labels": dict(report.labels),
        "unknown_labels": dict(report.unknown_labels),
        "duplicates": {
            "in_file": report.n_repeated,
            "in_other_files": report.n_elsewhere,
            "already_there": sum(source.id in present for source in report.sources),
            "same_text_elsewhere": report.n_same_text,
        },
        "notes": list(report.notes),
        "problems": [{"line": p.line, "message": p.message} for p in report.problems],
        "chunks": [_chunk(source, technique, n_tokens[source.id]) for source in report.sources],
    }


def _chunk(source: SourceTask, technique: Technique, n_tokens: int) -> dict[str, Any]:
    names = ("line", "page", "page_end", "heading", "char_start", "char_end")
    where = {name: source.provenance[name] for name in names if name in source.provenance}
    begins = shortened(source.fields.get(technique.text_field, ""), _BEGINNING)
    return {"id": source.id, "tokens": n_tokens, **where, "begins": begins}


def preview_lines(preview: Mapping[str, Any]) -> Iterator[str]:
    """Put a file's preview in words, a line each: sizes, what to know, where the first begin."""
    yield head_line(preview)
    yield from (f"  {line}" for line in remarks(preview))
    shown = preview["chunks"][:N_BEGINNINGS]
    for chunk in shown:
        yield f"  {_where(chunk)}{chunk['tokens']} tokens: {chunk['begins']}"
    if more := len(preview["chunks"]) - len(shown):
        yield f"  … and {more} more"


def head_line(preview: Mapping[str, Any]) -> str:
    """Say in one line how much a file brings."""
    n, tokens = preview["n_sources"], preview["tokens"]
    pages = _counted(preview["n_pages"], "page") + ", " if preview["n_pages"] else ""
    if not n:
        return f"{preview['file']}: {pages}nothing to import"
    return (
        f"{preview['file']}: {pages}{_counted(n, 'source')} of {tokens['shortest']} to "
        f"{tokens['longest']} tokens (median {tokens['median']})"
    )


def remarks(preview: Mapping[str, Any]) -> Iterator[str]:
    """Say what else there is to know of a file: assumptions, labels, duplicates."""
    yield from preview["notes"]
    if labels := _listed(preview["labels"]):
        yield f"labels: {labels}"
    if unknown := _listed(preview["unknown_labels"]):
        yield f"labels that the recipe does not list, left out: {unknown}"
    duplicates = preview["duplicates"]
    said = {
        "repeated in the file": duplicates["in_file"],
        "in other files": duplicates["in_other_files"],
        "already imported": duplicates["already_there"],
    }
    if met := ", ".join(f"{n} {where}" for where, n in said.items() if n):
        yield f"duplicates, imported once only: {met}"
    if n := duplicates["same_text_elsewhere"]:
        yield f"{_counted(n, 'source')} whose text is in another file too"


def problem_lines(report: IngestReport) -> Iterator[str]:
    """Name the problems of an import: the first ones of a file, and of files with the same one."""
    same: dict[str, list[str]] = {}
    for problem in report.problems:
        if not problem.line:
            same.setdefault(problem.message, []).append(problem.file)
    alike = {message: names for message, names in same.items() if len(names) > N_PROBLEMS}
    for file in report.files:
        named = [p for p in file.problems if p.line or p.message not in alike]
        yield from _problem_lines(named)
    for message, names in alike.items():
        more = len(names) - N_PROBLEMS
        yield f"{', '.join(names[:N_PROBLEMS])} and {_counted(more, 'more file')}: {message}"


def _problem_lines(problems: Sequence[Problem]) -> Iterator[str]:
    yield from map(str, problems[:N_PROBLEMS])
    if len(problems) > N_PROBLEMS:
        more = len(problems) - N_PROBLEMS
        yield f"{problems[0].file}: … and {more} more problems of its lines"


def _where(chunk: Mapping[str, Any]) -> str:
    page = f"page {chunk['page']}, " if "page" in chunk else ""
    line = f"line {chunk['line']}, " if "line" in chunk else ""
    heading = f"“{chunk['heading']}”, " if chunk.get("heading") else ""
    return page + line + heading


def _listed(counts: Mapping[str, int], most: int = 12) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{label or '(none)'} {n}" for label, n in ordered[:most]]
    more = [f"… {len(ordered) - most} more"] if len(ordered) > most else []
    return ", ".join(shown + more)


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
