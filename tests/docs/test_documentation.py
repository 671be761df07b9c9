"""The README and the pages in docs/ know all there is: commands, settings, recipe keys, filters, …"""

import re
from pathlib import Path

import click
import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from seedbed import labeling, registry
from seedbed.cli import main
from seedbed.columns import Column
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe, StyleRule, parse, technique_for
from seedbed.tabs import SUGGESTION_TAB, review_tabs
from seedbed.technique import RowTemplate
from seedbed_backend import parsing
from seedbed_backend.filters import configure, filters
from seedbed_backend.filters.measures import MEASURES
from seedbed_backend.judging import REASONS as JUDGE_REASONS
from seedbed_backend.pii import TYPES

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")))
TEXT = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (*PAGES, "benchmarks/README.md", "demo/README.md")
}
README = TEXT["README.md"]
COMMANDS = TEXT["docs/commands.md"]
FILTERS = TEXT["docs/filters.md"]
OPERATORS = TEXT["docs/operators.md"]
RECIPES = TEXT["docs/recipes.md"]
REVIEWING = TEXT["docs/reviewing.md"]
ALL = "\n".join(TEXT[name] for name in PAGES)
LONGEST_README = 16_000
"""Characters that a newcomer reads in five minutes or so; the rest belongs into docs/."""

SETTINGS_MODULES = (
    ROOT / "plugin" / "seedbed" / "settings.py",
    ROOT / "backend" / "seedbed_backend" / "settings.py",
)


def commands():
    """Return every command by its full name, those of groups too."""
    found = {}
    for name in main.list_commands(click.Context(main)):
        command = main.get_command(click.Context(main), name)
        found[name] = command
        if isinstance(command, click.Group) and name != "db":
            del found[name]
            found |= {f"{name} {each}": command.commands[each] for each in command.commands}
    return found


def settings():
    names = set()
    for module in SETTINGS_MODULES:
        text = module.read_text(encoding="utf-8")
        names |= set(re.findall(r'env(?:\.get\(|, )"([A-Z_]+)"', text))
    assert len(names) > 10
    return sorted(names)


def targets():
    return re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def part(text, heading):
    """Return what stands under a heading of a page."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def section(name):
    """Return what docs/filters.md says of a filter."""
    return part(FILTERS, f"`{name}`")


def rows(text):
    """Return the cells of every table row, by each name that its first cell has in backquotes."""
    found = {}
    for line in re.findall(r"^\| `.*\|$", text, re.MULTILINE):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        for name in re.findall(r"`([^`]+)`", cells[0]):
            assert name not in found, name
            found[name] = cells
    return found


def keys(model, prefix=""):
    """Return every key of a model by its full name, those of models in it too."""
    found = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= keys(kind, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = field
    return found


def agrees(told, default):
    """Tell whether a table names a default as it is."""
    if default is PydanticUndefined:
        return told == "required"
    if default is None:  # the technique has one, or there is no limit
        return told == "none" or told.startswith("the technique's")
    if isinstance(default, bool):
        return told == str(default).lower()
    if isinstance(default, int | float):
        return re.fullmatch(r"[0-9.]+", told) is not None and float(told) == default
    if default:
        return told == f"`{default}`"
    return told == "none" or told.startswith("the ")  # what is empty is another's


def bounds(field):
    """Return the numbers that a value must lie between."""
    named = (getattr(rule, name, None) for rule in field.metadata for name in ("ge", "gt", "le"))
    return [number for number in named if number is not None]


def anchors(text):
    """Return the anchors of a text's headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented_with_its_options(name):
    [row] = [line for line in COMMANDS.splitlines() if line.startswith(f"| `seedbed {name}")]
    for parameter in commands()[name].params:
        if parameter.param_type_name == "option" and "--help" not in parameter.opts:
            assert any(f"`{o}" in row or f"{o} " in row for o in parameter.opts), parameter.opts


@pytest.mark.parametrize("name", commands())
def test_no_command_is_documented_with_an_option_that_it_lacks(name):
    [row] = [line for line in COMMANDS.splitlines() if line.startswith(f"| `seedbed {name}")]
    known = {opt for parameter in commands()[name].params for opt in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", row)) <= known


def test_examples_use_options_that_there_are():
    lines = [line for line in ALL.splitlines() if re.match(r"\S*(?:\$ |bin/)seedbed ", line)]
    assert len(lines) > 20
    for line in lines:
        words = re.sub(r" #.*", "", line).split("seedbed ", 1)[1].split()
        name = next(n for n in (" ".join(words[:2]), words[0]) if n in commands())
        known = {opt for parameter in commands()[name].params for opt in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_documented(name):
    assert f"\n| `{name}` |" in OPERATORS


@pytest.mark.parametrize("name", sorted(registry.techniques()))
def test_every_technique_is_documented(name):
    assert f"| `{name}` |" in README


@pytest.mark.parametrize("name", sorted(registry.techniques()))
def test_the_filters_of_every_technique_are_listed_in_their_order(name):
    [row] = [r for r in FILTERS.splitlines() if r.startswith(f"| `{name}` |") and "dedup" in r]
    listed = re.findall(r"`([a-z_]+)`", row.split("; for records")[0])[1:]
    assert listed == list(registry.technique(name).filters)


@pytest.mark.parametrize(("name", "field"), keys(Recipe).items())
def test_every_key_of_a_recipe_is_documented_with_its_range_and_default(name, field):
    [_, told_range, told_default, _] = rows(part(RECIPES, "All keys"))[name]
    assert agrees(told_default, field.default), told_default
    numbers = {float(number) for number in re.findall(r"[0-9.]+", told_range)}
    assert set(bounds(field)) <= numbers, told_range


@pytest.mark.parametrize("name", ["sampling.temperature", "sampling.max_tokens", "n_peers"])
def test_the_defaults_that_techniques_have_are_documented(name):
    plain = [registry.technique(each) for each in registry.techniques()]
    records = technique_for("expand", (Column(name="text", type="text"),), RowTemplate())
    used = {getattr(each, name.rpartition(".")[2]) for each in (*plain, records)}
    told = rows(part(RECIPES, "All keys"))[name][2]
    assert {float(number) for number in re.findall(r"[0-9.]+", told)} == used


def test_no_key_is_documented_that_a_recipe_lacks():
    assert set(rows(part(RECIPES, "All keys"))) == set(keys(Recipe))


@pytest.mark.parametrize(("heading", "model"), [("Records", Column), ("Style guides", StyleRule)])
def test_every_key_of_what_a_recipe_lists_is_documented_with_its_default(heading, model):
    told = rows(part(RECIPES, heading))
    assert set(told) == set(keys(model))
    for name, field in keys(model).items():
        assert agrees(told[name][2], field.default), name


@pytest.mark.parametrize("name", sorted(filters()))
def test_every_filter_is_documented(name):
    assert FILTERS.split("\n## ")[0].count(f"\n| `{name}` |") == 1


@pytest.mark.parametrize("name", sorted(filters()))
def test_every_reason_and_option_of_a_filter_is_documented(name):
    told, variant = section(name), filters()[name]
    missing = [reason for reason in variant.reasons if f"`{reason}`" not in told]
    own = [o for o in variant.model_fields if o != "fields" and not o.endswith("_field")]
    missing += [option for option in own if f"`{option}`" not in told]
    assert not missing


@pytest.mark.parametrize("name", sorted(filters()))
def test_the_defaults_that_are_documented_are_those_in_force(name):
    rows = re.findall(r"^\| (`[^|]+`) \| ([0-9., ]+) \|", section(name), re.MULTILINE)
    for options, defaults in rows:
        for option, default in zip(
            re.findall(r"`([a-z_]+)`", options), defaults.split(", "), strict=True
        ):
            assert filters()[name].model_fields[option].default == float(default), option


def test_every_reason_of_reading_and_judging_is_documented():
    for reason in (*parsing.REASONS, *JUDGE_REASONS):
        assert f"`{reason}`" in FILTERS, reason


def test_every_type_of_personal_data_is_documented():
    assert not [name for name in TYPES if f"`{name}`" not in section("privacy")]


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_documented_with_its_options(name):
    [row] = [r for r in section("preference").splitlines() if r.startswith(f"| `{name}` |")]
    assert all(f"`{option}`" in row for option in MEASURES[name].options.model_fields)


def test_the_number_of_measures_is_that_of_the_measures():
    assert f"[{len(MEASURES)} measures]" in RECIPES


@pytest.mark.parametrize("name", targets())
def test_every_makefile_target_is_documented(name):
    assert f"\n| `make {name}`" in COMMANDS


@pytest.mark.parametrize("name", TEXT)
def test_every_link_leads_somewhere(name):
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT[name]):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("block", re.findall(r"^```yaml\n(.*?)^```", ALL, re.MULTILINE | re.DOTALL))
def test_the_filters_of_every_example_recipe_can_be_set(block):
    found = yaml.safe_load(block)
    if not isinstance(found, dict):
        return  # a style guide
    found.pop("label_shares", None)
    found.pop("training_row", None)
    problems = []
    for technique in registry.techniques():
        try:
            configure(parse({"technique": technique} | found))
            return
        except RecipeError as exc:
            problems.append(str(exc))
    raise AssertionError(problems)


def test_the_readme_is_short_and_leads_to_every_page():
    assert len(README) <= LONGEST_README
    assert [page for page in PAGES[1:] if f"({page})" not in README] == []


@pytest.mark.parametrize("name", sorted(registry.techniques()))
def test_reviewers_are_told_every_control_and_reason(name):
    config = labeling.review_config(registry.technique(name), ["payment", "term"])
    headers = set(re.findall(r'<Header value="([^"$(?]+)"', config))
    missing = [header for header in headers if header not in REVIEWING]
    missing += [r for r in registry.technique(name).reject_reasons if r not in REVIEWING]
    missing += [
        k
        for k in re.findall(r'hotkey="(\w)"', config)
        if f"`{k}`" not in REVIEWING and not k.isdigit()
    ]
    assert not missing


def test_reviewers_are_told_every_tab():
    tabs = [tab["title"] for tab in review_tabs(registry.technique("qa"), 0.15, 0.2)]
    assert [tab for tab in (*tabs, SUGGESTION_TAB) if tab not in REVIEWING] == []


def test_every_page_that_the_code_names_is_there():
    code = [file for top in ("plugin", "backend", "tests") for file in (ROOT / top).rglob("*.py")]
    named = {page for file in code for page in re.findall(r"docs/[a-z-]+\.md", file.read_text())}
    assert named <= set(PAGES)


def test_the_environment_is_read_in_the_settings_modules_alone():
    for package in (ROOT / "plugin", ROOT / "backend"):
        for file in package.rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            reads = re.search(r"os\.(getenv|environ\.get|environ\[[^]]+\](?! =))", text)
            assert file in SETTINGS_MODULES or not reads, file
