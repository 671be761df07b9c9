"""A recipe: everything that decides the outcome for one project, in one validated, hashed document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from seedbed import registry
from seedbed.columns import Column
from seedbed.errors import RecipeError, UserError
from seedbed.rubrics import RESERVED_CRITERIA, Criterion
from seedbed.technique import RowTemplate, Technique

MAX_THOUGHT = 8192
"""Most tokens that a model may think before it answers."""

RECIPE_CONFIG = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class PromptTemplates(BaseModel):
    """Jinja2 templates that replace the technique's own; empty means the technique's."""

    model_config = RECIPE_CONFIG
    system: str = ""
    user: str = ""


class Sampling(BaseModel):
    """How tokens are drawn. Unset values come from the technique.

    `max_tokens` bounds one answer. A temperature of 0.7-0.9 is usual for synthetic data.
    `thinking` is for models that can think before they answer: "off" lets them answer at once,
    "separate" lets them think and keeps the thought apart, and a number of tokens does so until the
    thought is closed for them.
    """

    model_config = RECIPE_CONFIG
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    top_k: Annotated[int, Field(ge=0)] = 0
    min_p: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    repeat_penalty: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    max_tokens: Annotated[int, Field(ge=8, le=8192)] | None = None
    thinking: Literal["off", "separate"] | int = "off"

    @field_validator("thinking", mode="before")
    @classmethod
    def _is_policy(cls, value: object) -> object:
        if value is False:  # YAML reads a bare `off` as false
            return "off"
        is_budget = isinstance(value, int) and value is not True and 1 <= value <= MAX_THOUGHT
        if is_budget or value in ("off", "separate"):
            return value
        raise ValueError(f"{value!r} is none of: off, separate, 1 to {MAX_THOUGHT} (tokens)")


class PromptVersion(BaseModel):
    """A prompt to try in place of a recipe's own; what is not set stays as it is there."""

    model_config = RECIPE_CONFIG
    system: str = ""
    user: str = ""
    sampling: Sampling = Sampling()


class TrainingTemplates(BaseModel):
    """Jinja2 templates that make a training row of a record; empty means the technique's own row.

    They may name every column, `record` (the whole as JSON, without its label) and `label`.
    """

    model_config = RECIPE_CONFIG
    prompt: str = ""
    completion: str = ""


class StyleRule(BaseModel):
    """One rule of a style guide: words for the prompt and, where one exists, a measure.

    `options` are those of the measure.
    """

    model_config = RECIPE_CONFIG
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    text: Annotated[str, Field(min_length=1)]
    measure: str = ""
    options: dict[str, Any] = {}


class JudgeSettings(BaseModel):
    """Whether and how strictly a larger model judges what the filters kept.

    A candidate is graded 1 to 5 on each criterion. Its score is the mean of (grade - 1) / 4; it is
    dropped below `minimum` (0-1), or where one grade is below `minimum_grade`. `rubric` adds
    criteria to the technique's or words them anew; `false` takes one out.
    """

    model_config = RECIPE_CONFIG
    enabled: bool = False
    minimum: Annotated[float, Field(ge=0.0, le=1.0)] = 0.6
    minimum_grade: Annotated[int, Field(ge=1, le=5)] = 2
    rubric: dict[Criterion, Annotated[str, Field(min_length=1)] | Literal[False]] = {}

    @field_validator("rubric")
    @classmethod
    def _is_free(cls, rubric: dict[str, str | Literal[False]]) -> dict[str, str | Literal[False]]:
        if taken := sorted(RESERVED_CRITERIA & rubric.keys()):
            raise ValueError(f"{taken[0]!r} cannot be the name of a criterion")
        return rubric


class Recipe(BaseModel):
    """The settings of one project. Fractions are in 0-1.

    `over_generation` is the number of attempts per wanted survivor with which a run starts (3-5).
    `review_fraction` is the share of the survivors that people judge: 0.10-0.20, unless setting up is
    forced. `double_review_fraction` of that sample is judged by two people, and `canary_fraction` as
    many known-bad candidates are mixed in. `few_shot` corrected and `avoid` rejected candidates are
    shown in the prompts of the next run.
    `filters` overrides single options of the technique's filters; `false` switches a filter off.
    `columns` are the typed fields of a record, for techniques that grow records; `training_row`
    says how a record is trained. `label_shares` maps labels to the shares of the survivors that
    they shall have; the labels left out share the rest as the sources do.
    """

    model_config = RECIPE_CONFIG
    technique: str
    title: str = ""
    prompt: PromptTemplates = PromptTemplates()
    sampling: Sampling = Sampling()
    n_candidates: Annotated[int, Field(ge=1, le=64)] = 4
    n_peers: Annotated[int, Field(ge=0, le=50)] | None = None
    over_generation: Annotated[float, Field(ge=3.0, le=5.0)] = 3.0
    filters: dict[str, dict[str, Any] | bool] = {}
    keep_fraction: Annotated[float, Field(ge=0.05, le=1.0)] = 0.65
    review_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.15
    double_review_fraction: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    canary_fraction: Annotated[float, Field(ge=0.0, le=0.2)] = 0.0
    acceptance_target: Annotated[float, Field(ge=0.0, le=1.0)] = 0.80
    few_shot: Annotated[int, Field(ge=0, le=8)] = 0
    avoid: Annotated[int, Field(ge=0, le=8)] = 0
    labels: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    training_row: TrainingTemplates = TrainingTemplates()
    label_shares: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] = {}
    glossary: tuple[str, ...] = ()
    style_guide: tuple[StyleRule, ...] = ()
    judge: JudgeSettings = JudgeSettings()
    rng_seed: int = 1

    @field_validator("technique")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            registry.technique(name)
        except UserError as exc:
            raise ValueError(str(exc)) from exc
        return name

    @field_validator("style_guide", mode="before")
    @classmethod
    def _is_written_out(cls, rules: object) -> object:
        if isinstance(rules, str):
            raise ValueError(f"{rules!r} is a file, which only a recipe read from a file can name")
        return rules

    @field_validator("style_guide")
    @classmethod
    def _has_no_name_twice(cls, rules: tuple[StyleRule, ...]) -> tuple[StyleRule, ...]:
        names = [rule.name for rule in rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules have the name {twice[0]!r}")
        return rules

    @field_validator("judge")
    @classmethod
    def _has_criteria(cls, judge: JudgeSettings, info: ValidationInfo) -> JudgeSettings:
        if judge.enabled and "technique" in info.data:
            own = registry.technique(info.data["technique"]).rubric.criteria
            if not _criteria(own, judge):
                raise ValueError("the judge has no criterion; name one under `rubric`")
        return judge

    @model_validator(mode="after")
    def _grows_its_columns(self) -> Recipe:
        if self.columns:
            _check_columns(registry.technique(self.technique), self.columns, self.labels)
        elif self.training_row != TrainingTemplates():
            raise ValueError("training_row is for records: it needs `columns`")
        return self

    @model_validator(mode="after")
    def _can_meet_its_shares(self) -> Recipe:
        if self.label_shares:
            _check_shares(self.spec, self.label_shares, self.labels)
        return self

    @property
    def spec(self) -> Technique:
        """Return the declaration of the recipe's technique, made for its columns if it has some."""
        row = RowTemplate(self.training_row.prompt, self.training_row.completion)
        return technique_for(self.technique, self.columns, row)

    @property
    def hash(self) -> str:
        """Return 16 hex digits of SHA-256 over the whole recipe; any change changes it."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def style_rules(self) -> tuple[dict[str, Any], ...]:
        """Return the style guide in force: the recipe's, or else the technique's."""
        own = tuple(rule.model_dump() for rule in self.style_guide)
        return own or tuple(dict(rule) for rule in self.spec.style_guide)

    @property
    def criteria(self) -> dict[str, str]:
        """Return the judge's questions by criterion: the technique's, with the recipe's changes."""
        return _criteria(self.spec.rubric.criteria, self.judge)

    def filter_options(self) -> dict[str, dict[str, Any]]:
        """Merge the technique's filters with this recipe's overrides, in running order.

        Options for a filter that the technique does not use add it; whoever builds the filters
        checks names and options.
        """
        merged = {name: dict(options) for name, options in self.spec.filters.items()}
        if "top_fraction" in merged:
            merged["top_fraction"]["keep_fraction"] = self.keep_fraction
        for name, override in self.filters.items():
            if override is False:
                merged.pop(name, None)
            elif isinstance(override, dict):
                merged[name] = {**merged.get(name, {}), **override}
        return merged


@lru_cache(maxsize=256)
def technique_for(name: str, columns: tuple[Column, ...], row: RowTemplate) -> Technique:
    """Return a technique, made for records where there are columns. Raises UserError."""
    technique: Technique = registry.technique(name)
    if not columns:
        return technique
    if technique.of_records is None:
        raise UserError(f"The technique {name} does not grow records: it takes no columns.")
    return technique.of_records(columns, row)


def technique_of(name: str, record: Mapping[str, Any]) -> Technique:
    """Return the technique of a review task or example from what it says of its record.

    `record` is as `Technique.record` gives it. Raises UserError where it is nothing of the kind.
    """
    return _technique_of(name, json.dumps(record, sort_keys=True) if record else "")


@lru_cache(maxsize=256)
def _technique_of(name: str, record: str) -> Technique:
    if not record:
        technique: Technique = registry.technique(name)
        return technique
    try:
        said = json.loads(record)
        columns = tuple(Column.model_validate(column) for column in said["columns"])
        return technique_for(name, columns, RowTemplate(**said.get("row", {})))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise UserError(f"What is said of a record of {name} cannot be read: {exc}.") from exc


def parse(data: Any, name: str = "recipe") -> Recipe:
    """Validate a recipe that was read from YAML or JSON; `name` is used in messages.

    Raises RecipeError naming the key, the value and the range that it must lie in.
    """
    if not isinstance(data, Mapping):
        raise RecipeError(f"{name} is not a recipe.", hint="Write `technique: paraphrase` and on.")
    try:
        return Recipe.model_validate(dict(data))
    except ValidationError as exc:
        raise RecipeError(f"{name}: {describe(exc)}.", hint=_hint(exc)) from exc


def load(path: Path) -> Recipe:
    """Read and validate a recipe file, with the style guide that it names. Raises RecipeError.

    `style_guide: guide.yaml` is looked for beside the recipe.
    """
    data = _read(path, "recipe")
    if isinstance(data, Mapping) and isinstance(data.get("style_guide"), str):
        data = {**data, "style_guide": load_style_guide(path.parent / data["style_guide"])}
    return parse(data, str(path))


def load_style_guide(path: Path) -> list[dict[str, Any]]:
    """Read and validate a style guide: a list of rules, or `rules:` with one. Raises RecipeError."""
    data = _read(path, "style guide")
    rules = data.get("rules") if isinstance(data, Mapping) else data
    if not isinstance(rules, list) or not rules:
        raise RecipeError(
            f"{path} is no style guide.", hint="Write a list of rules, each `- name: …, text: …`."
        )
    try:
        return [StyleRule.model_validate(rule).model_dump() for rule in rules]
    except ValidationError as exc:
        raise RecipeError(
            f"{path}: {describe(exc)}.", hint=f"A rule has: {', '.join(StyleRule.model_fields)}."
        ) from exc


def load_prompt(path: Path) -> dict[str, Any]:
    """Read a prompt version from a file with `system`, `user` or `sampling`; return what it sets.

    Raises RecipeError.
    """
    data = _read(path, "prompt")
    if not isinstance(data, Mapping) or not data:
        raise RecipeError(f"{path} is no prompt.", hint="Write `user: …`, `system: …` or both.")
    try:
        version = PromptVersion.model_validate(dict(data)).model_dump(exclude_unset=True)
    except ValidationError as exc:
        raise RecipeError(
            f"{path}: {describe(exc)}.",
            hint=f"Known keys: {', '.join(PromptVersion.model_fields)}.",
        ) from exc
    sampling = version.pop("sampling", {})
    return {"name": path.name, "prompt": version, "sampling": sampling}


def describe(exc: ValidationError) -> str:
    """Put pydantic's first problem in one clause: where, what was given, what is wanted."""
    error = exc.errors()[0]
    where = ".".join(str(part) for part in error["loc"] if part not in {"dict[str,any]", "bool"})
    if error["type"] == "extra_forbidden":
        return f"unknown key {where!r}"
    if error["type"] == "missing":
        return f"{where!r} is missing"
    given = "" if isinstance(error["input"], dict) else f", not {error['input']!r}"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    if message.startswith("should"):
        return f"{where!r} {message}{given}"
    return f"{where}: {message}" if where else message


def _criteria(own: Mapping[str, str], judge: JudgeSettings) -> dict[str, str]:
    return {name: text for name, text in {**own, **judge.rubric}.items() if text}


def _check_columns(
    technique: Technique, columns: tuple[Column, ...], labels: tuple[str, ...]
) -> None:
    """Raise ValueError where the columns make no record that the technique can grow."""
    names = [column.name for column in columns]
    if technique.of_records is None:
        raise ValueError(f"the technique {technique.name} does not grow records: leave out columns")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two columns are called {repeated[0]!r}")
    if all(column.optional or column.type == "label" for column in columns):
        raise ValueError("one column at least must not be optional, and not be the label")
    n_labels = sum(column.type == "label" for column in columns)
    if n_labels > 1:
        raise ValueError("only one column can be the label")
    if n_labels and not labels:
        raise ValueError("the columns have a label: list its values under `labels`")
    if labels and not n_labels:
        raise ValueError("there are `labels`, but no column has the type label")


def _check_shares(
    technique: Technique, shares: Mapping[str, float], labels: tuple[str, ...]
) -> None:
    """Raise ValueError where the shares cannot be met by any set of survivors."""
    if not technique.label_field or technique.group_field != technique.label_field:
        raise ValueError(f"label_shares: the sources of {technique.name} have no labels")
    if not labels:
        raise ValueError("label_shares: list the project's labels under `labels`")
    if unknown := [label for label in shares if label not in labels]:
        raise ValueError(f"label_shares: {unknown[0]!r} is not one of: {', '.join(labels)}")
    total = sum(shares.values())
    if total > 1 + 1e-9:
        raise ValueError(f"label_shares: the shares sum to {total:g}, which is above 1")
    if set(shares) == set(labels) and total < 1 - 1e-9:
        raise ValueError(f"label_shares: every label has a share, but they sum to {total:g}, not 1")


def _read(path: Path, kind: str) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise RecipeError(f"Cannot read the {kind} {path}: {exc.strerror}.") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        problem = " ".join(str(exc).split())
        raise RecipeError(f"The {kind} {path} is not valid YAML: {problem}.") from exc


def _hint(exc: ValidationError) -> str:
    if exc.errors()[0]["type"] == "extra_forbidden" and len(exc.errors()[0]["loc"]) == 1:
        return f"Known keys: {', '.join(Recipe.model_fields)}."
    return ""
