"""An annotator at the real screens: one candidate of every technique, corrected and accepted."""

from __future__ import annotations

import pytest

from browser.chromium import Annotator
from samples import LABELS, review_task
from seedbed import labeling, registry
from seedbed.tabs import review_tabs

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("label_studio"),
    pytest.mark.timeout(180),
]

TECHNIQUES = sorted(registry.techniques())


def open_review(server, new_project, annotator, name):
    """Import one candidate, open the review sample and start labelling; return what was made."""
    technique = registry.technique(name)
    project = new_project(name, labeling.review_config(technique, LABELS))
    tab = server.set_tabs(project, review_tabs(technique, 0.15))[0]
    candidate, task = review_task(name)
    (task_id,) = server.import_tasks(project, [task])
    annotator.open_tab(project, tab)
    return technique, candidate, task_id


def verdict_of(server, task_id, technique):
    task = server.task(task_id)
    return labeling.verdict(task, task["annotations"][0], technique)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_corrected_candidate_is_fixed(
    server, new_project, annotator: Annotator, screenshot, name
):
    technique, candidate, task_id = open_review(server, new_project, annotator, name)
    screenshot(f"{name}-1-tab")
    annotator.label_displayed()
    screenshot(f"{name}-2-opened")
    field = technique.dedup_fields[0]
    text = candidate.fields[field]
    annotator.edit(text, f"{text} Corrected.")
    screenshot(f"{name}-3-edited")
    annotator.press("a")
    screenshot(f"{name}-4-accepted")
    annotator.submit()
    verdict = verdict_of(server, task_id, technique)
    assert verdict.status == "FIXED"
    assert verdict.fields == {**candidate.fields, field: f"{text} Corrected."}
    assert verdict.lead_time_seconds > 0


def test_two_keys_accept_an_unchanged_candidate(server, new_project, annotator: Annotator):
    technique, candidate, task_id = open_review(server, new_project, annotator, "qa")
    annotator.label_displayed()
    annotator.press("a")
    annotator.submit()
    verdict = verdict_of(server, task_id, technique)
    assert verdict.status == "ACCEPTED"
    assert verdict.fields == candidate.fields


def test_reasons_appear_on_reject_and_are_required(
    server, new_project, annotator: Annotator, screenshot
):
    technique, _, task_id = open_review(server, new_project, annotator, "paraphrase")
    annotator.label_displayed()
    reason = annotator.page.get_by_text(technique.reject_reasons[1])
    assert not reason.is_visible()
    annotator.press("r")
    assert reason.is_visible()
    annotator.press("Control+Enter")
    annotator.page.get_by_text("Pick a reason", exact=True).wait_for()
    annotator.page.keyboard.press("Enter")
    annotator.press("2")
    screenshot("paraphrase-5-rejected")
    annotator.submit()
    verdict = verdict_of(server, task_id, technique)
    assert verdict.status == "REJECTED"
    assert verdict.reasons == (technique.reject_reasons[1],)


def test_the_browser_asks_nobody_but_label_studio(server, new_project, annotator: Annotator):
    asked: set[str] = set()

    def note(request):
        asked.add(request.url)

    annotator.page.on("request", note)
    open_review(server, new_project, annotator, "qa")
    annotator.label_displayed()
    annotator.page.remove_listener("request", note)
    assert asked
    foreign = {url for url in asked if not url.startswith((annotator.url, "data:", "blob:"))}
    assert foreign == set()
