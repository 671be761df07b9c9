"""A learned floor under the score of any filter."""

import pytest

from filters.support import candidate, context, screen_one
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed_backend.filters import configure
from seedbed_backend.filters.minimum_scores import MinimumScores

TEXT = "The tenant gives two months' notice in writing."


def screened(scores, **minimums):
    ctx = context(scores={"c1": scores})
    return screen_one(MinimumScores(minimums=minimums), candidate(paraphrase=TEXT), ctx)


def test_a_score_below_the_minimum_drops_and_the_minimum_itself_keeps():
    decision = screened({"similarity": 0.73}, similarity=0.74)
    assert decision.reason == "score_below_minimum"
    assert decision.evidence == {"of": "similarity", "measured": 0.73, "minimum": 0.74}
    assert screened({"similarity": 0.74}, similarity=0.74).keep


def test_the_score_that_lacks_most_is_named():
    scores = {"similarity": 0.7, "protected_terms": 0.2}
    decision = screened(scores, similarity=0.75, protected_terms=0.5)
    assert decision.evidence["of"] == "protected_terms"


def test_what_was_not_scored_passes():
    assert screened({}, similarity=0.9).keep
    assert screened({"heuristics": 0.1}, similarity=0.9).keep


def test_it_runs_after_the_filters_that_it_needs_and_before_those_of_the_set():
    recipe = Recipe(
        technique="paraphrase", filters={"minimum_scores": {"minimums": {"similarity": 0.5}}}
    )
    names = [each.name for each in configure(recipe)]
    assert names.index("similarity") < names.index("minimum_scores") < names.index("dedup")


@pytest.mark.parametrize("name", ["nope", "dedup", "top_fraction", "judge", "minimum_scores"])
def test_a_filter_that_scores_later_or_never_is_refused_with_the_known_ones(name):
    recipe = Recipe(technique="paraphrase", filters={"minimum_scores": {"minimums": {name: 0.5}}})
    with pytest.raises(RecipeError, match=f"cannot set a minimum for '{name}'") as caught:
        configure(recipe)
    assert "similarity" in caught.value.hint


@pytest.mark.parametrize("minimum", [-0.1, 1.1])
def test_a_minimum_is_between_0_and_1(minimum):
    filters = {"minimum_scores": {"minimums": {"similarity": minimum}}}
    with pytest.raises(RecipeError, match="should be"):
        configure(Recipe(technique="paraphrase", filters=filters))
