import pytest

from seedbed_backend.filters.facts import (
    is_negation_changed,
    missing_names,
    names,
    opposites,
    quantities,
)
from seedbed_backend.text import is_reordered, locate, sentences, word_similarity


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("thirty (30) days", "30 days"),
        ("12,400 people", "12400 people"),
        ("two dogs", "2 dogs"),
        ("EUR 500", "€500"),
        ("500 euros", "€ 500.00"),
        ("$2 million", "2,000,000 dollars"),
        ("twenty percent", "20 %"),
        ("20 per cent", "20%"),
        ("two hundred and fifty", "250"),
        ("31 March 2024", "March 31, 2024"),
        ("31/03/2024", "2024-03-31"),
        ("5 p.m.", "17:00"),
        ("a 2-year term", "two years"),
        ("the third time", "the 3rd time"),
        ("one month", "a month"),
        ("a dozen eggs", "12 eggs"),
    ],
)
def test_spellings_of_one_number_are_equal(a, b):
    assert quantities(a).missing_from(quantities(b)) == []
    assert quantities(b).missing_from(quantities(a)) == []


@pytest.mark.parametrize(
    ("a", "b", "missing"),
    [
        ("within 30 days", "within 60 days", ["30"]),
        ("within 30 days", "soon", ["30"]),
        ("3 weeks", "3 months", ["3 week"]),
        ("10 days", "10 business days", ["10 day"]),
        ("€50", "$50", ["50 eur"]),
        ("nineteen", "ninety", ["19"]),
        ("3 May 2020", "3 June 2020", ["month-5"]),
        ("section 4.9", "section 4.8", ["4.9"]),
    ],
)
def test_another_number_or_unit_is_missing(a, b, missing):
    assert quantities(a).missing_from(quantities(b)) == missing


def test_one_of_them_is_no_number_that_must_survive():
    assert quantities("Choose one of them, or none.").values == {}


def test_names_are_capitals_inside_a_sentence_and_acronyms():
    text = "The office of Ann Miller in New York called. IBM and Dr. Smith agreed. May I?"
    assert names(text) == ("Ann Miller", "New York", "IBM", "Smith")


def test_a_heading_has_no_names():
    assert names("Terms And Conditions Of Sale") == ()


def test_a_name_is_found_in_any_case_and_form():
    assert missing_names("We met Ann Miller's team at IBM.", "ann millers team, ibm") == []
    assert missing_names("We met at IBM.", "International Business Machines hosted us") == []
    assert missing_names("We met Ann Miller.", "We met Ann Smith.") == ["Ann Miller"]


@pytest.mark.parametrize(
    ("a", "b", "is_changed"),
    [
        ("It is covered.", "It is not covered.", True),
        ("She has no pain.", "She doesn't have pain.", False),
        ("She has no pain.", "She denies pain.", False),
        ("It is not valid.", "It is invalid.", False),
        ("Pay no later than Friday.", "Pay by Friday.", False),
        ("Never without a ticket.", "Always with a ticket.", True),
    ],
)
def test_negation_is_compared_by_what_is_said(a, b, is_changed):
    assert is_negation_changed(a, b) is is_changed
    assert is_negation_changed(b, a) is is_changed


def test_opposites_are_words_that_gave_way():
    assert opposites("Pay before delivery.", "Pay after delivery.") == ["before → after"]
    assert opposites("Pay before delivery.", "Payment precedes delivery.") == []


def test_reordered_means_the_same_words_in_other_roles():
    a = "The lender sued the borrower because the insurer had warned the broker."
    b = "The borrower sued the lender because the broker had warned the insurer."
    assert is_reordered(a, b)
    assert not is_reordered(a, a)
    assert not is_reordered(a, "The insurer's warning made the lender go to court.")


def test_word_similarity_is_one_minus_the_share_of_differing_words():
    assert word_similarity("one two three four", "One, two three FOUR!") == 1.0
    assert word_similarity("one two three four", "one two three five") == 0.75


def test_sentences_are_spans_and_know_abbreviations():
    text = "  Dr. Ann paid $5.50, i.e. all. He left!\nNo end here \n\n 你好。再见"
    pieces = [text[start:end] for start, end in sentences(text)]
    assert pieces == ["Dr. Ann paid $5.50, i.e. all.", "He left!", "No end here", "你好。", "再见"]


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("the Buyer  pays", "the Buyer  pays"),
        ("THE BUYER PAYS", "the Buyer  pays"),
        ("buyer pays within 30 days", "Buyer  pays,\nwithin 30 days"),
        ("uyer pays within", None),
        ("...", None),
        ("", None),
        ("the seller", None),
    ],
)
def test_a_passage_is_found_regardless_of_typography(passage, expected):
    text = "😀 Then the Buyer  pays,\nwithin 30 days."
    text = text if passage != "the Buyer  pays" else text.replace(",", "")
    span = locate(passage, text)
    assert (span and text[span.start : span.end]) == expected
