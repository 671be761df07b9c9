"""What a merge did: rows per split, shares reached, and what was left out and why. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from seedbed.merging.lineage import Entry, SplitBy
from seedbed.text import shortened

REASONS: Mapping[str, str] = {
    "held_out_source": "descend from a held-out source or document",
    "held_out_shown": "were written by a prompt that showed a held-out source",
    "near_held_out": "nearly equal a held-out row or its source",
    "repeat_of_real": "repeat a real row",
    "near_real": "nearly equal a real row",
    "repeat_of_synthetic": "repeat another synthetic row",
    "near_synthetic": "nearly equal another synthetic row",
    "unknown_label": "have a label that no real row in train has",
    "surplus": "are more than the share has room for",
}
"""Why a row is left out, in the order in which it is asked; the first that holds counts."""

_N_SHOWN = 2  # examples of each reason
_N_CHARACTERS = 160


class Tally:
    """Counts what is left out, by reason and label, and keeps the first examples of each reason."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._examples: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def add(
        self, entry: Entry, reason: str, match: Entry | None = None, similarity: float | None = None
    ) -> None:
        """Note that a row is left out, and for which other row."""
        self._counts[reason, entry.label] += 1
        if len(self._examples[reason]) < _N_SHOWN:
            shown: dict[str, Any] = {
                "id": entry.example.id,
                "text": shortened(entry.text, _N_CHARACTERS),
            }
            if match:
                shown |= {
                    "match": match.example.id,
                    "match_text": shortened(match.text, _N_CHARACTERS),
                }
            if similarity is not None:
                shown["similarity"] = round(similarity, 4)
            self._examples[reason].append(shown)

    def counts(self) -> dict[str, int]:
        """Return the rows left out by reason, those that occur, in the order of REASONS."""
        totals: Counter[str] = Counter()
        for (reason, _), n in self._counts.items():
            totals[reason] += n
        return {reason: totals[reason] for reason in REASONS if totals[reason]}

    def of_label(self, label: str) -> dict[str, int]:
        """Return the same for one label."""
        return {reason: n for reason in REASONS if (n := self._counts[reason, label])}

    def examples(self) -> dict[str, list[dict[str, Any]]]:
        """Return up to two examples for each reason."""
        return {reason: self._examples[reason] for reason in self.counts()}


@dataclass(frozen=True, slots=True)
class GroupShare:
    """One label in train: real rows, synthetic rows that came in, are wanted, usable and used.

    `left_out` counts the synthetic rows of the label that are not used, by reason.
    """

    label: str
    n_real: int
    n_given: int
    n_wanted: int
    n_usable: int
    n_used: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name the label for people."""
        return self.label or "(no label)"

    @property
    def is_met(self) -> bool:
        """Tell whether there were enough synthetic rows."""
        return self.n_used == self.n_wanted

    @property
    def synthetic_fraction(self) -> float:
        """Return the share of synthetic rows among the rows of this label in train."""
        n = self.n_real + self.n_used
        return self.n_used / n if n else 0.0

    @property
    def why(self) -> str:
        """Say why there are fewer synthetic rows than wanted, or why none are; "" if all is well."""
        if not self.n_real and self.n_given:
            return "train has no real rows of this label, so it gets no share"
        if self.is_met:
            return ""
        lost = [f"{n} {REASONS[reason]}" for reason, n in self.left_out.items()]
        return f"{self.n_given} came in" + (f", of which {', '.join(lost)}" if lost else "")

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.n_real} real rows, {self.n_used} of {self.n_wanted} synthetic rows "
            f"wanted ({self.synthetic_fraction:.1%}){f': {self.why}' if self.why else ''}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "label": self.label,
            "n_real": self.n_real,
            "n_given": self.n_given,
            "n_wanted": self.n_wanted,
            "n_usable": self.n_usable,
            "n_used": self.n_used,
            "synthetic_fraction": round(self.synthetic_fraction, 6),
            "left_out": dict(self.left_out),
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One split of real rows: how many are wanted and there, by label, of how many sources."""

    name: str
    wanted: Mapping[str, int]
    found: Mapping[str, int]
    n_sources: int
    n_documents: int

    @property
    def n(self) -> int:
        """Return the number of rows."""
        return sum(self.found.values())

    @property
    def n_wanted(self) -> int:
        """Return the number of rows that were wanted."""
        return sum(self.wanted.values())

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "n_rows": self.n,
            "n_wanted": self.n_wanted,
            "n_sources": self.n_sources,
            "n_documents": self.n_documents,
            "labels": {
                label: {"n_wanted": self.wanted.get(label, 0), "n_rows": self.found.get(label, 0)}
                for label in sorted({*self.wanted, *self.found})
            },
        }


@dataclass(frozen=True, slots=True)
class MergeReport:
    """All that a merge has to say.

    `settings` are what was asked for. `n_real` and `n_synthetic` are the rows in train. Every row
    that came in is in train, held out, or counted as left out. `split_by` is what is held out as a
    whole, and `split_why` the reason for it, where it was not asked for. `inputs` names the files that
    were read, with their SHA-256 and what was assumed of their encoding.
    """

    technique: str
    settings: Mapping[str, Any]
    n_real: int
    n_synthetic: int
    held_out: tuple[HeldOut, ...]
    split_by: SplitBy | None
    split_why: str
    real_left_out: Mapping[str, int]
    left_out: Mapping[str, int]
    groups: tuple[GroupShare, ...]
    examples: Mapping[str, Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def synthetic_fraction(self) -> float:
        """Return the share of synthetic rows in train."""
        n = self.n_real + self.n_synthetic
        return self.n_synthetic / n if n else 0.0

    @property
    def is_met(self) -> bool:
        """Tell whether every label got its share."""
        return all(group.is_met for group in self.groups)

    @property
    def alike_labels(self) -> list[tuple[str, str]]:
        """Return pairs of labels that may be meant to be one, each with the more frequent second.

        Those that only case and spaces tell apart; and of a label without real rows the real one
        that is spelt most like it (`difflib`'s ratio of 0.8 or more: "feees", "fees").
        """
        ranked = sorted(self.groups, key=lambda group: (-group.n_real, group.label))
        found: list[tuple[str, str]] = []
        for place, group in enumerate(ranked):
            others = [other.label for other in ranked[:place] if other.label]
            same = [other for other in others if _squeezed(other) == _squeezed(group.label)]
            near = [] if group.n_real else get_close_matches(group.label, others, 1, 0.8)
            found += [(group.label, other) for other in (same or near)[:1]]
        return sorted(found)

    def n_held_out(self, name: str) -> int:
        """Return the number of rows in a split, `test` or `validation`."""
        return sum(split.n for split in self.held_out if split.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, without any time."""
        return {
            "technique": self.technique,
            "settings": dict(self.settings),
            "inputs": dict(self.inputs),
            "train": {
                "n_rows": self.n_real + self.n_synthetic,
                "n_real": self.n_real,
                "n_synthetic": self.n_synthetic,
                "synthetic_fraction": round(self.synthetic_fraction, 6),
                "is_met": self.is_met,
            },
            "groups": [{"technique": self.technique, **g.to_dict()} for g in self.groups],
            "held_out": {split.name: split.to_dict() for split in self.held_out},
            "alike_labels": [list(pair) for pair in self.alike_labels],
            "split_by": self.split_by,
            "split_why": self.split_why,
            "left_out": {"real": dict(self.real_left_out), "synthetic": dict(self.left_out)},
            "examples": {name: dict(found) for name, found in self.examples.items()},
        }

    def __str__(self) -> str:
        wanted = self.settings["synthetic_fraction"]
        lines = [
            f"train: {self.n_real + self.n_synthetic} rows, {self.n_real} real and "
            f"{self.n_synthetic} synthetic ({self.synthetic_fraction:.1%}; {wanted:.0%} wanted)."
        ]
        for split in self.held_out:
            short = "" if split.n == split.n_wanted else f"; {split.n_wanted} wanted"
            whole = f" and {split.n_documents} documents" if split.n_documents else ""
            lines.append(
                f"{split.name}: {split.n} real rows{short}, of {split.n_sources} sources{whole}."
            )
        if self.split_by:
            because = f", because {self.split_why}" if self.split_why else ""
            lines.append(f"Held out by {self.split_by}{because}.")
        for kind, counts in (("real", self.real_left_out), ("synthetic", self.left_out)):
            if counts:
                lines.append(f"Left out of the {kind} rows:")
                lines += [f"  {n:>6} {REASONS[reason]}" for reason, n in counts.items()]
        files = [file for found in self.inputs.values() for file in found]
        lines += [f"{file['file']}: {file['note']}." for file in files if file["note"]]
        lines += map(str, self.groups)
        lines += [f"{a!r} and {b!r} may be one label: correct it." for a, b in self.alike_labels]
        return "\n".join(lines)


def _squeezed(label: str) -> str:
    return "".join(label.casefold().split())
