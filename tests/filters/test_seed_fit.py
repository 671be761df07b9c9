"""A new example is of the seeds' kind, and copies none of them."""

import numpy as np
import pytest

from filters.support import HashingEncoder, candidate, screen_one
from records import bank_recipe, bank_sources
from seedbed.recipe import Recipe
from seedbed.records import SourceTask
from seedbed_backend.filters import ScreenContext
from seedbed_backend.filters.seed_fit import SeedFit

SEEDS = [
    "My card was charged twice for the same train ticket.",
    "The refund for my train ticket has not arrived yet.",
    "Why was my card declined at the ticket machine?",
    "I was charged a fee for a refund of my train ticket.",
    "The machine kept my card and gave no ticket.",
    "My refund went to a card that I closed last year.",
    "Can I change the card for my monthly train ticket?",
    "The fee for changing my ticket was charged twice.",
    "My monthly ticket was declined although the card was charged.",
]
SOURCES = [SourceTask.of({"seed": text}) for text in SEEDS]
FILTER = SeedFit(fields=["example"])


def screen(example, sources=SOURCES, filter_=FILTER, source=SOURCES[0]):
    context = ScreenContext(Recipe(technique="expand"), HashingEncoder(), sources=sources)
    return screen_one(filter_, candidate("c", dict(source.fields), example=example), context)


def test_a_new_example_of_the_same_kind_is_kept():
    decision = screen("The machine charged my card but printed no train ticket.")
    assert decision.keep
    assert 0 < decision.score <= 1


def test_another_kind_of_text_is_dropped():
    decision = screen("Preheat oven to 200 degrees and grease two baking tins.")
    assert decision.reason == "too_far"
    assert decision.evidence["cosine"] < decision.evidence["minimum"]


def test_a_copy_of_another_seed_than_its_own_is_caught():
    decision = screen(SEEDS[5] + " Thanks")
    assert decision.reason == "near_copy"
    assert decision.evidence["nearest"] == SEEDS[5]
    assert decision.evidence["nearest_id"] == SOURCES[5].id
    assert decision.evidence["same_words"] > 0.9


def test_half_of_it_in_other_words_is_no_copy():
    assert screen("My refund went to an account that my bank closed in May.").keep


def test_a_rewording_of_a_seed_is_too_close():
    decision = screen("last year. to a card that I closed went My refund")
    assert decision.reason == "too_close"
    assert decision.evidence["cosine"] > decision.evidence["maximum"] >= 0.9


def test_the_range_is_read_off_the_seeds():
    vectors = HashingEncoder().encode(SEEDS)
    among = vectors @ vectors.T
    np.fill_diagonal(among, -1)
    low = float(np.quantile(among.max(axis=1), 0.05))
    evidence = screen("The machine charged my card.").evidence
    assert evidence["minimum"] == pytest.approx(min(max(low, 0.2), 0.6), abs=1e-3)
    assert evidence["maximum"] == 0.9


def test_with_few_seeds_the_range_is_a_fixed_one():
    evidence = screen("The machine charged my card.", sources=SOURCES[:7]).evidence
    assert (evidence["minimum"], evidence["maximum"]) == (0.3, 0.9)


def test_a_range_in_the_recipe_counts():
    strict = SeedFit(fields=["example"], minimum=0.95, maximum=0.99)
    assert screen("The machine charged my card twice.", filter_=strict).reason == "too_far"
    with pytest.raises(ValueError, match=r"greater than minimum \(0.8\)"):
        SeedFit(fields=["example"], minimum=0.8, maximum=0.7)


def test_a_source_that_the_store_does_not_know_counts_for_its_own_candidates_alone():
    opened = SourceTask.of({"seed": "Which platform does the night train to Oulu leave from?"})
    text = "Which platform does the night train to Oulu leave from now?"
    assert screen(text, source=opened).reason == "near_copy"
    assert screen(text).reason == "too_far"


def test_records_may_share_words_where_their_values_differ():
    recipe = bank_recipe()
    sources = bank_sources(recipe)
    seed = next(s for s in sources if s.group == "groceries")
    context = ScreenContext(recipe, HashingEncoder(), sources=sources)
    each = SeedFit(fields=["narrative"], maximum=1.0)
    copied = candidate("c", dict(seed.fields), **seed.fields)
    assert screen_one(each, copied, context).reason == "near_copy"
    own = {**seed.fields, "amount": "-63.15", "date": "2025-03-19"}
    assert screen_one(each, candidate("c", dict(seed.fields), **own), context).keep
