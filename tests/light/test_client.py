"""Task → example, on plain dicts in the form that Label Studio 1.23 gives them."""

from __future__ import annotations

import pytest

from seedbed import Client, registry
from seedbed.client import approved_example, real_example
from seedbed.errors import NotFoundError, UserError
from seedbed.records import SourceTask

PASSAGE = "Rent is 900 euros. It is due on the 1st."
QA_FIELDS = {"question": "How much is the rent?", "answer": "900 euros"}


def texts(**fields: str) -> list[dict]:
    return [
        {"from_name": name, "to_name": "x", "type": "textarea", "value": {"text": [text]}}
        for name, text in fields.items()
    ]


def choice(name: str, value: str) -> dict:
    return {"from_name": name, "to_name": "x", "type": "choices", "value": {"choices": [value]}}


def quote(start: int, end: int) -> dict:
    value = {"start": start, "end": end, "text": PASSAGE[start:end], "labels": ["Evidence"]}
    return {"from_name": "quote", "to_name": "passage", "type": "labels", "value": value}


def annotation(result, *, id_=5, at="2026-01-02T00:00:00Z", predicted=(), **more) -> dict:
    return {
        "id": id_, "result": result, "was_cancelled": False, "completed_by": {"id": 3},
        "created_at": at, "updated_at": at, "prediction": {"result": list(predicted)}, **more,
    }  # fmt: skip


def review_task(*annotations: dict, **data) -> dict:
    return {
        "id": 77,
        "data": {
            "cid": "c1", "technique": "qa", "passage": PASSAGE, "document": "lease",
            "score": 0.8, "provenance": {"source_id": "s1", "model": "m"}, **data,
        },
        "annotations": list(annotations),
        "predictions": [],
    }  # fmt: skip


PREDICTED = [*texts(**QA_FIELDS), quote(0, 18)]


def test_accepted_task_becomes_an_example():
    result = [*PREDICTED, choice("verdict", "accept")]
    example = approved_example(review_task(annotation(result, predicted=PREDICTED)))
    assert (example.id, example.technique, example.origin) == ("c1", "qa", "synthetic")
    assert example.source == {"passage": PASSAGE, "document": "lease"}
    assert example.output == {**QA_FIELDS, "quote": "Rent is 900 euros."}
    assert example.provenance == {
        "source_id": "s1", "model": "m", "verdict": "ACCEPTED", "reviewer": 3, "review_task": 77,
        "annotation": 5, "decided_at": "2026-01-02T00:00:00Z",
    }  # fmt: skip


def test_fixed_task_carries_the_persons_text():
    result = [*texts(question="What is the rent?", answer="900 euros"), choice("verdict", "accept")]
    example = approved_example(review_task(annotation(result, predicted=PREDICTED)))
    assert example.output["question"] == "What is the rent?"
    assert example.provenance["verdict"] == "FIXED"


def test_labels_come_from_the_source_or_the_answer():
    data = {"technique": "paraphrase", "original": "x", "label": "billing"}
    result = [*texts(paraphrase="y"), choice("verdict", "accept")]
    task = review_task(annotation(result), **data)
    assert approved_example(task).label == "billing"
    data = {"technique": "expand", "seed": "x", "label": "billing"}
    result = [*texts(example="y"), choice("label", "delivery"), choice("verdict", "accept")]
    task = review_task(annotation(result), **data)
    assert approved_example(task).label == "delivery"


@pytest.mark.parametrize(
    "annotations",
    [
        [],
        [annotation([*PREDICTED, choice("verdict", "reject"), choice("reject_reason", "trivial")])],
        [annotation([*PREDICTED, choice("verdict", "accept")], was_cancelled=True)],
        [annotation(PREDICTED)],
        [annotation([])],
    ],
)
def test_what_nobody_approved_is_no_example(annotations):
    assert approved_example(review_task(*annotations)) is None


@pytest.mark.parametrize(("last", "is_approved"), [("accept", True), ("reject", False)])
def test_the_latest_verdict_counts(last, is_approved):
    first = {"accept": "reject", "reject": "accept"}[last]
    earlier = annotation([*PREDICTED, choice("verdict", first)], id_=9)
    later = annotation([*PREDICTED, choice("verdict", last)], id_=8, at="2026-02-01T00:00:00Z")
    for order in ([earlier, later], [later, earlier]):
        assert bool(approved_example(review_task(*order))) is is_approved


@pytest.mark.parametrize("task", [{}, {"data": {}}, review_task(technique="nope")])
def test_task_of_something_else_is_no_example(task):
    assert approved_example(task) is None


# --- real examples -------------------------------------------------------------------------------


def source_task(data: dict, *annotations: dict) -> dict:
    meta = {"provenance": {"file": "seeds.csv", "line": 2}}
    return {"id": 4, "data": data, "meta": meta, "annotations": list(annotations)}


def test_labelled_text_is_an_example_by_itself():
    data = {"original": " My bill is wrong ", "label": "billing", "cid": "x"}
    example = real_example(source_task(data), registry.technique("paraphrase"))
    fields = {"original": "My bill is wrong", "label": "billing"}
    assert (example.origin, example.label, example.source) == ("real", "billing", fields)
    assert example.output == {"paraphrase": "My bill is wrong"}
    assert example.provenance == {
        "file": "seeds.csv", "line": 2, "source_id": SourceTask.of(fields).id, "source_task": 4,
    }  # fmt: skip


def test_seed_is_an_example_with_its_label():
    data = {"seed": "My bill is wrong", "label": "billing"}
    example = real_example(source_task(data), registry.technique("expand"))
    assert example.output == {"example": "My bill is wrong", "label": "billing"}


@pytest.mark.parametrize(
    ("technique", "data"),
    [
        ("paraphrase", {"original": "unlabelled"}),
        ("qa", {"passage": PASSAGE}),
        ("dpo", {"prompt": "Summarise."}),
        ("paraphrase", {"label": "a"}),
        ("paraphrase", {}),
    ],
)
def test_bare_source_is_no_example(technique, data):
    assert real_example(source_task(data), registry.technique(technique)) is None


def test_what_a_person_wrote_beside_a_source_is_an_example():
    task = source_task({"passage": PASSAGE}, annotation(texts(**QA_FIELDS)))
    example = real_example(task, registry.technique("qa"))
    assert example.output == QA_FIELDS
    assert example.provenance["source_id"] == SourceTask.of({"passage": PASSAGE}).id


@pytest.mark.parametrize(
    "copied",
    [
        annotation(texts(**QA_FIELDS), parent_prediction=1),
        annotation(texts(**QA_FIELDS), predicted=texts(**QA_FIELDS)),
        annotation(texts(question="only a question")),
        annotation(texts(**QA_FIELDS), was_cancelled=True),
    ],
)
def test_copies_of_predictions_and_halves_are_not_real(copied):
    assert real_example(source_task({"passage": PASSAGE}, copied), registry.technique("qa")) is None


# --- the client ----------------------------------------------------------------------------------


class _Tasks:
    """Stands for the server: the two listings that the client reads."""

    def __init__(self, annotated=(), plain=()):
        self._annotated, self._plain = annotated, plain

    def annotated_tasks(self, project):
        return iter(self._annotated)

    def tasks(self, project):
        return iter(self._plain)


def client_on(server) -> Client:
    client = Client("http://label-studio.invalid", "key")
    client.close()
    client._server = server
    return client


def test_pull_gives_each_candidate_once():
    task = review_task(annotation([*PREDICTED, choice("verdict", "accept")]))
    assert [e.id for e in client_on(_Tasks([task, task])).pull(1)] == ["c1"]


def test_real_prefers_what_people_wrote_and_skips_repeats():
    bare = source_task({"passage": PASSAGE})
    written = source_task({"passage": PASSAGE}, annotation(texts(**QA_FIELDS)))
    client = client_on(_Tasks([written], [bare | {"annotations": []}, bare | {"id": 5}]))
    assert [e.output for e in client.real(1, "qa")] == [QA_FIELDS]
    seed = {"seed": "a", "label": "x"}
    client = client_on(_Tasks([], [source_task(seed), source_task(seed) | {"id": 9}]))
    assert len(list(client.real(1, "expand"))) == 1


def test_unknown_policy_and_technique_are_refused_at_once():
    client = client_on(_Tasks())
    with pytest.raises(UserError, match=r"policy is named 'all'.*Known: reviewed"):
        client.pull(1, policy="all")
    with pytest.raises(NotFoundError, match="nope"):
        client.real(1, "nope")
