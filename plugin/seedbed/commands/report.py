"""`seedbed report`: where everything ended and why, and what the set is like."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed import gate_report
from seedbed.commands.common import backend as connect
from seedbed.commands.common import wait_for_analysis, write_text
from seedbed.display import in_words
from seedbed.errors import ServiceError, UserError
from seedbed.sections import Cell, Section, bars, of_finding, show, to_html, to_markdown

if TYPE_CHECKING:
    from seedbed.backend_client import BackendClient

N_EXAMPLES_ON_SCREEN = 1
N_HARDEST_ON_SCREEN = 5
FORMATS = (".md", ".html")


@click.command(short_help="see what was dropped and why, and what the set is like")
@click.argument("project", required=False)
@click.option("--run", help="Only this run (the beginning of its id will do).")
@click.option("--quick", is_flag=True, help="Only the counts, without a look at the whole set.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to a file, .md or .html, with more examples.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a picture (SVG) of real and synthetic texts side by side.",
)
def report(
    project: str | None,
    run: str | None,
    quick: bool,
    as_json: bool,
    output: Path | None,
    picture: Path | None,
) -> None:
    """Say where PROJECT's attempts ended and why, filter by filter and source by source, with examples.

    A filter worker also looks at the whole set: what it covers, how it is spread, what stands out.
    Without PROJECT, only the funnel of every technique over all projects.
    """
    backend = connect()
    if project is None:
        _techniques(backend.techniques(), as_json=as_json)
        return
    if output and output.suffix not in FORMATS:
        raise UserError(f"{output} is neither {' nor '.join(FORMATS)}.")
    if quick and picture:
        raise UserError("--quick leaves out the picture.", hint="Leave out --quick.")
    found = backend.report(project, run)
    if quick:
        found["analysis"] = None
    elif found["funnel"]["n_attempts"]:
        found["analysis"] = _look(backend, project, run) or found["analysis"]
    if output or picture:
        _write(backend, found, output, picture, is_quiet=as_json)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    elif not output:
        show(sections(found, N_EXAMPLES_ON_SCREEN, N_HARDEST_ON_SCREEN))


def _look(backend: BackendClient, project: str, run: str | None) -> dict[str, Any] | None:
    """Let a filter worker look at the whole set; say so where that cannot be."""
    try:
        started = backend.start_findings(project, run)
        return wait_for_analysis(backend, started, "looking at the whole set")
    except ServiceError as exc:
        click.secho(f"The whole set was not looked at: {exc.message}", fg="yellow", err=True)
        return None


def _write(
    backend: BackendClient,
    found: Mapping[str, Any],
    output: Path | None,
    picture: Path | None,
    *,
    is_quiet: bool,
) -> None:
    analysis = found["analysis"]
    drawing = backend.picture(analysis["id"]) if analysis and analysis["has_picture"] else ""
    title = f"Report on {found['project']['name']}"
    if output:
        told = sections(found, 3, 10)
        is_html = output.suffix == ".html"
        write_text(output, to_html(title, told, drawing) if is_html else to_markdown(title, told))
    if picture:
        if not drawing:
            raise UserError("There is no picture: too few survivors to draw one.")
        write_text(picture, drawing)
    for written in (output, picture):
        if written:
            click.echo(f"{written} written.", err=is_quiet)


def sections(report: Mapping[str, Any], n_examples: int, n_hardest: int) -> list[Section]:
    """Put a report into sections, the result first."""
    analysis = report["analysis"]
    result = (analysis or {}).get("result") or {}
    found = [
        _summary(report),
        gate_report.overview(report["gate"]) if report["gate"]["runs"] else None,
        _funnel(report),
        _filters(report),
        _examples(report, n_examples),
        _hardest(report, "groups", "Groups of sources that lose most", n_hardest),
        _hardest(report, "sources", "Sources that lose most", n_hardest),
        _window(report),
        *(of_finding(finding) for finding in result.get("findings", [])),
    ]
    problems = [str(problem) for problem in result.get("problems", [])]
    if result and not analysis.get("is_current", True):
        problems.append(f"The whole set was last looked at on {analysis['finished_at'][:16]} UTC.")
    if problems:
        found.append(Section("Not complete", warnings=problems))
    return [section for section in found if section is not None]


def _summary(report: Mapping[str, Any]) -> Section:
    funnel, accepted = report["funnel"], report["acceptance"]
    n, n_survivors = funnel["n_attempts"], funnel["n_survivors"]
    of = f"run {report['run'][:8]} of " if report["run"] else ""
    name = f"{of}{report['project']['name']} ({report['project']['technique']})"
    if not n:
        return Section(name, ["Nothing has been grown yet: seedbed generate."])
    lines = [f"{n_survivors} of {n} attempts survive ({n_survivors / n:.0%})."]
    if funnel["n_pending"]:
        lines.append(f"{funnel['n_pending']} are not through the filters yet.")
    if accepted["n_judged"]:
        lines.append(
            f"People judged {accepted['n_judged']} of the review sample: acceptance rate "
            f"{accepted['rate']:.0%} [{accepted['low']:.0%}, {accepted['high']:.0%}], "
            f"target {accepted['target']:.0%}."
        )
    else:
        lines.append("Nobody has judged any of the review sample yet.")
    return Section(name, lines, warnings=_warnings(report))


def _warnings(report: Mapping[str, Any]) -> list[str]:
    """Say all filters that dropped nothing in one sentence; one each about the others."""
    none = [flag for flag in report["flags"] if flag["kind"] == "drops_none"]
    others = [flag["text"] for flag in report["flags"] if flag["kind"] != "drops_none"]
    if len(none) < 2:
        return [*others, *(flag["text"] for flag in none)]
    names = ", ".join(flag["filter"] for flag in none)
    return [
        *others,
        f"These dropped nothing: {names}. Either there was nothing to find, or they are set too loosely.",
    ]


def _funnel(report: Mapping[str, Any]) -> Section | None:
    funnel = report["funnel"]
    n = funnel["n_attempts"]
    if not n:
        return None
    rows = [
        (row["stage"], in_words(row["reason"]), row["n"], f"{row['n'] / n:.0%}")
        for row in funnel["dropped"]
    ]
    if funnel["n_pending"]:
        rows.append(("not yet screened", "", funnel["n_pending"], f"{funnel['n_pending'] / n:.0%}"))
    rows.append(("survivors", "", funnel["n_survivors"], f"{funnel['n_survivors'] / n:.0%}"))
    columns = ("dropped by", "reason", "#n", "#share of attempts")
    return Section("Where they ended", (), columns, rows)


def _filters(report: Mapping[str, Any]) -> Section | None:
    rows = [
        (
            row["filter"],
            row["n_seen"],
            row["n_dropped"],
            f"{row['n_dropped'] / row['n_seen']:.0%}" if row["n_seen"] else "-",
            bars(row["kept_scores"]) if row["n_scored"] else "",
            bars(row["dropped_scores"]) if row["n_scored"] and row["n_dropped"] else "",
        )
        for row in report["filters"]
    ]
    columns = ("filter", "#saw", "#dropped", "#share", "scores of kept, 0 to 1", "of dropped")
    return Section("Filter by filter", (), columns, rows) if rows else None


def _examples(report: Mapping[str, Any], n_each: int) -> Section | None:
    rows = [
        (f"{row['stage']}: {in_words(row['reason'])}", example["id"][:12], example["text"])
        for row in report["funnel"]["dropped"]
        for example in row["examples"][:n_each]
    ]
    if not rows:
        return None
    lines = ["All that is known about one of them: seedbed explain ID."]
    return Section("Examples of what was dropped", lines, ("why", "id", "text"), rows)


def _hardest(report: Mapping[str, Any], key: str, title: str, n: int) -> Section | None:
    listed = [row for row in report[key]["hardest"] if row["n_dropped"]]
    if key == "groups" and report[key]["n"] < 2:
        return None
    rows: list[tuple[Cell, ...]] = [
        (
            _source_name(row, is_group=key == "groups"),
            row["n_attempts"],
            row["n_survivors"],
            f"{row['worst']['stage']}: {in_words(row['worst']['reason'])} ({row['worst']['n']})"
            if row["worst"]
            else "",
            *((row["text"],) if key == "sources" else ()),
        )
        for row in listed[:n]
    ]
    columns = [key.removesuffix("s"), "#attempts", "#survivors", "mostly lost to"]
    columns += ["text"] if key == "sources" else []
    return Section(f"{title} (of {report[key]['n']})", (), columns, rows) if rows else None


def _source_name(row: Mapping[str, Any], *, is_group: bool) -> str:
    if is_group:
        return row["id"] or "(no group)"
    return f"task {row['task']}" if row["task"] else str(row["id"][:12])


def _window(report: Mapping[str, Any]) -> Section | None:
    window = report["window"]
    if not window:
        return None
    n = window["n"]
    return Section(
        "Beside the textbook window",
        [
            f"Of the {n} that reached the filter similarity it keeps {window['n_kept']} "
            f"({window['n_kept'] / n:.0%}); cosine {window['minimum']:.2f} to "
            f"{window['maximum']:.2f} alone would keep {window['n_in_window']} "
            f"({window['n_in_window'] / n:.0%}). Both keep {window['n_both']}."
        ],
    )


def _techniques(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if not found:
        click.echo("Nothing has been grown yet.")
        return
    show(
        Section(
            row["technique"],
            [f"{row['n_survivors']} of {row['n_attempts']} attempts survive."],
            ("dropped by", "reason", "#n", "#share of attempts"),
            [
                (r["stage"], in_words(r["reason"]), r["n"], f"{r['n'] / row['n_attempts']:.0%}")
                for r in row["dropped"]
            ],
        )
        for row in found
    )
    click.echo("\nMore on one project: seedbed report PROJECT")


COMMANDS = (report,)
