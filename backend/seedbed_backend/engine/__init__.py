"""Engines: what turns prompts into completions. One a file; the registry finds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedbed import registry
from seedbed_backend.engine.base import Engine, LoadOptions

__all__ = ["engines", "open_engine"]


def engines() -> Mapping[str, type[Engine]]:
    """Return every installed engine class by name."""
    return registry.discover("seedbed_backend.engine", "ENGINE", "seedbed.engines")


def open_engine(name: str, **options: Any) -> Engine:
    """Load a model with the engine of that name; `options` are the fields of LoadOptions.

    Raises NotFoundError naming the known engines, and ModelError when the model cannot be used.
    """
    engine: type[Engine] = registry.choose(engines(), name, "engine")
    return engine(LoadOptions(**options))
