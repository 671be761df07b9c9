"""Seed expansion: new examples of the same kind and label as a handful of verified seeds.

Seeds are plain texts, or records with typed columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seedbed import rubrics
from seedbed.columns import Column, is_free_text
from seedbed.spoilers import other_value, spliced
from seedbed.technique import (
    Fields,
    OutputField,
    RowTemplate,
    SourceField,
    Technique,
    TrainingRow,
    typed,
)
from seedbed.templates import render


def _row(source: Mapping[str, str], output: Mapping[str, str]) -> TrainingRow:
    label = output.get("label", "")
    if label:
        return TrainingRow(prompt=output["example"], completion=label)
    return TrainingRow(prompt="", completion=output["example"])


def _read_row(row: TrainingRow, is_labelled: bool) -> Fields | None:
    if is_labelled:
        label = {"label": row.completion}
        return {"seed": row.prompt, **label}, {"example": row.prompt, **label}
    return None if row.prompt else ({"seed": row.completion}, {"example": row.completion})


def _of_records(columns: tuple[Column, ...], template: RowTemplate) -> Technique:
    """Make the technique that grows records with these columns.

    A filter's field `example` stands for the columns of free text (those that are always filled, if
    there are such), `label` for the label column; a filter left without a field is left out.
    """
    label = next((c.name for c in columns if c.type == "label"), "")
    texts = [c.name for c in columns if is_free_text(c) and not c.optional]
    texts = texts or [c.name for c in columns if is_free_text(c)]
    names = {"example": texts[:1], "seed": texts[:1], "label": [label] if label else []}

    def in_records(options: Mapping[str, Any]) -> dict[str, Any] | None:
        own = dict(options)
        for option, value in options.items():
            if option == "fields":
                own[option] = [n for name in value for n in (texts if name == "example" else [])]
            elif option.endswith("_field"):
                own[option] = next(iter(names.get(value, [])), "")
            else:
                continue
            if not own[option]:
                return None
        return own

    filters = {name: in_records(options) for name, options in TECHNIQUE.filters.items()}
    compared = tuple(c.name for c in columns if c.type != "label") or (label,)
    if neighbours := filters.get("label_neighbours"):  # like with like: the source has one text
        neighbours["fields"] = texts[:1]
    filters["dedup"] = {**TECHNIQUE.filters["dedup"], "fields": list(compared)}
    return replace(
        TECHNIQUE,
        title="Record expansion",
        help="Writes new records like your verified ones: typed fields, and the label asked for.",
        source_fields=tuple(
            SourceField(
                c.name,
                c.describe(),
                is_required=not (c.optional or c.type == "label"),
                is_label=c.type == "label",
                column=c,
            )
            for c in columns
        ),
        output_fields=tuple(
            OutputField(c.name, c.describe(), is_label=c.type == "label", column=c) for c in columns
        ),
        system=_RECORD_SYSTEM,
        user=_RECORD_USER,
        filters={
            "record_values": {},
            **{name: options for name, options in filters.items() if options is not None},
        },
        row=lambda _source, output: _record_row(columns, label, template, output),
        read_row=None,
        dedup_fields=compared,
        real_field=texts[0] if texts else compared[0],
        group_field=label,
        max_tokens=512,
        layout="records",
        canaries={
            **({"other_label": other_value(label)} if label else {}),
            **({"spliced": spliced(texts[0])} if texts else {}),
        },
        of_records=None,
        columns=columns,
        row_template=template,
    )


def _record_row(
    columns: tuple[Column, ...], label: str, template: RowTemplate, output: Mapping[str, Any]
) -> TrainingRow:
    """Turn a record into a row: to label it where it has a label, else to write such records."""
    values = typed(columns, output)
    whole = dict(values)
    own_label = str(values.pop(label, None) or "")
    record = json.dumps(values, ensure_ascii=False)
    shown = {**values, label: own_label, "label": own_label, "record": record}
    prompt, completion = (record, own_label) if own_label else ("", record)
    return TrainingRow(
        prompt=render(template.prompt, shown) if template.prompt else prompt,
        completion=render(template.completion, shown) if template.completion else completion,
        record=whole,
    )


_RECORD_SYSTEM = """\
You write one new record for a data set, of the same kind as the records you are shown. Do not copy \
one: change the facts and the wording, and let the fields of the new record agree with each other.
The fields:
{% for column in columns if labels or column.type != "label" %}
- {{ column.name }}: {{ column.description }}
{% endfor %}
Answer as JSON: {{ "{" }}\
{% for column in columns if labels or column.type != "label" %}\
"{{ column.name }}": ...{% if not loop.last %}, {% endif %}{% endfor %}}"""

_RECORD_USER = """\
{% for peer in peers %}
- {{ peer.record }}
{% endfor %}
- {{ record }}

Write one new record{% if label %} with the label [{{ label }}]{% endif %}."""


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
        # New examples bring new values: what happens to a type happens to those too.
        "privacy": {"unsourced": "keep"},
        "memorization": {},
        "seed_fit": {"fields": ["example"]},
        "label_neighbours": {
            "fields": ["example"],
            "source_field": "seed",
            "label_field": "label",
        },
        "dedup": {"fields": ["example"]},
        "top_fraction": {"keep_fraction": 0.65},
    },
    row=_row,
    read_row=_read_row,
    dedup_fields=("example",),
    real_field="seed",
    group_field="label",
    n_peers=9,
    temperature=0.9,
    score_columns=("seed_fit", "label_neighbours"),
    reject_reasons=(
        "wrong label",
        "unrealistic",
        "too close to seed",
        "duplicate",
        "unsafe or private",
    ),
    canaries={"other_label": other_value("label"), "spliced": spliced("example")},
    of_records=_of_records,
    rubric=rubrics.built_in("expand"),
)
