from dataclasses import replace

from filters.support import candidate, context
from seedbed import labeling
from seedbed.recipe import Recipe
from seedbed.records import Completion
from seedbed_backend import publishing
from seedbed_backend.filters import ScreenContext
from seedbed_backend.filters.privacy import Privacy
from seedbed_backend.redaction import moved, redacted
from seedbed_backend.store import Project, Run, StoredCandidate

PASSAGE = (
    "Questions go to Eva, eva.lund@acme.example or +49 30 901820. The fee is 25 EUR. "
    "Complaints: eva.lund@acme.example."
)
QUOTE = "The fee is 25 EUR."
RECIPE = Recipe(technique="qa")


def grown(filter_, answer="Eva answers them (eva.lund@acme.example), and the fee is 25 EUR."):
    made = candidate(
        "c1", {"passage": PASSAGE}, quote=QUOTE, question="Who answers, what does it cost?",
        answer=answer,
    )  # fmt: skip
    [decision] = filter_.screen([made], ScreenContext(RECIPE, context().encoder))
    assert decision.keep
    start = PASSAGE.index(QUOTE)
    return StoredCandidate(
        candidate=made, run_id="r1", project_id="p1", state="survivor", stage="", reason="",
        score=0.9, completion=Completion("c1", made.source.id, "", 0, "raw", "stop", 1), scores={},
        evidence={
            "privacy": decision.evidence,
            "grounding": {"start": start, "end": start + len(QUOTE)},
        },
        draw=0.1, stratum="", review_task=None, verdict=None,
    )  # fmt: skip


MASKING = Privacy(default="mask")


def review_task(stored):
    project = Project("p1", "n", "qa", {"technique": "qa"}, RECIPE.hash, "http://ls", 1, 2)
    return publishing.review_task(project, Run("r1", "p1", RECIPE.hash, 1, 5), RECIPE, stored)


def test_candidate_and_source_are_replaced_alike_and_the_stored_one_stays():
    stored = grown(MASKING)
    shown = redacted(stored).candidate
    assert shown.fields["answer"] == "Eva answers them (<EMAIL>), and the fee is 25 EUR."
    assert shown.source.fields["passage"] == (
        "Questions go to Eva, <EMAIL> or <PHONE>. The fee is 25 EUR. Complaints: <EMAIL>."
    )
    assert "eva.lund" in stored.candidate.fields["answer"]
    assert shown.source.id == stored.candidate.source.id


def test_pseudonyms_are_the_same_in_both():
    shown = redacted(grown(Privacy(default="pseudonym"))).candidate
    [address] = [word.strip("(),") for word in shown.fields["answer"].split() if "@" in word]
    assert address.endswith("@example.org")
    assert shown.source.fields["passage"].count(address) == 2


def test_nothing_is_copied_where_nothing_is_replaced():
    stored = grown(Privacy(default="keep"))
    assert redacted(stored) is stored


def test_a_span_moves_with_what_is_replaced_before_it():
    stored = grown(MASKING)
    passage = redacted(stored).candidate.source.fields["passage"]
    start, end = moved(stored, "passage", (PASSAGE.index(QUOTE), PASSAGE.index(QUOTE) + len(QUOTE)))
    assert passage[start:end] == QUOTE
    # A span that begins or ends within an address takes it in.
    inside = PASSAGE.index("lund"), PASSAGE.index("30 90")
    start, end = moved(stored, "passage", inside)
    assert passage[start:end] == "<EMAIL> or <PHONE>"
    assert moved(stored, "document", (3, 9)) == (3, 9)


def test_the_review_task_shows_no_original_anywhere():
    task = review_task(grown(MASKING))
    assert "eva.lund" not in str(task)
    assert "901820" not in str(task)
    [prediction] = task["predictions"]
    spec = RECIPE.spec
    assert labeling.values(prediction["result"], spec, task["data"])["quote"] == QUOTE


def test_the_review_task_shows_no_text_of_another_candidate_or_source():
    stored = grown(MASKING)
    near = {
        "match": "c9",
        "kind": "real",
        "similarity": 0.6,
        "cosine": 0.9,
        "text": "Fees: 20 EUR.",
    }
    beside = {
        "dedup": {"nearest": {**near, "differs": "number"}, "replaces": [{**near, "by": "x"}]},
        "memorization": {"source": "s9", "text": "Fees: 20 EUR."},
    }
    task = review_task(replace(stored, evidence={**stored.evidence, **beside}))
    assert "20 EUR" not in str(task)
    assert task == review_task(stored)


def test_a_prediction_for_the_source_task_marks_the_words_of_the_original():
    stored = grown(MASKING)
    [prediction] = publishing.predictions(RECIPE.spec, [stored], on_source=True)
    data = {"passage": PASSAGE}
    values = labeling.values(prediction["result"], RECIPE.spec, data)
    assert values["quote"] == QUOTE
    assert "<EMAIL>" in values["answer"]


def test_a_person_who_changes_nothing_has_accepted():
    """The verdict is read against the same replaced text that was shown."""
    stored = replace(grown(MASKING), review_task=7)
    task = review_task(stored)
    [again] = publishing.predictions(RECIPE.spec, [stored])
    [shown] = task["predictions"]
    assert again["result"] == shown["result"]
