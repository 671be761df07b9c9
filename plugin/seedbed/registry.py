"""Finds variants (techniques, filters, engines): first in a package, then in entry points.

Built-in variants come through the same door as those of an installed third-party package, and two
variants of one name are an error, never a silent overwrite.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from seedbed.errors import NotFoundError, UserError
from seedbed.technique import Technique


@cache
def discover(package: str, attribute: str, group: str) -> Mapping[str, Any]:
    """Return name → variant, sorted by name.

    Every module of `package` that defines `attribute` contributes it; so does every entry point of
    `group`. A variant carries its own `name`. Raises UserError when two share one.
    """
    found: dict[str, Any] = {}
    root = importlib.import_module(package)
    variants = [
        getattr(module, attribute)
        for info in pkgutil.iter_modules(root.__path__, f"{package}.")
        if hasattr(module := importlib.import_module(info.name), attribute)
    ]
    variants += [point.load() for point in entry_points(group=group)]
    for variant in variants:
        if variant.name in found:
            raise UserError(
                f"Two variants of {group} are named {variant.name!r}.",
                hint="Rename or uninstall one of them.",
            )
        found[variant.name] = variant
    return MappingProxyType(dict(sorted(found.items())))


def choose(variants: Mapping[str, Any], name: str, kind: str) -> Any:
    """Return the variant of that name. Raises NotFoundError naming the known ones."""
    if name not in variants:
        raise NotFoundError(
            f"No {kind} is named {name!r}.", hint=f"Known: {', '.join(variants) or 'none'}."
        )
    return variants[name]


def techniques() -> Mapping[str, Technique]:
    """Return every installed technique by name."""
    return discover("seedbed.techniques", "TECHNIQUE", "seedbed.techniques")


def technique(name: str) -> Technique:
    """Return one technique. Raises NotFoundError naming the known ones."""
    found: Technique = choose(techniques(), name, "technique")
    return found
