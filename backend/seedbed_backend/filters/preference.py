"""Whether a preference pair really prefers: chosen beats rejected by the style guide's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from pydantic import Field

from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.defects import defect
from seedbed_backend.filters.measures import MEASURES
from seedbed_backend.text import word_similarity, words


class Preference(Filter):
    """Drops a pair whose sides are alike or broken, or whose measured rules point the wrong way.

    Only rules with a measure are judged. The score is one half plus half the mean of (chosen -
    rejected) over them: 1 where the chosen side follows all and the rejected none, 0.5 for no
    difference; None where no rule can be measured.
    """

    name = "preference"
    help = "Drops a pair without a real difference, or whose chosen side breaks the style guide."
    reasons = (
        "chosen_broken",
        "rejected_broken",
        "identical",
        "too_alike",
        "chosen_breaks_rule",
        "rule_direction",
    )

    chosen_field: str
    rejected_field: str
    source_field: str = ""  # the prompt, for rules about it; empty means the first source field
    max_alike: float = Field(default=0.90, ge=0.0, le=1.0)  # share of equal words
    min_chosen: float = Field(default=0.50, ge=0.0, le=1.0)  # a measure below it is a breach

    def check(self, recipe: Recipe) -> None:
        """Also raise RecipeError where the style guide names an unknown measure."""
        super().check(recipe)
        for rule in recipe.style_rules:
            measure = rule.get("measure")
            if measure and measure not in MEASURES:
                raise RecipeError(
                    f"The style rule {rule['name']!r} names an unknown measure, {measure!r}.",
                    hint=f"Known: {', '.join(MEASURES)}; or leave it out.",
                )

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        prompt_field = self.source_field or context.recipe.spec.text_field
        names = [str(rule.get("measure", "")) for rule in context.recipe.style_rules]
        measured = [name for name in names if name in MEASURES]
        return [
            self._decide(c, c.source.fields.get(prompt_field, ""), measured) for c in candidates
        ]

    def _decide(self, candidate: Candidate, prompt: str, measures: Sequence[str]) -> Decision:
        chosen = candidate.fields.get(self.chosen_field, "")
        rejected = candidate.fields.get(self.rejected_field, "")
        if broken := defect(chosen, prompt):
            return self.drop(candidate, "chosen_broken", 0.0, defect=broken)
        if broken := defect(rejected, prompt):
            return self.drop(candidate, "rejected_broken", 0.0, defect=broken)
        if words(chosen) == words(rejected):
            return self.drop(candidate, "identical", 0.0)
        alike = word_similarity(chosen, rejected)
        if alike >= self.max_alike:
            return self.drop(candidate, "too_alike", 0.0, same_words=round(alike, 4))
        return self._weigh(candidate, chosen, rejected, prompt, measures)

    def _weigh(
        self, candidate: Candidate, chosen: str, rejected: str, prompt: str, names: Sequence[str]
    ) -> Decision:
        values: dict[str, list[float]] = {}
        for name in names:
            pair = [MEASURES[name](side, prompt) for side in (chosen, rejected)]
            values[name] = [round(value, 4) for value in pair if value is not None]
        values = {name: pair for name, pair in values.items() if len(pair) == 2}
        if not values:
            return self.keep(candidate)
        gap = fmean(better - worse for better, worse in values.values())
        score = round(0.5 + gap / 2, 4)
        breached = [name for name, (better, _) in values.items() if better < self.min_chosen]
        if breached:
            return self.drop(
                candidate, "chosen_breaks_rule", score, rules=breached, measured=values
            )
        if gap <= 0:
            return self.drop(candidate, "rule_direction", score, measured=values)
        return self.keep(candidate, score, measured=values)


FILTER = Preference
