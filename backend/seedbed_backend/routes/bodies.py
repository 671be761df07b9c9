"""What requests carry: JSON objects, numbers, runs; read alike by all routes."""

from __future__ import annotations

from typing import Any

from flask import request

from seedbed.errors import NotFoundError, UserError
from seedbed_backend.store import Project, Run, Store


def json_body() -> dict[str, Any]:
    """Return the request's body. Raises UserError where it is no JSON object."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise UserError("The request's body is not a JSON object.")
    return body


def whole_number(name: str, value: Any, most: int, hint: str = "") -> int:
    """Return a number from 1 to `most` out of a body. Raises UserError where it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise UserError(
            f"{name} must be a whole number from 1 to {most}, not {value!r}.", hint=hint
        )
    return value


def chosen_run(store: Store, project: Project, given: Any) -> Run:
    """Return the project's run whose id begins as given.

    Raises NotFoundError where there is none, UserError where there are several.
    """
    runs = [run for run in store.runs(project.id) if run.id.startswith(str(given))]
    if not runs:
        known = ", ".join(run.id[:8] for run in store.runs(project.id)[:10]) or "none"
        raise NotFoundError(f"{project.name} has no run {given!r}.", hint=f"Known: {known}.")
    if len(runs) > 1:
        raise UserError(f"Several runs of {project.name} begin with {given!r}.")
    return runs[0]
