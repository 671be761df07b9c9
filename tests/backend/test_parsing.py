import json
import random

import pytest

from seedbed import registry
from seedbed.records import Completion
from seedbed_backend.parsing import REASONS, parse

SCHEMA = registry.technique("qa").schema()
LABELLED = registry.technique("expand").schema(["billing", "delivery"])
GOOD = {"question": "Who pays?", "answer": "The buyer.", "quote": "The buyer pays."}


def completion(text, finish_reason="stop"):
    return Completion("c1", "s1", "p1", 0, text, finish_reason, rng_seed=1)


def reason(text, schema=SCHEMA, finish_reason="stop"):
    fields, why = parse(completion(text, finish_reason), schema)
    assert fields is None
    return why


def test_reads_a_good_answer():
    assert parse(completion(json.dumps(GOOD)), SCHEMA) == (GOOD, "")


@pytest.mark.parametrize("text", ["```json\n{}\n```", "```\n{}```", "  {} \n"])
def test_forgives_surrounding_space_and_a_code_fence(text):
    wrapped = text.replace("{}", json.dumps(GOOD, indent=1))
    assert parse(completion(wrapped), SCHEMA) == (GOOD, "")


def test_strips_and_composes_values():
    answer = GOOD | {"answer": "  Cafe\u0301\n"}
    assert parse(completion(json.dumps(answer)), SCHEMA)[0]["answer"] == "Caf\u00e9"


def test_reads_a_raw_line_break_inside_a_string():
    text = json.dumps(GOOD | {"answer": "one two"}).replace("one two", "one\ntwo")
    assert parse(completion(text), SCHEMA)[0]["answer"] == "one\ntwo"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("```json\n```", "empty"),
        ("Here is the answer", "not_json"),
        ('{"question": "Who', "not_json"),
        ("[" * 100_000, "not_json"),
        ("1" * 10_000, "not_json"),
        ("[]", "not_an_object"),
        ('"text"', "not_an_object"),
        ("null", "not_an_object"),
        (json.dumps({"question": "a", "answer": "b"}), "missing_field"),
        (json.dumps(GOOD | {"note": "x"}), "extra_field"),
        (json.dumps(GOOD | {"answer": 7}), "wrong_type"),
        (json.dumps(GOOD | {"answer": None}), "wrong_type"),
        (json.dumps(GOOD | {"answer": ["x"]}), "wrong_type"),
        (json.dumps(GOOD | {"answer": " \n "}), "empty_field"),
        (json.dumps(GOOD | {"answer": "x" * 1001}), "too_long"),
        (json.dumps(GOOD | {"answer": "a\ud800b"}), "bad_characters"),
        (json.dumps(GOOD | {"answer": "a\x00b"}), "bad_characters"),
        ("a\x00b", "bad_characters"),
        ("\udfff", "bad_characters"),
    ],
)
def test_says_why_an_answer_cannot_be_used(text, expected):
    assert reason(text) == expected


def test_a_completion_cut_by_the_token_limit_is_truncated_even_where_it_parses():
    assert reason(json.dumps(GOOD), finish_reason="length") == "truncated"


def test_a_label_must_be_one_of_the_projects():
    answer = {"example": "Where is my parcel?", "label": "delivery"}
    assert parse(completion(json.dumps(answer)), LABELLED) == (answer, "")
    assert reason(json.dumps(answer | {"label": "returns"}), LABELLED) == "unknown_label"


def test_the_length_limit_counts_code_points():
    assert parse(completion(json.dumps(GOOD | {"answer": "😀" * 999})), SCHEMA)[1] == ""
    # The schema let it go no further: it was cut.
    assert parse(completion(json.dumps(GOOD | {"answer": "😀" * 1000})), SCHEMA)[1] == "too_long"


def test_no_model_text_raises():
    rng = random.Random(7)
    pieces = [*'{}[]",:\\/`n', "question", "answer", "quote", "null", "1e999", "NaN", "-", "\\u"]
    pieces += ["\\ud800", "\x00", "\ud83d", "é", "\u202e", "```json", "\n", "9" * 5000, "\ufeff"]
    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=rng.randrange(14)))
        if rng.random() < 0.5:
            text = json.dumps(GOOD).replace("Who pays?", text)
        fields, why = parse(completion(text), SCHEMA)
        assert (fields is None) == (why in REASONS) and (fields is not None) == (why == "")
        if fields is not None:
            assert set(fields) == set(GOOD) and all(fields.values())
            json.dumps(fields, ensure_ascii=False).encode()
