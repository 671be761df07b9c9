"""The acceptance gate, the review sample and the reviewers."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("gate", __name__)
