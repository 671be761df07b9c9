"""What commands share: the server's address and password, and where a result is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from seedbed.backend_client import BackendClient

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
