"""What requests carry: JSON objects, read alike by all routes."""

from __future__ import annotations

from typing import Any

from flask import request

from seedbed.errors import UserError


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
