"""Whether something trivial gives the preferred side of a set of pairs away: length and the like."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from seedbed.review import wilson_interval
from seedbed.text import sentences, words
from seedbed_backend.filters import configure
from seedbed_backend.filters.length_tell import LengthTell, Tell, length_gap, tell_of
from seedbed_backend.insights.base import Finding, Insight, ReportData

_MIN_PAIRS = 20
"""Fewer pairs say nothing: the interval of an accuracy of 0.8 is wider than 0.3."""

_TRAITS: Mapping[str, Callable[[str], bool]] = {
    "ends with a question mark": lambda text: text.rstrip().endswith("?"),
    "ends without an end mark": lambda text: text.rstrip()[-1:] not in {".", "!", "?", "\u2026"},
    "has an exclamation mark": lambda text: "!" in text,
    "has a digit": lambda text: any(c.isdigit() for c in text),
    "has a list": lambda text: bool(re.search(r"^\s*(?:[-*\u2022]|\d{1,2}[.)])\s", text, re.M)),
    "has quotation marks": lambda text: any(c in text for c in '"\u201c\u201d\u00ab\u00bb'),
    "has brackets": lambda text: "(" in text,
    "has one sentence": lambda text: len(sentences(text)) <= 1,
}


def find(data: ReportData) -> Finding | None:
    """Say how well length, and other traits that take no reading, predict the chosen side."""
    filters = [each for each in configure(data.recipe) if isinstance(each, LengthTell)]
    pair = data.recipe.spec.rubric.pair
    names = (filters[0].chosen_field, filters[0].rejected_field) if filters else pair
    if not names:
        return None
    cap = filters[0].max_accuracy if filters else LengthTell.model_fields["max_accuracy"].default
    pairs = [tuple(c.candidate.fields.get(n, "") for n in names) for c in data.survivors]
    if not pairs:
        return None
    n_dropped = sum(c.stage == "length_tell" for c in data.candidates)
    return _finding([(chosen, rejected) for chosen, rejected in pairs], cap, n_dropped)


def _finding(pairs: Sequence[tuple[str, str]], cap: float, n_dropped: int) -> Finding:
    gaps = [length_gap(*pair) for pair in pairs]
    tell = tell_of(gaps)
    length = _interval(tell)
    area = _auroc(
        [len(words(chosen)) for chosen, _ in pairs], [len(words(rejected)) for _, rejected in pairs]
    )
    others = [row for row in (*_first_words(pairs), *_traits(pairs)) if row[1] + row[2]]
    rows = [
        (f"is the {tell.direction} side", tell.n_shorter, tell.n_longer, *length)
        if tell.direction == "shorter"
        else ("is the longer side", tell.n_longer, tell.n_shorter, *length),
        *sorted(others, key=lambda row: -float(row[3])),
    ]
    strongest = [str(row[0]) for row in rows[1:] if _is_telling(row, len(pairs), cap)]
    return Finding(
        name="length_tell",
        title="What gives the chosen side away",
        lines=_lines(tell, area, length, n_dropped),
        columns=("the chosen side…", "chosen only", "rejected only", "accuracy", "from", "to"),
        rows=rows,
        warnings=_warnings(tell, length, cap, strongest),
        data={
            "n_pairs": len(pairs),
            "direction": tell.direction,
            "length_accuracy": length[0],
            "length_accuracy_interval": list(length[1:]),
            "length_auroc": area,
            "max_accuracy": cap,
            "n_dropped": n_dropped,
            "traits": {str(row[0]): row[3] for row in rows[1:]},
        },
    )


def _interval(tell: Tell) -> tuple[float, float, float]:
    """Return the accuracy with its 95 % interval; half of the equals count as right."""
    n_right = round(tell.accuracy * tell.n_pairs)
    low, high = wilson_interval(min(n_right, tell.n_pairs), tell.n_pairs)
    return round(tell.accuracy, 4), round(low, 4), round(high, 4)


def _auroc(chosen: Sequence[int], rejected: Sequence[int]) -> float:
    """Return the chance that a chosen side is longer than any rejected one; ties count one half."""
    ordered = sorted(rejected)
    below = sum(bisect_left(ordered, n) + bisect_right(ordered, n) for n in chosen)
    return round(below / (2 * len(chosen) * len(rejected)), 4)


_Row = tuple[str, int, int, float, float, float]


def _traits(pairs: Sequence[tuple[str, str]]) -> list[_Row]:
    return [_trait(name, has, pairs) for name, has in _TRAITS.items()]


def _first_words(pairs: Sequence[tuple[str, str]]) -> list[_Row]:
    """Judge the word that most chosen, and the one that most rejected sides begin with."""
    found = []
    for side in (0, 1):
        firsts = Counter(said[0] for pair in pairs if (said := words(pair[side])))
        if firsts:
            first = min(firsts, key=lambda word: (-firsts[word], word))
            found.append(_trait(f"begins with \u201c{first}\u201d", _begins(first), pairs))
    return list({row[0]: row for row in found}.values())


def _begins(first: str) -> Callable[[str], bool]:
    return lambda text: words(text)[:1] == (first,)


def _trait(name: str, has: Callable[[str], bool], pairs: Sequence[tuple[str, str]]) -> _Row:
    """Count the pairs of which one side alone has the trait; the accuracy is over all pairs."""
    sides = [(has(chosen), has(rejected)) for chosen, rejected in pairs]
    n_chosen = sum(chosen and not rejected for chosen, rejected in sides)
    n_rejected = sum(rejected and not chosen for chosen, rejected in sides)
    accuracy = _interval(Tell(n_chosen, n_rejected, len(pairs) - n_chosen - n_rejected))
    return (name, n_chosen, n_rejected, *accuracy)


def _is_telling(row: Sequence[str | int | float], n_pairs: int, cap: float) -> bool:
    return n_pairs >= _MIN_PAIRS and float(row[3]) > cap


def _lines(
    tell: Tell, area: float, length: tuple[float, float, float], n_dropped: int
) -> list[str]:
    lines = [
        f"\u201cThe {tell.direction} side is chosen\u201d is right in {length[0]:.0%} "
        f"[{length[1]:.0%}, {length[2]:.0%}] of {tell.n_pairs} pairs; AUROC of the number of words "
        f"{area:.2f} (0.50: says nothing)."
    ]
    if n_dropped:
        lines.append(f"{n_dropped} pairs were dropped because their length gave the answer away.")
    return lines


def _warnings(
    tell: Tell, length: tuple[float, float, float], cap: float, strongest: Sequence[str]
) -> list[str]:
    if tell.n_pairs < _MIN_PAIRS:
        return []
    found = []
    if length[0] > cap:
        found.append(
            f"Length alone finds the chosen side in {length[0]:.0%} of the pairs, more than "
            f"{cap:.0%}: a model may learn to be {'short' if tell.direction == 'shorter' else 'long'} "
            "and nothing else. Ask for rejected sides of the same length in the prompt, or take the "
            "rule about length out of the style guide."
        )
    found += [
        f"One look finds the chosen side in more than {cap:.0%} of the pairs: {name}."
        for name in strongest
    ]
    return found


INSIGHT = Insight("length_tell", find)
