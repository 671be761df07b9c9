"""A candidate as it leaves the store: with personal data replaced as the privacy filter decided.

What was generated stays in the store as it is, for audit. Reviewers and training files get this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from seedbed.records import Decision
from seedbed.technique import Technique
from seedbed_backend.store import StoredCandidate

FILTER_NAME = "privacy"


def redacted(stored: StoredCandidate, *, is_source_shown: bool = True) -> StoredCandidate:
    """Return the candidate with its replacements put in; without any, itself.

    With `is_source_shown` also those of its source. The evidence is left as it is: its places are
    those of the original texts.
    """
    evidence = stored.evidence.get(FILTER_NAME, {})
    found = [each for each in evidence.get("found", ()) if "replacement" in each]
    in_source = evidence.get("source", ())
    if not found and not in_source:
        return stored
    candidate = stored.candidate
    source = candidate.source
    if is_source_shown:
        source = replace(source, fields=_filled(source.fields, in_source))
    fields = _filled(candidate.fields, found)
    return replace(stored, candidate=replace(candidate, fields=fields, source=source))


def text(stored: StoredCandidate, technique: Technique) -> str:
    """Return a candidate's own fields in one line, as reviewers would see them.

    What was dropped for its personal data is not shown; what could not be read is shown raw.
    """
    fields = redacted(stored).candidate.fields
    if stored.stage == FILTER_NAME:
        return "(not shown here, because of its personal data)"
    if not fields:
        return stored.completion.text
    outputs = dict.fromkeys(
        (*technique.dedup_fields, *(spec.name for spec in technique.output_fields))
    )
    return " | ".join(fields[name] for name in outputs if fields.get(name))


def moved(stored: StoredCandidate, field: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return where a span of a source field stands after replacing; ends within one are put outside."""
    places = stored.evidence.get(FILTER_NAME, {}).get("source", ())
    start, end = span
    for place in places:
        if place["field"] != field:
            continue
        growth = len(place["replacement"]) - (place["end"] - place["start"])
        if place["end"] <= span[0]:
            start += growth
        elif place["start"] < span[0]:
            start -= span[0] - place["start"]
        if place["end"] <= span[1]:
            end += growth
        elif place["start"] < span[1]:
            end += place["end"] - span[1] + growth
    return start, end


def as_shown(stored: StoredCandidate, said: Sequence[Decision]) -> list[Decision]:
    """Return new decisions with the replacements with which a published candidate was shown.

    Its review task stays as it is, and the verdict on it is read against that.
    """
    if stored.review_task is None:
        return list(said)
    old = stored.evidence.get(FILTER_NAME, {})
    shown = {key: old.get(key, []) for key in ("found", "source")}
    new = [
        replace(d, evidence={**d.evidence, **shown}) if d.filter == FILTER_NAME else d for d in said
    ]
    if any(shown.values()) and not any(d.filter == FILTER_NAME for d in said):
        new.append(Decision(stored.candidate.id, FILTER_NAME, True, evidence=shown))
    return new


def _filled(fields: Mapping[str, str], places: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    filled = dict(fields)
    for place in sorted(places, key=lambda p: int(p["start"]), reverse=True):
        text = filled[place["field"]]
        filled[place["field"]] = (
            text[: place["start"]] + place["replacement"] + text[place["end"] :]
        )
    return filled
