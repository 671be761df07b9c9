"""`seedbed export`: examples as a trainer reads them."""

from __future__ import annotations

from pathlib import Path

import click

from seedbed.commands.common import output_option


@click.command(short_help="write it as your trainer reads it")
@click.argument("examples", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format",
    "format_name",
    required=True,
    help="trl-preference, openai-messages, alpaca or records.",
)
@output_option
def export(examples: Path, format_name: str, output: Path) -> None:
    """Write pulled or merged EXAMPLES as a trainer reads them; each row keeps its origin."""
    from seedbed.export import export as export_examples
    from seedbed.export import read_examples

    n = export_examples(read_examples(examples), format_name, output)
    click.echo(f"{n} rows written to {output} as {format_name}.")


COMMANDS = (export,)
