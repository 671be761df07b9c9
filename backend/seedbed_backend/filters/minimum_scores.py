"""A floor under the score of any filter, as learned from people's verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision
from seedbed_backend.filters.base import Filter, ScreenContext

Score = Annotated[float, Field(ge=0.0, le=1.0)]


class MinimumScores(Filter):
    """Drops what one of the named filters scored below its minimum in `minimums`.

    Only for filters that look at one candidate, and run before this one. What a filter gave no
    score passes. `seedbed calibrate` proposes the minimums; no technique has any by itself.
    """

    name = "minimum_scores"
    help = "Drops what another filter scored below a minimum that verdicts suggest."
    reasons = ("score_below_minimum",)
    uses_scores = True

    minimums: dict[str, Score] = Field(min_length=1)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        return [self._decide(c, context.scores.get(c.id, {})) for c in candidates]

    def check(self, recipe: Recipe) -> None:
        """Raise RecipeError for the name of a filter that the recipe has not, or runs later."""
        from seedbed_backend.filters import filters

        super().check(recipe)
        used, known = list(recipe.filter_options()), filters()
        earlier = [
            name
            for name in used[: used.index(self.name)]
            if name in known and known[name].scope == "candidate"
        ]
        for name in self.minimums:
            if name not in earlier:
                raise RecipeError(
                    f"Filter {self.name}: it cannot set a minimum for {name!r}.",
                    hint=f"Filters that score one candidate before it: {', '.join(earlier)}.",
                )

    def _decide(self, candidate: Candidate, scores: Mapping[str, float]) -> Decision:
        lacks = {name: scores[name] - m for name, m in self.minimums.items() if name in scores}
        worst = min(lacks, key=lambda name: (lacks[name], name), default="")
        if not worst or lacks[worst] >= 0:
            return self.keep(candidate)
        return self.drop(
            candidate,
            "score_below_minimum",
            of=worst,
            measured=round(scores[worst], 4),
            minimum=self.minimums[worst],
        )


FILTER = MinimumScores
