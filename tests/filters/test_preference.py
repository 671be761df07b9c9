import pytest

from filters.support import candidate, context, screen_one
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed_backend.filters import configure
from seedbed_backend.filters.heuristics import Heuristics
from seedbed_backend.filters.preference import Preference

FILTER = Preference(chosen_field="chosen", rejected_field="rejected")
PROMPT = (
    "Can I cancel on day ten?\n\n"
    "Clause 4.2 (Cancellation): Orders may be cancelled within 14 days of delivery to Port Aldo, "
    "and the customer pays the return freight up to 30 euros."
)
GOOD = "Yes. Clause 4.2 lets you cancel within 14 days of delivery."
BAD = (
    "Hello! Great question, and thank you for asking it. We are always happy to help our customers. "
    "You can surely cancel that order. Let me know if there is anything else."
)


def decide(chosen, rejected, prompt=PROMPT, filter_=FILTER, **recipe):
    made = candidate(source={"prompt": prompt}, chosen=chosen, rejected=rejected)
    return screen_one(filter_, made, context("dpo", **recipe))


def test_keeps_a_pair_whose_chosen_side_follows_the_rules_that_the_rejected_breaks():
    decision = decide(GOOD, BAD)
    assert decision.keep
    assert decision.score > 0.8
    measured = decision.evidence["measured"]
    assert set(measured) == {"concise", "cites_source", "no_filler"}
    assert measured["cites_source"] == [1.0, 0.0]
    assert decision.evidence["supported"][0] > decision.evidence["supported"][1]


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        (GOOD, GOOD.upper(), "identical"),
        (GOOD, GOOD.replace("lets", "permits"), "too_alike"),
        ("", BAD, "chosen_broken"),
        (f"{GOOD}<|im_end|>", BAD, "chosen_broken"),
        (GOOD, "You can cancel you can cancel you can cancel you can cancel.", "rejected_broken"),
        (GOOD, "You can cancel the order within the", "rejected_broken"),
        (GOOD, "<p>You can cancel that.</p>", "rejected_broken"),
        (GOOD, "You can the of cancel order within that.", "rejected_broken"),
        (GOOD.replace("14", "40"), BAD, "number_not_in_prompt"),
        ("Yes. Clause 4.2 allows that after delivery to Port Alto.", BAD, "name_not_in_prompt"),
        (
            "By clause 4.2 the customer pays the return freight up to 14 euros.",
            BAD,
            "number_not_in_prompt",
        ),
        (BAD, GOOD, "less_grounded"),
        ("Yes, you can cancel within 14 days of delivery.", BAD, "chosen_breaks_rule"),
        (GOOD, "Clause 4.2 allows you to cancel; day ten is early enough.", "rule_direction"),
    ],
)
def test_says_what_is_wrong_with_a_pair(chosen, rejected, reason):
    filter_ = Preference(chosen_field="chosen", rejected_field="rejected", max_alike=0.85)
    assert decide(chosen, rejected, filter_=filter_).reason == reason


def test_a_difference_of_degree_is_too_small():
    guide = [
        {"name": "short", "text": "At most ten words.", "measure": "concise",
         "options": {"max_words": 10}},
    ]  # fmt: skip
    a = "Clause 4.2 lets you cancel within 14 days of delivery."
    b = "Clause 4.2 lets you cancel orders within 14 days of their delivery."
    decision = decide(a, b, style_guide=guide, filters={"preference": {}})
    assert (decision.keep, decide(a, BAD, style_guide=guide).keep) == (True, True)
    strict = Preference(chosen_field="chosen", rejected_field="rejected", min_gap=0.9)
    assert decide(a, b, filter_=strict, style_guide=guide).reason == "gap_too_small"


def test_near_twins_are_kept_where_the_rejected_one_has_a_wrong_fact():
    decision = decide(GOOD, GOOD.replace("14 days", "40 days"))
    assert decision.keep
    assert decision.evidence["measured"]["grounded"] == [1.0, 0.4]
    swapped = decide(GOOD.replace("14 days", "40 days"), GOOD)
    assert swapped.reason == "number_not_in_prompt"
    assert swapped.evidence["numbers"] == ["40"]


def test_names_of_the_prompt_may_be_named():
    assert decide("Yes. Clause 4.2 allows that after delivery to Port Aldo.", BAD).keep


def test_the_rejected_side_may_invent():
    assert decide(GOOD, BAD.replace("that order", "that order within 99 days")).keep


def test_an_open_request_has_nothing_to_check_facts_against():
    chosen = "Three birds are the robin, the wren and the 12-wired bird of Papua."
    guide = [{"name": "no_filler", "text": "No filler.", "measure": "no_filler"}]
    assert decide(chosen, f"Sure! {BAD}", prompt="Name three birds.", style_guide=guide).keep


def test_facts_are_checked_on_request_only():
    lax = Preference(chosen_field="chosen", rejected_field="rejected", check_facts=False)
    assert decide(GOOD.replace("14", "40"), BAD, filter_=lax).keep


def test_a_sentence_of_the_prompt_is_not_repeated_with_another_word_in_it():
    told = (
        "By clause 4.2 orders may be cancelled within 14 days of delivery to Port Aldo, and the "
        "customer pays the return freight."
    )
    assert decide(told, BAD).keep
    decision = decide(told.replace("customer", "supplier"), BAD)
    assert decision.reason == "fact_exchanged"
    assert decision.evidence["exchanged"] == ["customer → supplier"]


def test_without_a_measured_rule_the_support_is_the_score():
    decision = decide(GOOD, BAD, style_guide=[{"name": "kind", "text": "Be kind."}])
    assert decision.keep
    assert "measured" not in decision.evidence
    assert 0.5 < decision.score <= 1.0


def test_without_rules_and_material_there_is_no_score():
    decision = decide(
        "Robins, wrens and owls.", "Some of them.", prompt="Name three birds.",
        style_guide=[{"name": "kind", "text": "Be kind."}],
    )  # fmt: skip
    assert decision.keep
    assert decision.score is None


def test_a_rule_that_does_not_apply_to_the_prompt_is_not_judged():
    decision = decide("Yes, you can.", BAD, prompt="Can I cancel?")
    assert decision.keep
    assert "cites_source" not in decision.evidence["measured"]


REFUSAL_GUIDE = [
    {
        "name": "scope",
        "text": "Decline what is not about orders.",
        "measure": "refuses_out_of_scope",
        "options": {"topics": ["order", "deliver"]},
    }
]


def test_a_refusal_is_no_defect_where_the_guide_asks_for_one():
    refusal = "I cannot help with that, since I only answer questions about orders."
    answer = "Lasagne takes sheets of pasta, a sauce of tomatoes, and cheese."
    prompt = "How do I make lasagne?"
    decision = decide(refusal, answer, prompt=prompt, style_guide=REFUSAL_GUIDE)
    assert decision.keep
    assert decision.evidence["measured"]["scope"] == [1.0, 0.0]
    assert decide(refusal, answer, prompt=prompt).reason == "chosen_broken"
    assert (
        decide(refusal, "Any order may be cancelled.", "Can I cancel my order?",
               style_guide=REFUSAL_GUIDE).reason
        == "chosen_breaks_rule"
    )  # fmt: skip
    both = Heuristics(fields=("chosen", "rejected"), source_field="prompt")
    pair = candidate(source={"prompt": prompt}, chosen=refusal, rejected=answer)
    assert screen_one(both, pair, context("dpo", style_guide=REFUSAL_GUIDE)).keep
    assert screen_one(both, pair, context("dpo")).reason == "refusal"


@pytest.mark.parametrize(
    ("rule", "message", "hint"),
    [
        ({"measure": "kindness"}, "'kind' names an unknown measure, 'kindness'", "concise"),
        (
            {"measure": "concise", "options": {"words": 3}},
            "'kind': unknown key 'words'",
            "Options of the measure concise: max_sentences, max_words.",
        ),
        (
            {"measure": "concise", "options": {"max_words": 0}},
            "'max_words' should be greater than or equal to 1, not 0",
            "max_words",
        ),
        ({"measure": "uses_terms"}, "'terms' is missing", "Options of the measure uses_terms"),
        ({"options": {"max_words": 3}}, "'kind' has options but no measure", ""),
    ],
)
def test_a_wrong_rule_is_refused_before_the_run(rule, message, hint):
    guide = [{"name": "kind", "text": "Be kind.", **rule}]
    with pytest.raises(RecipeError, match=message) as caught:
        configure(Recipe(technique="dpo", style_guide=guide))
    assert hint in caught.value.hint
