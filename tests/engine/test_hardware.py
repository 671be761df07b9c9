from __future__ import annotations

import subprocess
import sys

from seedbed_backend.engine import hardware, open_engine


def test_threads_are_the_physical_cores_that_may_be_used(monkeypatch):
    siblings = {0: "0,4", 4: "0,4", 1: "1,5", 5: "1,5"}
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda _: {0, 1, 4})
    monkeypatch.setattr(hardware, "_core_of", siblings.__getitem__)
    assert hardware.n_threads() == 2


def test_spinning_is_limited_but_not_against_the_user():
    empty, chosen = {}, {"OMP_WAIT_POLICY": "active"}
    hardware.limit_spinning(empty)
    hardware.limit_spinning(chosen)
    assert empty == {"GOMP_SPINCOUNT": "2000"}
    assert chosen == {"OMP_WAIT_POLICY": "active"}


def test_spinning_is_limited_before_openmp_is_loaded(tiny_model):
    program = (
        "import os, sys; from pathlib import Path; from seedbed_backend.engine import llama_cpp;"
        "assert os.environ['GOMP_SPINCOUNT'] == '2000'"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_engine_says_what_it_chose(tiny_model):
    engine = open_engine("llama_cpp", model_path=tiny_model, n_threads=3, n_slots=5)
    lines = engine.describe()
    assert lines[0].startswith("3 threads (as set), on the CPU")
    assert lines[1].startswith(
        "5 completions side by side; each up to 2048 tokens of context (1 MiB)"
    )
    engine.close()
