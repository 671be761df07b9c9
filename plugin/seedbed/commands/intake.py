"""`seedbed import`: examples and documents into the source project."""

from __future__ import annotations

from pathlib import Path

import click

from seedbed.commands.common import backend
from seedbed.errors import UserError


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
@click.option("--words", default=150, show_default=True, help="Length of a document's chunks.")
@click.option("--dry-run", is_flag=True, help="Only show what would be imported.")
def import_(
    project: str, files: tuple[Path, ...], mapping: tuple[str, ...], words: int, dry_run: bool
) -> None:
    """Bring examples (JSONL, CSV) or documents (text, Markdown) into PROJECT's sources.

    A row or file that cannot be used is named and left out; the others go in. The same content is
    imported once only.
    """
    from seedbed import ingest
    from seedbed.recipe import parse

    server = backend()
    recipe = parse(server.project(project)["recipe"])
    technique = recipe.spec
    report = ingest.ingest(
        files, technique, labels=recipe.labels, columns=_pairs(mapping), n_words=words
    )
    for problem in report.problems:
        click.secho(f"left out: {problem}", fg="yellow", err=True)
    if not report.sources:
        raise UserError("Nothing in these files can be imported.")
    if dry_run:
        lengths = [len(s.fields[technique.text_field].split()) for s in report.sources]
        click.echo(
            f"{len(lengths)} sources of {min(lengths)} to {max(lengths)} words "
            f"({sum(lengths) // len(lengths)} on average); nothing was imported."
        )
        return
    rows = [{"fields": dict(s.fields), "provenance": dict(s.provenance)} for s in report.sources]
    result = server.import_rows(project, rows)
    for problem in result["problems"]:
        click.secho(f"left out: {problem}", fg="yellow", err=True)
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
