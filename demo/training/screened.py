"""Which wordings and answers go together, as found by screen.py and kept in screened.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grammar import ClauseType, Item

PATH = Path(__file__).with_name("screened.json")


@dataclass(frozen=True, slots=True)
class Screened:
    """By clause type and wording: the wordings that paraphrase it, the answers grounded in it."""

    paraphrases: Mapping[str, Sequence[Sequence[int]]]
    grounded: Mapping[str, Sequence[Sequence[Sequence[Sequence[str]]]]]

    def pairs(self, kind: ClauseType, index: int) -> Sequence[int]:
        """Return the wordings that say the same as wording `index`; never empty."""
        found = self.paraphrases.get(kind.key, ())
        others = [i for i in range(len(kind.wordings)) if i != index]
        return (found[index] if found else ()) or others

    def answers(
        self, kind: ClauseType, index: int, item: Item
    ) -> tuple[Sequence[str], Sequence[str]]:
        """Return the long and the short answers to an item that wording `index` supports."""
        found = self.grounded.get(kind.key, ())
        if not found:
            return item.answers, item.short_answers
        long, short = found[index][kind.items.index(item)]
        return long, short

    def items(self, kind: ClauseType, index: int) -> Sequence[Item]:
        """Return the items that wording `index` supports an answer to; never empty."""
        good = [item for item in kind.items if any(self.answers(kind, index, item))]
        return good or kind.items


@cache
def screened() -> Screened:
    """Read screened.json; without it, everything goes with everything."""
    if not PATH.exists():
        return Screened({}, {})
    data = json.loads(PATH.read_text(encoding="utf-8"))
    return Screened(data["paraphrases"], data["grounded"])
