import json

import numpy as np
import pytest

from filters.support import HashingEncoder
from insights.grown import DELIVERIES, DISPUTES, LOGINS, expanded, grown, source, stored
from seedbed.recipe import parse
from seedbed.records import Candidate
from seedbed_backend.insights import ReportData, insights
from seedbed_backend.insights.distribution import detectable, find, form, holm, readability
from seedbed_backend.projects import make_source

REAL = DISPUTES + LOGINS + DELIVERIES
TOLD = [f"{text}, says caller {n}." for n in range(4) for text in REAL]
SHORT = [f"Call {n} ended." for n in range(96)]


def features(real, synthetic, **options):
    return find(expanded(real, synthetic, **options)).data["features"]


def test_is_found_and_needs_a_few_texts_of_one_kind():
    assert "distribution" in insights()
    assert find(expanded(REAL, TOLD[:4])) is None
    passages = [source("qa", passage=text) for text in REAL]
    outputs = [(p, {"question": "Why?", "answer": "So."}) for p in passages]
    assert find(grown("qa", passages, outputs)) is None


def test_alike_sets_are_called_alike():
    finding = find(expanded(TOLD * 2, TOLD[::-1] * 2))
    assert {row[-1] for row in finding.rows} == {"alike"}
    assert finding.warnings == []


def test_shorter_texts_are_told_with_both_lengths():
    finding = find(expanded(TOLD, SHORT))
    length = finding.data["features"]["words"]
    assert length["effect"] == 1
    assert length["p_adjusted"] < 1e-6
    assert length["verdict"] == "strongly different"
    assert any("length, words: lower (3 against" in warning for warning in finding.warnings), (
        finding.warnings
    )


def test_topics_are_compared_by_share():
    real = [f"{text} {n}" for n in range(8) for text in REAL]
    found = features(real, [f"{text} {n}" for n in range(24) for text in DISPUTES])
    assert found["topic"]["effect"] == pytest.approx(2 / 3, abs=0.05)
    assert found["topic"]["verdict"] == "strongly different"
    assert found["words"]["verdict"] != "alike"


def test_labels_are_compared_unless_the_recipe_sets_their_shares():
    real = [(t, "a" if n % 2 else "b") for n, t in enumerate(TOLD)]
    made = [(t, "a") for t in TOLD]
    assert features(real, made, labels=("a", "b"))["label"]["effect"] == 0.5
    shares = {"labels": ("a", "b"), "label_shares": {"a": 1.0, "b": 0.0}}
    assert "label" not in features(real, made, **shares)


def test_forms_are_compared():
    questions = [text.replace(".", "?") for text in TOLD]
    assert features(TOLD, questions)["form"]["effect"] == 1


def test_of_a_record_the_free_text_is_measured():
    columns = [
        {"name": "narrative", "type": "text"},
        {"name": "amount", "type": "number"},
        {"name": "booked", "type": "date"},
    ]
    recipe = parse({"technique": "expand", "columns": columns})
    rows = [
        {"narrative": t, "amount": f"{n}.5", "booked": "2024-05-01"} for n, t in enumerate(TOLD)
    ]
    sources = [make_source(recipe.spec, row, {}, "row") for row in rows]
    made = [stored(Candidate(f"c{n}", s, dict(s.fields))) for n, s in enumerate(sources)]
    finding = find(ReportData(recipe, sources, made, HashingEncoder()))
    assert finding.data["features"]["words"]["real"]["median"] == np.median(
        [len(text.split()) for text in TOLD]
    )


def test_a_large_p_of_few_texts_is_no_proof():
    finding = find(expanded(DISPUTES, [f"{text} today" for text in DISPUTES]))
    assert any("no proof that the sets agree" in line for line in finding.lines)
    assert "alike" not in {row[-1] for row in finding.rows}
    assert "too few to tell" in {row[-1] for row in finding.rows}


def test_a_tiny_difference_in_many_texts_is_not_made_much_of():
    rng = np.random.default_rng(0)
    real = [" ".join(["word"] * n) for n in rng.integers(10, 40, 2500)]
    made = [" ".join(["word"] * n) for n in rng.integers(12, 42, 2500)]
    words = features(real, made)["words"]
    assert words["p_adjusted"] < 0.05
    assert words["verdict"] == "tiny difference"


def test_a_classifier_tells_other_words_apart_and_not_the_same():
    finding = find(expanded(TOLD, [f"Madam, {text}" for text in TOLD]))
    assert finding.data["classifier_auroc"] > 0.95
    assert any("gives synthetic examples away" in warning for warning in finding.warnings)
    rng = np.random.default_rng(1)
    half = rng.permutation(len(TOLD))
    first = [TOLD[n] for n in half[:48]]
    second = [TOLD[n] for n in half[48:]]
    assert find(expanded(first, second)).data["classifier_auroc"] < 0.75


def test_rare_kinds_are_judged_by_random_divisions():
    real = [(t, f"label {n % 16}") for n, t in enumerate(TOLD[:32])]
    found = features(real, real)
    assert found["label"]["p"] == 1
    assert found["label"]["test"] == "chi-squared"


def test_p_values_are_corrected_for_their_number():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_more_texts_show_smaller_effects():
    assert detectable(50, 50) == pytest.approx(0.2716, abs=1e-3)
    assert detectable(50, 50, 10) > detectable(50, 50) > detectable(5000, 5000)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("- first\n- second", "list"),
        ("1) one\n2) two", "list"),
        ("Dear team,\nthank you.", "several lines"),
        ("When is it due?", "question"),
        ("It is due in 2024.", "sentences"),
        ("late parcel", "fragment"),
        ("", "fragment"),
    ],
)
def test_forms_have_names(text, name):
    assert form(text) == name


def test_long_words_in_long_sentences_read_harder():
    hard = "Notwithstanding contractual indemnification, counterparties relinquish entitlements."
    assert readability("We pay. You ship.") < readability(hard)
    assert readability("") == 0


@pytest.mark.parametrize("text", ["", "?!", "合同终止", "\U0001f600", "a\n\nb"])
def test_any_text_is_compared(text):
    sources = [source("expand", seed=f"seed {n} of it") for n in range(12)]
    finding = find(grown("expand", sources, [(s, {"example": text}) for s in sources]))
    assert json.loads(json.dumps(finding.data)) == finding.data
