"""Paraphrase: the same meaning in other words, for a labelled or unlabelled text."""

from __future__ import annotations

from collections.abc import Mapping

from seedbed import rubrics
from seedbed.spoilers import changed_number, negated, other_output
from seedbed.technique import Fields, OutputField, SourceField, Technique, TrainingRow


def _row(source: Mapping[str, str], output: Mapping[str, str]) -> TrainingRow:
    if source.get("label"):
        return TrainingRow(prompt=output["paraphrase"], completion=source["label"])
    return TrainingRow(prompt=source["original"], completion=output["paraphrase"])


def _read_row(row: TrainingRow, is_labelled: bool) -> Fields | None:
    if is_labelled:
        return {"original": row.prompt, "label": row.completion}, {"paraphrase": row.prompt}
    return {"original": row.prompt}, {"paraphrase": row.completion}


TECHNIQUE = Technique(
    name="paraphrase",
    title="Paraphrase",
    help="Rewrites each example in other words: meaning and label stay, wording changes.",
    source_fields=(
        SourceField("original", "the text to rewrite"),
        SourceField("label", "its class", is_required=False, is_label=True),
    ),
    output_fields=(OutputField("paraphrase", "the same meaning in other words"),),
    system="""\
You rewrite text for a training set. Say the same thing in other words: change the wording and the \
order, keep every name, number, date, amount, condition and negation.
{% if glossary %}
Keep these terms as they are: {{ glossary | join(", ") }}.
{% endif %}
Answer as JSON: {"paraphrase": "..."}""",
    user="{{ original }}",
    filters={
        "heuristics": {"fields": ["paraphrase"], "source_field": "original"},
        "privacy": {},
        "memorization": {},
        "protected_terms": {"fields": ["paraphrase"], "source_field": "original"},
        # The textbook window. Above its end a candidate must prove that it is no copy, for most good
        # rewrites lie there; `window: strict` drops them all.
        "similarity": {
            "fields": ["paraphrase"],
            "source_field": "original",
            "window": "proven",
            "minimum": 0.70,
            "maximum": 0.90,
        },
        "label_neighbours": {"fields": ["paraphrase"], "source_field": "original"},
        "dedup": {"fields": ["paraphrase"], "siblings_agree": True},
        "top_fraction": {"keep_fraction": 0.65},
    },
    row=_row,
    read_row=_read_row,
    dedup_fields=("paraphrase",),
    real_field="original",
    group_field="label",
    score_columns=("similarity", "protected_terms"),
    reject_reasons=(
        "meaning changed",
        "too close",
        "not fluent",
        "duplicate",
        "unsafe or private",
    ),
    canaries={
        "changed_number": changed_number("paraphrase", "original"),
        "negated": negated("paraphrase"),
        "other_output": other_output,
    },
    rubric=rubrics.built_in("paraphrase"),
)
