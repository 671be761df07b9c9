"""Whether a preference pair really prefers: chosen beats rejected by the style guide's own rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pydantic import Field

from seedbed.contrasts import is_negation_changed, opposites
from seedbed.facts import missing_names, quantities
from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision
from seedbed.text import content_words, words
from seedbed_backend.filters import grounding
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.defects import Examination, allows_refusal, examine
from seedbed_backend.filters.measures import (
    Rule,
    declines,
    grounded,
    measured_rules,
    unknown_numbers,
)
from seedbed_backend.text import word_similarity

_MATERIAL = 0.5  # of the words of the worst sentence of a reply
_FEWEST = 3  # content words of a reply that says something
_PASSAGE = 12  # words
_PASSAGES = re.compile(r"(?:[:\n]|\.\s)\s*([^\n]*[.;])(?=\s|\Z)")


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both sides of a pair with the prompt, and how far the prompt's text supports each."""

    chosen: str
    rejected: str
    prompt: str
    supports: tuple[grounding.Support, grounding.Support]

    @property
    def has_material(self) -> bool:
        """Tell whether the prompt has the text that the replies are about.

        That is so where a passage follows the request, or where a reply takes half of its words
        from the prompt: an open request ("name three birds") has nothing to check facts against.
        """
        if any(len(words(passage)) >= _PASSAGE for passage in _PASSAGES.findall(self.prompt)):
            return True
        return any(
            support.covered >= _MATERIAL and len(content_words(side)) >= _FEWEST
            for side, support in zip((self.chosen, self.rejected), self.supports, strict=True)
        )

    @property
    def is_less_grounded_by(self) -> float:
        """Return by how much the chosen side is the less supported one, in [-1, 1].

        0 where a side says too little to be supported by anything.
        """
        if any(len(content_words(side)) < _FEWEST for side in (self.chosen, self.rejected)):
            return 0.0
        return self.supports[1].score - self.supports[0].score

    @property
    def differs_in_fact(self) -> bool:
        """Tell whether the sides differ in a number, a name, a negation or an opposite."""
        first, second = quantities(self.chosen), quantities(self.rejected)
        return bool(
            first.missing_from(second)
            or second.missing_from(first)
            or missing_names(self.chosen, self.rejected)
            or missing_names(self.rejected, self.chosen)
            or is_negation_changed(self.chosen, self.rejected)
            or opposites(self.chosen, self.rejected)
        )


class Preference(Filter):
    """Drops a pair whose sides are alike or broken, or which does not prefer the better one.

    Each rule of the style guide that has a measure is judged on both sides. Where the prompt has
    the text that the replies are about, the numbers and names of the chosen side must stand in it
    (those of the rejected side need not), and the chosen side must not be less supported by it than
    the rejected one; a difference in unknown facts counts as one more rule, `grounded`.

    The score is the mean of up to two parts: one half plus half the mean of (chosen - rejected)
    over the rules (1 where the chosen side follows all and the rejected none, 0.5 for no
    difference), and the support of the chosen side (the share of the words of its worst sentence
    that the prompt has). None where neither can be said. The evidence has both sides' measures.
    """

    name = "preference"
    help = (
        "Drops a pair without a real difference, or whose chosen side breaks the guide or invents."
    )
    reasons = (
        "chosen_broken",
        "rejected_broken",
        "identical",
        "too_alike",
        "number_not_in_prompt",
        "name_not_in_prompt",
        "fact_exchanged",
        "less_grounded",
        "chosen_breaks_rule",
        "rule_direction",
        "gap_too_small",
    )

    chosen_field: str
    rejected_field: str
    source_field: str = ""  # the prompt, for rules about it; empty means the first source field
    max_alike: float = Field(default=0.90, ge=0.0, le=1.0)  # share of equal words
    min_chosen: float = Field(default=0.50, ge=0.0, le=1.0)  # a measure below it is a breach
    # One plain breach of one rule in six; less is a difference of degree.
    min_gap: float = Field(default=0.10, ge=0.0, le=1.0)
    check_facts: bool = True
    # Dev pairs with a source: right side first in .94, by less in either direction among equals.
    max_less_grounded: float = Field(default=0.25, ge=0.0, le=1.0)

    def check(self, recipe: Recipe) -> None:
        """Also raise RecipeError where the style guide names an unknown measure or option."""
        super().check(recipe)
        measured_rules(recipe.style_rules)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        prompt_field = self.source_field or context.recipe.spec.text_field
        rules = measured_rules(context.recipe.style_rules)
        may_refuse = allows_refusal(context.recipe.style_rules)
        return [
            self._decide(c, c.source.fields.get(prompt_field, ""), rules, may_refuse)
            for c in candidates
        ]

    def _decide(
        self, candidate: Candidate, prompt: str, rules: Sequence[Rule], may_refuse: bool
    ) -> Decision:
        chosen = candidate.fields.get(self.chosen_field, "")
        rejected = candidate.fields.get(self.rejected_field, "")
        for reason, side in (("chosen_broken", chosen), ("rejected_broken", rejected)):
            seen = examine(side, prompt, may_refuse=may_refuse)
            if seen.defect:
                return self.drop(candidate, reason, 0.0, **_defect(seen))
        if words(chosen) == words(rejected):
            return self.drop(candidate, "identical", 0.0)
        supports = (grounding.examine(chosen, prompt), grounding.examine(rejected, prompt))
        pair = _Pair(chosen, rejected, prompt, supports)
        alike = word_similarity(chosen, rejected)
        if alike >= self.max_alike and not pair.differs_in_fact:
            return self.drop(candidate, "too_alike", 0.0, same_words=round(alike, 4))
        return self._weigh(candidate, pair, rules, may_refuse)

    def _weigh(
        self, candidate: Candidate, pair: _Pair, rules: Sequence[Rule], may_refuse: bool
    ) -> Decision:
        measured = _measure(pair, rules, check_facts=self.check_facts)
        parts = []
        evidence: dict[str, object] = {}
        if measured:
            gap = fmean(better - worse for better, worse in measured.values())
            parts.append(0.5 + gap / 2)
            evidence["measured"] = measured
        reason = ""
        if self.check_facts and pair.has_material:
            parts.append(pair.supports[0].covered)
            evidence["supported"] = [round(support.score, 4) for support in pair.supports]
            reason, found = self._invented(pair, may_refuse and declines(pair.chosen))
            evidence |= found
        score = round(fmean(parts), 4) if parts else None
        if not reason and measured:
            reason, found = self._breach(measured, gap)
            evidence |= found
        if reason:
            return self.drop(candidate, reason, score, **evidence)
        return self.keep(candidate, score, **evidence)

    def _invented(self, pair: _Pair, is_declined: bool) -> tuple[str, dict[str, object]]:
        """Return the reason why the facts of the chosen side do not hold, or '', with evidence."""
        if numbers := unknown_numbers(pair.chosen, pair.prompt):
            return "number_not_in_prompt", {"numbers": numbers}
        if names := missing_names(pair.chosen, pair.prompt):
            return "name_not_in_prompt", {"names": names}
        if exchanged := pair.supports[0].found.get("exchanged"):
            return "fact_exchanged", {"exchanged": exchanged}
        if not is_declined and pair.is_less_grounded_by > self.max_less_grounded:
            return "less_grounded", {}
        return "", {}

    def _breach(
        self, measured: Mapping[str, Sequence[float]], gap: float
    ) -> tuple[str, dict[str, object]]:
        breached = [name for name, (better, _) in measured.items() if better < self.min_chosen]
        if breached:
            return "chosen_breaks_rule", {"rules": breached}
        if gap <= 0:
            return "rule_direction", {}
        return ("gap_too_small", {"gap": round(gap, 4)}) if gap < self.min_gap else ("", {})


def _defect(seen: Examination) -> dict[str, object]:
    return {"defect": seen.defect} | ({"found": list(seen.found)} if seen.found else {})


def _measure(pair: _Pair, rules: Sequence[Rule], *, check_facts: bool) -> dict[str, list[float]]:
    """Return (chosen, rejected) by rule, for the rules that apply to both."""
    values: dict[str, list[float]] = {}
    for rule in rules:
        better, worse = (rule.of(side, pair.prompt) for side in (pair.chosen, pair.rejected))
        if better is not None and worse is not None:
            values[rule.name] = [round(better, 4), round(worse, 4)]
    if check_facts and "grounded" not in values and pair.has_material:
        sides = [grounded(side, pair.prompt) for side in (pair.chosen, pair.rejected)]
        if sides[0] != sides[1]:
            values["grounded"] = [round(side or 0.0, 4) for side in sides]
    return values


FILTER = Preference
