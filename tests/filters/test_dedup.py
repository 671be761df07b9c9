import zlib

import numpy as np
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
OTHER_LONG = (
    "Every invoice names the order, the quantity and the unit price; whoever receives one with an "
    "error in it sends it back within two weeks, and the other party issues a corrected one at once."
)
NEAR_LONG = LONG.replace("has the delivery note signed", "gets a signature on the delivery note")


def against(text, reference, kind="kept", own_source="", filter_=FILTER):
    ctx = context(references=[Reference("r1", reference, kind, own_source)])
    return screen_one(filter_, candidate("c1", paraphrase=text), ctx)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("kept", "duplicate_of_kept"),
        ("real", "duplicate_of_real"),
        ("rejected", "duplicate_of_rejected"),
    ],
)
def test_the_reason_tells_what_is_repeated(kind, reason):
    assert against("Change my order.", "cancel my order", kind).keep
    decision = against("Cancel my order.", "cancel my order", kind)
    assert decision.reason == reason
    assert decision.evidence == {
        "match": "r1",
        "kind": kind,
        "similarity": 1.0,
        "cosine": pytest.approx(2 / 3, abs=1e-4),
        "text": "cancel my order",
    }


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


def test_the_matched_text_is_shown_shortened():
    shown = against(LONG * 3, LONG * 3).evidence["text"]
    assert LONG.startswith(shown[:100])
    assert len(shown) == 201
    assert shown.endswith("…")


def test_a_short_text_must_be_nearer_than_a_long_one():
    assert against("How do I cancel my order?", "How do I track my order?").keep
    assert not against("How do I cancel my order please?", "How do I cancel my order?").keep
    assert FILTER.threshold(10) == 0.70
    assert FILTER.threshold(1000) == pytest.approx(0.40)
    assert 0.40 < FILTER.threshold(100) < 0.70


class Alike:
    """An encoder that finds any two texts to mean the same, with the given cosine."""

    def __init__(self, cosine):
        self.cosine = cosine

    def encode(self, texts):
        rest = np.sqrt(1 - self.cosine)
        rows = np.zeros((len(texts), 64), dtype=np.float32)
        rows[:, 0] = np.sqrt(self.cosine)
        for row, text in enumerate(texts):
            rows[row, 1 + zlib.crc32(text.encode()) % 63] = rest
        return rows


def test_texts_of_one_meaning_need_fewer_letters_in_common():
    text, other = "Would you like to go home now?", "Do you want to go home now?"
    reference = [Reference("r1", other, "kept")]
    made = candidate("c1", paraphrase=text)
    dropped = screen_one(FILTER, made, context(encoder=Alike(0.93), references=reference))
    assert dropped.reason == "duplicate_of_kept"
    assert dropped.evidence["similarity"] < FILTER.threshold(len(other))
    assert dropped.evidence["cosine"] == pytest.approx(0.93, abs=1e-3)
    assert screen_one(FILTER, made, context(encoder=Alike(0.85), references=reference)).keep
    far = [Reference("r1", "Shall we drive you to your house?", "kept")]
    assert screen_one(FILTER, made, context(encoder=Alike(0.93), references=far)).keep


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
    decision = against(a, b)
    assert decision.keep
    assert decision.evidence["nearest"]["match"] == "r1"
    assert decision.evidence["nearest"]["differs"]


def test_the_nearest_text_with_another_fact_is_shown_with_the_fact():
    decision = against(f"{LONG} Pay within 30 days.", f"{LONG} Pay within 60 days.")
    assert decision.evidence["nearest"]["differs"] == "30 → 60"


def test_candidates_of_one_source_may_say_the_same_in_other_words():
    source = {"original": LONG}
    pair = [
        candidate("a", source, paraphrase=NEAR_LONG),
        candidate("b", source, paraphrase=NEAR_LONG.replace("warehouse", "depot")),
    ]
    assert [d.keep for d in FILTER.screen(pair, context())] == [True, True]
    siblings = Dedup(fields=("paraphrase",), siblings_agree=True)
    assert [d.keep for d in siblings.screen(pair, context())] == [True, False]
    strangers = [pair[0], candidate("b", {"original": "x"}, **pair[1].fields)]
    assert [d.keep for d in siblings.screen(strangers, context())] == [True, True]


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


def rival(text, quality):
    return context(
        references=[Reference("old", text, "kept", quality=quality)],
        scores={"c1": {"similarity": 0.5}},
    )


def test_a_better_candidate_takes_the_place_of_what_its_run_has_kept():
    made = candidate("c1", paraphrase=NEAR_LONG)
    better = screen_one(FILTER, made, rival(LONG, 0.4))
    assert better.keep
    [replaced] = better.evidence["replaces"]
    assert (replaced["match"], replaced["kind"], replaced["text"]) == ("old", "kept", LONG)
    assert screen_one(FILTER, made, rival(LONG, 0.6)).reason == "duplicate_of_kept"
    assert "replaces" not in screen_one(FILTER, made, rival("Something else.", 0.4)).evidence


def test_what_was_replaced_stands_in_nobodys_way():
    """Best first: a replaces the old one, so that b, which is near the old one alone, stays."""
    middle = LONG[: len(LONG) // 2] + " " + OTHER_LONG[len(OTHER_LONG) // 2 :]
    wave = [candidate("a", paraphrase=LONG), candidate("b", paraphrase=OTHER_LONG)]
    scores = {"a": {"s": 0.9}, "b": {"s": 0.2}}
    references = [Reference("old", middle, "kept", quality=0.5)]
    loose = Dedup(fields=("paraphrase",), near_long=0.25)
    first, second = loose.screen(wave, context(references=references, scores=scores))
    assert [replaced["match"] for replaced in first.evidence["replaces"]] == ["old"]
    assert second.keep
    [alone] = loose.screen(wave[1:], context(references=references, scores=scores))
    assert alone.reason == "duplicate_of_kept"


def test_finds_a_duplicate_among_many():
    references = [
        Reference(f"r{n}", f"Number {n} says that {word} costs too much to repair.", "kept")
        for n, word in enumerate(["glass", "paper", "steel", "water", "bread"] * 40)
    ]
    references.append(Reference("hit", LONG, "kept"))
    ctx = context(references=references)
    assert screen_one(FILTER, candidate(paraphrase=NEAR_LONG), ctx).evidence["match"] == "hit"
