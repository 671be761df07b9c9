"""What every engine is: something that turns prompts into completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

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
class LoadOptions:
    """How a model is opened. `model_path` is None for engines without a model file.

    `context_length` is in tokens, 0 for what the model was trained with, which is also the most
    that is used. `n_gpu_layers` is -1 for all of them.
    """

    model_path: Path | None = None
    n_threads: int = 1
    context_length: int = 4096
    n_gpu_layers: int = 0


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
    """A loaded model. Not thread-safe; several may live in one process.

    An engine is made from LoadOptions, and raises ModelError when it cannot use the model file.
    """

    name: ClassVar[str]
    help: ClassVar[str]

    def __init__(self, options: LoadOptions) -> None: ...

    @property
    def model(self) -> ModelInfo:
        """Identify the model; the first call may read the whole file to hash it."""
        ...

    def count_tokens(self, prompt: Prompt) -> int:
        """Count the tokens of the rendered prompt with the model's own tokenizer."""
        ...

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion]:
        """Yield one completion per wanted id as it finishes, in any order.

        The same request on the same model gives the same text, whatever was asked before. A
        completion cut off by `max_tokens` or the context has finish_reason "length". Raises
        SourceError, before anything is generated, when a prompt leaves no room in the context.
        """
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
