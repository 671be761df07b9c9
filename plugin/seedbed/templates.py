"""Prompt templates: Jinja2 in its sandbox, where a name that does not exist is an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from seedbed.errors import RecipeError

_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)


@cache
def _compile(template: str) -> Template:
    return _environment.from_string(template)


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill a prompt template's holes and strip the ends.

    Raises RecipeError on a syntax error or an unknown name.
    """
    try:
        return _compile(template).render(values).strip()
    except TemplateError as exc:
        raise RecipeError(
            f"The prompt template cannot be used: {exc.message or exc}.",
            hint=f"Known names: {', '.join(sorted(values))}.",
        ) from exc
