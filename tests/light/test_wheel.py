"""What the built package carries: label configs, migrations, types; and no tests."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from seedbed import registry

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_every_technique_comes_with_its_label_config(names):
    for technique in registry.techniques():
        assert f"seedbed/label_configs/{technique}.xml" in names


def test_both_packages_are_there_with_types_and_migrations(names):
    assert {"seedbed/py.typed", "seedbed_backend/py.typed"} <= set(names)
    assert any(name.startswith("seedbed_backend/store/migrations/versions/") for name in names)


def test_nothing_else_is(names):
    folders = {name.split("/")[0] for name in names}
    assert {f for f in folders if not f.endswith(".dist-info")} == {"seedbed", "seedbed_backend"}
