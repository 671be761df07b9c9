"""What importing documents asks the server: how many tokens a text has for the model."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("documents", __name__)
