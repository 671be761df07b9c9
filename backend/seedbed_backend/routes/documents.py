"""What importing documents asks the server: how many tokens texts have, which sources are there."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from seedbed.errors import UserError
from seedbed_backend import fitting
from seedbed_backend.app import get_services
from seedbed_backend.routes.bodies import json_body

blueprint = Blueprint("documents", __name__)

MAX_TEXTS = 2_000
"""A call holds the tokenizer for about a second with so many sentences."""


@blueprint.post("/tokens")
def count_tokens() -> Response:
    """Count tokens with the generator's tokenizer: {"texts": […]} → {"counts", "model", …}.

    `model` is null and `counts` empty where this process cannot open the model.
    """
    texts = _strings("texts")
    counted = fitting.count_texts(get_services(), texts)
    if counted is None:
        return jsonify(counts=[], model=None, context_length=None)
    model, counts = counted
    return jsonify(counts=counts, model=model.name, context_length=model.context_length)


@blueprint.post("/projects/<project_id>/sources/present")
def present_sources(project_id: str) -> Response:
    """Say which sources the project has already: {"ids": […]} → {"present": […]}."""
    services, ids = get_services(), _strings("ids")
    project = services.store.project(project_id)
    found = services.label_studio.tasks_by_cid(project.source_project, ids)
    return jsonify(present=sorted(found))


def _strings(name: str) -> list[str]:
    values = json_body().get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"{name} is no list of strings.", hint=f'Send {{"{name}": ["…"]}}.')
    if len(values) > MAX_TEXTS:
        raise UserError(f"{name} has {len(values)} entries.", hint=f"Send up to {MAX_TEXTS}.")
    return values
