import pytest

from seedbed.contrasts import (
    comparisons,
    is_negation_changed,
    modality,
    modality_changes,
    opposites,
)


@pytest.mark.parametrize(
    ("a", "b", "is_changed"),
    [
        ("It is covered.", "It is not covered.", True),
        ("The bank may not refuse a transfer.", "The bank may refuse a transfer.", True),
        ("She can walk without help.", "She cannot walk without help.", True),
        ("Never without a ticket.", "Never with a ticket.", True),
        ("Never without a ticket.", "Always with a ticket.", False),
        ("No trip is paid for without prior approval.", "Each approved trip is paid for.", False),
        ("A month in which it falls below 96 %.", "A month in which it does not reach 96 %.", False),
        ("Yes, I take it daily.", "No, I take it daily.", True),
        ("The pump is not on and the valve is closed.", "The pump is on and the valve is not closed.",
         True),
        ("The fee must not exceed 30 euros.", "The fee must exceed 30 euros.", True),
        ("She has no pain.", "She doesn't have pain.", False),
        ("She has no pain.", "She denies pain.", False),
        ("It is not valid.", "It is invalid.", False),
        ("He is not unhappy with it.", "He is happy with it.", False),
        ("The dog is not asleep.", "The dog is awake.", False),
        ("Pay no later than Friday.", "Pay by Friday.", False),
        ("The fee must not exceed 30 euros.", "The fee is 30 euros at most.", False),
        ("You cannot enter until you are called.", "You may enter only after you are called.", False),
        ("I can't stop coughing.", "I keep coughing.", False),
        ("Neither party is liable for delays beyond its control.",
         "Each party is liable for delays beyond its control.", True),
        ("No, I don't smoke.", "I don't smoke.", False),
        ("Not that I can recall, no.", "No, not that I remember.", False),
        ("There's no doubt that it works.", "It certainly works.", False),
        ("It isn't cold, is it?", "It's not cold, right?", False),
        ("Only members can vote.", "Non-members cannot vote.", False),
    ],
)  # fmt: skip
def test_negation_is_compared_by_what_is_said(a, b, is_changed):
    assert is_negation_changed(a, b) is is_changed
    assert is_negation_changed(b, a) is is_changed


@pytest.mark.parametrize(
    ("a", "b", "is_changed"),
    [
        ("Der Mieter darf das nicht tun.", "Der Mieter darf das tun und mit den Nachbarn.", True),
        (
            "Das ist nicht erlaubt und nicht üblich.",
            "Das ist weder erlaubt noch nicht üblich.",
            False,
        ),
        ("Ce n'est pas permis dans le hall.", "C'est permis dans le hall et la cour.", True),
        ("Il ne faut pas le faire.", "Il ne faut jamais le faire dans le hall.", False),
        ("No se puede entrar en la sala.", "Se puede entrar en la sala.", True),
        ("No hay nada en la sala.", "Nada hay en la sala.", False),
        (
            "Huurder betaalt niet.",
            "Huurder betaalt.",
            False,
        ),  # an unknown language: nothing is said
    ],
)
def test_german_french_and_spanish_negate_too(a, b, is_changed):
    assert is_negation_changed(a, b) is is_changed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The tenant shall pay.", {"required"}),
        ("You have to pay.", {"required"}),
        ("You do not have to pay.", {"not required"}),
        ("You need not pay.", {"not required"}),
        ("You may leave.", {"allowed"}),
        ("You are entitled to leave.", {"allowed"}),
        ("You may not leave.", {"prohibited"}),
        ("You aren't allowed to leave.", {"prohibited"}),
        ("No visitor may leave.", {"prohibited"}),
        ("No guest of the house may leave.", {"prohibited"}),
        ("You should leave.", {"advised"}),
        ("You should be able to leave.", set()),
        ("It might rain.", set()),
        ("Der Mieter muss die Miete zahlen und darf nicht kündigen.", {"required", "prohibited"}),
        ("Le locataire doit payer le loyer et peut partir.", {"required", "allowed"}),
        ("El inquilino debe pagar la renta y no puede salir.", {"required", "prohibited"}),
    ],
)
def test_what_a_text_lays_down(text, expected):
    assert modality(text) == expected


@pytest.mark.parametrize(
    ("a", "b", "changes"),
    [
        (
            "The contractor shall insure it.",
            "The contractor may insure it.",
            ["required → allowed"],
        ),
        ("Staff should wear a badge.", "Staff may wear a badge.", ["advised → allowed"]),
        ("Staff must not smoke.", "Staff need not smoke.", ["prohibited → not required"]),
        ("The contractor shall insure it.", "The contractor is required to insure it.", []),
        ("You may cancel.", "You can cancel.", []),
        ("You must not share it.", "Sharing it is not allowed.", []),
        ("We can help you.", "We help you.", []),
    ],
)
def test_modality_changes_from_one_kind_to_a_conflicting_one(a, b, changes):
    assert modality_changes(a, b) == changes


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("Pay before delivery.", "Pay after delivery.", ["before → after"]),
        ("Keep at least two metres away.", "Keep at most two metres away.", ["at least → at most"]),
        ("The cost rose by 5 %.", "The cost dropped by 5 %.", ["rose → dropped"]),
        ("More than half are under 30.", "Less than half are under 30.", ["more → less"]),
        ("The pain gets worse.", "The pain gets better.", ["worse → better"]),
        ("It is covered.", "It is uncovered.", ["covered → uncovered"]),
        ("The left arm hurts.", "The right arm hurts.", ["left → right"]),
        ("We meet on Monday.", "We meet on Friday.", ["monday → friday"]),
        ("Notice of at least 24 hours.", "Notice of less than 24 hours.", ["at least → less"]),
        ("Trains faster than before.", "Trains slower than before.", ["faster → slower"]),
        ("The bill requires a report.", "The bill allows a report.", ["requires → allows"]),
        ("Notice of at least 24 hours.", "Notice of no less than 24 hours.", []),
        ("Pay 5 at most.", "Pay up to 5.", []),
        ("Pay up to 5 a year.", "Do not pay for more than 5 a year.", []),
        ("More than half agree.", "Most agree.", []),
        ("Pay before delivery.", "Payment precedes delivery.", []),
        ("More than half are under 30.", "Over half are younger than 30.", []),
        ("Prices are higher in May than in June.", "Prices are lower in June than in May.", []),
        ("The dog is not awake.", "The dog is asleep.", []),
        ("The trial runs for two weeks.", "The trial runs for 14 days.", []),
        ("I like the old and the new one.", "I like the new and the old one.", []),
    ],
)
def test_opposites_are_words_that_gave_way(a, b, expected):
    assert opposites(a, b) == expected


def test_some_opposites_compare():
    assert comparisons(["before → after", "lender → borrower"]) == ["before → after"]
