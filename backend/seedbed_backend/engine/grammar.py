"""JSON schema → GBNF, the grammar that llama.cpp holds a completion to.

Written for the schemas that techniques declare (one flat object of texts and labels), because
llama.cpp's own converter allows any white space between the parts, spells labels in ASCII escapes,
and expands `maxLength` into as many rules. Here the answer is spelled as `json.dumps` spells it,
text is free Unicode, and lengths are left to `max_tokens` and to the parser. No escape can yield a
control character other than tab and line break, or half a surrogate pair, which no store accepts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llama_cpp.llama_grammar import json_schema_to_gbnf

_STRING = r"""
string ::= "\"" first char* "\""
first ::= [^"\\\x00-\x20\x7F] | "\\" (["\\/] | unicode)
char ::= [^"\\\x00-\x1F\x7F] | "\\" (["\\/nrt] | unicode)
unicode ::= "u" (plain | [dD] [89abAB] hex hex "\\u" [dD] [c-fC-F] hex hex)
plain ::= "00" [2-9a-fA-F] hex | "0" [1-9a-fA-F] hex hex | high
high ::= [1-9a-cA-CefEF] hex hex hex | [dD] [0-7] hex hex
hex ::= [0-9a-fA-F]
"""


def gbnf(schema: Mapping[str, Any]) -> str:
    """Return a GBNF grammar whose `root` is one answer that fits the schema."""
    properties = schema.get("properties", {})
    is_flat = schema.get("type") == "object" and set(schema.get("required", ())) == set(properties)
    if not properties or not is_flat or not all(map(_is_text, properties.values())):
        return str(json_schema_to_gbnf(json.dumps(_without_lengths(schema))))
    members = [f"{_literal(json.dumps(k) + ': ')} {_value(v)}" for k, v in properties.items()]
    return f'root ::= "{{" {_comma.join(members)} "}}"\n{_STRING.strip()}\n'


_comma = ' ", " '


def _is_text(schema: Mapping[str, Any]) -> bool:
    return "enum" in schema or (schema.get("type") == "string" and "pattern" not in schema)


def _value(schema: Mapping[str, Any]) -> str:
    if "enum" not in schema:
        return "string"
    spellings = [
        json.dumps(value, ensure_ascii=is_ascii)
        for value in schema["enum"]
        for is_ascii in (False, True)
    ]
    return f"({' | '.join(map(_literal, dict.fromkeys(spellings)))})"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _without_lengths(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {
            key: _without_lengths(value)
            for key, value in schema.items()
            if key not in {"minLength", "maxLength"} or not isinstance(value, int)
        }
    return [_without_lengths(item) for item in schema] if isinstance(schema, list) else schema
