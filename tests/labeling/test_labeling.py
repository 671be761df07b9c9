from __future__ import annotations

import copy
import re

import pytest
from defusedxml import ElementTree
from label_studio_sdk.label_interface import LabelInterface

from seedbed import labeling, registry
from seedbed.columns import TASK_KEYS
from seedbed.errors import LabelConfigError, NotFoundError
from seedbed.records import Candidate, SourceTask, content_id
from seedbed.tabs import review_tabs

LABELS = ("billing", "delivery", "refund")
TECHNIQUES = sorted(registry.techniques())
LONG = 'A <b>bold</b> claim & "quotes" 🚀.\nSecond line. The fee is 25 EUR.'


def make(name, labels=LABELS):
    """Return a technique and one candidate whose fields are all filled."""
    technique = registry.technique(name)
    source = SourceTask.of(
        {f.name: labels[0] if f.is_label else LONG for f in technique.source_fields},
    )
    fields = {
        f.name: labels[0] if f.is_label else f"The {f.name} of it."
        for f in technique.outputs(labels)
    }
    return technique, Candidate(content_id("c", name), source, fields)


def span(technique):
    marked = "fee is 25 EUR"
    start = LONG.index(marked)
    return (start, start + len(marked))


def pre(name):
    technique, candidate = make(name)
    return labeling.prediction(technique, candidate.fields, 0.8, span(technique), source_text=LONG)


def annotated(name, **edits):
    """Return task, annotation and technique as an export holds them, with `edits` by region id."""
    technique, candidate = make(name)
    predicted = pre(name)
    result = copy.deepcopy(predicted["result"])
    for region in result:
        region["origin"] = "prediction"
        if region["id"] in edits:
            region["value"].update(edits[region["id"]])
    to_name = result[0]["to_name"]
    result += [
        {
            "id": "v",
            "from_name": "verdict",
            "to_name": to_name,
            "type": "choices",
            "value": {"choices": [edits.get("verdict", "accept")]},
        }
    ]
    data = labeling.review_data(technique, candidate, draw=0.1, score=0.8)
    annotation = {
        "id": 7,
        "completed_by": 3,
        "was_cancelled": False,
        "lead_time": 4.5,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "prediction": predicted,
        "result": result,
    }
    return {"data": data}, annotation, technique


@pytest.mark.parametrize("labels", [LABELS, ()], ids=["labels", "no_labels"])
@pytest.mark.parametrize("name", TECHNIQUES)
def test_both_configs_are_valid_and_name_only_data_that_the_tasks_have(name, labels):
    technique, candidate = make(name)
    data = labeling.review_data(technique, candidate, draw=0.1)
    review = labeling.review_config(technique, labels)
    optional = [f.name for f in technique.source_fields]
    LabelInterface(review).validate()
    assert set(re.findall(r'"\$(\w+)"', review)) <= set(data)
    labeling.check_config(review, technique, labels)

    source = labeling.source_config(technique, labels)
    LabelInterface(source).validate()
    assert set(re.findall(r'"\$(\w+)"', source)) == {technique.text_field}
    labeling.check_config(source, technique, labels, is_review=False)
    assert 'name="verdict"' not in source
    assert "required" not in source

    full = labeling.source_config(technique, labels, present_fields=optional)
    assert set(re.findall(r'"\$(\w+)"', full)) <= set(optional)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_prediction_fits_the_config_and_leaves_the_verdict_blank(name):
    technique, candidate = make(name)
    xml = labeling.review_config(technique, LABELS)
    predicted = pre(name)
    assert LabelInterface(xml).validate_prediction(predicted, return_errors=True) == []
    assert predicted["model_version"] == "seedbed"
    assert {r["from_name"] for r in predicted["result"]} == set(candidate.fields)
    ids = [r["id"] for r in predicted["result"]]
    assert ids == [r["id"] for r in pre(name)["result"]]
    assert len(set(ids)) == len(ids)


def test_evidence_offsets_are_code_points():
    region = next(r for r in pre("qa")["result"] if r["type"] == "labels")
    value = region["value"]
    assert value["text"] == LONG[value["start"] : value["end"]] == "fee is 25 EUR"


def test_no_evidence_span_marks_nothing():
    technique, candidate = make("qa")
    predicted = labeling.prediction(technique, candidate.fields, None)
    assert [r["from_name"] for r in predicted["result"]] == ["question", "answer"]
    assert "score" not in predicted


def test_labels_and_reasons_are_filled_in_and_escaped():
    technique = registry.technique("expand")
    xml = labeling.review_config(technique, ["a & b", 'say "x"', "<c>"])
    root = ElementTree.fromstring(xml)
    choices = {
        tag.get("name"): [(c.get("value"), c.get("hotkey")) for c in tag]
        for tag in root.iter("Choices")
    }
    assert [value for value, _ in choices["label"]] == ["a & b", 'say "x"', "<c>"]
    assert choices["reject_reason"] == [
        (reason, str(i)) for i, reason in enumerate(technique.reject_reasons, 1)
    ]
    keys = [key for values in choices.values() for _, key in values]
    assert len(keys) == len(set(keys))


def test_without_labels_nothing_about_labels_is_left():
    for name in ("expand", "paraphrase"):
        xml = labeling.review_config(registry.technique(name), ())
        assert 'name="label"' not in xml
        assert "$label" not in xml


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name="paraphrase"', 'name="rewrite"', "no control named 'paraphrase'.*rewrite"),
        ('name="verdict"', 'name="decision"', "no control named 'verdict'"),
        ('value="accept"', 'value="ok"', "'verdict' lacks the choice 'accept'; it has: ok, reject"),
        ('value="$original"', 'value="$text"', "not tied to the text \\$original"),
        ("<View", "<Vieww", "not valid XML"),
    ],
)
def test_check_config_names_what_was_changed(old, new, message):
    technique = registry.technique("paraphrase")
    xml = labeling.review_config(technique, LABELS).replace(old, new, 1)
    with pytest.raises(LabelConfigError, match=message) as caught:
        labeling.check_config(xml, technique, LABELS)
    assert caught.value.hint


def test_check_config_lets_the_team_change_reasons_and_layout():
    technique = registry.technique("paraphrase")
    xml = labeling.review_config(technique, LABELS)
    xml = xml.replace("not fluent", "clumsy").replace("Original", "Customer wrote")
    labeling.check_config(xml, technique, LABELS)


def test_check_config_names_a_lost_label():
    technique = registry.technique("expand")
    xml = labeling.review_config(technique, LABELS[:2])
    with pytest.raises(LabelConfigError, match="lacks the choice 'refund'"):
        labeling.check_config(xml, technique, LABELS)


def test_config_xml_names_the_place_where_it_is_missing():
    with pytest.raises(NotFoundError, match=r"nope\.xml"):
        labeling.config_xml("nope")


def test_an_installed_technique_brings_its_own_config(tmp_path, monkeypatch):
    package, metadata = tmp_path / "fancy", tmp_path / "fancy-1.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").write_text(
        "import dataclasses\n"
        "from seedbed.techniques.dpo import TECHNIQUE as dpo\n"
        "TECHNIQUE = dataclasses.replace(dpo, name='fancy')\n"
    )
    (package / "fancy.xml").write_text(labeling.config_xml("dpo"))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fancy\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[seedbed.techniques]\nfancy = fancy:TECHNIQUE\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert labeling.config_xml("fancy") == labeling.config_xml("dpo")


@pytest.mark.parametrize("name", TECHNIQUES)
def test_review_data_has_few_scalar_columns(name):
    technique, candidate = make(name)
    data = labeling.review_data(
        technique,
        candidate,
        draw=0.25,
        score=0.81234,
        scores={technique.score_columns[0]: 0.91, "dedup": 1.0},
        stratum="x/y/high",
        batch="b1",
        run="r1",
        guide=["Be brief.", "Cite."],
        provenance={"recipe": "abc", "model": {"name": "m", "sha256": "f"}, "rng_seed": 4},
    )
    assert "source" not in data
    assert data["cid"] == candidate.id
    assert data["score"] == 0.8123
    assert data[technique.score_columns[0]] == 0.91
    assert data["scores_line"].startswith("score 0.81 · ")
    assert data["provenance"]["model.name"] == "m"
    assert data["provenance"]["scores.dedup"] == 1.0
    nested = {"provenance", "shown"}
    assert all(not isinstance(v, dict | list) for k, v in data.items() if k not in nested)
    assert all(not isinstance(v, dict | list) for v in data["provenance"].values())


def test_word_diff_escapes_everything_but_its_own_marks():
    diff = labeling.word_diff("pay <b>10</b> & go", '<img src=x onerror="x"> pay 12 & go')
    assert re.sub(r"</?(del|ins)>", "", diff).count("<") == 0
    assert "&lt;img" in diff
    assert labeling.word_diff("a b c", "a x c") == "a <del>b</del><ins>x</ins> c"


@pytest.mark.parametrize("name", TECHNIQUES)
def test_unchanged_accept_is_accepted(name):
    task, annotation, technique = annotated(name)
    verdict = labeling.verdict(task, annotation, technique)
    assert verdict is not None
    assert verdict.status == "ACCEPTED"
    assert (verdict.reviewer, verdict.annotation_id, verdict.lead_time_seconds) == (3, 7, 4.5)
    assert verdict.decided_at == "2026-01-02T00:00:00Z"
    assert verdict.candidate_id == task["data"]["cid"]


def test_white_space_at_the_end_is_no_change():
    task, annotation, technique = annotated(
        "paraphrase", paraphrase={"text": ["The paraphrase of it.\n "]}
    )
    assert labeling.verdict(task, annotation, technique).status == "ACCEPTED"


@pytest.mark.parametrize(
    ("name", "edits", "field", "value"),
    [
        ("paraphrase", {"paraphrase": {"text": ["Better."]}}, "paraphrase", "Better."),
        ("expand", {"label": {"choices": ["refund"]}}, "label", "refund"),
        ("qa", {"quote": {"start": 0, "end": 1}}, "quote", "A"),
    ],
)
def test_a_changed_value_is_a_fix(name, edits, field, value):
    task, annotation, technique = annotated(name, **edits)
    verdict = labeling.verdict(task, annotation, technique)
    assert verdict.status == "FIXED"
    assert verdict.fields[field] == value


def test_removed_evidence_is_a_fix():
    task, annotation, technique = annotated("qa")
    annotation["result"] = [r for r in annotation["result"] if r["id"] != "quote"]
    verdict = labeling.verdict(task, annotation, technique)
    assert verdict.status == "FIXED"
    assert verdict.fields["quote"] == ""


def test_reject_carries_reasons_note_and_rating():
    task, annotation, technique = annotated("qa", verdict="reject")
    annotation["completed_by"] = {"id": 9, "email": "x@example.com"}
    common = {"to_name": "passage"}
    annotation["result"] += [
        common
        | {"from_name": "reject_reason", "value": {"choices": ["not grounded", "duplicate"]}},
        common | {"from_name": "note", "value": {"text": ["see clause 4"]}},
        common | {"from_name": "quality", "value": {"rating": 2}},
    ]
    verdict = labeling.verdict(task, annotation, technique)
    assert verdict.status == "REJECTED"
    assert verdict.reasons == ("not grounded", "duplicate")
    assert (verdict.note, verdict.rating, verdict.reviewer) == ("see clause 4", 2, 9)


@pytest.mark.parametrize("why", ["skip", "empty", "bulk", "no_cid", "blank_text"])
def test_undecided(why):
    task, annotation, technique = annotated("paraphrase")
    if why == "skip":
        annotation["was_cancelled"] = True
    elif why == "empty":
        annotation["result"] = []
    elif why == "bulk":
        annotation["result"] = annotation["prediction"]["result"]
    elif why == "no_cid":
        task["data"].pop("cid")
    else:
        annotation["result"] = [r for r in annotation["result"] if r["id"] == "v"]
    assert labeling.verdict(task, annotation, technique) is None


def test_the_prediction_may_be_given_or_come_with_the_task():
    task, annotation, technique = annotated("paraphrase")
    predicted = annotation.pop("prediction")
    assert labeling.verdict(task, annotation, technique).status == "FIXED"
    fields = labeling.values(predicted["result"], technique)
    assert labeling.verdict(task, annotation, technique, fields).status == "ACCEPTED"
    task["predictions"] = [{"id": 5, **predicted}]
    annotation["prediction"] = {}  # as in a webhook
    assert labeling.verdict(task, annotation, technique).status == "ACCEPTED"


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_task_has_no_key_of_its_own_that_a_source_field_could_have(name):
    technique, candidate = make(name)
    data = labeling.review_data(technique, candidate, draw=0.1, score=0.8)
    declared = {*(f.name for f in technique.source_fields), *technique.score_columns}
    assert data.keys() - declared <= TASK_KEYS


@pytest.mark.parametrize("name", TECHNIQUES)
def test_tabs(name):
    technique = registry.technique(name)
    tabs = review_tabs(technique, 0.15)
    assert [t["title"] for t in tabs] == [
        "Review sample",
        "Low score",
        "Rejected",
        "Fixed",
        "Accepted",
        "Skipped",
        "Undecided",
        "Withdrawn",
    ]
    assert {
        "filter": "filter:tasks:data.draw",
        "operator": "less",
        "type": "Number",
        "value": 0.15,
    } in tabs[0]["filters"]["items"]
    assert "tasks:data.provenance" in tabs[0]["hiddenColumns"]["explore"]
