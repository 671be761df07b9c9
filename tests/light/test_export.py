"""The formats: what one row looks like, and what does not fit."""

from __future__ import annotations

import json

import pytest

from exports import PROVENANCE, example, mixed, real, record, unreviewed
from seedbed import registry
from seedbed.errors import NotFoundError, SourceError, UserError
from seedbed.export import FORMATS, export, rag_chunk, read_examples, rows, write_jsonl
from seedbed.export.metadata import KEYS, UNKNOWN
from seedbed.records import SourceTask

PASSAGE_QUESTION = "source passage ü\n\noutput question 🙂"
ANSWER = "output answer 🙂"


def row(one, format_name, **options):
    """Return the row without its metadata."""
    (found,) = rows([one], format_name, **options)
    return {key: value for key, value in found.items() if key != "metadata"}


@pytest.mark.parametrize(
    ("format_name", "technique", "expected"),
    [
        ("trl-prompt-completion", "qa", {"prompt": PASSAGE_QUESTION, "completion": ANSWER}),
        (
            "trl-preference",
            "dpo",
            {
                "prompt": "source prompt ü",
                "chosen": "output chosen 🙂",
                "rejected": "output rejected 🙂",
            },
        ),
        ("trl-language-modeling", "qa", {"text": f"{PASSAGE_QUESTION}\n\n{ANSWER}"}),
        (
            "openai-messages",
            "qa",
            {
                "messages": [
                    {"role": "user", "content": PASSAGE_QUESTION},
                    {"role": "assistant", "content": ANSWER},
                ]
            },
        ),
        (
            "sharegpt",
            "qa",
            {
                "conversations": [
                    {"from": "human", "value": PASSAGE_QUESTION},
                    {"from": "gpt", "value": ANSWER},
                ]
            },
        ),
        ("alpaca", "qa", {"instruction": PASSAGE_QUESTION, "input": "", "output": ANSWER}),
        ("llama-factory", "qa", {"instruction": PASSAGE_QUESTION, "input": "", "output": ANSWER}),
        (
            "llama-factory",
            "dpo",
            {
                "instruction": "source prompt ü",
                "input": "",
                "chosen": "output chosen 🙂",
                "rejected": "output rejected 🙂",
            },
        ),
    ],
)
def test_row(format_name, technique, expected):
    assert row(example(technique), format_name) == expected


@pytest.mark.parametrize(
    ("format_name", "technique", "expected"),
    [
        (
            "trl-prompt-completion",
            "qa",
            {
                "prompt": [{"role": "user", "content": PASSAGE_QUESTION}],
                "completion": [{"role": "assistant", "content": ANSWER}],
            },
        ),
        (
            "trl-preference",
            "dpo",
            {
                "prompt": [{"role": "user", "content": "source prompt ü"}],
                "chosen": [{"role": "assistant", "content": "output chosen 🙂"}],
                "rejected": [{"role": "assistant", "content": "output rejected 🙂"}],
            },
        ),
        (
            "llama-factory",
            "dpo",
            {
                "conversations": [{"from": "human", "value": "source prompt ü"}],
                "chosen": {"from": "gpt", "value": "output chosen 🙂"},
                "rejected": {"from": "gpt", "value": "output rejected 🙂"},
            },
        ),
    ],
)
def test_row_in_messages(format_name, technique, expected):
    assert row(example(technique), format_name, chat=True) == expected


def test_language_modeling_in_messages_is_that_of_openai():
    assert row(example("qa"), "trl-language-modeling", chat=True) == row(
        example("qa"), "openai-messages"
    )


def test_a_labelled_paraphrase_teaches_its_label():
    assert row(example(), "alpaca") == {
        "instruction": "output paraphrase 🙂",
        "input": "",
        "output": "source label ü",
    }


def test_record_keeps_its_types():
    assert row(record(memo="cash"), "records") == {
        "record": {
            "narrative": "Paid at the till",
            "amount": 12.0,
            "memo": "cash",
            "category": "fees",
        }
    }


def test_all_records_have_all_columns():
    (one, two) = rows([record(), record(memo="cash", id="id2")], "records")
    assert list(one["record"]) == list(two["record"])
    assert one["record"]["memo"] is None
    assert isinstance(one["record"]["amount"], float)


class TestTextWithoutPrompt:
    text = example("expand", output={"example": "x"}, label="")

    def test_it_is_one_message(self):
        assert row(self.text, "openai-messages") == {
            "messages": [{"role": "assistant", "content": "x"}]
        }

    def test_it_is_one_text(self):
        assert row(self.text, "trl-language-modeling") == {"text": "x"}
        assert row(self.text, "llama-factory") == {"text": "x"}

    @pytest.mark.parametrize("name", ["alpaca", "sharegpt", "trl-prompt-completion"])
    def test_a_format_with_prompts_refuses_it(self, name):
        with pytest.raises(UserError, match=r"needs a prompt with one answer.*openai-messages"):
            row(self.text, name)


class TestRagChunks:
    def test_a_chunk_is_the_passage_with_its_place(self):
        assert row(example("qa"), "rag-chunks") == {
            "text": "source passage ü",
            "document": "source document ü",
            "page": 3,
            "page_end": 4,
            "char_start": 1200,
            "char_end": 1900,
            "source_id": "s1",
        }

    def test_each_passage_is_written_once(self):
        found = list(rows(mixed("qa", 30), "rag-chunks"))
        assert [chunk["source_id"] for chunk in found] == [f"s{i}" for i in range(15)]

    def test_a_place_that_is_not_known_has_the_same_type(self):
        chunk = row(real("qa"), "rag-chunks")
        assert (chunk["page"], chunk["char_start"]) == (-1, -1)

    def test_chunks_are_made_of_sources_too(self):
        fields = {"passage": "words", "document": "a.pdf"}
        chunk = rag_chunk(fields, {"page": 2}, registry.technique("qa"))
        assert chunk["source_id"] == SourceTask.of(fields).id
        assert (chunk["text"], chunk["document"], chunk["page"]) == ("words", "a.pdf", 2)

    def test_what_comes_from_no_document_is_refused(self):
        with pytest.raises(UserError, match="needs a passage of a document"):
            row(example(), "rag-chunks")


@pytest.mark.parametrize("technique", registry.techniques())
def test_every_technique_fits_some_format_and_is_refused_by_the_others(technique):
    fitting = []
    for name, format_ in FORMATS.items():
        try:
            (found,) = rows([example(technique)], name)
        except UserError as exc:
            needs = (
                f"{name} needs {format_.needs}, which the example id1 of technique {technique} is"
            )
            assert needs in str(exc)
            assert "Use one of: " in str(exc)
        else:
            fitting.append(name)
            assert format_.of_example or found["metadata"]["technique"] == technique
    assert {"parquet", "llama-factory"} < set(fitting)


def test_unfit_format_names_those_that_fit():
    with pytest.raises(UserError, match=r"Use one of: trl-preference, llama-factory, parquet\."):
        list(rows([example("dpo")], "alpaca"))
    with pytest.raises(UserError, match=r"Use one of: trl-prompt-completion, .*alpaca.*rag-chunks"):
        list(rows([example("qa")], "trl-preference"))


def test_unknown_format_names_the_known_at_once():
    with pytest.raises(NotFoundError, match="trl-preference, trl-language-modeling, openai"):
        rows([], "csv")


def test_a_format_without_messages_says_which_have_them():
    with pytest.raises(UserError, match=r"alpaca has no messages\. These have: trl-prompt"):
        rows([], "alpaca", chat=True)


def test_rows_of_two_kinds_are_refused():
    both = [example("qa"), example("dpo", id="id2")]
    with pytest.raises(
        UserError, match=r"id2 of technique dpo gives a row of instruction, input, ch"
    ):
        list(rows(both, "llama-factory"))


def test_example_that_lacks_a_field():
    with pytest.raises(UserError, match="id1 of technique qa lacks the field 'answer'"):
        list(rows([example("qa", output={"question": "x"})], "alpaca"))


class TestMetadata:
    def test_it_keeps_everything_that_is_known(self):
        (found,) = rows([example("qa", label="lease")], "alpaca")
        said = found["metadata"]
        for key, value in PROVENANCE.items():
            assert said[key] == value or json.loads(said[key]) == value, key
        assert (said["id"], said["origin"], said["technique"], said["label"]) == (
            "id1",
            "synthetic",
            "qa",
            "lease",
        )
        assert said["more"] == "{}"

    def test_every_row_has_the_same_keys_and_types(self):
        shapes = {
            tuple((key, type(value)) for key, value in found["metadata"].items())
            for technique in ("qa", "paraphrase")
            for found in rows(mixed(technique), "openai-messages")
        }
        assert len(shapes) == 1

    def test_what_is_not_known_says_so_by_its_type(self):
        (found,) = rows([real()], "alpaca")
        said = found["metadata"]
        assert (said["verdict"], said["page"], said["score"], said["scores"]) == (
            "",
            -1,
            -1.0,
            "{}",
        )

    def test_a_whole_number_among_the_scores_stays_a_number(self):
        (found,) = rows([unreviewed()], "alpaca")
        assert found["metadata"]["score"] == 1.0
        assert isinstance(found["metadata"]["score"], float)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("page", "iv"), ("page", True), ("score", "high"), ("rng_seed", 2**70), ("mine", [1])],
    )
    def test_an_unexpected_value_is_kept_beside_the_others(self, key, value):
        (found,) = rows([example(provenance={**PROVENANCE, key: value})], "alpaca")
        assert json.loads(found["metadata"]["more"]) == {key: value}

    def test_every_key_has_a_value_for_not_known(self):
        assert all(key.help and key.kind in UNKNOWN for key in KEYS)


def test_what_is_no_number_is_not_known():
    (found,) = rows([example(provenance={**PROVENANCE, "score": float("nan")})], "alpaca")
    assert found["metadata"]["score"] == UNKNOWN["number"]
    assert found["metadata"]["more"] == "{}"
    json.dumps(found, allow_nan=False)


def test_file_is_deterministic_utf8_lines(tmp_path):
    examples = [example(id=f"id{i}") for i in range(3)]
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    assert export(examples, "alpaca", one) == {"train": 3}
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
