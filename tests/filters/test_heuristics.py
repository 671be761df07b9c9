import pytest

from filters.support import candidate, context, screen_one
from seedbed_backend.filters.heuristics import Heuristics

FILTER = Heuristics(fields=("paraphrase",), source_field="original", max_characters=600)
SOURCE = {"original": "The customer may cancel the order within 14 days of delivery."}


def decide(text, source=SOURCE, **recipe):
    return screen_one(FILTER, candidate("c", source, paraphrase=text), context(**recipe))


@pytest.mark.parametrize(
    "text",
    [
        "After delivery, the customer has 14 days to cancel the order.",
        "An order can be cancelled up to 14 days after it arrives (see the terms).",
        "No",
        "Yes, within 14 days",
        "No, no, the order stays.",
        "La commande peut être annulée sous 14 jours.",
        "يمكن للعميل إلغاء الطلب خلال 14 يوما.",
        "Sorry for the delay: the order can be cancelled within 14 days.",
        "Item --------------------------------- price, and so on.",
    ],
)
def test_keeps_sound_text(text):
    decision = decide(text)
    assert decision.keep, decision.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "too_short"),
        ("x", "too_short"),
        ("The order stays open. " * 40, "too_long"),
        ("?!... ---", "no_words"),
        ("😀😀 🎉", "no_words"),
        ("The cafÃ© will refund the customerâ€™s order.", "mojibake"),
        ("The order \ufffd\ufffd stays.", "mojibake"),
        ("You can cancel the order.<|im_end|>", "prompt_leak"),
        ("Assistant: You can cancel the order.", "prompt_leak"),
        ("[INST] cancel the order [/INST]", "prompt_leak"),
        ("Dear {{ name }}, you can cancel.", "prompt_leak"),
        ("Dear [Your Name], you can cancel.", "prompt_leak"),
        ("Answer as JSON: the order can be cancelled.", "prompt_leak"),
        ("Say the same thing in other words: the order can be cancelled.", "prompt_leak"),
        ("<p>You can cancel the order.</p>", "markup"),
        ("**Cancel** the order.", "markup"),
        ('{"paraphrase": "You can cancel."}', "markup"),
        ("```You can cancel.```", "markup"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("As an AI language model, I have no orders.", "refusal"),
        ("I cannot rewrite this text.", "refusal"),
        ("cancel cancel cancel cancel the order.", "repetition"),
        ("aaaaaaaaaaaaaaaa", "repetition"),
        ("The order can be cancelled. " * 4, "repetition"),
        ("The customer can cancel the order within the", "truncated"),
        ("The customer can cancel the order within 14 days of the deliv-", "truncated"),
        ("The customer (who bought it can cancel the order.", "truncated"),
        ('The customer said "cancel the order.', "truncated"),
        ("The customer has every right to cancel this order up until two weeks", "truncated"),
    ],
)
def test_says_what_is_broken(text, reason):
    decision = decide(text)
    assert decision.reason == reason
    assert decision.evidence["field"] == "paraphrase"


def test_forgives_what_the_source_has_too():
    for text in ("Reply in JSON.", "<b>Note</b> this.", "User: how do I cancel?", "one (two"):
        assert decide(text, {"original": f"{text} More words"}).keep


def test_a_missing_end_mark_counts_only_where_the_source_has_one():
    text = "The customer has every right to cancel this order up until two weeks"
    assert decide(text, {"original": "Cancel my order"}).keep


def test_reports_the_field_that_is_broken():
    both = Heuristics(fields=("chosen", "rejected"), source_field="prompt")
    decision = screen_one(both, candidate(chosen="Fine.", rejected=""), context("dpo"))
    assert (decision.reason, decision.evidence["field"]) == ("too_short", "rejected")


def test_knows_the_words_of_the_recipes_own_prompt_and_style_guide():
    prompt = {"system": "Kindly rephrase every sentence that you are shown."}
    leak = "Kindly rephrase every sentence that you are shown."
    assert decide(leak).keep
    assert decide(leak, prompt=prompt).reason == "prompt_leak"
