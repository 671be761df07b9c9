"""Records of two sets are compared column by column, and in how the columns hang together."""

import json
import random

import numpy as np
import pytest

from insights.grown import HashingEncoder, stored
from records import bank_recipe, bank_sources
from seedbed.records import Candidate
from seedbed_backend.association import correlation_ratio, cramers_v, spearman
from seedbed_backend.insights import ReportData, insights
from seedbed_backend.insights.columns import find

RECIPE = bank_recipe()
SOURCES = bank_sources(RECIPE)


def made(change=lambda fields, n: fields, recipe=RECIPE, n=96, state="survivor", sources=SOURCES):
    """Return report data whose survivors are the seeds in another order, changed."""
    order = random.Random(3).sample(range(len(sources)), len(sources))
    records = [dict(sources[order[i % len(order)]].fields) for i in range(n)]
    survivors = [
        stored(Candidate(f"c{i}", sources[i % len(sources)], change(fields, i)), state)
        for i, fields in enumerate(records)
    ]
    return ReportData(recipe, sources, survivors, HashingEncoder())


def test_is_found_and_needs_columns_and_some_records():
    assert "columns" in insights()
    assert find(made(n=7)) is None
    assert find(made(state="dropped")) is None
    plain = ReportData(
        bank_recipe(columns=[], labels=[]), SOURCES, made().candidates, HashingEncoder()
    )
    assert find(plain) is None


def test_the_same_records_have_the_full_score():
    finding = find(made())
    assert finding.data["score"] == 1.0
    assert finding.data["max_difference"] == finding.data["max_pair_difference"] == 0.0
    assert finding.warnings == []
    assert [row[0] for row in finding.rows] == [c.name for c in RECIPE.columns]
    json.dumps(finding.data)


def column(finding, name):
    return next(c for c in finding.data["columns"] if c["column"] == name)


def test_amounts_that_are_all_small_are_told_with_both_ranges():
    finding = find(made(lambda fields, n: fields | {"amount": f"-{n % 9 + 1}.50"}))
    amount = column(finding, "amount")
    assert amount["measure"] == "KS"
    assert amount["difference"] > 0.5 > amount["by_chance"]
    assert len(amount["details"]["real"]) == len(amount["details"]["quantiles"])
    assert any(w.startswith("amount: -5.50 (") for w in finding.warnings), finding.warnings
    assert column(finding, "currency")["difference"] == 0


def test_shares_of_categories_are_compared():
    finding = find(made(lambda fields, n: fields | {"currency": "EUR"}))
    currency = column(finding, "currency")
    assert currency["measure"] == "total variation"
    real = [s.fields["currency"] for s in SOURCES]
    assert currency["difference"] == pytest.approx(1 - real.count("EUR") / len(real), abs=1e-3)


def test_dates_on_one_weekday_of_one_week_are_told():
    finding = find(made(lambda fields, n: fields | {"date": "2025-03-03"}))
    date = column(finding, "date")
    assert date["details"]["weekdays"]["synthetic"][0] == 1.0  # a Monday
    assert date["details"]["weekday_difference"] > 0.5
    assert "2025-03-03" in date["synthetic"]


def test_columns_that_no_longer_hang_together_are_told_although_each_is_alike():
    amounts = [s.fields["amount"] for s in SOURCES]
    random.Random(5).shuffle(amounts)
    finding = find(made(lambda fields, n: fields | {"amount": amounts[n]}))
    assert column(finding, "amount")["difference"] == 0
    [pair] = [p for p in finding.data["pairs"] if p["columns"] == ("amount", "category")]
    assert pair["measure"] == "correlation ratio"
    assert pair["real"] > 0.8 > 0.5 > pair["synthetic"]
    assert any("amount and category hang together less" in w for w in finding.warnings)
    assert finding.data["pairs_score"] < finding.data["columns_score"] == 1.0


def test_few_records_are_called_few_and_chance_is_wider():
    few, many = find(made(n=12)), find(made())
    assert any("With 12 records" in line for line in few.lines)
    assert not any("With 96 records" in line for line in many.lines)
    assert column(few, "amount")["by_chance"] > column(many, "amount")["by_chance"]


def test_a_small_sample_of_the_seeds_is_not_warned_of():
    assert find(made(n=20)).warnings == []


def test_steered_labels_are_no_difference_and_the_others_are_weighed_by_them():
    recipe = bank_recipe(label_shares={"fraud": 0.5})
    fraud = [s for s in SOURCES if s.group == "fraud"]
    rest = [s for s in SOURCES if s.group != "fraud"]
    survivors = [
        stored(Candidate(f"c{i}", s, dict(s.fields))) for i, s in enumerate([*(fraud * 15), *rest])
    ]
    steered = find(ReportData(recipe, SOURCES, survivors, HashingEncoder()))
    assert "category" not in [c["column"] for c in steered.data["columns"]]
    assert column(steered, "amount")["difference"] < 0.05
    plain = find(ReportData(RECIPE, SOURCES, survivors, HashingEncoder()))
    assert column(plain, "amount")["difference"] > 0.2


def test_empty_values_and_such_that_do_not_fit_are_counted_as_empty():
    columns = [c.model_dump(exclude_defaults=True) for c in RECIPE.columns]
    columns[1]["optional"] = True
    recipe = bank_recipe(columns=columns)
    finding = find(made(lambda f, n: f | {"amount": "" if n % 2 else "lots"}, recipe=recipe))
    amount = column(finding, "amount")
    assert amount["difference"] == 1.0
    assert amount["synthetic"] == "all empty"


def test_measures_of_association_against_known_values():
    n = np.arange(40.0)
    assert spearman(np.column_stack([n, n**3])) == pytest.approx(1)
    assert spearman(np.column_stack([n, -n])) == pytest.approx(-1)
    halves = (n >= 20).astype(float)
    assert cramers_v(np.column_stack([halves, halves])) == pytest.approx(1, abs=0.02)
    assert cramers_v(np.column_stack([halves, n % 2])) == 0.0
    assert correlation_ratio(np.column_stack([halves, halves * 7])) == pytest.approx(1)
    assert correlation_ratio(np.column_stack([n % 2, halves])) == pytest.approx(0)
    for measure in (spearman, cramers_v, correlation_ratio):
        assert measure(np.column_stack([n, np.ones(40)])) is None
        assert measure(np.zeros((0, 2))) is None
