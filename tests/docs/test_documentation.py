"""README.md and docs/filters.md know all there is: commands, settings, filters, reasons, options."""

import re
from pathlib import Path

import click
import pytest
import yaml

from seedbed import registry
from seedbed.cli import main
from seedbed.errors import RecipeError
from seedbed.recipe import parse
from seedbed_backend import parsing
from seedbed_backend.filters import configure, filters
from seedbed_backend.filters.measures import MEASURES
from seedbed_backend.judging import REASONS as JUDGE_REASONS
from seedbed_backend.pii import TYPES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILTERS = (ROOT / "docs" / "filters.md").read_text(encoding="utf-8")
TEXTS = ("README.md", "docs/filters.md", "benchmarks/README.md", "demo/README.md")
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


def section(name):
    """Return what docs/filters.md says of a filter."""
    return FILTERS.split(f"\n## `{name}`\n")[1].split("\n## ")[0]


def anchors(text):
    """Return the anchors of a text's headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented_with_its_options(name):
    [row] = [line for line in README.splitlines() if line.startswith(f"| `seedbed {name}")]
    for parameter in commands()[name].params:
        if parameter.param_type_name == "option" and "--help" not in parameter.opts:
            assert any(f"`{o}" in row or f"{o} " in row for o in parameter.opts), parameter.opts


@pytest.mark.parametrize("name", commands())
def test_no_command_is_documented_with_an_option_that_it_lacks(name):
    [row] = [line for line in README.splitlines() if line.startswith(f"| `seedbed {name}")]
    known = {opt for parameter in commands()[name].params for opt in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", row)) <= known


def test_examples_use_options_that_there_are():
    lines = [line for line in README.splitlines() if re.match(r"\S*(?:\$ |bin/)seedbed ", line)]
    assert len(lines) > 10
    for line in lines:
        words = re.sub(r" #.*", "", line).split("seedbed ", 1)[1].split()
        name = next(n for n in (" ".join(words[:2]), words[0]) if n in commands())
        known = {opt for parameter in commands()[name].params for opt in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_documented(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", sorted(registry.techniques()))
def test_every_technique_is_documented(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", sorted(registry.techniques()))
def test_the_filters_of_every_technique_are_listed_in_their_order(name):
    [row] = [r for r in FILTERS.splitlines() if r.startswith(f"| `{name}` |") and "dedup" in r]
    listed = re.findall(r"`([a-z_]+)`", row.split("; for records")[0])[1:]
    assert listed == list(registry.technique(name).filters)


@pytest.mark.parametrize("name", sorted(filters()))
def test_every_filter_is_documented(name):
    assert f"| `{name}` |" in README


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
    assert f"[{len(MEASURES)} measures]" in README


@pytest.mark.parametrize("name", targets())
def test_every_makefile_target_is_documented(name):
    assert f"`make {name}" in README


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize(
    "block", re.findall(r"^```yaml\n(.*?)^```", README + FILTERS, re.MULTILINE | re.DOTALL)
)
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


def test_the_environment_is_read_in_the_settings_modules_alone():
    for package in (ROOT / "plugin", ROOT / "backend"):
        for file in package.rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            reads = re.search(r"os\.(getenv|environ\.get|environ\[[^]]+\](?! =))", text)
            assert file in SETTINGS_MODULES or not reads, file
