"""Review of a project: verdicts, the gate, the sample, the reviewers."""

from __future__ import annotations

import click

from seedbed.commands.common import backend


@click.command(short_help="read all verdicts from Label Studio now")
@click.argument("project")
def sync(project: str) -> None:
    """Read all verdicts of PROJECT from Label Studio now, in case a message was lost."""
    result = backend().sync(project)
    click.echo(
        f"{result['n_judged']} judged; {result['n_changed']} verdicts changed, "
        f"{result['n_withdrawn']} were taken back."
    )


COMMANDS = (sync,)
