"""The committed demo assets: sources of the promised size, held-out values, a small valid GGUF."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DEMO = Path(__file__).resolve().parents[2] / "demo"
SOURCES = DEMO / "sources"
MODEL = DEMO / "model" / "seedbed-demo.gguf"
MAXIMUM_MODEL_BYTES = 16 * 1024 * 1024


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    return _load(DEMO / "build_sources.py")


def _rows(name: str) -> list[dict[str, str]]:
    lines = (SOURCES / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_contracts_have_the_promised_length() -> None:
    lengths = [len(p.read_text(encoding="utf-8").split()) for p in SOURCES.glob("contracts/*.md")]
    assert len(lengths) >= 12
    assert min(lengths) >= 300
    assert max(lengths) <= 900


@pytest.mark.parametrize(
    ("name", "n_rows", "fields"),
    [
        ("clauses.jsonl", 96, {"original", "label"}),
        ("seeds.jsonl", 40, {"seed", "label"}),
        ("instructions.jsonl", 48, {"prompt"}),
    ],
)
def test_jsonl_sources(name: str, n_rows: int, fields: set[str]) -> None:
    rows = _rows(name)
    assert len(rows) == n_rows
    assert len({json.dumps(row, sort_keys=True) for row in rows}) == n_rows
    for row in rows:
        assert set(row) == fields
        assert all(row.values())


def test_builder_gives_the_committed_bytes(builder: ModuleType, tmp_path: Path) -> None:
    builder.write(builder.build(), tmp_path)
    built = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    committed = {p.relative_to(SOURCES): p.read_bytes() for p in SOURCES.rglob("*") if p.is_file()}
    assert built == committed


def test_source_values_are_held_out_from_training(builder: ModuleType) -> None:
    grammar = sys.modules["grammar"]
    values = builder.build().values
    assert len(values) > 300
    assert all(grammar.is_held_out(value) for value in values)


def test_training_values_never_reach_the_sources(builder: ModuleType) -> None:
    grammar = sys.modules["grammar"]
    training = grammar.Values(random.Random(1), "train")
    kinds = (
        "supplier",
        "customer",
        "city",
        "country",
        "system",
        "money",
        "period",
        "pct",
        "date",
        "uptime",
    )
    for _ in range(2000):
        for kind in kinds:
            training.of_kind(kind)
    assert not training.used & builder.build().values


def test_written_amounts_differ_from_all_training_amounts(builder: ModuleType) -> None:
    grammar = sys.modules["grammar"]
    training = {f"{n * size:,}" for n in range(11, 1000) for size in (1, 10, 100, 1000, 10_000)
                if not grammar.is_held_out(str(n))}  # fmt: skip
    demo = grammar.Values(random.Random(2), "demo")
    amounts = {re.sub(r"\.00|[^0-9,]", "", demo.money()) for _ in range(500)}
    assert not amounts & training


def test_every_label_has_seeds(builder: ModuleType) -> None:
    grammar = sys.modules["grammar"]
    assert {row["label"] for row in _rows("seeds.jsonl")} == set(grammar.labels())


def test_model_is_a_small_gguf() -> None:
    assert MODEL.stat().st_size <= MAXIMUM_MODEL_BYTES
    with MODEL.open("rb") as file:
        assert file.read(4) == b"GGUF"
