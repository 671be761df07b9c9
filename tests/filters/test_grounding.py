import pytest

from filters.support import candidate, context, screen_one
from seedbed_backend.filters.grounding import Grounding

FILTER = Grounding(
    answer_field="answer",
    question_field="question",
    quote_field="quote",
    source_field="passage",
)
PASSAGE = (
    "😀 Deliveries are made by Acme Freight.  The customer may return goods within 30 days of\n"
    "delivery. Returned goods must not be used. Refunds are paid by bank transfer."
)
QUOTED = "within 30 days of\ndelivery"


def decide(answer, question="When can goods be returned?", quote="", passage=PASSAGE):
    made = candidate(source={"passage": passage}, question=question, answer=answer, quote=quote)
    return screen_one(FILTER, made, context("qa"))


@pytest.mark.parametrize(
    ("answer", "quote", "text", "is_quoted"),
    [
        ("Within 30 days of delivery.", "within 30 days of\ndelivery", QUOTED, True),
        ("Within 30 days of delivery.", "WITHIN 30 days, of delivery!", QUOTED, True),
        ("thirty days", "30 days", "30 days", True),
        ("Within 30 days of delivery.", "not in the document", "may return goods within", False),
        ("Acme Freight", "", "Deliveries are made by Acme Freight.", False),
    ],
)
def test_marks_the_supporting_words(answer, quote, text, is_quoted):
    decision = decide(answer, "Who makes deliveries?" if "Acme" in answer else "Return?", quote)
    assert decision.keep, (decision.reason, decision.evidence)
    assert text in decision.evidence["text"]
    assert decision.evidence["is_quoted"] is is_quoted
    start, end = decision.evidence["start"], decision.evidence["end"]
    assert PASSAGE[start:end] == decision.evidence["text"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Within 60 days of delivery.", "number_not_in_source"),
        ("Deliveries are made by Bolt Couriers.", "name_not_in_source"),
        ("Refunds arrive as vouchers for the webshop.", "not_covered"),
        ("Returned goods must be used.", "negation_changed"),
        ("The customer may not return goods within 30 days of delivery.", "negation_changed"),
        ("", "not_covered"),
    ],
)
def test_says_what_the_document_does_not_support(answer, reason):
    decision = decide(answer)
    assert decision.reason == reason
    assert decision.score < 0.7


def test_an_answer_that_no_passage_supports_has_no_evidence():
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "kappa", "lambda"]
    words += ["omega", "sigma", "upsilon"]
    passage = " ".join(f"{word.capitalize()} stands with filler." for word in words)
    decision = decide(" ".join(words), "", passage=passage)
    assert decision.reason == "quote_not_found"
    assert "start" not in decision.evidence


def test_the_score_falls_with_every_broken_check():
    best = decide("Within 30 days of delivery.").score
    assert best > 0.85
    assert decide("Within 60 days of delivery.").score < 0.2
    partly = decide("Bank transfer to a savings account.")
    assert partly.evidence["covered"] == pytest.approx(0.5)
    assert partly.evidence["words"] == ["savings", "account"]
    assert 0.0 < partly.score < 0.4


def test_a_short_answer_to_a_question_with_a_negation_is_no_contradiction():
    assert decide("Used goods", "Which goods must not be returned?").keep
