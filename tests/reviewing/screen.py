"""Ten tasks judged in Chromium, as they are served one after the other from the tab "Review sample"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from browser.chromium import Annotator
from reviewing.acts import REASONS, Desk
from reviewing.book import SKIPPED, Said


class AtTheScreen:
    """One reviewer in front of the stream; writes down what each act must lead to.

    `served` lists the candidates in the order in which they came.
    """

    def __init__(self, annotator: Annotator, desk: Desk, tasks: Mapping[int, Mapping[str, Any]]):
        self.annotator, self.page, self.desk, self.tasks = annotator, annotator.page, desk, tasks
        self.served: list[str] = []

    def judge_ten(self) -> None:
        """Do what reviewers do most, and what they do by mistake."""
        self.accept()
        self.reject("1")
        self.reject("1", "3")
        self.correct_the_answer()
        self.skip()
        self.correct_the_question()
        self.undo_a_correction()
        self.accept()
        self.accept()
        self.accept()
        self.think_better_of_the_last_one()

    def accept(self) -> None:
        self.annotator.press("a")
        self._submit()

    def reject(self, *keys: str) -> None:
        for key in ("r", *keys):
            self.annotator.press(key)
        self._submit("REJECTED", tuple(REASONS[int(key) - 1] for key in keys))

    def correct_the_answer(self) -> None:
        self._write(1, "Nine days.")
        self.annotator.press("a")
        self._submit("FIXED", answer="Nine days.")

    def correct_the_question(self) -> None:
        self._write(0, "How many days, did you say?")
        self.annotator.press("a")
        self._submit("FIXED", question="How many days, did you say?")

    def undo_a_correction(self) -> None:
        self._write(1, "Gone.")
        self.page.keyboard.press("Shift+Enter")  # the tick
        self.page.get_by_text("Gone.", exact=True).wait_for()
        self.page.get_by_test_id("bottombar-undo-button").click()
        self.page.get_by_text("Gone.", exact=True).wait_for(state="detached")
        self.accept()

    def skip(self) -> None:
        with self._posted() as answer:
            self.annotator.press("Control+ ")
        self._note(answer.value.json(), SKIPPED)
        self._next()

    def think_better_of_the_last_one(self) -> None:
        """Go back to the task before, and reject what was accepted."""
        self.page.get_by_test_id("prev-task").click()
        self.page.get_by_test_id("bottombar-update-button").wait_for()
        for key in ("r", "2"):
            self.annotator.press(key)
        with self.page.expect_response(
            lambda r: r.request.method == "PATCH" and "/annotations" in r.url
        ) as answer:
            self.page.keyboard.press("Control+Enter")
        fields = self.desk.shown[self.served[-1]]
        self._note(answer.value.json(), Said("REJECTED", fields, reasons=(REASONS[1],)))

    def _write(self, place: int, text: str) -> None:
        box = self.page.locator("[data-testid=htx-textbox-content]").nth(place)
        box.locator("xpath=..").get_by_role("button").first.click()
        self.page.locator("textarea").first.fill(text)

    def _submit(
        self, status: str = "ACCEPTED", reasons: Sequence[str] = (), **changes: str
    ) -> None:
        with self._posted() as answer:
            self.page.keyboard.press("Control+Enter")
        annotation = answer.value.json()
        shown = self.desk.shown[self.tasks[annotation["task"]]["data"]["cid"]]
        self._note(annotation, Said(status, {**shown, **changes}, reasons=tuple(reasons)))
        self._next()

    def _posted(self) -> Any:
        return self.page.expect_response(
            lambda r: r.request.method == "POST" and "/annotations" in r.url
        )

    def _next(self) -> None:
        """Wait until the next task stands there, whose buttons are fresh."""
        self.annotator.wait_for_task()
        self.page.get_by_test_id("bottombar-submit-button").wait_for()
        self.page.wait_for_timeout(300)

    def _note(self, annotation: Mapping[str, Any], said: Said) -> None:
        cid = self.tasks[annotation["task"]]["data"]["cid"]
        if cid not in self.served:
            self.served.append(cid)
        person = self.desk.person
        assert annotation["completed_by"] == person.id
        self.desk.book.note(
            cid,
            replace(
                said,
                reviewer=person.id,
                seconds=annotation["lead_time"],
                annotation=annotation["id"],
            ),
        )
