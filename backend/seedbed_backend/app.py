"""The web process: Label Studio's ML backend protocol and Seedbed's JSON API. No model lives here."""

from __future__ import annotations

import hmac
import logging

from flask import Flask, Response, current_app, jsonify, request

from seedbed.errors import SeedbedError, UserError
from seedbed_backend.logs import configure_logging
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings

_logger = logging.getLogger(__name__)

OPEN_ENDPOINTS = frozenset({"label_studio.health", "label_studio.webhook"})
"""No password there: health says nothing, and Label Studio sends webhooks without one (they carry
a secret header instead)."""

MAX_BODY_BYTES = 64 * 2**20


def create_app(settings: Settings | None = None) -> Flask:
    """Build the app. Raises UserError when the password or the webhook secret is not set."""
    from seedbed_backend.model import SeedbedModel
    from seedbed_backend.routes import (
        api,
        documents,
        examples,
        gate,
        label_studio,
        metrics,
        reports,
        reviewers,
        seeds,
        suggestions,
    )

    settings = settings or Settings.from_environment()
    configure_logging(settings.log_level)
    for name, value in (
        ("BASIC_AUTH_PASS", settings.basic_auth_pass),
        ("SEEDBED_WEBHOOK_SECRET", settings.webhook_secret),
    ):
        if not value:
            raise UserError(f"{name} is not set.", hint="Set it to a long random string.")
    app = Flask("seedbed_backend")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    services = Services(settings)
    services.store.check()
    app.extensions["seedbed"] = services
    app.extensions["seedbed_model"] = SeedbedModel(services=services)
    app.register_blueprint(label_studio.blueprint)
    for routes in (api, seeds, reports, documents, gate, examples, reviewers, suggestions):
        app.register_blueprint(routes.blueprint, url_prefix="/api")
    app.register_blueprint(metrics.blueprint)
    app.before_request(_require_password)
    app.register_error_handler(SeedbedError, _seedbed_error)
    app.register_error_handler(Exception, _unexpected_error)
    return app


def get_services() -> Services:
    """Return the current app's services."""
    services: Services = current_app.extensions["seedbed"]
    return services


def has_password() -> bool:
    """Tell whether the request carries the right user and password."""
    settings, given = get_services().settings, request.authorization
    user = (given.username if given else None) or ""
    password = (given.password if given else None) or ""
    return hmac.compare_digest(
        user.encode(), settings.basic_auth_user.encode()
    ) & hmac.compare_digest(password.encode(), settings.basic_auth_pass.encode())


def _require_password() -> Response | None:
    if request.endpoint in OPEN_ENDPOINTS or has_password():
        return None
    response = jsonify(error="User or password is wrong.", hint="Set BASIC_AUTH_USER and _PASS.")
    response.status_code = 401
    response.headers["WWW-Authenticate"] = 'Basic realm="Seedbed"'
    return response


def _seedbed_error(exc: SeedbedError) -> tuple[Response, int]:
    return jsonify(error=exc.message, hint=exc.hint, exit_code=exc.exit_code), exc.http_status


def _unexpected_error(exc: Exception) -> tuple[Response, int]:
    code = getattr(exc, "code", None)
    if isinstance(code, int) and code < 500:  # werkzeug's own: 404, 405, 413
        return jsonify(error=getattr(exc, "description", str(exc)), hint=""), code
    _logger.exception("unexpected error in %s %s", request.method, request.path)
    return (
        jsonify(error="Internal error.", hint="The server's log has the details.", exit_code=1),
        500,
    )
