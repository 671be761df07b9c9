"""Several generate workers on one machine do not fight each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed_backend.engine import hardware
from seedbed_backend.stack.stack import Stack, StackOptions


def share(n_workers, number, role="generate"):
    options = StackOptions(
        home=Path("unused"),
        label_studio=Path(),
        model=None,
        embedding_model=None,
        n_generate_workers=n_workers,
    )
    return Stack(options)._share_of(role, number)


@pytest.fixture(autouse=True)
def _machine(monkeypatch):
    monkeypatch.setattr(hardware, "n_threads", lambda: 8)
    for name in ("SEEDBED_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def test_one_worker_has_all():
    assert share(1, 0) == {}


def test_cores_are_shared_out():
    assert share(3, 1) == {"SEEDBED_THREADS": "2"}
    assert share(20, 1) == {"SEEDBED_THREADS": "1"}
    assert share(3, 1, role="filter") == {}


def test_what_the_operator_set_stays(monkeypatch):
    monkeypatch.setenv("SEEDBED_THREADS", "5")
    assert share(2, 1) == {"SEEDBED_THREADS": "5"}


def test_each_worker_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert [share(2, i)["CUDA_VISIBLE_DEVICES"] for i in (1, 2)] == ["2", "3"]
