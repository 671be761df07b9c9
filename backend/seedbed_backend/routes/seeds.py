"""Seed selection, asked for by the `seedbed` command and worked out by a filter worker."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from seedbed.errors import UserError
from seedbed_backend import analyses, projects
from seedbed_backend.app import get_services
from seedbed_backend.seeds import MAX_SEEDS, N_SEEDS

blueprint = Blueprint("seeds", __name__)


@blueprint.post("/projects/<project_id>/seeds")
def select_seeds(project_id: str) -> Response:
    """Start a selection from the project's sources: {"n": seeds wanted}."""
    services = get_services()
    body = request.get_json(silent=True)
    n = body.get("n", N_SEEDS) if isinstance(body, dict) else N_SEEDS
    if not isinstance(n, int) or not 1 <= n <= MAX_SEEDS:
        raise UserError(f"n must be a whole number from 1 to {MAX_SEEDS}, not {n!r}.")
    project = services.store.project(project_id)
    collected = projects.collect_sources(services, project)
    started = analyses.start(services, project, "seeds", {"n": n})
    return jsonify({**analyses.started(services, started), "source_problems": collected.problems})
