"""Analyses: what takes the encoder, or many seconds, is worked out by a filter worker on request."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seedbed.errors import NotFoundError, ServiceError
from seedbed.records import content_id
from seedbed_backend import findings, queues, rescreen, seeds, suggestions
from seedbed_backend.services import Services
from seedbed_backend.store import Analysis, AnalysisKind, Project, utc_now

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an analysis found: JSON values, and an SVG where it drew one."""

    result: Mapping[str, Any]
    picture: str = ""


_KINDS: Mapping[AnalysisKind, Callable[[Services, Analysis], Outcome]] = {
    "report": lambda services, analysis: Outcome(*findings.find(services, analysis)),
    "rescreen": lambda services, analysis: Outcome(rescreen.perform(services, analysis)),
    "seeds": lambda services, analysis: Outcome(seeds.perform(services, analysis)),
    "suggestions": lambda services, analysis: Outcome(suggestions.perform(services, analysis)),
}


def start(
    services: Services, project: Project, kind: AnalysisKind, options: Mapping[str, Any]
) -> Analysis:
    """Queue an analysis for a filter worker.

    Raises ServiceError when Redis is away; nobody takes the analysis up later then.
    """
    moment = utc_now()
    analysis = Analysis(
        id=content_id("analysis", project.id, kind, dict(options), moment),
        project_id=project.id,
        kind=kind,
        options=options,
        created_at=moment,
    )
    services.store.add_analysis(analysis)
    try:
        services.queues.enqueue(queues.FILTER, "analyse", analysis.id, is_urgent=True)
    except ServiceError as exc:
        fail(services, analysis.id, str(exc))
        raise
    return analysis


def perform(services: Services, analysis_id: str) -> None:
    """Work an analysis out, unless it has ended; one that was interrupted is begun again."""
    analysis = services.store.analysis(analysis_id)
    if analysis.state in {"done", "failed"}:
        return
    services.store.update_analysis(analysis_id, state="working")
    outcome = _KINDS[analysis.kind](services, analysis)
    services.store.update_analysis(
        analysis_id,
        state="done",
        result=dict(outcome.result),
        picture=outcome.picture,
        finished_at=utc_now(),
    )


def fail(services: Services, analysis_id: str, error: str) -> None:
    """End an analysis that cannot be worked out, saying why."""
    services.store.update_analysis(analysis_id, state="failed", error=error, finished_at=utc_now())


def resume(services: Services) -> int:
    """Queue again what was asked for and never finished; return how many analyses that were."""
    waiting = services.store.unfinished_analyses()
    for analysis in waiting:
        if not services.queues.is_waiting(queues.FILTER, "analyse", analysis.id):
            services.queues.enqueue(queues.FILTER, "analyse", analysis.id)
    return len(waiting)


def summary(analysis: Analysis) -> dict[str, Any]:
    """Describe an analysis for the API."""
    return {
        "id": analysis.id,
        "project": analysis.project_id,
        "kind": analysis.kind,
        "options": dict(analysis.options),
        "state": analysis.state,
        "error": analysis.error,
        "result": None if analysis.result is None else dict(analysis.result),
        "has_picture": bool(analysis.picture),
        "created_at": analysis.created_at,
        "finished_at": analysis.finished_at,
    }


def started(services: Services, analysis: Analysis) -> dict[str, Any]:
    """Describe an analysis to who waits for it, with the filter workers that could do it."""
    try:
        n_workers = services.queues.count_workers(queues.FILTER)
    except ServiceError:
        n_workers = 0
    return {**summary(analysis), "n_workers": n_workers}


def require_picture(analysis: Analysis) -> str:
    """Return the analysis's SVG. Raises NotFoundError where it has none."""
    if not analysis.picture:
        raise NotFoundError(f"The analysis {analysis.id} has no picture.")
    return analysis.picture
