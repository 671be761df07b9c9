"""Q&A pairs: a question that a document answers, the answer, and the words that support it."""

from __future__ import annotations

from collections.abc import Mapping

from seedbed import rubrics
from seedbed.spoilers import changed_number, other_value
from seedbed.technique import Fields, OutputField, SourceField, Technique, TrainingRow


def _row(source: Mapping[str, str], output: Mapping[str, str]) -> TrainingRow:
    return TrainingRow(
        prompt=f"{source['passage']}\n\n{output['question']}", completion=output["answer"]
    )


def _read_row(row: TrainingRow, is_labelled: bool) -> Fields | None:
    passage, _, question = row.prompt.rpartition("\n\n")
    output = {"question": question, "answer": row.completion}
    return ({"passage": passage}, output) if passage else None


TECHNIQUE = Technique(
    name="qa",
    title="Q&A pairs",
    help="Asks questions that a document answers, with the answer and the evidence marked.",
    source_fields=(
        SourceField("passage", "a document, or a chunk of one"),
        SourceField("document", "the document's name", is_required=False),
    ),
    output_fields=(
        # The quote comes first: a small model that has copied the evidence answers from it.
        OutputField("quote", "the words of the passage that support the answer", max_length=1000),
        OutputField("question", "makes sense without the passage beside it", max_length=400),
        OutputField("answer", "found in the passage", max_length=1000),
    ),
    system="""\
You write one question about a document, and its answer, for a training set. The document must \
answer the question, and the question must make sense by itself. Quote the words that support the \
answer exactly as they stand.
Answer as JSON: {"quote": "...", "question": "...", "answer": "..."}""",
    user="{{ passage }}",
    filters={
        "heuristics": {"fields": ["question", "answer"], "source_field": "passage"},
        "privacy": {},
        # Not the quote, which is no part of a training row: one from elsewhere is no evidence, and
        # grounding finds the passage itself.
        "memorization": {"fields": ["question", "answer"]},
        "question_form": {
            "question_field": "question",
            "answer_field": "answer",
            "source_field": "passage",
        },
        "answerable": {
            "question_field": "question",
            "answer_field": "answer",
            "quote_field": "quote",
            "source_field": "passage",
        },
        # No cosine window here: for grounding, cosine carries almost nothing (FILTERS).
        "grounding": {
            "answer_field": "answer",
            "question_field": "question",
            "quote_field": "quote",
            "source_field": "passage",
        },
        # Keeps everything, unscored, where no NLI model is set.
        "entailment": {
            "fields": ["answer"],
            "question_field": "question",
            "source_field": "passage",
        },
        # The same question about two contracts is no duplicate where their answers differ.
        "dedup": {"fields": ["question", "answer"]},
        "question_mix": {
            "question_field": "question",
            "answer_field": "answer",
            "source_field": "passage",
        },
        "top_fraction": {"keep_fraction": 0.65},
    },
    row=_row,
    read_row=_read_row,
    dedup_fields=("question", "answer"),
    group_field="document",
    score_columns=("grounding", "answerable"),
    reject_reasons=(
        "not grounded",
        "wrong answer",
        "unclear question",
        "trivial",
        "duplicate",
        "unsafe or private",
    ),
    # The question and the marked words stay, so that only the answer is wrong.
    canaries={
        "other_answer": other_value("answer"),
        "changed_number": changed_number("answer", "passage"),
    },
    rubric=rubrics.built_in("qa"),
)
