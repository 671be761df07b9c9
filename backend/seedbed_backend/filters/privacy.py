"""Personal data: what is dropped for it, and what is replaced before anybody is shown it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import Any, Literal, TypeAlias

from pydantic import Field, field_validator

from seedbed.records import Candidate, Decision, SourceTask
from seedbed_backend import pii, pseudonyms
from seedbed_backend.filters.base import Filter, ScreenContext

Action: TypeAlias = Literal["keep", "pseudonym", "mask", "drop"]
STRICTNESS: tuple[Action, ...] = ("keep", "pseudonym", "mask", "drop")
MAX_FOUND = 50
"""How many findings of one candidate are written down, in the order of its fields."""


class Privacy(Filter):
    """Drops a candidate for its personal data, or says how that is replaced when it is handed out.

    `actions` says what happens to a type, `default` to all others; what is kept is kept wherever it
    comes from. `unsourced` is the least that happens to what the candidate's own source does not
    say: the model remembers it, made it up, or took it from another source.

    The candidate itself stays as it is. The evidence names type and place, never the value:
    `found` in the candidate, and `source` in its source, each with the replacement, which is put in
    by `redaction`. In the source, what would be dropped is masked. Not scored.
    """

    name = "privacy"
    help = "Drops or replaces personal data: addresses, numbers of accounts and documents, dates."
    reasons = ("pii_of_other_source", "pii_not_in_source", "pii_in_source")
    uses_sources = True

    fields: tuple[str, ...] = ()  # none: every output field
    actions: Mapping[str, Action] = Field(default_factory=dict)
    default: Action = "drop"
    unsourced: Action = "drop"
    names: bool = False  # names of persons after a title
    key: str = ""  # of the pseudonyms; beside it the recipe's rng_seed counts

    @field_validator("actions")
    @classmethod
    def _are_known(cls, actions: Mapping[str, Action]) -> Mapping[str, Action]:
        for type_ in actions:
            if type_ not in pii.TYPES:
                raise ValueError(f"{type_!r} is no type; known: {', '.join(sorted(pii.TYPES))}")
        return actions

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter. The sources are made ready once, and only where they are looked through."""
        key = f"{self.key}\x00{context.recipe.rng_seed}"
        sources = cache(lambda: _made_ready(context.sources))
        return [self._decide(candidate, sources, key) for candidate in candidates]

    def action(self, type_: str) -> Action:
        """Return what happens to a type that the candidate's own source says too."""
        harmless: Action = "keep" if type_ in pii.HARMLESS_TYPES else self.default
        return self.actions.get(type_, harmless)

    def _decide(self, candidate: Candidate, sources: Callable[[], _Sources], key: str) -> Decision:
        source = [text for text in candidate.source.fields.values() if isinstance(text, str)]
        found = [
            self._finding(name, text, each, source, sources, candidate.source.id, key)
            for name, text in candidate.fields.items()
            if isinstance(text, str) and (not self.fields or name in self.fields)
            for each in self._find(name, text)
        ]
        evidence: dict[str, object] = {}
        if found:
            evidence["found"] = found[:MAX_FOUND]
        if reason := _reason(found):
            return self.drop(candidate, reason, None, **evidence)
        if replaced := self._in_source(candidate.source.fields, key):
            evidence["source"] = replaced
        return self.keep(candidate, None, **evidence)

    def _find(self, name: str, text: str) -> list[pii.Pii]:
        """Look at a field with its name before it: of a record, the column says what a number is."""
        label = f"{name.replace('_', ' ')}: "
        found = pii.find(label + text, has_names=self.names)
        n = len(label)
        return [
            pii.Pii(each.type, each.start - n, each.end - n) for each in found if each.start >= n
        ]

    def _finding(
        self,
        name: str,
        text: str,
        each: pii.Pii,
        source: Sequence[str],
        sources: Callable[[], _Sources],
        source_id: str,
        key: str,
    ) -> dict[str, Any]:
        value = text[each.start : each.end]
        action = self.action(each.type)
        is_in_source = pii.is_said(each.type, value, source)
        finding: dict[str, Any] = {
            "type": each.type,
            "field": name,
            "start": each.start,
            "end": each.end,
            "in_source": is_in_source,
        }
        if not is_in_source:
            if action != "keep":
                action = max(action, self.unsourced, key=STRICTNESS.index)
            if other := sources().other(each.type, value, source_id):
                finding["seen_in"] = other
        finding["action"] = action
        if action in ("mask", "pseudonym"):
            finding["replacement"] = _replacement(action, each.type, value, key)
        return finding

    def _in_source(self, fields: Mapping[str, str], key: str) -> list[dict[str, Any]]:
        """Say what is replaced in the source as it is shown and trained on."""
        replaced = []
        for name, text in fields.items():
            for each in self._find(name, text) if isinstance(text, str) else ():
                action = self.action(each.type)
                if action == "keep":
                    continue
                value = text[each.start : each.end]
                place = {"type": each.type, "field": name, "start": each.start, "end": each.end}
                replaced.append(
                    {**place, "replacement": _replacement(action, each.type, value, key)}
                )
        return replaced


def _replacement(action: Action, type_: str, value: str, key: str) -> str:
    if action == "pseudonym":
        return pseudonyms.pseudonym(type_, value, key)
    return pseudonyms.mask(type_)


class _Sources:
    """What all sources say, made ready once to be searched for a value."""

    def __init__(self, sources: Sequence[SourceTask]) -> None:
        self.ids = [source.id for source in sources]
        self.texts = ["\n".join(map(str, source.fields.values())) for source in sources]
        squashed = [pii.squash(text) for text in self.texts]
        self.ends = list(accumulate(len(text) + 1 for text in squashed))
        self.joined = "\n".join(squashed)
        self._dates: list[frozenset[frozenset[str]]] | None = None

    def other(self, type_: str, value: str, own_id: str) -> str:
        """Name the first source but `own_id` that says the value, or return ''."""
        places = self._of_date(value) if type_ == "DATE_OF_BIRTH" else self._of(type_, value)
        return next((self.ids[n] for n in places if self.ids[n] != own_id), "")

    def _of(self, type_: str, value: str) -> Iterator[int]:
        wanted = pii.essence(type_, value)
        start = self.joined.find(wanted) if wanted else -1
        while start >= 0:
            number = bisect_right(self.ends, start)
            yield number
            start = self.joined.find(wanted, self.ends[number])

    def _of_date(self, value: str) -> Iterator[int]:
        if self._dates is None:
            self._dates = [pii.dates(text) for text in self.texts]
        parts = pii.parts_of_date(value)
        return (n for n, dates in enumerate(self._dates) if parts in dates)


_cached: tuple[tuple[str, ...], _Sources] | None = None


def _made_ready(sources: Sequence[SourceTask]) -> _Sources:
    """Return a set of sources made ready, once as long as the same set is asked for."""
    global _cached
    key = tuple(source.id for source in sources)
    if _cached is None or _cached[0] != key:
        _cached = (key, _Sources(sources))
    return _cached[1]


def _reason(found: Sequence[Mapping[str, Any]]) -> str:
    dropped = [finding for finding in found if finding["action"] == "drop"]
    if any("seen_in" in finding for finding in dropped):
        return "pii_of_other_source"
    if any(not finding["in_source"] for finding in dropped):
        return "pii_not_in_source"
    return "pii_in_source" if dropped else ""


FILTER = Privacy
