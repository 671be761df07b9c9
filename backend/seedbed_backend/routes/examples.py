"""Approved examples, as JSON lines, for whoever has no Python."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("examples", __name__)
