"""Preference pairs: one reply that follows the style guide, one that breaks it."""

from __future__ import annotations

from collections.abc import Mapping

from seedbed import rubrics
from seedbed.spoilers import other_output, swapped
from seedbed.technique import Fields, OutputField, SourceField, Technique, TrainingRow


def _row(source: Mapping[str, str], output: Mapping[str, str]) -> TrainingRow:
    return TrainingRow(
        prompt=source["prompt"], completion=output["chosen"], rejected=output["rejected"]
    )


def _read_row(row: TrainingRow, is_labelled: bool) -> Fields | None:
    if row.rejected is None:
        return None
    return {"prompt": row.prompt}, {"chosen": row.completion, "rejected": row.rejected}


TECHNIQUE = Technique(
    name="dpo",
    title="Preference pairs",
    help="Writes a better and a worse reply to each instruction, by your style guide.",
    source_fields=(SourceField("prompt", "the instruction, with the text it is about"),),
    output_fields=(
        OutputField("chosen", "the reply that follows the style guide"),
        OutputField("rejected", "a plausible reply that breaks a rule of it"),
    ),
    system="""\
You write two replies to a request, for preference training. "chosen" follows every rule below; \
"rejected" is a plausible reply to the same request that breaks at least one of them.
{% for rule in style_guide %}
- {{ rule.text }}
{% endfor %}
Answer as JSON: {"chosen": "...", "rejected": "..."}""",
    user="{{ prompt }}",
    filters={
        "heuristics": {"fields": ["chosen", "rejected"], "source_field": "prompt"},
        "privacy": {},
        "memorization": {},
        "preference": {"chosen_field": "chosen", "rejected_field": "rejected"},
        "similarity": {
            "fields": ["chosen"],
            "source_field": "prompt",
            "against": "best_sentence",
            # On topic is enough: a reply may quote the text, and restates one part of it.
            "minimum": 0.40,
            "maximum": 1.0,
            "max_same_words": 1.0,
        },
        "dedup": {"fields": ["chosen"]},
        "top_fraction": {"keep_fraction": 0.65},
        "length_tell": {"chosen_field": "chosen", "rejected_field": "rejected"},
    },
    row=_row,
    read_row=_read_row,
    dedup_fields=("chosen",),
    score_columns=("preference", "similarity"),
    reject_reasons=(
        "gap too small",
        "both bad",
        "off topic",
        "duplicate",
        "unsafe or private",
    ),
    style_guide=(
        {"name": "concise", "text": "Be concise: one or two sentences.", "measure": "concise"},
        {
            "name": "cites_source",
            "text": "Name the clause that the reply rests on.",
            "measure": "cites_source",
        },
        {
            "name": "no_filler",
            "text": "No greeting, no filler, no promises.",
            "measure": "no_filler",
        },
    ),
    canaries={"swapped": swapped("chosen", "rejected"), "other_output": other_output},
    rubric=rubrics.built_in("dpo"),
)
