"""What a review task says of where its candidate came from, and what a row makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seedbed import provenance as rows
from seedbed.recipe import parse
from seedbed.records import Candidate, Completion, SourceTask
from seedbed_backend import provenance, publishing
from seedbed_backend.store import Project, Run, StoredCandidate

PASSAGE = "Ask anna@example.com. The fee is 25 EUR."
QUOTE = "The fee is 25 EUR."
START = PASSAGE.index(QUOTE)
SOURCE = SourceTask.of(
    {"passage": PASSAGE},
    label_studio_task=4,
    provenance={
        "file": "loan.pdf", "char_start": 100, "char_end": 100 + len(PASSAGE), "page": 2,
        "page_end": 3, "page_spans": [[2, 50, 50 + START], [3, 0, len(QUOTE)]],
        "heading": "Fees",
    },
)  # fmt: skip
RECIPE = parse({"technique": "qa", "sampling": {"temperature": 0.5, "thinking": 64}})
PROJECT = Project("loans", "loans", "qa", {}, RECIPE.hash, "http://ls", 1, 2)
RUN = Run("r1", "loans", RECIPE.hash, 10, 50, model_name="m.gguf", model_sha256="f" * 64)
MASK = {"field": "passage", "start": 4, "end": 20, "replacement": "<EMAIL>"}


def stored(**evidence) -> StoredCandidate:
    fields = {"question": "How much is the fee?", "answer": "25 EUR", "quote": QUOTE}
    completion = Completion(
        "c1", SOURCE.id, "prompt", 0, "text", "stop", 7, shown_sources=("s2", "s3")
    )
    span = {"grounding": {"start": START, "end": START + len(QUOTE)}}
    return StoredCandidate(
        Candidate("c1", SOURCE, fields), "r1", "loans", "survivor", "", "", 0.9, completion,
        {"grounding": 0.9}, span | evidence, 0.3, "qa/-/high", None, None,
    )  # fmt: skip


def published(candidate: StoredCandidate) -> dict:
    return publishing.review_task(PROJECT, RUN, RECIPE, candidate)["data"]


def test_a_published_candidate_tells_all_that_is_known():
    found = rows.read(published(stored()))
    assert found["evidence"] == {
        "start": START, "end": START + len(QUOTE), "char_start": 100 + START,
        "char_end": 100 + len(PASSAGE), "page": 3,
    }  # fmt: skip
    assert (found["document"], found["page"], found["page_end"]) == ("loan.pdf", 2, 3)
    assert found["sampling"] == {
        "temperature": 0.5, "max_tokens": RECIPE.spec.max_tokens, "top_p": 0.95, "top_k": 0,
        "min_p": 0.05, "repeat_penalty": 1.0, "thinking": 64,
    }  # fmt: skip
    assert rows.shown_sources(found) == ("s2", "s3")
    about_people = {"verdict", "reviewer", "decided_at", "review_task", "annotation", "gate"}
    elsewhere = about_people | {"line", "candidate", "made_of"}
    assert found.keys() == rows.KEYS.keys() - elsewhere


def test_evidence_stands_where_people_see_it_and_where_it_is_in_the_document():
    masked = stored(privacy={"found": [], "source": [MASK]})
    data = published(masked)
    found = rows.read(data)["evidence"]
    assert data["passage"][found["start"] : found["end"]] == QUOTE
    assert (found["char_start"], found["page"]) == (100 + START, 3)


def test_without_evidence_nothing_is_said_of_it():
    assert "evidence" not in rows.read(published(replace(stored(), evidence={})))


@pytest.mark.parametrize("technique", ["paraphrase", "qa", "dpo", "expand"])
def test_the_sampling_in_force_has_no_gaps(technique):
    drawn = provenance.sampling(parse({"technique": technique}))
    assert set(drawn) == set(rows.SAMPLING_KEYS)
    assert None not in drawn.values()
