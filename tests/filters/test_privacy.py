import pytest

from filters.support import candidate, context, screen_one
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed.records import SourceTask
from seedbed_backend.filters import ScreenContext, configure
from seedbed_backend.filters.privacy import Privacy

FILTER = Privacy()


def decide(text, source="", filter_=FILTER, others=(), rng_seed=1):
    made = candidate(source={"original": source}, paraphrase=text)
    recipe = Recipe(technique="paraphrase", rng_seed=rng_seed)
    others = [SourceTask.of({"original": other}) for other in others]
    ctx = ScreenContext(recipe, context().encoder, sources=[made.source, *others])
    return screen_one(filter_, made, ctx)


@pytest.mark.parametrize(
    ("text", "source", "others", "reason"),
    [
        ("Write to anna.meier@klinik.example for the results.",
         "Write to us for the results.", [], "pii_not_in_source"),
        ("Please call (212) 555-0143 before noon.",
         "Please call before noon.", ["Ben can be reached at 212-555-0143."],
         "pii_of_other_source"),
        ("Send the refund to DE89370400440532013000, please.",
         "My refund should go to DE89 3704 0044 0532 0130 00.", [], "pii_in_source"),
    ],
)  # fmt: skip
def test_drops_personal_data_and_says_where_it_is_from(text, source, others, reason):
    decision = decide(text, source, others=others)
    assert decision.reason == reason
    [found] = decision.evidence["found"]
    assert found["in_source"] == (reason == "pii_in_source")
    assert ("seen_in" in found) == (reason == "pii_of_other_source")
    assert text[found["start"] : found["end"]] not in str(decision.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "Order number 4155552671 was shipped on 2024-05-06.",
        "Section 4.2.1.3 applies from version 10.2.0.1 on.",
        "The fee is EUR 12,400.50 for 1,000,000 units over 2019-2021.",
        "Give notice within thirty (30) days under clause 12.3.4.",
        "The terms are at https://example.com/terms.",
    ],
)
def test_keeps_numbers_of_things_dates_amounts_and_links(text):
    decision = decide(text, "Something else.")
    assert decision.keep, decision.evidence


def test_a_date_or_number_written_in_another_way_is_still_the_source_s_own():
    source = "Born on 3 May 1962; her phone is +49 30 901820."
    decision = decide(
        "Her date of birth is May 3, 1962. Phone: 030 901820.", source, Privacy(default="keep")
    )
    assert [found["in_source"] for found in decision.evidence["found"]] == [True, True]


class TestActions:
    def test_a_mask_names_the_type(self):
        source = "Mail eva@acme.example or pay to GB82 WEST 1234 5698 7654 32."
        decision = decide(source, source, Privacy(default="mask"))
        assert decision.keep
        assert [f["replacement"] for f in decision.evidence["found"]] == ["<EMAIL>", "<IBAN>"]

    def test_the_same_value_gets_the_same_pseudonym_everywhere(self):
        filter_ = Privacy(default="pseudonym")
        first = decide("Pay to DE89370400440532013000.", "DE89370400440532013000", filter_)
        second = decide("DE89 3704 0044 0532 0130 00", "DE89370400440532013000", filter_)
        [one], [two] = first.evidence["found"], second.evidence["found"]
        assert one["replacement"] == two["replacement"].replace(" ", "")
        assert one["replacement"] == first.evidence["source"][0]["replacement"]

    def test_another_key_or_project_gives_other_pseudonyms(self):
        text = "Mail eva@acme.example."
        made = {
            decide(text, text, Privacy(default="pseudonym", key=key), rng_seed=seed).evidence[
                "found"
            ][0]["replacement"]
            for key, seed in (("", 1), ("", 2), ("a secret", 1))
        }
        assert len(made) == 3

    def test_what_the_own_source_does_not_say_is_dropped_all_the_same(self):
        filter_ = Privacy(default="pseudonym")
        assert decide("Mail eva@acme.example.", "Mail us.", filter_).reason == "pii_not_in_source"
        loose = Privacy(default="pseudonym", unsourced="keep")
        [found] = decide("Mail eva@acme.example.", "Mail us.", loose).evidence["found"]
        assert found["action"] == "pseudonym"

    def test_a_type_that_is_kept_is_kept_wherever_it_comes_from(self):
        filter_ = Privacy(actions={"PHONE_NUMBER": "keep"})
        assert decide("Call (212) 555-0143.", "Call us.", filter_).keep

    def test_one_type_may_be_dropped_and_another_replaced(self):
        filter_ = Privacy(actions={"EMAIL_ADDRESS": "pseudonym", "URL": "drop"})
        mail, link = "Mail eva@acme.example.", "See https://acme.example/eva."
        assert decide(mail, mail, filter_).keep
        assert decide(link, link, filter_).reason == "pii_in_source"

    def test_in_the_source_what_would_be_dropped_is_masked(self):
        source = "Mail eva@acme.example about the fee."
        decision = decide("Ask about the fee.", source)
        assert decision.keep
        assert decision.evidence["source"][0]["replacement"] == "<EMAIL>"

    def test_names_after_a_title_on_request(self):
        text = "Dr. Helga Weiss saw the patient."
        assert decide(text, text).keep
        assert decide(text, text, Privacy(names=True)).reason == "pii_in_source"


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Mail EVA@acme.example.", "Her address: eva@acme.example (work)"),
        ("She was born on May 3, 1962.", "Patient, born 3 May 1962, well."),
        ("Phone: 030 901820", "Call +49 30 90 18 20 at noon."),
    ],
)
def test_names_the_other_source_among_many(text, other):
    others = [f"Nothing here {n}." for n in range(50)]
    decision = decide(text, "A question.", others=[*others[:30], other, *others[30:]])
    [found] = decision.evidence["found"]
    assert found["seen_in"] == SourceTask.of({"original": other}).id
    assert "seen_in" not in decide(text, "A question.", others=others).evidence["found"][0]


def test_the_name_of_a_column_says_what_a_number_is():
    made = candidate(account_number="0012345678", order_number="0012345678", note="0012345678")
    [found] = screen_one(FILTER, made).evidence["found"]
    assert (found["field"], found["type"]) == ("account_number", "ACCOUNT_NUMBER")
    assert (found["start"], found["end"]) == (0, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": {"EMAIL": "drop"}}, "'EMAIL' is no type; known: ACCOUNT_NUMBER, "),
        ({"actions": {"EMAIL_ADDRESS": "delete"}}, "should be 'keep', 'pseudonym', 'mask' or"),
        ({"default": "hide"}, "'default' should be 'keep', 'pseudonym', 'mask' or 'drop'"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_choices(options, message):
    with pytest.raises(RecipeError, match="Filter privacy") as caught:
        configure(Recipe(technique="qa", filters={"privacy": options}))
    assert message in str(caught.value)
