"""Which synthetic rows stay out of train: those that leak, and those that say what is there already.

Against held-out rows, near in letters is enough, whatever differs. Within train, texts that differ in
a number, a name or a negation are two examples, and both stay. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from seedbed.merging.lineage import Entry, SplitBy, by_text
from seedbed.merging.near_duplicates import Nearness, near_pairs, near_pairs_within
from seedbed.merging.report import Tally
from seedbed.sameness import changed_fact


class Match(NamedTuple):
    """The row that another one is near to."""

    entry: Entry
    similarity: float


def without_leakage(
    entries: Iterable[Entry],
    held_out: Sequence[Entry],
    nearness: Nearness,
    by: SplitBy,
    tally: Tally,
    *,
    are_real: bool = False,
    allows_shown: bool = False,
) -> list[Entry]:
    """Return the entries that neither descend from a held-out source nor are near a held-out row.

    Every text of a synthetic row is compared, its own and its source's, with every one of a held-out
    row; of real ones (`are_real`) those that make rows nearly equal. A prompt that showed a held-out
    source counts as descent, unless `allows_shown`.
    """
    if not held_out:
        return list(entries)
    owners = {key: entry for entry in reversed(held_out) for key in entry.lineage(by)}
    unrelated = []
    for entry in entries:
        key = next((key for key in entry.lineage(by) if key in owners), None)
        shown = () if allows_shown else (("source", id_) for id_ in entry.shown_ids)
        seen = next((key for key in shown if key in owners), None)
        if key:
            tally.add(entry, "held_out_source", owners[key])
        elif seen:
            tally.add(entry, "held_out_shown", owners[seen])
        else:
            unrelated.append(entry)
    return _not_near(unrelated, held_out, nearness, tally, are_real=are_real)


def _not_near(
    entries: Sequence[Entry],
    held_out: Sequence[Entry],
    nearness: Nearness,
    tally: Tally,
    *,
    are_real: bool,
) -> list[Entry]:
    def texts(entry: Entry) -> tuple[str, ...]:
        return entry.row_texts if are_real else entry.texts

    known = {text: entry for entry in reversed(held_out) for text in texts(entry)}
    probes = list(dict.fromkeys(text for entry in entries for text in texts(entry)))
    nearest: dict[str, Match] = {}
    owners = list(known.values())
    for probe, place, similarity in near_pairs(probes, list(known), nearness):
        best = nearest.get(probes[probe])
        if best is None or similarity > best.similarity:
            nearest[probes[probe]] = Match(owners[place], similarity)
    kept = []
    for entry in entries:
        matches = [nearest[text] for text in texts(entry) if text in nearest]
        if matches:
            tally.add(entry, "near_held_out", *max(matches, key=lambda match: match.similarity))
        else:
            kept.append(entry)
    return kept


def without_repeats(
    entries: Sequence[Entry], real: Sequence[Entry], nearness: Nearness, tally: Tally
) -> list[Entry]:
    """Return the entries that say neither what a real row of train says, nor another entry.

    Of entries that say the same, the one that a person has judged stays, of equals the first by id.
    With the real row of its own source an entry is compared for equality alone, since it is near it
    by design.
    """
    own = _own_rows(entries, real, nearness, tally)
    ranked = sorted(own, key=lambda e: (not e.example.provenance.get("verdict"), e.example.id))
    matches = _same_as_earlier(ranked, nearness)
    kept = []
    for place, entry in enumerate(ranked):
        match = matches.get(place)
        if match is None:
            kept.append(entry)
        else:
            is_equal = match.entry.own == entry.own or match.entry.example.id == entry.example.id
            tally.add(entry, "repeat_of_synthetic" if is_equal else "near_synthetic", *match)
    return kept


def _own_rows(
    entries: Sequence[Entry], real: Sequence[Entry], nearness: Nearness, tally: Tally
) -> list[Entry]:
    """Return the entries that do not say what a real row says."""
    rows = by_text(real, own=True)
    texts = list(dict.fromkeys(entry.own for entry in entries))
    near: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    known = list(rows)
    for probe, place, similarity in near_pairs(texts, known, nearness):
        near[texts[probe]].append((known[place], similarity))
    kept = []
    for entry in entries:
        match = _same_real(entry, rows, near.get(entry.own, ()))
        if match is None:
            kept.append(entry)
        else:
            is_equal = match.entry.own == entry.own
            tally.add(entry, "repeat_of_real" if is_equal else "near_real", *match)
    return kept


def _same_real(
    entry: Entry, rows: Mapping[str, Sequence[Entry]], near: Sequence[tuple[str, float]]
) -> Match | None:
    for text, similarity in sorted(near, key=lambda found: (-found[1], found[0])):
        other = rows[text][0]
        if text == entry.own:
            return Match(other, similarity)
        is_own_source = entry.source == text or any(
            not set(entry.source_ids).isdisjoint(real.source_ids) for real in rows[text]
        )
        if not is_own_source and not changed_fact(entry.text, other.text):
            return Match(other, similarity)
    return None


def _same_as_earlier(entries: Sequence[Entry], nearness: Nearness) -> dict[int, Match]:
    """Return, for each entry that says what an earlier one says that stays, that one.

    Pairs come in the order of the later entry within blocks of the earlier one, so that what an
    earlier one has become is known by the time.
    """
    found: dict[int, Match] = {}
    first: dict[tuple[str, str], int] = {}
    for place, entry in enumerate(entries):
        keys = (("id", entry.example.id), ("text", entry.own))
        earlier = next((first[key] for key in keys if key in first), None)
        if earlier is None:
            first.update(dict.fromkeys(keys, place))
        else:
            found[place] = Match(entries[earlier], 1.0)
    texts = {name: place for (kind, name), place in first.items() if kind == "text"}
    owners = list(texts.values())
    for probe, known, similarity in near_pairs_within(list(texts), nearness):
        later, earlier = owners[probe], owners[known]
        if later in found or earlier in found:
            continue
        if _is_same(entries[later], entries[earlier]):
            found[later] = Match(entries[earlier], similarity)
    return found


def _is_same(entry: Entry, other: Entry) -> bool:
    is_same_content = entry.siblings_agree and entry.source_ids == other.source_ids
    return not changed_fact(entry.text, other.text, is_same_content=is_same_content)
