from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from seedbed.errors import NotFoundError
from seedbed.records import Verdict
from seedbed_backend.store import Canary, Mark
from seedbed_backend.store.schema import canary_verdicts_table, verdicts_table
from store.world import World

FIELDS = {"paraphrase": "Zwei"}


def a_verdict(status: str, annotation: int | None, minute: int, **changes: object) -> Verdict:
    verdict = Verdict(
        candidate_id="c1",
        status=status,
        fields=FIELDS,
        reasons=("too_vague",) if status == "REJECTED" else (),
        reviewer=3,
        annotation_id=annotation,
        decided_at=f"2025-03-01T10:{minute:02}:00.000000Z",
        lead_time_seconds=12.5,
        note="a note",
        rating=4,
    )
    return replace(verdict, **changes)


@pytest.fixture
def judged(world: World) -> World:
    world.complete("c1", "c2", fields=FIELDS)
    return world


def current(world: World) -> Verdict | None:
    return world.store.candidate("c1").verdict


def test_verdict_round_trip(judged: World):
    verdict = a_verdict("REJECTED", 7, 1)
    assert judged.store.save_verdict(verdict, {"result": [{"id": "x"}]})
    assert current(judged) == verdict
    assert judged.store.current_verdicts("p1") == [verdict]
    assert judged.store.current_verdicts("p2") == []
    with judged.store._read() as connection:
        assert connection.scalar(select(verdicts_table.c.raw)) == {"result": [{"id": "x"}]}


def test_an_identical_verdict_changes_nothing(judged: World):
    verdict = a_verdict("ACCEPTED", 7, 1)
    assert judged.store.save_verdict(verdict)
    assert not judged.store.save_verdict(verdict)
    assert judged.store.verdicts("c1") == [verdict]


def test_the_newer_one_stands_in_whatever_order_they_arrive(judged: World):
    old, new = a_verdict("ACCEPTED", 7, 1), a_verdict("REJECTED", 7, 2)
    assert judged.store.save_verdict(new)
    assert not judged.store.save_verdict(old)
    assert current(judged) == new
    assert judged.store.verdicts("c1") == [old, new]
    newest = a_verdict("FIXED", 8, 3)
    assert judged.store.save_verdict(newest)
    assert current(judged) == newest
    assert judged.store.verdicts("c1") == [old, new, newest]


def test_times_are_compared_as_times(judged: World):
    earlier = a_verdict("ACCEPTED", 7, 0, decided_at="2025-03-01T12:00:00+02:00")
    later = a_verdict("FIXED", 7, 0, decided_at="2025-03-01T10:00:01Z")
    unknown = a_verdict("REJECTED", 7, 0, decided_at="")
    assert judged.store.save_verdict(later)
    assert not judged.store.save_verdict(earlier)
    assert not judged.store.save_verdict(unknown)
    assert judged.store.verdicts("c1") == [unknown, earlier, later]


def test_at_one_time_the_last_word_stands(judged: World):
    assert judged.store.save_verdict(a_verdict("ACCEPTED", 7, 1))
    assert judged.store.save_verdict(a_verdict("REJECTED", 7, 1))
    assert current(judged) == a_verdict("REJECTED", 7, 1)


def test_withdrawing_falls_back_to_the_remaining_annotation(judged: World):
    store = judged.store
    first, second, again = (
        a_verdict("ACCEPTED", 7, 1),
        a_verdict("REJECTED", 8, 2),
        a_verdict("FIXED", 7, 3),
    )
    for verdict in (first, second, again):
        store.save_verdict(verdict)
    assert store.withdraw_verdict(7) == "c1"
    assert current(judged) == second
    assert store.withdraw_verdict(7) is None
    assert store.withdraw_verdict(8) == "c1"
    assert current(judged) is None
    assert store.current_verdicts("p1") == []
    assert store.verdicts("c1") == [first, second, again]
    assert store.withdraw_verdict(99) is None


def test_withdrawing_what_does_not_stand_changes_nothing_else(judged: World):
    judged.store.save_verdict(a_verdict("ACCEPTED", 7, 1))
    judged.store.save_verdict(a_verdict("REJECTED", 8, 2))
    assert judged.store.withdraw_verdict(7) == "c1"
    assert current(judged) == a_verdict("REJECTED", 8, 2)


def test_a_withdrawn_verdict_seen_again_stands_again(judged: World):
    verdict = a_verdict("ACCEPTED", 7, 1)
    judged.store.save_verdict(verdict)
    judged.store.withdraw_verdict(7)
    assert judged.store.save_verdict(verdict)
    assert current(judged) == verdict
    assert judged.store.verdicts("c1") == [verdict]


def test_counts(judged: World):
    store = judged.store
    assert store.verdict_counts("p1") == {"ACCEPTED": 0, "FIXED": 0, "REJECTED": 0}
    store.save_verdict(a_verdict("ACCEPTED", 7, 1))
    store.save_verdict(a_verdict("REJECTED", 7, 2))
    store.save_verdict(a_verdict("FIXED", 9, 2, candidate_id="c2"))
    assert store.verdict_counts("p1") == {"ACCEPTED": 0, "FIXED": 1, "REJECTED": 1}
    assert store.verdict_counts("p2")["FIXED"] == 0
    assert [v.candidate_id for v in store.current_verdicts("p1")] == ["c1", "c2"]


def test_unknown_candidate(judged: World):
    with pytest.raises(NotFoundError, match="No candidate has the id 'nope'"):
        judged.store.save_verdict(a_verdict("ACCEPTED", 7, 1, candidate_id="nope"))


def test_one_verdict_stands_after_many_at_once(judged: World):
    words = [a_verdict("ACCEPTED", n, n) for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(judged.store.save_verdict, words))
    assert judged.store.current_verdicts("p1") == [words[-1]]
    assert judged.store.verdicts("c1") == words


def due(world: World) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(m.id, m.verdict, m.reasons) for m in world.store.marks_due("p1")]


def test_published_tasks_are_due_until_they_show_what_stands(judged: World):
    store = judged.store
    store.save_verdict(a_verdict("REJECTED", 7, 1))
    assert due(judged) == []  # nothing is published that could show it
    store.set_review_tasks({"c1": 11, "c2": 12})
    assert due(judged) == [("c1", "REJECTED", ("too_vague",))]
    store.note_marks(store.marks_due("p1"))
    assert due(judged) == []
    # the same status for another reason is to be shown anew, and so is its withdrawal
    store.save_verdict(a_verdict("REJECTED", 7, 2, reasons=("wrong",)))
    assert due(judged) == [("c1", "REJECTED", ("wrong",))]
    store.note_seen([Mark("c1", 11, "REJECTED")])  # as it still stands in Label Studio
    assert due(judged) == [("c1", "REJECTED", ("wrong",))]
    store.note_marks(store.marks_due("p1"))
    store.withdraw_verdict(7)
    assert due(judged) == [("c1", "", ())]
    store.note_marks(store.marks_due("p1"))
    assert due(judged) == []
    assert store.marks_due("p2") == []


def test_a_mark_does_not_stand_for_what_was_said_while_it_was_made(judged: World):
    store = judged.store
    store.set_review_tasks({"c1": 11})
    store.save_verdict(a_verdict("REJECTED", 7, 1))
    marks = store.marks_due("p1")
    store.save_verdict(a_verdict("REJECTED", 7, 2, reasons=("wrong",)))
    store.note_marks(marks)
    assert due(judged) == [("c1", "REJECTED", ("wrong",))]
    store.note_marks(store.marks_due("p1"))
    assert due(judged) == []


def test_a_mark_that_was_lost_in_label_studio_is_due_again(judged: World):
    store = judged.store
    store.set_review_tasks({"c1": 11})
    store.save_verdict(a_verdict("ACCEPTED", 7, 1))
    store.note_marks(store.marks_due("p1"))
    store.note_seen([Mark("c1", 11, "ACCEPTED")])
    assert due(judged) == []
    store.note_seen([Mark("c1", 11, "")])
    assert due(judged) == [("c1", "ACCEPTED", ())]


def test_canaries_are_marked_like_the_others(judged: World):
    store = judged.store
    store.add_canaries([Canary("k1", "run1", "c1", "changed_number", FIELDS, 0.1, review_task=21)])
    assert due(judged) == []
    with store._write() as connection:
        for annotation, status, moment in (
            (1, "ACCEPTED", "2026-01-01"),
            (2, "REJECTED", "2026-02"),
        ):
            row = {"annotation_id": annotation, "canary_id": "k1", "status": status}
            row |= {"reasons": ["wrong"], "decided_at": moment}
            connection.execute(insert(canary_verdicts_table).values(row))
    [mark] = store.marks_due("p1")
    assert mark == Mark("k1", 21, "REJECTED", ("wrong",), is_canary=True)
    store.note_marks([mark])
    assert due(judged) == []


def test_every_annotation_that_says_something_is_known(judged: World):
    store = judged.store
    store.save_verdict(a_verdict("ACCEPTED", 7, 1))
    store.save_verdict(a_verdict("REJECTED", 8, 2))
    store.save_verdict(a_verdict("ACCEPTED", 9, 2, candidate_id="c2"))
    assert store.standing_annotations("p1") == {7: "c1", 8: "c1", 9: "c2"}
    store.withdraw_verdict(8)
    assert store.standing_annotations("p1") == {7: "c1", 9: "c2"}
    assert store.standing_annotations("p2") == {}
