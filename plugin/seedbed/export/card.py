"""The dataset card: what a data set holds, how it was made, and what it is not fit for.

Everything in it comes from the examples, from the merge's report, or from Seedbed's server; what
none of them says is called unknown. The header is what the Hugging Face Hub and `load_dataset` read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from seedbed.export import contents, making
from seedbed.export.about import About
from seedbed.export.formats import Format
from seedbed.export.limits import limits
from seedbed.export.tally import Tally
from seedbed.sections import Section, to_markdown

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""The Hub's categories of size, with their upper ends, exclusive."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """What a card describes; `n_rows` and `files` by split, `merge` is the merge's report."""

    format: Format
    is_chat: bool
    n_rows: Mapping[str, int]
    files: Mapping[str, str]
    tally: Tally
    merge: Mapping[str, Any]
    about: About


def card(data: DataSet) -> str:
    """Return the card as Markdown with its YAML header."""
    tally, about = data.tally, data.about
    form = f"{data.format.name}, in messages" if data.is_chat else data.format.name
    found = limits(tally, data.merge, about.projects)
    sections = [
        contents.summary(tally, form, about.languages),
        contents.rows(tally, data.n_rows),
        contents.labels(tally),
        Section("Known limits", [f"- {limit}" for limit in found]),
        making.models(tally, about),
        *making.recipes(tally, about),
        *map(making.review, about.projects),
        making.verdicts(tally),
        making.scores(tally),
        *making.merge(data.merge),
        contents.documents(tally),
        *contents.keys(data.format),
        contents.licence(about.license),
    ]
    header = yaml.safe_dump(_header(data), sort_keys=False, allow_unicode=True)
    shown = (s for s in sections if s.lines or s.rows)
    return f"---\n{header}---\n\n{to_markdown(about.title, shown)}".rstrip()


def _header(data: DataSet) -> dict[str, Any]:
    about, n = data.about, sum(data.n_rows.values())
    files = [{"split": split, "path": name} for split, name in data.files.items()]
    return {
        "pretty_name": about.title,
        "license": about.license or "other",
        **({"language": list(about.languages)} if about.languages else {}),
        "task_categories": _task_categories(data.tally),
        "size_categories": [next((name for end, name in _SIZES if n < end), "n>1M")],
        "tags": ["seedbed", *(["synthetic"] if data.tally.n_synthetic else [])],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def _task_categories(tally: Tally) -> list[str]:
    n_labelled = sum(n for (_, label, _), n in tally.labels.items() if label)
    found = {
        "text-classification": n_labelled,
        "question-answering": tally.n_of_passages,
        "text-generation": tally.n - n_labelled,
    }
    return [category for category, n in found.items() if n]
