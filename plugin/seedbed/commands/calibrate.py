"""`seedbed calibrate`: what the verdicts teach about scores and thresholds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click
import yaml

from seedbed.commands.common import backend as connect
from seedbed.commands.common import wait_for_analysis
from seedbed.commands.rescreen import sections as rescreen_sections
from seedbed.errors import ServiceError
from seedbed.sections import Section, show


@click.command(short_help="see what the verdicts teach about thresholds")
@click.argument("project")
@click.option(
    "--target",
    type=click.FloatRange(0.5, 1.0, max_open=True),
    default=0.9,
    show_default=True,
    help="The share of accepted candidates to be sure of (lower bound of the 95 % interval).",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def calibrate(project: str, target: float, as_json: bool) -> None:
    """Say what PROJECT's verdicts teach: precision and yield of every threshold, and one to set.

    Only the random review sample counts. At least 50 verdicts are needed, 10 of each kind. What the
    proposal would change is shown by a re-screening that changes nothing.
    """
    backend = connect()
    found = backend.calibrate(project, target)
    effect = None
    if found["proposal"]:
        try:
            started = backend.start_rescreen(project, changes=found["proposal"]["changes"])
            analysis = wait_for_analysis(backend, started, "trying the proposal")
            effect = analysis["result"]
        except ServiceError as exc:
            click.secho(f"What it would change is not known: {exc.message}", fg="yellow", err=True)
    if as_json:
        click.echo(json.dumps({**found, "effect": effect}, ensure_ascii=False, indent=2))
        return
    told = [_score(each, found) for each in found["scores"] if len(each["thresholds"]) > 1]
    show([_summary(found), *told])
    _print_proposal(project, found)
    if effect:
        show(rescreen_sections(effect)[:2])


def _summary(found: Mapping[str, Any]) -> Section:
    lines = [
        f"{found['n_judged']} judged, {found['n_accepted']} accepted or fixed: "
        f"{found['rate']:.0%} [{found['low']:.0%}, {found['high']:.0%}], target "
        f"{found['target']:.0%}."
    ]
    if found["n_outside_sample"]:
        lines.append(
            f"{found['n_outside_sample']} more verdicts are outside the random sample and do not "
            "count."
        )
    rows = []
    for score in found["scores"]:
        auroc = score["auroc"]
        told = f"{auroc['value']:.2f} [{auroc['low']:.2f}, {auroc['high']:.2f}]" if auroc else "-"
        rows.append((score["name"], score["n"], told))
    columns = ("score of", "#judged", "AUROC against people (0.5 is chance)")
    return Section("What people say about the scores", lines, columns, rows)


def _score(score: Mapping[str, Any], found: Mapping[str, Any]) -> Section:
    best = score["best"]
    rows = [
        (
            f"≥ {row['threshold']:.2f}",
            f"{row['precision']:.0%} [{row['low']:.0%}, {row['high']:.0%}]",
            f"{row['kept_fraction']:.0%}",
            f"{row['n_accepted']} of {row['n_kept']}",
            "◀ reaches the target" if best and row["threshold"] == best["threshold"] else "",
        )
        for row in score["thresholds"]
    ]
    columns = (score["name"], "accepted", "#kept", "#n", "")
    lines = [] if best else [f"No threshold is sure of {found['target']:.0%}."]
    return Section(f"Threshold for {score['name']}", lines, columns, rows)


def _print_proposal(project: str, found: Mapping[str, Any]) -> None:
    click.secho("\nProposal", bold=True)
    proposal = found["proposal"]
    if found["is_reached"]:
        click.echo(f"  None: the target of {found['target']:.0%} is reached as it is.")
    elif proposal is None:
        click.echo(
            f"  None: no threshold of a filter is sure of {found['target']:.0%}. Judge more, lower "
            "--target, or mend prompt and sources."
        )
    else:
        click.echo(
            f"  {proposal['name']} ≥ {proposal['threshold']:.2f}: {proposal['precision']:.0%} "
            f"[{proposal['low']:.0%}, {proposal['high']:.0%}] accepted, "
            f"{proposal['kept_fraction']:.0%} kept. In the recipe:\n"
        )
        written = yaml.safe_dump(proposal["changes"], sort_keys=False)
        click.echo("".join(f"    {line}\n" for line in written.splitlines()))
        click.echo(f"  To set it: seedbed rescreen {project} {_options(proposal)} --apply")
    click.echo(f"  {found['note']}")


def _options(proposal: Mapping[str, Any]) -> str:
    name, threshold = proposal["name"], proposal["threshold"]
    if "judge" in proposal["changes"]:
        return f"--set judge.minimum={threshold}"
    return f"--set filters.minimum_scores.minimums.{name}={threshold}"


COMMANDS = (calibrate,)
