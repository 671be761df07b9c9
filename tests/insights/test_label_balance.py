"""The report says which labels got their share of the survivors, and why others did not."""

import json

import pytest

from insights.grown import HashingEncoder, expanded, stored
from records import bank_recipe, bank_sources
from seedbed.records import Candidate
from seedbed_backend.insights import ReportData, insights
from seedbed_backend.insights.label_balance import find

RECIPE = bank_recipe(label_shares={"fraud": 0.2})
SOURCES = bank_sources(RECIPE)


def data(n_kept, n_dropped=None, recipe=RECIPE, sources=SOURCES, of=SOURCES):
    """Return report data with so many survivors and drops of each label."""
    found = []
    for state, counts in (("survivor", n_kept), ("dropped", n_dropped or {})):
        for label, n in counts.items():
            source = next(s for s in of if s.group == label)
            fields = dict(source.fields)
            found += [
                stored(Candidate(f"{label}{state}{i}", source, fields), state) for i in range(n)
            ]
    return ReportData(recipe, sources, found, HashingEncoder())


def row(finding, label):
    return next(b for b in finding.data["labels"] if b["label"] == label)


def test_is_found_and_needs_labels():
    assert "label_balance" in insights()
    assert find(expanded(["A text."] * 9, ["Another text."] * 9)) is None


def test_shares_that_are_met_are_shown_without_a_warning():
    finding = find(data({"fraud": 20, "groceries": 30, "transport": 20, "rent": 9,
                         "salary": 9, "subscription": 12}))  # fmt: skip
    assert row(finding, "fraud")["wanted"] == row(finding, "fraud")["got"] == 0.2
    assert finding.warnings == []
    assert finding.data["is_steered"]
    assert finding.data["distance"] < 0.05
    json.dumps(finding.data)


def test_without_shares_the_seeds_are_the_measure():
    finding = find(data({"groceries": 34, "fraud": 6, "transport": 22, "rent": 10, "salary": 10,
                         "subscription": 14}, recipe=bank_recipe()))  # fmt: skip
    assert row(finding, "groceries")["wanted"] == pytest.approx(34 / 96)
    assert finding.data["distance"] == 0


def test_a_label_that_does_not_survive_is_told_with_where_it_is_lost():
    finding = find(data({"groceries": 60, "fraud": 2}, {"groceries": 40, "fraud": 48}))
    fraud = row(finding, "fraud")
    assert fraud["n_missing"] == 10
    assert fraud["survival"] == pytest.approx(0.04)
    assert "4% of its 50 attempts survived (41% of all, 48 at dedup for duplicate)" in fraud["why"]
    assert any(w.startswith("fraud: 3% of the survivors, 20% wanted") for w in finding.warnings)


def test_a_label_without_sources_or_with_few_of_them_is_told():
    without = [s for s in SOURCES if s.group != "fraud"]
    finding = find(data({"groceries": 40}, sources=without))
    assert row(finding, "fraud")["why"] == "no source has it: import some"
    two = [*without, *[s for s in SOURCES if s.group == "fraud"][:2]]
    finding = find(data({"groceries": 60, "fraud": 5}, {"fraud": 3}, sources=two))
    assert "only 2 sources" in row(finding, "fraud")["why"]


def test_a_label_that_was_never_asked_for_is_told():
    assert "never asked" in row(find(data({"groceries": 40})), "fraud")["why"]


def test_few_survivors_are_no_reason_to_warn():
    finding = find(data({"groceries": 6}))
    assert finding.warnings == []
    assert any("shares say little" in line for line in finding.lines)
