"""Q&A pairs: a question that a document answers, the answer, and the words that support it."""

from __future__ import annotations

from collections.abc import Mapping

from seedbed import rubrics
from seedbed.technique import OutputField, SourceField, Technique, TrainingRow


def _row(source: Mapping[str, str], output: Mapping[str, str]) -> TrainingRow:
    return TrainingRow(
        prompt=f"{source['passage']}\n\n{output['question']}", completion=output["answer"]
    )


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
        "memorization": {},
        "grounding": {
            "answer_field": "answer",
            "question_field": "question",
            "quote_field": "quote",
            "source_field": "passage",
        },
        "similarity": {
            "fields": ["question", "answer"],
            "source_field": "passage",
            "against": "best_sentence",
            "minimum": 0.60,
            "maximum": 0.90,
        },
        # The same question about two contracts is no duplicate where their answers differ.
        "dedup": {"fields": ["question", "answer"]},
        "top_fraction": {"keep_fraction": 0.65},
    },
    row=_row,
    dedup_fields=("question", "answer"),
    group_field="document",
    score_columns=("grounding", "similarity"),
    reject_reasons=(
        "not grounded",
        "wrong answer",
        "unclear question",
        "trivial",
        "duplicate",
        "unsafe or private",
    ),
    rubric=rubrics.built_in("qa"),
)
