"""`seedbed pull`: examples out of Label Studio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed.commands.common import backend, output_option
from seedbed.errors import UserError

if TYPE_CHECKING:
    from seedbed.client import Client
    from seedbed.technique import Technique


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a project's tasks are in Label Studio, and what its sources are."""

    review_project: int
    source_project: int
    technique: str | Technique
    review_url: str = ""


@click.command(short_help="get what people approved")
@click.argument("project", required=False)
@output_option
@click.option(
    "--policy",
    type=click.Choice(("reviewed", "gated")),
    default="reviewed",
    show_default=True,
    help="gated: also what nobody has judged of runs whose acceptance gate is passed or released.",
)
@click.option("--since", help="Leave out what was decided before: 2026-01-31T08:30:00Z.")
@click.option("--real", is_flag=True, help="Get the real sources instead, as examples.")
@click.option(
    "--preferences", is_flag=True, help="Get what people fixed, as pairs: theirs and the model's."
)
@click.option(
    "--chunks", is_flag=True, help="Get the passages of documents, for a retrieval index."
)
@click.option(
    "--reviewer-ids", is_flag=True, help="Name reviewers by Label Studio's user ids, no pseudonyms."
)
@click.option(
    "--label-studio-project",
    "number",
    type=int,
    help="In place of PROJECT: its number in Label Studio. Seedbed's server is not asked.",
)
@click.option(
    "--technique",
    help="With --label-studio-project and --real or --chunks: what was grown from it.",
)
def pull(
    project: str | None,
    output: Path,
    policy: str,
    since: str | None,
    real: bool,
    preferences: bool,
    chunks: bool,
    reviewer_ids: bool,
    number: int | None,
    technique: str | None,
) -> None:
    """Write PROJECT's approved examples to a JSONL file, with where each came from.

    PROJECT is a Seedbed project; what is written is read from Label Studio alone. The file appears
    when it is complete.
    """
    from seedbed.client import moment
    from seedbed.export import write_jsonl

    kinds = {"--real": real, "--preferences": preferences, "--chunks": chunks}
    _check_options(kinds, policy, since, reviewer_ids)
    _check_place(project, number, technique, real or chunks)
    after = moment(since) if since else None
    reviewers: Any = "ids" if reviewer_ids else "pseudonyms"
    with _connect() as client:
        place = _place(project, number, technique)
        if real:
            rows = (e.to_dict() for e in client.real(place.source_project, place.technique))
            _say(write_jsonl(output, rows), "real examples", output)
        elif chunks:
            found = client.chunks(place.source_project, place.technique)
            _say(write_jsonl(output, found), "passages", output)
        else:
            examples = (
                client.preferences(place.review_project, after, reviewers)
                if preferences
                else client.pull(place.review_project, policy, after, reviewers)
            )
            what = "preference pairs" if preferences else _KINDS[policy]
            _say(write_jsonl(output, (e.to_dict() for e in examples)), what, output)
            if why := examples.why_left_out():
                click.echo(f"Left out: {why}.")
            if not examples.n and place.review_url:
                click.echo(f"The review project: {place.review_url}")


_KINDS = {"reviewed": "approved examples", "gated": "examples of approved ones and passed runs"}


def _say(n: int, what: str, output: Path) -> None:
    click.echo(f"{n} {what} written to {output}.")


def _check_options(
    kinds: Mapping[str, bool], policy: str, since: str | None, reviewer_ids: bool
) -> None:
    chosen = [name for name, is_chosen in kinds.items() if is_chosen]
    if len(chosen) > 1:
        raise UserError(f"{chosen[0]} and {chosen[1]} are different files.", hint="Give one.")
    reading_sources = [name for name in chosen if name != "--preferences"]
    given = {"--policy": policy != "reviewed", "--since": since, "--reviewer-ids": reviewer_ids}
    useless = [name for name, is_given in given.items() if is_given]
    if reading_sources and useless:
        raise UserError(
            f"{useless[0]} says nothing with {chosen[0]}: nobody judges sources.",
            hint=f"Leave {useless[0]} out.",
        )
    if chosen and policy != "reviewed":
        raise UserError(
            f"--policy {policy} says nothing with {chosen[0]}: pairs are made of what people fixed.",
            hint="Leave --policy out.",
        )


def _check_place(
    project: str | None, number: int | None, technique: str | None, needs_technique: bool
) -> None:
    if bool(project) == bool(number):
        raise UserError(
            "Nothing says which project, or two things do.",
            hint="Give PROJECT, or --label-studio-project with its number in Label Studio.",
        )
    if number and needs_technique and not technique:
        raise UserError(
            "Label Studio does not say what the sources are.", hint="Give --technique NAME."
        )
    if technique and not number:
        raise UserError(
            "--technique goes with --label-studio-project: PROJECT knows its own.",
            hint="Leave --technique out.",
        )


def _place(project: str | None, number: int | None, technique: str | None) -> _Place:
    """Find the projects in Label Studio: given by number, or by Seedbed's server."""
    from seedbed.recipe import parse

    if number:
        return _Place(number, number, technique or "")
    summary = backend().project(str(project))
    return _Place(
        summary["review_project"],
        summary["source_project"],
        parse(summary["recipe"]).spec,
        summary["review_url"],
    )


def _connect() -> Client:
    from seedbed.client import Client
    from seedbed.settings import Settings

    settings = Settings.from_environment()
    if not settings.label_studio_api_key:
        raise UserError(
            "No Label Studio token is set.",
            hint="Set LABEL_STUDIO_API_KEY to a personal access token.",
        )
    return Client(settings.label_studio_url, settings.label_studio_api_key)


COMMANDS = (pull,)
