"""What a run learns from earlier verdicts: chosen, fitted, frozen, and shown in its prompts."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from seedbed import recipe as recipes
from seedbed.records import Candidate, Completion, SourceTask, Verdict
from seedbed_backend import feedback
from seedbed_backend.feedback import Avoided, Feedback, FewShot

QA = recipes.parse({"technique": "qa", "few_shot": 2, "avoid": 2})
PASSAGE = "The fee is 25 EUR. It is due in May."


def judged(name, status, minute, *, source="", fields=None, reasons=(), technique="qa"):
    """Stand for a stored candidate: what choosing looks at."""
    said = {"question": f"What about {name}?", "answer": f"{name} it is", "quote": "The fee"}
    said = said if fields is None else fields
    shown = SourceTask(source or f"s-{name}", {"passage": PASSAGE})
    verdict = Verdict(name, status, said, reasons, decided_at=f"2026-01-01T10:{minute:02}:00Z")
    candidate = Candidate(name, shown, said)
    return StoredLike(candidate=candidate, verdict=verdict)


class StoredLike(SimpleNamespace):
    @property
    def evidence(self):
        return {}


class Judged:
    def __init__(self, *found):
        self.found = found

    def judged_candidates(self, project_id):
        return list(self.found)


def choose(*found, recipe=QA):
    return feedback.choose(Judged(*found), "p", recipe)


def test_nothing_is_learned_unless_the_recipe_says_so():
    plain = recipes.parse({"technique": "qa"})
    assert not choose(judged("a", "FIXED", 1), recipe=plain)


def test_corrected_and_rejected_ones_are_chosen_and_accepted_ones_not():
    found = choose(
        judged("a", "ACCEPTED", 3),
        judged("b", "FIXED", 2),
        judged("c", "REJECTED", 1, reasons=("trivial",)),
    )
    assert [shot.candidate for shot in found.few_shot] == ["b"]
    assert [(a.candidate, a.reasons) for a in found.avoid] == [("c", ("trivial",))]


def test_the_newest_of_each_source_and_then_the_least_alike():
    alike = {"question": "What is the processing fee of it?", "answer": "25 EUR", "quote": "25"}
    nearly = alike | {"question": "What is the processing fee of it now?"}
    other = {"question": "When does the contract end?", "answer": "in May", "quote": "May"}
    found = choose(
        judged("old", "FIXED", 1, source="s1", fields=other),
        judged("new", "FIXED", 9, source="s1", fields=alike),
        judged("near", "FIXED", 8, fields=nearly),
        judged("far", "FIXED", 2, fields=other),
    )
    assert [shot.candidate for shot in found.few_shot] == ["new", "far"]


def test_the_order_in_which_they_come_does_not_matter():
    given = [judged(f"c{n}", "FIXED", n % 3) for n in range(12)]
    assert choose(*given) == choose(*given[::-1])


@pytest.mark.parametrize("reason", sorted(feedback.NOT_TAUGHT))
def test_personal_data_and_repeats_are_no_lesson(reason):
    assert not choose(judged("a", "REJECTED", 1, reasons=("trivial", reason)))


def test_a_correction_that_could_not_be_an_answer_is_left_out():
    no_quote = {"question": "What?", "answer": "25 EUR", "quote": ""}
    assert not choose(judged("a", "FIXED", 1, fields=no_quote))


def test_it_is_kept_as_json_and_read_back():
    found = choose(judged("a", "FIXED", 1), judged("b", "REJECTED", 2, reasons=("trivial",)))
    kept = json.loads(json.dumps(found.to_dict()))
    assert Feedback.of(kept) == found
    assert Feedback.of(None) == Feedback()


FULL = Feedback(
    tuple(FewShot(f"f{n}", f"s{n}", {"passage": PASSAGE}, {}) for n in range(3)),
    tuple(Avoided(f"a{n}", "text", ()) for n in range(2)),
)


def n_shown(shown):
    return len(shown.few_shot), len(shown.avoid)


@pytest.mark.parametrize(
    ("room", "expected"), [(9, (3, 2)), (5, (3, 2)), (4, (1, 1)), (1, (1, 0)), (0, (0, 0))]
)
def test_as_much_as_every_source_has_room_for(room, expected):
    def excess_of(part):
        tokens = max(0, sum(n_shown(part)) - room)
        return {"short": 0, "long": tokens, "too long anyway": 50 + tokens}

    shown, excess = feedback.fitted(FULL, excess_of)
    assert n_shown(shown) == expected
    assert shown.n_left_out == 5 - sum(expected)
    assert (excess["short"], excess["long"]) == (0, 0)


def test_corrected_ones_become_turns_and_rejected_ones_a_warning():
    source = SourceTask("s9", {"passage": "The term is two years."})
    found = choose(judged("a", "FIXED", 1), judged("b", "REJECTED", 2, reasons=("trivial",)))
    plain = QA.spec.prompt(source)
    prompt = QA.spec.prompt(source, **found.for_source(source.id))
    assert [m.role for m in prompt.messages] == ["system", "user", "assistant", "user"]
    system, asked, answered, last = prompt.messages
    assert system.content == (
        plain.messages[0].content
        + "\n\nReviewers rejected these. Do not write the like:\n- What about b? b it is (trivial)"
    )
    assert asked.content == PASSAGE
    assert json.loads(answered.content) == {
        "quote": "The fee",
        "question": "What about a?",
        "answer": "a it is",
    }
    assert last == plain.messages[1]
    assert prompt.schema == plain.schema
    assert prompt.hash != plain.hash
    # nobody is shown the answer to his own question
    own = QA.spec.prompt(replace(source, id="s-a"), **found.for_source("s-a"))
    assert [m.role for m in own.messages] == ["system", "user"]


def test_records_are_shown_with_their_types():
    columns = [
        {"name": "narrative", "type": "text"},
        {"name": "amount", "type": "number", "decimals": 2},
        {"name": "paid", "type": "boolean", "optional": True},
    ]
    plan = recipes.parse({"technique": "expand", "columns": columns, "few_shot": 1, "n_peers": 1})
    seed = SourceTask("s1", {"narrative": "Rent", "amount": "12.50"})
    fixed = {"narrative": "Rent of May", "amount": "13.00"}
    given = judged("a", "FIXED", 1, fields=fixed)
    given.candidate = replace(given.candidate, source=seed)
    found = choose(given, recipe=plan)
    prompt = plan.spec.prompt(SourceTask("s2", seed.fields), **found.for_source("s2"))
    answer = prompt.messages[2].content
    assert json.loads(answer) == {"narrative": "Rent of May", "amount": 13.0, "paid": None}
    assert '"narrative": "Rent"' in prompt.messages[1].content


def test_a_label_steers_the_example_as_it_steers_the_source():
    plan = recipes.parse({"technique": "expand", "labels": ["a", "b"], "few_shot": 1})
    given = judged("x", "FIXED", 1, fields={"example": "A new one", "label": "a"})
    given.candidate = replace(
        given.candidate, source=SourceTask("s1", {"seed": "Old", "label": "a"})
    )
    found = choose(given, recipe=plan)
    source = SourceTask("s2", {"seed": "Other", "label": "b"})
    prompt = plan.spec.prompt(source, labels=plan.labels, **found.for_source("s2"))
    assert "with the label [a]" in prompt.messages[1].content
    assert json.loads(prompt.messages[2].content) == {"example": "A new one", "label": "a"}
    assert "with the label [b]" in prompt.messages[3].content
    # a person who gave it a label that the source does not have: no example of that source
    given.verdict = replace(given.verdict, fields={"example": "A new one", "label": "b"})
    assert not choose(given, recipe=plan)


def test_the_parser_is_asked_whether_it_could_be_an_answer():
    text = QA.spec.answer({"question": "Q?", "answer": "A", "quote": "c"})
    completion = Completion("", "s", "", 0, text, "stop", 0)
    assert completion.text == '{"quote": "c", "question": "Q?", "answer": "A"}'
