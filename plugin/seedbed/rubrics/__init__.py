"""What a judge is asked, in YAML: one file a technique, `criteria`, `pair` and `preference`.

A third-party technique keeps its file beside its module and calls `load` with the path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from seedbed.errors import RecipeError
from seedbed.technique import Rubric

Criterion = Annotated[str, Field(pattern=r"^[a-z]+(_[a-z]+)*$", max_length=40)]

RESERVED_CRITERIA = frozenset({"reason", "better", "model", "model_sha256", "no_verdict"})
"""Names that a judge's answer and its evidence use themselves."""


class RubricFile(BaseModel):
    """The file's form; see `technique.Rubric` for what the keys mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    criteria: Annotated[dict[Criterion, Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    pair: tuple[str, str] | None = None
    preference: str = ""

    @field_validator("criteria")
    @classmethod
    def _is_free(cls, criteria: dict[str, str]) -> dict[str, str]:
        if taken := sorted(RESERVED_CRITERIA & criteria.keys()):
            raise ValueError(f"{taken[0]!r} cannot be the name of a criterion")
        return criteria


def built_in(technique: str) -> Rubric:
    """Return the rubric that ships with a built-in technique."""
    return load(Path(__file__).with_name(f"{technique}.yaml"))


def load(path: Path) -> Rubric:
    """Read a rubric. Raises RecipeError naming the file, the key and what is wrong with it."""
    from seedbed.recipe import describe

    data = _read(path)
    if not isinstance(data, dict):
        raise RecipeError(
            f"{path} is no rubric.", hint="Write `criteria:` and below it `name: Question?` lines."
        )
    try:
        found = RubricFile.model_validate(data)
    except ValidationError as exc:
        raise RecipeError(
            f"{path}: {describe(exc)}.", hint=f"Known keys: {', '.join(RubricFile.model_fields)}."
        ) from exc
    if bool(found.pair) != bool(found.preference):
        raise RecipeError(
            f"{path}: `pair` and `preference` go together.",
            hint="A pair is two output fields; the preference asks which of A and B is better.",
        )
    return Rubric(found.criteria, found.pair, found.preference)


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise RecipeError(f"Cannot read the rubric {path}: {exc.strerror}.") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        problem = " ".join(str(exc).split())
        raise RecipeError(f"The rubric {path} is not valid YAML: {problem}.") from exc
