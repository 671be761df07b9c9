"""The grammar of service-contract clauses: types with several wordings, and generated slot values.

    clauses.txt ──▶ ClauseType ──▶ Clause (a type with slot values) ──▶ wordings, questions, answers

A fifth of all names and numbers, chosen by hash, is held out: training never sees them, the demo
sources use nothing else (`is_held_out`, `Split`).
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

Split = Literal["train", "demo"]

CLAUSES_PATH = Path(__file__).with_name("clauses.txt")
HELD_OUT_EVERY = 5
"""One value in this many is held out for the demo sources."""

NAMED_FRACTION = 0.15
"""Share of parties and products that have a name beside their role, in training."""

_SLOT = re.compile(r"\{([a-z_]+?)(\d*)\}")
_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")

# fmt: off
_ONSETS = (
    "b", "br", "c", "cl", "d", "dr", "f", "fl", "g", "gl", "h", "j", "k", "kr", "l", "m", "n",
    "p", "pr", "qu", "r", "s", "sk", "st", "t", "tr", "v", "w", "z",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ia", "or", "ar", "en")
_CODAS = ("n", "r", "l", "x", "s", "th", "nd", "rn", "lt", "m", "v", "t")
_ENDINGS = ("a", "o", "en", "ia", "is", "on", "ex", "ar", "um", "el", "ix", "or")
_PRODUCTS = (
    "Portal", "Platform", "Suite", "Cloud", "Ledger", "Gateway", "Archive", "Monitor",
    "Planner", "Desk", "Hub", "Console", "Tracker", "Scheduler", "Manager",
)
_CITY_PREFIXES = ("Port", "Port", "Fort", "Lake")
_COUNTRY_PREFIXES = ("North", "South", "Upper")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)
_TENS = (
    "zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)
# fmt: on
_ROLES = (
    ("the Supplier", "the Customer"),
    ("the Provider", "the Client"),
    ("the Contractor", "the Principal"),
    ("the Vendor", "the Buyer"),
    ("the Agency", "the Customer"),
)


def is_held_out(value: str) -> bool:
    """Tell whether a name or number (canonical form: digits, or the bare name) is held out."""
    return hashlib.sha256(value.encode()).digest()[0] % HELD_OUT_EVERY == 0


def number_words(n: int) -> str:
    """Spell an integer from 0 to 99."""
    if n < len(_SMALL):
        return _SMALL[n]
    tens, ones = divmod(n, 10)
    return _TENS[tens] + (f"-{_SMALL[ones]}" if ones else "")


@dataclass(slots=True)
class Values:
    """Makes slot values of one split; `used` collects the canonical form of each one made."""

    rng: random.Random
    split: Split = "train"
    used: set[str] = field(default_factory=set)

    def _take(self, make: Callable[[], str]) -> str:
        """Draw until the value belongs to this split."""
        while True:
            value = make()
            if is_held_out(value) == (self.split == "demo"):
                self.used.add(value)
                return value

    def _number(self, low: int, high: int) -> int:
        return int(self._take(lambda: str(self.rng.randint(low, high))))

    def _significant_digits(self) -> int:
        """Draw the digits of an amount; a held-out one never equals an amount of the training."""
        if self.split == "train":
            return self._number(11, 999)
        return int(self._take(lambda: f"{self.rng.randint(10, 99)}{self.rng.randint(1, 9)}"))

    def _syllables(self, n: int, ending: tuple[str, ...]) -> str:
        choice = self.rng.choice
        body = ""
        for _ in range(n):
            body += choice(_ONSETS) + choice(_VOWELS)
        return (body + choice(_CODAS) + choice(ending)).capitalize()

    def name(self) -> str:
        """Make a name of two or three syllables."""
        return self._take(lambda: self._syllables(1, _ENDINGS))

    def supplier(self) -> str:
        """Make a party that sells services, such as `the Supplier Krixum`."""
        return f"{self.rng.choice(_ROLES)[0]} {self.name()}"

    def customer(self) -> str:
        """Make the party on the other side."""
        return f"{self.rng.choice(_ROLES)[1]} {self.name()}"

    def city(self) -> str:
        """Make the name of a town."""
        return f"{self.rng.choice(_CITY_PREFIXES)} {self.name()}"

    def country(self) -> str:
        """Make the name of a country."""
        return f"{self.rng.choice(_COUNTRY_PREFIXES)} {self.name()}"

    def system(self) -> str:
        """Make a product such as `the Portal`, in training sometimes with a name."""
        product = f"the {self.rng.choice(_PRODUCTS)}"
        is_named = self.split == "train" and self.rng.random() < NAMED_FRACTION
        return f"{product} {self.name()}" if is_named else product

    def money(self) -> str:
        """Make an amount in one of several notations."""
        size = self.rng.choice((1, 10, 100, 1000, 10_000))
        amount = f"{self._significant_digits() * size:,}"
        cents = ".00" if self.rng.random() < 0.15 else ""
        return self.rng.choice((f"EUR {amount}", f"${amount}{cents}", f"{amount} euros"))

    def _count_of(self, n: int, units: tuple[str, ...]) -> str:
        unit = self.rng.choice(units)
        if self.rng.random() < 0.15:
            return f"{number_words(n)} ({n}) {unit}"
        return f"{n} {unit}"

    def period(self) -> str:
        """Make a period of days or weeks."""
        if self.rng.random() < 0.75:
            n = self._number(2, 99)
            return self._count_of(n, ("days", "days", "business days", "calendar days"))
        return self._count_of(self._number(2, 26), ("weeks",))

    def term(self) -> str:
        """Make a longer time, in months or years."""
        if self.rng.random() < 0.65:
            return self._count_of(self._number(2, 72), ("months",))
        return self._count_of(self._number(2, 15), ("years",))

    def hours(self) -> str:
        """Make a time of hours or minutes."""
        if self.rng.random() < 0.75:
            return self._count_of(self._number(2, 96), ("hours",))
        return self._count_of(self._number(10, 99), ("minutes",))

    def pct(self) -> str:
        """Make a percentage between 0.5 and 40."""
        if self.rng.random() < 0.6:
            number = self._take(lambda: f"{self.rng.randint(0, 19)}.{self.rng.randint(1, 9)}")
        else:
            number = str(self._number(2, 40))
        return self.rng.choice(
            (f"{number}%", f"{number}%", f"{number} percent", f"{number} per cent")
        )

    def uptime(self) -> str:
        """Make an availability such as 99.87%."""
        return self._take(lambda: f"{self.rng.randint(95, 99)}.{self.rng.randint(1, 99):02d}") + "%"

    def date(self) -> str:
        """Make a date in one of two notations."""

        def make() -> str:
            rng = self.rng
            return f"{rng.randint(2025, 2034)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"

        iso = self._take(make)
        year, month, day = (int(part) for part in iso.split("-"))
        name = _MONTHS[month - 1]
        return self.rng.choice((f"{day} {name} {year}", iso))

    def time(self) -> str:
        """Make a time of day such as 22:15."""
        return self._take(
            lambda: f"{self.rng.randint(0, 23):02d}:{self.rng.choice(range(0, 60, 5)):02d}"
        )

    def number(self) -> str:
        """Make a count of people or things."""
        return str(self._number(3, 950))

    def of_kind(self, kind: str) -> str:
        """Make a value for the slot kind of that name."""
        return str(getattr(self, kind)())


@dataclass(frozen=True, slots=True)
class Item:
    """Something a clause type answers: questions and answers in several wordings each."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def short_answers(self) -> tuple[str, ...]:
        """Answer with the bare value, where it is one value that answers."""
        slots = {"".join(m) for m in _SLOT.findall(self.answers[0])} - {"supplier", "customer"}
        if len(slots) != 1:
            return ()
        slot = "{" + slots.pop() + "}"
        if slot.startswith(("{city", "{country")):
            return (slot, f"in {slot}")
        return () if slot.startswith("{system") else (slot, f"it is {slot}")


@dataclass(frozen=True, slots=True)
class ClauseType:
    """A clause type of `clauses.txt`, with `{slot}` and `[a|b]` still open."""

    key: str
    label: str
    titles: tuple[str, ...]
    wordings: tuple[str, ...]
    items: tuple[Item, ...]

    @property
    def slots(self) -> tuple[str, ...]:
        """Name the slots of the clause in order of their first appearance."""
        return tuple(dict.fromkeys("".join(m) for m in _SLOT.findall(self.wordings[0])))


def _parse(lines: list[str]) -> list[ClauseType]:
    types: list[ClauseType] = []
    for number, line in enumerate(lines, start=1):
        mark, _, text = line.strip().partition(" ")
        last = types[-1] if types else None
        if mark == "#":
            key, label, titles = (part.strip() for part in text.split("|"))
            names = tuple(t.strip() for t in titles.split(";"))
            types.append(ClauseType(key, label, names, (), ()))
        elif last and mark == "-":
            types[-1] = ClauseType(
                last.key, last.label, last.titles, (*last.wordings, text), last.items
            )
        elif last and mark in {"?", "="}:
            types[-1] = ClauseType(
                last.key, last.label, last.titles, last.wordings, _with(last.items, mark, text)
            )
        elif mark not in {"", "%"}:
            raise ValueError(f"clauses.txt, line {number}: unknown mark {mark!r}; known: # - ? = %")
    return types


def _with(items: tuple[Item, ...], mark: str, text: str) -> tuple[Item, ...]:
    if mark == "=":
        return (*items[:-1], Item(items[-1].questions, (*items[-1].answers, text)))
    if items and not items[-1].answers:
        return (*items[:-1], Item((*items[-1].questions, text), ()))
    return (*items, Item((text,), ()))


@cache
def clause_types() -> tuple[ClauseType, ...]:
    """Read all clause types. Raises ValueError where the wordings of a type differ in their slots."""
    types = _parse(CLAUSES_PATH.read_text(encoding="utf-8").splitlines())
    for kind in types:
        slots = set(kind.slots)
        for wording in kind.wordings:
            found = {"".join(m) for m in _SLOT.findall(wording)}
            if found != slots:
                raise ValueError(f"{kind.key}: {sorted(found ^ slots)} not in every wording")
        for item in kind.items:
            for text in (*item.questions, *item.answers):
                if extra := {"".join(m) for m in _SLOT.findall(text)} - slots:
                    raise ValueError(f"{kind.key}: {sorted(extra)} not a slot of the clause")
    return tuple(types)


def labels() -> tuple[str, ...]:
    """Return the labels of the clause types, in order of first use."""
    return tuple(dict.fromkeys(kind.label for kind in clause_types()))


def capitalised(text: str) -> str:
    """Put the first letter in upper case and leave the rest."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Make a fragment a sentence: capital first, full stop last."""
    return capitalised(text) + "."


def sentences(text: str) -> list[str]:
    """Split generated text at full stops followed by a capital."""
    return re.split(r"(?<=[.?!])\s+(?=[A-Z£$0-9])", text)


def _choose(template: str, rng: random.Random) -> str:
    return _CHOICE.sub(lambda m: rng.choice(m.group(1).split("|")), template)


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause type with its slots filled."""

    kind: ClauseType
    values: Mapping[str, str]

    def fill(self, template: str, rng: random.Random) -> str:
        """Make the choices of a template and put the slot values in."""
        text = _choose(template, rng)
        return _SLOT.sub(lambda m: self.values[m.group(1) + m.group(2)], text)

    def wording(self, rng: random.Random, index: int | None = None) -> str:
        """Say the clause in one of its wordings, a random one where `index` is None."""
        chosen = self.kind.wordings[
            rng.randrange(len(self.kind.wordings)) if index is None else index
        ]
        parts = _SENTENCE_END.split(_choose(chosen, rng))
        return " ".join(capitalised(self.fill(part, rng)) for part in parts)


@dataclass(slots=True)
class Writer:
    """Fills clauses for one contract: the parties stay, the other values are fresh each time."""

    values: Values
    parties: tuple[str, str]

    @staticmethod
    def start(values: Values, named_fraction: float = NAMED_FRACTION) -> Writer:
        """Choose the parties: roles such as `the Supplier`, by themselves or with names."""
        rng = values.rng
        supplier, customer = rng.choice(_ROLES)
        if rng.random() < named_fraction:
            supplier, customer = f"{supplier} {values.name()}", f"{customer} {values.name()}"
        return Writer(values, (supplier, customer))

    def clause(self, kind: ClauseType) -> Clause:
        """Fill the slots of one clause type."""
        filled = {"supplier": self.parties[0], "customer": self.parties[1]}
        for slot in kind.slots:
            if slot not in filled:
                filled[slot] = self.values.of_kind(slot.rstrip("0123456789"))
        return Clause(kind, filled)
