"""Seed selection, asked for by the `seedbed` command and worked out by a filter worker."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from seedbed_backend import analyses, projects
from seedbed_backend.app import get_services
from seedbed_backend.routes.bodies import json_body, whole_number
from seedbed_backend.seeds import MAX_SEEDS, N_SEEDS

blueprint = Blueprint("seeds", __name__)


@blueprint.post("/projects/<project_id>/seeds")
def select_seeds(project_id: str) -> Response:
    """Start a selection from the project's sources: {"n": seeds wanted}."""
    services = get_services()
    n = whole_number("n", json_body().get("n", N_SEEDS), MAX_SEEDS)
    project = services.store.project(project_id)
    collected = projects.collect_sources(services, project)
    started = analyses.start(services, project, "seeds", {"n": n})
    return jsonify({**analyses.started(services, started), "source_problems": collected.problems})
