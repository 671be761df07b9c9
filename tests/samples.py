"""One candidate of every technique, and the review task it becomes."""

from __future__ import annotations

from typing import Any

from seedbed import labeling, registry
from seedbed.examples import Review
from seedbed.records import Candidate, Example, SourceTask, content_id

PASSAGE = (
    "Loan agreement 🚀, clause 4.\n"
    "The borrower pays a processing fee of 25 EUR when the loan is disbursed. "
    "In 2023 it was waived for students.\n"
    "Early repayment is free of charge after twelve months."
)
SAMPLES = {
    "paraphrase": (
        {"original": "My parcel has not arrived after 5 days.", "label": "delivery"},
        {"paraphrase": "After 5 days my parcel is still not here."},
    ),
    "expand": (
        {"seed": "My card was charged twice.", "label": "billing"},
        {"example": "Your shop took the money two times from my account.", "label": "billing"},
    ),
    "dpo": (
        {"prompt": "May I repay my loan early?"},
        {
            "chosen": "Yes, free of charge after twelve months (clause 4).",
            "rejected": "Hello! Great question, we would love to help you with anything.",
        },
    ),
    "qa": (
        {"passage": PASSAGE, "document": "loan.md"},
        {
            "question": "What is the processing fee of the loan?",
            "answer": "25 EUR",
            "quote": "a processing fee of 25 EUR",
        },
    ),
}
LABELS = ("billing", "delivery", "refund")


def review_task(technique_name: str, number: int = 0) -> tuple[Candidate, dict[str, Any]]:
    """Return a candidate and the review task for it, as publishing makes them."""
    technique = registry.technique(technique_name)
    source, fields = SAMPLES[technique_name]
    candidate = Candidate(
        content_id("sample", technique_name, number), SourceTask.of(source), fields
    )
    span = None
    if "quote" in fields:
        start = PASSAGE.index(fields["quote"])
        span = (start, start + len(fields["quote"]))
    data = labeling.review_data(
        technique,
        candidate,
        draw=round((number % 100) / 100, 4),
        score=0.84,
        scores={**dict.fromkeys(technique.score_columns, 0.91), "heuristics": 1.0, "dedup": 0.62},
        stratum=f"{technique_name}/-/high",
        batch="b-1",
        run="r-1",
        guide=[str(rule["text"]) for rule in technique.style_guide],
        provenance={
            "recipe": "9f86d081884c7d65",
            "prompt": "2c26b46b68ffc68ff99b453c",
            "model": {"name": "demo-q4_k_m.gguf", "sha256": "fcde2b2edba5"},
            "rng_seed": 17,
        },
    )
    predicted = labeling.prediction(
        technique, fields, 0.84, span, source_text=source[technique.text_field]
    )
    return candidate, {"data": data, "predictions": [predicted]}


def approved_example(task: dict[str, Any]) -> Example | None:
    """Return what people made of a review task, or None unless its newest verdict is for it."""
    review = Review.of(task)
    if review is None or not review.is_candidate or review.outcome != "approved":
        return None
    return review.approved(lambda user: user)
