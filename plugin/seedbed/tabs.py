"""The tabs of a review project in Label Studio's Data Manager. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seedbed.records import VerdictStatus

if TYPE_CHECKING:
    from seedbed.technique import Technique

WITHDRAWN_DRAW = 2.0
"""The draw of a review task that a later screening took back before anybody had judged it: outside
every sample, whose draws are below 1."""

SAMPLE_TAB = "Review sample"
SECOND_TAB = "Second review"
VERDICT_TABS: Mapping[str, VerdictStatus] = {
    "Rejected": "REJECTED",
    "Fixed": "FIXED",
    "Accepted": "ACCEPTED",
}
SUGGESTION_TAB = "Like rejected"
LIKE_REJECTED = "like_rejected"
"""The data key of a suggested task: how near it is to a rejected candidate, 0 for none. Filters by a
list of ids would be handier, but Label Studio's page never opens a project that has one."""

LATEST = "-tasks:updated_at"
"""Last touched first. Label Studio sorts by its `completed_at` only what it calls completed."""

_HIDDEN_COLUMNS = (
    "id",
    "inner_id",
    "completed_at",
    "annotators",
    "annotations_results",
    "annotations_ids",
    "predictions_score",
    "predictions_model_versions",
    "predictions_results",
    "total_predictions",
    "total_annotations",
    "cancelled_annotations",
    "file_upload",
    "storage_filename",
    "created_at",
    "updated_at",
    "updated_by",
    "avg_lead_time",
    "draft_exists",
    "data.cid",
    "data.batch",
    "data.verdict",
    "data.reasons",
    "data.like_rejected",
    "data.approved",
    "data.seal",
    "data.shown",
    "data.draw",
    "data.stratum",
    "data.run",
    "data.scores_line",
    "data.diff_html",
    "data.guide",
    "data.provenance",
    "data.record",
)


_WIDE, _MIDDLE, _NARROW = 320, 240, 130
"""Pixels. Two wide columns and five narrow ones fit a screen of 1440. Their order is that of the keys
in a task's data."""


def review_tabs(
    technique: Technique, review_fraction: float, double_review_fraction: float = 0.0
) -> list[dict[str, Any]]:
    """Return the tabs of a review project in the form that Label Studio's `views` API takes.

    The first one, the review sample, is a queue: it holds what nobody has judged or skipped yet,
    in random order, so that whatever has been judged at any time is a fair sample. Skipped tasks
    wait in their own tab for somebody to decide, and so does what was annotated without a verdict
    (predictions that were copied in bulk, say), which no queue of Label Studio serves any more. What
    a later screening took back is in another.
    Where a part of the sample is judged twice, a tab holds what of it one person has judged: Label
    Studio serves it to the others, who do not see that first verdict while they label.
    Rejected, Fixed and Accepted go by `data.verdict`, which Seedbed's server writes once it has
    compared the values: Label Studio's own mark of a changed prediction also stays when a text was
    changed and changed back.
    """
    is_unjudged = filter_by("total_annotations", "equal", 0, "Number")
    is_waiting = [is_unjudged, filter_by("cancelled_annotations", "equal", 0, "Number")]
    is_skipped = [is_unjudged, filter_by("cancelled_annotations", "greater", 0, "Number")]
    is_undecided = [
        is_unjudged | {"operator": "greater"},
        filter_by("data.verdict", "equal", ""),
    ]
    is_sampled = filter_by("data.draw", "less", review_fraction, "Number")
    is_offered = filter_by("data.draw", "less", WITHDRAWN_DRAW, "Number")
    is_withdrawn = is_offered | {"operator": "greater_or_equal"}
    is_doubled = is_sampled | {
        "value": second_review_limit(review_fraction, double_review_fraction)
    }
    is_judged_once = is_unjudged | {"value": 1}
    second = _tab(technique, SECOND_TAB, [is_doubled, is_judged_once], "tasks:data.draw")
    return [
        _tab(technique, SAMPLE_TAB, [is_sampled, *is_waiting], "tasks:data.draw"),
        *([second] if double_review_fraction else []),
        _tab(technique, "Low score", [is_offered, *is_waiting], "tasks:data.score"),
        *(_verdict_tab(technique, title, status) for title, status in VERDICT_TABS.items()),
        _tab(technique, "Skipped", [is_offered, *is_skipped], LATEST),
        _tab(technique, "Undecided", [is_offered, *is_undecided], "tasks:data.draw"),
        _tab(technique, "Withdrawn", [is_withdrawn], "tasks:data.score"),
    ]


def suggestion_tab(technique: Technique) -> dict[str, Any]:
    """Return the tab of what is like the rejected ones and waits, the nearest first."""
    is_near = filter_by(f"data.{LIKE_REJECTED}", "greater", 0, "Number")
    is_offered = filter_by("data.draw", "less", WITHDRAWN_DRAW, "Number")
    is_unjudged = filter_by("total_annotations", "equal", 0, "Number")
    order = f"-tasks:data.{LIKE_REJECTED}"
    tab = _tab(
        technique,
        SUGGESTION_TAB,
        [is_near, is_offered, is_unjudged],
        order,
        ("data.technique",),
        (f"data.{LIKE_REJECTED}",),
    )
    tab["columnsDisplayType"][f"tasks:data.{LIKE_REJECTED}"] = "Number"
    return tab


def _verdict_tab(technique: Technique, title: str, status: VerdictStatus) -> dict[str, Any]:
    """Make the tab of one verdict; that of the rejected ones says why."""
    is_such = filter_by("data.verdict", "equal", status)
    if status != "REJECTED":
        return _tab(technique, title, [is_such], LATEST)
    return _tab(technique, title, [is_such], LATEST, ("data.technique",), ("data.reasons",))


def second_review_limit(review_fraction: float, double_review_fraction: float) -> float:
    """Return the draw below which two people judge: the first ones of the sample."""
    return round(review_fraction * double_review_fraction, 9)


def filter_by(column: str, operator: str, value: Any, kind: str = "String") -> dict[str, Any]:
    """Return one filter in the form of the Data Manager; `kind` is how values are compared."""
    return {
        "filter": f"filter:tasks:{column}",
        "operator": operator,
        "type": kind,
        "value": value,
    }


def _tab(
    technique: Technique,
    title: str,
    filters: Sequence[Mapping[str, Any]],
    order: str,
    hidden: Sequence[str] = (),
    shown: Sequence[str] = (),
) -> dict[str, Any]:
    hides = [f"tasks:{n}" for n in (*_HIDDEN_COLUMNS, *hidden) if n not in shown]
    scores = ("score", *technique.score_columns)
    widths = dict.fromkeys((f.name for f in technique.source_fields), _NARROW)
    widths |= dict.fromkeys(scores, _NARROW)
    widths |= {technique.text_field: _WIDE, "technique": _NARROW, "candidate": _WIDE}
    widths |= {"reasons": _MIDDLE, LIKE_REJECTED: _NARROW}
    return {
        "title": title,
        "type": "list",
        "target": "tasks",
        "filters": {"conjunction": "and", "items": [dict(f) for f in filters]},
        "ordering": [order],
        "hiddenColumns": {"explore": hides, "labeling": hides},
        "columnsDisplayType": {f"tasks:data.{name}": "Number" for name in (*scores, "draw")},
        "columnsWidth": {f"tasks:data.{name}": width for name, width in widths.items()},
    }
