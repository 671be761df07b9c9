"""Records on the review screen: one control a column, and every value there and back."""

from __future__ import annotations

import copy
import re

import pytest
from defusedxml import ElementTree
from label_studio_sdk.label_interface import LabelInterface

from records import bank_recipe, bank_sources
from samples import approved_example
from seedbed import labeling
from seedbed.errors import LabelConfigError
from seedbed.examples import real_example
from seedbed.export import rows, training_row
from seedbed.merging import merge
from seedbed.records import Candidate, Example

PLAN = bank_recipe(
    columns=[
        *[c.model_dump(exclude_defaults=True) for c in bank_recipe().columns],
        {"name": "booked", "type": "boolean"},
        {"name": "at", "type": "datetime"},
        {"name": "count", "type": "integer"},
        {"name": "memo", "type": "text", "optional": True},
    ]
)
SPEC = PLAN.spec
SEED = bank_sources()[0]
FIELDS = {
    "narrative": "Velo & Co salary June",
    "amount": "2450.00",
    "currency": "EUR",
    "date": "2025-06-28",
    "method": "transfer",
    "category": "salary",
    "booked": "true",
    "at": "2025-06-28T09:05",
    "count": "3",
    "memo": "Thanks",
}
CANDIDATE = Candidate("c1", SEED, FIELDS)
XML = labeling.review_config(SPEC, PLAN.labels)


def reviewed(predicted=None, **edits):
    """Return the task with an annotation that accepts it; an edit of None empties the control."""
    prediction = labeling.prediction(SPEC, FIELDS, 0.8)
    result = copy.deepcopy(prediction["result"])
    for region in list(result):
        if region["id"] in edits:
            if edits[region["id"]] is None:
                result.remove(region)
            else:
                region["value"] = edits[region["id"]]
    verdict = {"choices": ["accept"]}
    result.append(
        {"id": "v", "from_name": "verdict", "to_name": "seed", "type": "choices", "value": verdict}
    )
    annotation = {"id": 7, "completed_by": 3, "prediction": prediction, "result": result,
                  "updated_at": "2026-01-02T00:00:00Z"}  # fmt: skip
    return {
        "data": labeling.review_data(SPEC, CANDIDATE, draw=0.1, score=0.8),
        "annotations": [annotation],
    }


def verdict(task):
    return labeling.verdict(task, task["annotations"][0], SPEC, FIELDS)


def test_each_column_has_the_control_of_its_type():
    tags = {
        tag.get("name"): tag.tag
        for tag in ElementTree.fromstring(XML).iter()
        if tag.get("toName") == "seed"
    }
    expected = {"narrative": "TextArea", "amount": "Number", "count": "Number", "date": "DateTime",
                "at": "DateTime", "currency": "Choices", "booked": "Choices", "category": "Choices",
                "memo": "TextArea"}  # fmt: skip
    assert {name: tags[name] for name in expected} == expected


@pytest.mark.parametrize("labels", [PLAN.labels, ()], ids=["labels", "no_labels"])
def test_both_configs_are_valid_and_name_only_data_that_the_tasks_have(labels):
    data = labeling.review_data(SPEC, CANDIDATE, draw=0.1)
    review = labeling.review_config(SPEC, labels)
    LabelInterface(review).validate()
    assert set(re.findall(r'"\$(\w+)"', review)) <= set(data)
    labeling.check_config(review, SPEC, labels)
    source = labeling.source_config(SPEC, labels)
    LabelInterface(source).validate()
    required = {f.name for f in SPEC.source_fields if f.is_required}
    assert set(re.findall(r'"\$(\w+)"', source)) == required
    labeling.check_config(source, SPEC, labels, is_review=False)
    assert 'name="verdict"' not in source


def test_a_column_whose_control_was_renamed_is_named():
    with pytest.raises(LabelConfigError, match="no control named 'amount'"):
        labeling.check_config(XML.replace('name="amount"', 'name="sum"'), SPEC, PLAN.labels)


def test_the_prediction_fits_the_config_and_says_every_value():
    predicted = labeling.prediction(SPEC, FIELDS, 0.8)
    assert LabelInterface(XML).validate_prediction(predicted, return_errors=True) == []
    values = {region["id"]: region["value"] for region in predicted["result"]}
    assert values["amount"] == {"number": 2450.0}
    assert values["date"] == {"datetime": "2025-06-28"}
    assert values["booked"] == {"choices": ["yes"]}
    assert values["count"] == {"number": 3}
    assert labeling.values(predicted["result"], SPEC) == FIELDS


def test_what_was_accepted_as_it_stood_is_accepted():
    found = verdict(reviewed())
    assert (found.status, dict(found.fields)) == ("ACCEPTED", FIELDS)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("amount", {"number": 2451.5}, "2451.50"),
        ("date", {"datetime": "2025-06-27"}, "2025-06-27"),
        ("at", {"datetime": "2025-06-28T10:00"}, "2025-06-28T10:00"),
        ("currency", {"choices": ["CHF"]}, "CHF"),
        ("booked", {"choices": ["no"]}, "false"),
        ("category", {"choices": ["rent"]}, "rent"),
        ("narrative", {"text": ["Velo & Co salary July"]}, "Velo & Co salary July"),
        ("memo", None, ""),
    ],
)
def test_an_edit_of_any_control_is_a_fix_with_the_new_value(name, value, text):
    found = verdict(reviewed(**{name: value}))
    assert found.status == "FIXED"
    assert found.fields[name] == text


@pytest.mark.parametrize("number", [2450, 2450.0, "2450", "2450.00"])
def test_the_same_number_written_otherwise_is_no_edit(number):
    assert verdict(reviewed(amount={"number": number})).status == "ACCEPTED"


def test_an_accept_without_a_needed_value_decides_nothing():
    assert verdict(reviewed(amount=None)) is None


def test_an_approved_record_is_pulled_with_its_columns_and_trained_with_typed_values():
    example = approved_example(reviewed(amount={"number": 2500}))
    example = Example.from_dict(example.to_dict())
    assert example.label == "salary"
    row = training_row(example)
    assert row.completion == "salary"
    assert '"amount": 2500.0, "currency": "EUR"' in row.prompt
    assert '"booked": true' in row.prompt and '"count": 3' in row.prompt
    assert "salary" not in row.prompt.replace("Velo & Co salary June", "")
    [whole] = rows([example], "records")
    assert whole["record"]["category"] == "salary"
    assert whole["record"]["amount"] == 2500.0
    assert whole["metadata"]["origin"] == "synthetic"


def test_a_template_in_the_recipe_makes_the_training_row():
    plan = bank_recipe(
        training_row={"prompt": "Which category? {{ narrative }} ({{ amount }} {{ currency }})",
                      "completion": "{{ label }}"}
    )  # fmt: skip
    task = {"data": dict(SEED.fields), "id": 1}
    row = training_row(real_example(task, plan.spec))
    assert row.prompt.startswith("Which category? ")
    assert row.prompt.endswith(f"({float(SEED.fields['amount'])} {SEED.fields['currency']})")
    assert row.completion == SEED.fields["category"]


def test_records_without_a_label_train_to_write_such_records():
    columns = [c for c in bank_recipe().columns if c.type != "label"]
    plan = bank_recipe(columns=columns, labels=[])
    row = training_row(real_example({"data": dict(SEED.fields), "id": 1}, plan.spec))
    assert row.prompt == ""
    assert row.completion.startswith('{"narrative": ')


def test_real_and_synthetic_records_are_merged_and_equal_ones_left_out():
    plan = bank_recipe()
    real = [
        real_example({"data": dict(source.fields), "id": n}, plan.spec)
        for n, source in enumerate(bank_sources(plan))
    ]
    made = [
        Example.from_dict(e.to_dict() | {"id": f"s{n}", "origin": "synthetic"})
        for n, e in enumerate(real[:30])
    ]
    for n, example in enumerate(made[:20]):
        example.output["amount"] = f"-{n}.77"
    merged = merge(real, made, synthetic_fraction=0.2)
    assert merged.report.left_out["repeat_of_real"] == 10
    assert any(e.origin == "synthetic" and e.record == plan.spec.record for e in merged.train)
