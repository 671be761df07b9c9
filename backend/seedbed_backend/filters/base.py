"""What every filter is: options, a name, its reason codes, and `screen`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed.records import Candidate, Decision, SourceTask


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return shape (n, d), rows of length 1, in the order of `texts`."""
        ...


class Entailer(Protocol):
    """Tells whether one text implies another."""

    def entailment(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return shape (n,): the probability that the first text of a pair implies the second."""
        ...


@dataclass(frozen=True, slots=True)
class Reference:
    """A text that a new candidate must not repeat: kept before, real, or rejected by a reviewer.

    `kind` is "kept", "real" or "rejected"; `id` names the row for the evidence. One that an earlier
    wave of the same run kept has a `quality`: a better candidate takes its place.
    """

    id: str
    text: str
    kind: Literal["kept", "real", "rejected"]
    source_id: str = ""
    quality: float | None = None


class Near(NamedTuple):
    """A text that a candidate may repeat; `cosine` in [-1, 1]."""

    reference: Reference
    cosine: float


class Neighbours(Protocol):
    """All that a project's candidates must not repeat, where it is too much to be handed over."""

    def near(
        self,
        texts: Sequence[str],
        vectors: NDArray[np.float32],
        codes: NDArray[np.uint8],
        *,
        min_letters: float,
        min_cosine: float,
    ) -> list[list[Near]]:
        """Return for each text what may be its duplicates (see `TextIndex.search`)."""
        ...


@dataclass(frozen=True, slots=True)
class ScreenContext:
    """What filters may look at besides the candidates.

    `references` are the texts to deduplicate against, and so are the `neighbours`. `scores` maps
    candidate id → filter → score, for set-wise filters that rank; higher is better. `sources` are
    all of the project's sources, there only for filters with `uses_sources`. `entailment` is the
    NLI model, where one is set. `kept` are the project's candidates that earlier waves and runs
    kept, there only for filters with `uses_kept`.
    """

    recipe: Recipe
    encoder: Encoder
    references: Sequence[Reference] = ()
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sources: Sequence[SourceTask] = ()
    neighbours: Neighbours | None = None
    entailment: Entailer | None = None
    kept: Sequence[Candidate] = ()


class Filter(BaseModel, ABC):
    """One filter with its options. Thresholds are fields; their defaults carry their source.

    `scope` is "candidate" when each decision depends on that candidate alone (any worker may run it
    on any part), "set" when it depends on the others (run once a wave, under the project's lock),
    "final" when it ranks a whole run (run once, at its end).
    `reasons` lists every reason code that the filter can give. `uses_sources` asks for
    `ScreenContext.sources`; `uses_scores` tells that a "candidate" filter looks at what others scored.
    `uses_neighbours` asks for `ScreenContext.neighbours`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    help: ClassVar[str]
    reasons: ClassVar[tuple[str, ...]]
    scope: ClassVar[Literal["candidate", "set", "final"]] = "candidate"
    uses_sources: ClassVar[bool] = False
    always_scores: ClassVar[bool] = False
    """Whether all that it looks at gets a score: without any score it looked at nothing."""
    uses_scores: ClassVar[bool] = False
    uses_neighbours: ClassVar[bool] = False

    @property
    def uses_kept(self) -> bool:
        """Tell whether a "set" filter asks for `ScreenContext.kept`."""
        return False

    @property
    def expected_share(self) -> float:
        """Return the share of candidates that a "final" filter keeps, for planning; else 1."""
        return 1.0

    @property
    def is_idle(self) -> bool:
        """Tell whether these options keep everything, so that dropping nothing says nothing."""
        return False

    @abstractmethod
    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """Return one decision per candidate, in their order."""

    def check(self, recipe: Recipe) -> None:
        """Raise RecipeError where the options do not fit the recipe, before anything is generated.

        Here: `source_field` must name a source field, `fields` and every other `*_field` an output
        field. An empty name means that the option is not used.
        """
        for option in type(self).model_fields:
            if option != "fields" and not option.endswith("_field"):
                continue
            value = getattr(self, option)
            spec = recipe.spec
            declared = spec.source_fields if option == "source_field" else spec.output_fields
            known = [f.name for f in declared]
            for name in (value,) if isinstance(value, str) else value:
                if name and name not in known:
                    raise RecipeError(
                        f"Filter {self.name}: {option} is {name!r}, which {spec.name} lacks.",
                        hint=f"Known: {', '.join(known)}.",
                    )

    def keep(
        self, candidate: Candidate, score: float | None = None, **evidence: object
    ) -> Decision:
        """Build a decision that keeps the candidate."""
        return Decision(candidate.id, self.name, True, "", score, evidence)

    def drop(
        self, candidate: Candidate, reason: str, score: float | None = None, **evidence: object
    ) -> Decision:
        """Build a decision that drops the candidate; `reason` is one of `reasons`."""
        return Decision(candidate.id, self.name, False, reason, score, evidence)
