import pytest

from filters.support import candidate, context, screen_one
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
    ],
)
def test_keeps_a_rewrite_with_the_same_facts(original, paraphrase):
    decision = decide(original, paraphrase)
    assert decision.keep, (decision.reason, decision.evidence)
    assert decision.score == 1.0


@pytest.mark.parametrize(
    ("original", "paraphrase", "reason", "evidence"),
    [
        ("Pay in 30 days.", "Pay in 60 days.", "number_changed",
         {"numbers_missing": ["30"], "numbers_added": ["60"]}),
        ("Pay in 3 weeks.", "Pay in 3 months.", "number_changed",
         {"numbers_missing": ["3 week"], "numbers_added": ["3 month"],
          "opposites": ["weeks → months"]}),
        ("Pay soon.", "Pay in 7 days.", "number_changed", {"numbers_added": ["7"]}),
        ("Please ask Ann Miller.", "Please ask her.", "name_missing",
         {"names_missing": ["Ann Miller"]}),
        ("Please ask her.", "Please ask Ann Miller.", "name_added",
         {"names_added": ["Ann Miller"]}),
        ("The patient is in remission.", "The patient is doing well.", "term_missing",
         {"terms_missing": ["remission"]}),
        ("Smoking is allowed here.", "Smoking is not allowed here.", "negation_changed", {}),
        ("Pay before delivery.", "Pay after delivery.", "opposite_word",
         {"opposites": ["before → after"]}),
        ("The lender sued the borrower because the insurer had warned the broker.",
         "The borrower sued the lender because the broker had warned the insurer.",
         "word_order", {}),
    ],
)  # fmt: skip
def test_says_which_fact_was_lost(original, paraphrase, reason, evidence):
    decision = decide(original, paraphrase, glossary=("remission",))
    assert decision.reason == reason
    assert decision.evidence == evidence


def test_the_score_is_the_share_that_survives():
    decision = decide(
        "Ask for 5 of 10 from the Bank of Spain.", "Ask for 5 from the Bank of Spain."
    )
    assert decision.score == pytest.approx(3 / 4)


def test_a_term_may_be_inflected_and_counts_only_where_the_source_has_it():
    assert decide("Pay the deductible.", "The deductibles are due.", glossary=("deductible",)).keep
    assert decide("Pay the fee.", "The fee is due.", glossary=("deductible",)).keep


def test_single_checks_can_be_switched_off():
    loose = ProtectedTerms(
        fields=("paraphrase",), source_field="original", check_opposites=False, check_order=False
    )
    source = {"original": "Pay before delivery."}
    assert screen_one(loose, candidate(source=source, paraphrase="Pay after delivery.")).keep
