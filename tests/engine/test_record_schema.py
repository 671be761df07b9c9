"""A model with random weights, held to a record's schema by the real llama.cpp, writes records."""

import json
from collections import Counter

from engine.conftest import request_for
from records import bank_recipe
from seedbed_backend.parsing import parse

PLAN = bank_recipe(
    columns=[
        *[c.model_dump(exclude_defaults=True) for c in bank_recipe().columns],
        {"name": "booked", "type": "boolean"},
        {"name": "at", "type": "datetime", "optional": True},
        {"name": "n_items", "type": "integer", "minimum": 1, "maximum": 9},
        {"name": "reference", "type": "text", "pattern": "TX-[0-9]{3}", "optional": True},
        {"name": "channel", "type": "category", "values": ["app", "web"], "optional": True},
    ]
)


def test_every_finished_answer_is_a_record(engine):
    schema = PLAN.spec.schema(PLAN.labels)
    request = request_for("A record", 24, schema=schema, max_tokens=600)
    completions = list(engine.generate([request]))
    reasons = Counter()
    low, high = PLAN.columns[1].bounds()
    for completion in completions:
        fields, reason = parse(completion, schema, PLAN.spec.columns)
        reasons[reason] += 1
        if completion.finish_reason != "stop":
            continue
        answer = json.loads(completion.text)
        assert list(answer) == [column.name for column in PLAN.columns]
        assert low <= answer["amount"] <= high
        assert 1 <= answer["n_items"] <= 9
        assert isinstance(answer["booked"], bool)
        for column in PLAN.columns:
            if fields and column.type != "label" and column.name in fields:
                assert column.read(fields[column.name], is_own=True) == fields[column.name]
    # Noise fills a text to its end or writes a day that its month has not; it breaks no type.
    assert set(reasons) <= {"", "too_long", "truncated", "impossible_date", "empty_field"}, reasons
    assert len(completions) == 24
    assert reasons[""] + reasons["too_long"] > 0
