from dataclasses import replace

import numpy as np
import pytest

from filters.support import HashingEncoder, candidate, context, screen_one
from seedbed.records import SourceTask
from seedbed_backend.filters.protected_terms import ProtectedTerms

FILTER = ProtectedTerms(fields=("paraphrase",), source_field="original")


def decide(original, paraphrase, **recipe):
    made = candidate(source={"original": original}, paraphrase=paraphrase)
    return screen_one(FILTER, made, context(**recipe))


@pytest.mark.parametrize(
    ("original", "paraphrase"),
    [
        (
            "The tenant pays EUR 1,200 within thirty (30) days.",
            "Within 30 days the tenant must hand over €1200.",
        ),
        ("On 3 May 2024 Ann Miller called.", "Ann Miller phoned on May 3, 2024."),
        ("It is not allowed to smoke.", "Smoking isn't allowed."),
        ("My card has not arrived yet.", "I still have no card."),
        ("The trial runs for two weeks.", "The trial lasts 14 days."),
        ("The landlord informs the tenant.", "The tenant is informed by the landlord."),
        ("The lender pays the fee.", "The fee is paid by the lender."),
        ("Ask Ann Miller before you pay more than 5 euros.",
         "Before paying over 5 euros, ask Ann Miller."),
        ("The library closes in June.", "In June, the library will be closing its doors."),
        ("He has a history of kidney stones and gout.",
         "Kidney stones and gout are in his history."),
        ("The contractor shall insure it.", "The contractor is required to insure it."),
        ("Der Mieter darf die Wohnung nicht untervermieten.",
         "Eine Untervermietung der Wohnung ist dem Mieter nicht gestattet."),
        ("Le locataire doit payer le loyer avant le 5 du mois.",
         "Avant le 5 du mois, le loyer doit être payé par le locataire."),
    ],
)  # fmt: skip
def test_keeps_a_rewrite_with_the_same_facts(original, paraphrase):
    decision = decide(original, paraphrase)
    assert decision.keep, (decision.reason, decision.evidence)
    assert decision.score == 1.0


@pytest.mark.parametrize(
    ("original", "paraphrase", "reason", "evidence"),
    [
        ("Pay in 30 days.", "Pay in 60 days.", "number_changed",
         {"numbers_missing": ["30"], "numbers_added": ["60"]}),
        ("Pay soon.", "Pay in 7 days.", "number_changed", {"numbers_added": ["7"]}),
        ("Come on 3 May.", "Come on 3 June.", "date_changed",
         {"dates_missing": ["month-5"], "dates_added": ["month-6"]}),
        ("Take 5 mg daily.", "Take 5 g daily.", "unit_changed",
         {"units_missing": ["5 mg"], "units_added": ["5 g"]}),
        ("Pay in 3 weeks.", "Pay in 3 months.", "unit_changed",
         {"units_missing": ["3 week"], "units_added": ["3 month"]}),
        ("Please ask Ann Miller.", "Please ask her.", "name_missing",
         {"names_missing": ["Ann Miller"]}),
        ("Please ask her.", "Please ask Ann Miller.", "name_added",
         {"names_added": ["Ann Miller"]}),
        ("The patient is in remission.", "The patient is doing well.", "term_missing",
         {"terms_missing": ["remission"]}),
        ("Smoking is allowed here.", "Smoking is not allowed here.", "negation_changed",
         {"negation": ["no negation → 1 negation"], "modality": None}),
        ("The contractor shall insure it.", "The contractor may insure it.", "modality_changed",
         {"modality": ["required → allowed"]}),
        ("Pay before delivery.", "Pay after delivery.", "comparison_changed",
         {"comparisons": ["before → after"]}),
        ("The lender pays the fee.", "The borrower pays the fee.", "opposite_word",
         {"opposites": ["lender → borrower"]}),
        ("The lender sued the borrower because the insurer had warned the broker.",
         "The borrower sued the lender because the broker had warned the insurer.",
         "roles_swapped", {"roles": ["insurer ↔ broker", "lender ↔ borrower"]}),
        ("We refund it within 14 days, provided that the goods are unused and in their box.",
         "Within 14 days, we refund it.", "clause_missing",
         {"clauses_missing": ["provided goods unused box"]}),
        ("The library closes in June.",
         "The library closes in June because its roof leaks and repairs are too expensive.",
         "clause_added", {"clauses_added": ["roof leaks repairs expensive"]}),
        ("He has a history of kidney stones and gout.",
         "He has a history of kidney stones and taste.", "term_changed",
         {"terms_changed": ["gout"]}),
    ],
)  # fmt: skip
def test_says_what_was_changed(original, paraphrase, reason, evidence):
    decision = decide(original, paraphrase, glossary=("remission",))
    assert decision.reason == reason
    assert decision.score < 1.0
    assert decision.evidence == {kind: found for kind, found in evidence.items() if found}


def test_the_score_is_the_share_that_survives_halved_by_what_was_turned():
    decision = decide(
        "Ask for 5 of 10 from the Bank of Spain.", "Ask for 5 from the Bank of Spain."
    )
    assert decision.score == pytest.approx(3 / 4)
    assert decide("Pay 5 before noon.", "Pay 5 after noon.").score == 0.5


def test_a_term_may_be_inflected_and_counts_only_where_the_source_has_it():
    assert decide("Pay the deductible.", "The deductibles are due.", glossary=("deductible",)).keep
    assert decide("Pay the fee.", "The fee is due.", glossary=("deductible",)).keep


@pytest.mark.parametrize(
    ("option", "original", "paraphrase"),
    [
        ("check_opposites", "Pay before delivery.", "Pay after delivery."),
        ("check_modality", "We shall pay.", "We may pay."),
        ("check_roles", "Ann pays Ben for May.", "Ben pays Ann for May."),
        ("check_clauses", "We go, but heavy rain may stop buses.", "We go."),
        ("check_rare_terms", "He has gout.", "He has taste."),
    ],
)
def test_single_checks_can_be_switched_off(option, original, paraphrase):
    assert not decide(original, paraphrase).keep
    loose = ProtectedTerms(fields=("paraphrase",), source_field="original", **{option: False})
    made = candidate(source={"original": original}, paraphrase=paraphrase)
    assert screen_one(loose, made).keep


def test_the_encoder_is_asked_about_what_is_in_doubt_alone():
    class Asked(HashingEncoder):
        def __init__(self):
            self.texts = []

        def encode(self, texts):
            self.texts += texts
            return super().encode(texts)

    def asked(original, paraphrase):
        encoder = Asked()
        made = candidate(source={"original": original}, paraphrase=paraphrase)
        screen_one(FILTER, made, context(encoder=encoder))
        return encoder.texts

    assert asked("Pay in 30 days.", "Pay within 30 days.") == []
    assert asked("He has gout, for 3 years.", "He has taste, for 4 years.") == []  # out already
    assert asked("He has gout.", "He has taste.") == ["gout", "taste"]


def test_a_synonym_may_stand_for_a_rare_term_and_another_clause_for_a_clause():
    class Agrees(HashingEncoder):
        def encode(self, texts):
            return np.ones((len(texts), 1), dtype=np.float32)

    for original, paraphrase in (
        ("He has gout.", "He has podagra."),
        ("We can refund it, and shipping is free.", "We can refund it."),
    ):
        made = candidate(source={"original": original}, paraphrase=paraphrase)
        assert not screen_one(FILTER, made).keep
        assert screen_one(FILTER, made, context(encoder=Agrees())).keep


def test_words_that_recur_in_the_sources_are_terms_sooner():
    original, paraphrase = "The warranty ends soon.", "The cover ends soon."
    made = candidate(source={"original": original}, paraphrase=paraphrase)
    assert screen_one(FILTER, made).keep
    texts = ("Give a warranty.", "No warranty on pumps.", "A long warranty.")
    known = replace(context(), sources=[SourceTask.of({"original": text}) for text in texts])
    assert screen_one(FILTER, made, known).reason == "term_changed"
