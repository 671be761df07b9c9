"""What reviewers do with one task, and what each of them means by it: a script an act.

Every script does the real thing in Label Studio and writes down by hand what must follow.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reviewing.book import NOTHING, SKIPPED, Book, Said
from reviewing.team import Person, Sheet


@dataclass
class Desk:
    """One reviewer at work on the tasks of one project. `shown` is what each candidate shows."""

    person: Person
    book: Book
    shown: Mapping[str, Mapping[str, str]]
    rng: random.Random = field(default_factory=random.Random)

    def submit(self, task: Task, result: Result, said: Said, **how: Any) -> int:
        """Submit, and write down what was said by it; return the annotation's id."""
        seconds = round(self.rng.uniform(2.5, 40), 2)
        annotation = self.person.submit(task, result, seconds=seconds, **how)
        self._note(task, said, annotation, seconds)
        return annotation

    def update(self, task: Task, annotation: int, result: Result, said: Said, **how: Any) -> None:
        """Change an annotation of one's own."""
        seconds = round(self.rng.uniform(2.5, 40), 2)
        self.person.update(task, annotation, result, seconds=seconds, **how)
        self._note(task, said, annotation, seconds)

    def delete(self, task: Task, annotation: int) -> None:
        """Delete an annotation."""
        self.person.delete(annotation)
        self.book.strike(task["data"]["cid"], annotation)

    def accept(self, task: Task, **how: Any) -> int:
        """Accept as it stands."""
        return self.submit(task, Sheet(task).accept(), self.accepted(task), **how)

    def reject(self, task: Task, *reasons: str) -> int:
        """Reject as it stands."""
        reasons = reasons or (REASONS[0],)
        return self.submit(task, Sheet(task).reject(*reasons), self.rejected(task, *reasons))

    def fix(self, task: Task, name: str, text: str) -> int:
        """Correct one field and accept."""
        result = Sheet(task).write(name, text).accept()
        return self.submit(task, result, self.fixed(task, **{name: text}))

    def skip(self, task: Task) -> int:
        """Skip: what is sent is all that was shown."""
        return self.submit(task, Sheet(task).result, SKIPPED, is_skip=True)

    def convert(self, task: Task) -> None:
        """Copy the prediction to an annotation, by the action for that: it says nothing."""
        self.person.convert(task["project"], [task["id"]])
        self.book.note(task["data"]["cid"], replace(NOTHING, annotation=-task["id"]))

    def accepted(self, task: Task, note: str = "") -> Said:
        """Say that it is accepted as it is shown."""
        return Said("ACCEPTED", self._shown(task), note=note)

    def fixed(self, task: Task, **changes: str) -> Said:
        """Say that it is accepted with changes."""
        return Said("FIXED", {**self._shown(task), **changes})

    def rejected(self, task: Task, *reasons: str, note: str = "", **changes: str) -> Said:
        """Say that it is rejected."""
        return Said("REJECTED", {**self._shown(task), **changes}, reasons, note)

    def _shown(self, task: Task) -> dict[str, str]:
        return dict(self.shown[task["data"]["cid"]])

    def _note(self, task: Task, said: Said, annotation: int, seconds: float) -> None:
        self.book.note(
            task["data"]["cid"],
            replace(said, reviewer=self.person.id, seconds=seconds, annotation=annotation),
        )


Task = Mapping[str, Any]
Result = list[dict[str, Any]]
Script = Callable[[Desk, Desk, Desk, Task], None]
"""Called with the first and the second reviewer, the manager, and the task."""

REASONS = ("not grounded", "wrong answer", "unclear question", "trivial", "duplicate")


# --- accepted in the end -------------------------------------------------------------------------


def accepts(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.accept(task)


def accepts_with_a_line_break_at_the_end(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    sheet = Sheet(task)
    one.submit(
        task, sheet.write("answer", sheet.value("answer") + "\n ").accept(), one.accepted(task)
    )


def edits_and_changes_back(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    sheet = Sheet(task)
    was = sheet.value("answer")
    one.submit(task, sheet.write("answer", "?").write("answer", was).accept(), one.accepted(task))


def fixes_and_takes_the_fix_back(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    annotation = one.fix(task, "answer", "Never.")
    one.update(task, annotation, Sheet(task).accept(), one.accepted(task))


def rejects_and_thinks_better_of_it(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    annotation = one.reject(task)
    one.update(task, annotation, Sheet(task).accept(), one.accepted(task))


def is_overruled_by_an_accept(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.reject(task)
    two.accept(task)


def skips_what_another_accepts(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.skip(task)
    two.accept(task)


def accepts_what_another_skips(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.accept(task)
    two.skip(task)


def comes_back_to_a_skipped_one(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    annotation = one.skip(task)
    one.update(task, annotation, Sheet(task).accept(), one.accepted(task))


def accepts_beside_a_bulk_copy(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    manager.convert(task)
    one.accept(task)


def accepts_before_a_bulk_copy(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    # Label Studio copies no prediction that an annotation names as its parent; a program's may not.
    one.accept(task, has_parent=False)
    manager.convert(task)


def accepts_and_the_second_word_is_deleted(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.accept(task)
    two.delete(task, two.reject(task))


def accepts_after_a_draft(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    two.person.draft(task, Sheet(task).reject(REASONS[0]))
    one.accept(task)


def accepts_with_a_note(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    result = Sheet(task).note("Fine, but dull.").accept()
    one.submit(task, result, one.accepted(task, note="Fine, but dull."))


# --- fixed in the end ----------------------------------------------------------------------------


def fixes_the_answer(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.fix(task, "answer", f"{Sheet(task).value('answer')} No longer.")


def fixes_question_and_answer(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    result = Sheet(task).write("question", "How long?").write("answer", "Long.\nVery.").accept()
    one.submit(task, result, one.fixed(task, question="How long?", answer="Long.\nVery."))


def changes_the_case_of_a_letter(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.fix(task, "answer", Sheet(task).value("answer").upper())


def moves_the_evidence(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    line = task["data"]["passage"].split("\n")[0]
    one.submit(task, Sheet(task).unmark().mark(line).accept(), one.fixed(task, quote=line))


def takes_the_evidence_away(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    had = "quote" in one.shown[task["data"]["cid"]]
    said = one.fixed(task, quote="") if had else one.accepted(task)
    one.submit(task, Sheet(task).unmark().accept(), said)


def accepts_and_then_corrects(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    annotation = one.accept(task)
    result = Sheet(task).write("answer", "Seven days.").accept()
    one.update(task, annotation, result, one.fixed(task, answer="Seven days."))


def corrects_a_correction(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.fix(task, "answer", "Six days.")
    two.fix(task, "answer", "Seven days.")


# --- rejected in the end -------------------------------------------------------------------------


def rejects(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.reject(task, one.rng.choice(REASONS))


def rejects_for_two_reasons(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.reject(task, REASONS[1], REASONS[3])


def edits_and_rejects_all_the_same(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    result = Sheet(task).write("answer", "Who knows.").note("Hopeless.").reject(REASONS[2])
    said = one.rejected(task, REASONS[2], note="Hopeless.", answer="Who knows.")
    one.submit(task, result, said)


def accepts_and_thinks_worse_of_it(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    annotation = one.accept(task)
    result = Sheet(task).reject(REASONS[0])
    one.update(task, annotation, result, one.rejected(task, REASONS[0]))


def is_overruled_by_a_reject(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.accept(task)
    two.reject(task, REASONS[4])


def rejects_and_the_second_word_is_deleted(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.reject(task, REASONS[1])
    two.delete(task, two.accept(task))


def rejects_beside_a_bulk_copy(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    manager.convert(task)
    one.reject(task, REASONS[0])


# --- undecided in the end ------------------------------------------------------------------------


def skips(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.skip(task)


def skips_like_another(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.skip(task)
    two.skip(task)


def submits_an_empty_annotation(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.submit(task, [], NOTHING)


def submits_without_a_verdict(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.submit(task, Sheet(task).result, NOTHING)


def accepts_without_a_question(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    result = [r for r in Sheet(task).accept() if r["from_name"] != "question"]
    one.submit(task, result, NOTHING)


def leaves_a_draft(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.person.draft(task, Sheet(task).accept())


def converts_in_bulk(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    manager.convert(task)


def deletes_the_only_word(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    one.delete(task, one.accept(task))


def accepts_and_then_skips(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    annotation = one.accept(task)
    one.update(task, annotation, Sheet(task).accept(), SKIPPED, is_skip=True)


def takes_the_verdict_out_again(one: Desk, two: Desk, manager: Desk, task: Task) -> None:
    annotation = one.reject(task)
    one.update(task, annotation, Sheet(task).result, NOTHING)


ACCEPTING: tuple[Script, ...] = (
    accepts_with_a_line_break_at_the_end,
    edits_and_changes_back,
    fixes_and_takes_the_fix_back,
    rejects_and_thinks_better_of_it,
    is_overruled_by_an_accept,
    skips_what_another_accepts,
    accepts_what_another_skips,
    comes_back_to_a_skipped_one,
    accepts_beside_a_bulk_copy,
    accepts_before_a_bulk_copy,
    accepts_and_the_second_word_is_deleted,
    accepts_after_a_draft,
    accepts_with_a_note,
)
FIXING: tuple[Script, ...] = (
    fixes_the_answer,
    fixes_question_and_answer,
    changes_the_case_of_a_letter,
    moves_the_evidence,
    takes_the_evidence_away,
    accepts_and_then_corrects,
    corrects_a_correction,
)
REJECTING: tuple[Script, ...] = (
    rejects,
    rejects_for_two_reasons,
    edits_and_rejects_all_the_same,
    accepts_and_thinks_worse_of_it,
    is_overruled_by_a_reject,
    rejects_and_the_second_word_is_deleted,
    rejects_beside_a_bulk_copy,
)
UNDECIDED: tuple[Script, ...] = (
    skips,
    skips_like_another,
    submits_an_empty_annotation,
    submits_without_a_verdict,
    accepts_without_a_question,
    leaves_a_draft,
    converts_in_bulk,
    deletes_the_only_word,
    accepts_and_then_skips,
    takes_the_verdict_out_again,
)
