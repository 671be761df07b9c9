"""Completion → the output fields of a candidate, or a "format" drop with a reason. Never raises."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

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
    "too_long",
)
"""Every reason that `parse` can give, in the order in which it looks."""

_FENCE = re.compile(r"\A```[a-zA-Z]*\s*\n?(.*?)\n?\s*```\Z", re.DOTALL)
# Lone surrogates cannot be encoded; NUL and other control characters break databases and XML.
_BAD_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def parse(completion: Completion, schema: Mapping[str, Any]) -> tuple[dict[str, str] | None, str]:
    """Return (fields, "") or (None, reason).

    `schema` is the object schema of the technique: string properties with `maxLength` (code points)
    or `enum`. Surrounding space and a code fence are forgiven; values are stripped and NFC.
    """
    answer, reason = read_object(completion)
    return (None, reason) if answer is None else _read(answer, schema)


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
    answer: Mapping[str, Any], schema: Mapping[str, Any]
) -> tuple[dict[str, str] | None, str]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    if answer.keys() - properties.keys():
        return None, "extra_field"
    if properties.keys() - answer.keys():
        return None, "missing_field"
    fields: dict[str, str] = {}
    for name, rule in properties.items():
        value = answer[name]
        if not isinstance(value, str):
            return None, "wrong_type"
        # A text of the greatest length was cut there: the schema lets it go no further.
        if len(value) >= rule.get("maxLength", len(value) + 1):
            return None, "too_long"
        fields[name] = unicodedata.normalize("NFC", value).strip()
        if reason := _problem(fields[name], rule):
            return None, reason
    return fields, ""


def _problem(value: str, rule: Mapping[str, Any]) -> str:
    if _BAD_CHARACTERS.search(value):
        return "bad_characters"
    if not value:
        return "empty_field"
    if "enum" in rule and value not in rule["enum"]:
        return "unknown_label"
    return ""
