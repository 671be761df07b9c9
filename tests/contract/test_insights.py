"""What every insight promises, built in or installed; none is named here."""

import inspect
import json

import pytest

from contract.test_filters import NASTY, nasty_candidates
from filters.support import HashingEncoder
from insights.grown import stored
from seedbed import registry
from seedbed.recipe import Recipe
from seedbed_backend.insights import Finding, ReportData, insights

INSIGHTS = insights()


def report_data(technique, candidates, sources=None):
    labels = {"labels": ("one", "two")} if technique == "expand" else {}
    found = {c.source.id: c.source for c in candidates if c.source.fields}
    return ReportData(
        Recipe(technique=technique, **labels),
        list(found.values()) if sources is None else sources,
        [stored(c, "dropped" if n % 7 == 3 else "survivor") for n, c in enumerate(candidates)],
        HashingEncoder(),
    )


@pytest.mark.parametrize("name", INSIGHTS)
def test_name_and_file_agree(name):
    module = inspect.getmodule(INSIGHTS[name].find)
    assert module.__name__.rpartition(".")[2] == name
    assert module.__doc__


@pytest.mark.parametrize("technique", registry.techniques())
@pytest.mark.parametrize("name", INSIGHTS)
class TestEveryInsight:
    def test_a_project_without_anything_has_no_or_an_empty_finding(self, name, technique):
        finding = INSIGHTS[name].find(report_data(technique, [], []))
        assert finding is None or isinstance(finding, Finding)

    def test_takes_any_text_and_gives_json(self, name, technique):
        assert len(NASTY) > 10
        candidates = [c for c in nasty_candidates(technique) if c.source.fields]
        finding = INSIGHTS[name].find(report_data(technique, candidates))
        if finding is None:
            return
        assert finding.name == name
        assert finding.title
        assert all(len(row) == len(finding.columns) for row in finding.rows)
        assert all(isinstance(line, str) and line for line in [*finding.lines, *finding.warnings])
        assert json.loads(json.dumps(finding.data, allow_nan=False)) == finding.data

    def test_finds_the_same_again(self, name, technique):
        candidates = [c for c in nasty_candidates(technique) if c.source.fields]
        data = report_data(technique, candidates)
        assert INSIGHTS[name].find(data) == INSIGHTS[name].find(data)
