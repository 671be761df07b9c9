"""The dataset_info.json that tells LLaMA-Factory what columns our files have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAME = "dataset_info.json"

_COLUMNS: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("instruction", "input", "output"): {
        "prompt": "instruction",
        "query": "input",
        "response": "output",
    },
    ("instruction", "input", "chosen", "rejected"): {
        "prompt": "instruction",
        "query": "input",
        "chosen": "chosen",
        "rejected": "rejected",
    },
    ("conversations",): {"messages": "conversations"},
    ("conversations", "chosen", "rejected"): {
        "messages": "conversations",
        "chosen": "chosen",
        "rejected": "rejected",
    },
    ("text",): {"prompt": "text"},
}
"""By the keys of a row, what LLaMA-Factory calls them (its data/README.md)."""


def dataset_info(keys: Sequence[str], files: Mapping[str, str]) -> dict[str, Any]:
    """Describe the files, given by split, of rows with these keys: one data set a split."""
    own = tuple(key for key in keys if key != "metadata")
    ranking = {"ranking": True} if "rejected" in own else {}
    return {
        f"seedbed_{split}": {
            "file_name": name,
            "formatting": "sharegpt" if "conversations" in own else "alpaca",
            **ranking,
            "columns": dict(_COLUMNS[own]),
        }
        for split, name in files.items()
    }
