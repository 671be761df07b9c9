import json
from dataclasses import replace

import pytest

from insights.grown import (
    DELIVERIES,
    DISPUTES,
    LOGINS,
    VARIED,
    expanded,
    grown,
    others,
    source,
    stored,
)
from seedbed_backend.insights import insights, sets
from seedbed_backend.insights.coverage import find

ABOUT = ("again", "today", "twice", "sadly")


def more(texts, times=1):
    """Say the same with one more word."""
    return [f"{text} {ABOUT[n]}" for n in range(times) for text in texts]


def test_is_found_and_says_nothing_without_survivors():
    assert insights()["coverage"].find(expanded(DISPUTES, [])) is None


def test_a_set_that_covers_all_topics_gives_no_warning():
    topics = (DISPUTES, LOGINS, DELIVERIES)
    synthetic = [text for topic in topics for text in others(topic)]
    finding = find(expanded(DISPUTES + LOGINS + DELIVERIES, synthetic))
    assert finding.data["n_topics_covered"] == finding.data["n_topics"]
    assert finding.data["covered_fraction"] == 1
    assert finding.warnings == []
    assert sum(topic["n_real"] for topic in finding.data["topics"]) == 24
    assert sum(topic["n_synthetic"] for topic in finding.data["topics"]) == 24


def test_a_topic_without_synthetic_examples_is_named_with_its_share():
    finding = find(expanded(DISPUTES + LOGINS + DELIVERIES, more(DISPUTES + LOGINS, 2)))
    [missing] = [w for w in finding.warnings if "no synthetic example." in w]
    assert "parcel" in missing or "warehouse" in missing
    assert "33 % of your examples" in missing
    assert finding.data["n_topics_covered"] < finding.data["n_topics"]
    parcels = next(t for t in finding.data["topics"] if "parcel" in t["example"])
    assert (parcels["n_real"], parcels["n_synthetic"]) == (8, 0)


def test_an_absence_that_may_be_chance_is_no_warning():
    real = [*DISPUTES, *LOGINS, DELIVERIES[0]]
    finding = find(expanded(real, more(DISPUTES + LOGINS, 2)))
    assert not [w for w in finding.warnings if "no synthetic example." in w]


def test_a_set_that_clusters_is_named():
    real = DISPUTES + LOGINS + DELIVERIES
    finding = find(
        expanded([*real, *(f"{t} today" for t in LOGINS + DELIVERIES)], more(DISPUTES, 4))
    )
    assert any(
        "clusters around" in warning and "invoice" in warning for warning in finding.warnings
    )


def test_examples_about_something_else_cover_nothing_and_are_named():
    finding = find(expanded(DISPUTES + LOGINS, VARIED * 2))
    assert finding.data["n_topics_covered"] == 0
    assert finding.data["outside_fraction"] == 1
    assert any("are about none of your topics" in warning for warning in finding.warnings)
    assert finding.rows[-1][0] == "none of these"


def test_synthetic_examples_that_repeat_each_other_are_noticed():
    same = [f"{VARIED[n % 4]} Ticket {n}" for n in range(24)]
    finding = find(expanded(VARIED, same))
    assert any("more alike than yours" in warning for warning in finding.warnings)
    assert finding.data["self_similarity"]["synthetic"] > finding.data["self_similarity"]["real"]


def test_distances_are_measured_both_ways():
    finding = find(expanded(DISPUTES + LOGINS, DISPUTES * 3))
    assert finding.data["synthetic_to_real"] == {"median": 0.0, "p90": 0.0}
    assert finding.data["real_to_synthetic"]["p90"] > 0.5
    assert finding.data["near_fraction"] == pytest.approx(0.5)


def test_few_survivors_are_called_too_few():
    finding = find(expanded(DISPUTES + LOGINS, more(DISPUTES[:3])))
    assert finding.warnings == ["Only 3 synthetic examples: too few to judge coverage by."]


def test_a_label_that_was_never_grown_is_named():
    real = [(t, "billing") for t in DISPUTES] + [(t, "access") for t in LOGINS]
    made = [(t, "billing") for t in more(DISPUTES + LOGINS, 2)]
    finding = find(expanded(real, made, labels=("billing", "access")))
    assert "The label “access” (8 of your examples) has no synthetic example." in finding.warnings
    assert finding.data["label_histogram"]["synthetic"] == {"billing": 32}


def test_lengths_are_counted_in_classes_that_hold_every_text():
    finding = find(expanded(DISPUTES + LOGINS, more(DISPUTES)))
    histogram = finding.data["length_histogram"]
    assert sum(histogram["real"]) == 16
    assert sum(histogram["synthetic"]) == 8
    assert len(histogram["edges"]) == len(histogram["real"]) + 1 <= 11


def qa(passages, used):
    sources = [source("qa", passage=text, document=name) for name, text in passages]
    outputs = [
        (sources[n], {"quote": quote, "question": f"What about {n}?", "answer": quote})
        for n, quote in used
    ]
    return grown("qa", sources, outputs)


def test_documents_are_covered_by_what_was_grown_from_them():
    passages = [("leases", f"{text}. Rent is due.") for text in LOGINS]
    passages += [("loans", f"{text}. Interest is due.") for text in DELIVERIES]
    used = [(n, "Rent is due.") for n in range(8)] * 3
    finding = find(qa(passages, used))
    assert finding.data["n_sources_used"] == 8
    assert finding.data["groups_without"] == ["loans"]
    assert "The document “loans” (8 sources) has no synthetic example." in finding.warnings
    assert finding.data["evidence_fraction"] == 0.5
    assert "8 of 16 sources have synthetic examples, in 1 of 2 documents." in finding.lines
    assert any("of your sources) has no synthetic example" in w for w in finding.warnings)


def test_dropped_candidates_do_not_count():
    data = expanded(DISPUTES + LOGINS, more(DISPUTES[:4]))
    dropped = [stored(c.candidate, "dropped") for c in data.candidates]
    assert find(replace(data, candidates=dropped)) is None


def test_large_sets_are_sampled_and_said_to_be(monkeypatch):
    monkeypatch.setattr(sets.compare, "__defaults__", (10,))
    finding = find(expanded(DISPUTES + LOGINS, more(DISPUTES + LOGINS, 2)))
    assert "Measured on a sample: 10 real, 10 synthetic." in finding.lines
    assert finding.data["n_synthetic"] == 32


@pytest.mark.parametrize(
    "texts", [["", " "], ["?!", "..."], ["合同终止", "مرحبا بالعالم"], ["same"] * 4]
)
def test_any_text_is_looked_at(texts):
    real = [text or "x" for text in texts]
    sources = [source("expand", seed=f"{text} {n}") for n, text in enumerate(real)]
    finding = find(grown("expand", sources, [(sources[0], {"example": t}) for t in texts]))
    assert json.loads(json.dumps(finding.data)) == finding.data


def test_the_same_data_give_the_same_finding():
    data = expanded(DISPUTES + LOGINS + DELIVERIES, more(DISPUTES + LOGINS, 2))
    assert find(data) == find(data)


def test_a_text_that_is_shown_has_its_personal_data_replaced():
    data = expanded([*DISPUTES, *LOGINS], ["Write to eva.lund@acme.example about it"] * 24)
    place = {"field": "example", "start": 9, "end": 30, "replacement": "<EMAIL>"}
    found = {"privacy": {"found": [place], "source": []}}
    masked = [replace(each, evidence=found) for each in data.candidates]
    finding = find(replace(data, candidates=masked))
    assert finding.rows[-1][1] == "Write to <EMAIL> about it"
    assert any("<EMAIL>" in warning for warning in finding.warnings)
    assert "eva.lund" not in str(finding)
