"""Every registered technique declares what the pipeline, Label Studio and trainers need.

None is listed here: a new technique is one module and one label config, and is tested at once.
"""

from __future__ import annotations

import importlib

import jsonschema
import pytest
from defusedxml.ElementTree import fromstring

from seedbed import labeling, registry
from seedbed.errors import UserError
from seedbed.recipe import Recipe, technique_of
from seedbed.records import SourceTask

LABELS = ("billing", "Zürich")
STYLE = ({"name": "short", "text": "Be short.", "measure": ""},)


COLUMNS = (
    {"name": "what", "type": "text", "max_length": 80},
    {"name": "amount", "type": "number", "minimum": -5, "maximum": 90, "decimals": 2},
    {"name": "day", "type": "date"},
    {"name": "paid", "type": "boolean"},
    {"name": "currency", "type": "category", "values": ["EUR", "CHF"]},
    {"name": "reference", "type": "text", "pattern": "TX-[0-9]{3}", "optional": True},
    {"name": "class_name", "type": "label"},
)
VALUES = {"amount": "12.50", "day": "2025-03-01", "paid": "true", "currency": "CHF",
          "reference": "TX-123"}  # fmt: skip
CONTROLS = {
    "number": ("Number",),
    "date": ("DateTime",),
    "boolean": ("Choices",),
    "category": ("Choices",),
}
OF_RECORDS = [name for name, t in registry.techniques().items() if t.of_records]


def of_records(name):
    return Recipe(technique=name, columns=COLUMNS, labels=LABELS).spec


@pytest.fixture(params=[*registry.techniques(), *(f"{name} of records" for name in OF_RECORDS)])
def spec(request):
    name, _, records = request.param.partition(" ")
    return of_records(name) if records else registry.technique(name)


def source_of(spec, *, is_full: bool) -> SourceTask:
    return SourceTask.of(
        {
            f.name: VALUES.get(f.name, f"<{f.name}>")
            for f in spec.source_fields
            if is_full or f.is_required
        }
    )


def outputs_of(spec, labels=()) -> dict[str, str]:
    return {
        f.name: labels[0] if f.is_label else VALUES.get(f.name, f"[{f.name}]")
        for f in spec.outputs(labels)
    }


def answer_of(spec, labels=()) -> dict[str, object]:
    """Return the outputs as the model's JSON has them."""
    columns = {column.name: column for column in spec.columns}
    return {
        name: columns[name].typed(text) if name in columns else text
        for name, text in outputs_of(spec, labels).items()
    }


def test_name_is_the_modules(spec):
    module = importlib.import_module(f"seedbed.techniques.{spec.name}")
    assert spec.columns or module.TECHNIQUE is spec
    assert module.TECHNIQUE.name == spec.name


def test_says_what_it_is(spec):
    assert spec.title
    assert spec.help.endswith(".")
    assert all(f.name.isidentifier() and f.help for f in (*spec.source_fields, *spec.output_fields))


def test_fields_hang_together(spec):
    sources = [f.name for f in spec.source_fields]
    outputs = [f.name for f in spec.output_fields]
    assert len(set(sources)) == len(sources)
    assert len(set(outputs)) == len(outputs)
    assert spec.text_field in sources
    assert set(spec.dedup_fields) <= set(outputs)
    assert spec.dedup_fields
    assert spec.group_field in {"", *sources}
    assert spec.real_field in {"", *sources}
    assert set(spec.score_columns) <= set(spec.filters)
    assert sum(f.is_label for f in spec.source_fields) <= 1
    assert not any(f.is_label and f.is_required for f in spec.source_fields)


@pytest.mark.parametrize("labels", [(), LABELS])
def test_schema_is_valid_and_fits_an_answer(spec, labels):
    schema = spec.schema(labels)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    answer = answer_of(spec, labels)
    assert validator.is_valid(answer)
    assert not validator.is_valid(answer | {"extra": "x"})
    for name in answer:
        assert not validator.is_valid(answer | {name: ""})
        assert not validator.is_valid({k: v for k, v in answer.items() if k != name})


def test_prompt_with_required_fields_only(spec):
    source = source_of(spec, is_full=False)
    prompt = spec.prompt(source)
    shown = "\n".join(m.content for m in prompt.messages)
    assert prompt.source_id == source.id
    assert source.fields[spec.text_field] in shown
    assert all(f'"{f.name}"' in shown for f in spec.outputs(()))


def test_prompt_with_everything(spec):
    source = source_of(spec, is_full=True)
    peer = SourceTask.of({f.name: f"peer {f.name}" for f in spec.source_fields})
    prompt = spec.prompt(
        source, peers=[peer] * max(1, spec.n_peers), labels=LABELS, glossary=("VAT",),
        style_guide=STYLE,
    )  # fmt: skip
    shown = "\n".join(m.content for m in prompt.messages)
    assert source.fields[spec.text_field] in shown
    assert ("peer" in shown) == (spec.n_peers > 0)
    assert all("{{" not in m.content and "{%" not in m.content for m in prompt.messages)


def test_peers_need_required_fields_only(spec):
    peers = [source_of(spec, is_full=False), source_of(spec, is_full=True)]
    assert spec.prompt(source_of(spec, is_full=False), peers=peers).messages


def test_labelled_source_steers_the_answer_to_its_label(spec):
    fields = dict(source_of(spec, is_full=False).fields)
    if spec.label_field:
        fields[spec.label_field] = "Zürich"
    schema = spec.prompt(SourceTask.of(fields), labels=LABELS).schema
    for output in spec.output_fields:
        if output.is_label:
            assert spec.label_field
            assert schema["properties"][output.name]["enum"] == ["Zürich"]


@pytest.mark.parametrize("labels", [(), LABELS])
def test_row_is_trainable(spec, labels):
    fields = dict(source_of(spec, is_full=bool(labels)).fields)
    row = spec.row(fields, outputs_of(spec, labels))
    assert row.completion
    assert row.prompt or not labels
    assert row.rejected is None or row.rejected not in ("", row.completion)


@pytest.mark.parametrize("labels", [(), LABELS])
def test_row_is_read_back(spec, labels):
    if spec.read_row is None:
        assert spec.columns  # a record's row may be worded in any way: its columns are read instead
        return
    fields = source_of(spec, is_full=bool(labels)).fields
    row = spec.row(fields, outputs_of(spec, labels))
    source, output = spec.read_row(row, bool(labels))
    assert spec.row(source, output) == row
    assert set(source) <= {f.name for f in spec.source_fields}
    assert set(output) <= {f.name for f in spec.output_fields}


def test_filters_refer_to_existing_fields(spec):
    sources = {f.name for f in spec.source_fields}
    outputs = {f.name for f in spec.output_fields}
    for name, options in spec.filters.items():
        for option, value in options.items():
            if option == "source_field":
                assert value in sources, (name, option)
            elif option == "fields":
                assert set(value) <= outputs, (name, option)
            elif option.endswith("_field"):
                assert value in outputs, (name, option)


def test_recipe_of_defaults(spec):
    columns = COLUMNS if spec.columns else ()
    recipe = Recipe(technique=spec.name, columns=columns, labels=LABELS)
    assert recipe.filter_options().keys() == spec.filters.keys()
    assert 0 < spec.temperature <= 2
    assert 8 <= spec.max_tokens <= 8192


def test_label_config_has_a_control_for_each_output_and_the_verdict(spec):
    root = fromstring(labeling.review_config(spec, LABELS))
    named = {tag.get("name"): tag for tag in root.iter() if tag.get("name")}
    for field in spec.output_fields:
        control = named[field.name]
        kinds = ("TextArea", "Labels")
        if field.is_label:
            kinds = ("Choices",)
        elif field.column:
            kinds = CONTROLS.get(field.column.type, kinds)
        assert control.tag in kinds
        assert control.get("toName") in named
    verdict = named["verdict"]
    assert (verdict.tag, verdict.get("required")) == ("Choices", "true")
    assert [choice.get("value") for choice in verdict] == ["accept", "reject"]
    assert f"${spec.text_field}" in {tag.get("value") for tag in root.iter()}


@pytest.mark.parametrize("name", OF_RECORDS)
def test_a_record_is_remade_from_what_its_tasks_say(name):
    spec = of_records(name)
    assert technique_of(name, spec.record).record == spec.record
    with pytest.raises(UserError):
        technique_of(name, {"columns": [{"name": "x", "type": "nonsense"}]})


def test_reject_reasons_have_a_digit_each(spec):
    assert 1 <= len(spec.reject_reasons) <= 9
    assert len(set(spec.reject_reasons)) == len(spec.reject_reasons)
