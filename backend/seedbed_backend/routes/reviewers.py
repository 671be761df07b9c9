"""Those who review, and what their verdicts say about them."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from seedbed_backend import reviewers
from seedbed_backend.app import get_services

blueprint = Blueprint("reviewers", __name__)


@blueprint.get("/projects/<project_id>/reviewers")
def show_reviewers(project_id: str) -> Response:
    """Show per reviewer counts, canaries and times; how far reviewers agree; where they do not."""
    services = get_services()
    return jsonify(reviewers.report(services, services.store.project(project_id)))
