"""What canaries are made by: it reads well and is wrong, or there is none."""

import pytest

from seedbed import registry
from seedbed.recipe import Recipe
from seedbed.spoilers import (
    changed_number,
    negated,
    other_output,
    other_value,
    spliced,
    swapped,
)

SOURCE = {"original": "Pay within 30 days of 2023-05-01, at most 1,000 euros or 3.5%."}


def text_of(spoiler, text, source=None, other=""):
    spoilt = spoiler(source or SOURCE, {"t": text}, {"t": other} if other else {})
    return spoilt and spoilt["t"]


@pytest.mark.parametrize(
    ("text", "spoilt"),
    [
        ("Payment is due in 30 days.", "Payment is due in 15 days."),
        ("It costs 1,000 euros at most.", "It costs 2,000 euros at most."),
        ("No more than 3.5% is due.", "No more than 6.5% is due."),
        ("Due in 45 days, 30 at best.", "Due in 45 days, 15 at best."),
        ("By 2023-05-01.", "By 2024-05-01."),
        ("No number here.", None),
        ("Only 45 is another one, and A30 is a name.", None),
    ],
)
def test_a_number_of_the_source_becomes_one_that_it_lacks(text, spoilt):
    assert text_of(changed_number("t", "original"), text) == spoilt


def test_a_year_becomes_the_next_and_zeros_in_front_stay():
    source = {"original": "From 2023 on, code 007; 0 is nothing."}
    spoil = changed_number("t", "original")
    assert text_of(spoil, "Since 2023.", source) == "Since 2024."
    assert text_of(spoil, "Code 007.", source) == "Code 014."
    assert text_of(spoil, "It is 0.", source) == "It is 1."


def test_a_number_that_the_source_also_has_is_passed_over():
    source = {"original": "30 days for letters, 15 days for parcels"}
    assert text_of(changed_number("t", "original"), "30 days", source) == "10 days"


def test_a_time_of_day_is_left_alone():
    source = {"original": "From 20:05 on, or on 31 May."}
    spoil = changed_number("t", "original")
    assert text_of(spoil, "At 20:05.", source) is None
    assert text_of(spoil, "At 20:05 on 31 May.", source) == "At 20:05 on 16 May."


@pytest.mark.parametrize(
    ("text", "spoilt"),
    [
        ("The buyer shall not sell.", "The buyer shall sell."),
        ("You cannot cancel.", "You can cancel."),
        ("The buyer must pay, and may leave.", "The buyer must not pay, and may leave."),
        ("It is late.", "It is not late."),
        ("Der Käufer zahlt.", None),
    ],
)
def test_a_statement_is_turned_round(text, spoilt):
    assert text_of(negated("t"), text) == spoilt


def test_the_rest_takes_from_another_candidate_or_exchanges():
    own, other = {"a": "one", "b": "two"}, {"a": "three", "b": " TWO "}
    assert other_output({}, own, other) == other
    assert other_output({}, own, {}) is None
    assert other_value("a")({}, own, other) == {"a": "three", "b": "two"}
    assert other_value("b")({}, own, other) is None
    assert other_value("c")({}, own, other) is None
    assert swapped("a", "b")({}, own, {}) == {"a": "two", "b": "one"}


def test_a_spliced_text_begins_like_one_and_ends_like_the_other():
    spoil = spliced("t")
    assert text_of(spoil, "a b c d e f", other="u v w x y z") == "a b c x y z"
    assert text_of(spoil, "a b c d e", other="u v w x y z") is None
    assert text_of(spoil, "a b c d e f") is None


OWN = {
    "paraphrase": "The buyer must pay within 30 days after delivery has taken place.",
    "quote": "within 30 days",
    "question": "When must the buyer pay?",
    "answer": "Within 30 days.",
    "chosen": "Within 30 days.",
    "rejected": "Soon, we promise!",
    "example": "The buyer must pay within 30 days after delivery has taken place.",
    "label": "payment",
}
OTHER = {name: f"something else about {name} of another source" for name in OWN} | {"label": "law"}


@pytest.mark.parametrize("name", registry.techniques())
def test_every_technique_can_spoil_a_candidate(name):
    spec = registry.technique(name)
    source = {f.name: "The buyer pays within 30 days." for f in spec.source_fields}
    own, other = ({f.name: values[f.name] for f in spec.output_fields} for values in (OWN, OTHER))
    for kind, spoil in spec.canaries.items():
        spoilt = spoil(source, own, other)
        assert spoilt is not None, kind
        assert spoilt.keys() == own.keys()
        assert spoilt != own


def test_records_are_spoilt_in_their_label_and_their_text():
    columns = (
        {"name": "what", "type": "text"},
        {"name": "amount", "type": "number"},
        {"name": "kind", "type": "label"},
    )
    spec = Recipe(technique="expand", columns=columns, labels=("a", "b")).spec
    own = {"what": "one two three four five six", "amount": "3", "kind": "a"}
    other = {"what": "u v w x y z", "amount": "4", "kind": "b"}
    assert {k: spoil({}, own, other) for k, spoil in spec.canaries.items()} == {
        "other_label": own | {"kind": "b"},
        "spliced": own | {"what": "one two three x y z"},
    }
    numbers = ({"name": "amount", "type": "number"},)
    assert Recipe(technique="expand", columns=numbers).spec.canaries == {}
