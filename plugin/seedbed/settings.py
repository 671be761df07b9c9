"""The light package's settings, read from the environment in this module alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLIENT_FILE = "client.env"
"""Written by `seedbed up` into its home: NAME=value lines, used where the environment says nothing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where Label Studio and Seedbed's server are, and how to log in to them."""

    label_studio_url: str
    label_studio_api_key: str
    seedbed_url: str
    basic_auth_user: str
    basic_auth_pass: str
    log_level: str

    @staticmethod
    def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; names that Label Studio users know are kept.

        A variable that is not set is looked up in `client.env` in the folder SEEDBED_HOME
        (`.seedbed` by default), which `seedbed up` writes.
        """
        env = dict(os.environ if environment is None else environment)
        home = Path(env.get("SEEDBED_HOME", ".seedbed"))
        env = {**_read(home / CLIENT_FILE), **env}
        return Settings(
            label_studio_url=env.get("LABEL_STUDIO_URL", "http://localhost:8080").rstrip("/"),
            label_studio_api_key=env.get("LABEL_STUDIO_API_KEY", ""),
            seedbed_url=env.get("SEEDBED_URL", "http://localhost:9090").rstrip("/"),
            basic_auth_user=env.get("BASIC_AUTH_USER", "seedbed"),
            basic_auth_pass=env.get("BASIC_AUTH_PASS", ""),
            log_level=env.get("LOG_LEVEL", "INFO").upper(),
        )


def _read(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
