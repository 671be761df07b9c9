"""A record at the real review screen: typed controls, filled, corrected and accepted."""

from __future__ import annotations

import pytest

from browser.chromium import Annotator
from records import bank_recipe, bank_sources
from seedbed import labeling
from seedbed.records import Candidate
from seedbed.tabs import review_tabs

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("label_studio"),
    pytest.mark.timeout(180),
]

PLAN = bank_recipe(
    columns=[
        *[c.model_dump(exclude_defaults=True) for c in bank_recipe().columns],
        {"name": "at", "type": "datetime", "optional": True},
        {"name": "booked", "type": "boolean", "optional": True},
    ]
)
FIELDS = {
    "narrative": "Olmo Mercato Gent, fruit",
    "amount": "-18.40",
    "currency": "EUR",
    "date": "2025-03-14",
    "method": "card",
    "category": "groceries",
    "at": "2025-03-14T18:05",
    "booked": "true",
}


@pytest.fixture
def opened(server, new_project, annotator: Annotator):
    """Import one candidate and open it; return its task."""
    technique = PLAN.spec
    project = new_project("expand", labeling.review_config(technique, PLAN.labels))
    tab = server.set_tabs(project, review_tabs(technique, 0.15))[0]
    candidate = Candidate("c1", bank_sources()[0], FIELDS)
    task = {
        "data": labeling.review_data(technique, candidate, draw=0.1, score=0.8),
        "predictions": [labeling.prediction(technique, FIELDS, 0.8)],
    }
    (task_id,) = server.import_tasks(project, [task])
    annotator.open_tab(project, tab)
    annotator.label_displayed()
    return task_id


def verdict_of(server, task_id):
    task = server.task(task_id)
    return labeling.verdict(task, task["annotations"][0], PLAN.spec, FIELDS)


def test_a_record_that_is_accepted_as_it_stands_comes_back_as_it_was(
    server, annotator: Annotator, screenshot, opened
):
    screenshot("records-1-opened")
    annotator.press("a")
    screenshot("records-2-accepted")
    annotator.submit()
    verdict = verdict_of(server, opened)
    assert dict(verdict.fields) == FIELDS
    assert verdict.status == "ACCEPTED"


def test_a_corrected_amount_date_and_category_are_a_fix(
    server, annotator: Annotator, screenshot, opened
):
    page = annotator.page
    page.locator("input[type=number]").first.fill("-19.9")
    page.locator("input[type=date]").first.fill("2025-03-15")
    page.locator('input[name="cash"]').click()
    screenshot("records-3-corrected")
    annotator.press("a")
    annotator.submit()
    verdict = verdict_of(server, opened)
    assert verdict.status == "FIXED"
    assert dict(verdict.fields) == {
        **FIELDS,
        "amount": "-19.90",
        "date": "2025-03-15",
        "method": "cash",
    }
