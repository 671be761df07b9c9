import pytest

from filters.support import candidate, context
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed_backend.filters import ScreenContext, configure
from seedbed_backend.filters.question_kinds import classify
from seedbed_backend.filters.question_mix import QuestionMix

LEASE = (
    "The tenant pays rent of 900 euros. The rent is due on the first day of the month. "
    "The landlord repairs the heating, because a cold flat is unfit to live in. "
    "The tenant may keep one pet. Notice must be given three months ahead."
)
FIELDS = {"question_field": "question", "answer_field": "answer", "source_field": "passage"}


def made(id_, question, answer="900 euros", group="lease.md"):
    return candidate(id_, {"passage": LEASE}, group, question=question, answer=answer)


def screen(candidates, scores=None, kept=(), **options):
    ctx = context("qa", scores=scores)
    ctx = ScreenContext(ctx.recipe, ctx.encoder, scores=ctx.scores, kept=kept)
    return QuestionMix(**FIELDS, **options).screen(candidates, ctx)


@pytest.mark.parametrize(
    ("question", "answer", "type_", "difficulty"),
    [
        ("How much rent does the tenant pay?", "900 euros", "factual", "easy"),
        ("On which day is the rent due?", "the first day of the month", "factual", "easy"),
        ("How many pets may the tenant keep?", "one", "factual", "easy"),
        (
            "Why must the landlord repair the heating?",
            "Because a cold flat is unfit to live in.",
            "analytical",
            "medium",
        ),
        ("How does the landlord keep the flat warm?", "by repairs", "analytical", "medium"),
        ("What happens if rent is late?", "It becomes a debt.", "analytical", "medium"),
        (
            "Summarize what a lodger owes.",
            "The tenant pays 900 euros on the first day of the month, may keep one pet, and must "
            "give notice three months ahead. The landlord repairs the heating.",
            "summarization",
            "hard",
        ),
        ("What are the main terms of the lease?", "Rent and notice.", "summarization", "medium"),
        ("", "", "factual", "easy"),
    ],
)
def test_types_and_difficulty_follow_their_rules(question, answer, type_, difficulty):
    kind = classify(question, answer, LEASE)
    if question:
        assert (kind.type, kind.difficulty) == (type_, difficulty)
    else:
        assert kind.type == type_


def test_a_long_answer_from_many_sentences_is_a_summary():
    kind = classify("What does the lease say on money and pets?", LEASE, LEASE)
    assert kind.type == "summarization"
    assert kind.n_supporting == 5


def test_without_quotas_everything_is_kept_and_named():
    decisions = screen([made("a", "How much is the rent?"), made("b", "Why is rent due?")])
    assert [d.keep for d in decisions] == [True, True]
    assert [d.evidence["type"] for d in decisions] == ["factual", "analytical"]
    assert all(d.evidence["difficulty"] for d in decisions)


def test_the_surplus_of_a_type_is_dropped_the_worse_scored_first():
    factual = [made(f"f{n}", f"How much rent is due in month {n}?") for n in range(4)]
    why = [made("w", "Why is rent due?")]
    scores = {f"f{n}": {"grounding": 0.5 + n / 10} for n in range(4)}
    decisions = screen([*factual, *why], scores, shares={"factual": 0.6})
    assert [d.reason for d in decisions] == ["type_over_quota", "", "", "", ""]
    assert decisions[0].evidence["n_of_type"] == 3


def test_a_share_that_is_not_exceeded_drops_nothing():
    decisions = screen(
        [made("a", "How much is the rent?"), made("b", "Why is rent due?")], shares={"factual": 0.5}
    )
    assert all(d.keep for d in decisions)


def test_quotas_are_by_document():
    here = [made(f"h{n}", f"How much is fee {n}?") for n in range(3)]
    there = [made(f"t{n}", f"How much is fee {n}?", group="other.md") for n in range(2)]
    decisions = screen([*here, *there], max_per_document=2)
    assert [d.reason for d in decisions] == ["", "", "document_full", "", ""]


def test_what_was_kept_before_counts():
    before = [made(f"r{n}", f"How much is fee {n}?") for n in range(2)]
    new = [made("a", "How much is the rent?"), made("b", "Why is rent due?")]
    decisions = screen(new, kept=[*before, new[0]], shares={"factual": 0.5})
    assert [d.reason for d in decisions] == ["type_over_quota", ""]
    full = screen(new, kept=before, max_per_document=3)
    assert [d.reason for d in full] == ["", "document_full"]
    elsewhere = [made(f"e{n}", "How much?", group="other.md") for n in range(3)]
    assert all(d.keep for d in screen(new, kept=elsewhere, max_per_document=3))


def test_asks_for_what_was_kept_only_where_there_is_a_quota():
    assert not QuestionMix(**FIELDS).uses_kept
    assert QuestionMix(**FIELDS, max_per_document=3).uses_kept


def test_a_source_without_a_group_is_its_own_document():
    decisions = screen(
        [made("a", "How much?", group=""), made("b", "How often?", group="")], max_per_document=1
    )
    assert [d.reason for d in decisions] == ["", "document_full"]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"trivia": 0.5}, "'trivia' is no type of question"),
        ({"factual": 1.5}, "less than or equal"),
    ],
)
def test_wrong_quotas_are_refused(shares, message):
    with pytest.raises(RecipeError, match=message):
        configure(Recipe(technique="qa", filters={"question_mix": {"shares": shares}}))
