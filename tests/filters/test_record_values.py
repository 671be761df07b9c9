"""A record's values stand in their columns and go together as the seeds' do."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from filters.support import HashingEncoder, candidate, screen_one
from records import bank_recipe, bank_sources
from seedbed.records import SourceTask
from seedbed_backend.filters import ScreenContext, configure
from seedbed_backend.filters.record_values import RecordValues

GOOD = {
    "narrative": "Biohof Lindner Brno, cheese",
    "amount": "-18.40",
    "currency": "EUR",
    "date": "2025-03-14",
    "method": "card",
    "category": "groceries",
}
RECIPE = bank_recipe()
SOURCES = bank_sources(RECIPE)


def screen(recipe=RECIPE, sources=SOURCES, filter_=None, **changes):
    fields = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    context = ScreenContext(recipe, HashingEncoder(), sources=sources)
    return screen_one(filter_ or RecordValues(), candidate(**fields), context)


def test_a_plausible_record_is_kept():
    assert screen().keep


@pytest.mark.parametrize(
    ("changes", "reason", "near_miss"),
    [
        ({"amount": "about 20"}, "wrong_type", {"amount": "-20.00"}),
        ({"method": None}, "empty_field", {"method": "cash"}),
        ({"currency": "XYZ"}, "unknown_value", {"currency": "CHF"}),
        ({"date": "2025-02-30"}, "impossible_date", {"date": "2025-02-28"}),
        # The seeds lie in -2427.83 to 3770.05: 10 % of the width beyond is -3047.62.
        ({"amount": "-3100.00"}, "value_out_of_range", {"amount": "-3000.00"}),
        ({"date": "2026-02-01"}, "value_out_of_range", {"date": "2025-07-05"}),
        ({"amount": "-18.405"}, "too_precise", {"amount": "-18.41"}),
        (
            {"category": "salary", "amount": "-2400.00"},
            "implausible_combination",
            {"category": "salary", "amount": "2400.00", "method": "transfer"},
        ),
    ],
)
def test_what_does_not_fit_is_dropped_and_a_near_miss_kept(changes, reason, near_miss):
    assert screen(**changes).reason == reason
    assert screen(**near_miss).keep


def test_the_evidence_names_column_value_and_range():
    evidence = screen(amount="-9999.00").evidence
    assert (evidence["column"], evidence["value"]) == ("amount", "-9999.00")
    assert evidence["minimum"] == pytest.approx(-3047.618)
    assert screen(date="2029-01-01").evidence["maximum"] == "2025-07-07"


def test_the_evidence_of_a_combination_says_the_rule_and_how_many_seeds_follow_it():
    evidence = screen(category="salary", amount="-2400.00").evidence
    assert evidence["rule"] == "where category is salary, amount is not negative"
    assert evidence["n_seeds"] == 10
    assert evidence["values"] == {"category": "salary", "amount": "-2400.00"}


def test_a_label_of_few_seeds_makes_no_rule():
    assert sum(s.group == "fraud" for s in SOURCES) == 6
    assert screen(category="fraud", amount="500.00", method="transfer").keep


def test_the_margin_can_be_closed():
    assert screen(amount="-2500.00").keep
    assert (
        screen(amount="-2500.00", filter_=RecordValues(margin=0.0)).reason == "value_out_of_range"
    )


def in_pattern(reference):
    columns = [c.model_dump(exclude_defaults=True) for c in RECIPE.columns]
    columns.append(
        {"name": "reference", "type": "text", "pattern": "TX-[0-9]{4}", "optional": True}
    )
    return screen(recipe=bank_recipe(columns=columns), reference=reference)


def test_a_reference_keeps_its_form_and_an_optional_column_may_be_empty():
    assert in_pattern("TX-12").reason == "wrong_pattern"
    assert in_pattern("TX-1234").keep
    assert in_pattern(None).keep


def test_a_currency_without_decimals_gets_none():
    """Yen have no fraction: every seed in yen says so."""
    yen = [
        SourceTask.of({**s.fields, "currency": "JPY", "amount": f"-{n * 130}"})
        for n, s in enumerate(SOURCES[:9], start=1)
    ]
    columns = [
        c.model_copy(update={"values": (*c.values, "JPY")}) if c.name == "currency" else c
        for c in RECIPE.columns
    ]
    recipe = RECIPE.model_copy(update={"columns": tuple(columns)})
    mixed = [*SOURCES, *yen]
    broken = screen(recipe=recipe, sources=mixed, currency="JPY", amount="-950.50")
    assert broken.reason == "implausible_combination"
    assert "at most 0 decimals" in broken.evidence["rule"]
    assert screen(recipe=recipe, sources=mixed, currency="JPY", amount="-950.00").keep
    assert screen(recipe=recipe, sources=mixed, currency="EUR", amount="-950.50").keep


def test_dates_that_are_always_in_order_stay_so():
    columns = [c.model_dump(exclude_defaults=True) for c in RECIPE.columns]
    columns.append({"name": "booked", "type": "date"})
    recipe = bank_recipe(columns=columns)
    later = []
    for source in SOURCES:
        booked = date.fromisoformat(source.fields["date"]) + timedelta(days=len(later) % 3)
        fields = {**source.fields, "booked": booked.isoformat()}
        later.append(replace(source, fields=fields))
    assert screen(recipe=recipe, sources=later, booked="2025-03-13").reason == (
        "implausible_combination"
    )
    assert screen(recipe=recipe, sources=later, booked="2025-03-14").keep


def test_sources_from_before_the_columns_make_no_rule_and_no_error():
    old = [SourceTask.of({"amount": "n/a", "category": "salary", "date": "soon"})] * 9
    assert screen(sources=old, category="salary", amount="-1.00").keep


def test_every_filter_of_records_decides_on_any_text():
    nasty = ["", " ", "x" * 5000, "\x00\ud800", "NaN", "Infinity", "1e999", "-", "٣", "2024-99-99"]
    context = ScreenContext(
        RECIPE, HashingEncoder(), sources=SOURCES, scores={f"n{i}": {} for i in range(len(nasty))}
    )
    made = [candidate(f"n{i}", **dict.fromkeys(GOOD, text)) for i, text in enumerate(nasty)]
    made.append(candidate("none", SOURCES[0].fields))
    for each in configure(RECIPE):
        decisions = each.screen(made, context)
        assert [d.candidate_id for d in decisions] == [c.id for c in made]
        assert all(d.keep or d.reason in each.reasons for d in decisions)
        assert each.screen([], context) == []
