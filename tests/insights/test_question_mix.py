from filters.support import HashingEncoder, candidate
from seedbed.recipe import Recipe
from seedbed.records import Completion
from seedbed_backend.insights.base import ReportData
from seedbed_backend.insights.question_mix import INSIGHT, MIN_QUESTIONS
from seedbed_backend.store import StoredCandidate

PASSAGE = (
    "The pool opens at nine. It closes at six, because the lifeguards leave. Entry costs 4 euros."
)


def stored(number, question, *, document="pool.md", state="survivor", reason="", evidence=None):
    made = candidate(
        f"c{number}", {"passage": PASSAGE}, document, question=question, answer="at nine"
    )
    return StoredCandidate(
        made, "r1", "p1", state, "question_mix" if reason else "", reason, None,
        Completion(made.id, made.source.id, "", 0, "", "stop", 1), {}, evidence or {},
        None, "", None, None,
    )  # fmt: skip


def find(candidates, **recipe):
    recipe = Recipe(technique="qa", **recipe)
    return INSIGHT.find(ReportData(recipe, [], candidates, HashingEncoder()))


def test_counts_types_and_difficulty_by_document():
    finding = find(
        [
            stored(1, "When does the pool open?"),
            stored(2, "Why does the pool close at six?"),
            stored(3, "When does the spa open?", document="spa.md"),
            stored(4, "When?", state="dropped"),
        ]
    )
    assert finding.columns[:5] == (
        "document", "questions", "factual", "analytical", "summarization",
    )  # fmt: skip
    assert [row[:5] for row in finding.rows] == [("pool.md", 2, 1, 1, 0), ("spa.md", 1, 1, 0, 0)]
    assert all(row[-1] == "none" for row in finding.rows)
    assert finding.lines[0].startswith("3 questions on 2 documents: 2 factual, 1 analytical")
    assert finding.data["types"] == {"factual": 2, "analytical": 1, "summarization": 0}
    assert sum(finding.data["difficulties"].values()) == 3
    assert finding.warnings == []


def test_what_the_filter_said_counts():
    said = {"question_mix": {"type": "summarization", "difficulty": "hard"}}
    finding = find([stored(1, "When does the pool open?", evidence=said)])
    assert finding.data["types"]["summarization"] == 1
    assert finding.data["difficulties"]["hard"] == 1


def test_shows_quotas_and_what_they_dropped():
    quotas = {"question_mix": {"shares": {"factual": 0.5}, "max_per_document": 9}}
    finding = find(
        [
            stored(1, "When does the pool open?"),
            stored(2, "When does the pool close?"),
            stored(3, "Why does it close?"),
            stored(4, "When?", state="dropped", reason="type_over_quota"),
        ],
        filters=quotas,
    )
    assert finding.rows[0][-1] == "factual ≤ 2, all ≤ 9"
    assert finding.lines[1] == "Over a quota: 1 type_over_quota."
    assert finding.warnings == []
    over = find([stored(n, "When does the pool open?") for n in range(2)], filters=quotas)
    assert over.warnings == [
        "Over the share of a type in 1 of 1 documents, since later steps dropped others: pool.md."
    ]


def test_points_out_a_set_without_variety():
    finding = find([stored(n, "When does the pool open?") for n in range(MIN_QUESTIONS)])
    assert "All questions are factual." in finding.warnings
    few = find([stored(n, "When does the pool open?") for n in range(MIN_QUESTIONS - 1)])
    assert few.warnings == []


def test_has_nothing_to_say_without_questions():
    assert find([]) is None
    assert find([stored(1, "When?")], filters={"question_mix": False}) is None
    paraphrases = ReportData(Recipe(technique="paraphrase"), [], [stored(1, "x")], HashingEncoder())
    assert INSIGHT.find(paraphrases) is None
