from __future__ import annotations

import json

import pytest

from seedbed import registry
from seedbed.errors import NotFoundError, SourceError, UserError
from seedbed.export import FORMATS, export, read_examples, rows, write_jsonl
from seedbed.records import Example


def example(technique: str = "paraphrase", **changes) -> Example:
    spec = registry.technique(technique)
    values = {
        "id": "id1",
        "technique": technique,
        "origin": "synthetic",
        "source": {f.name: f"source {f.name} ü" for f in spec.source_fields},
        "output": {f.name: f"output {f.name} 🙂" for f in spec.output_fields},
        "label": "billing",
        "provenance": {"source_id": "s1", "model": "m", "a": 1},
    }
    return Example(**{**values, **changes})


METADATA = {
    "origin": "synthetic",
    "id": "id1",
    "source_id": "s1",
    "label": "billing",
    "provenance": {"a": 1, "model": "m", "source_id": "s1"},
}


def test_trl_preference():
    assert list(rows([example("dpo")], "trl-preference")) == [
        {
            "prompt": "source prompt ü",
            "chosen": "output chosen 🙂",
            "rejected": "output rejected 🙂",
            "metadata": {**METADATA, "technique": "dpo"},
        }
    ]


def test_openai_messages():
    (row,) = rows([example("qa")], "openai-messages")
    assert row["messages"] == [
        {"role": "user", "content": "source passage ü\n\noutput question 🙂"},
        {"role": "assistant", "content": "output answer 🙂"},
    ]
    assert row["metadata"] == {**METADATA, "technique": "qa"}


def test_alpaca():
    (row,) = rows([example()], "alpaca")
    assert (row["instruction"], row["input"]) == ("output paraphrase 🙂", "")
    assert row["output"] == "source label ü"


def test_text_without_prompt_is_one_message():
    (row,) = rows([example("expand", output={"example": "x"})], "openai-messages")
    assert row["messages"] == [{"role": "assistant", "content": "x"}]


@pytest.mark.parametrize("technique", registry.techniques())
def test_every_technique_fits_some_format_and_is_refused_by_the_others(technique):
    fitting = []
    for name in FORMATS:
        try:
            (row,) = rows([example(technique)], name)
        except UserError as exc:
            assert f"{name} does not fit the technique {technique}. Use " in str(exc)
        else:
            fitting.append(name)
            assert row["metadata"]["technique"] == technique
    assert fitting


def test_unfit_format_names_those_that_fit():
    with pytest.raises(UserError, match=r"Use trl-preference\."):
        list(rows([example("dpo")], "alpaca"))
    with pytest.raises(UserError, match=r"Use openai-messages, alpaca\."):
        list(rows([example("qa")], "trl-preference"))


def test_unknown_format_names_the_known():
    with pytest.raises(NotFoundError, match="trl-preference, openai-messages, alpaca"):
        rows([], "parquet")


def test_example_that_lacks_a_field():
    with pytest.raises(UserError, match="id1 of technique qa lacks the field 'answer'"):
        list(rows([example("qa", output={"question": "x"})], "alpaca"))


def test_file_is_deterministic_utf8_lines(tmp_path):
    examples = [example(id=f"id{i}") for i in range(3)]
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    assert export(examples, "alpaca", one) == 3
    turned = [
        example(id=f"id{i}", provenance=dict(reversed(examples[i].provenance.items())))
        for i in range(3)
    ]
    export(turned, "alpaca", two)
    assert one.read_bytes() == two.read_bytes()
    lines = one.read_bytes().decode().split("\n")
    assert len(lines) == 4
    assert "🙂" in lines[0]
    assert [json.loads(line)["metadata"]["id"] for line in lines[:3]] == ["id0", "id1", "id2"]


def test_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("before")
    with pytest.raises(UserError):
        export([example(), example("dpo")], "alpaca", path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"Cannot write .*: No such file"):
        write_jsonl(tmp_path / "none" / "out.jsonl", [])


def test_examples_survive_the_round_trip(tmp_path):
    examples = [example("qa"), example("dpo", origin="real")]
    path = tmp_path / "e.jsonl"
    write_jsonl(path, (e.to_dict() for e in examples))
    assert list(read_examples(path)) == examples


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "x"}', '"x"', b"\xff"])
def test_file_that_holds_no_examples_is_named_with_its_line(tmp_path, line):
    path = tmp_path / "e.jsonl"
    good = json.dumps(example().to_dict()).encode()
    path.write_bytes(good + b"\n" + (line if isinstance(line, bytes) else line.encode()) + b"\n")
    stream = read_examples(path)
    assert next(stream) == example()
    with pytest.raises(SourceError, match=r"e\.jsonl, line 2: this is not an example"):
        next(stream)


def test_examples_file_that_is_missing(tmp_path):
    with pytest.raises(SourceError, match=r"Cannot read .*none\.jsonl: No such file"):
        list(read_examples(tmp_path / "none.jsonl"))
