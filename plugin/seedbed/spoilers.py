"""Ways to spoil a candidate, so that a careful reviewer must notice: what canaries are made by. Pure.

A spoiler gets the source's fields, the candidate's own output fields, and those of a candidate of
another source. It returns the spoilt output fields, or None where this candidate cannot be spoilt so.
What it returns reads well and is wrong: a number that the source does not have, an answer to another
question, the worse reply as the better one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

Fields = Mapping[str, str]
Spoiler = Callable[[Fields, Fields, Fields], dict[str, str] | None]

MIN_WORDS = 6
"""Fewer words cannot be taken apart without its being seen at once."""

# No time of day, and of a date in figures only what comes first.
_NUMBER = re.compile(r"(?<![\w.,:/-])\d+(?:[.,]\d+)*(?![\w:])")
_VERBS = "shall|must|may|will|can|should|is|are|was|were|does|do|did|has|have"
_NEGATED = re.compile(rf"\b({_VERBS})(?: not|not)\b", re.IGNORECASE)
_VERB = re.compile(r"\b(shall|must|may|will|can|should|is|are|was|were)\b", re.IGNORECASE)


def other_output(source: Fields, own: Fields, other: Fields) -> dict[str, str] | None:
    """Show the output of another source under this one."""
    return dict(other) or None


def other_value(name: str) -> Spoiler:
    """Take one field from the candidate of another source, where the two differ in it."""

    def spoil(source: Fields, own: Fields, other: Fields) -> dict[str, str] | None:
        value = other.get(name, "")
        if not own.get(name) or not value or _plain(value) == _plain(own[name]):
            return None
        return {**own, name: value}

    return spoil


def swapped(one: str, other_one: str) -> Spoiler:
    """Exchange two fields."""

    def spoil(source: Fields, own: Fields, other: Fields) -> dict[str, str] | None:
        return {**own, one: own[other_one], other_one: own[one]}

    return spoil


def changed_number(name: str, source_field: str) -> Spoiler:
    """Change the first number of a field that also stands in the source, to one that does not.

    A year becomes the next one, a number up to 12 becomes twice as much, another one half as much:
    so it stays a day of the month, or a share below 100 %.
    """

    def spoil(source: Fields, own: Fields, other: Fields) -> dict[str, str] | None:
        text, known = own.get(name, ""), set(_NUMBER.findall(source.get(source_field, "")))
        for found in _NUMBER.finditer(text):
            if found.group() not in known:
                continue
            for number in _other_numbers(found.group()):
                if number not in known:
                    return {**own, name: text[: found.start()] + number + text[found.end() :]}
        return None

    return spoil


def negated(name: str) -> Spoiler:
    """Turn an English statement round: take the first "not" after its verb away, or put one there."""

    def spoil(source: Fields, own: Fields, other: Fields) -> dict[str, str] | None:
        text = own.get(name, "")
        spoilt, n = _NEGATED.subn(r"\1", text, count=1)
        if not n:
            spoilt, n = _VERB.subn(r"\1 not", text, count=1)
        return {**own, name: spoilt} if n else None

    return spoil


def spliced(name: str) -> Spoiler:
    """Begin a text as the candidate does, and end it as that of another source does."""

    def spoil(source: Fields, own: Fields, other: Fields) -> dict[str, str] | None:
        head, tail = own.get(name, "").split(), other.get(name, "").split()
        if min(len(head), len(tail)) < MIN_WORDS:
            return None
        return {**own, name: " ".join([*head[: len(head) // 2], *tail[len(tail) // 2 :]])}

    return spoil


def _other_numbers(number: str) -> Iterator[str]:
    digits = re.match(r"\d+", number)
    first, rest = (digits.group(), number[digits.end() :]) if digits else (number, "")
    value = int(first)
    is_year = len(number) == 4 and 1900 <= value <= 2100
    if is_year:
        changes = [value + 1, value + 2]
    elif value <= 12:
        changes = [2 * value, 2 * value + 1]
    else:
        changes = [(value + 1) // 2, (value + 2) // 3]
    for changed in changes:
        if changed != value:
            yield str(changed).zfill(len(first) if first.startswith("0") else 1) + rest


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
