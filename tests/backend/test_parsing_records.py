"""A record in the model's answer becomes canonical text, or a drop with a reason."""

import json

import pytest

from records import bank_recipe
from seedbed.records import Completion
from seedbed_backend.parsing import REASONS, parse

PLAN = bank_recipe(
    columns=[
        *[c.model_dump(exclude_defaults=True) for c in bank_recipe().columns],
        {"name": "booked", "type": "boolean"},
        {"name": "reference", "type": "text", "pattern": "TX-[0-9]{3}", "optional": True},
    ]
)
SCHEMA = PLAN.spec.schema(PLAN.labels)
GOOD = {
    "narrative": "Bike rental Oulu",
    "amount": -12.5,
    "currency": "EUR",
    "date": "2025-03-14",
    "method": "card",
    "category": "transport",
    "booked": True,
    "reference": None,
}


def read(**changes):
    completion = Completion("c", "s", "p", 0, json.dumps(GOOD | changes), "stop", rng_seed=1)
    return parse(completion, SCHEMA, PLAN.spec.columns)


def test_values_come_out_in_the_spelling_of_their_columns():
    fields, reason = read()
    assert reason == ""
    assert fields == {
        "narrative": "Bike rental Oulu",
        "amount": "-12.50",
        "currency": "EUR",
        "date": "2025-03-14",
        "method": "card",
        "category": "transport",
        "booked": "true",
    }


def test_a_server_that_knows_no_schema_may_write_numbers_and_flags_as_text():
    fields, _ = read(amount="-12.5", booked="no", reference="TX-104")
    assert (fields["amount"], fields["booked"], fields["reference"]) == (
        "-12.50",
        "false",
        "TX-104",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": "twelve"}, "wrong_type"),
        ({"amount": True}, "wrong_type"),
        ({"amount": [1]}, "wrong_type"),
        ({"amount": float("nan")}, "wrong_type"),
        ({"amount": float("inf")}, "wrong_type"),
        ({"amount": None}, "empty_field"),
        ({"booked": 1}, "wrong_type"),
        ({"narrative": 7}, "wrong_type"),
        ({"narrative": "x" * 70}, "too_long"),
        ({"narrative": " "}, "empty_field"),
        ({"date": "2025-02-30"}, "impossible_date"),
        ({"currency": "XYZ"}, "unknown_value"),
        ({"category": "bribe"}, "unknown_label"),
        ({"reference": "TX-1"}, "wrong_pattern"),
        ({"narrative": "a\x00b"}, "bad_characters"),
        ({"more": 1}, "extra_field"),
    ],
)
def test_what_a_column_does_not_take_is_dropped_with_its_reason(changes, reason):
    fields, why = read(**changes)
    assert fields is None
    assert why == reason
    assert why in REASONS
