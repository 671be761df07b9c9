import pytest

from filters.support import candidate, context, screen_one
from seedbed.records import SourceTask
from seedbed_backend.filters import Reference
from seedbed_backend.filters.dedup import Dedup

FILTER = Dedup(fields=("paraphrase",))
LONG = (
    "The supplier delivers the goods to the warehouse of the customer, unloads them at its own "
    "expense and has the delivery note signed by a person whom the customer has authorised for it."
)
NEAR_LONG = LONG.replace("has the delivery note signed", "gets a signature on the delivery note")


def against(text, reference, kind="kept", own_source="", filter_=FILTER):
    ctx = context(references=[Reference("r1", reference, kind, own_source)])
    return screen_one(filter_, candidate("c1", paraphrase=text), ctx)


@pytest.mark.parametrize("kind", ["kept", "real", "rejected"])
def test_the_reason_tells_what_is_repeated(kind):
    decision = against("Cancel my order.", "cancel my order", kind)
    assert decision.reason == f"duplicate_of_{kind}"
    assert decision.evidence == {"match": "r1", "kind": kind, "similarity": 1.0}


@pytest.mark.parametrize(
    "text",
    [
        "CANCEL my   order!",
        "3. Cancel my order",
        "Q: Cancel my order",
        "<b>Cancel</b> my order",
        "\u201cCancel my order\u201d",
    ],
)
def test_form_does_not_make_a_text_new(text):
    assert against(text, "Cancel my order.").reason == "duplicate_of_kept"


def test_a_long_text_with_a_changed_phrase_is_near():
    decision = against(NEAR_LONG, LONG)
    assert decision.reason == "duplicate_of_kept"
    assert 0.4 < decision.evidence["similarity"] < 1.0


def test_a_short_text_must_be_nearer_than_a_long_one():
    assert against("How do I cancel my order?", "How do I track my order?").keep
    assert against("How do I cancel my order today?", "How do I cancel my order?").evidence
    assert FILTER.threshold(10) == 0.70
    assert FILTER.threshold(1000) == pytest.approx(0.40)
    assert 0.40 < FILTER.threshold(100) < 0.70


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (f"{LONG} Payment is due in 30 days.", f"{LONG} Payment is due in 60 days."),
        (f"{LONG} Send it to Ann Miller.", f"{LONG} Send it to Bob Jones."),
        (f"{LONG} Cash is accepted.", f"{LONG} Cash is not accepted."),
        ("The fee for late payment is 5 euros.", "The fee for late payment is 6 euros."),
    ],
)
def test_texts_that_differ_in_a_fact_are_no_duplicates(a, b):
    assert against(a, b).keep


def test_its_own_source_is_compared_for_equality_alone():
    source = SourceTask.of({"original": LONG})
    references = [Reference("r1", LONG, "real", source.id)]
    made = candidate("c1", dict(source.fields), paraphrase=NEAR_LONG)
    assert screen_one(FILTER, made, context(references=references)).keep
    copy = candidate("c2", dict(source.fields), paraphrase=LONG.upper())
    assert screen_one(FILTER, copy, context(references=references)).reason == "duplicate_of_real"
    sibling = [Reference("r2", LONG, "kept", source.id)]
    assert screen_one(FILTER, made, context(references=sibling)).reason == "duplicate_of_kept"


def test_of_two_candidates_the_better_scored_stays():
    pair = [candidate("a", paraphrase=LONG), candidate("b", paraphrase=NEAR_LONG)]
    scores = {"a": {"similarity": 0.4, "x": 0.6}, "b": {"similarity": 0.8}}
    dropped, kept = FILTER.screen(pair, context(scores=scores))
    assert kept.keep
    assert dropped.reason == "duplicate"
    assert (dropped.evidence["match"], dropped.evidence["kind"]) == ("b", "candidate")


def test_of_equals_the_first_id_stays_in_any_order():
    pair = [candidate("b", paraphrase="Same text."), candidate("a", paraphrase="same text")]
    assert [d.keep for d in FILTER.screen(pair, context())] == [False, True]
    assert [d.keep for d in FILTER.screen(pair[::-1], context())] == [True, False]


def test_a_dropped_candidate_drops_no_other():
    trio = [candidate(i, paraphrase=LONG) for i in "abc"]
    decisions = FILTER.screen(trio, context())
    assert [d.evidence.get("match") for d in decisions] == [None, "a", "a"]


def test_finds_a_duplicate_among_many():
    references = [
        Reference(f"r{n}", f"Number {n} says that {word} costs too much to repair.", "kept")
        for n, word in enumerate(["glass", "paper", "steel", "water", "bread"] * 40)
    ]
    references.append(Reference("hit", LONG, "kept"))
    ctx = context(references=references)
    assert screen_one(FILTER, candidate(paraphrase=NEAR_LONG), ctx).evidence["match"] == "hit"
