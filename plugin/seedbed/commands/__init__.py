"""Commands of `seedbed` that need more than a screen of code: a module each, found by `COMMANDS`."""

from __future__ import annotations

import importlib
import pkgutil

import click


def commands() -> list[click.Command]:
    """Return the commands of every module here that lists some."""
    names = [f"{__name__}.{info.name}" for info in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(name) for name in names]
    return [command for module in modules for command in getattr(module, "COMMANDS", ())]
