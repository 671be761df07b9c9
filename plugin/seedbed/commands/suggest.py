"""`seedbed suggest`: what to review next, because it is like what was rejected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from seedbed.commands.common import backend as connect
from seedbed.commands.common import wait_for_analysis
from seedbed.text import shortened

_LENGTH = 160


@click.command(short_help="say what else to review: what is like the rejected ones")
@click.argument("project")
@click.option("-n", "n", default=20, show_default=True, help="How many to suggest at most.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def suggest(project: str, n: int, as_json: bool) -> None:
    """Name the survivors of PROJECT that nobody has judged and that are like rejected ones.

    They are nearer in meaning to a rejected candidate than to any accepted one, and stand in the tab
    "Like rejected" of the review project, the nearest first. They are no random sample: verdicts on
    them do not count in the acceptance rate, unless the candidate is in the review sample as well.
    """
    backend = connect()
    started = backend.start_suggestions(project, n)
    report = wait_for_analysis(backend, started, "looking for what is like the rejected ones")[
        "result"
    ]
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    _print(report)


def _print(report: Mapping[str, Any]) -> None:
    found = report["suggestions"]
    judged = f"{report['n_rejected']} rejected and {report['n_accepted']} accepted ones"
    if not found:
        click.echo(
            f"Of {report['n_waiting']} survivors that nobody has judged, none is nearer to a rejected "
            f"one than to an accepted one ({judged})."
        )
        return
    click.echo(
        f"{report['n_near']} of {report['n_waiting']} survivors that nobody has judged are nearer to "
        f"a rejected one than to an accepted one ({judged})."
    )
    for each in found:
        rejected = each["rejected"]
        why = ", ".join(rejected["reasons"]) or "no reason given"
        beside = ", of the same source" if each["is_same_source"] else ""
        click.echo(f"\n{each['id'][:8]}  task {each['task']}  similarity {each['similarity']:.2f}")
        click.echo(f"  {shortened(each['text'], _LENGTH)}")
        click.secho(
            f"  like {rejected['id'][:8]}{beside} ({why}): {shortened(rejected['text'], _LENGTH)}",
            dim=True,
        )
    click.echo('\nThey stand in the tab "Like rejected" of the review project.')


COMMANDS = (suggest,)
