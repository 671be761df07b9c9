"""The real Label Studio of the integration tests, and a Chromium."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import chromium


@pytest.fixture(scope="session")
def annotator(label_studio: Any) -> Iterator[chromium.Annotator]:
    """A person who has logged in, with one browser for all tests.

    Skips, saying so, where the machine has no Chromium.
    """
    program = chromium.find()
    if program is None:
        pytest.skip(f"no Chromium on this machine (looked for {', '.join(chromium.NAMES)})")
    with chromium.browsing(program) as page:
        person = chromium.Annotator(page, label_studio.url)
        person.log_in(label_studio.user, label_studio.password)
        yield person


@pytest.fixture
def screenshot(annotator: chromium.Annotator) -> Callable[[str], None]:
    """Write a screenshot into the folder SEEDBED_SCREENSHOTS, where that is set."""
    folder = os.environ.get("SEEDBED_SCREENSHOTS")

    def take(name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            annotator.page.wait_for_timeout(300)  # let transitions end
            annotator.page.screenshot(path=Path(folder) / f"{name}.png")

    return take
