"""`seedbed import`: examples and documents into the source project."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed.commands.common import backend
from seedbed.errors import UserError

if TYPE_CHECKING:
    from seedbed.backend_client import BackendClient
    from seedbed.documents.chunks import Count
    from seedbed.ingest import IngestReport
    from seedbed.recipe import Recipe

_N_TOKENS = 200  # chunks.N_TOKENS, which is not worth an import for every start of the command


@click.command("import", short_help="bring in examples or documents")
@click.argument("project")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Read a field from a column of another name, e.g. --map original=text.",
)
@click.option(
    "--tokens",
    "n_tokens",
    default=_N_TOKENS,
    show_default=True,
    help="Most tokens of a document's chunk, as the project's model counts them.",
)
@click.option(
    "--overlap",
    default=0,
    show_default=True,
    help="How many tokens of the chunk before a chunk may repeat, in whole sentences.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be imported.")
@click.option("--json", "as_json", is_flag=True, help="Print it all as JSON.")
def import_(
    project: str,
    files: tuple[Path, ...],
    mapping: tuple[str, ...],
    n_tokens: int,
    overlap: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring examples or documents into PROJECT's sources.

    Examples are rows of JSONL or CSV, or lines of text. Documents are PDF, DOCX, HTML, Markdown or
    text; they are cut into chunks at headings, paragraphs and sentences. Of a folder, all files of
    these types are taken. What cannot be used is named and left out; the rest goes in. The same
    content is imported once only.
    """
    from seedbed import ingest
    from seedbed.recipe import parse

    server = backend()
    recipe = parse(server.project(project)["recipe"])
    model, count = _counter(server, recipe, n_tokens)
    report = ingest.ingest(
        files,
        recipe.spec,
        labels=recipe.labels,
        columns=_pairs(mapping),
        n_tokens=n_tokens,
        overlap=overlap,
        count=count,
    )
    _say_problems(report)
    if not report.sources and not as_json:
        raise UserError("Nothing in these files can be imported.")
    present = server.present_sources(project, [s.id for s in report.sources]) if dry_run else set()
    previews = _previews(report, recipe, count, present)
    result = {} if dry_run else _import(server, project, report)
    if as_json:
        tokens = {"model": model, "is_estimate": model is None}
        shown = {"files": previews, "token_counts": tokens, "imported": result or None}
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    elif dry_run:
        _print_preview(previews, model)
    else:
        if model is None:
            click.echo(_counted_by(model))
        _print_result(project, report, previews, result)


def _counter(server: BackendClient, recipe: Recipe, n_tokens: int) -> tuple[str | None, Count]:
    """Return the model that counts tokens and how, or None and an estimate.

    Raises UserError where a chunk would not fit the model's context.
    """
    from seedbed.documents import chunks

    seen = server.tokenizer()
    if seen is None:
        return None, chunks.estimate
    model, context_length = seen
    room = context_length - _prompt_tokens(server, recipe)
    if n_tokens > room:
        raise UserError(
            f"A chunk of {n_tokens} tokens does not fit {model}: of its context of "
            f"{context_length} tokens, the prompt and the answer leave {max(0, room)}.",
            hint="Give fewer --tokens, or raise SEEDBED_CONTEXT_LENGTH.",
        )
    return model, server.count_tokens


def _prompt_tokens(server: BackendClient, recipe: Recipe) -> int:
    """Count what a prompt with an empty source and its answer take of the context."""
    from seedbed.records import SourceTask

    technique = recipe.spec
    empty = SourceTask.of({field.name: "-" for field in technique.source_fields})
    prompt = technique.prompt(
        empty,
        system=recipe.prompt.system,
        user=recipe.prompt.user,
        labels=recipe.labels,
        glossary=recipe.glossary,
        style_guide=recipe.style_rules,
    )
    counts = server.count_tokens([message.content for message in prompt.messages])
    return sum(counts) + (recipe.sampling.max_tokens or technique.max_tokens)


def _previews(
    report: IngestReport, recipe: Recipe, count: Count, present: set[str]
) -> list[dict[str, Any]]:
    from seedbed.preview import file_preview

    technique, shown = recipe.spec, []
    for file in report.files:
        rows = [source for source in file.sources if source.id not in file.n_tokens]
        counts = count([source.fields[technique.text_field] for source in rows])
        n_tokens = {**file.n_tokens, **{s.id: n for s, n in zip(rows, counts, strict=True)}}
        shown.append(file_preview(file, technique, n_tokens, present))
    return shown


def _import(server: BackendClient, project: str, report: IngestReport) -> dict[str, Any]:
    rows = [{"fields": dict(s.fields), "provenance": dict(s.provenance)} for s in report.sources]
    result = server.import_rows(project, rows)
    for problem in result["problems"]:
        click.secho(f"left out: {problem}", fg="yellow", err=True)
    return result


def _say_problems(report: IngestReport) -> None:
    from seedbed.preview import problem_lines

    for line in problem_lines(report):
        click.secho(f"left out: {line}", fg="yellow", err=True)


def _print_preview(previews: Sequence[dict[str, Any]], model: str | None) -> None:
    from seedbed.preview import N_PROBLEMS, preview_lines, remarks

    useless = [p["file"] for p in previews if not p["n_sources"] and not any(remarks(p))]
    left_out = set(useless[N_PROBLEMS:])
    for preview in previews:
        if preview["file"] not in left_out:
            for line in preview_lines(preview):
                click.echo(line)
    if left_out:
        click.echo(f"and {len(left_out)} more files with nothing to import")
    n = sum(preview["n_sources"] for preview in previews)
    click.echo(f"{n} sources, of which nothing was imported. {_counted_by(model)}")


def _counted_by(model: str | None) -> str:
    if model is None:
        return "Tokens are an estimate: the server cannot see the model."
    return f"Tokens are as {model} counts them."


def _print_result(
    project: str,
    report: IngestReport,
    previews: Sequence[dict[str, Any]],
    result: dict[str, Any],
) -> None:
    from seedbed.preview import head_line, remarks

    for preview in previews:
        if preview["n_sources"]:
            click.echo(head_line(preview))
        for remark in remarks(preview):
            click.echo(f"  {remark}")
    n_duplicates = result["n_duplicates"] + report.n_duplicates
    n_left_out = len(result["problems"]) + len(report.problems)
    click.echo(
        f"{result['n_new']} sources imported, {n_duplicates} already there, {n_left_out} left out."
    )
    if not result["n_new"] and not n_duplicates:
        raise UserError("Nothing was imported.")
    click.echo(f"Next: seedbed generate {project} -n 100")


def _pairs(mapping: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in mapping:
        field, separator, column = text.partition("=")
        if not separator or not field or not column:
            raise UserError(f"--map {text} is not FIELD=COLUMN.", hint="Write --map original=text.")
        pairs[field] = column
    return pairs


COMMANDS = (import_,)
