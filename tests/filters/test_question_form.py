import pytest

from filters.support import candidate, screen_one
from seedbed_backend.filters.question_form import QuestionForm, unclear_reference

FILTER = QuestionForm(question_field="question", answer_field="answer", source_field="passage")
PASSAGE = "The tenant pays rent of 900 euros on the first day of the month."


def decide(question, answer="by bank transfer"):
    made = candidate(source={"passage": PASSAGE}, question=question, answer=answer)
    return screen_one(FILTER, made)


@pytest.mark.parametrize(
    "question",
    [
        "The tenant pays the rent.",
        "Rent and deposit",
        "Why?",
        "",
        "Payment on the first day of the month!",
    ],
)
def test_what_asks_nothing_is_no_question(question):
    assert decide(question).reason == "no_question"


@pytest.mark.parametrize(
    "question",
    [
        "When is the rent due?",
        "when is the rent due",
        "Name the day on which rent is due.",
        "Please explain the notice period.",
        "The tenant pays the rent on which day?",
        "Is the deposit refundable?",
        "Summarize the duties of the tenant.",
    ],
)
def test_questions_and_demands_are_kept(question):
    assert decide(question).keep


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("According to the passage above, when is rent due?", "According to the passage"),
        ("What does the text say about rent?", "does the text"),
        ("In this document, who is the tenant?", "In this document"),
        ("What is the main point of the passage?", "of the passage"),
        ("Which fees are mentioned above?", "mentioned above"),
        ("What is the purpose of this section?", "this section"),
        ("What does the author recommend to tenants?", "the author"),
        ("What duties does the above clause impose?", "the above clause"),
        ("Based on the given text, what is the rent?", "Based on the given text"),
    ],
)
def test_a_question_must_not_point_at_its_document(question, words):
    decision = decide(question)
    assert decision.reason == "refers_to_document"
    assert decision.evidence["words"] == words


@pytest.mark.parametrize(
    "question",
    [
        "According to section 5 of the lease, when is rent due?",
        "How long may a text message be?",
        "Who runs the document management system?",
        "When does this Agreement end?",
        "What changes with the passage of time?",
        "Which rents above 900 euros are taxed?",
        "Who is the author of the survey?",
        "Which article of clothing must be worn?",
    ],
)
def test_words_that_only_look_like_a_reference_are_kept(question):
    decision = decide(question)
    assert decision.keep, decision.evidence


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("What does he do with the deposit?", "he"),
        ("When did they sign the lease?", "they"),
        ("What is it used for?", "it"),
        ("What medication did she take?", "she"),
        ("Why was his claim rejected?", "his"),
        ("How is this fee calculated?", "this fee"),
        ("What happens in these cases where rent is late?", "these cases"),
        ("Which products can they return?", "they"),
    ],
)
def test_a_pronoun_needs_something_to_stand_for(question, word):
    decision = decide(question)
    assert decision.reason == "unclear_reference"
    assert decision.evidence["words"] == word


@pytest.mark.parametrize(
    "question",
    [
        "What must the tenant do with his keys?",
        "If rent is late, when does it become a debt?",
        "What did Maria Lopez say about her lease?",
        "When customers return goods, what do they get?",
        "Is it possible to end the lease early?",
        "How long does it take to repair a boiler?",
        "Why is it important to keep receipts?",
        "What happens to those who pay late?",
        "Up to which amount does the landlord pay those affected?",
        "Which of the two fees is higher when both of these fees apply?",
        "Who returned their keys?",
        "What are the duties of the landlord this year?",
    ],
)
def test_a_pronoun_with_its_noun_is_kept(question):
    assert unclear_reference(question) == ""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Why must the tenant return the keys on Friday?", "The tenant must return the keys."),
        ("When is the rent of 900 euros due, which is on 1 May?", "1 May"),
        ("Which blue car did the witness see?", "a blue car"),
    ],
)
def test_a_question_must_not_tell_its_answer(question, answer):
    decision = decide(question, answer)
    assert decision.reason == "answer_given_away"
    assert decision.evidence["words"] == answer


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Must the tenant return the keys?", "Yes"),
        ("Must the tenant return the keys?", "The tenant must return the keys."),
        ("Is the deposit refunded or kept?", "refunded"),
        ("When must the tenant return the keys?", "The tenant must return the keys on Friday."),
        ("How much rent is due on 1 May?", "900 euros"),
        ("How many keys are there?", "two keys"),
        ("Who pays the rent?", ""),
    ],
)
def test_an_answer_that_adds_something_is_kept(question, answer):
    decision = decide(question, answer)
    assert decision.keep, decision.evidence


def test_the_evidence_says_of_which_type_a_question_is():
    evidence = decide("Why is the rent due on the first day?").evidence
    assert (evidence["type"], evidence["difficulty"]) == ("analytical", "medium")
