"""Continuous batching: sequences side by side, a free slot refilled at once.

A prompt is evaluated once, in a sequence of its own, and copied for each completion wanted from it;
the next prompt keeps what it has in common with the one before (the system prompt, examples). Active
sequences are always 0 to k - 1: llama.cpp splits a batch wherever their numbers have a gap.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from seedbed.records import Completion, FinishReason
from seedbed_backend.engine.base import GenerationRequest, Usage
from seedbed_backend.engine.chat import ThoughtTags
from seedbed_backend.engine.constraint import Constraint, Constraints
from seedbed_backend.engine.context import MAX_PIECE, Context
from seedbed_backend.engine.llama_model import LlamaModel
from seedbed_backend.engine.sampling import Logits, Sampler

FILL = 0.75
"""Share of busy slots from which on a prompt is evaluated piece by piece, between steps. Below it,
prompts come first, because a step of few sequences is hardly faster than one of many."""

_TAIL = 32
"""Tokens back in which the end of a thought is looked for."""


@dataclass(slots=True)
class Job:
    """One request, its prompt in tokens, and what the model is to do with it."""

    request: GenerationRequest
    prompt: list[int]
    is_thinking: bool = False
    remaining: deque[tuple[str, int, int]] = field(init=False)
    n_evaluated: int = 0
    logits: Logits | None = None

    def __post_init__(self) -> None:
        self.remaining = deque(self.request.wanted)


@dataclass(slots=True)
class _Sequence:
    """One completion on its way."""

    job: Job
    wanted: tuple[str, int, int]
    sampler: Sampler
    constraint: Constraint | None
    started: float
    n_past: int
    is_thinking: bool
    token: int = -1
    thought: list[int] = field(default_factory=list)
    answer: list[int] = field(default_factory=list)
    forced: deque[int] = field(default_factory=deque)
    finish_reason: FinishReason | None = None


class Batch:
    """The sequences of one call; iterate over `run` to get completions as they finish."""

    def __init__(
        self,
        model: LlamaModel,
        context: Context,
        constraints: Constraints,
        tags: ThoughtTags | None,
        jobs: deque[Job],
    ) -> None:
        self._model = model
        self._context = context
        self._constraints = constraints
        self._jobs = jobs
        self._job: Job | None = None
        self._slots: list[_Sequence | None] = [None] * context.n_slots
        self._closing = tags.closing if tags else ""
        self._forced_end = model.tokenize(f"\n{self._closing}\n\n") if tags else []
        self.usage = Usage()

    def run(self) -> Iterator[Completion]:
        """Yield completions as they finish; a caller that stops early must call `close`."""
        while True:
            yield from self._fill()
            self._close_gaps()
            active = [s for s in self._slots if s is not None]
            if not active and self._job is None and not self._jobs:
                return
            if active:
                yield from self._step(active)

    def close(self) -> None:
        """Give up what is not finished."""
        for slot, sequence in enumerate(self._slots):
            if sequence is not None:
                sequence.sampler.close()
                self._free(slot)
        self._jobs.clear()
        self._job = None

    def _fill(self) -> Iterator[Completion]:
        """Put waiting completions into free slots, evaluating their prompts where needed."""
        while None in self._slots:
            if self._job is None:
                if not self._jobs or (self._context.is_shared and self._n_prompts() > 1):
                    return
                self._job = self._jobs.popleft()
                self._job.n_evaluated = self._context.keep_common(self._job.prompt)
            if self._job.logits is None:
                self._evaluate_piece(self._job)
                n_busy = sum(s is not None for s in self._slots)
                if self._job.logits is None and n_busy >= FILL * len(self._slots):
                    return
                continue
            yield from self._start(self._job, self._slots.index(None))
            if not self._job.remaining:
                self._job = None

    def _n_prompts(self) -> int:
        return len({id(sequence.job) for sequence in self._slots if sequence is not None})

    def _free(self, slot: int) -> None:
        self._context.drop(slot)
        self._slots[slot] = None

    def _evaluate_piece(self, job: Job) -> None:
        started = time.perf_counter()
        n_left = len(job.prompt) - job.n_evaluated
        # Equal pieces: none may be short, see context.py.
        n = -(-n_left // -(-n_left // MAX_PIECE))
        piece = job.prompt[job.n_evaluated : job.n_evaluated + n]
        job.logits = self._context.evaluate(piece, is_last=n == n_left)
        job.n_evaluated += n
        self.usage += Usage(n_prompt_tokens=n, prompt_seconds=time.perf_counter() - started)

    def _start(self, job: Job, slot: int) -> Iterator[Completion]:
        wanted = job.remaining.popleft()
        schema = job.request.prompt.schema
        sequence = _Sequence(
            job,
            wanted,
            Sampler(job.request.sampling, wanted[2]),
            self._constraints.start(schema) if schema else None,
            started=time.perf_counter(),
            n_past=len(job.prompt),
            is_thinking=job.is_thinking,
        )
        if job.logits is None:
            raise AssertionError("a sequence starts where its prompt ends")
        self._advance(sequence, job.logits.copy())
        if sequence.finish_reason:
            yield self._complete(sequence)
        else:
            self._context.start(slot)
            self._slots[slot] = sequence

    def _close_gaps(self) -> None:
        """Move the last sequences into the free slots before them."""
        n_active = sum(s is not None for s in self._slots)
        gaps = [i for i, s in enumerate(self._slots[:n_active]) if s is None]
        tail = [i for i, s in enumerate(self._slots) if s is not None and i >= n_active]
        for gap, last in zip(gaps, tail, strict=True):
            self._context.move(last, gap)
            self._slots[gap], self._slots[last] = self._slots[last], None

    def _step(self, active: list[_Sequence]) -> Iterator[Completion]:
        started = time.perf_counter()
        rows = self._context.step([s.token for s in active], [s.n_past for s in active])
        for slot, (sequence, logits) in enumerate(zip(active, rows, strict=True)):
            sequence.n_past += 1
            self._advance(sequence, logits)
            if sequence.finish_reason:
                self._free(slot)
        seconds = time.perf_counter() - started
        self.usage += Usage(n_tokens=len(active), token_seconds=seconds)
        for sequence in active:
            if sequence.finish_reason:
                yield self._complete(sequence)

    def _advance(self, sequence: _Sequence, logits: Logits) -> None:
        """Choose the next token, and see whether it ends the thought or the answer."""
        sampling = sequence.job.request.sampling
        if sequence.forced:
            sequence.token = sequence.forced.popleft()
            return
        constraint = None if sequence.is_thinking else sequence.constraint
        allowed = constraint.allowed() if constraint else None
        token = sequence.token = sequence.sampler.sample(logits, allowed)
        if sequence.is_thinking:
            self._think(sequence, token)
        elif token in self._model.end_tokens:
            sequence.finish_reason = "stop"
        else:
            sequence.answer.append(token)
            if constraint and constraint.accept(token):
                sequence.finish_reason = "stop"
            elif len(sequence.answer) >= sampling.max_tokens:
                sequence.finish_reason = "length"

    def _think(self, sequence: _Sequence, token: int) -> None:
        sampling = sequence.job.request.sampling
        thought = sequence.thought
        thought.append(token)
        tail = self._model.bytes_of(thought[-_TAIL:], with_control=True)
        if self._closing.encode() in tail:
            sequence.is_thinking = False
        elif token in self._model.end_tokens:
            sequence.finish_reason = "unclosed_thought"
        elif len(thought) >= sampling.max_thought_tokens:
            if sampling.closes_thoughts:
                sequence.forced.extend(self._forced_end)
                sequence.is_thinking = False
            else:
                sequence.finish_reason = "unclosed_thought"

    def _complete(self, sequence: _Sequence) -> Completion:
        sequence.sampler.close()
        thought = self._model.bytes_of(sequence.thought, with_control=True).decode(errors="replace")
        if sequence.finish_reason is None:
            raise AssertionError("only a finished sequence is a completion")
        return sequence.job.request.completion(
            sequence.wanted,
            # A cut may fall inside a character.
            self._model.bytes_of(sequence.answer).decode(errors="replace"),
            sequence.finish_reason,
            n_prompt_tokens=len(sequence.job.prompt),
            n_tokens=len(sequence.thought) + len(sequence.answer),
            seconds=time.perf_counter() - sequence.started,
            reasoning=thought.partition(self._closing)[0].strip() if self._closing else "",
        )
