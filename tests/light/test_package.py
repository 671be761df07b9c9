"""The light package stands alone: no server dependency is imported, and none is declared."""

import subprocess
import sys
from importlib.metadata import requires

import pytest

HEAVY = ("flask", "redis", "rq", "torch", "llama_cpp", "sentence_transformers", "sqlalchemy")
MODULES = ("seedbed", "seedbed.cli", "seedbed.recipe", "seedbed.labeling", "seedbed.backend_client")


@pytest.mark.parametrize("module", MODULES)
def test_importing_it_imports_no_heavy_module(module):
    code = f"import sys, {module}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_does_not_wait_for_the_label_studio_sdk():
    code = "import sys, seedbed.cli; print('label_studio_sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_server_dependency_is_declared_without_an_extra():
    declared = {
        text.split(";")[0].split(">")[0].split("=")[0].split("[")[0].strip().lower()
        for text in requires("seedbed") or ()
        if "extra ==" not in text
    }
    assert declared
    assert not declared & {name.replace("_", "-") for name in HEAVY} | declared & {
        "llama-cpp-python"
    }
