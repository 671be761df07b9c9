"""The functions that RQ calls by dotted path: a wire format, so thin. Arguments are ids.

A worker puts its `Services` here once at its start; each job then works on the same loaded model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from seedbed.errors import SeedbedError
from seedbed_backend import analyses, periodic, pipeline, verdicts
from seedbed_backend.services import Services

_logger = logging.getLogger(__name__)
_services: Services | None = None

RETRY_PAUSES_SECONDS = (1, 5, 15, 30, 60)
"""How long a step waits for a service that is away, e.g. a Label Studio that is being restarted."""


def attach(services: Services) -> None:
    """Give this process's jobs what they work with."""
    global _services
    _services = services


def services() -> Services:
    """Return what `attach` gave. Raises RuntimeError in a process that is no worker."""
    if _services is None:
        raise RuntimeError("jobs run inside `seedbed worker` only")
    return _services


def generate(batch_id: str) -> None:
    """Generate one batch."""
    run_id = services().store.batch(batch_id).run_id
    _guarded(run_id, lambda: pipeline.generate(services(), batch_id))


def screen(batch_id: str) -> None:
    """Screen one batch."""
    run_id = services().store.batch(batch_id).run_id
    _guarded(run_id, lambda: pipeline.screen(services(), batch_id))


def judge(batch_id: str) -> None:
    """Judge one batch."""
    run_id = services().store.batch(batch_id).run_id
    _guarded(run_id, lambda: pipeline.judge(services(), batch_id))


def close_wave(run_id: str, wave: int) -> None:
    """Close one wave of a run."""
    _guarded(run_id, lambda: pipeline.close_wave(services(), run_id, wave))


def publish(run_id: str) -> None:
    """Publish a run's survivors."""
    _guarded(run_id, lambda: pipeline.publish(services(), run_id))


def read_verdict(project_id: str, task_id: int) -> None:
    """Read one review task's annotations and write down its verdict."""
    _tried(
        f"verdict on task {task_id}", lambda: verdicts.read_task(services(), project_id, task_id)
    )


def mark_verdicts(project_id: str) -> None:
    """Let Label Studio show which verdicts stand."""
    _tried(f"marks of project {project_id}", lambda: verdicts.mark(services(), project_id))


def sync(project_id: str) -> None:
    """Read what a project's reviewers did of late, in case a message about it was lost."""
    _tried(f"sync of project {project_id}", lambda: periodic.sync(services(), project_id))


def analyse(analysis_id: str) -> None:
    """Work an analysis out."""
    for pause_seconds in (*RETRY_PAUSES_SECONDS, None):
        try:
            analyses.perform(services(), analysis_id)
            return
        except SeedbedError as exc:
            if exc.retryable and pause_seconds is not None:
                _logger.warning("analysis %s: %s (again in %d s)", analysis_id, exc, pause_seconds)
                time.sleep(pause_seconds)
                continue
            analyses.fail(services(), analysis_id, str(exc))
            return
        except Exception as exc:
            analyses.fail(services(), analysis_id, f"Internal error: {type(exc).__name__}: {exc}")
            raise


def _tried(doing: str, step: Callable[[], object]) -> None:
    """Run a step that the next periodic sync makes good where it fails now."""
    try:
        step()
    except SeedbedError as exc:
        _logger.warning("%s: %s (the next sync tries again)", doing, exc)


def _guarded(run_id: str, step: Callable[[], None]) -> None:
    """Run a step of a run. A service that is away is waited for; what cannot heal fails the run.

    A failed run says why, keeps all that it has, and goes on from there with `--resume`.
    """
    store = services().store
    for pause_seconds in (*RETRY_PAUSES_SECONDS, None):
        try:
            step()
            return
        except SeedbedError as exc:
            if exc.retryable and pause_seconds is not None:
                _logger.warning("run %s: %s (again in %d s)", run_id, exc, pause_seconds)
                time.sleep(pause_seconds)
                continue
            _logger.error("run %s: %s", run_id, exc)
            store.update_run(run_id, state="failed", error=str(exc))
            return
        except Exception as exc:
            store.update_run(
                run_id, state="failed", error=f"Internal error: {type(exc).__name__}: {exc}"
            )
            raise
