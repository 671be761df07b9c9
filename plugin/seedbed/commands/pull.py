"""`seedbed pull`: approved examples out of Label Studio."""

from __future__ import annotations

from pathlib import Path

import click

from seedbed.commands.common import backend, output_option
from seedbed.errors import UserError


@click.command(short_help="get what people approved")
@click.argument("project")
@output_option
@click.option("--real", is_flag=True, help="Get the real sources instead, as examples.")
def pull(project: str, output: Path, real: bool) -> None:
    """Write PROJECT's approved examples to a JSONL file, with where each came from.

    PROJECT is a Seedbed project; everything is read from Label Studio.
    """
    from seedbed.client import Client
    from seedbed.export import write_jsonl
    from seedbed.recipe import parse
    from seedbed.settings import Settings

    settings = Settings.from_environment()
    if not settings.label_studio_api_key:
        raise UserError(
            "No Label Studio token is set.",
            hint="Set LABEL_STUDIO_API_KEY to a personal access token.",
        )
    summary = backend().project(project)
    client = Client(settings.label_studio_url, settings.label_studio_api_key)
    examples = (
        client.real(summary["source_project"], parse(summary["recipe"]).spec)
        if real
        else client.pull(summary["review_project"])
    )
    n = write_jsonl(output, (example.to_dict() for example in examples))
    click.echo(f"{n} {'real' if real else 'approved'} examples written to {output}.")
    if not n and not real:
        click.echo(f"Nobody has accepted any yet: {summary['review_url']}")


COMMANDS = (pull,)
