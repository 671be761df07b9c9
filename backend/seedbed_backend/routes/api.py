"""The JSON API that the `seedbed` command and the web page stand on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify

from seedbed.errors import ServiceError, UserError
from seedbed.recipe import parse
from seedbed_backend import (
    doctor,
    feedback,
    fitting,
    outlook,
    projects,
    queues,
    report,
    runs,
    trials,
    verdicts,
)
from seedbed_backend.app import get_services
from seedbed_backend.routes.bodies import json_body, whole_number
from seedbed_backend.services import Services
from seedbed_backend.store import Project, Run

blueprint = Blueprint("api", __name__)

MAX_TARGET = 100_000


@blueprint.get("/projects")
def list_projects() -> Response:
    """List the projects with their latest run."""
    store, n_workers = get_services().store, _n_workers()
    return jsonify(projects=[report.project_summary(store, p, n_workers) for p in store.projects()])


@blueprint.post("/projects")
def save_project() -> Response:
    """Create or repair a project: {"name", "recipe", "force": false}."""
    body = json_body()
    name, recipe = _text(body, "name"), parse(body.get("recipe"), "The recipe")
    project = projects.save(get_services(), name, recipe, force=body.get("force") is True)
    return jsonify(report.project_summary(get_services().store, project))


@blueprint.get("/projects/<project_id>")
def show_project(project_id: str) -> Response:
    """Show a project, its funnel and its verdicts."""
    store = get_services().store
    return jsonify(report.project_summary(store, store.project(project_id), _n_workers()))


@blueprint.post("/projects/<project_id>/sources")
def import_sources(project_id: str) -> Response:
    """Import rows: {"rows": [{"fields": {...}, "provenance": {...}}]}."""
    rows = json_body().get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError("The body has no list of rows.", hint='Send {"rows": [{"fields": {}}]}.')
    services = get_services()
    project = services.store.project(project_id)
    return jsonify(asdict(projects.import_rows(services, project, rows)))


@blueprint.post("/projects/<project_id>/runs")
def start_run(project_id: str) -> Response:
    """Start a run: {"target": survivors wanted}. A warm-up that fits it is its beginning."""
    return _start(project_id, runs.start)


@blueprint.post("/projects/<project_id>/warm-up")
def start_warm_up(project_id: str) -> Response:
    """Grow the first wave of a run that is not asked for yet: {"target": survivors wanted}."""
    return _start(project_id, runs.start_warm_up)


@blueprint.post("/projects/<project_id>/plan")
def show_plan(project_id: str) -> Response:
    """Say what a run would take: {"target": survivors wanted}."""
    services = get_services()
    project, target = services.store.project(project_id), _target()
    collected = projects.collect_sources(services, project)
    recipe = parse(project.recipe)
    sources, shown = runs.prepare(services, project, recipe, "")
    model = fitting.current_model(services)
    sha256 = model.sha256 if model else ""
    plan = outlook.plan(services.store, project.id, recipe, target, sources, sha256, _n_workers())
    too_long = fitting.problems(services.store, project.id, sources)
    found = {**plan, "feedback": feedback.summary(shown)}
    return jsonify({**found, "source_problems": [*collected.problems, *too_long]})


@blueprint.post("/projects/<project_id>/trials")
def start_trials(project_id: str) -> Response:
    """Try prompts: {"versions": [{"name", "prompt": {}, "sampling": {}}], "n_sources": 20}."""
    services, body = get_services(), json_body()
    project = services.store.project(project_id)
    wanted = body.get("n_sources", trials.N_SOURCES)
    n_sources = whole_number("n_sources", wanted, trials.MAX_SOURCES)
    versions = trials.read_versions(body.get("versions", []))
    collected = projects.collect_sources(services, project)
    started = trials.start(services, project, versions, n_sources)
    return jsonify(trials=[run.id for run in started], source_problems=collected.problems)


@blueprint.get("/trials/<run_id>")
def show_trial(run_id: str) -> Response:
    """Show what a trial found."""
    store = get_services().store
    return jsonify(trials.report(store, store.run(run_id)))


@blueprint.get("/runs/<run_id>")
def show_run(run_id: str) -> Response:
    """Show a run: state, funnel, error."""
    services = get_services()
    return jsonify(report.run_summary(services.store, services.store.run(run_id), _n_workers()))


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


def _start(project_id: str, begin: Callable[[Services, Project, int], Run]) -> Response:
    services = get_services()
    project, target = services.store.project(project_id), _target()
    collected = projects.collect_sources(services, project)
    run = begin(services, project, target)
    too_long = fitting.problems(services.store, project.id, services.store.run_sources(run.id))
    summary = report.run_summary(services.store, run, _n_workers())
    return jsonify({**summary, "source_problems": [*collected.problems, *too_long]})


def _n_workers() -> int:
    """Count the generate workers; at least 1, which is what a forecast then stands for."""
    try:
        return max(1, get_services().queues.count_workers(queues.GENERATE))
    except ServiceError:
        return 1


def _target() -> int:
    hint = "It is the number of examples that you want to survive the filters."
    return whole_number("target", json_body().get("target"), MAX_TARGET, hint)


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{key!r} is missing.")
    return value.strip()
