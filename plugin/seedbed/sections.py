"""A report as sections, each with lines, warnings and a table; shown on screen, in Markdown, in HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

Cell = str | int | float

_BARS = "▁▂▃▄▅▆▇█"
_GAP = "  "

MAX_COLUMN = 44
"""On screen, no column but the last is wider."""

_STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0 1.2rem; }
th, td { border-bottom: 1px solid #ccc; padding: .25rem .7rem; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.warning { background: #fff3cd; border-left: 4px solid #d39e00; padding: .3rem .7rem; margin: .3rem 0; }
svg { max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) {
  body { background: #16181c; color: #e6e6e6; } th, td { border-color: #444; }
  .warning { background: #3a3115; } svg { background: #fff; }
}"""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report. `columns` that begin with "#" hold numbers and stand to the right."""

    title: str
    lines: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    warnings: Sequence[str] = ()


def of_finding(finding: Mapping[str, Any]) -> Section:
    """Return an insight's finding as a section; a column of numbers only stands to the right."""
    rows = finding["rows"]
    columns = [
        f"#{name}"
        if rows and all(isinstance(row[place], int | float) for row in rows if place < len(row))
        else name
        for place, name in enumerate(finding["columns"])
    ]
    return Section(finding["title"], finding["lines"], columns, rows, finding["warnings"])


def bars(counts: Sequence[int]) -> str:
    """Draw a histogram in one line; "·" is an empty bin."""
    most = max(counts, default=0)
    top = len(_BARS) - 1
    return "".join(
        "·" if not n else _BARS[max(0, round(n / most * top) if most else 0)] for n in counts
    )


def show(sections: Iterable[Section]) -> None:
    """Print sections for a person; long texts are cut to the width of the screen."""
    from rich.console import Console

    width = Console().width
    for section in sections:
        click.secho(f"\n{section.title}", bold=True)
        for line in section.lines:
            click.echo(f"  {line}")
        if section.rows:
            for line in _table_lines(section, width - 2):
                click.echo(f"  {line}".rstrip())
        for warning in section.warnings:
            click.secho(f"  ! {warning}", fg="yellow")


def _table_lines(section: Section, width: int) -> list[str]:
    """Lay a table out in columns of cells; the last one gets what is left, at least 20 cells."""
    from rich.cells import cell_len, set_cell_size

    names = [name.removeprefix("#") for name in section.columns]
    rows = [names, *([cell(value) for value in row] for row in section.rows)]
    widths = [
        min(MAX_COLUMN, max(cell_len(row[place]) for row in rows if place < len(row)))
        for place in range(len(names))
    ]
    left = width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
    is_text = not section.columns[-1].startswith("#")
    widths[-1] = max(20, left) if is_text else widths[-1]
    lines = []
    for number, row in enumerate(rows):
        cells = []
        for name, text, size in zip(section.columns, row, widths, strict=False):
            shown = text if cell_len(text) <= size else f"{set_cell_size(text, size - 1)}…"
            gap = " " * (size - cell_len(shown))
            is_number = name.startswith("#")
            cells.append(f"{gap}{shown}" if is_number else f"{shown}{gap}")
        line = _GAP.join(cells).rstrip()
        lines.append(line if number else click.style(line, dim=True))
    return lines


def to_markdown(title: str, sections: Iterable[Section]) -> str:
    """Return a report as Markdown."""
    parts = [f"# {_plain(title)}"]
    for section in sections:
        parts.append(f"## {_plain(section.title)}")
        parts += [_plain(line) for line in section.lines]
        parts += [f"> **Note:** {_plain(warning)}" for warning in section.warnings]
        if section.rows:
            names = [name.removeprefix("#") for name in section.columns]
            rules = ["---:" if name.startswith("#") else "---" for name in section.columns]
            rows = [[_cell_markdown(cell(value)) for value in row] for row in section.rows]
            table = [names, rules, *rows]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in table))
    return "\n\n".join(parts) + "\n"


def to_html(title: str, sections: Iterable[Section], picture: str = "") -> str:
    """Return a report as one HTML file that loads nothing from anywhere."""
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        parts += [f"<p>{html.escape(line)}</p>" for line in section.lines]
        parts += [f'<p class="warning">{html.escape(w)}</p>' for w in section.warnings]
        if section.rows:
            parts.append(_table_html(section))
    if picture:
        parts += ["<h2>Picture</h2>", picture[max(0, picture.find("<svg")) :]]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>\n{_STYLE}\n</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def cell(value: Any) -> str:
    """Write one value of a table: numbers short, texts on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"
    return " ".join(str(value).split()) if value is not None else "-"


def _table_html(section: Section) -> str:
    classes = [' class="number"' if name.startswith("#") else "" for name in section.columns]
    head = "".join(
        f"<th{css}>{html.escape(name.removeprefix('#'))}</th>"
        for name, css in zip(section.columns, classes, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f"<td{css}>{html.escape(cell(value))}</td>"
            for value, css in zip(row, classes, strict=False)
        )
        + "</tr>"
        for row in section.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _plain(text: str) -> str:
    """Escape what Markdown would take for markup in texts that models and people wrote."""
    escaped = "".join(f"\\{char}" if char in "\\`*_[]<>#" else char for char in text)
    return " ".join(escaped.split())


def _cell_markdown(text: str) -> str:
    return _plain(text).replace("|", "\\|")
