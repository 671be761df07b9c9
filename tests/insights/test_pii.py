from filters.support import HashingEncoder, candidate, context
from seedbed.recipe import Recipe
from seedbed.records import Completion, SourceTask
from seedbed_backend.filters import ScreenContext
from seedbed_backend.filters.privacy import Privacy
from seedbed_backend.insights.base import ReportData
from seedbed_backend.insights.pii import INSIGHT
from seedbed_backend.store import StoredCandidate

RECIPE = Recipe(technique="paraphrase")
OTHER = SourceTask.of({"original": "Ben's number is 212-555-0143."})


def grown(number, original, paraphrase, filter_, *, survives=True):
    """Screen one candidate for privacy and store it as it would be."""
    made = candidate(f"c{number}", {"original": original}, paraphrase=paraphrase)
    ctx = ScreenContext(RECIPE, context().encoder, sources=[made.source, OTHER])
    [decision] = filter_.screen([made], ctx)
    is_survivor = decision.keep and survives
    return StoredCandidate(
        candidate=made, run_id="r1", project_id="p1",
        state="survivor" if is_survivor else "dropped",
        stage="" if is_survivor else ("dedup" if decision.keep else "privacy"),
        reason=decision.reason, score=None,
        completion=Completion(made.id, made.source.id, "", 0, "", "stop", 1),
        scores={}, evidence={"privacy": decision.evidence},
        draw=None, stratum="", review_task=None, verdict=None,
    )  # fmt: skip


def report(*candidates):
    return INSIGHT.find(ReportData(RECIPE, [OTHER], candidates, HashingEncoder()))


def test_counts_by_type_origin_action_and_fate():
    filter_ = Privacy(actions={"EMAIL_ADDRESS": "pseudonym"})
    mail = "Mail eva@acme.example today."
    finding = report(
        grown(1, mail, mail, filter_),
        grown(2, "Mail eva@acme.example.", mail, filter_, survives=False),
        grown(3, "Call us.", "Call 212-555-0143.", filter_),
        grown(4, "Call us.", "Ring us up.", filter_),
    )
    assert finding.rows == [
        ("EMAIL_ADDRESS", "own source", "pseudonym", 1, 0, 1, 0),
        ("PHONE_NUMBER", "elsewhere", "drop", 0, 1, 0, 0),
    ]
    assert finding.lines == [
        "3 of 4 candidates had personal data; 1 were dropped for it.",
        "1 findings stand in another source than the candidate's own.",
        "In the sources of survivors 1 places are replaced when handed out.",
    ]
    assert finding.data["n_seen_in_other_source"] == 1
    assert finding.warnings == []
    assert "eva@" not in str(finding)


def test_warns_of_what_is_kept_on_purpose():
    call = "Call 212-555-0143."
    finding = report(grown(1, call, call, Privacy(default="keep")))
    assert finding.warnings == ["Survivors keep personal data, as the recipe says: PHONE_NUMBER."]


def test_says_nothing_where_the_filter_has_not_looked():
    assert report() is None
