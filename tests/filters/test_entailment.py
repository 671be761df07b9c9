import numpy as np
import pytest

from filters.support import candidate, context, screen_one
from seedbed_backend.filters import ScreenContext
from seedbed_backend.filters.entailment import Entailment

PASSAGE = (
    "The courier collects parcels at noon. Parcels over 20 kg need two people. "
    "Claims must be made within seven days. The depot is closed on Sunday."
)
QA = Entailment(fields=("answer",), question_field="question", source_field="passage")
BOTH = Entailment(
    fields=("paraphrase",), source_field="original", against="text", both_directions=True
)


class Judge:
    """Says what it was told for a pair whose texts contain the given words, else 0.9."""

    def __init__(self, verdicts=()):
        self.verdicts = verdicts
        self.calls = []

    def entailment(self, pairs):
        self.calls.append(list(pairs))
        return np.array([self.of(*pair) for pair in pairs], dtype=np.float32)

    def of(self, premise, statement):
        for in_premise, in_statement, probability in self.verdicts:
            if in_premise in premise and in_statement in statement:
                return probability
        return 0.9


def with_model(model):
    ctx = context("qa")
    return ScreenContext(ctx.recipe, ctx.encoder, entailment=model)


def qa(answer, question="What are the rules for parcels?"):
    return candidate(source={"passage": PASSAGE}, question=question, answer=answer)


def test_without_a_model_everything_is_kept_unscored():
    decision = screen_one(QA, qa("Parcels are free."), context("qa"))
    assert decision.keep
    assert decision.score is None


def test_the_worst_supported_sentence_decides():
    model = Judge([("", "Claims", 0.2)])
    answer = "Parcels over 20 kg need two people to carry them up. Claims are possible for a year."
    decision = screen_one(QA, qa(answer), with_model(model))
    assert decision.reason == "not_implied"
    assert decision.score == pytest.approx(0.2)
    assert decision.evidence["statement"] == "Claims are possible for a year."
    assert "Claims must be made" in decision.evidence["passage"]


def test_the_best_passage_counts_for_a_sentence():
    model = Judge([("two people", "", 0.8), ("", "", 0.1)])
    decision = screen_one(QA, qa("Parcels over 20 kg need two people."), with_model(model))
    assert decision.keep
    assert decision.score == pytest.approx(0.8)


def test_a_short_answer_stands_behind_its_question():
    model = Judge()
    screen_one(QA, qa("seven days", "Within what time must claims be made?"), with_model(model))
    assert {s for _, s in model.calls[0]} == {"Within what time must claims be made? seven days"}


def test_a_paraphrase_is_held_against_its_source_in_both_directions():
    source = {"original": "Parcels need two people."}
    less = candidate(source=source, paraphrase="Parcels need people.")
    model = Judge([("need people", "two", 0.3)])
    decision = screen_one(BOTH, less, with_model(model))
    assert decision.reason == "source_not_implied"
    assert len(model.calls[0]) == 2
    more = candidate(source=source, paraphrase="Parcels need two strong people.")
    decision = screen_one(BOTH, more, with_model(Judge([("two people", "strong", 0.3)])))
    assert decision.reason == "not_implied"
    same = candidate(source=source, paraphrase="Two people are needed for parcels.")
    assert screen_one(BOTH, same, with_model(Judge())).keep


def test_a_batch_is_one_call_with_each_pair_once():
    model = Judge()
    QA.screen([qa("The depot is closed on Sunday.")] * 3 + [qa("")], with_model(model))
    [pairs] = model.calls
    assert len(pairs) == len(set(pairs))


def test_an_empty_answer_is_not_implied():
    assert screen_one(QA, qa(""), with_model(Judge())).reason == "not_implied"
