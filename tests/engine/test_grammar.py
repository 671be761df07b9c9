from __future__ import annotations

import json

from seedbed_backend.engine.grammar import gbnf


def test_flat_object_has_one_spelling():
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "minLength": 1, "maxLength": 2000},
            "b": {"type": "string", "enum": ["x", 'say "ü"']},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    root = gbnf(schema).splitlines()[0]
    assert root == (
        r'root ::= "{" "\"a\": " string ", " "\"b\": " '
        r'("\"x\"" | "\"say \\\"ü\\\"\"" | "\"say \\\"\\u00fc\\\"\"") "}"'
    )


def test_lengths_do_not_grow_the_grammar():
    def sized(n):
        text = {"type": "string", "maxLength": n}
        listed = {"type": "array", "items": text}
        return {"type": "object", "properties": {"a": listed}, "required": ["a"]}

    assert gbnf(sized(10)) == gbnf(sized(100_000))


def test_other_schemas_go_to_llama_cpp():
    schema = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
    assert "score" in gbnf(schema)
    assert json.dumps(schema)  # left as it was
