import pytest

from filters.support import candidate, context, screen_one
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed_backend.filters import configure
from seedbed_backend.filters.measures import MEASURES, cites_source, concise, formal, no_filler
from seedbed_backend.filters.preference import Preference

FILTER = Preference(chosen_field="chosen", rejected_field="rejected")
PROMPT = "Clause 4.2: Orders may be cancelled within 14 days. Can I cancel on day ten?"
GOOD = "Yes. Clause 4.2 lets you cancel within 14 days."
BAD = (
    "Hello! Great question, and thank you for asking it. We are always happy to help our customers. "
    "You can surely cancel that order. Let me know if there is anything else."
)


def decide(chosen, rejected, prompt=PROMPT, **recipe):
    made = candidate(source={"prompt": prompt}, chosen=chosen, rejected=rejected)
    return screen_one(FILTER, made, context("dpo", **recipe))


def test_keeps_a_pair_whose_chosen_side_follows_the_rules_that_the_rejected_breaks():
    decision = decide(GOOD, BAD)
    assert decision.keep
    assert decision.score > 0.9
    assert set(decision.evidence["measured"]) == {"concise", "cites_source", "no_filler"}


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
        (BAD, GOOD, "chosen_breaks_rule"),
        (GOOD, "Clause 4.2 allows cancelling; day ten is early enough.", "rule_direction"),
    ],
)
def test_says_what_is_wrong_with_a_pair(chosen, rejected, reason):
    filter_ = Preference(chosen_field="chosen", rejected_field="rejected", max_alike=0.85)
    made = candidate(source={"prompt": PROMPT}, chosen=chosen, rejected=rejected)
    assert screen_one(filter_, made, context("dpo")).reason == reason


def test_without_a_measured_rule_there_is_no_score():
    decision = decide(GOOD, BAD, style_guide=[{"name": "kind", "text": "Be kind."}])
    assert decision.keep
    assert decision.score is None


def test_a_rule_that_does_not_apply_to_the_prompt_is_not_judged():
    decision = decide("Yes, you can.", BAD, prompt="Can I cancel?")
    assert decision.keep
    assert "cites_source" not in decision.evidence["measured"]


def test_an_unknown_measure_is_refused_before_the_run():
    guide = [{"name": "kind", "text": "Be kind.", "measure": "kindness"}]
    with pytest.raises(RecipeError, match="'kind' names an unknown measure, 'kindness'") as caught:
        configure(Recipe(technique="dpo", style_guide=guide))
    assert all(name in caught.value.hint for name in MEASURES)


@pytest.mark.parametrize(
    ("measure", "reply", "value"),
    [
        (concise, "Yes. You can.", 1.0),
        (concise, "One. Two. Three. Four.", 0.25),
        (cites_source, "See clause 4.2.", 1.0),
        (cites_source, "Under § 4.2, yes.", 1.0),
        (cites_source, "See clause 9.", 0.25),
        (cites_source, "Yes.", 0.0),
        (no_filler, "You can cancel.", 1.0),
        (no_filler, "Certainly, you can cancel.", 0.4),
        (formal, "You can cancel.", 1.0),
        (formal, "Yeah, you're good!", 0.0),
    ],
)
def test_measures_say_how_well_a_rule_is_followed(measure, reply, value):
    assert measure(reply, PROMPT) == pytest.approx(value)
