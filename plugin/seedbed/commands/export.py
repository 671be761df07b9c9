"""`seedbed export` and `seedbed verify`: a data set as a trainer reads it, and whether it still is."""

from __future__ import annotations

from pathlib import Path

import click

from seedbed.commands.common import backend

_FORMATS = (
    "trl-prompt-completion, trl-preference, trl-language-modeling, openai-messages, sharegpt, alpaca, "
    "llama-factory, records, rag-chunks or parquet."
)


@click.command(short_help="write it as your trainer reads it")
@click.argument("examples", type=click.Path(path_type=Path))
@click.option("--format", "format_name", required=True, help=_FORMATS)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to write, or one file that ends in .jsonl or .parquet. It appears when it is "
    "complete; of what was there only an earlier export is replaced.",
)
@click.option("--chat", is_flag=True, help="Write messages, in formats that have both.")
@click.option("--title", default="", help="Of the dataset card.")
@click.option("--license", "license_", default="", help="Such as apache-2.0; for the card.")
@click.option(
    "--language", "languages", multiple=True, help="Such as en; for the card. May be repeated."
)
@click.option(
    "--project",
    "projects",
    multiple=True,
    help="Ask Seedbed's server about this project, for recipe, filters and acceptance rate on the "
    "card. May be repeated.",
)
def export(
    examples: Path,
    format_name: str,
    output: Path,
    chat: bool,
    title: str,
    license_: str,
    languages: tuple[str, ...],
    projects: tuple[str, ...],
) -> None:
    """Write EXAMPLES as a trainer reads them, with a dataset card and a manifest.

    EXAMPLES is a folder that `seedbed merge` wrote, or a file of `seedbed pull`. Each row keeps where
    it came from.
    """
    from seedbed.export import About, export

    about = About(license=license_, languages=languages, projects=_known_of(projects))
    if title:
        about = About(title, license_, languages, about.projects)
    written = export(examples, format_name, output, chat=chat, about=about)
    if output.is_dir():
        counts = ", ".join(f"{n} {split}" for split, n in written.items())
        click.echo(
            f"{counts} rows written to {output}/ as {format_name}, with README.md (the card)."
        )
    else:
        click.echo(f"{sum(written.values())} rows written to {output} as {format_name}.")


@click.command(short_help="check an exported data set against its manifest")
@click.argument("folder", type=click.Path(path_type=Path))
def verify(folder: Path) -> None:
    """Check every file of FOLDER against its manifest; exit with 1 where something differs.

    It tells what changed by accident, or by somebody who left the manifest alone.
    """
    from seedbed.export import manifest

    differences = manifest.verify(folder)
    for difference in differences:
        click.secho(difference, fg="red")
    if differences:
        raise click.exceptions.Exit(1)
    n = len(manifest.read(folder)["files"])
    click.echo(f"All {n} files of {folder} are as they were exported.")


def _known_of(projects: tuple[str, ...]) -> tuple[dict[str, object], ...]:
    if not projects:
        return ()
    client = backend()
    return tuple(client.datasheet(project) for project in projects)


COMMANDS = (export, verify)
