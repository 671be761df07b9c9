"""Runs the insights over a project, and draws its picture: in a filter worker, since both encode."""

from __future__ import annotations

import json
import logging
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seedbed import __version__
from seedbed.recipe import parse
from seedbed_backend.insights import ReportData, insights
from seedbed_backend.services import Services
from seedbed_backend.store import Analysis, Store

_logger = logging.getLogger(__name__)

MAX_DROPPED = 20_000
"""How many dropped candidates the insights see at most; taken by id, which is as good as random."""


def fingerprint(store: Store, project_id: str, recipe_hash: str, run_id: str | None) -> list[Any]:
    """Return what a finished analysis is still true for: data, recipe, run and Seedbed's version."""
    return [*store.fingerprint(project_id), recipe_hash, run_id or "", __version__]


def find(services: Services, analysis: Analysis) -> tuple[dict[str, Any], str]:
    """Return the findings, the problems (insights that failed, named), and the picture as SVG.

    One insight that fails does not lose the others.
    """
    data = read(services, analysis.project_id, analysis.options.get("run"))
    found, problems = [], []
    for name, insight in insights().items():
        try:
            finding = insight.find(data)
            if finding is not None:
                found.append(plain(asdict(finding)))
        except Exception as exc:  # noqa: BLE001 - whatever an installed insight raises
            _logger.warning("analysis %s: %s failed: %s", analysis.id, name, type(exc).__name__)
            problems.append(
                f"{name} failed ({type(exc).__name__}: {exc}); the others are complete."
            )
    picture = ""
    try:
        picture = _draw(data)
    except Exception as exc:  # noqa: BLE001 - the findings are worth having without it
        _logger.warning("analysis %s: no picture: %s", analysis.id, type(exc).__name__)
        problems.append(f"the picture could not be drawn ({type(exc).__name__}: {exc}).")
    return {"findings": found, "problems": problems}, picture


def read(services: Services, project_id: str, run_id: str | None = None) -> ReportData:
    """Read what the insights look at: all that was kept, and the dropped ones up to a bound."""
    store = services.store
    project = store.project(project_id)
    kept = store.candidates(run_id=run_id, project_id=project_id, states=("kept", "survivor"))
    dropped = store.candidates(
        run_id=run_id, project_id=project_id, states=("dropped",), limit=MAX_DROPPED
    )
    return ReportData(
        recipe=parse(project.recipe),
        sources=store.sources(project_id),
        candidates=[*kept, *dropped],
        encoder=services.encoder,
        review_fraction=project.sampled_fraction,
    )


def plain(values: Any) -> Any:
    """Return values as JSON holds them: numpy's numbers become Python's, NaN becomes None."""
    return json.loads(json.dumps(values, default=_plain), parse_constant=lambda _: None)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def _draw(data: ReportData) -> str:
    from seedbed_backend import picture

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        picture.draw(data, path)
        return path.read_text(encoding="utf-8") if path.exists() else ""
