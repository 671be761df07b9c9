"""The main job's last mile: what an annotator does in the browser arrives in Seedbed's store."""

from __future__ import annotations

import pytest

from browser.chromium import Annotator
from growing import wait_for
from seedbed import registry

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.xdist_group("label_studio"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def opened(grown, server, store, annotator: Annotator):
    """A survivor that nobody has judged, open on the annotator's screen."""
    project = grown("qa")
    survivors = store.candidates(project_id=project["id"], states=("survivor",))
    stored = next(s for s in survivors if s.verdict is None)
    views = server._sdk.views.list(project=project["review_project"])
    tab = next(view.id for view in views if view.data["title"] == "Low score")
    annotator.open_task(project["review_project"], tab, stored.review_task)
    return project, stored


def correct_and_accept(annotator: Annotator, stored):
    answer = stored.candidate.fields["answer"]
    annotator.edit(answer, f"{answer} (corrected)")
    annotator.press("a")
    annotator.submit()
    return f"{answer} (corrected)"


def test_a_correction_arrives_by_webhook(opened, store, annotator, screenshot):
    _, stored = opened
    screenshot("main-job-opened")
    corrected = correct_and_accept(annotator, stored)
    verdict = wait_for(lambda: store.candidate(stored.candidate.id).verdict, what="the verdict")
    assert verdict.status == "FIXED"
    assert verdict.fields["answer"] == corrected
    assert verdict.lead_time_seconds > 0


def test_a_correction_arrives_by_sync_when_the_webhook_is_cut_off(
    opened, store, server, stack, backend, annotator
):
    project, stored = opened
    hook = f"{stack.url}/webhook"
    assert server.remove_webhooks(project["review_project"], hook) == 1
    try:
        corrected = correct_and_accept(annotator, stored)
        assert store.candidate(stored.candidate.id).verdict is None
        assert backend.sync(project["id"])["n_changed"] == 1
        verdict = store.candidate(stored.candidate.id).verdict
        assert (verdict.status, verdict.fields["answer"]) == ("FIXED", corrected)
    finally:
        secret = stack.environment["SEEDBED_WEBHOOK_SECRET"]
        server.set_webhook(project["review_project"], hook, secret)


def test_every_technique_can_be_reviewed_as_published(grown, server, store, annotator, screenshot):
    for technique in sorted(registry.techniques()):
        project = grown(technique)
        stored = store.candidates(project_id=project["id"], states=("survivor",))[-1]
        views = server._sdk.views.list(project=project["review_project"])
        tab = next(view.id for view in views if view.data["title"] == "Low score")
        annotator.open_task(project["review_project"], tab, stored.review_task)
        shown = stored.candidate.text(stored_text_fields(technique))
        assert annotator.page.get_by_text(shown.splitlines()[0]).first.is_visible()
        screenshot(f"published-{technique}")


def stored_text_fields(technique: str) -> tuple[str, ...]:
    return registry.technique(technique).dedup_fields
