"""What commands share: the server, waiting for it, what it left out, where a result is written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed.errors import ServiceError

if TYPE_CHECKING:
    from seedbed.backend_client import BackendClient

POLL_SECONDS = 0.5

output_option = click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; an older one is replaced once the new one is complete.",
)


def backend() -> BackendClient:
    """Connect to Seedbed's server as the environment or `seedbed up` says."""
    from seedbed.backend_client import BackendClient
    from seedbed.settings import Settings

    return BackendClient.from_settings(Settings.from_environment())


def wait_for_analysis(
    client: BackendClient, started: Mapping[str, Any], doing: str
) -> dict[str, Any]:
    """Wait until a filter worker has worked something out; return the whole analysis.

    A person sees that it goes on; a program sees nothing. Raises ServiceError where it failed, or
    where no filter worker runs.
    """
    from rich.console import Console

    if started["state"] not in {"done", "failed"} and not started["n_workers"]:
        raise ServiceError(
            "No filter worker is running, so nobody can work it out.",
            hint="Start the stack with `seedbed up`, or a worker: seedbed worker filter.",
        )
    found = dict(started)
    with Console(stderr=True).status(f"{doing} …"):
        while found["state"] not in {"done", "failed"}:
            time.sleep(POLL_SECONDS)
            found = client.analysis(started["id"])
    if found["state"] == "failed":
        raise ServiceError(f"{doing.capitalize()} failed: {found['error']}")
    return found


def say_left_out(answer: Mapping[str, Any]) -> None:
    """Name the sources that the server left out."""
    for problem in answer.get("source_problems", []):
        click.secho(f"left out: {problem}", fg="yellow", err=True)


def write_text(path: Path, text: str) -> None:
    """Write a file so that an older one is replaced once the new one is complete."""
    from seedbed.export.files import whole_file

    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
