from seedbed_backend.filters.content import (
    clauses,
    lost_clauses,
    lost_terms,
    recurring_words,
)

SOURCE = (
    "The council voted to close the library, although hundreds of residents had signed a petition."
)


def test_a_clause_is_lost_when_its_words_have_no_answer():
    [doubt] = lost_clauses(SOURCE, "The council voted to close the library.")
    assert doubt.is_certain
    assert doubt.text == "although hundreds residents signed petition"


def test_a_clause_in_other_words_brings_its_own():
    rewrite = (
        "Despite a list with many names of local people, the council voted to close the library."
    )
    assert lost_clauses(SOURCE, rewrite) == ()


def test_a_short_clause_is_in_doubt_until_its_meaning_is_known():
    [doubt] = lost_clauses("We can refund it, and shipping is free.", "We can refund it.")
    assert (doubt.text, doubt.is_certain) == ("shipping is free.", False)


def test_chat_may_be_left_out():
    chatty = "Well, you know, I really think I would just like to see the report, please."
    assert lost_clauses(chatty, "I would like to see the report.") == ()


def test_clauses_end_at_commas_and_conjunctions():
    assert clauses("The roof leaks, and the repair costs too much. Yes.") == [
        "The roof leaks",
        "the repair costs too much.",
    ]


def test_rare_words_and_lookalikes_are_in_doubt():
    assert lost_terms("He has gout.", "He has taste.") == (("gout", ("taste",)),)
    assert lost_terms("She got a stent.", "She got a tent.") == (("stent", ("tent",)),)
    assert lost_terms("He has gout.", "Gout is what he has.") == ()
    assert lost_terms("He built a house.", "He built a home.") == ()


def test_words_of_the_project_are_terms_sooner():
    source, rewrite = "The warranty ends in May.", "The cover ends in May."
    assert lost_terms(source, rewrite) == ()
    assert lost_terms(source, rewrite, frozenset({"warranty"})) == (("warranty", ("cover",)),)


def test_other_languages_have_no_rare_english_words():
    assert lost_terms("Der Mieter zahlt die Kaution.", "Der Mieter zahlt die Sicherheit.") == ()


def test_recurring_words_stand_in_three_texts():
    texts = ["The warranty ends.", "A warranty is given.", "No warranty for the pump.", "The pump"]
    assert recurring_words(texts) == {"warranty"}
