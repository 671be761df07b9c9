"""Who does what to whom: words that changed places between a text and its rewrite. Pure.

"A pays B" and "B pays A" have the same words and the same vector. What tells them apart is the
place of each word: its neighbours and the preposition before it. Two words have exchanged their
roles when each now stands where the other stood. Fronted phrases, reordered lists ("A and B"),
passives ("B is paid by A") and "gave Ann the book" / "gave the book to Ann" move words too, but
none of them takes over another one's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from seedbed.text import STOPWORDS, language, plain, stem, word_set

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|--|[^\w\s]")
_PREPOSITIONS = word_set(
    """
    about above after against as at because before below between by during for from if in into of on
    over than through to under unless until upon via when while whom with without (
    """
)
_COORDINATORS = word_set("and or nor & / , -- both either as well plus versus vs")
_LINKS = _PREPOSITIONS | _COORDINATORS
_AUXILIARIES = word_set("am are be been being get gets got had has have is was were will would")
_BE = word_set("am are be been being get gets got is was were")
_ENDS = word_set(". ; ! ? :")
_SPLIT_OFF = word_set("s t ' ` `` also")
_EDGE = ""
_MAX_WORDS = 120
"""Longer texts are compared by their first words: the work grows with the square."""
_MAX_MOVED = 24
"""More moved words than this are another text, not another order."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """A content word, or several that stay together, with the small words before it."""

    key: str
    link: tuple[str, ...] = ()

    @property
    def preposition(self) -> str:
        return next((word for word in reversed(self.link) if word in _PREPOSITIONS), "")

    @property
    def is_number(self) -> bool:
        return self.key[:1].isdigit()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a unit stands: its neighbours' keys and the prepositions on both sides."""

    before: str
    preposition: str
    after: str
    next_preposition: str

    def renamed(self, a: str, b: str) -> _Place:
        swap = {a: b, b: a}
        return _Place(
            swap.get(self.before, self.before),
            self.preposition,
            swap.get(self.after, self.after),
            self.next_preposition,
        )

    def likeness(self, other: _Place) -> float:
        """Say how alike two places are, in [0, 2]: one point a side."""
        return _side(self.before, self.preposition, other.before, other.preposition) + _side(
            self.after, self.next_preposition, other.after, other.next_preposition
        )


def _side(neighbour: str, link: str, other: str, other_link: str) -> float:
    if neighbour == other:
        return 0.5 if neighbour == _EDGE else 1.0 if link == other_link else 0.6
    return 0.4 if link and link == other_link else 0.0


@lru_cache(maxsize=1024)
def exchanged(source: str, other: str) -> tuple[str, ...]:
    """Name the pairs of words that took each other's place in `other`: "ross ↔ pike", sorted.

    Of English texts only: which word acts shows in other ways elsewhere.
    """
    if language(source) != "en" or language(other) != "en":
        return ()
    first, second = _joined(_units(source), _units(other))
    before, after = _places(first), _places(second)
    new = {key: [p for p in after[key] if p not in before[key]] for key in before if key in after}
    moved = [key for key, places in new.items() if places]
    found = {
        f"{a} ↔ {b}"
        for a, b in combinations(moved[:_MAX_MOVED], 2)
        if a[:1].isdigit() == b[:1].isdigit()
        and _took_places(a, b, before, new)
        and _is_inverted(a, b, first, second)
        and not (_is_list(a, b, first) and _is_list(a, b, second))
    }
    found |= {
        f"{a} ↔ {b}"
        for a, b in _new_subjects(first, second)
        if not (_is_list(a, b, first) and _is_list(a, b, second))
    }
    return tuple(sorted(found)) or _voice_changed(first, second)


def _is_inverted(a: str, b: str, first: Sequence[_Unit], second: Sequence[_Unit]) -> bool:
    """Tell whether the two came in the other order, and not as mere neighbours.

    "Won it" and "it was won", "risk-free trial" and "trial without risk" are no exchange.
    """
    shared = {u.key for u in first} & {u.key for u in second}
    orders: set[bool] = set()
    gaps: list[list[tuple[int, bool]]] = []
    for units in (first, second):
        kept = [u for u in units if u.key in shared]
        ones, twos = ([n for n, u in enumerate(kept) if u.key == key] for key in (a, b))
        orders |= {m < n for m in ones for n in twos}
        gaps.append(
            [(abs(m - n), bool(set(kept[max(m, n)].link) & _LINKS)) for m in ones for n in twos]
        )
    are_neighbours = all(any(gap == 1 for gap, _ in each) for each in gaps)
    is_bare = any((1, False) in each for each in gaps)
    return orders == {True, False} and not (are_neighbours and is_bare)


def _took_places(
    a: str, b: str, before: dict[str, list[_Place]], new: dict[str, list[_Place]]
) -> bool:
    total = 0.0
    for own, others in ((a, b), (b, a)):
        if not any(_may_take(place, before[others]) for place in new[own]):
            return False  # it brought its own preposition along, or lost it: no other one's place
        kept = _best(new[own], before[own])
        taken = _best([place.renamed(a, b) for place in new[own]], before[others])
        if taken <= kept:
            return False
        total += taken
    return total >= 2.0


def _may_take(place: _Place, others: Sequence[_Place]) -> bool:
    """Tell whether the preposition fits: the same, or another one after the same word."""
    pair = ("", "by")
    return any(
        place.preposition == other.preposition
        or (
            place.before == other.before
            and place.preposition not in pair
            and other.preposition not in pair
        )
        for other in others
    )


def _best(places: Sequence[_Place], others: Sequence[_Place]) -> float:
    return max(place.likeness(other) for place in places for other in others)


@lru_cache(maxsize=1024)
def _units(text: str) -> tuple[_Unit, ...]:
    """Split into content words; the function words and signs before each are its link."""
    units: list[_Unit] = []
    link: list[str] = []
    for token in _TOKEN.findall(plain(text).casefold())[: 2 * _MAX_WORDS]:
        if token in _SPLIT_OFF:
            continue
        if token[0].isalnum() and token not in STOPWORDS:
            key = stem(token)
            if link or not units or units[-1].key != key:  # "the the" counts once
                units.append(_Unit(key, tuple(link)))
            link = []
        else:
            link.append(token)
    return tuple(units[:_MAX_WORDS])


def _joined(first: Sequence[_Unit], second: Sequence[_Unit]) -> tuple[list[_Unit], list[_Unit]]:
    """Make one unit of words that stand together, in one order, wherever either text has them."""
    ways = [_followers(first), _followers(second)]
    back = [_followers(first, backwards=True), _followers(second, backwards=True)]
    pairs = {
        (a, b)
        for a, nexts in ways[0].items()
        for b, _ in nexts
        if len(nexts) == 1
        and ways[1].get(a) == nexts
        and all(len(each.get(b, ())) == 1 for each in back)
    }
    return _join(first, pairs), _join(second, pairs)


def _followers(
    units: Sequence[_Unit], *, backwards: bool = False
) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for a, b in zip(units, [*units[1:], _Unit(_EDGE)], strict=False):
        is_apart = any(word in _COORDINATORS or word in _ENDS for word in b.link)
        link = f"{b.preposition} be" if set(b.link) & _BE else b.preposition
        key, other = (b.key, a.key) if backwards else (a.key, b.key)
        found.setdefault(key, set()).add((_EDGE if is_apart else other, link))
    if backwards and units:
        found.setdefault(units[0].key, set()).add((_EDGE, ""))
    return found


def _join(units: Sequence[_Unit], pairs: set[tuple[str, str]]) -> list[_Unit]:
    joined: list[_Unit] = []
    last = _EDGE
    for unit in units:
        if joined and (last, unit.key) in pairs:
            joined[-1] = _Unit(f"{joined[-1].key} {unit.key}", joined[-1].link)
        else:
            joined.append(unit)
        last = unit.key
    return joined


def _places(units: Sequence[_Unit]) -> dict[str, list[_Place]]:
    found: dict[str, list[_Place]] = {}
    padded = [_Unit(_EDGE), *units, _Unit(_EDGE)]
    for before, unit, after in zip(padded, padded[1:], padded[2:], strict=False):
        starts = any(word in _ENDS for word in unit.link)
        ends = any(word in _ENDS for word in after.link)
        found.setdefault(unit.key, []).append(
            _Place(
                _EDGE if starts else before.key,
                unit.preposition,
                _EDGE if ends else after.key,
                "" if ends else after.preposition,
            )
        )
    return found


def _is_list(a: str, b: str, units: Sequence[_Unit]) -> bool:
    """Tell whether two units are members of one list ("a, x and b"), in whatever order."""
    keys = [unit.key for unit in units]
    one, two = sorted((keys.index(a), keys.index(b)))
    members = list(units[one + 1 : two + 1])
    follower = keys[two + 1] if two + 1 < len(keys) else None
    if len(members) > 1 and members[0].key == follower:  # "the German and the Dutch language"
        members = members[1:]
    elif len(members) == 2 and one and members[0].key == keys[one - 1]:  # "part A and part B"
        members = [_Unit(members[1].key, members[0].link)]
    if not all(set(unit.link) & _COORDINATORS for unit in members):
        return False
    if any(word in _PREPOSITIONS for unit in members for word in unit.link):
        return False
    after = units[two + 1].link if two + 1 < len(units) else ()
    is_clause = set(units[one].link) & _AUXILIARIES and set(after) & _AUXILIARIES
    return not is_clause  # "the pianist was A, and B was the singer"


def _new_subjects(first: Sequence[_Unit], second: Sequence[_Unit]) -> set[tuple[str, str]]:
    """Find "B sends … A" for "A sends … B": what stands before a word came after it, and back."""
    at, to = ({u.key: n for n, u in reversed(list(enumerate(units)))} for units in (first, second))
    found = set()
    for verb in at.keys() & to.keys():
        old, new = _subject(first, at[verb]), _subject(second, to[verb])
        if not old or not new or old == new or old not in to or new not in at:
            continue
        has_crossed = at[new] > at[verb] and to[old] > to[verb]
        is_passive = "by" in (first[at[new]].preposition, second[to[old]].preposition)
        if has_crossed and not is_passive:
            found.add((old, new))
    return found


def _subject(units: Sequence[_Unit], place: int) -> str:
    """Name the unit right before `place`, if it may be what acts there; else ''."""
    if not place or set(units[place].link) & (_LINKS | _BE | _ENDS):
        return ""
    subject = units[place - 1]
    return "" if subject.preposition or subject.is_number else subject.key


def _voice_changed(first: Sequence[_Unit], second: Sequence[_Unit]) -> tuple[str, ...]:
    """Find "A hired B" for "A was hired by B": another voice with both in their old places."""
    found = set()
    for one, other in ((first, second), (second, first)):
        acts = {(a.key, v.key, b.key) for a, v, b in _triples(one) if not _is_passive(v, b)}
        found |= {
            f"{a.key} ↔ {b.key}"
            for a, v, b in _triples(other)
            if _is_passive(v, b) and (a.key, v.key, b.key) in acts
        }
    return tuple(sorted(found))


def _triples(units: Sequence[_Unit]) -> Iterator[tuple[_Unit, _Unit, _Unit]]:
    return zip(units, units[1:], units[2:], strict=False)


def _is_passive(verb: _Unit, agent: _Unit) -> bool:
    return "by" in agent.link and bool(set(verb.link) & _BE)
