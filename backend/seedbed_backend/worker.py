"""A worker: loads its model or encoder once, then serves its queue until it is told to stop."""

from __future__ import annotations

import logging
import os
from contextlib import nullcontext, suppress
from pathlib import Path

import click
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from seedbed.errors import ModelError
from seedbed_backend import analyses, jobs, judging, periodic, queues, runs
from seedbed_backend.logs import configure_logging
from seedbed_backend.queues import Queues
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings

_logger = logging.getLogger(__name__)

NICENESS = 10
"""How far a filter worker steps behind the others: about a tenth of a contended core's time."""

ROLES = {
    # In this order: all that waits is generated before the first candidate is judged.
    "generate": (queues.GENERATE, queues.JUDGE),
    "filter": (queues.REVIEW, queues.FILTER),
    "judge": (queues.JUDGE,),
}


class Worker(SimpleWorker):  # type: ignore[misc]
    """RQ's worker that runs jobs in its own process, so that a loaded model stays loaded."""

    death_penalty_class = TimerDeathPenalty


@click.command(short_help="start one more worker: generate, filter or judge")
@click.argument("role", type=click.Choice(sorted(ROLES)))
@click.option("--burst", is_flag=True, help="Stop when the queue is empty.")
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    help="Create this file once the model or encoder is loaded.",
)
def worker(role: str, burst: bool, ready_file: Path | None) -> None:
    """Start a worker: `generate` runs the model, `filter` screens, publishes and reads verdicts.

    Where a judge model is set, `generate` also judges, when nothing is left to generate; `judge`
    does nothing else, for a second machine or GPU. Start as many as the machine carries; each needs
    its model's memory.
    """
    settings = Settings.from_environment()
    configure_logging(settings.log_level)
    served = queues_of(role, settings)
    services = Services(settings)
    services.store.check()
    services.queues.check()
    if role != "filter":
        engine = services.engine if role == "generate" else services.judge
        _logger.info("model %s is loaded", engine.model.name)
        for line in engine.describe():
            _logger.info("engine: %s", line)
    else:
        _step_aside()
        services.encoder.encode(["warm-up"])
    jobs.attach(services)
    if ready_file:
        ready_file.touch()
    n_resumed = runs.resume(services)
    if n_resumed:
        _logger.info("took up %d unfinished runs", n_resumed)
    if role == "filter" and (n_analyses := analyses.resume(services)):
        _logger.info("took up %d unfinished analyses", n_analyses)
    listening = listener(served, settings)
    try:
        with periodic.ticking(services) if role == "filter" else nullcontext():
            listening.work(burst=burst, logging_level=settings.log_level)
    finally:
        listening.connection.close()
        services.close()


def listener(served: list[str], settings: Settings) -> Worker:
    """Return RQ's worker for these queues, on connections of its own.

    It waits on them for minutes, while a call on others may take five seconds (the default since
    redis-py 8). RQ sets the longer time for connections alone that are still to be made: on one that
    was used before it would give up, and be deaf for up to a minute.
    """
    connection = Queues(settings.redis_url).redis
    return Worker(served, connection=connection, serializer=JSONSerializer)


def queues_of(role: str, settings: Settings) -> list[str]:
    """Return the queues that a role serves, first things first.

    A worker without a judge model leaves judging to others. Raises ModelError for the role `judge`
    without one.
    """
    if judging.has_judge(settings):
        return list(ROLES[role])
    if role == "judge":
        raise ModelError("No judge model is set.", hint="Set SEEDBED_JUDGE_MODEL to a GGUF file.")
    return [queue for queue in ROLES[role] if queue != queues.JUDGE]


def _step_aside() -> None:
    """Let the generate worker go first: llama.cpp's threads wait for each other at every step.

    Linux weighs sessions against each other (autogroup) before it looks at a process's niceness.
    """
    os.nice(NICENESS)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS), encoding="ascii")
