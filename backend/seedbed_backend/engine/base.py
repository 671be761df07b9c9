"""What every engine is: something that turns prompts into completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from seedbed.records import Completion, Prompt


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What identifies a model. `sha256` is of the file (hex), or of the name where there is none.

    `context_length` is in tokens.
    """

    name: str
    sha256: str
    context_length: int


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How tokens are drawn; every value is set. `max_tokens` bounds one completion."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float
    max_tokens: int


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt and the completions wanted from it: (completion id, index, rng_seed) each."""

    prompt: Prompt
    sampling: SamplingParams
    wanted: tuple[tuple[str, int, int], ...]


class Engine(Protocol):
    """A loaded model. Not thread-safe; several may live in one process."""

    model: ModelInfo

    def count_tokens(self, prompt: Prompt) -> int:
        """Count the tokens of the rendered prompt with the model's own tokenizer."""
        ...

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion]:
        """Yield one completion per wanted id as it finishes, in any order.

        The same request on the same model gives the same text. A completion cut off by
        `max_tokens` or the context has finish_reason "length".
        """
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
