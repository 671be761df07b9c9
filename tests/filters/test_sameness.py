import pytest

from seedbed.sameness import changed_fact, is_typo, normalise

REPORT = (
    "The night shift reported that pump two lost pressure, the operator closed the valve by hand and "
    "the maintenance team replaced the seal before production started again in the morning."
)


@pytest.mark.parametrize(
    "text",
    [
        "Call me BACK!",
        "call   me back",
        "3) Call me back",
        "<p>Call me back</p>",
        "- Call me back.",
    ],
)
def test_form_is_taken_away(text):
    assert normalise(text) == "call me back"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Write it in C++.", "Write it in C."),
        ("Write it in C#.", "Write it in C."),
        ("It costs 5 %.", "It costs 5 €."),
        ("Keep it at -5 degrees.", "Keep it at 5 degrees."),
    ],
)
def test_signs_that_say_something_stay(a, b):
    assert normalise(a) != normalise(b)


def test_a_text_without_words_keeps_its_characters():
    assert normalise(" ?! ") == "?!"
    assert normalise("") == ""


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("pump two", "pump three", "2 → 3"),
        ("the operator closed", "the operator never closed", "never"),
        ("the operator closed", "nobody closed", "→ nobody"),
        ("before production", "after production", "before → after"),
        ("the seal", "the filter", "seal → filter"),
        ("pump two lost", "pump two gained", "lost → gained"),
        ("the seal before production", "the hose before delivery", "seal → hose"),
    ],
)
def test_a_changed_fact_is_named(old, new, fact):
    assert fact in changed_fact(REPORT, REPORT.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("closed the valve", "was closing the valve"),  # a form
        ("maintenance", "maintenence"),  # a slip
        ("production started", "production began"),  # not known, so it counts: see below
        ("production started", "production commenced"),
        ("by hand and", "by hand, and then"),
        ("in the morning", "in the morning, as the foreman wrote into the book on the same day"),
    ],
)
def test_other_words_for_the_same_are_no_changed_fact(old, new):
    fact = changed_fact(REPORT, REPORT.replace(old, new))
    assert fact == ("started → began" if new == "production began" else "")


@pytest.mark.parametrize(
    ("a", "b", "fact"),
    [
        ("When was the bridge opened?", "Where was the bridge opened?", "when → where"),
        ("Move money from my savings account", "Move money to my savings account", "from → to"),
        ("Is it a profit organisation?", "Is it a non-profit organisation?", "non"),
        ("The buyer pays the broker", "The broker pays the buyer", "word order"),
        ("Ann signed it", "Bob signed it", "ann → bob"),
    ],
)
def test_little_words_and_order_can_be_the_fact(a, b, fact):
    assert changed_fact(f"I ask: {a}", f"I ask: {b}") == fact


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What was it that broke?", "Which was it that broke?"),
        ("Nope, it never came.", "No, it never came."),
        ("Yeah, it came.", "Yes, it came."),
    ],
)
def test_spoken_forms_say_the_same(a, b):
    assert changed_fact(a, b) == ""


def test_a_clause_more_is_an_addition_whatever_it_says():
    longer = f"{REPORT} It had not been checked since 12 March 2024, as Mr Weber wrote."
    assert changed_fact(REPORT, longer) == ""
    assert changed_fact(longer, REPORT) == ""


def test_one_other_word_in_a_long_text_is_a_revision():
    long = " ".join(f"{REPORT[:-1]} on line number {word}." for word in "abcdef")
    assert changed_fact(long, long.replace("foot", "hand")) == ""
    assert changed_fact(long, long.replace("operator", "manager", 1)) == ""


def test_many_other_words_are_another_wording():
    reworded = (
        "During the night shift pump two lost its pressure; the valve was closed by hand, and the "
        "seal was replaced before they started production again in the morning."
    )
    assert changed_fact(REPORT, reworded) == ""


def test_siblings_may_use_other_words_but_no_other_facts():
    other = REPORT.replace("seal", "gasket")
    assert changed_fact(REPORT, other, is_same_content=False) == "seal → gasket"
    assert changed_fact(REPORT, other, is_same_content=True) == ""
    number = REPORT.replace("pump two", "pump three")
    assert changed_fact(REPORT, number, is_same_content=True)


@pytest.mark.parametrize(
    ("a", "b", "is_one"),
    [
        ("foundation", "foundaiton", True),
        ("revolution", "revoluton", True),
        ("employer", "employee", False),
        ("moral", "amoral", False),
        ("cat", "cut", False),
        ("12345", "12435", False),
        ("house", "house", False),
    ],
)
def test_a_typo_is_one_slip_inside_a_longer_word(a, b, is_one):
    assert is_typo(a, b) is is_one
