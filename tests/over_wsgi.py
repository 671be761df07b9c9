"""The `seedbed` command's client on routes of ours, without a server between them."""

from __future__ import annotations

import httpx
from flask import Blueprint, Flask

from seedbed.backend_client import BackendClient
from seedbed.errors import SeedbedError
from seedbed_backend.services import Services


def client_of(services: Services, *blueprints: Blueprint) -> BackendClient:
    """Return a client of an app that has these services and blueprints alone."""
    app = Flask("test")
    app.extensions["seedbed"] = services
    for blueprint in blueprints:
        app.register_blueprint(blueprint, url_prefix="/api")
    app.register_error_handler(
        SeedbedError, lambda exc: ({"error": exc.message, "hint": exc.hint}, exc.http_status)
    )
    client = BackendClient("http://seedbed", "", "")
    client.close()
    client._http = httpx.Client(
        base_url="http://seedbed/api/", transport=httpx.WSGITransport(app=app)
    )
    return client
