"""The real rows, divided: train, and what is held out for validation and testing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from seedbed.errors import UserError
from seedbed.merging.lineage import Entry, SplitBy, labels, near_rows, related
from seedbed.merging.repeats import without_leakage
from seedbed.merging.report import HeldOut, Tally
from seedbed.merging.settings import MergeSettings
from seedbed.merging.shares import apportioned, fraction
from seedbed.merging.splits import hold_out

MIN_DOCUMENTS = 5
"""From so many documents on, whole ones are held out unless something else is asked for."""

_TOLERANCE = 0.5  # how far off, relatively, whole documents may be before sources are taken


@dataclass(frozen=True, slots=True)
class Division:
    """The real rows, each once: in train, or in a split that is held out."""

    train: Sequence[Entry]
    splits: Mapping[str, Sequence[Entry]]
    wanted: Mapping[str, Mapping[str, int]]
    by: SplitBy | None
    why: str

    @staticmethod
    def of(
        own: Sequence[Entry], test: Sequence[Entry] | None, settings: MergeSettings, lost: Tally
    ) -> Division:
        """Divide the real rows: a given test set is set apart first, then fractions are."""
        division = Division(own, {}, {}, None, "")
        if test is not None:
            division = _apart_from(test, own, settings, lost)
        if settings.fractions:
            division = _divided(division, settings)
        if not division.train:
            raise UserError(
                "No real row is left to train on: all are held out, or near to a row that is.",
                hint="Hold out less, or give another test set.",
            )
        return division

    @property
    def held_out(self) -> list[Entry]:
        """Return all rows whose descendants stay out of train."""
        return list(chain.from_iterable(self.splits.values()))

    def report(self) -> tuple[HeldOut, ...]:
        """Say what each split has, and what was wanted."""
        return tuple(
            HeldOut(
                name=name,
                wanted=self.wanted[name],
                found=dict(sorted(labels(rows).items())),
                n_sources=len({entry.source_ids[0] for entry in rows}),
                n_documents=len({name for entry in rows for name in entry.documents[:1]}),
            )
            for name, rows in sorted(self.splits.items())
        )


def _apart_from(
    test: Sequence[Entry], own: Sequence[Entry], settings: MergeSettings, lost: Tally
) -> Division:
    """Set the team's own test set apart from the other real rows."""
    if not test:
        raise UserError("The test set has no rows.", hint="Leave it out, or fill it.")
    by, why = _lineage_of_test(test, own, settings)
    train = without_leakage(own, test, settings.nearness, by, lost, are_real=True)
    return Division(train, {"test": test}, {"test": labels(test)}, by, why)


def _lineage_of_test(
    test: Sequence[Entry], own: Sequence[Entry], settings: MergeSettings
) -> tuple[SplitBy, str]:
    if settings.split_by != "auto":
        return settings.split_by, ""
    documents = {name for entry in test for name in entry.documents}
    n_sharing = sum(not documents.isdisjoint(entry.documents) for entry in own)
    if not documents:
        return "source", "the test rows name no document"
    if 2 * n_sharing > len(own):
        return "source", f"{n_sharing} of {len(own)} real rows share a document with the test rows"
    return "document", "the test rows name their documents"


def _divided(division: Division, settings: MergeSettings) -> Division:
    """Hold out fractions of the real rows, by document where that does, else by source."""
    entries = division.train
    wanted = {
        name: apportioned(labels(entries), fraction(value))
        for name, value in settings.fractions.items()
    }
    near = near_rows(entries, settings.nearness)
    by, why = _first_way(entries, settings, division)
    splits = _held_out(entries, near, by, wanted, settings)
    may_change = settings.split_by == "auto" and division.by is None
    if may_change and by == "document" and not _is_close(splits, wanted):
        why = f"whole documents would give {_said(splits, wanted)}"
        by = "source"
        splits = _held_out(entries, near, by, wanted, settings)
    if any(not splits[name] for name in wanted):
        raise UserError(
            f"Of {len(entries)} real rows, held out by {by}, there would be "
            f"{_said(splits, wanted)}: too few rows, or too many that hang together, because "
            "they share a source or a document or nearly equal each other.",
            hint="Hold out a larger fraction, or by source (split_by), or raise `near`.",
        )
    held_out = {place for places in splits.values() for place in places}
    return Division(
        train=[entry for place, entry in enumerate(entries) if place not in held_out],
        splits={
            **division.splits,
            **{name: [entries[place] for place in places] for name, places in splits.items()},
        },
        wanted={**division.wanted, **wanted},
        by=by,
        why=why,
    )


def _first_way(
    entries: Sequence[Entry], settings: MergeSettings, division: Division
) -> tuple[SplitBy, str]:
    """Return what to hold out as a whole, and why, where nobody said so."""
    n = len({name for entry in entries for name in entry.documents[:1]})
    if settings.split_by == "document" and not n:
        raise UserError(
            "The real rows name no documents to hold out.", hint="Split by source instead."
        )
    if settings.split_by != "auto":
        return settings.split_by, ""
    if division.by is not None:
        return division.by, division.why
    if not n:
        return "source", "the real rows name no documents"
    if n < MIN_DOCUMENTS:
        return "source", f"there are {n} documents, fewer than {MIN_DOCUMENTS}"
    return "document", f"there are {n} documents"


def _held_out(
    entries: Sequence[Entry],
    near: Sequence[tuple[int, int]],
    by: SplitBy,
    wanted: Mapping[str, Mapping[str, int]],
    settings: MergeSettings,
) -> dict[str, list[int]]:
    """Return the places of the entries that are held out in each split."""
    parts = related(entries, near, by)
    counts = [Counter(entries[place].label for place in part) for part in parts]
    placed = hold_out(counts, wanted, settings.random("hold out", by))
    found: dict[str, list[int]] = {name: [] for name in wanted}
    for number, name in placed.items():
        found[name] += parts[number]
    return {name: sorted(places) for name, places in found.items()}


def _is_close(splits: Mapping[str, Sequence[int]], wanted: Mapping[str, Mapping[str, int]]) -> bool:
    totals = {name: sum(shares.values()) for name, shares in wanted.items()}
    return all(
        abs(len(splits[name]) - n) <= _TOLERANCE * n and bool(splits[name])
        for name, n in totals.items()
    )


def _said(splits: Mapping[str, Sequence[int]], wanted: Mapping[str, Mapping[str, int]]) -> str:
    return " and ".join(
        f"{len(splits[name])} of {sum(shares.values())} rows wanted for {name}"
        for name, shares in wanted.items()
    )
