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
        "Der Kunde kann die Bestellung bis zum 14. Tag nach der Lieferung stornieren.",
        "El cliente puede cancelar el pedido dentro de los catorce d\u00edas siguientes.",
        "Open Zahlungsverkehr and choose SEPA-Lastschrift, then confirm with your pushTAN.",
        "can u pls check my acct balance",
        "hi. i lost my card. please help",
        "Pt c/o intermittent chest pain x3 days, worse w/ exertion, relieved w/ rest. No SOB.",
        "Metformin 500 mg PO BID, lisinopril 10 mg PO daily, atorvastatin 40 mg PO qHS.",
        "subject to the limitations set out in clause 7.2 and the schedule",
        "the customer shall pay all undisputed invoices within thirty (30) days; or",
        "Limitation of Liability",
        "If p then q; if not p, r.",
        "where's my card at",
        "Bring a passport, a visa, etc.; the order stays open.",
        "Orders ship to Oslo, Bergen, etc., within 14 days.",
        "The API answers with 404 for /v1/orders/{id} after 14 days.",
        "The deposit is $XXX until the order is cancelled.",
        "Kortet fungerar inte utomlands och jag vet inte varf\u00f6r.",
        "1. Open the app\n2. Tap Settings\n3. Choose Security",
        "Dear Ms Ortiz,\nYour order is cancelled as of today.\n\nKind regards,\n[Your Name]",
        "The will has to be signed; as of May 3, no one of them is in.",
        "By and between the parties, for and on behalf of the Seller, to and from the port.",
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
        ("The customer may cancel any orde", "truncated"),
        ("Nobody has to keep an order for which a customer did not p", "truncated"),
        (
            "The order is open. The customer has the right to cancel this order and also",
            "truncated",
        ),
        (
            "You can cancel for any reason in a letter to us in a letter to us in a letter to us",
            "repetition",
        ),
        ("You can cancel within 14 days, and you can cancel within 14 days.", "repetition"),
        ("Dear {customer}, you can cancel.", "prompt_leak"),
        ("You can cancel within $DAYS of delivery.", "prompt_leak"),
        ("Any oder may be canceled withn 14 dayz of the delivry.", "misspelt"),
        ("The cus#tomer may can~cel the order.", "misspelt"),
        ("The customermay cancel theorder within 14days ofdelivery.", "missing_spaces"),
        ("The order may delivery customer the of 14 cancel within days.", "word_order"),
        ("Customer the may within of days 14 order the cancel.", "word_order"),
        (
            "Customer may cancel order within fourteen days after delivery without giving reason "
            "provided goods remain unused, original packaging included.",
            "missing_words",
        ),
        (
            "Customers may cancel open order without giving written reason within two weeks.",
            "missing_words",
        ),
        ("The customer may cancel the order,, within 14 days.", "doubled_punctuation"),
    ],
)
def test_says_what_is_broken(text, reason):
    decision = decide(text)
    assert decision.reason == reason
    assert decision.evidence["field"] == "paraphrase"
    assert decision.score <= 0.25


def test_forgives_what_the_source_has_too():
    for text in ("Reply in JSON.", "<b>Note</b> this.", "User: how do I cancel?", "one (two"):
        assert decide(text, {"original": f"{text} More words"}).keep


def test_a_missing_end_mark_counts_only_where_the_source_has_one():
    text = "The customer has every right to cancel this order up until two weeks"
    assert decide(text, {"original": "Cancel my order"}).keep


@pytest.mark.parametrize(
    "text",
    [
        "Any order may be canceled withn 14 days.",  # one slip
        "The customer may cancel theorder within 14 days of delivery.",
        "Last flu shot given 1999, no known allergies.",  # too short to need function words
        "The customer may cancel the order , within 14 days.",
    ],
)
def test_one_slip_is_forgiven(text):
    assert decide(text).keep


def test_the_words_of_the_source_are_not_misspelt():
    source = {"original": "Acme sold the widgat to a lessea for 12 dolars."}
    text = "The widgat went to a lessea for 12 dolars, said Acme."
    assert decide(text).reason == "misspelt"
    assert decide(text, source).keep


def test_shorthand_may_answer_shorthand():
    note = (
        "Patient presented acute onset abdominal pain radiating right lower quadrant since yesterday "
        "evening, denies prior surgery, takes oral contraceptives daily."
    )
    assert decide(note).reason == "missing_words"
    assert decide(note, {"original": note.replace("acute", "sudden")}).keep


def test_a_title_needs_no_function_words():
    title = "Replacement network printer driver update failed twice yesterday evening"
    assert decide(title, {"original": "Printer offline"}).keep
    assert decide(f"{title}.", {"original": "Printer offline"}).reason == "missing_words"


def test_names_what_it_found():
    decision = decide("Any oder may be canceled withn 14 dayz of the delivry.")
    assert decision.evidence["found"][:2] == ["withn", "dayz"]


def test_a_request_for_code_may_be_answered_in_markup():
    page = "<p>Orders can be cancelled within 14 days.</p>"
    assert decide(page, {"original": "Write the HTML of a page about cancelling orders."}).keep
    assert decide(page).reason == "markup"


def test_the_score_falls_with_every_slip():
    clean = decide("Any order may be cancelled within 14 days of its delivery.")
    slip = decide("Any order may be cancelled withn 14 days of its delivery.")
    assert clean.score == 1.0
    assert clean.score > slip.score > 0.25


def test_the_longest_text_that_is_allowed_is_kept():
    text = "The customer may cancel the order until it is shipped."
    made = candidate(paraphrase=f"  {text}\n")
    exact = FILTER.model_copy(update={"max_characters": len(text)})
    assert screen_one(exact, made, context()).keep
    shorter = FILTER.model_copy(update={"max_characters": len(text) - 1})
    decision = screen_one(shorter, made, context())
    assert decision.reason == "too_long"
    assert decision.evidence["n_characters"] == len(text)


def test_reports_the_field_that_is_broken():
    both = Heuristics(fields=("chosen", "rejected"), source_field="prompt")
    decision = screen_one(both, candidate(chosen="Fine.", rejected=""), context("dpo"))
    assert (decision.reason, decision.evidence["field"]) == ("too_short", "rejected")


def test_knows_the_words_of_the_recipes_own_prompt_and_style_guide():
    prompt = {"system": "Kindly rephrase every sentence that you are shown."}
    leak = "Kindly rephrase every sentence that you are shown."
    assert decide(leak).keep
    assert decide(leak, prompt=prompt).reason == "prompt_leak"
