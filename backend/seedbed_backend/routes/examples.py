"""Approved examples, as JSON lines, for whoever has no Python.

A stream that ends early must not look complete. It is sent in chunks (HTTP/1.1), and an error in the
middle ends the connection without the last chunk: curl, browsers and HTTP libraries report that as
a failure. HTTP/1.0 knows no chunks, so it is refused.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

from seedbed.client import Client, moment
from seedbed.errors import SeedbedError, UserError
from seedbed.recipe import parse
from seedbed_backend.app import get_services
from seedbed_backend.store import Project

_logger = logging.getLogger(__name__)

blueprint = Blueprint("examples", __name__)

KINDS = ("approved", "real", "preferences", "chunks")
_ARGUMENTS = frozenset({"kind", "policy", "since", "reviewers"})


@blueprint.get("/projects/<project_id>/examples")
def stream_examples(project_id: str) -> Response:
    """Stream a project's rows, one JSON object a line, as `seedbed pull` writes them.

    ?kind=approved|real|preferences|chunks; of approved ones &policy=reviewed|gated; of both kinds
    that people judged &since=2026-01-31T08:30:00Z and &reviewers=pseudonyms|ids.
    """
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        raise UserError(
            "Examples are streamed, and HTTP/1.0 cannot tell a whole stream from a broken one.",
            hint="Ask with HTTP/1.1; behind nginx: proxy_http_version 1.1.",
        )
    services = get_services()
    project = services.store.project(project_id)
    rows = _rows(Client.on(services.label_studio), project, request.args)
    return Response(_lines(rows, project.id), mimetype="application/x-ndjson")


def _rows(
    client: Client, project: Project, arguments: Mapping[str, str]
) -> Iterable[Mapping[str, Any]]:
    """Begin to read; what is wrong with the request or the project is raised here."""
    if unknown := sorted(set(arguments) - _ARGUMENTS):
        raise UserError(
            f"{unknown[0]!r} is no argument of this address.",
            hint=f"Known: {', '.join(sorted(_ARGUMENTS))}.",
        )
    kind = arguments.get("kind", "approved")
    since = arguments.get("since")
    judged: dict[str, Any] = {
        "since": _moment(since) if since else None,
        "reviewers": arguments.get("reviewers", "pseudonyms"),
    }
    if kind == "approved":
        policy = arguments.get("policy", "reviewed")
        return (e.to_dict() for e in client.pull(project.review_project, policy, **judged))
    if kind == "preferences":
        return (e.to_dict() for e in client.preferences(project.review_project, **judged))
    spec = parse(project.recipe).spec
    if kind == "real":
        return (e.to_dict() for e in client.real(project.source_project, spec))
    if kind == "chunks":
        return client.chunks(project.source_project, spec)
    raise UserError(f"No kind is named {kind!r}.", hint=f"Known: {', '.join(KINDS)}.")


def _moment(text: str) -> datetime:
    """Read a time whose + nobody escaped: it arrives as a blank."""
    return moment(text.replace(" ", "+") if "T" in text else text)


def _lines(rows: Iterable[Mapping[str, Any]], project_id: str) -> Iterator[bytes]:
    try:
        for row in rows:
            yield json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except SeedbedError as exc:
        # The status was sent long ago: all that is left is to break off.
        _logger.warning("examples of project %s were broken off: %s", project_id, exc)
        raise
