"""Seed expansion: new examples of the same kind and label as a handful of verified seeds."""

from __future__ import annotations

from collections.abc import Mapping

from seedbed import rubrics
from seedbed.technique import OutputField, SourceField, Technique, TrainingRow


def _row(source: Mapping[str, str], output: Mapping[str, str]) -> TrainingRow:
    label = output.get("label", "")
    if label:
        return TrainingRow(prompt=output["example"], completion=label)
    return TrainingRow(prompt="", completion=output["example"])


TECHNIQUE = Technique(
    name="expand",
    title="Seed expansion",
    help="Writes new examples like your verified ones, with the label that you ask for.",
    source_fields=(
        SourceField("seed", "a verified example"),
        SourceField("label", "its class", is_required=False, is_label=True),
    ),
    output_fields=(
        OutputField("example", "a new example of the same kind"),
        OutputField("label", "its class", is_label=True),
    ),
    system="""\
You write one new example for a training set, of the same kind as the examples you are \
shown. Do not copy one: change the facts and the wording.
Answer as JSON: {% if labels %}{"example": "...", "label": "..."}\
{% else %}{"example": "..."}{% endif %}""",
    user="""\
{% for peer in peers %}
- {% if peer.label %}[{{ peer.label }}] {% endif %}{{ peer.seed }}
{% endfor %}
- {% if label %}[{{ label }}] {% endif %}{{ seed }}

Write one new example{% if label %} with the label [{{ label }}]{% endif %}.""",
    filters={
        "heuristics": {"fields": ["example"], "source_field": "seed"},
        "similarity": {
            "fields": ["example"],
            "source_field": "seed",
            "minimum": 0.60,
            "maximum": 0.90,
        },
        "dedup": {"fields": ["example"]},
        "top_fraction": {"keep_fraction": 0.65},
    },
    row=_row,
    dedup_fields=("example",),
    real_field="seed",
    group_field="label",
    n_peers=9,
    temperature=0.9,
    score_columns=("similarity",),
    reject_reasons=(
        "wrong label",
        "unrealistic",
        "too close to seed",
        "duplicate",
        "unsafe or private",
    ),
    rubric=rubrics.built_in("expand"),
)
