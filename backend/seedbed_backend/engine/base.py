"""What every engine is: something that turns prompts into completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from seedbed.errors import SourceError
from seedbed.records import Completion, FinishReason, Prompt


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

    `context_length` is the most tokens of one prompt with its answer, 0 for what the model was
    trained with, which is also the most that is used. `n_threads` and `n_slots` (completions that
    are generated side by side) are chosen by the engine where they are 0. `n_gpu_layers` is -1 for
    all of them. With `tokenizer_only` no weights are read:
    the engine counts tokens, and does not generate.

    Engines that ask servers take `endpoints`, their base URLs (http://host:port/v1); the model's
    name there ("" for the first that a server lists); the API key ("" for none); and how many
    completions each server works on at once. `allow_public_endpoints` lets data leave the local
    network.
    """

    model_path: Path | None = None
    n_threads: int = 0
    n_slots: int = 0
    context_length: int = 4096
    n_gpu_layers: int = 0
    tokenizer_only: bool = False
    endpoints: tuple[str, ...] = ()
    endpoint_model: str = ""
    endpoint_api_key: str = field(default="", repr=False)
    endpoint_concurrency: int = 4
    allow_public_endpoints: bool = False


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How tokens are drawn; every value is set. `max_tokens` bounds one answer.

    `max_thought_tokens` bounds what a thinking model may think before it answers: 0 lets it answer
    at once. A thought that reaches the bound is closed for the model (`closes_thoughts`), or fails.
    """

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float
    max_tokens: int
    max_thought_tokens: int = 0
    closes_thoughts: bool = True


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt and the completions wanted from it: (completion id, index, rng_seed) each."""

    prompt: Prompt
    sampling: SamplingParams
    wanted: tuple[tuple[str, int, int], ...]

    def completion(
        self,
        wanted: tuple[str, int, int],
        text: str,
        finish_reason: FinishReason,
        **further: Any,
    ) -> Completion:
        """Return one of the completions wanted; `further` are more fields of Completion."""
        completion_id, index, rng_seed = wanted
        return Completion(
            id=completion_id,
            source_id=self.prompt.source_id,
            prompt_hash=self.prompt.hash,
            index=index,
            text=text,
            finish_reason=finish_reason,
            rng_seed=rng_seed,
            shown_sources=self.prompt.shown_sources,
            **further,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What an engine has done since it was loaded, for rates and forecasts.

    `n_prompt_tokens` counts the prompt tokens that were evaluated (those that were reused are not);
    `n_tokens` the generated ones. Seconds are wall time; their sum is the time spent generating.
    """

    n_prompt_tokens: int = 0
    prompt_seconds: float = 0.0
    n_tokens: int = 0
    token_seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.n_prompt_tokens + other.n_prompt_tokens,
            self.prompt_seconds + other.prompt_seconds,
            self.n_tokens + other.n_tokens,
            self.token_seconds + other.token_seconds,
        )

    def __sub__(self, other: Usage) -> Usage:
        return self + Usage(
            -other.n_prompt_tokens, -other.prompt_seconds, -other.n_tokens, -other.token_seconds
        )


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

    def excess_tokens(self, request: GenerationRequest) -> int:
        """Return by how many tokens the prompt and its `max_tokens` exceed the context; 0 fits."""
        ...

    @property
    def usage(self) -> Usage:
        """Return what was done since the engine was loaded."""
        ...

    def describe(self) -> list[str]:
        """Say what was chosen for this machine and why, a line each, for the operator."""
        ...

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion]:
        """Yield one completion per wanted id as it finishes, in any order.

        The same requests in the same order on the same model and settings give the same texts,
        whatever was asked before. A completion cut off by `max_tokens` has finish_reason "length".
        Raises SourceError, before anything is generated, when a prompt and its `max_tokens` do
        not fit the context. Closing the iterator ends what is still being generated.
        """
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...


def check_fits(engine: Engine, requests: Sequence[GenerationRequest]) -> None:
    """Raise SourceError for the first request that does not fit the engine's context."""
    for request in requests:
        if excess := engine.excess_tokens(request):
            raise SourceError(
                f"The prompt of source {request.prompt.source_id} is {excess} tokens too long: "
                f"{engine.count_tokens(request.prompt)} and {request.sampling.max_tokens} for the "
                f"answer, in a context of {engine.model.context_length}.",
                hint="Split the source, show fewer peers, or raise SEEDBED_CONTEXT_LENGTH.",
            )
