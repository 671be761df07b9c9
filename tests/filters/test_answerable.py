import numpy as np
import pytest

from filters.support import HashingEncoder, candidate, context, screen_one
from seedbed_backend.filters.answerable import (
    WEIGHTS,
    Answerable,
    answer_type,
    denial,
    has_answer_type,
    look,
)

FILTER = Answerable(
    question_field="question", source_field="passage", answer_field="answer", quote_field="quote"
)
PASSAGE = (
    "The Supplier delivers the spare parts to the warehouse in Antwerp by 4 March 2026. "
    "The Buyer may return damaged parts within 30 days of delivery. "
    "Refunds are paid by bank transfer. "
    "The warranty lasts two years and does not cover wear and tear. "
    "Disputes are settled by arbitration."
)


class Meaning(HashingEncoder):
    """Takes whatever has one content word in common for alike."""

    def encode(self, texts):
        vectors = super().encode(texts)
        vectors[:, 0] += 3
        return vectors / (vectors**2).sum(axis=1, keepdims=True) ** 0.5


def decide(question, answer="", quote="", encoder=None):
    made = candidate(source={"passage": PASSAGE}, question=question, answer=answer, quote=quote)
    return screen_one(FILTER, made, context("qa", encoder or Meaning()))


@pytest.mark.parametrize(
    "question",
    [
        "Where does the Supplier deliver the spare parts?",
        "Within how many days may the Buyer return damaged parts?",
        "How are refunds paid?",
        "What does the warranty not cover?",
        "By when must the spare parts be delivered to the warehouse in Antwerp?",
    ],
)
def test_keeps_what_the_document_answers(question):
    decision = decide(question)
    assert decision.keep, (decision.reason, decision.evidence)
    start, end = decision.evidence["start"], decision.evidence["end"]
    assert PASSAGE[start:end] == decision.evidence["passage"]


@pytest.mark.parametrize(
    ("question", "reason", "key", "found"),
    [
        ("", "no_question", "", None),
        ("?!", "no_question", "", None),
        (
            "Where does the Supplier not deliver the spare parts?",
            "premise_turned",
            "turned",
            ["not"],
        ),
        ("Why may the Buyer refuse damaged parts?", "premise_turned", "turned", ["refuse"]),
        (
            "Which spare parts does Bolt Couriers deliver in 2031 and 2032?",
            "premise_unknown",
            "numbers",
            ["2031", "2032"],
        ),
    ],
)
def test_says_what_the_question_takes_for_granted_wrongly(question, reason, key, found):
    decision = decide(question)
    assert decision.reason == reason
    assert decision.score < FILTER.minimum
    assert decision.evidence.get(key) == found


def test_a_question_about_something_else_has_no_passage():
    decision = decide("Which hormones regulate sleep?", encoder=HashingEncoder())
    assert decision.reason == "no_passage"
    assert decision.evidence["words"] == ["hormones", "regulate", "sleep"]


def test_the_costliest_lack_is_named():
    view = look("How many hormones regulate sleep?", "Sleep is regulated by hormones at night.")
    assert view.features["no_answer_type"] == 1.0
    assert view.weakest(1.0) == "no_such_answer"
    assert view.weakest(0.0) == "no_passage"


@pytest.mark.parametrize(
    ("question", "kind", "passage", "has_it"),
    [
        ("How many parts are there?", "number", "There are 12 parts.", True),
        ("How many parts are there?", "number", "There are parts.", False),
        ("In which year did the war end?", "date", "It ended in 1945.", True),
        ("In which year did the war end?", "date", "It ended in defeat.", False),
        ("When must notice be given?", "date", "Notice is given before termination.", True),
        ("Who pays?", "name", "The carrier pays.", True),
        ("Who founded Acme?", "name", "Acme was founded in spring.", False),
        ("Who founded Acme?", "name", "Acme was founded by Ada Byron.", True),
        ("What is covered?", "", "Nothing.", True),
    ],
)
def test_looks_for_the_kind_of_answer(question, kind, passage, has_it):
    assert answer_type(question) == kind
    assert has_answer_type(question, passage) is has_it


class Near(HashingEncoder):
    """Finds the same cosine, 0.62, between any question and any sentence."""

    def encode(self, texts):
        return np.array([(1.0, 0.0) if t.endswith("?") else (0.62, 0.7846) for t in texts])


def test_where_more_is_asked_a_passage_without_such_an_answer_is_not_enough():
    strict = FILTER.model_copy(update={"minimum": 0.70})

    def decided(question):
        made = candidate(source={"passage": PASSAGE}, question=question, answer="", quote="")
        return screen_one(strict, made, context("qa", Near()))

    decision = decided("How many disputes are settled by arbitration?")
    assert decision.reason == "no_such_answer"
    assert decision.evidence["missing"] == "no number"
    assert decided("Are disputes settled by arbitration?").keep


def test_an_answer_must_rest_on_a_passage_about_the_question():
    question = "Within how many days may the Buyer return damaged parts?"
    assert decide(question, "30 days of delivery").keep
    decision = decide(question, "Disputes are settled by arbitration.")
    assert decision.reason == "answer_elsewhere"
    assert decision.evidence["shared_with_answer"] < FILTER.min_shared


def test_of_several_passages_that_hold_the_answer_the_nearest_counts():
    made = candidate(
        source={"passage": "Ravens eat fruit. " + PASSAGE + " Bats eat fruit. Bats sleep by day."},
        question="What do bats eat?",
        answer="fruit",
    )
    assert screen_one(FILTER, made, context("qa", Meaning())).evidence["shared_with_answer"] == 1.0


@pytest.mark.parametrize(
    ("answer", "is_denied"),
    [
        ("The document does not say.", True),
        ("This is not mentioned in the text.", True),
        ("There is no information about refunds.", True),
        ("The warranty does not cover wear and tear.", False),
        ("By bank transfer", False),
    ],
)
def test_an_answer_that_denies_the_question_is_dropped(answer, is_denied):
    assert bool(denial(answer, PASSAGE)) is is_denied
    assert (decide("How are refunds paid?", answer).reason == "answer_denies") is is_denied


def test_a_document_that_itself_does_not_say_may_be_quoted():
    assert denial("The report does not specify a date.", "It does not specify a date.") == ""


def test_a_better_supported_question_scores_higher():
    good = decide("Within how many days may the Buyer return damaged parts?")
    assert good.score > decide("When may parts be inspected by the authorities?").score


def test_every_weight_belongs_to_a_feature():
    features = look("Who pays?", PASSAGE).features
    assert set(WEIGHTS) == {*features, "cosine"}
