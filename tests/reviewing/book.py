"""What should come out, written down act by act by whoever acts: plain dictionaries, no code of Seedbed.

One annotation says one thing. Of a candidate's annotations the one touched last stands, among those
that decide something.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Said:
    """What an annotation says: a status with the text as it was left, or nothing (None).

    `seconds` is how long it took, `moment` counts the acts of all reviewers.
    """

    status: str | None
    fields: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    note: str = ""
    reviewer: int = 0
    seconds: float | None = None
    annotation: int = 0
    moment: int = 0
    is_skip: bool = False


NOTHING = Said(None)
SKIPPED = Said(None, is_skip=True)


class Book:
    """All annotations, by candidate."""

    def __init__(self) -> None:
        self._said: dict[str, dict[int, Said]] = {}
        self._moment = 0

    def note(self, cid: str, said: Said) -> None:
        """Write down what an annotation says now."""
        self._moment += 1
        self._said.setdefault(cid, {})[said.annotation] = replace(said, moment=self._moment)

    def strike(self, cid: str, annotation: int) -> None:
        """Take out an annotation that is deleted."""
        del self._said[cid][annotation]

    def of(self, cid: str) -> list[Said]:
        """Return what the candidate's annotations say, the one touched last at the end."""
        return sorted(self._said.get(cid, {}).values(), key=lambda said: said.moment)

    def candidates(self) -> list[str]:
        """Return the candidates that somebody annotated, in the order of their ids."""
        return sorted(self._said)

    def standing(self, cid: str) -> Said | None:
        """Return what stands on a candidate."""
        return next((said for said in reversed(self.of(cid)) if said.status), None)

    def verdicts(self) -> dict[str, Said]:
        """Return what stands, by candidate."""
        found = {cid: self.standing(cid) for cid in self._said}
        return {cid: said for cid, said in found.items() if said is not None}

    def is_skipped(self, cid: str) -> bool:
        """Tell whether somebody skipped a candidate, and nobody submitted anything about it."""
        said = self.of(cid)
        return bool(said) and all(one.is_skip for one in said)

    def copy(self) -> Book:
        """Return the book as it is now."""
        return copy.deepcopy(self)


def as_verdict(said: Said) -> dict[str, Any]:
    """Return what is compared of a verdict, under the names that Seedbed has for it."""
    return {
        "status": said.status,
        "fields": dict(said.fields),
        "reasons": tuple(said.reasons),
        "note": said.note,
        "reviewer": said.reviewer,
        "lead_time_seconds": said.seconds,
        "annotation_id": said.annotation,
    }
