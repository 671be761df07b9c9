"""Which tasks an annotator is served, one after the other."""

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

DRAWS = (0.9, 0.12, 0.5, 0.03, 0.21)
"""In the order of the tasks' ids; two of them are below the review fraction."""


@pytest.fixture
def opened(server, new_project, annotator: Annotator):
    """Import five tasks and open the review sample; return the project and the tasks' ids."""
    technique = registry.technique("paraphrase")
    project = new_project("paraphrase", labeling.review_config(technique, LABELS))
    tab = server.set_tabs(project, review_tabs(technique, 0.15))[0]
    tasks = [review_task("paraphrase", number)[1] for number in range(len(DRAWS))]
    for task, draw in zip(tasks, DRAWS, strict=True):
        task["data"]["draw"] = draw
    ids = server.import_tasks(project, tasks)
    annotator.open_tab(project, tab)
    return project, ids


def accepted(annotator: Annotator) -> int:
    annotator.press("a")
    return int(annotator.submit()["task"])


def test_the_review_sample_is_served_in_its_random_order_and_nothing_else(
    annotator: Annotator, opened
):
    _, ids = opened
    annotator.label_displayed()
    assert accepted(annotator) == ids[3]
    annotator.wait_for_task()
    with annotator.page.expect_response(lambda r: "id=next_task" in r.url) as served:
        assert accepted(annotator) == ids[1]
    assert served.value.status == 404  # nothing is left to serve


def test_label_all_tasks_takes_no_notice_of_the_tab(annotator: Annotator, opened):
    # So publishing imports in the order of the draws (`publishing.publish_survivors`).
    _, ids = opened
    annotator.label_all()
    assert accepted(annotator) == ids[0]
