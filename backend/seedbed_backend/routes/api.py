"""The JSON API that the `seedbed` command and the web page stand on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from seedbed.errors import UserError
from seedbed.recipe import parse
from seedbed_backend import doctor, projects, report, runs, verdicts
from seedbed_backend.app import get_services

blueprint = Blueprint("api", __name__)

MAX_TARGET = 100_000


@blueprint.get("/projects")
def list_projects() -> Response:
    """List the projects with their latest run."""
    services = get_services()
    return jsonify(
        projects=[report.project_summary(services.store, p) for p in services.store.projects()]
    )


@blueprint.post("/projects")
def save_project() -> Response:
    """Create or repair a project: {"name", "recipe"}."""
    body = _body()
    name = _text(body, "name")
    project = projects.save(get_services(), name, parse(body.get("recipe"), "The recipe"))
    return jsonify(report.project_summary(get_services().store, project))


@blueprint.get("/projects/<project_id>")
def show_project(project_id: str) -> Response:
    """Show a project, its funnel and its verdicts."""
    store = get_services().store
    return jsonify(report.project_summary(store, store.project(project_id)))


@blueprint.post("/projects/<project_id>/sources")
def import_sources(project_id: str) -> Response:
    """Import rows: {"rows": [{"fields": {...}, "provenance": {...}}]}."""
    rows = _body().get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError("The body has no list of rows.", hint='Send {"rows": [{"fields": {}}]}.')
    services = get_services()
    project = services.store.project(project_id)
    return jsonify(asdict(projects.import_rows(services, project, rows)))


@blueprint.post("/projects/<project_id>/runs")
def start_run(project_id: str) -> Response:
    """Start a run: {"target": survivors wanted}."""
    services = get_services()
    project = services.store.project(project_id)
    target = _body().get("target")
    if not isinstance(target, int) or not 1 <= target <= MAX_TARGET:
        raise UserError(
            f"target must be a whole number from 1 to {MAX_TARGET}, not {target!r}.",
            hint="It is the number of examples that you want to survive the filters.",
        )
    collected = projects.collect_sources(services, project)
    run = runs.start(services, project, target)
    return jsonify(
        {**report.run_summary(services.store, run), "source_problems": collected.problems}
    )


@blueprint.get("/runs/<run_id>")
def show_run(run_id: str) -> Response:
    """Show a run: state, funnel, error."""
    services = get_services()
    return jsonify(report.run_summary(services.store, services.store.run(run_id)))


@blueprint.post("/runs/<run_id>/resume")
def resume_run(run_id: str) -> Response:
    """Take up a run that failed or was interrupted; nothing is done twice."""
    services = get_services()
    runs.resume_run(services, run_id)
    return jsonify(report.run_summary(services.store, services.store.run(run_id)))


@blueprint.post("/projects/<project_id>/sync")
def sync(project_id: str) -> Response:
    """Read all verdicts from Label Studio now."""
    services = get_services()
    return jsonify(asdict(verdicts.sync(services, project_id)))


@blueprint.get("/doctor")
def show_doctor() -> Response:
    """Check every moving part."""
    return jsonify(checks=[asdict(check) for check in doctor.examine(get_services())])


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise UserError("The request's body is not a JSON object.")
    return body


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{key!r} is missing.")
    return value.strip()
