"""Logging, set up by entry points alone. Ids appear in messages; text of documents never does."""

from __future__ import annotations

import logging


def configure_logging(level: str) -> None:
    """Log to standard error, one line an event, from `level` on."""
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for noisy in ("httpx", "httpcore", "sentence_transformers", "alembic.runtime.migration"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
