"""The `seedbed` command, as a person runs it beside the running stack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from seedbed_backend.stack.stack import Stack


@pytest.fixture(scope="session")
def run_seedbed(stack: Stack) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the command, which must end with `code`."""

    def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "seedbed", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=os.environ | stack.environment | {"COLUMNS": "160"},
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run
