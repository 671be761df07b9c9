"""Broken text, found without a model: leaks, refusals, loops, cuts, damage, length."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field

from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.defects import DEFECTS, allows_refusal, examine, phrases

_TEMPLATE_TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)


class Heuristics(Filter):
    """Drops a candidate at its first broken field. Lengths are in characters, ends stripped.

    The score is that of the worst field: 1 without any finding; every slip of spelling, spacing or
    word order costs, and 0 is reached at three in ten words; a defect has 0.25 at most. The evidence
    names the field and, in `found`, the words that show the defect.
    """

    name = "heuristics"
    help = (
        "Drops broken text: prompt or markup leaks, refusals, loops, cut-off text, broken characters, "
        "and words that are misspelt, run together, out of order or missing."
    )
    reasons = ("too_short", "too_long", *DEFECTS)

    fields: tuple[str, ...] = Field(min_length=1)
    source_field: str = ""
    min_characters: int = Field(default=2, ge=1)  # "No" is an answer
    max_characters: int = Field(default=4000, ge=1)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        instructions = _instructions(context.recipe)
        may_refuse = allows_refusal(context.recipe.style_rules)
        return [self._decide(candidate, instructions, may_refuse) for candidate in candidates]

    def _decide(
        self, candidate: Candidate, instructions: frozenset[str], may_refuse: bool
    ) -> Decision:
        source = candidate.source.fields.get(self.source_field, "")
        worst = 1.0
        for name in self.fields:
            text = candidate.fields.get(name, "").strip()
            if len(text) < self.min_characters:
                return self.drop(candidate, "too_short", 0.0, field=name, n_characters=len(text))
            if len(text) > self.max_characters:
                return self.drop(candidate, "too_long", 0.0, field=name, n_characters=len(text))
            seen = examine(text, source, instructions, may_refuse=may_refuse)
            if seen.defect:
                found = {"found": list(seen.found)} if seen.found else {}
                return self.drop(candidate, seen.defect, seen.score, field=name, **found)
            worst = min(worst, seen.score)
        return self.keep(candidate, worst)


def _instructions(recipe: Recipe) -> frozenset[str]:
    """Return the word sequences of the system prompt in force and of the style guide."""
    template = recipe.prompt.system or recipe.spec.system
    texts = [*_TEMPLATE_TAG.split(template), *(str(rule["text"]) for rule in recipe.style_rules)]
    return frozenset().union(*map(phrases, texts))


FILTER = Heuristics
