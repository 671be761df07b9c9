"""What a row says of where it came from: written into a review task, read back out of it."""

from __future__ import annotations

from seedbed import labeling, provenance, registry
from seedbed.records import Candidate, SourceTask

PASSAGE = "Rent is 900 euros. It is due on the 1st."
TABLE = {
    "source_id": "s1",
    "source_task": 4,
    "document": "lease.pdf",
    "page": 2,
    "page_end": 3,
    "char_start": 100,
    "char_end": 100 + len(PASSAGE),
    "page_spans": [[2, 480, 499], [3, 0, 21]],
    "evidence": {"start": 0, "end": 18, "char_start": 100, "char_end": 118, "page": 2},
    "recipe": "r" * 16,
    "model": "m.gguf",
    "sampling": {"temperature": 0.8, "thinking": "off"},
    "rng_seed": 7,
    "n_tokens": 12,
    "run": "r1",
}


def published(**changes) -> dict:
    candidate = Candidate("c1", SourceTask.of({"passage": PASSAGE}), {"answer": "900"})
    return labeling.review_data(
        registry.technique("qa"), candidate, draw=0.25, score=0.5, scores={"grounding": 0.9},
        stratum="qa/-/high", run="r1", provenance=TABLE | changes,
    )  # fmt: skip


def test_what_is_published_is_read_back():
    found = provenance.read(published())
    own = {key: TABLE[key] for key in provenance.KEYS if key in TABLE}
    assert found == own | {
        "score": 0.5, "scores": {"grounding": 0.9}, "stratum": "qa/-/high", "draw": 0.25,
    }  # fmt: skip
    assert list(found) == [key for key in provenance.KEYS if key in found]


def test_the_table_that_people_see_is_flat():
    assert all(not isinstance(v, dict | list) for v in published()["provenance"].values())


def test_evidence_that_was_left_alone_is_where_it_was_published():
    assert provenance.evidence(published(), PASSAGE, (0, 18)) == TABLE["evidence"]


def test_evidence_that_a_person_moved_finds_its_place_in_the_document():
    assert provenance.evidence(published(), PASSAGE, (19, 40)) == {
        "start": 19, "end": 40, "char_start": 119, "char_end": 140, "page": 3,
    }  # fmt: skip


def test_no_place_is_made_up_where_personal_data_was_replaced():
    shown = PASSAGE.replace("900 euros", "<AMOUNT>")
    assert provenance.evidence(published(), shown, (18, 39)) == {"start": 18, "end": 39}


def test_tasks_of_older_versions_are_read_as_far_as_they_go():
    table = {
        "source_id": "s1", "source.file": "a.csv", "source.line": 3, "prompt": "abc",
        "model.name": "m", "model.sha256": "f", "score.dedup": 1.0, "source_group": "g",
    }  # fmt: skip
    assert provenance.read({"provenance": table, "run": "", "draw": 0.0}) == {
        "source_id": "s1", "document": "a.csv", "line": 3, "prompt_hash": "abc", "model": "m",
        "model_sha256": "f", "scores": {"dedup": 1.0}, "draw": 0.0,
    }  # fmt: skip
    assert provenance.read({}) == provenance.read({"provenance": "text"}) == {}
