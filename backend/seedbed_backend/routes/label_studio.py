"""Label Studio's ML backend protocol, as 1.23 really speaks it, and its webhook."""

from __future__ import annotations

import hmac
import logging
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from seedbed.label_studio import SECRET_HEADER
from seedbed.labeling import MODEL_VERSION
from seedbed_backend import queues, verdicts
from seedbed_backend.app import get_services, has_password
from seedbed_backend.services import Services

_logger = logging.getLogger(__name__)

blueprint = Blueprint("label_studio", __name__)


@blueprint.get("/")
@blueprint.get("/health")
def health() -> Response:
    """Say that the web process is up. Label Studio asks before every call, and waits a second."""
    return jsonify(status="UP", model_class="SeedbedModel")


@blueprint.get("/versions")
@blueprint.post("/versions")
def versions() -> Response:
    """Name the one version that Label Studio knows; the real ones travel in the task data."""
    return jsonify(versions=[MODEL_VERSION])


@blueprint.post("/setup")
def setup() -> Response:
    """Answer Label Studio's greeting, which comes with every opened task. Its token is ignored."""
    return jsonify(model_version=MODEL_VERSION)


@blueprint.post("/predict")
def predict() -> Response:
    """Answer with stored candidates, one list a task, in order."""
    body: dict[str, Any] = request.get_json(silent=True) or {}
    params = body.get("params") or {}
    results = current_app.extensions["seedbed_model"].predict(
        body.get("tasks") or [], context=params.get("context"), project=body.get("project")
    )
    return jsonify(results=results)


@blueprint.post("/train")
def train() -> Response:
    """Accept the button "Start training": people's verdicts need none."""
    return jsonify(current_app.extensions["seedbed_model"].fit())


@blueprint.post("/webhook")
def webhook() -> tuple[Response, int]:
    """Take note of an annotation and return at once: Label Studio waits 1 s and never repeats."""
    services = get_services()
    given = request.headers.get(SECRET_HEADER, "")
    # The button "Start training" posts here as well, with the password instead of the secret.
    if not has_password() and not hmac.compare_digest(
        given.encode(), services.settings.webhook_secret.encode()
    ):
        return jsonify(error="The webhook's secret is wrong."), 403
    body = request.get_json(silent=True)
    if isinstance(body, dict):
        _take_note(services, body)
    return jsonify(status="ok"), 200


def _take_note(services: Services, body: dict[str, Any]) -> None:
    action = str(body.get("action", ""))
    if action == "ANNOTATIONS_DELETED":
        verdicts.withdraw(services, _ids(body.get("annotations")))
    elif action.startswith("ANNOTATION"):
        for label_studio_project in _ids(body.get("project")):
            found = services.store.project_by_label_studio(label_studio_project)
            if found is None or found[1] != "review":
                continue
            for task in _ids(body.get("task")):
                # Not merged with a job that is under way: that one may have read the task already.
                services.queues.enqueue(
                    queues.REVIEW, "read_verdict", found[0].id, task, is_merged=False
                )


def _ids(things: Any) -> list[int]:
    """Return the ids of one object or a list of them; what carries none is left out."""
    listed = things if isinstance(things, list) else [things]
    return [t["id"] for t in listed if isinstance(t, dict) and isinstance(t.get("id"), int)]
