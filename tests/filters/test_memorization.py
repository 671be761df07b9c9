import pytest

from filters.support import candidate, context, screen_one
from seedbed.records import SourceTask
from seedbed_backend.filters import ScreenContext
from seedbed_backend.filters.memorization import Memorization

FILTER = Memorization()
LETTER = (
    "Dear tenant, the boiler in the basement will be replaced between the third and the ninth of "
    "October, and hot water will be missing in the mornings. Please keep the hall free."
)
LEASE = (
    "The tenant keeps the hall free of bicycles and prams at all times. The landlord may enter after "
    "giving notice of two days."
)
BOILERPLATE = (
    "All notices under this agreement must be in writing and are deemed received three days after "
    "posting."
)


def decide(text, own, others, filter_=FILTER):
    made = candidate(source={"original": own}, paraphrase=text)
    sources = [SourceTask.of({"original": each}) for each in others]
    ctx = ScreenContext(context().recipe, context().encoder, sources=[made.source, *sources])
    return screen_one(filter_, made, ctx), sources


def test_drops_a_long_passage_of_another_source_and_shows_it():
    text = (
        "We inform you that THE BOILER in the basement will be replaced, between the third and the "
        "ninth of October; bicycles have to go."
    )
    decision, [letter, _] = decide(text, "Keep the hall free.", [LETTER, LEASE])
    assert decision.reason == "memorized_passage"
    assert decision.evidence == {
        "field": "paraphrase",
        "source": letter.id,
        "n_words": 16,
        "fraction": 0.6667,
        "passage": "THE BOILER in the basement will be replaced, between the third and the ninth of "
        "October",
    }


def test_drops_a_short_text_that_is_nearly_all_from_another_source():
    text = "The landlord may enter after giving notice of two days!"
    assert decide(text, "Who may enter?", [LETTER, LEASE])[0].reason == "memorized_passage"


@pytest.mark.parametrize(
    "text",
    [
        # the same facts in other words
        "In October the basement gets a new boiler, so mornings will be without hot water.",
        # a short run within a text of its own
        "Prams are fine, but the tenant keeps the hall free of bicycles whenever an inspector "
        "comes round for the yearly check of the stairs and lamps.",
    ],
)
def test_keeps_what_shares_only_short_runs(text):
    assert decide(text, "The rent is due on Mondays.", [LETTER, LEASE])[0].keep


def test_what_the_own_source_says_too_is_no_memorization():
    assert decide(LEASE, LEASE + " The end.", ["Page 2. " + LEASE])[0].keep


def test_what_many_sources_say_is_boilerplate():
    few = [f"{n}. {BOILERPLATE}" for n in range(2)]
    many = [f"{n}. {BOILERPLATE}" for n in range(3)]
    assert not decide(BOILERPLATE, "Write to us.", few)[0].keep
    assert decide(BOILERPLATE, "Write to us.", many)[0].keep


def test_a_run_does_not_go_on_from_one_source_into_the_next():
    halves = ["apples and pears grow well on chalk soil", "where rain falls in early spring"]
    text = " ".join(halves)
    longer = [f"{halves[0]} near the coast", f"inland or {halves[1]}"]
    decision, _ = decide(f"They say {text} and not in May, as many people think.", "Fruit.", longer)
    assert decision.keep
    assert decision.evidence["n_words"] == 8


def test_a_text_that_goes_round_in_circles_costs_no_time():
    circle = "round and round the garden like a teddy bear " * 400
    decision, _ = decide(circle, "A nursery rhyme.", [circle + "once", LEASE])
    assert decision.reason == "memorized_passage"


def test_fields_and_thresholds_are_settings():
    longer = Memorization(min_words=18, max_fraction=1.0)
    text = f"They wrote: {LETTER[13:106]} and so on."
    assert not decide(text, "Keep the hall free.", [LETTER])[0].keep
    assert decide(text, "Keep the hall free.", [LETTER], longer)[0].keep
    assert Memorization(fields=("question",)).screen([], context()) == []
