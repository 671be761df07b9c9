"""The README knows every command, setting, technique, filter and Makefile target there is."""

import re
from pathlib import Path

import click
import pytest

from seedbed import registry
from seedbed.cli import main
from seedbed_backend.filters import filters

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS_MODULES = (
    ROOT / "plugin" / "seedbed" / "settings.py",
    ROOT / "backend" / "seedbed_backend" / "settings.py",
)


def commands():
    return main.list_commands(click.Context(main))


def settings():
    names = set()
    for module in SETTINGS_MODULES:
        text = module.read_text(encoding="utf-8")
        names |= set(re.findall(r'env(?:\.get\(|, )"([A-Z_]+)"', text))
    assert len(names) > 10
    return sorted(names)


def targets():
    return re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented(name):
    assert f"`seedbed {name}" in README


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_documented(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", sorted(registry.techniques()))
def test_every_technique_is_documented(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", sorted(filters()))
def test_every_filter_is_documented(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", targets())
def test_every_makefile_target_is_documented(name):
    assert f"`make {name}" in README


def test_the_environment_is_read_in_the_settings_modules_alone():
    for package in (ROOT / "plugin", ROOT / "backend"):
        for file in package.rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            reads = re.search(r"os\.(getenv|environ\.get|environ\[[^]]+\](?! =))", text)
            assert file in SETTINGS_MODULES or not reads, file


def test_every_picture_is_there():
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file(), picture
