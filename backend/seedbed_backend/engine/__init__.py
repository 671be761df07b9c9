"""Engines: what turns prompts into completions. One a file; the registry finds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from seedbed import registry
from seedbed_backend.engine.base import Engine, LoadOptions

__all__ = ["engines", "open_engine"]


def engines() -> Mapping[str, type[Engine]]:
    """Return every installed engine class by name."""
    return registry.discover("seedbed_backend.engine", "ENGINE", "seedbed.engines")


def open_engine(
    name: str,
    *,
    model_path: Path | None = None,
    n_threads: int = 1,
    context_length: int = 4096,
    n_gpu_layers: int = 0,
    tokenizer_only: bool = False,
) -> Engine:
    """Load a model with the engine of that name.

    Raises NotFoundError naming the known engines, and ModelError when the file cannot be used.
    """
    engine: type[Engine] = registry.choose(engines(), name, "engine")
    return engine(LoadOptions(model_path, n_threads, context_length, n_gpu_layers, tokenizer_only))
