"""What was grown, looked at: the report, one candidate explained, re-screening, calibration."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from seedbed.errors import UserError
from seedbed_backend import analyses, calibrate, datasheet, explain, findings, report, rescreen
from seedbed_backend.app import get_services
from seedbed_backend.routes.bodies import chosen_run, json_body
from seedbed_backend.services import Services
from seedbed_backend.store import Analysis, Project, Run

blueprint = Blueprint("reports", __name__)


@blueprint.get("/report")
def report_techniques() -> Response:
    """Show the funnel of every technique, over all projects."""
    return jsonify(techniques=report.technique_report(get_services().store))


@blueprint.get("/projects/<project_id>/report")
def report_project(project_id: str) -> Response:
    """Show a project's counts, or with ?run= those of one run, and the newest findings there are."""
    services = get_services()
    project = services.store.project(project_id)
    run = _run(services, project, request.args.get("run"))
    found = _latest(services, project, run, is_current=False)
    analysis = None
    if found:
        is_current = found.options.get("stamp") == _stamp(services, project, run)
        analysis = {**analyses.summary(found), "is_current": is_current}
    return jsonify({**report.full_report(services.store, project, run), "analysis": analysis})


@blueprint.post("/projects/<project_id>/report")
def find(project_id: str) -> Response:
    """Let a filter worker look at the whole set: {"run": null}; unless nothing has changed since."""
    services, body = get_services(), json_body()
    project = services.store.project(project_id)
    run = _run(services, project, body.get("run"))
    found = _latest(services, project, run, is_current=True)
    if found is None:
        stamp = _stamp(services, project, run)
        found = analyses.start(
            services, project, "report", {"run": run.id if run else None, "stamp": stamp}
        )
    return jsonify(analyses.started(services, found))


@blueprint.get("/projects/<project_id>/datasheet")
def show_datasheet(project_id: str) -> Response:
    """Show what a dataset card says of a project: recipes, thresholds, models, acceptance."""
    store = get_services().store
    return jsonify(datasheet.datasheet(store, store.project(project_id)))


@blueprint.get("/analyses/<analysis_id>")
def show_analysis(analysis_id: str) -> Response:
    """Show how far an analysis is, and its result once it is done."""
    return jsonify(analyses.summary(get_services().store.analysis(analysis_id)))


@blueprint.get("/analyses/<analysis_id>/picture")
def show_picture(analysis_id: str) -> Response:
    """Show an analysis's picture."""
    picture = analyses.require_picture(get_services().store.analysis(analysis_id))
    return Response(picture, mimetype="image/svg+xml")


@blueprint.get("/candidates/<candidate_id>")
def show_candidate(candidate_id: str) -> Response:
    """Explain one candidate, by its id or the beginning of it."""
    return jsonify(explain.explain(get_services().store, candidate_id))


@blueprint.post("/projects/<project_id>/rescreen")
def screen_again(project_id: str) -> Response:
    """Screen again: {"changes": {} or "recipe": {}, "run": null, "apply", "fresh": false}."""
    services, body = get_services(), json_body()
    store = services.store
    project = store.project(project_id)
    changes, left = body.get("changes", {}), list[str]()
    if body.get("recipe") is not None:
        changes, left = rescreen.changes_of(project, body["recipe"])
    if not isinstance(changes, dict):
        raise UserError("`changes` is no object.", hint='Send {"changes": {"keep_fraction": 0.6}}.')
    recipe = rescreen.new_recipe(project, changes)
    run = _run(services, project, body.get("run"))
    runs, _ = rescreen.scope(store, project, run.id if run else None)
    rescreen.check_judge(store, recipe, runs)
    options = {
        "recipe": recipe.model_dump(mode="json"),
        "run": run.id if run else None,
        "apply": body.get("apply") is True,
        "fresh": body.get("fresh") is True,
        "left": left,
    }
    started = analyses.start(services, project, "rescreen", options)
    return jsonify(analyses.started(services, started))


@blueprint.post("/projects/<project_id>/calibrate")
def calibrate_project(project_id: str) -> Response:
    """Say what verdicts teach about scores: {"target": 0.9}."""
    services, body = get_services(), json_body()
    target = body.get("target", 0.9)
    if isinstance(target, bool) or not isinstance(target, int | float) or not 0.5 <= target < 1:
        raise UserError(f"target must be a share from 0.5 to below 1, not {target!r}.")
    project = services.store.project(project_id)
    return jsonify(calibrate.calibrate(services.store, project, float(target)))


def _latest(
    services: Services, project: Project, run: Run | None, *, is_current: bool
) -> Analysis | None:
    """Return the newest finished report of a project or run; the current one is still true."""
    run_id = run.id if run else None
    stamp = _stamp(services, project, run) if is_current else None
    for found in services.store.analyses(project.id, "report"):
        if found.state != "done" or found.options.get("run") != run_id:
            continue
        if stamp is None or (found.options.get("stamp") == stamp and _is_complete(found)):
            return found
    return None


def _is_complete(analysis: Analysis) -> bool:
    """Tell whether every part of it was found, so that it need not be tried again."""
    return not (analysis.result or {}).get("problems")


def _stamp(services: Services, project: Project, run: Run | None) -> list[Any]:
    run_id = run.id if run else None
    return findings.fingerprint(services.store, project.id, project.recipe_hash, run_id)


def _run(services: Services, project: Project, given: Any) -> Run | None:
    """Return the project's run whose id begins as given; None where nothing is given."""
    return chosen_run(services.store, project, given) if given else None
