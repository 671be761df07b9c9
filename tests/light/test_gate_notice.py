"""The gate's word in a review project's description: readable, and read back without any doubt."""

from dataclasses import replace

import pytest

from seedbed import gate_notice
from seedbed.gate_notice import RELEASED, RunNotice, parse, update, write

RUN, OTHER = "0123456789abcdef01234567", "fedcba987654321001234567"
PASSED = RunNotice(RUN, "passed", 0.8, 60, 60, 56 / 60, 0.8408, 0.9738)
OPEN = RunNotice(OTHER, "open", 0.8, 30, 0, None, 0.0, 1.0)


def test_a_person_can_read_it():
    half = replace(OPEN, n_judged=12, rate=0.75, low=0.4677, high=0.9111)
    held = replace(PASSED, state="held", is_by_manager=True)
    assert write([PASSED, OPEN]).splitlines() == [
        "Made by Seedbed. Review gate:",
        f"run {RUN} passed: 93.3 % of 60 accepted (95 % interval 84.1-97.4 %, target 80 %)",
        f"run {OTHER} open: none of 30 judged yet (target 80 %)",
    ]
    assert write([half, held]).splitlines()[1:] == [
        f"run {OTHER} open: 75.0 % of 12 judged of 30 accepted "
        "(95 % interval 46.8-91.1 %, target 80 %)",
        f"run {RUN} held by a manager: 93.3 % of 60 accepted "
        "(95 % interval 84.1-97.4 %, target 80 %)",
    ]


@pytest.mark.parametrize("state", ["open", "needs_review", "passed", "held", "released"])
@pytest.mark.parametrize("is_by_manager", [False, True])
def test_what_is_written_is_read_back(state, is_by_manager):
    notice = replace(PASSED, state=state, is_by_manager=is_by_manager)
    assert parse(write([notice, OPEN])) == {RUN: state, OTHER: "open"}
    assert parse(write([notice]).replace("\n", "\r\n") + "\r\n") == {RUN: state}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "run passed: all of them",
        f"run {RUN}: passed",
        f"run {RUN} Passed: 100 %",
        f"run {RUN} passed",
        f"run {RUN} approved: 100 % of 60 accepted",
        f"We think that run {RUN} passed: 100 % of 60 accepted",
        f"run {RUN} passed by us: 100 % of 60 accepted",
    ],
)
def test_what_is_not_said_in_so_many_words_is_not_said(text):
    assert parse(text) == {}


def test_half_an_id_is_no_run():
    assert RUN not in parse(write([replace(PASSED, run=RUN[:8])]))


def test_a_run_named_twice_with_different_states_is_not_released():
    text = f"{write([replace(PASSED, state='held')])}\nnote of March:\n{write([PASSED])}"
    assert RUN not in parse(text)
    assert parse(f"{write([PASSED])}\n{write([PASSED])}") == {RUN: "passed"}


def test_what_people_wrote_stays_and_the_notice_is_replaced():
    text = update("Ask Mary first.\n\nMade by Seedbed.", [OPEN])
    assert text == f"Ask Mary first.\n\n{write([OPEN])}"
    more = text + "\nDeadline: Friday\n"
    after = update(more, [PASSED, OPEN])
    assert after == f"Ask Mary first.\n\nDeadline: Friday\n\n{write([PASSED, OPEN])}"
    assert update(after, [PASSED, OPEN]) == after
    assert update("Made by Seedbed.", []) == "Made by Seedbed."


def test_of_many_runs_every_released_one_is_listed_and_the_newest_others():
    others = [replace(OPEN, run=f"{n:024x}") for n in range(gate_notice.MAX_UNRELEASED + 2)]
    text = write([*others, PASSED])
    assert text.endswith("and 2 older runs that are not released")
    found = parse(text)
    assert len(found) == gate_notice.MAX_UNRELEASED + 1
    assert [run for run, state in found.items() if state in RELEASED] == [RUN]
    assert update(text, [PASSED]) == write([PASSED])
