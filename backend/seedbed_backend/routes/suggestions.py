"""What to review next, asked for by the `seedbed` command and worked out by a filter worker."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from seedbed_backend import analyses
from seedbed_backend.app import get_services
from seedbed_backend.routes.bodies import json_body, whole_number
from seedbed_backend.suggestions import MAX_SUGGESTIONS, N_SUGGESTIONS

blueprint = Blueprint("suggestions", __name__)


@blueprint.post("/projects/<project_id>/suggestions")
def suggest(project_id: str) -> Response:
    """Find survivors that are like what was rejected: {"n": suggestions wanted}."""
    services = get_services()
    n = whole_number("n", json_body().get("n", N_SUGGESTIONS), MAX_SUGGESTIONS)
    project = services.store.project(project_id)
    started = analyses.start(services, project, "suggestions", {"n": n})
    return jsonify(analyses.started(services, started))
