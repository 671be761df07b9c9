"""Real and synthetic examples to one data set. Pure."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from seedbed.errors import UserError
from seedbed.export.rows import training_row
from seedbed.merging.division import Division
from seedbed.merging.folder import write_dataset
from seedbed.merging.lineage import Entry, labels
from seedbed.merging.repeats import without_leakage, without_repeats
from seedbed.merging.report import GroupShare, MergeReport, Tally
from seedbed.merging.settings import MergeSettings
from seedbed.merging.shares import apportioned, fraction
from seedbed.records import Example, Origin, content_id
from seedbed.sameness import NEAR_LONG


@dataclass(frozen=True, slots=True)
class MergedDataset:
    """Rows to train on, shuffled, and real rows held out for validation and testing."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    report: MergeReport

    @property
    def splits(self) -> dict[str, tuple[Example, ...]]:
        """Return the rows by split: train, and the others where there are any."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: rows for name, rows in found.items() if rows or name == "train"}

    def write(self, folder: str | Path) -> None:
        """Write a folder with a file of examples for each split, and the report as merge.json.

        The same rows and settings give the same bytes. The folder appears when it is complete; one
        that merge wrote before is replaced. Raises UserError for any other, or where it cannot be
        written.
        """
        write_dataset(Path(folder), self.splits, self.report.to_dict())


def merge(
    real: Iterable[Example],
    synthetic: Iterable[Example],
    synthetic_fraction: float = 0.30,
    rng_seed: int = 1,
    test_fraction: float = 0.0,
    *,
    validation_fraction: float = 0.0,
    test: Iterable[Example] | None = None,
    split_by: Literal["auto", "document", "source"] = "auto",
    near: float = NEAR_LONG,
    allows_shown: bool = False,
) -> MergedDataset:
    """Mix at `synthetic_fraction` of train (0.20-0.40), per label where there are labels.

    `test_fraction` and `validation_fraction` (0-0.5) of the real rows are held out, or `test` is the
    team's own test set. Sources are held out as a whole, or documents (`split_by`), and so are rows
    that nearly equal each other; no synthetic row that descends from them, or is near them, is used.
    Nor are synthetic rows that say what is in train already. `near` is the Jaccard of character
    5-grams from which texts of 120 characters and more are near (0.3-1). `allows_shown` uses rows
    whose prompt showed a held-out source beside their own, as prompts of `expand` show ten seeds.

    Where there are too few synthetic rows of a label, all are used and the report says so. Raises
    UserError for a fraction out of range, no real rows, rows on the wrong side or of several
    techniques, and where nothing can be held out.
    """
    settings = MergeSettings(
        synthetic_fraction,
        test_fraction,
        validation_fraction,
        split_by,
        near,
        rng_seed,
        allows_shown,
    )
    if test is not None and test_fraction:
        raise UserError("There is a test set, and a test_fraction too.", hint="Give one of them.")
    own, made = _entries(real, "real"), _entries(synthetic, "synthetic")
    given = None if test is None else _entries(test, "real")
    _check_technique([*own, *(given or ()), *made])
    if not own:
        raise UserError(
            "There are no real examples to merge with.",
            hint="Get them with `seedbed pull --real`. Documents and instructions are none by "
            "themselves: write outputs beside some in the source project, or give rows of your own. "
            "Without any, export the approved examples as they are.",
        )
    lost = Tally()
    unique = None if given is None else _unique(given, lost)
    division = Division.of(_unique(own, lost), unique, settings, lost)
    return _filled(division, made, settings, lost)


def _filled(
    division: Division, made: Sequence[Entry], settings: MergeSettings, lost: Tally
) -> MergedDataset:
    """Add the synthetic rows to the real ones in train."""
    tally = Tally()
    unrelated = without_leakage(
        made,
        division.held_out,
        settings.nearness,
        division.by or "source",
        tally,
        allows_shown=settings.allows_shown,
    )
    usable: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in without_repeats(unrelated, division.train, settings.nearness, tally):
        usable[entry.label].append(entry)
    wanted = _wanted(labels(division.train), settings.synthetic_fraction)
    used = {
        label: _chosen(found, wanted.get(label), settings, tally)
        for label, found in sorted(usable.items())
    }
    real_labels, given = labels(division.train), labels(made)
    groups = tuple(
        GroupShare(
            label=label,
            n_real=real_labels[label],
            n_given=given[label],
            n_wanted=wanted.get(label, 0),
            n_usable=len(usable.get(label, ())),
            n_used=len(used.get(label, ())),
            left_out=tally.of_label(label),
        )
        for label in sorted({*real_labels, *given})
    )
    train = [*division.train, *chain.from_iterable(used.values())]
    settings.random("order").shuffle(train)
    report = MergeReport(
        technique=train[0].example.technique,
        settings=asdict(settings),
        n_real=len(division.train),
        n_synthetic=len(train) - len(division.train),
        held_out=division.report(),
        split_by=division.by,
        split_why=division.why,
        real_left_out=lost.counts(),
        left_out=tally.counts(),
        groups=groups,
        examples={"real": lost.examples(), "synthetic": tally.examples()},
    )
    return MergedDataset(
        train=tuple(entry.example for entry in train),
        validation=tuple(entry.example for entry in division.splits.get("validation", ())),
        test=tuple(entry.example for entry in division.splits.get("test", ())),
        report=report,
    )


def _wanted(n_real: Mapping[str, int], synthetic_fraction: float) -> dict[str, int]:
    share = fraction(synthetic_fraction)
    return apportioned(n_real, share / (1 - share))


def _chosen(
    usable: Sequence[Entry], n_wanted: int | None, settings: MergeSettings, tally: Tally
) -> list[Entry]:
    """Draw at random what there is room for; the order of `usable` depends on ids alone.

    `n_wanted` is None for a label that no real row in train has.
    """
    found = sorted(usable, key=lambda entry: entry.example.id)
    settings.random("use", found[0].label).shuffle(found)
    n, reason = (0, "unknown_label") if n_wanted is None else (n_wanted, "surplus")
    for entry in sorted(found[n:], key=lambda entry: entry.example.id):
        tally.add(entry, reason)
    return found[:n]


# --- what came in --------------------------------------------------------------------------------


def _entries(examples: Iterable[Example], origin: Origin) -> list[Entry]:
    found = _sorted(examples)
    for example in found:
        if example.origin != origin:
            raise UserError(
                f"The example {example.id} is {example.origin}, but stands among the {origin} ones.",
                hint="Merge what `seedbed pull` and `seedbed pull --real` wrote.",
            )
    return [Entry.of(example) for example in found]


def _sorted(examples: Iterable[Example]) -> list[Example]:
    """Sort by id, and the same id by content: nothing of the input's order is left."""
    found = list(examples)
    n_with_id = Counter(example.id for example in found)

    def place(example: Example) -> tuple[str, str]:
        is_only = n_with_id[example.id] == 1
        return example.id, "" if is_only else json.dumps(example.to_dict(), sort_keys=True)

    return sorted(found, key=place)


def _check_technique(entries: Iterable[Entry]) -> None:
    """Raise UserError unless all rows are of one technique and, if they are records, of one kind."""
    first: dict[tuple[str, ...], str] = {}
    for entry in entries:
        columns = (str(c.get("name")) for c in entry.example.record.get("columns", ()))
        first.setdefault((entry.example.technique, *columns), entry.example.id)
    if len(first) > 1:
        kinds = " and ".join(
            f"{name}{f' with {len(columns)} columns' if columns else ''}, such as {id_}"
            for (name, *columns), id_ in sorted(first.items())
        )
        raise UserError(
            f"The rows are of several kinds: {kinds}.", hint="Merge each kind by itself."
        )


def _unique(entries: Iterable[Entry], lost: Tally) -> list[Entry]:
    """Return each real row once, the first by id, with the lineage of all its repeats."""
    rows: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        rows[_key(entry.example)].append(entry)
    for first, *repeats in rows.values():
        for repeat in repeats:
            lost.add(repeat, "repeat_of_real", first)
    return [first.with_repeats(repeats) for first, *repeats in rows.values()]


def _key(example: Example) -> str:
    """Identify the training row, white space, case and Unicode form aside."""
    row = training_row(example)
    texts = (row.prompt, row.completion, row.rejected or "")
    return content_id(
        *(" ".join(unicodedata.normalize("NFC", t).casefold().split()) for t in texts)
    )
