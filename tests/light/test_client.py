"""Task → example, on plain dicts in the form that Label Studio 1.23 gives them."""

from __future__ import annotations

import pytest

from samples import approved_example
from seedbed import Client, gate_notice, labeling, registry
from seedbed.client import moment
from seedbed.errors import NotFoundError, UserError
from seedbed.examples import pseudonym, real_example
from seedbed.gate_notice import RunNotice
from seedbed.label_studio import ProjectInfo
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
        "source_id": "s1", "evidence": {"start": 0, "end": 18}, "model": "m", "score": 0.8,
        "verdict": "ACCEPTED", "reviewer": 3, "decided_at": "2026-01-02T00:00:00Z",
        "review_task": 77, "annotation": 5,
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
        "source_id": SourceTask.of(fields).id, "source_task": 4, "document": "seeds.csv", "line": 2,
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

REVIEW = labeling.review_config(registry.technique("qa"))
SOURCES = labeling.source_config(registry.technique("qa"))
NOTICE = gate_notice.write(
    [
        RunNotice(run, state, target=0.8, n_sampled=9, n_judged=9, rate=0.9, low=0.8, high=0.95)
        for run, state in (("r1", "passed"), ("r2", "held"), ("r3", "released"))
    ]
)


class _Tasks:
    """Stands for the server: the listings that the client reads."""

    def __init__(self, annotated=(), plain=(), config=REVIEW):
        self._annotated, self._plain, self._config = annotated, plain, config

    def project(self, project):
        return ProjectInfo("Lease", f"Ours.\n{NOTICE}", self._config)

    def annotated_tasks(self, project):
        return iter(self._annotated)

    def judged_tasks(self, project, updated_since=None):
        return iter(self._annotated)

    def unjudged_tasks(self, project, runs):
        return (task for task in self._plain if task["data"].get("run") in runs)

    def count_tasks(self, project, *, is_annotated, is_skipped):
        return 0 if is_annotated or is_skipped else len(self._plain)

    def predictions_of(self, project, tasks):
        return {task: [{"result": PREDICTED}] for task in tasks}

    def tasks(self, project):
        return iter(self._plain)


def client_on(server) -> Client:
    client = Client("http://label-studio.invalid", "key")
    client.close()
    client._server = server
    return client


def accepted(**data) -> dict:
    return review_task(annotation([*PREDICTED, choice("verdict", "accept")]), **data)


def test_pull_gives_each_candidate_once():
    pull = client_on(_Tasks([accepted(), accepted()])).pull(1)
    assert [e.id for e in pull] == ["c1"]
    assert (pull.n, pull.left_out["others"]) == (1, 1)


def test_canaries_are_never_handed_out():
    seals = {True: [labeling.seal("c1", is_canary=True), "nonsense"], False: [labeling.seal("c1")]}
    for is_left_out, some in seals.items():
        for seal in some:
            judged = accepted(seal=seal, run="r1")
            client = client_on(_Tasks([judged], [judged | {"annotations": []}]))
            for policy in ("reviewed", "gated"):
                assert (not list(client.pull(1, policy))) is is_left_out
            assert approved_example(judged) is None or not is_left_out


@pytest.mark.parametrize(
    ("data", "gate"),
    [
        ({"run": "r1"}, "passed"),
        ({"run": "r3"}, "released"),
        ({"run": "r2"}, None),
        ({"run": "r4"}, None),
        ({}, None),
        ({"run": "r1", "draw": 2.4}, None),
        ({"run": "r1", "verdict": "REJECTED"}, None),  # Label Studio has miscounted annotations
    ],
)
def test_gated_adds_what_nobody_judged_of_runs_that_passed(data, gate):
    client = client_on(_Tasks([], [review_task(**data)]))
    assert list(client.pull(1)) == []
    rows = list(client.pull(1, policy="gated"))
    assert [e.provenance["gate"] for e in rows] == ([gate] if gate else [])
    for example in rows:  # of an older version: read from its prediction
        assert example.output == {**QA_FIELDS, "quote": "Rent is 900 euros."}
        assert "verdict" not in example.provenance


def test_rejected_and_skipped_candidates_stay_out_of_a_gated_pull():
    rejected = review_task(annotation([*PREDICTED, choice("verdict", "reject")]), run="r1")
    skipped = review_task(annotation(PREDICTED, was_cancelled=True), run="r1", cid="c2")
    twin = review_task(run="r1") | {"id": 78}  # the same candidate, imported twice
    pull = client_on(_Tasks([rejected, skipped], [twin])).pull(1, policy="gated")
    assert list(pull) == []
    assert pull.left_out == {"rejected": 1, "skipped": 1, "others": 1, "not_released": 0}
    assert pull.why_left_out() == "1 rejected, 1 skipped, 1 other"


def test_predictions_that_were_made_annotations_in_bulk_are_no_verdicts():
    copied = review_task(annotation(PREDICTED, parent_prediction=4), run="r1")
    client = client_on(_Tasks([copied]))
    assert list(client.pull(1)) == []
    assert "verdict" not in next(client.pull(1, policy="gated")).provenance


def test_since_leaves_out_what_was_decided_before():
    tasks = [
        accepted(),
        review_task(
            annotation([*PREDICTED, choice("verdict", "accept")], at="2026-02-01T00:00:00Z"),
            cid="c2",
        ),
    ]
    pull = client_on(_Tasks(tasks)).pull(1, since=moment("2026-02-01T00:00:00Z"))
    assert [e.id for e in pull] == ["c2"]
    assert pull.left_out == {"earlier": 1}


def test_since_needs_a_time_zone():
    with pytest.raises(UserError, match="no time zone"):
        client_on(_Tasks()).pull(1, since=moment("2026-02-01").replace(tzinfo=None))
    with pytest.raises(UserError, match="'yesterday' is no point in time"):
        moment("yesterday")


def test_reviewers_are_pseudonyms_unless_asked_for():
    client = client_on(_Tasks([accepted()]))
    names = {next(client.pull(1)).provenance["reviewer"] for _ in range(2)}
    assert names == {pseudonym(1)(3)}
    assert names.isdisjoint({pseudonym(2)(3), pseudonym(1)(4), 3})
    assert next(client.pull(1, reviewers="ids")).provenance["reviewer"] == 3


def test_what_was_shown_decides_even_without_predictions():
    shown = {"question": QA_FIELDS["question"], "answer": QA_FIELDS["answer"]}
    table = {"evidence.start": 0, "evidence.end": 18}
    task = accepted(shown=shown, provenance=table)
    task["annotations"][0]["prediction"] = {}
    assert approved_example(task).provenance["verdict"] == "ACCEPTED"
    other = accepted(shown=shown, provenance={"evidence.start": 0, "evidence.end": 4})
    assert approved_example(other).provenance["verdict"] == "FIXED"


# --- preference pairs ----------------------------------------------------------------------------


def fixed(technique: str, source: dict, was: dict, now: dict) -> dict:
    result = [*texts(**{k: v for k, v in now.items() if k != "label"}), choice("verdict", "accept")]
    result += [choice("label", now["label"])] if "label" in now else []
    data = {**source, "technique": technique, "shown": was, "provenance": {}}
    return review_task(annotation(result), **data)


def test_fixed_candidate_is_a_preference_pair():
    task = fixed("qa", {}, QA_FIELDS, QA_FIELDS | {"answer": "900 euros a month"})
    (pair,) = client_on(_Tasks([task])).preferences(1)
    assert (pair.technique, pair.origin) == ("dpo", "synthetic")
    assert pair.source == {"prompt": f"{PASSAGE}\n\n{QA_FIELDS['question']}"}
    assert pair.output == {"chosen": "900 euros a month", "rejected": "900 euros"}
    known = {key: pair.provenance[key] for key in ("candidate", "verdict", "made_of")}
    assert known == {"candidate": "c1", "verdict": "FIXED", "made_of": "correction"}


def test_pairs_of_pairs_prefer_the_persons_reply():
    source = {"prompt": "Summarise."}
    was = {"chosen": "Long and long.", "rejected": "No."}
    (pair,) = client_on(
        _Tasks([fixed("dpo", source, was, was | {"chosen": "Short."})])
    ).preferences(1)
    assert pair.output == {"chosen": "Short.", "rejected": "Long and long."}


@pytest.mark.parametrize(
    "task",
    [
        accepted(),
        fixed("qa", {}, QA_FIELDS, QA_FIELDS | {"question": "What is the rent?"}),
        fixed("dpo", {"prompt": "Sum."}, {"chosen": "a", "rejected": "b"},
              {"chosen": "a", "rejected": "c"}),
        fixed("paraphrase", {"original": "x", "label": "l"}, {"paraphrase": "y"},
              {"paraphrase": "z"}),
        fixed("expand", {"seed": "x"}, {"example": "y"}, {"example": "z"}),
    ],
)  # fmt: skip
def test_without_another_completion_or_a_prompt_there_is_no_pair(task):
    pull = client_on(_Tasks([task])).preferences(1)
    assert list(pull) == []
    assert sum(pull.left_out.values()) == 1


# --- sources -------------------------------------------------------------------------------------


def test_real_prefers_what_people_wrote_and_skips_repeats():
    bare = source_task({"passage": PASSAGE})
    written = source_task({"passage": PASSAGE}, annotation(texts(**QA_FIELDS)))
    tasks = _Tasks([written], [bare | {"annotations": []}, bare | {"id": 5}], SOURCES)
    assert [e.output for e in client_on(tasks).real(1, "qa")] == [QA_FIELDS]
    seed = {"seed": "a", "label": "x"}
    client = client_on(_Tasks([], [source_task(seed), source_task(seed) | {"id": 9}], SOURCES))
    assert len(list(client.real(1, "expand"))) == 1


def test_passages_become_chunks():
    meta = {"file": "lease.pdf", "char_start": 10, "char_end": 50, "page": 2, "page_end": 3}
    task = source_task({"passage": PASSAGE, "document": "lease"}) | {"meta": {"provenance": meta}}
    (chunk,) = client_on(_Tasks([], [task, task], SOURCES)).chunks(1)
    assert chunk == {
        "text": PASSAGE, "document": "lease", "page": 2, "page_end": 3, "char_start": 10,
        "char_end": 50, "source_id": SourceTask.of({"passage": PASSAGE, "document": "lease"}).id,
    }  # fmt: skip


def test_techniques_without_documents_have_no_chunks():
    with pytest.raises(UserError, match="paraphrase grows from no passages"):
        client_on(_Tasks(config=SOURCES)).chunks(1, "paraphrase")


def test_wrong_words_and_projects_are_refused_at_once():
    client = client_on(_Tasks())
    with pytest.raises(UserError, match=r"policy is named 'all'.*Known: reviewed, gated"):
        client.pull(1, policy="all")
    with pytest.raises(UserError, match=r"reviewers is named 'emails'"):
        client.pull(1, reviewers="emails")
    with pytest.raises(NotFoundError, match="nope"):
        client.real(1, "nope")
    with pytest.raises(UserError, match=r"Project 1 \(Lease\) is a review project"):
        client.real(1, "qa")
    for pull in (
        client_on(_Tasks(config=SOURCES)).pull,
        client_on(_Tasks(config=SOURCES)).preferences,
    ):
        with pytest.raises(UserError, match=r"Project 1 \(Lease\) is no review project"):
            pull(1)
