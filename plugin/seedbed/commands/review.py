"""Review of a project: verdicts, the sample, the gate and what managers decide, the audit trail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from seedbed import gate_report
from seedbed.commands.common import backend, output_option
from seedbed.sections import Section, show

_reason = click.option("--reason", default="", help="Why; it is kept in the audit trail.")
_author = click.option("--by", default="", help="Who decides; else Seedbed's Label Studio account.")


@click.command(short_help="read all verdicts from Label Studio now")
@click.argument("project")
def sync(project: str) -> None:
    """Read all verdicts of PROJECT from Label Studio now, in case a message was lost."""
    result = backend().sync(project)
    click.echo(
        f"{result['n_judged']} judged; {result['n_changed']} verdicts changed, "
        f"{result['n_withdrawn']} were taken back."
    )
    if n := result["n_published_again"]:
        click.echo(
            f"{n} of the sample had been deleted in Label Studio and are before people again."
        )


@click.command(short_help="see, or change, which share people judge")
@click.argument("project")
@click.option(
    "--fraction", type=float, help="The share of the survivors to be judged, such as 0.2."
)
@click.option("--force", is_flag=True, help="Also outside 0.10 to 0.20, or smaller than before.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def sample(project: str, fraction: float | None, force: bool, as_json: bool) -> None:
    """Show how much of PROJECT's random review sample is judged; --fraction enlarges it.

    Enlarging it only lets the tab in Label Studio show more of the tasks that are there: what was in
    the sample stays in it. Every change is in the audit trail.
    """
    client = backend()
    if fraction is not None:
        client.change_sample(project, fraction, force=force)
    found = client.gate(project)
    _print(found, as_json, gate_report.sample(found))


@click.command(short_help="see which runs may be handed out, and what is missing")
@click.argument("project")
@click.option("--run", help="Only this run (the beginning of its id will do).")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def gate(project: str, run: str | None, as_json: bool) -> None:
    """Say of each run of PROJECT whether its unjudged rows may be handed out, and what to do next.

    A run passes when its whole random sample is judged and the 95 % interval of the acceptance rate
    lies above the target; below it, it is held. In between more verdicts are needed.
    """
    found = backend().gate(project, run)
    _print(found, as_json, *gate_report.sections(found))


@click.command(short_help="let a run through the gate, whatever the verdicts say")
@click.argument("project")
@click.argument("run", required=False)
@_reason
@_author
@click.option("--undo", is_flag=True, help="Take the last decision back: the verdicts count again.")
def release(project: str, run: str | None, reason: str, by: str, undo: bool) -> None:
    """Release RUN of PROJECT (the beginning of its id will do), with a reason.

    RUN may be left out where there is only one.
    """
    _decide(project, "release", run, reason, by, is_undone=undo)


@click.command(short_help="hold a run back, whatever the verdicts say")
@click.argument("project")
@click.argument("run", required=False)
@_reason
@_author
@click.option("--undo", is_flag=True, help="Take the last decision back: the verdicts count again.")
def hold(project: str, run: str | None, reason: str, by: str, undo: bool) -> None:
    """Hold RUN of PROJECT back (the beginning of its id will do), with a reason.

    RUN may be left out where there is only one.
    """
    _decide(project, "hold", run, reason, by, is_undone=undo)


@click.command(short_help="write the audit trail to a file")
@click.argument("project")
@output_option
def audit(project: str, output: Path) -> None:
    """Write everything that happened to PROJECT, its runs and its candidates: a line of JSON each.

    Among it is what it takes to draw the review sample again (docs/review.md).
    """
    from seedbed.export.files import whole_file

    n_lines = 0
    with whole_file(output) as part, part.open("wb") as file:
        for piece in backend().audit_trail(project):
            n_lines += piece.count(b"\n")
            file.write(piece)
    click.echo(f"{n_lines} events written to {output}.")


def _decide(
    project: str, decision: str, run: str | None, reason: str, by: str, *, is_undone: bool
) -> None:
    word = "undo" if is_undone else decision
    found = backend().decide(project, word, run=run, reason=reason, author=by)
    click.echo(gate_report.run_line(found["runs"][0]))
    click.echo(gate_report.advice(found, found["runs"][0]))


def _print(found: dict[str, Any], as_json: bool, *sections: Section) -> None:
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        show(sections)


COMMANDS = (sync, gate, sample, release, hold, audit)
