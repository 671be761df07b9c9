"""What every exported row says of itself: the same keys with the same types in all rows.

Readers such as `datasets` guess the type of a column from the first rows that they see, and fail on
a later one that differs. So no value is ever null: `metadata` says "not known" by "", -1 or "{}".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from seedbed import provenance
from seedbed.records import Example

Kind = Literal["text", "integer", "number", "json"]
Value = str | int | float


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the metadata. `json` is a text that holds a JSON value, for what varies by row."""

    name: str
    kind: Kind
    help: str


OWN_KEYS = (
    Key("id", "text", "the example's content id"),
    Key("origin", "text", "real, or synthetic: written by a model"),
    Key("technique", "text", "the technique that grew it, or whose kind it is of"),
    Key("label", "text", "its class, where there are classes"),
)
"""What an example says outside its provenance."""

_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("page", "page_end", "line", "char_start", "char_end"), "integer"),
    **dict.fromkeys(("source_task", "review_task", "annotation", "rng_seed"), "integer"),
    **dict.fromkeys(("score", "draw"), "number"),
    **dict.fromkeys(provenance.GROUPS, "json"),
}

PROVENANCE_KEYS = tuple(
    Key(name, _KINDS.get(name, "text"), help) for name, help in provenance.KEYS.items()
)
"""What its provenance says; whatever else that holds is kept under `more`."""

KEYS = (*OWN_KEYS, *PROVENANCE_KEYS, Key("more", "json", "what else is known of it"))

UNKNOWN: Mapping[Kind, Value] = {"text": "", "integer": -1, "number": -1.0, "json": "{}"}
"""What stands for "not known" in JSON; in Parquet it is null."""


def metadata(example: Example) -> dict[str, Value]:
    """Return the metadata of a JSON row: every key, in one order, none of them null."""
    kinds = {key.name: key.kind for key in KEYS}
    return {
        name: UNKNOWN[kinds[name]] if value is None else value
        for name, value in known(example).items()
    }


def known(example: Example) -> dict[str, Value | None]:
    """Return every key with its value, or None where it is not known.

    A value of another type than its key says is kept under `more`, like keys that we do not know.
    """
    found: dict[str, Value | None] = {
        "id": example.id,
        "origin": example.origin,
        "technique": example.technique,
        "label": example.label or None,
    }
    more = dict(example.provenance)
    for key in PROVENANCE_KEYS:
        value = _READ[key.kind](example.provenance.get(key.name))
        found[key.name] = value
        said = more.get(key.name)
        if value is not None or said in (None, "") or said != said:  # NaN says nothing
            more.pop(key.name, None)
    return {**found, "more": compact(more) if more else None}


def compact(value: Any) -> str:
    """Write a value as JSON: keys sorted, so that equal values are equal texts."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _text(value: object) -> str | None:
    if value is None or value == "" or value == {}:
        return None
    return value if isinstance(value, str) else compact(value)


def _integer(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and abs(value) < 2**63 else None  # type: ignore[arg-type, return-value]


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and isfinite(value) else None  # type: ignore[arg-type]


def _json(value: object) -> str | None:
    return None if value in (None, "", {}, []) else compact(value)


_READ: Mapping[Kind, Callable[[object], Value | None]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "json": _json,
}
