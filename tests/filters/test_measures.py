import pytest

from seedbed_backend.filters.measures import MEASURES, measured_rules

PROMPT = "Clause 4.2: Orders may be cancelled within 14 days. Can I cancel on day ten?"


def measure(name, reply, prompt=PROMPT, **options):
    [rule] = measured_rules([{"name": "rule", "text": "t", "measure": name, "options": options}])
    return rule.of(reply, prompt)


@pytest.mark.parametrize(
    ("name", "reply", "value"),
    [
        ("concise", "Yes. You can.", 1.0),
        ("concise", "One. Two. Three. Four.", 0.25),
        ("cites_source", "See clause 4.2.", 1.0),
        ("cites_source", "Under \u00a7 4.2, yes.", 1.0),
        ("cites_source", "See clause 9.", 0.25),
        ("cites_source", "Yes.", 0.0),
        ("grounded", "You have 14 days by clause 4.2.", 1.0),
        ("grounded", "You have fourteen days.", 1.0),
        ("grounded", "1. You have 14 days.\n2. Day ten is early enough.", 1.0),
        ("grounded", "You have 40 days.", 0.4),
        ("grounded", "You have 40 days, says Ms Ortiz.", 0.0),
        ("no_filler", "You can cancel.", 1.0),
        ("no_filler", "Certainly, you can cancel.", 0.4),
        ("no_filler", "You can cancel. Please do not hesitate to ask.", 0.4),
        ("formal", "You can cancel.", 1.0),
        ("formal", "Yeah, you're good!", 0.0),
        ("no_hedging", "You can cancel.", 1.0),
        ("no_hedging", "You can usually cancel.", 0.4),
        ("no_first_person", "The order can be cancelled in the US.", 1.0),
        ("no_first_person", "We cancel the order.", 0.4),
        ("plain_prose", "Cancel by letter - it is free.", 1.0),
        ("plain_prose", "- Write a letter\n- Send it", 0.0),
        ("no_questions", "You can cancel.", 1.0),
        ("no_questions", "Shall I cancel it?", 0.4),
        ("refuses_out_of_scope", "Yes, you can.", 1.0),
        ("refuses_out_of_scope", "I cannot help with that.", 0.0),
        ("answers_in_language", "Yes, you can cancel the order.", 1.0),
        ("answers_in_language", "Ja, Sie k\u00f6nnen die Bestellung noch widerrufen.", 0.0),
        ("answers_in_language", "OK", None),
        ("short_sentences", "You can cancel. It is free.", 1.0),
        ("short_sentences", "you can cancel it " * 10 + ".", 0.25),
    ],
)
def test_says_how_well_a_rule_is_followed(name, reply, value):
    options = {"topics": ["orders"]} if name == "refuses_out_of_scope" else {}
    found = measure(name, reply, **options)
    assert found == (value if value is None else pytest.approx(value))


def test_options_set_the_limits():
    reply = "One. Two. Three. Four."
    assert measure("concise", reply, max_sentences=4) == 1.0
    assert measure("concise", reply, max_sentences=4, max_words=2) == 0.25
    assert measure("short_sentences", "You can cancel it at once.", max_words=3) == 0.25


def test_the_houses_words_are_used():
    terms = {"client": ["customer", "end user"]}
    assert measure("uses_terms", "The client may cancel.", terms=terms) == 1.0
    assert measure("uses_terms", "The end user may cancel.", terms=terms) == 0.4
    assert measure("uses_terms", "Customers may cancel.", terms=terms) is None
    assert measure("uses_terms", "You may cancel.", terms=terms) is None
    assert measure("avoids_words", "Leverage it.", words=["leverage"]) == 0.4
    assert measure("avoids_words", "Leveraged it.", words=["leverage"]) == 1.0


def test_out_of_scope_must_be_declined():
    ask = {"prompt": "How do I make lasagne?", "topics": ["order", "delivery"]}
    assert measure("refuses_out_of_scope", "Orders arrive in a week.", **ask) == 0.0
    assert measure("refuses_out_of_scope", "That is outside the scope of this desk.", **ask) == 1.0
    assert measure("refuses_out_of_scope", "Boil the pasta.", **ask) == 0.0


def test_a_named_language_counts_before_that_of_the_prompt():
    reply = "Ja, Sie k\u00f6nnen die Bestellung noch widerrufen."
    assert measure("answers_in_language", reply, language="de") == 1.0
    assert measure("answers_in_language", reply, language="fr") == 0.0


@pytest.mark.parametrize("name", MEASURES)
def test_no_measure_raises_on_any_text(name):
    options = {
        "uses_terms": {"terms": {"": ["a"]}}, "avoids_words": {"words": ["", "("]},
        "refuses_out_of_scope": {"topics": [""]},
    }.get(name, {})  # fmt: skip
    for text in (
        "",
        " ",
        "?!",
        "\ud800 x",
        "(" * 500,
        "no " * 2000,
        "\u0645\u0631\u062d\u0628\u0627",
    ):
        for prompt in ("", PROMPT, text):
            value = measure(name, text, prompt, **options)
            assert value is None or 0.0 <= value <= 1.0
