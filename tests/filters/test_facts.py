import pytest

from seedbed.facts import missing_names, names, quantities
from seedbed.text import (
    is_reordered,
    language,
    letter_similarity,
    locate,
    sentences,
    shingles,
)
from seedbed_backend.text import unpolished_similarity, word_similarity


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
        ("in any one year", "per year"),
        ("a dozen eggs", "12 eggs"),
        ("it lasts 90 minutes", "it takes an hour and a half"),
        ("a trial of two weeks", "a 14-day trial"),
        ("24 months", "two years"),
        ("1000 mg", "1 g"),
        ("in the 19th century", "in the nineteenth century"),
        ("since the 1990s", "since the '90s"),
        ("in his sixties", "in his 60s"),
        ("at 9 am", "at 9 o'clock in the morning"),
        ("the twenty-first day", "day 21"),
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
        ("5 mg", "5 g", ["5 mg"]),
        ("two weeks", "15 days", ["2"]),
        ("eighty-nine years old, and 89 weeks", "eighty-nine years old", ["89 week"]),
        ("the 1990s", "the 1980s", ["decade-90"]),
        ("at 9 am", "at 10 am", ["9:00"]),
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


def test_german_nouns_are_no_names():
    text = "Der Mieter zahlt die Kaution und das IBAN-Konto nennt ihm der Vermieter."
    assert names(text) == ("IBAN-Konto",)


def test_initials_stand_for_a_name_both_ways():
    assert missing_names("We asked the World Health Organization.", "The WHO was asked.") == []
    assert missing_names("The WHO was asked.", "We asked the World Health Organization.") == []


def test_a_name_is_found_in_any_case_and_form():
    assert missing_names("We met Ann Miller's team at IBM.", "ann millers team, ibm") == []
    assert missing_names("We met at IBM.", "International Business Machines hosted us") == []
    assert missing_names("We met Ann Miller.", "We met Ann Smith.") == ["Ann Miller"]


def test_reordered_means_the_same_words_in_other_roles():
    a = "The lender sued the borrower because the insurer had warned the broker."
    b = "The borrower sued the lender because the broker had warned the insurer."
    assert is_reordered(a, b)
    assert not is_reordered(a, a)
    assert not is_reordered(a, "The insurer's warning made the lender go to court.")


def test_word_similarity_is_one_minus_the_share_of_differing_words():
    assert word_similarity("one two three four", "One, two three FOUR!") == 1.0
    assert word_similarity("one two three four", "one two three five") == 0.75


def test_articles_and_slips_of_a_letter_are_no_change():
    text = "The supplier sends an invoice to the customer."
    assert unpolished_similarity(text, "Supplier sends the invocie to customer.") == 1.0
    assert unpolished_similarity(text, "The supplier sends a bill to the customer.") < 0.95


def test_letter_similarity_counts_five_letters_in_a_row():
    assert letter_similarity("the same again", "the same again") == 1.0
    assert letter_similarity("abcdef", "abcdeg") == pytest.approx(1 / 3)
    assert letter_similarity("night", "day") == 0.0
    assert shingles("ab") == {"ab"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The tenant pays for the repair of the roof.", "en"),
        ("Der Mieter zahlt nicht für die Reparatur.", "de"),
        ("Le locataire ne paie pas la réparation du toit.", "fr"),
        ("El inquilino no paga la reparación del tejado.", "es"),
        ("De huurder betaalt het dak en de goot.", "nl"),
        ("L'inquilino non paga il tetto e la grondaia.", "it"),
        ("O inquilino não paga a reparação do telhado.", "pt"),
        ("No pain.", "en"),
        ("سلام", ""),
    ],
)
def test_the_language_shows_in_the_smallest_words(text, expected):
    assert language(text) == expected


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
