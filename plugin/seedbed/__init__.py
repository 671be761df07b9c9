"""Seedbed: grow fine-tuning data inside a self-hosted Label Studio, with local models only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedbed.records import Example, SourceTask, Verdict

if TYPE_CHECKING:
    from seedbed.client import Client
    from seedbed.merging import merge

__version__ = "0.1.0"
__all__ = ["Client", "Example", "SourceTask", "Verdict", "__version__", "merge"]


def __getattr__(name: str) -> Any:
    # label-studio-sdk takes a second to import: only those who use the client wait for it.
    if name == "Client":
        from seedbed.client import Client

        return Client
    if name == "merge":
        from seedbed.merging import merge

        return merge
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
