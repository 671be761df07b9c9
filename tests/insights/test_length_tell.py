from dataclasses import replace

from insights.grown import grown, source, stored
from seedbed.records import Candidate
from seedbed_backend.insights.length_tell import INSIGHT

ASK = source("dpo", prompt="Can I cancel my order?")


def data(*pairs, **recipe):
    outputs = [(ASK, {"chosen": chosen, "rejected": rejected}) for chosen, rejected in pairs]
    return grown("dpo", [ASK], outputs, **recipe)


SHORT = ("You can cancel.", "Hello, and thank you for asking! You can cancel the order.")
LONG = ("You can cancel the order within 14 days of its delivery.", "Hello! You can.")
EVEN = ("You can cancel it.", "You can return it.")


def test_says_how_well_length_predicts_the_chosen_side():
    finding = INSIGHT.find(data(*[SHORT] * 30, *[LONG] * 6, *[EVEN] * 4))
    assert finding.data["direction"] == "shorter"
    assert finding.data["length_accuracy"] == (30 + 2) / 40
    low, high = finding.data["length_accuracy_interval"]
    assert 0.6 < low < 0.8 < high < 0.95
    assert finding.data["length_auroc"] < 0.5
    assert finding.lines[0].startswith("\u201cThe shorter side is chosen\u201d is right in 80%")


def test_warns_loudly_where_length_gives_the_answer_away():
    finding = INSIGHT.find(data(*[SHORT] * 30))
    assert "Length alone finds the chosen side in 100% of the pairs" in finding.warnings[0]


def test_warns_of_other_traits():
    finding = INSIGHT.find(data(*[SHORT] * 30))
    traits = finding.data["traits"]
    assert traits["begins with \u201chello\u201d"] == 1.0
    assert traits["has an exclamation mark"] == 1.0
    assert any("begins with \u201chello\u201d" in warning for warning in finding.warnings)
    assert not any("ends with a question mark" in warning for warning in finding.warnings)


def test_is_calm_about_a_mixed_set_and_a_small_one():
    assert not INSIGHT.find(data(*[EVEN] * 30)).warnings
    assert not INSIGHT.find(data(*[SHORT] * 5)).warnings


def test_the_cap_is_the_filters_own():
    mixed = [*[SHORT] * 30, *[LONG] * 10]
    assert not [w for w in INSIGHT.find(data(*mixed)).warnings if w.startswith("Length")]
    strict = {"filters": {"length_tell": {"max_accuracy": 0.6}}}
    assert [w for w in INSIGHT.find(data(*mixed, **strict)).warnings if w.startswith("Length")]


def test_counts_what_was_dropped_for_it():
    found = data(*[SHORT] * 30)
    candidate = Candidate("gone", ASK, {"chosen": SHORT[0], "rejected": SHORT[1]})
    gone = replace(stored(candidate, "dropped"), stage="length_tell", reason="length_tell")
    finding = INSIGHT.find(replace(found, candidates=[*found.candidates, gone]))
    assert finding.data["n_dropped"] == 1
    assert finding.data["n_pairs"] == 30


def test_has_nothing_to_say_of_other_techniques_and_empty_sets():
    seed = source("paraphrase", original="Cancel it.")
    assert INSIGHT.find(grown("paraphrase", [seed], [(seed, {"paraphrase": "Stop it."})])) is None
    assert INSIGHT.find(data()) is None
