import sys
import types

import pytest

from seedbed import registry
from seedbed.errors import NotFoundError, UserError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An importable package with two modules, as a third party would ship one."""
    folder = tmp_path / "made_up_variants"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "one.py").write_text("import types\nVARIANT = types.SimpleNamespace(name='one')\n")
    (folder / "helper.py").write_text("nothing_here = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    registry.discover.cache_clear()
    for name in [n for n in sys.modules if n.startswith("made_up_variants")]:
        del sys.modules[name]


def test_modules_that_define_the_attribute_are_found(package):
    found = registry.discover("made_up_variants", "VARIANT", "made_up.variants")
    assert list(found) == ["one"]


def test_two_variants_of_one_name_are_an_error(package):
    (package / "two.py").write_text("import types\nVARIANT = types.SimpleNamespace(name='one')\n")
    with pytest.raises(UserError, match="'one'"):
        registry.discover("made_up_variants", "VARIANT", "made_up.variants")


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(NotFoundError, match="dpo, expand, paraphrase, qa"):
        registry.technique("nope")


def test_a_variant_chooses_by_name():
    variant = types.SimpleNamespace(name="x")
    assert registry.choose({"x": variant}, "x", "thing") is variant
