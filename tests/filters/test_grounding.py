from dataclasses import replace

import pytest

from filters.support import candidate, context, screen_one
from seedbed_backend.filters.grounding import Grounding, examine, exchanged, list_items
from seedbed_backend.filters.passages import document

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
    decision = decide("alpha epsilon omega", "", passage=passage)
    assert decision.reason == "quote_not_found"
    assert "start" not in decision.evidence
    assert decide("alpha stands with filler", "", passage=passage).keep


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


CLINIC = (
    "The patient denies chest pain, nausea and vomiting. Mr. Harlan takes 20 mg of lisinopril daily. "
    "He has had asthma, gout and migraine since childhood. His father had a stroke at age 61. "
    "The nurse gave Mr. Harlan a leaflet on salt. He will be seen again in six weeks."
)


def on_clinic(answer, question="What does the note say?"):
    return decide(answer, question, passage=CLINIC)


@pytest.mark.parametrize(
    "answer",
    [
        "Asthma, gout and migraine",
        "- asthma\n- gout\n- migraine",
        "No, the patient denies chest pain.",
        "Mr. Harlan takes lisinopril, 20 milligrams every day.",
        "In 6 weeks",
        "His father had a stroke at the age of 61. He takes lisinopril.",
        "A leaflet",
    ],
)
def test_keeps_extractive_abstractive_and_list_answers(answer):
    decision = on_clinic(answer)
    assert decision.keep, (decision.reason, decision.evidence)


@pytest.mark.parametrize(
    ("answer", "reason", "key", "found"),
    [
        ("Asthma, gout and epilepsy", "item_not_in_source", "items", ["epilepsy"]),
        ("- asthma\n- epilepsy\n- gout", "item_not_in_source", "items", ["epilepsy"]),
        ("The patient reports chest pain, nausea and vomiting.", "negation_changed", "", None),
        ("Mr. Harlan takes 40 mg of lisinopril daily.", "number_not_in_source", "numbers", ["40"]),
        (
            "The nurse gave Mr. Harlan a prescription on salt.",
            "fact_exchanged",
            "exchanged",
            ["leaflet → prescription"],
        ),
        (
            "The father gave Mr. Harlan a leaflet on salt.",
            "fact_exchanged",
            "exchanged",
            ["nurse → father"],
        ),
        (
            "The surgeon recommended physiotherapy twice weekly.",
            "not_covered",
            "words",
            ["surgeon", "physiotherapy", "twice"],
        ),
        (
            "I think we should worry about asthma, gout and migraine.",
            "personal_statement",
            "",
            None,
        ),
    ],
)
def test_names_what_is_unsupported(answer, reason, key, found):
    decision = on_clinic(answer)
    assert decision.reason == reason, decision.evidence
    assert decision.evidence.get(key) == found


def test_names_the_sentence_that_is_not_supported():
    decision = on_clinic("His father had a stroke at age 61. Surgery went well without bleeding.")
    assert decision.reason == "not_covered"
    assert decision.evidence["unsupported"] == "Surgery went well without bleeding."


def test_a_synonym_or_another_form_is_no_exchange():
    known = document("The customer shall pay the annual fee before the end of the year.")
    assert exchanged("The client shall pay the annual fee before the end of the year.", known) == []
    assert (
        exchanged("The customer shall pay the yearly fees before the end of the year.", known) == []
    )
    swapped = exchanged("The customer shall pay the annual fee before the end of the month.", known)
    assert swapped == ["year → month"]


def test_an_irregular_form_is_the_same_word():
    passage = "The Vendor backs up the data every 31 hours and keeps each copy for 26 weeks."
    decision = decide("Each copy is kept for 26 weeks.", "", passage=passage)
    assert decision.keep
    assert decision.evidence["covered"] == 1.0


def test_facts_that_stand_apart_are_named():
    filler = "Storage rooms are dry and cool. The gate closes at night. "
    passage = (
        f"Lamps are sold in Rotterdam for 80 euros. {filler * 3}Desks are made of oak in Lille."
    )
    decision = decide("Desks are made of oak for 80 euros.", "", passage=passage)
    assert decision.evidence["apart"] == ["80"]
    together = "Desks are made of oak in Lille."
    assert decision.score < decide(together, "", passage=passage).score
    strict = FILTER.model_copy(update={"minimum": 0.85})
    source = {"passage": passage}
    apart = candidate(source=source, answer="Desks are made of oak in Rotterdam for 80 euros.")
    assert screen_one(strict, apart, context("qa")).reason == "facts_apart"
    assert screen_one(strict, candidate(source=source, answer=together), context("qa")).keep


def test_an_answer_may_say_we_where_its_document_does():
    answer = "We deliver on Mondays."
    passage = "We deliver on Mondays. Our drivers ring twice. Parcels go back after ten days."
    assert decide(answer, "When?", passage=passage).keep
    passage = passage.replace("We deliver", "Acme delivers").replace("Our", "The")
    assert decide(answer, "When?", passage=passage).reason == "personal_statement"


@pytest.mark.parametrize(
    ("answer", "items"),
    [
        ("Asthma, gout and migraine", ["Asthma", "gout", "migraine"]),
        ("1. asthma\n2. gout", ["asthma", "gout"]),
        ("He has asthma, which began when he was a small child, and gout.", []),
        ("Asthma", []),
        ("10 and 20", []),
    ],
)
def test_finds_the_items_of_a_list(answer, items):
    assert list_items(answer) == items


def test_facts_apart_is_the_reason_where_it_costs_most():
    support = examine("Desks", "Desks are here.")
    far = replace(support, features={**support.features, "apart": 2.0})
    assert support.weakest == "not_covered"
    assert far.weakest == "facts_apart"
    assert far.score < support.score
