"""llama.cpp in this process: batched, continuous, held to JSON schemas."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from typing import ClassVar

from seedbed.errors import ModelError
from seedbed.records import Completion, Prompt
from seedbed_backend.engine import hardware, memory, model_file
from seedbed_backend.engine.base import (
    GenerationRequest,
    LoadOptions,
    ModelInfo,
    Usage,
    check_fits,
)
from seedbed_backend.engine.batching import Batch, Job
from seedbed_backend.engine.chat import ChatTemplate
from seedbed_backend.engine.constraint import Constraints
from seedbed_backend.engine.context import GRANULE, Context, rounded
from seedbed_backend.engine.llama_model import LlamaModel, supports_gpu

CPU_SLOTS = 20
"""Completions side by side on a CPU; more brought nothing (benchmarks/README.md)."""

GPU_SLOTS = 64
"""Completions side by side on a GPU, where a step of 64 sequences takes hardly longer than of 20."""

SHARED_FROM = 8
"""Completions of each prompt from which on a common pool of cells is faster on a CPU."""

SHARED_SLOTS = 32
"""Completions side by side there."""

MIN_CONTEXT = 256
"""Tokens of context below which no prompt of any use fits."""


class LlamaCpp:
    """One GGUF model.

    The memory for sequences is made when it is needed, as long as the longest prompt with its
    answer, and made anew when that changes.

    On the CPU the text of a completion depends on its prompt, sampling and rng_seed alone. Where
    `SHARED_FROM` or more are wanted of each prompt, on a GPU, and for recurrent models it also
    depends on what is generated beside it: on `n_slots` and on all requests of the call.
    """

    name: ClassVar[str] = "llama_cpp"
    help: ClassVar[str] = "llama.cpp in this process: GGUF models on CPU or GPU."

    def __init__(self, options: LoadOptions) -> None:
        if options.model_path is None:
            raise ModelError("The engine llama_cpp needs a model file.", hint="Set model_path.")
        self._options = options
        self._stack = ExitStack()
        self._free = weakref.finalize(self, self._stack.close)
        self._model = LlamaModel(
            options.model_path,
            n_gpu_layers=options.n_gpu_layers,
            vocab_only=options.tokenizer_only,
        )
        self._stack.callback(self._model.close)
        self._contexts: list[Context] = []
        self._stack.callback(_close_all, self._contexts)
        try:
            self._template = ChatTemplate(self._model)
            self._n_context = min(
                options.context_length or self._model.n_trained, self._model.n_trained
            )
            self._n_threads = options.n_threads or hardware.n_threads()
            if not options.tokenizer_only:
                self._check_memory()
        except BaseException:
            self.close()
            raise
        self._constraints = Constraints(self._model)
        self._usage = Usage()
        self._is_generating = False

    @property
    def model(self) -> ModelInfo:
        """Identify the model; the first call hashes the file."""
        path = self._model.path
        return ModelInfo(self._model.name, model_file.sha256(path), self._n_context)

    @property
    def usage(self) -> Usage:
        """Return what was done since the model was loaded."""
        return self._usage

    @property
    def n_slots(self) -> int:
        """Return how many completions are generated side by side, where memory allows."""
        return self._options.n_slots or (GPU_SLOTS if self._is_on_gpu else CPU_SLOTS)

    @property
    def _is_on_gpu(self) -> bool:
        return self._options.n_gpu_layers != 0 and supports_gpu()

    def count_tokens(self, prompt: Prompt) -> int:
        """Count the tokens of the rendered prompt, the chat template's own included."""
        return len(self._tokenize(prompt))

    def excess_tokens(self, request: GenerationRequest) -> int:
        """Return by how many tokens the prompt, its thought and answer exceed the context."""
        return max(0, self._need(self._job(request)) - self._n_context)

    def describe(self) -> list[str]:
        """Say what was chosen: threads, slots, GPU, context, thinking."""
        options = self._options
        is_chosen = "as set" if options.n_threads else "the physical cores that may be used"
        threads = f"{self._n_threads} threads ({is_chosen})"
        if not supports_gpu():
            gpu = "on the CPU (this llama.cpp was built without GPU support)"
        elif options.n_gpu_layers == 0:
            gpu = "on the CPU (as set)"
        else:
            n_layers = "all" if options.n_gpu_layers < 0 else str(options.n_gpu_layers)
            gpu = f"{n_layers} layers on the GPU"
        per_sequence = self._n_context * self._model.cache_bytes_per_token >> 20
        n_fitting = min(self.n_slots, self._slots_in_memory(self._n_context))
        slots = f"{n_fitting} completions side by side"
        if n_fitting < self.n_slots:
            slots += f" at full length (of {self.n_slots}: memory is short)"
        return [
            f"{threads}, {gpu}, flash attention, weights mapped from the file",
            f"{slots}; each up to {self._n_context} tokens of context ({per_sequence} MiB)",
            "chat template of the model"
            if self._model.chat_template
            else "no chat template: ChatML",
            f"thoughts between {self._template.thought_tags.opening} and "
            f"{self._template.thought_tags.closing}"
            if self._template.thought_tags
            else "does not think before it answers",
        ]

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion]:
        """Yield completions as they finish; requests with a common start are cheapest together."""
        if self._options.tokenizer_only:
            raise ModelError(f"Of {self._model.path} the tokenizer alone is open.")
        check_fits(self, requests)
        return self._generate([self._job(request) for request in requests if request.wanted])

    def close(self) -> None:
        """Free the model's memory; a second call does nothing."""
        self._free()

    def _generate(self, jobs: Sequence[Job]) -> Iterator[Completion]:
        if not jobs:
            return
        self._check_open()
        if self._is_generating:
            raise ModelError("This engine generates already; finish or close the other iterator.")
        context = self._fitting_context(jobs)
        tags = self._template.thought_tags
        batch = Batch(self._model, context, self._constraints, tags, deque(jobs))
        before = self._usage
        self._is_generating = True
        try:
            with closing(batch):
                for completion in batch.run():
                    self._usage = before + batch.usage
                    yield completion
                    self._check_open()
        finally:
            self._is_generating = False
            self._usage = before + batch.usage

    def _job(self, request: GenerationRequest) -> Job:
        is_thinking = bool(
            request.sampling.max_thought_tokens and self._template.thought_tags is not None
        )
        return Job(request, self._tokenize(request.prompt, is_thinking), is_thinking)

    def _need(self, job: Job) -> int:
        sampling = job.request.sampling
        n_thought = sampling.max_thought_tokens if job.is_thinking else 0
        return len(job.prompt) + n_thought + sampling.max_tokens

    def _tokenize(self, prompt: Prompt, is_thinking: bool = False) -> list[int]:
        self._check_open()
        text = self._template.render(prompt.messages, is_thinking=is_thinking)
        return self._model.tokenize_prompt(text)

    def _fitting_context(self, jobs: Sequence[Job]) -> Context:
        """Return a context for these jobs; the present one where it will do."""
        is_shared = self._shares(jobs)
        n_wanted = sum(len(job.request.wanted) for job in jobs)
        n_slots = self._options.n_slots or (SHARED_SLOTS if is_shared else self.n_slots)
        need = max(map(self._need, jobs)) + 1
        if is_shared:
            # One prompt's completions at a time; at the end of one, two (batching.py).
            n_slots = min(n_slots, max(len(job.request.wanted) for job in jobs))
            longest = max(len(job.prompt) for job in jobs)
            need = 2 * longest + n_slots * (need - min(len(job.prompt) for job in jobs))
        else:
            n_slots = min(n_slots, self._slots_in_memory(rounded(need)))
        length = rounded(need)
        for old in self._contexts:
            is_like = old.is_shared == is_shared and length <= old.length <= 2 * length
            if is_like and old.n_slots >= min(n_slots, n_wanted):
                if is_shared:
                    old.clear()
                return old
        _close_all(self._contexts)
        while True:
            try:
                context = Context(
                    self._model,
                    n_slots=n_slots,
                    length=length,
                    n_threads=self._n_threads,
                    is_shared=is_shared,
                )
            except ModelError:
                if n_slots == 1:
                    raise
                n_slots //= 2
            else:
                self._contexts.append(context)
                return context

    def _shares(self, jobs: Sequence[Job]) -> bool:
        n_least = min(len(job.request.wanted) for job in jobs)
        may_share = not (self._is_on_gpu or self._model.is_recurrent)
        return may_share and n_least >= SHARED_FROM

    def _slots_in_memory(self, length: int) -> int:
        fitting = memory.fitting_tokens(self._model.cache_bytes_per_token, memory.available_bytes())
        if fitting is None:
            return self.n_slots
        return max(1, fitting // length - 1)

    def _check_memory(self) -> None:
        """Raise ModelError when not even one completion of the full context fits."""
        per_token = self._model.cache_bytes_per_token
        fitting = memory.fitting_tokens(per_token, memory.available_bytes())
        if fitting is None or fitting >= 2 * self._n_context:
            return
        possible = fitting // 2 // GRANULE * GRANULE
        raise ModelError(
            f"A context of {self._n_context} tokens does not fit into memory beside the model "
            f"{self._model.path}: {2 * self._n_context * per_token >> 20} MiB are needed.",
            hint=f"Set SEEDBED_CONTEXT_LENGTH={possible}, which would fit, or free some memory."
            if possible >= MIN_CONTEXT
            else "Free some memory, or use a smaller model.",
        )

    def _check_open(self) -> None:
        if not self._free.alive:
            raise ModelError(f"The model {self._model.path} is closed.", hint="Open it again.")


def _close_all(contexts: list[Context]) -> None:
    while contexts:
        contexts.pop().close()


ENGINE = LlamaCpp
