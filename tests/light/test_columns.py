"""Typed columns: derived from rows, readable in a recipe, one spelling for each value."""

import json
from decimal import Decimal

import jsonschema
import pytest

from records import TRANSACTIONS, bank_recipe
from seedbed import recipe
from seedbed.column_derivation import derive
from seedbed.columns import RESERVED, Column, ValueProblem, significant_decimals
from seedbed.errors import RecipeError, SourceError, UserError
from seedbed.first_recipe import first_recipe


def column(header, *texts, label=""):
    """Derive the one column of these texts."""
    rows = [{header: text, "id": f"x{n}y"} for n, text in enumerate(texts)]
    return next(c for c in derive(rows, label=label).columns if header in (c.header, c.name))


def options(found):
    return found.model_dump(mode="json", exclude_defaults=True, exclude={"name", "header"})


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["12", "7", "1,300"], {"type": "integer", "minimum": 7, "maximum": 1300}),
        (
            ["-12.50", "1,250.00", "3.20"],
            {"type": "number", "minimum": -12.5, "maximum": 1250.0, "decimals": 2,
             "fixed_decimals": True},
        ),
        (["1.5", "20"], {"type": "number", "minimum": 1.5, "maximum": 20.0, "decimals": 1}),
        (
            ["1.250,75", "-3,10"],
            {"type": "number", "minimum": -3.1, "maximum": 1250.75, "decimals": 2,
             "fixed_decimals": True, "decimal_mark": ","},
        ),
        (["2025-01-31", "2024-12-01"],
         {"type": "date", "minimum": "2024-12-01", "maximum": "2025-01-31"}),
        (["31.12.2024", "01.02.2024"],
         {"type": "date", "format": "%d.%m.%Y", "minimum": "2024-02-01", "maximum": "2024-12-31"}),
        (["12/31/2024", "01/02/2024"],
         {"type": "date", "format": "%m/%d/%Y", "minimum": "2024-01-02", "maximum": "2024-12-31"}),
        (["2024-05-01 09:30", "2024-05-02 17:05"],
         {"type": "datetime", "format": "%Y-%m-%d %H:%M", "minimum": "2024-05-01T09:30",
          "maximum": "2024-05-02T17:05"}),
        (["yes", "no", "Yes"], {"type": "boolean"}),
        (["EUR", "USD", "EUR", "EUR"], {"type": "category", "values": ["EUR", "USD"]}),
        (["TX-104", "TX-2205"], {"type": "text", "pattern": "TX-[0-9]{3,4}"}),
        (["01234", "99999", "10115"], {"type": "text", "pattern": "[0-9]{5}"}),
        (["DE89370400440532013000", "DE02120300000000202051"],
         {"type": "text", "pattern": "DE[0-9]{20}"}),
        (["Paid the rent", "Bought a lamp"], {"type": "text", "max_length": 20}),
    ],
)  # fmt: skip
def test_a_column_is_derived_from_its_texts(texts, expected):
    assert options(column("x value", *texts)) == expected


def test_an_ambiguous_date_is_read_as_day_first_and_said_so():
    found = derive([{"day": "03/04/2024"}, {"day": "05/06/2024"}])
    assert found.columns[0].minimum == "2024-04-03"
    assert "%m/%d/%Y" in found.notes[0]


def test_empty_cells_make_a_column_optional_and_useless_columns_are_left_out():
    rows = [{"no": str(n), "nothing": "", "who": f"Person {n} here", "age": "7" if n % 2 else ""}
            for n in range(1, 9)]  # fmt: skip
    found = derive(rows)
    assert {c.name: c.optional for c in found.columns} == {"who": False, "age": True}
    assert len(found.notes) == 2


def test_the_label_is_found_by_name_or_named():
    rows = [
        {"what": f"Thing {n} of it", "kind": "ab"[n % 2], "class": "xy"[n % 2]} for n in range(8)
    ]
    assert [c.type for c in derive(rows).columns] == ["text", "category", "label"]
    named = derive(rows, label="kind")
    assert (named.labels, [c.type for c in named.columns][1]) == (("a", "b"), "label")
    with pytest.raises(UserError, match="no column 'sort'"):
        derive(rows, label="sort")


def test_headers_become_names_that_nothing_else_uses():
    rows = [{"Amount (EUR)": "1.5", "Note": "Some words", "Größe": "7", "2nd": "a b c"},
            {"Amount (EUR)": "2.5", "Note": "Other words", "Größe": "9", "2nd": "d e f"}]  # fmt: skip
    found = derive(rows).columns
    assert [c.name for c in found] == ["amount_eur", "note_value", "grosse", "field_2nd"]
    assert found[0].title == "Amount (EUR)"
    assert RESERVED.isdisjoint(c.name for c in found)


@pytest.mark.parametrize(
    ("given", "value", "spelled"),
    [
        ({"type": "number", "decimals": 2, "fixed_decimals": True}, "1,200.5", "1200.50"),
        ({"type": "number", "decimals": 2, "fixed_decimals": True}, 12, "12.00"),
        ({"type": "number", "decimals": 2}, 1200.0, "1200"),
        ({"type": "number", "decimals": 2}, "12.5", "12.50"),
        ({"type": "number", "decimals": 2}, "12.345", "12.345"),
        ({"type": "number", "decimals": 2, "decimal_mark": ","}, "1.250,5", "1250.50"),
        ({"type": "number", "decimals": 3, "decimal_mark": ","}, "1.250", "1.250"),
        ({"type": "number"}, "-0.0", "0"),
        ({"type": "integer"}, 7.0, "7"),
        ({"type": "date", "format": "%d.%m.%Y"}, "03.02.2024", "2024-02-03"),
        ({"type": "date", "format": "%d.%m.%Y"}, "2024-02-03", "2024-02-03"),
        ({"type": "datetime"}, "2024-02-03 10:05:59", "2024-02-03T10:05"),
        ({"type": "boolean"}, "Ja", "true"),
        ({"type": "text"}, "  Cafe\u0301 ", "Caf\u00e9"),
        ({"type": "text", "optional": True}, None, ""),
    ],
)
def test_equal_values_have_one_spelling(given, value, spelled):
    column = Column(name="x", **given)
    assert column.read(value) == spelled
    assert column.read(spelled) == spelled if spelled else True
    if spelled:
        assert column.read(str(column.typed(spelled)), is_own=True) == spelled


@pytest.mark.parametrize(
    ("given", "value", "reason"),
    [
        ({"type": "number"}, "12 EUR", "wrong_type"),
        ({"type": "number"}, "NaN", "wrong_type"),
        ({"type": "number"}, "1e999", "wrong_type"),
        ({"type": "integer"}, "1.5", "wrong_type"),
        ({"type": "date"}, "2024-02-30", "impossible_date"),
        ({"type": "category", "values": ["a"]}, "b", "unknown_value"),
        ({"type": "boolean"}, "perhaps", "wrong_type"),
        ({"type": "text", "pattern": "[0-9]{3}"}, "12", "wrong_pattern"),
        ({"type": "text"}, " ", "empty_field"),
    ],
)
def test_what_a_column_does_not_take_has_a_reason(given, value, reason):
    with pytest.raises(ValueProblem) as caught:
        Column(name="x", **given).read(value)
    assert caught.value.reason == reason


def test_bounds_are_a_tenth_wider_and_do_not_cross_zero():
    assert Column(name="x", type="number", minimum=-10, maximum=30).bounds() == (-14, 34)
    assert Column(name="x", type="number", minimum=1, maximum=31).bounds() == (0, 34)
    assert Column(name="x", type="number", maximum=5).bounds() == (None, 5)


def test_the_limits_of_an_answer_are_rounded_inwards():
    whole = Column(name="x", type="integer", minimum=1, maximum=9).answer_schema()
    assert (whole["minimum"], whole["maximum"]) == (1, 9)
    money = Column(name="x", type="number", decimals=2, minimum=-1.11, maximum=2.22).answer_schema()
    assert (money["minimum"], money["maximum"]) == (-1.44, 2.55)  # of -1.443 and 2.553


def test_significant_decimals_forget_zeros_at_the_end():
    assert [significant_decimals(Decimal(t)) for t in ("1.50", "100", "0.001", "1E+3")] == [
        1,
        0,
        3,
        0,
    ]


def test_the_schema_of_an_answer_takes_what_the_seeds_are_like():
    plan = bank_recipe()
    schema = plan.spec.schema(plan.labels)
    check = jsonschema.Draft202012Validator(schema).is_valid
    good = {"narrative": "Bus", "amount": -3.5, "currency": "EUR", "date": "2025-03-01",
            "method": "card", "category": "transport"}  # fmt: skip
    assert check(good)
    for change in ({"amount": "3"}, {"amount": 99999}, {"currency": "XYZ"}, {"date": "1.3.2025"},
                   {"category": "other"}, {"narrative": ""}, {"more": 1}):  # fmt: skip
        assert not check(good | change), change


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([{"name": "a", "type": "float"}], "'columns.0.type' should be 'text'"),
        (
            [{"name": "a", "type": "text", "minimum": 1}],
            "the text column 'a' has no minimum; it takes",
        ),
        ([{"name": "a", "type": "category"}], "the category column 'a' needs `values`"),
        ([{"name": "a", "type": "category", "values": [True]}], "write the values in quotes"),
        ([{"name": "a", "type": "date", "minimum": "soon"}], "'soon' is no date"),
        ([{"name": "a", "type": "number", "minimum": 3, "maximum": 1}], "minimum 3 is above"),
        ([{"name": "score", "type": "text"}], "call it score_value"),
        ([{"name": "a", "type": "text"}] * 2, "two columns are called 'a'"),
        ([{"name": "a", "type": "text", "optional": True}], "must not be optional"),
        ([{"name": "a", "type": "text"}, {"name": "b", "type": "label"}], "under `labels`"),
        ([{"name": "a", "type": "text", "pattern": "("}], "no regular expression"),
    ],
)
def test_columns_that_make_no_sense_are_refused(columns, message):
    with pytest.raises(RecipeError, match=message.replace("(", r"\(")):
        recipe.parse({"technique": "expand", "columns": columns})


def test_only_a_technique_that_grows_records_takes_columns():
    with pytest.raises(RecipeError, match="paraphrase does not grow records"):
        recipe.parse({"technique": "paraphrase", "columns": [{"name": "a", "type": "text"}]})
    with pytest.raises(RecipeError, match="needs `columns`"):
        recipe.parse({"technique": "expand", "training_row": {"prompt": "x"}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": ["a", "b"], "label_shares": {"c": 0.1}}, "'c' is not one of: a, b"),
        ({"labels": ["a", "b"], "label_shares": {"a": 0.6, "b": 0.6}}, "sum to 1.2"),
        ({"labels": ["a", "b"], "label_shares": {"a": 0.2, "b": 0.6}}, "sum to 0.8, not 1"),
        ({"labels": ["a"], "label_shares": {"a": 1.5}}, "less than or equal to 1"),
        ({"label_shares": {"a": 0.5}}, "under `labels`"),
        ({"technique": "qa", "label_shares": {"a": 0.5}}, "sources of qa have no labels"),
    ],
)
def test_shares_that_cannot_be_met_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        recipe.parse({"technique": "expand", **settings})


def test_the_derived_recipe_survives_its_way_through_yaml_and_json(tmp_path):
    found = first_recipe(TRANSACTIONS, "expand")
    file = tmp_path / "bank.yaml"
    file.write_text(found.yaml, encoding="utf-8")
    loaded = recipe.load(file)
    assert loaded == bank_recipe()
    assert recipe.parse(json.loads(json.dumps(loaded.model_dump(mode="json")))).hash == loaded.hash
    assert found.counts["fraud"] == 6


def test_a_file_of_plain_seeds_gives_its_labels_alone(tmp_path):
    file = tmp_path / "seeds.csv"
    file.write_text("seed,label\nWhere is it?,delivery\nPay me back.,refund\n", encoding="utf-8")
    found = first_recipe(file, "expand")
    assert found.recipe == {"technique": "expand", "labels": ["delivery", "refund"]}
    lines = tmp_path / "seeds.txt"
    lines.write_text("One seed.\n", encoding="utf-8")
    assert first_recipe(lines, "expand").recipe == {"technique": "expand"}


def test_how_a_file_of_seeds_was_read_is_said(tmp_path):
    file = tmp_path / "seeds.csv"
    file.write_bytes("sep=;\nseed;label\nZurück?;Rückgabe\nGeld?;Konto\n".encode("cp1252"))
    found = first_recipe(file, "expand")
    assert found.recipe == {"technique": "expand", "labels": ["Konto", "Rückgabe"]}
    assert found.notes == (
        "seeds.csv: read as Windows-1252; save it as UTF-8 if letters look wrong",
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"a,b\n1,2,3\n", "line 2: The row has 3 cells, the header 2"),
        ("a.csv", b"a,b\n", "holds no rows"),
        ("a.csv", "a,b\nä,ö\nä,1".encode() + b"\xff\n", "line 3: Byte 14 .0xff. is not UTF-8"),
        ("a.jsonl", b'{"a": [1]}\n', "line 1: 'a' is nested"),
        ("a.jsonl", b"{\n", "line 1: The line is not valid JSON"),
        ("a.xlsx", b"x", "type .xlsx are not read"),
        ("missing.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((SourceError, UserError), match=message):
        first_recipe(tmp_path / name, "expand")
