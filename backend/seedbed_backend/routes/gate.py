"""The acceptance gate, the review sample, the audit trail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, cast, get_args

from flask import Blueprint, Response, jsonify, request

from seedbed.errors import UserError
from seedbed_backend import gate, sample
from seedbed_backend.app import get_services
from seedbed_backend.routes.bodies import chosen_run, json_body
from seedbed_backend.services import Services
from seedbed_backend.store import GateWord, Project

blueprint = Blueprint("gate", __name__)


@blueprint.get("/projects/<project_id>/gate")
def show_gate(project_id: str) -> Response:
    """Show what the gate says of every run, or with ?run= of one."""
    services = get_services()
    project = services.store.project(project_id)
    return _answer(services, project, request.args.get("run"))


@blueprint.post("/projects/<project_id>/gate")
def decide(project_id: str) -> Response:
    """Release or hold a run: {"decision": "release", "run": "1a2b", "reason": "…", "author": ""}.

    "undo" takes the last decision back. The run may be left out where there is only one.
    """
    services, body = get_services(), json_body()
    project = services.store.project(project_id)
    word = _word(body)
    run = chosen_run(services.store, project, body.get("run") or _only_run(services, project))
    gate.decide(services, project, run, word, _text(body, "reason"), _text(body, "author"))
    return _answer(services, project, run.id)


@blueprint.post("/projects/<project_id>/sample")
def change_sample(project_id: str) -> Response:
    """Change the share of survivors that people judge: {"review_fraction": 0.2, "force": false}."""
    services, body = get_services(), json_body()
    project = services.store.project(project_id)
    fraction = body.get("review_fraction")
    if isinstance(fraction, bool) or not isinstance(fraction, int | float):
        raise UserError(f"review_fraction must be a number such as 0.2, not {fraction!r}.")
    sample.change(services, project, float(fraction), force=body.get("force") is True)
    return _answer(services, services.store.project(project.id))


@blueprint.get("/projects/<project_id>/audit")
def export_audit_trail(project_id: str) -> Response:
    """Send every event about the project, its runs and its candidates, oldest first, a line each."""
    store = get_services().store
    project = store.project(project_id)

    def lines() -> Iterator[str]:
        for event in store.project_events(project.id):
            yield json.dumps(asdict(event), ensure_ascii=False) + "\n"

    return Response(lines(), mimetype="application/x-ndjson")


def _answer(services: Services, project: Project, run: str | None = None) -> Response:
    found = chosen_run(services.store, project, run) if run else None
    return jsonify(gate.gate(services, project, found.id if found else None))


def _only_run(services: Services, project: Project) -> str:
    runs = gate.run_gates(services.store, project)
    if len(runs) != 1:
        listed = ", ".join(f"{each.run.id[:8]} ({each.state})" for each in runs[:10]) or "none"
        raise UserError(
            f"{project.name} has {len(runs)} runs before people, so say which one.",
            hint=f"Runs: {listed}.",
        )
    return runs[0].run.id


def _word(body: dict[str, Any]) -> GateWord:
    word = body.get("decision")
    if word not in get_args(GateWord):
        raise UserError(f"The decision {word!r} is none of: {', '.join(get_args(GateWord))}.")
    return cast("GateWord", word)


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key) or ""
    if not isinstance(value, str):
        raise UserError(f"{key!r} is no text.")
    return value
