"""Completion → the output fields of a candidate, or a "format" drop with a reason. Never raises."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.columns import Column, ValueProblem
from seedbed.records import Completion

REASONS = (
    "prompt_too_long",
    "truncated",
    "unclosed_thought",
    "empty",
    "bad_characters",
    "not_json",
    "not_an_object",
    "extra_field",
    "missing_field",
    "wrong_type",
    "empty_field",
    "unknown_label",
    "unknown_value",
    "impossible_date",
    "wrong_pattern",
    "too_long",
)
"""Every reason that `parse` can give, in the order in which it looks."""

_FENCE = re.compile(r"\A```[a-zA-Z]*\s*\n?(.*?)\n?\s*```\Z", re.DOTALL)
# Lone surrogates cannot be encoded; NUL and other control characters break databases and XML.
_BAD_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def parse(
    completion: Completion, schema: Mapping[str, Any], columns: Sequence[Column] = ()
) -> tuple[dict[str, str] | None, str]:
    """Return (fields, "") or (None, reason).

    `schema` is the object schema of the technique: string properties with `maxLength` (code points)
    or `enum`, and values of the `columns`, which come out in their canonical spelling, the empty
    ones left out. Surrounding space and a code fence are forgiven; values are stripped and NFC.
    """
    answer, reason = read_object(completion)
    if answer is None:
        return None, reason
    return _read(answer, schema, {c.name: c for c in columns if c.type != "label"})


def read_object(completion: Completion) -> tuple[dict[str, Any] | None, str]:
    """Return (the JSON object that a completion is, "") or (None, reason)."""
    if completion.finish_reason == "prompt_too_long":
        return None, "prompt_too_long"
    if completion.finish_reason == "length":
        return None, "truncated"
    if completion.finish_reason == "unclosed_thought":
        return None, "unclosed_thought"
    text = completion.text.strip()
    if fenced := _FENCE.match(text):
        text = fenced.group(1).strip()
    if not text:
        return None, "empty"
    if _BAD_CHARACTERS.search(text):
        return None, "bad_characters"
    try:
        # Not strict: a raw line break inside a string is still readable.
        answer = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None, "not_json"
    return (answer, "") if isinstance(answer, dict) else (None, "not_an_object")


def _read(
    answer: Mapping[str, Any], schema: Mapping[str, Any], columns: Mapping[str, Column]
) -> tuple[dict[str, str] | None, str]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    if answer.keys() - properties.keys():
        return None, "extra_field"
    if properties.keys() - answer.keys():
        return None, "missing_field"
    fields: dict[str, str] = {}
    for name, rule in properties.items():
        text, reason = _text(answer[name], rule, columns.get(name))
        if reason:
            return None, reason
        if text:
            fields[name] = text
    return fields, ""


def _text(value: object, rule: Mapping[str, Any], column: Column | None) -> tuple[str, str]:
    """Return (a field's text, "") or ("", reason)."""
    if column:
        try:
            value = _typed(column, value)
        except ValueProblem as problem:
            return "", problem.reason
        if not value:
            return "", ""
        rule = {"maxLength": rule["maxLength"]} if "maxLength" in rule else {}
    if not isinstance(value, str):
        return "", "wrong_type"
    # A text of the greatest length was cut there: the schema lets it go no further.
    if len(value) >= rule.get("maxLength", len(value) + 1):
        return "", "too_long"
    text = unicodedata.normalize("NFC", value).strip()
    return text, _problem(text, rule)


def _typed(column: Column, value: object) -> str:
    """Spell a JSON value as its column does. Raises ValueProblem."""
    if isinstance(value, bool):
        fits = column.type == "boolean"
    elif isinstance(value, int | float):
        fits = column.is_number
    else:
        fits = value is None or isinstance(value, str)
    if not fits:
        raise ValueProblem("wrong_type", column.name)
    return column.read(value, is_own=True)


def _problem(value: str, rule: Mapping[str, Any]) -> str:
    if _BAD_CHARACTERS.search(value):
        return "bad_characters"
    if not value:
        return "empty_field"
    if "enum" in rule and value not in rule["enum"]:
        return "unknown_label"
    return ""
